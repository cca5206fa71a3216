//! Records through power cuts, flipped bytes, full disks and missing folders.

use super::archive::{self, SmearRecords, SmearState};
use super::entry::{Damage, DamageKind, decode, encode, read_prefix};
use super::journal::{Disk, Journal, RealDisk};
use super::*;
use crate::assessment::CLUMPS_ID;
use crate::cell::{CellClass, PerClass};
use proptest::prelude::*;
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NOW: Timestamp = Timestamp {
    uptime_ms: 5_000,
    unix_ms: 1_800_000_000_123,
    clock_set: true,
};
const LIMIT: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(5);

fn started() -> SmearStarted {
    SmearStarted {
        format: RECORDS_FORMAT,
        counted_by: "hemoscope 0.1.0, model x 1.0.0, kernel scalar".to_owned(),
        sample: "S \"1\"".to_owned(),
        target_fields: Some(40),
        is_simulated: false,
        count_scatter: PerClass::default(),
    }
}

fn withheld() -> AssessmentRecord {
    AssessmentRecord {
        verdict: "withheld".to_owned(),
        withheld_by: vec!["two_scales".to_owned()],
        remarks: vec!["overdispersed".to_owned()],
    }
}

fn field(number: u32) -> FieldRecord {
    let is_counted = !number.is_multiple_of(4);
    FieldRecord {
        field: Some(u64::from(number)),
        outcome: if is_counted {
            FieldOutcome::Counted
        } else {
            FieldOutcome::Blurred
        },
        certain: if is_counted {
            PerClass::from([(CellClass::Rbc, 40 + number), (CellClass::Wbc, 1)])
        } else {
            PerClass::default()
        },
        uncertain: if is_counted { number % 3 } else { 0 },
        area_q8: 70_000_000,
        has_clump: false,
        is_forced: false,
        um_per_px: Some(0.0725),
        um_per_px_estimated: false,
        focus_score: 80,
        background_level: 210,
        lost_before: 0,
    }
}

fn totals(fields: u32) -> Totals {
    let mut totals = Totals::default();
    (1..=fields).for_each(|number| totals.add(&field(number)));
    totals
}

fn journal(folder: &Path, max_file_bytes: u64) -> Journal<RealDisk> {
    Journal::new(RealDisk, folder.to_owned(), "a-boot", max_file_bytes)
}

/// A smear with so many fields, without its last line.
fn write_smear(folder: &Path, fields: u32, max_file_bytes: u64) {
    let mut journal = journal(folder, max_file_bytes);
    assert_eq!(journal.open(NOW).unwrap(), Vec::<String>::new());
    journal.write(NOW, &Event::SmearStarted(started())).unwrap();
    for number in 1..=fields {
        journal.write(NOW, &Event::Field(field(number))).unwrap();
    }
}

/// No format to look after.
fn nothing() -> Result<Vec<String>, RecordError> {
    Ok(Vec::new())
}

fn read_all(folder: &Path) -> Vec<SmearRecords> {
    let smears = archive::list(folder).unwrap();
    let read = smears
        .iter()
        .map(|(&number, files)| archive::read(number, files));
    read.collect::<Result<_, _>>().unwrap()
}

fn file_bytes(fields: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    write_smear(folder.path(), fields, MAX_FILE_BYTES);
    fs::read(folder.path().join(layout::file_name(1, 1))).unwrap()
}

/// The events of a file and what ended it.
fn events_of(bytes: &[u8]) -> (Vec<Event>, Option<Damage>) {
    let mut events = Vec::new();
    let take = |entry: &Entry<'_>| events.push(entry.event.clone().into_owned());
    let prefix = read_prefix(bytes, 1, 0, take).unwrap();
    (events, prefix.damage)
}

/// The offset behind each line.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).collect()
}

#[test]
fn a_line_is_json_and_says_everything() {
    let bytes = file_bytes(1);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"]["smear_started"]["sample"], "S \"1\"");
    let line = &lines[1];
    assert_eq!(
        (line["smear"].as_u64(), line["seq"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(line["boot_id"], "a-boot");
    assert_eq!(line["uptime_ms"], 5_000);
    assert_eq!(line["unix_ms"], 1_800_000_000_123_u64);
    assert_eq!(line["clock_set"], true);
    assert_eq!(line["event"]["field"]["rbc"], 41);
    assert_eq!(line["event"]["field"]["outcome"], "counted");
    assert_eq!(line["crc32"].as_str().map(str::len), Some(8));
}

/// Counts as they stand in a line, each followed by a comma. How a class is written is tested where
/// classes are.
fn counts_in_line(counts: PerClass<u32>) -> String {
    let counts = counts.iter();
    counts
        .map(|(class, count)| format!(r#""{}":{count},"#, class.key()))
        .collect()
}

#[test]
fn lines_stay_as_they_are() {
    let counts = |rbc, wbc| {
        counts_in_line(PerClass::from([
            (CellClass::Rbc, rbc),
            (CellClass::Wbc, wbc),
        ]))
    };
    let events = [
        (
            Event::Field(field(1)),
            r#"{"field":{"field":1,"outcome":"counted","#.to_owned()
                + &counts(41, 1)
                + r#""uncertain":1,"#
                + r#""area_q8":70000000,"um_per_px":0.0725,"um_per_px_estimated":false,"#
                + r#""focus_score":80,"background_level":210,"lost_before":0}}"#,
        ),
        (
            Event::SmearEnded {
                ending: EndReason::Finished,
                totals: totals(4),
                assessment: Some(withheld()),
            },
            r#"{"smear_ended":{"ending":"finished","totals":{"fields":3,"rejected":1,"lost":0,"#
                .to_owned()
                + &counts(126, 3)
                + r#""uncertain":3},"assessment":{"verdict":"withheld","#
                + r#""withheld_by":["two_scales"],"remarks":["overdispersed"]}}}"#,
        ),
    ];
    for (event, expected) in events {
        assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    }
}

#[test]
fn a_file_cut_at_any_byte_is_a_true_prefix() {
    let bytes = file_bytes(6);
    let (all, damage) = events_of(&bytes);
    assert_eq!((all.len(), damage), (7, None));
    let ends = line_ends(&bytes);
    for cut in 0..=bytes.len() {
        let (read, damage) = events_of(&bytes[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(read, all[..whole], "cut at {cut}");
        let is_clean = cut == 0 || ends.contains(&cut);
        assert_eq!(damage.is_none(), is_clean, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_ends_the_true_prefix() {
    let bytes = file_bytes(2);
    let (all, _) = events_of(&bytes);
    let ends = line_ends(&bytes);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let (read, damage) = events_of(&altered);
            let line = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(read, all[..line], "bit {bit} of byte {at}");
            assert!(damage.is_some(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn lines_that_do_not_follow_are_not_read() {
    let bytes = file_bytes(4);
    let ends = line_ends(&bytes);
    let line = |number: usize| &bytes[if number == 0 { 0 } else { ends[number - 1] }..ends[number]];
    let cases = [
        ("left out", [line(0), line(2), line(3)].concat(), 1),
        ("twice", [line(0), line(1), line(1)].concat(), 2),
        ("exchanged", [line(0), line(2), line(1)].concat(), 1),
        ("not the first", line(1).to_vec(), 0),
    ];
    for (name, bytes, expected) in cases {
        let (read, damage) = events_of(&bytes);
        assert_eq!(read.len(), expected, "{name}");
        let kind = damage.map(|damage| damage.kind);
        assert_eq!(kind, Some(DamageKind::OutOfOrder), "{name}");
    }
    let other_smear = read_prefix(&*bytes, 2, 0, |_| {}).unwrap();
    assert_eq!(other_smear.entries, 0);
}

#[test]
fn a_line_of_a_later_version_is_told_apart_from_a_torn_one() {
    let mut line = br#"{"smear":1,"seq":0,"boot_id":"b","uptime_ms":1,"unix_ms":1,"clock_set":false,"event":{"moon":{}}"#.to_vec();
    let crc = crc32fast::hash(&line);
    writeln!(line, ",\"crc32\":\"{crc:08x}\"}}").unwrap();
    assert_eq!(decode(&line).unwrap_err(), DamageKind::Unknown);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(layout::file_name(1, 1));
    fs::write(&path, &line).unwrap();
    let said = journal(folder.path(), MAX_FILE_BYTES).open(NOW).unwrap();
    assert!(
        said[0].contains("left as it is") && said[0].contains("another version"),
        "{said:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), line);
}

#[test]
fn a_power_cut_at_any_byte_leaves_an_interrupted_smear_and_loses_nothing() {
    let bytes = file_bytes(2);
    let ends = line_ends(&bytes);
    for cut in 0..=bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(layout::file_name(1, 1));
        fs::write(&path, &bytes[..cut]).unwrap();
        let mut journal = journal(folder.path(), MAX_FILE_BYTES);
        let said = journal.open(NOW).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let kept_bytes = if whole == 0 { 0 } else { ends[whole - 1] };
        let is_torn = kept_bytes < cut;
        assert_eq!(
            said.len(),
            1 + usize::from(is_torn),
            "cut at {cut}: {said:?}"
        );
        if is_torn {
            let side = folder
                .path()
                .join(format!("{}.torn-01", layout::file_name(1, 1)));
            assert_eq!(
                fs::read(side).unwrap(),
                bytes[kept_bytes..cut],
                "cut at {cut}"
            );
        }
        let repaired = fs::read(&path).unwrap();
        assert_eq!(repaired[..kept_bytes], bytes[..kept_bytes], "cut at {cut}");
        let read = read_all(folder.path());
        assert_eq!(read[0].state, SmearState::Interrupted, "cut at {cut}");
        assert_eq!(
            read[0].totals,
            totals(whole.saturating_sub(1) as u32),
            "cut at {cut}"
        );
        assert_eq!(read[0].faults, [], "cut at {cut}");
        // The next smear is another one.
        journal.write(NOW, &Event::SmearStarted(started())).unwrap();
        assert_eq!(read_all(folder.path()).len(), 2, "cut at {cut}");
        assert_eq!(read_all(folder.path())[0].totals, read[0].totals);
    }
}

#[test]
fn a_smear_goes_on_in_parts_and_is_read_as_one() {
    let folder = tempfile::tempdir().unwrap();
    write_smear(folder.path(), 20, 1500);
    let files = archive::list(folder.path()).unwrap();
    assert!(files[&1].len() > 3, "{files:?}");
    for path in files[&1].values() {
        assert!(fs::metadata(path).unwrap().len() <= 1500);
    }
    let read = read_all(folder.path());
    assert_eq!(
        (read[0].totals, read[0].state),
        (totals(20), SmearState::InProgress)
    );
    assert_eq!(read[0].tally.fields(), 15);
    // Without one of them, what follows is not trusted, and nothing is added to it.
    fs::remove_file(&files[&1][&2]).unwrap();
    let read = &read_all(folder.path())[0];
    assert!(read.totals.fields < 15);
    assert!(read.faults[0].what.contains("missing"), "{:?}", read.faults);
    let said = journal(folder.path(), 1500).open(NOW).unwrap();
    assert!(said[0].contains("left as it is"), "{said:?}");
}

#[test]
fn totals_that_do_not_add_up_are_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), MAX_FILE_BYTES);
    journal.open(NOW).unwrap();
    journal.write(NOW, &Event::SmearStarted(started())).unwrap();
    journal.write(NOW, &Event::Field(field(1))).unwrap();
    let wrong = Event::SmearEnded {
        ending: EndReason::Finished,
        totals: totals(2),
        assessment: None,
    };
    journal.write(NOW, &wrong).unwrap();
    let read = &read_all(folder.path())[0];
    assert!(
        read.faults[0].what.contains("do not add up"),
        "{:?}",
        read.faults
    );
}

#[test]
fn an_older_version_reads_on_behind_what_a_newer_one_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), MAX_FILE_BYTES);
    journal.open(NOW).unwrap();
    journal.write(NOW, &Event::SmearStarted(started())).unwrap();
    for number in 1..=9 {
        journal.write(NOW, &Event::Field(field(number))).unwrap();
    }
    let ended = Event::SmearEnded {
        ending: EndReason::Finished,
        totals: totals(9),
        assessment: Some(withheld()),
    };
    journal.write(NOW, &ended).unwrap();
    drop(journal);
    let path = folder.path().join(layout::file_name(1, 1));
    let mut newer = Vec::new();
    for text in fs::read_to_string(&path).unwrap().lines() {
        let mut line: serde_json::Value = serde_json::from_str(text).unwrap();
        line.as_object_mut().unwrap().remove("crc32");
        if let Some(field) = line["event"].get_mut("field") {
            // Fields four and eight are out of focus.
            if field["outcome"] == "blurred" {
                field["outcome"] = "rim_too_wide".into();
                field["rim_permille"] = 310.into();
            }
        }
        if let Some(ended) = line["event"].get_mut("smear_ended") {
            ended["assessment"]["withheld_by"] = vec!["a_later_rule"].into();
            ended["assessment"]["looked_at_by"] = "A".into();
        }
        let mut bytes = Vec::new();
        line::encode(&line, &mut bytes).unwrap();
        newer.extend(bytes);
    }
    fs::write(&path, &newer).unwrap();
    let read = &read_all(folder.path())[0];
    assert_eq!((read.entries, &read.faults[..]), (11, &[][..]));
    assert_eq!((read.totals.fields, read.totals.rejected), (7, 2));
    let outcomes = events_of(&newer)
        .0
        .into_iter()
        .filter_map(|event| match event {
            Event::Field(field) => Some(field.outcome),
            _ => None,
        });
    let unknown = outcomes.filter(|outcome| *outcome == FieldOutcome::Unknown);
    assert_eq!(unknown.count(), 2);
    assert!(read.is_withheld());
    assert!(read.assessment.as_ref().unwrap().hides_figures());
}

#[test]
fn figures_of_clumped_platelets_stand_though_they_are_withheld() {
    let clumped = AssessmentRecord {
        withheld_by: vec![CLUMPS_ID.to_owned()],
        ..withheld()
    };
    assert!(clumped.is_withheld() && !clumped.hides_figures());
    assert!(withheld().hides_figures());
}

/// A disk that is full for a while: it takes half of what it is given, and says so.
#[derive(Clone)]
struct FullDisk {
    failures_left: Arc<AtomicUsize>,
}

impl Disk for FullDisk {
    type File = File;

    fn open(&self, path: &Path, bytes: u64) -> io::Result<File> {
        RealDisk.open(path, bytes)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let take = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.failures_left.fetch_update(order, order, take).is_ok() {
            RealDisk.append(file, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.append(file, bytes)
    }
}

fn failure(recorder: &Recorder) -> Option<String> {
    recorder.failure(&mut u64::MAX.clone()).flatten()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{what} did not come about in 20 s");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_once_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let failures_left = Arc::new(AtomicUsize::new(usize::MAX));
    let disk = FullDisk {
        failures_left: Arc::clone(&failures_left),
    };
    let (recorder, said) = Recorder::start_on(
        disk,
        folder.path().to_owned(),
        nothing,
        MAX_FILE_BYTES,
        RETRY,
    );
    assert_eq!(said, Vec::<String>::new());
    recorder.begin(started());
    for number in 1..=9 {
        recorder.field(field(number));
    }
    wait_until("the warning", || failure(&recorder).is_some());
    let reason = failure(&recorder).unwrap();
    assert!(reason.contains("free some space"), "{reason}");
    failures_left.store(2, Ordering::SeqCst);
    wait_until("the all-clear", || failure(&recorder).is_none());
    recorder.end(EndReason::Finished, withheld());
    let closed = recorder.close(LIMIT);
    assert_eq!((closed.smear, closed.unsaved, closed.reason), (1, 0, None));
    let read = &read_all(folder.path())[0];
    assert_eq!(read.state, SmearState::Ended(EndReason::Finished));
    assert_eq!(read.assessment, Some(withheld()));
    assert!(read.is_withheld());
    assert_eq!((read.totals, read.faults.len()), (totals(9), 0));
}

#[test]
fn what_does_not_fit_the_queue_is_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let failures_left = Arc::new(AtomicUsize::new(usize::MAX));
    let disk = FullDisk {
        failures_left: Arc::clone(&failures_left),
    };
    let (recorder, _) = Recorder::start_on(
        disk,
        folder.path().to_owned(),
        nothing,
        MAX_FILE_BYTES,
        RETRY,
    );
    recorder.begin(started());
    (0..4096 + 7).for_each(|_| recorder.field(field(1)));
    recorder.end(EndReason::Stopped, withheld());
    failures_left.store(0, Ordering::SeqCst);
    let closed = recorder.close(LIMIT);
    assert_eq!(closed.unsaved, 0);
    let read = &read_all(folder.path())[0];
    assert_eq!((read.totals.fields, read.totals.lost), (4096, 7));
    assert_eq!(read.faults, []);
}

#[test]
fn a_disk_that_stays_full_leaves_a_true_prefix_and_says_how_much_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FullDisk {
        failures_left: Arc::new(AtomicUsize::new(usize::MAX)),
    };
    let (recorder, _) = Recorder::start_on(
        disk,
        folder.path().to_owned(),
        nothing,
        MAX_FILE_BYTES,
        RETRY,
    );
    recorder.begin(started());
    recorder.field(field(1));
    let closed = recorder.close(LIMIT);
    assert_eq!(closed.unsaved, 2);
    assert!(closed.reason.is_some());
    let said = journal(folder.path(), MAX_FILE_BYTES).open(NOW).unwrap();
    assert!(said[0].contains("torn"), "{said:?}");
}

#[test]
fn a_missing_folder_is_tried_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data/records");
    // A file where the folder should be.
    fs::write(parent.path().join("data"), "").unwrap();
    let (recorder, _) =
        Recorder::start_on(RealDisk, folder.clone(), nothing, MAX_FILE_BYTES, RETRY);
    assert!(failure(&recorder).is_some_and(|reason| reason.contains("check the folder's path")));
    recorder.begin(started());
    recorder.field(field(1));
    fs::remove_file(parent.path().join("data")).unwrap();
    wait_until("the folder", || failure(&recorder).is_none());
    recorder.end(EndReason::Finished, withheld());
    assert_eq!(recorder.close(LIMIT).unsaved, 0);
    assert_eq!(read_all(&folder)[0].totals, totals(1));
}

#[test]
fn one_program_at_a_time_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = journal(folder.path(), MAX_FILE_BYTES);
    first.open(NOW).unwrap();
    let error = journal(folder.path(), MAX_FILE_BYTES)
        .open(NOW)
        .unwrap_err();
    assert!(
        error.to_string().contains("used by another hemoscope"),
        "{error}"
    );
    drop(first);
    assert!(journal(folder.path(), MAX_FILE_BYTES).open(NOW).is_ok());
}

#[test]
fn a_line_that_would_be_too_long_is_refused() {
    let event = Event::SmearStarted(SmearStarted {
        sample: "x".repeat(MAX_LINE_BYTES),
        ..started()
    });
    let entry = Entry {
        smear: 1,
        seq: 0,
        boot_id: Cow::Borrowed("b"),
        stamp: NOW,
        event: Cow::Owned(event),
    };
    assert!(encode(&entry, &mut Vec::new()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(
        seq in any::<u64>(),
        counts in any::<[u32; CellClass::COUNT]>(),
        uncertain in any::<u32>(),
        area_q8 in any::<u64>(),
        um_per_px_thousandths in proptest::option::of(5_u32..5000),
        field in proptest::option::of(any::<u64>()),
        stamp in (any::<u64>(), any::<u64>(), any::<bool>()),
        boot_id in "\\PC{0,40}",
    ) {
        let event = Event::Field(FieldRecord {
            field,
            outcome: FieldOutcome::Counted,
            certain: PerClass::from_fn(|class| counts[class.index()]),
            uncertain,
            area_q8,
            has_clump: uncertain % 2 == 1,
            is_forced: uncertain % 3 == 1,
            um_per_px: um_per_px_thousandths.map(|thousandths| f64::from(thousandths) / 1000.0),
            um_per_px_estimated: true,
            focus_score: 9,
            background_level: 255,
            lost_before: uncertain,
        });
        let entry = Entry {
            smear: 3,
            seq,
            boot_id: Cow::Owned(boot_id),
            stamp: Timestamp { uptime_ms: stamp.0, unix_ms: stamp.1, clock_set: stamp.2 },
            event: Cow::Owned(event),
        };
        let mut line = Vec::new();
        encode(&entry, &mut line).unwrap();
        prop_assert_eq!(decode(&line).unwrap(), entry);
    }

    #[test]
    fn altered_bytes_never_give_a_wrong_record(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let bytes = file_bytes(5);
        let (all, _) = events_of(&bytes);
        let mut altered = bytes.clone();
        for (at, change) in &changes {
            altered[at.index(bytes.len())] ^= change;
        }
        altered.truncate(cut.index(bytes.len() + 1));
        let (read, _) = events_of(&altered);
        prop_assert!(read.len() <= all.len());
        prop_assert_eq!(&read[..], &all[..read.len()]);
    }

    #[test]
    fn any_bytes_are_read_or_left_out(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (read, _) = events_of(&bytes);
        prop_assert_eq!(read, []);
    }
}

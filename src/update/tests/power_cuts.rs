//! Whole updates, good and bad, with the power cut and the card pulled at every single write.

use super::simulated_device::{
    BOARD, Behaviour, Release, SharedDevice, SimulatedDevice, SimulatedHost, SimulatedSystem,
    Unsynced,
};
use crate::record::line;
use crate::update::boot::slots::{self, Running, Slot};
use crate::update::bundle::system_version::SystemVersion;
use crate::update::folder::{self, Folder};
use crate::update::history::{self, HistoryEvent};
use crate::update::protocol::{Answer, UpdateState};
use crate::update::trial::boot_check::{BootOutcome, check_boot};
use crate::update::trial::pending::{PENDING_FILE, Pending};
use crate::update::updater::Updater;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The records that the program writes while all this goes on.
const RECORDS_FILE: &str = "records.jsonl";
/// More starts than any update takes.
const MAX_STARTS: u32 = 60;
/// More looks than any session takes.
const MAX_TURNS: u32 = 40;
/// Starts of a session without anything new, after which all is quiet.
const QUIET_TURNS: u32 = 8;
const OLD: usize = 0;
const NEW: usize = 1;
const LATER: usize = 2;

#[derive(Serialize, Deserialize)]
struct Record {
    number: u64,
}

/// What one device goes through.
struct Story {
    device: SharedDevice,
    started: BTreeSet<usize>,
    kept_records: BTreeSet<u64>,
    next_record: u64,
    label: String,
}

impl Story {
    fn new(releases: &[Release], folder: &tempfile::TempDir, label: String) -> Self {
        Self {
            device: SimulatedDevice::shared(releases.to_vec(), folder.path().to_owned()),
            started: BTreeSet::new(),
            kept_records: BTreeSet::new(),
            next_record: 1,
            label,
        }
    }

    fn is_on(&self) -> bool {
        self.device.get().is_on
    }

    fn read_records(&self) -> (BTreeSet<u64>, u64) {
        let bytes = folder::read(&self.device, RECORDS_FILE, 1 << 30).unwrap();
        let (mut numbers, mut kept_bytes) = (BTreeSet::new(), 0);
        for raw in bytes
            .unwrap_or_default()
            .split_inclusive(|&byte| byte == b'\n')
        {
            let Ok(record) = line::decode::<Record>(raw) else {
                break;
            };
            numbers.insert(record.number);
            kept_bytes += raw.len() as u64;
        }
        (numbers, kept_bytes)
    }

    /// The program counts a field.
    fn count(&mut self) {
        let (found, kept_bytes) = self.read_records();
        let lost: Vec<_> = self.kept_records.difference(&found).collect();
        assert!(lost.is_empty(), "{}: records {lost:?} are lost", self.label);
        let number = self.next_record;
        self.next_record += 1;
        let mut bytes = Vec::new();
        line::encode(&Record { number }, &mut bytes).unwrap();
        let device = &mut self.device;
        let kept = device
            .append(RECORDS_FILE, kept_bytes, &bytes)
            .and_then(|()| device.sync(RECORDS_FILE))
            .and_then(|()| device.sync_names());
        if kept.is_ok() {
            self.kept_records.insert(number);
        }
    }

    /// From the power to a system that runs and has been through its boot check.
    fn start(&mut self) -> (Running, usize) {
        for _ in 0..MAX_STARTS {
            {
                let mut device = self.device.get();
                device.is_on = true;
                device.wants_restart = false;
                device.boot_number += 1;
                device.published = UpdateState::Idle;
                device.answer = None;
            }
            if let Some(running) = self.start_once() {
                return running;
            }
            self.device.get().forget();
        }
        panic!("{}: it does not come to rest", self.label);
    }

    /// `None` where the power failed or the machine was reset.
    fn start_once(&mut self) -> Option<(Running, usize)> {
        let state = slots::load(&self.device).unwrap();
        let choice = slots::choose(state.as_ref(), |_| true);
        for written in &choice.written {
            slots::store(&mut self.device, written).ok()?;
        }
        let running = choice.running;
        let release = match running {
            Running::Rescue => OLD,
            Running::Slot(slot) => {
                let whole = self.device.get().whole_release(slot);
                whole.unwrap_or_else(|| panic!("{}: half-written {slot} is started", self.label))
            }
        };
        self.started.insert(release);
        let behaviour = self.device.get().releases[release].behaviour;
        if matches!(behaviour, Behaviour::Panics | Behaviour::Hangs) {
            return None;
        }
        self.count();
        let mut system = SimulatedSystem {
            device: self.device.clone(),
            running,
            behaviour,
        };
        let when = self.device.now();
        let mut folder = self.device.clone();
        let mut sectors = self.device.clone();
        let after = check_boot(&mut folder, &mut sectors, running, &when, &mut system);
        if !self.is_on() {
            return None;
        }
        if let BootOutcome::TrialFailed(_) = after.unwrap() {
            self.device.get().write_back();
            return None;
        }
        Some((running, release))
    }

    /// Starts and goes on until nothing happens any more: the operator agrees to everything, and
    /// takes the card out when the device restarts or its power fails.
    fn go_on(&mut self) -> (Running, usize) {
        for _ in 0..MAX_STARTS {
            let (running, release) = self.start();
            if self.session(running, release) {
                return (running, release);
            }
            let mut device = self.device.get();
            device.pull_card();
            if device.is_on {
                device.write_back();
            } else {
                device.forget();
            }
        }
        panic!("{}: it does not come to rest", self.label);
    }

    /// `true` once all is quiet.
    fn session(&mut self, running: Running, release: usize) -> bool {
        let version = self.device.get().releases[release].version;
        let text = format!("version = \"{version}\"\nboard = \"{BOARD}\"");
        let host = SimulatedHost {
            device: self.device.clone(),
            running,
        };
        let system = SystemVersion::parse(&text, "version").unwrap();
        let mut updater = Updater::start(host, system, running);
        updater.chunk_bytes = 2 * 4096;
        let mut quiet_turns = 0;
        for _ in 0..MAX_TURNS {
            updater.turn();
            if !self.is_on() || self.device.get().wants_restart {
                return false;
            }
            self.count();
            let mut device = self.device.get();
            quiet_turns += 1;
            device.answer = match device.published.clone() {
                UpdateState::Offered(offer) => Some(Answer::Install {
                    sha256: offer.sha256,
                    is_older_agreed: true,
                }),
                UpdateState::ReadyToRestart { .. } => Some(Answer::Restart),
                UpdateState::Refused(_) | UpdateState::Ended(_) => Some(Answer::Seen),
                _ => None,
            };
            if device.answer.is_some() {
                quiet_turns = 0;
            }
            if quiet_turns == QUIET_TURNS {
                return true;
            }
        }
        panic!("{}: the updater does not come to rest", self.label);
    }

    fn history(&self, version: &str) -> Vec<HistoryEvent> {
        let lines = history::read(&self.device).unwrap().into_iter();
        let of_version = lines.filter(|line| line.to == version);
        let events = of_version.map(|line| {
            let needs_reason = matches!(
                line.event,
                HistoryEvent::TrialFailed | HistoryEvent::RolledBack | HistoryEvent::Interrupted
            );
            assert_eq!(
                needs_reason,
                !line.reason.is_empty(),
                "{}: {line:?}",
                self.label
            );
            line.event
        });
        events
            .filter(|event| *event != HistoryEvent::Seen)
            .collect()
    }

    /// What must hold once all is quiet.
    fn check(&self, running: Running, release: usize) {
        let label = &self.label;
        let Running::Slot(slot) = running else {
            panic!("{label}: the rescue system runs");
        };
        let device = self.device.get();
        let (version, behaviour) = {
            let new = &device.releases[NEW];
            (new.version, new.behaviour)
        };
        drop(device);
        let state = slots::load(&self.device).unwrap().unwrap();
        assert_eq!(state.order().first(), Some(&slot), "{label}");
        assert_eq!(state.tries_left(slot), slots::CONFIRMED_TRIES, "{label}");
        assert_eq!(Pending::load(&self.device).unwrap(), None, "{label}");
        assert!(
            folder::read(&self.device, PENDING_FILE, 0)
                .unwrap()
                .is_none()
        );
        let events = self.history(version);
        let count = |event| events.iter().filter(|found| **found == event).count();
        for event in [
            HistoryEvent::Confirmed,
            HistoryEvent::RolledBack,
            HistoryEvent::TrialFailed,
        ] {
            assert!(count(event) <= 1, "{label}: {events:?}");
        }
        if release == NEW {
            assert_eq!(behaviour, Behaviour::Good, "{label}");
            assert_eq!(
                events.last(),
                Some(&HistoryEvent::Confirmed),
                "{label}: {events:?}"
            );
        } else {
            assert_eq!((release, slot), (OLD, Slot::A), "{label}");
            assert_eq!(count(HistoryEvent::Confirmed), 0, "{label}: {events:?}");
            if self.started.contains(&NEW) {
                let last = events.last();
                assert_eq!(last, Some(&HistoryEvent::RolledBack), "{label}: {events:?}");
            }
        }
    }
}

/// A story: the card with the new release is put in, and what is to go wrong goes wrong; then
/// the device takes a later release as if nothing had been.
fn tell(
    releases: &[Release],
    folder: &tempfile::TempDir,
    unsynced: Unsynced,
    cuts: &[u64],
    pull_at: Option<u64>,
) -> (u64, usize) {
    let behaviour = releases[NEW].behaviour;
    let label = format!("{behaviour:?}, {unsynced:?}, cut at {cuts:?}, pulled at {pull_at:?}");
    let mut story = Story::new(releases, folder, label);
    {
        let mut device = story.device.get();
        device.unsynced = unsynced;
        device.cuts = cuts.iter().copied().collect();
        device.pull_at = pull_at;
        device.insert_card(NEW);
    }
    let (running, release) = story.go_on();
    story.check(running, release);
    let writes = {
        let mut device = story.device.get();
        device.cuts.clear();
        device.pull_at = None;
        device.insert_card(LATER);
        device.writes
    };
    let (_, later) = story.go_on();
    assert_eq!(later, LATER, "{}: no later update is taken", story.label);
    let version = releases[LATER].version;
    assert_eq!(
        story.history(version).last(),
        Some(&HistoryEvent::Confirmed)
    );
    story.count();
    (writes, release)
}

fn releases(behaviour: Behaviour) -> Vec<Release> {
    vec![
        Release::new("1.0.0", Behaviour::Good),
        Release::new("1.1.0", behaviour),
        Release::new("1.2.0", Behaviour::Good),
    ]
}

#[test]
fn updates_end_as_they_should_without_any_cut() {
    let folder = tempfile::tempdir().unwrap();
    for behaviour in Behaviour::ALL {
        let (_, release) = tell(&releases(behaviour), &folder, Unsynced::Lost, &[], None);
        let expected = if behaviour == Behaviour::Good {
            NEW
        } else {
            OLD
        };
        assert_eq!(release, expected, "{behaviour:?}");
    }
}

#[test]
fn a_cut_at_any_write_leaves_a_device_that_starts_loses_nothing_and_can_be_updated() {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = 0;
    for behaviour in Behaviour::ALL {
        let releases = releases(behaviour);
        let (writes, _) = tell(&releases, &folder, Unsynced::Lost, &[], None);
        for unsynced in Unsynced::ALL {
            for cut in 1..=writes {
                tell(&releases, &folder, unsynced, &[cut], None);
                stories += 1;
            }
        }
    }
    println!("{stories} power cuts");
    assert!(stories > 1000, "{stories}");
}

#[test]
fn two_cuts_soon_after_each_other_do_no_more_than_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = 0;
    for behaviour in [Behaviour::Good, Behaviour::NoModel] {
        let releases = releases(behaviour);
        let (writes, _) = tell(&releases, &folder, Unsynced::Torn, &[], None);
        for cut in 1..=writes {
            for distance in 1..=12 {
                tell(
                    &releases,
                    &folder,
                    Unsynced::Torn,
                    &[cut, cut + distance],
                    None,
                );
                stories += 1;
            }
        }
    }
    println!("{stories} pairs of power cuts");
    assert!(stories > 1000, "{stories}");
}

#[test]
fn a_card_pulled_at_any_write_changes_nothing_or_is_not_needed_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = 0;
    for behaviour in Behaviour::ALL {
        let releases = releases(behaviour);
        let (writes, _) = tell(&releases, &folder, Unsynced::Lost, &[], None);
        for pull_at in 1..=writes {
            tell(&releases, &folder, Unsynced::Lost, &[], Some(pull_at));
            stories += 1;
        }
    }
    println!("{stories} cards pulled");
    assert!(stories > 200, "{stories}");
}

#[test]
fn a_full_data_partition_keeps_nothing_from_starting_proving_or_rolling_back() {
    let folder = tempfile::tempdir().unwrap();
    for behaviour in Behaviour::ALL {
        let releases = releases(behaviour);
        let label = format!("{behaviour:?}, full");
        let mut story = Story::new(&releases, &folder, label);
        story.device.get().insert_card(NEW);
        let (running, release) = story.start();
        assert!(!story.session(running, release), "it restarts");
        {
            let mut device = story.device.get();
            device.pull_card();
            device.write_back();
            device.is_full = true;
        }
        let (running, release) = story.go_on();
        let expected = if behaviour == Behaviour::Good {
            (Running::Slot(Slot::B), NEW)
        } else {
            (Running::Slot(Slot::A), OLD)
        };
        assert_eq!((running, release), expected, "{behaviour:?}");
        let state = slots::load(&story.device).unwrap().unwrap();
        assert_eq!(state.primary(), running.slot(), "{behaviour:?}");
        assert_eq!(Pending::load(&story.device).unwrap(), None, "{behaviour:?}");
        // Nor does it take an update that it could not tell of.
        story.device.get().insert_card(LATER);
        assert_eq!(story.go_on().1, release, "{behaviour:?}");
    }
}

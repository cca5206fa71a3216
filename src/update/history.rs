//! What became of each update: a file of lines, each with its checksum, that only grows at its end.

use crate::device::calendar::CivilTime;
use crate::record::Timestamp;
use crate::record::line;
use crate::update::boot::slots::Slot;
use crate::update::folder::{self, Folder, FolderError};
use crate::update::protocol::{Outcome, UpdateResult};
use serde::{Deserialize, Serialize};

/// The file's name in the updater's folder.
pub const HISTORY_FILE: &str = "history.jsonl";
/// The format of a line.
pub const HISTORY_FORMAT: u32 = 1;
/// The most lines that are kept.
pub const MAX_HISTORY_LINES: usize = 1000;
/// The most characters of a reason that are kept.
const MAX_REASON_CHARS: usize = 500;
/// The most bytes of the file: its lines are far shorter than they may be.
const MAX_HISTORY_BYTES: u64 = 8 << 20;

/// A time in a certain boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTimestamp {
    /// The kernel's ID of the boot.
    pub boot_id: String,
    /// The time in that boot.
    pub time: Timestamp,
}

/// What happened to an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryEvent {
    /// It was written into its slot.
    Installed,
    /// Writing it failed; the running version stays.
    InstallFailed,
    /// The power failed, or the updater died, while it was written.
    Interrupted,
    /// It failed its trial and will be rolled back.
    #[serde(rename = "failed")]
    TrialFailed,
    /// It passed its trial.
    #[serde(rename = "kept")]
    Confirmed,
    /// The previous version runs again.
    RolledBack,
    /// The operator has seen how it ended.
    Seen,
}

impl HistoryEvent {
    /// In words, as the table of updates shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::InstallFailed => "install failed",
            Self::Interrupted => "interrupted",
            Self::TrialFailed => "trial failed",
            Self::Confirmed => "confirmed",
            Self::RolledBack => "rolled back",
            Self::Seen => "seen",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// [`HISTORY_FORMAT`].
    pub format: u32,
    /// What happened to the update.
    pub event: HistoryEvent,
    /// The version that ran before it.
    pub from: String,
    /// The version of the bundle.
    pub to: String,
    /// The slot that took it.
    pub slot: Slot,
    /// Of the bundle.
    pub sha256: String,
    /// Why it was rolled back, one English sentence; empty where it was not.
    pub reason: String,
    /// The boot in which it happened.
    pub boot_id: String,
    /// When it happened.
    #[serde(flatten)]
    pub stamp: Timestamp,
}

impl HistoryLine {
    /// The result that the operator sees, if the line is one.
    pub fn result(&self) -> Option<UpdateResult> {
        let outcome = match self.event {
            HistoryEvent::Confirmed => Outcome::Confirmed,
            HistoryEvent::RolledBack | HistoryEvent::Interrupted => Outcome::RolledBack,
            _ => return None,
        };
        Some(UpdateResult {
            from: self.from.clone(),
            to: self.to.clone(),
            outcome,
            reason: self.reason.clone(),
        })
    }

    /// Whether it says the same of the same update.
    fn repeats(&self, other: &Self) -> bool {
        (self.event, self.slot, &self.sha256) == (other.event, other.slot, &other.sha256)
    }
}

/// Whether a bundle was rolled back when it was last tried.
pub fn was_rolled_back(lines: &[HistoryLine], sha256: &str) -> bool {
    let tried = |line: &&HistoryLine| line.sha256 == sha256 && line.event != HistoryEvent::Seen;
    let last = lines.iter().rev().find(tried);
    last.is_some_and(|line| line.event == HistoryEvent::RolledBack)
}

/// The whole lines of the file, the oldest first, and how many bytes of it they are.
#[derive(Debug, Default)]
struct Lines {
    lines: Vec<HistoryLine>,
    /// Up to the end of the last line that is whole.
    kept_bytes: u64,
}

fn load(folder: &impl Folder) -> Result<Lines, FolderError> {
    let bytes = folder::read(folder, HISTORY_FILE, MAX_HISTORY_BYTES);
    let bytes = bytes.map_err(|error| FolderError::of("read", HISTORY_FILE, error))?;
    let mut found = Lines::default();
    let mut at = 0;
    for raw in bytes
        .unwrap_or_default()
        .split_inclusive(|&byte| byte == b'\n')
    {
        at += raw.len() as u64;
        match line::decode::<HistoryLine>(raw) {
            Ok(line) => found.lines.push(line),
            // What a later version wrote stays; only a torn end is written over.
            Err(line::LineDamage::Unknown) => {}
            Err(line::LineDamage::Torn) if raw.ends_with(b"\n") => {}
            Err(line::LineDamage::Torn) => continue,
        }
        found.kept_bytes = at;
    }
    Ok(found)
}

/// Reads the lines, the oldest first; damaged ones are passed over.
///
/// # Errors
/// The file cannot be read.
pub fn read(folder: &impl Folder) -> Result<Vec<HistoryLine>, FolderError> {
    Ok(load(folder)?.lines)
}

/// Adds a line, unless the last one says the same; once `Ok`, it survives a power cut.
///
/// # Errors
/// It cannot be written.
pub fn add(folder: &mut impl Folder, mut new: HistoryLine) -> Result<(), FolderError> {
    if let Some((cut, _)) = new.reason.char_indices().nth(MAX_REASON_CHARS) {
        new.reason.truncate(cut);
    }
    let failed = |error| FolderError::of("written", HISTORY_FILE, error);
    let Lines { lines, kept_bytes } = load(folder)?;
    if lines.last().is_some_and(|last| last.repeats(&new)) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    line::encode(&new, &mut bytes).map_err(failed)?;
    if lines.len() < MAX_HISTORY_LINES {
        let added = folder
            .append(HISTORY_FILE, kept_bytes, &bytes)
            .and_then(|()| folder.sync(HISTORY_FILE))
            .and_then(|()| folder.sync_names());
        return added.map_err(failed);
    }
    let mut all = Vec::new();
    let mut one = Vec::new();
    for line in &lines[lines.len() + 1 - MAX_HISTORY_LINES..] {
        line::encode(line, &mut one).map_err(failed)?;
        all.extend_from_slice(&one);
    }
    all.extend_from_slice(&bytes);
    folder::replace(folder, HISTORY_FILE, &all).map_err(failed)
}

/// When something happened, as people read it.
pub fn date(stamp: &Timestamp) -> String {
    let time = CivilTime::at(stamp.unix_ms, 0).filter(|_| stamp.clock_set);
    time.map_or_else(
        || "(clock not set)".to_owned(),
        |time| format!("{time} UTC"),
    )
}

/// How the last update ended, where the operator has not seen it.
pub fn unseen_result(lines: &[HistoryLine]) -> Option<UpdateResult> {
    lines.last()?.result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::folder::DiskFolder;
    use std::fs;

    fn a_line(event: HistoryEvent, number: usize) -> HistoryLine {
        HistoryLine {
            format: HISTORY_FORMAT,
            event,
            from: "1.0.0".to_owned(),
            to: format!("1.{number}.0"),
            slot: Slot::B,
            sha256: format!("{number:064x}"),
            reason: String::new(),
            boot_id: "a-boot".to_owned(),
            stamp: Timestamp {
                uptime_ms: 1,
                unix_ms: 2,
                clock_set: false,
            },
        }
    }

    #[test]
    fn lines_are_kept_once_each_and_a_torn_end_is_written_over() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        assert_eq!(read(&folder).unwrap(), []);
        add(&mut folder, a_line(HistoryEvent::Installed, 1)).unwrap();
        add(&mut folder, a_line(HistoryEvent::Confirmed, 1)).unwrap();
        add(&mut folder, a_line(HistoryEvent::Confirmed, 1)).unwrap();
        let path = folder.file(HISTORY_FILE);
        let whole = fs::read(&path).unwrap();
        for cut in [1, 5, 30] {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(read(&folder).unwrap().len(), 1, "{cut}");
            add(&mut folder, a_line(HistoryEvent::Confirmed, 1)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "{cut}");
        }
        let lines = read(&folder).unwrap();
        assert_eq!(unseen_result(&lines).unwrap().outcome, Outcome::Confirmed);
        add(&mut folder, a_line(HistoryEvent::Seen, 1)).unwrap();
        assert_eq!(unseen_result(&read(&folder).unwrap()), None);
    }

    #[test]
    fn damage_in_the_middle_hides_no_other_line() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        for number in 1..=3 {
            add(&mut folder, a_line(HistoryEvent::Confirmed, number)).unwrap();
        }
        let path = folder.file(HISTORY_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("1.2.0", "9.9.9")).unwrap();
        let versions: Vec<String> = read(&folder).unwrap().into_iter().map(|l| l.to).collect();
        assert_eq!(versions, ["1.1.0", "1.3.0"]);
        add(&mut folder, a_line(HistoryEvent::Confirmed, 4)).unwrap();
        assert_eq!(read(&folder).unwrap().len(), 3);
    }

    #[test]
    fn the_oldest_lines_make_room_and_reasons_are_cut() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        let mut all = Vec::new();
        for number in 0..MAX_HISTORY_LINES {
            let mut one = Vec::new();
            line::encode(&a_line(HistoryEvent::Confirmed, number), &mut one).unwrap();
            all.extend_from_slice(&one);
        }
        fs::write(folder.file(HISTORY_FILE), all).unwrap();
        let mut new = a_line(HistoryEvent::TrialFailed, 7);
        new.reason = "é".repeat(MAX_REASON_CHARS + 9);
        add(&mut folder, new).unwrap();
        let lines = read(&folder).unwrap();
        assert_eq!(lines.len(), MAX_HISTORY_LINES);
        assert_eq!(lines[0].to, "1.1.0");
        let reason = &lines.last().unwrap().reason;
        assert_eq!(reason.chars().count(), MAX_REASON_CHARS);
    }

    #[test]
    fn a_date_is_that_of_a_clock_that_is_set() {
        let mut stamp = a_line(HistoryEvent::Confirmed, 1).stamp;
        assert_eq!(date(&stamp), "(clock not set)");
        (stamp.unix_ms, stamp.clock_set) = (1_767_229_260_000, true);
        assert_eq!(date(&stamp), "2026-01-01 01:01 UTC");
    }
}

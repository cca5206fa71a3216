//! The pending update: what is known of it between its installation and its end.

use crate::update::boot::slots::Slot;
use crate::update::folder::{self, Folder, FolderError};
use crate::update::history::{BootTimestamp, HISTORY_FORMAT, HistoryEvent, HistoryLine};
use crate::update::protocol::{Outcome, UpdateResult};
use serde::{Deserialize, Serialize};

/// The pending update, in the updater's folder.
pub const PENDING_FILE: &str = "pending.json";
/// The format of the file.
const FORMAT: u32 = 1;

/// An update that has begun and not ended; written before the slot is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    format: u32,
    /// The version that ran before it.
    pub from: String,
    /// The version that it installs.
    pub to: String,
    /// The slot that takes it.
    pub slot: Slot,
    /// Of the bundle.
    pub sha256: String,
    /// The boot in which it began.
    pub boot_id: String,
    /// Why it is rolled back, once that is decided.
    #[serde(default)]
    pub failure: Option<String>,
}

impl Pending {
    /// An update that begins now.
    pub fn new(from: &str, to: &str, slot: Slot, sha256: &str, boot_id: &str) -> Self {
        Self {
            format: FORMAT,
            from: from.to_owned(),
            to: to.to_owned(),
            slot,
            sha256: sha256.to_owned(),
            boot_id: boot_id.to_owned(),
            failure: None,
        }
    }

    /// The pending update, if any.
    ///
    /// # Errors
    /// The file cannot be read, or is of no format that this version knows.
    pub fn load(folder: &impl Folder) -> Result<Option<Self>, FolderError> {
        let found: Option<Self> = folder::read_json(folder, PENDING_FILE)?;
        match found {
            Some(pending) if pending.format != FORMAT => Err(FolderError::Content {
                name: PENDING_FILE.to_owned(),
                reason: format!("it is of format {}", pending.format),
            }),
            found => Ok(found),
        }
    }

    /// Writes it so that it survives a power cut.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(&self, folder: &mut impl Folder) -> Result<(), FolderError> {
        folder::replace_json(folder, PENDING_FILE, self)
    }

    /// A line of the history about it.
    pub fn line(&self, event: HistoryEvent, reason: &str, now: &BootTimestamp) -> HistoryLine {
        HistoryLine {
            format: HISTORY_FORMAT,
            event,
            from: self.from.clone(),
            to: self.to.clone(),
            slot: self.slot,
            sha256: self.sha256.clone(),
            reason: reason.to_owned(),
            boot_id: now.boot_id.clone(),
            stamp: now.time,
        }
    }

    /// How it ended.
    pub fn result(&self, outcome: Outcome, reason: &str) -> UpdateResult {
        UpdateResult {
            from: self.from.clone(),
            to: self.to.clone(),
            outcome,
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::folder::DiskFolder;
    use std::fs;

    #[test]
    fn what_is_pending_comes_back_and_another_format_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        assert_eq!(Pending::load(&folder).unwrap(), None);
        let pending = Pending::new("1.0.0", "1.1.0", Slot::B, "ab", "a-boot");
        pending.store(&mut folder).unwrap();
        assert_eq!(Pending::load(&folder).unwrap(), Some(pending));
        let path = folder.file(PENDING_FILE);
        let text = fs::read_to_string(&path).unwrap();
        for wrong in [text.replace("\"format\":1", "\"format\":2"), "{".to_owned()] {
            fs::write(&path, wrong).unwrap();
            let error = Pending::load(&folder).unwrap_err();
            assert!(error.to_string().contains("is ignored"), "{error}");
        }
    }
}

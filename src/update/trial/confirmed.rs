//! What the device had when a version was last confirmed.

use crate::update::folder::{self, Folder, FolderError};
use crate::update::protocol::DeviceFacts;
use serde::{Deserialize, Serialize};

/// What the device had at the last proof, in the updater's folder.
pub const PROVEN_FILE: &str = "proven.json";
/// The format of the file.
const FORMAT: u32 = 1;

/// What the device had when a version last proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    format: u32,
    pub facts: DeviceFacts,
}

impl Proven {
    /// The facts of the last proof; `None` where there are none that this version knows.
    ///
    /// # Errors
    /// The file cannot be read, or is of no format that this version knows.
    pub fn load(folder: &impl Folder) -> Result<Option<DeviceFacts>, FolderError> {
        let found: Option<Self> = folder::read_json(folder, PROVEN_FILE)?;
        Ok(found
            .filter(|proven| proven.format == FORMAT)
            .map(|proven| proven.facts))
    }

    /// Has facts survive a power cut, unless they stand there.
    ///
    /// # Errors
    /// They do not.
    pub fn store(folder: &mut impl Folder, facts: &DeviceFacts) -> Result<(), FolderError> {
        if Self::load(folder).ok().flatten().as_ref() == Some(facts) {
            return Ok(());
        }
        let proven = Self {
            format: FORMAT,
            facts: facts.clone(),
        };
        folder::replace_json(folder, PROVEN_FILE, &proven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::folder::DiskFolder;

    #[test]
    fn facts_come_back() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        assert_eq!(Proven::load(&folder).unwrap(), None);
        let facts = DeviceFacts {
            version: "1.0.0".to_owned(),
            camera: Some("USB".to_owned()),
            display: None,
            is_data_readable: true,
        };
        Proven::store(&mut folder, &facts).unwrap();
        Proven::store(&mut folder, &facts).unwrap();
        assert_eq!(Proven::load(&folder).unwrap(), Some(facts));
    }
}

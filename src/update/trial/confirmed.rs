//! The status of the device when a version was last confirmed.

use crate::update::folder::{self, Folder, FolderError};
use crate::update::protocol::DeviceStatus;
use serde::{Deserialize, Serialize};

/// The file, in the updater's folder.
pub const CONFIRMED_FILE: &str = "proven.json";
/// The format of the file.
const FORMAT: u32 = 1;

/// The status of the device at the last confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    format: u32,
    /// The status at that time.
    #[serde(rename = "facts")]
    pub status: DeviceStatus,
}

impl Confirmed {
    /// The status at the last confirmation; `None` where this version knows of none.
    ///
    /// # Errors
    /// The file cannot be read, or is not of a known format.
    pub fn load(folder: &impl Folder) -> Result<Option<DeviceStatus>, FolderError> {
        let found: Option<Self> = folder::read_json(folder, CONFIRMED_FILE)?;
        Ok(found
            .filter(|confirmed| confirmed.format == FORMAT)
            .map(|confirmed| confirmed.status))
    }

    /// Writes a status so that it survives a power cut, unless it is there already.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(folder: &mut impl Folder, status: &DeviceStatus) -> Result<(), FolderError> {
        if Self::load(folder).ok().flatten().as_ref() == Some(status) {
            return Ok(());
        }
        let confirmed = Self {
            format: FORMAT,
            status: status.clone(),
        };
        folder::replace_json(folder, CONFIRMED_FILE, &confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::folder::DiskFolder;

    #[test]
    fn a_status_comes_back_and_keeps_its_keys_on_disk() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        assert_eq!(Confirmed::load(&folder).unwrap(), None);
        let status = DeviceStatus {
            version: "1.0.0".to_owned(),
            camera: Some("USB".to_owned()),
            display: None,
            is_data_readable: true,
        };
        Confirmed::store(&mut folder, &status).unwrap();
        Confirmed::store(&mut folder, &status).unwrap();
        let text = std::fs::read_to_string(folder.file(CONFIRMED_FILE)).unwrap();
        assert!(
            text.starts_with(r#"{"format":1,"facts":{"version":"1.0.0""#),
            "{text}"
        );
        assert_eq!(Confirmed::load(&folder).unwrap(), Some(status));
    }
}

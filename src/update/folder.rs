//! The updater's own folder on the data partition, and the small files of JSON in it.

pub use crate::device::folder::{DiskFolder, Folder, read, replace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use thiserror::Error;

/// Where the updater keeps what has to outlive a restart.
pub const UPDATE_FOLDER: &str = "/data/update";
/// The most bytes of a small file.
const MAX_SMALL_BYTES: u64 = 64 * 1024;

/// What went wrong with one of the updater's files.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The operating system refused an operation.
    #[error(
        "{name} in the updater's folder cannot be {doing}: {cause}; check the storage and its free space"
    )]
    Io {
        /// What could not be done, as in "cannot be read".
        doing: &'static str,
        /// The file's name in the folder.
        name: String,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// The file's content cannot be used.
    #[error("{name} in the updater's folder is not of a known format ({reason}); it is ignored")]
    Content {
        /// The file's name in the folder.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FolderError {
    pub(super) fn of(doing: &'static str, name: &str, cause: io::Error) -> Self {
        Self::Io {
            doing,
            name: name.to_owned(),
            cause,
        }
    }
}

/// Removes a file for good.
///
/// # Errors
/// It may come back after a power cut.
pub fn remove(folder: &mut impl Folder, name: &str) -> Result<(), FolderError> {
    let removed = folder.remove(name).and_then(|()| folder.sync_names());
    removed.map_err(|error| FolderError::of("removed", name, error))
}

/// A small file of JSON; `None` where there is none.
///
/// # Errors
/// It cannot be read, or is not what was asked for.
pub fn read_json<T: DeserializeOwned>(
    folder: &impl Folder,
    name: &str,
) -> Result<Option<T>, FolderError> {
    let bytes = read(folder, name, MAX_SMALL_BYTES);
    let bytes = bytes.map_err(|error| FolderError::of("read", name, error))?;
    let content = bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose();
    content.map_err(|error| FolderError::Content {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

/// Puts a small file of JSON in place whole.
///
/// # Errors
/// It may still be the old one.
pub fn replace_json(
    folder: &mut impl Folder,
    name: &str,
    content: &impl Serialize,
) -> Result<(), FolderError> {
    let failed = |error| FolderError::of("written", name, error);
    let bytes = serde_json::to_vec(content).map_err(|error| failed(error.into()))?;
    replace(folder, name, &bytes).map_err(failed)
}

/// Makes the updater's folder where it is not there.
///
/// # Errors
/// It cannot be made.
pub fn make(folder: &DiskFolder) -> Result<(), FolderError> {
    let made = folder.make();
    made.map_err(|error| FolderError::of("made", &folder.path().display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_passed_over_with_a_reason() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        replace_json(&mut folder, "n.json", &[1, 2]).unwrap();
        assert_eq!(read_json(&folder, "n.json").unwrap(), Some([1, 2]));
        assert_eq!(read_json::<u32>(&folder, "none").unwrap(), None);
        let error = read_json::<String>(&folder, "n.json").unwrap_err();
        assert!(error.to_string().contains("is ignored"), "{error}");
        let mut nowhere = DiskFolder::new(outer.path().join("nowhere"));
        let error = replace_json(&mut nowhere, "n.json", &1).unwrap_err();
        assert!(error.to_string().contains("check the storage"), "{error}");
    }
}

//! The updater's own folder on the data partition, and how its files survive power cuts.

use crate::device::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where the updater keeps what has to outlive a restart.
pub const UPDATE_FOLDER: &str = "/data/update";
/// What is written beside a file before it takes its place.
const NEW_SUFFIX: &str = ".new";
/// Only root reads and writes here.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The most bytes of a small file.
const MAX_SMALL_BYTES: u64 = 64 * 1024;

/// What went wrong with one of the updater's files.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error(
        "{name} of the updater's folder cannot be {doing}: {source}; check the card, and that it has room"
    )]
    Io {
        doing: &'static str,
        name: String,
        source: io::Error,
    },
    #[error(
        "{name} of the updater's folder holds no {name} of this version ({reason}); it is passed over"
    )]
    Content { name: String, reason: String },
}

impl FolderError {
    pub(super) fn of(doing: &'static str, name: &str, source: io::Error) -> Self {
        Self::Io {
            doing,
            name: name.to_owned(),
            source,
        }
    }
}

/// A folder with files of plain names. A file's bytes survive a power cut once it was
/// synchronized, a name once the names were.
pub trait Folder {
    /// What a large file is read through.
    type Reader: Read + Seek;

    /// Opens a file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self, name: &str) -> io::Result<Option<Self::Reader>>;

    /// Cuts a file to `kept_bytes`, made where it is not there, and adds bytes to it.
    ///
    /// # Errors
    /// It cannot be written.
    fn append(&mut self, name: &str, kept_bytes: u64, bytes: &[u8]) -> io::Result<()>;

    /// Has a file's bytes kept.
    ///
    /// # Errors
    /// They are not.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in place of what had that.
    ///
    /// # Errors
    /// It has its old one.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; none is there afterwards.
    ///
    /// # Errors
    /// It is still there.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Has the names kept.
    ///
    /// # Errors
    /// They are not.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Reads at most `limit_bytes` of a file; `None` where there is none.
///
/// # Errors
/// It cannot be read, or is longer.
pub fn read(folder: &impl Folder, name: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(reader) = folder.open(name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    reader.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        let message = format!("it is longer than {limit_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(bytes))
}

/// Puts a file in place whole: after a power cut it is the old one or the new one.
///
/// # Errors
/// It may still be the old one.
pub fn replace(folder: &mut impl Folder, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = format!("{name}{NEW_SUFFIX}");
    folder.append(&new, 0, bytes)?;
    folder.sync(&new)?;
    folder.rename(&new, name)?;
    folder.sync_names()
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

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct DiskFolder {
    path: PathBuf,
}

impl DiskFolder {
    /// Of a folder that need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the folder where it is not there; only its owner may look into it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> Result<(), FolderError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.path);
        made.map_err(|error| FolderError::of("made", &self.path.display().to_string(), error))
    }

    /// Where a file is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Folder for DiskFolder {
    type Reader = File;

    fn open(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.file(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, name: &str, kept_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(self.file(name))?;
        file.set_len(kept_bytes)?;
        file.seek(SeekFrom::Start(kept_bytes))?;
        file.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        files::sync(&File::open(self.file(name))?)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        files::sync(&File::open(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_replaced_appended_and_removed() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().join("a/update"));
        folder.make().unwrap();
        folder.make().unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FOLDER_MODE);
        assert_eq!(read(&folder, "x", 10).unwrap(), None);
        replace(&mut folder, "x", b"first").unwrap();
        replace(&mut folder, "x", b"2nd").unwrap();
        assert_eq!(read(&folder, "x", 10).unwrap().unwrap(), b"2nd");
        folder.append("x", 1, b"ab").unwrap();
        assert_eq!(read(&folder, "x", 3).unwrap().unwrap(), b"2ab");
        assert!(read(&folder, "x", 2).is_err());
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        remove(&mut folder, "x").unwrap();
        remove(&mut folder, "x").unwrap();
        assert_eq!(read(&folder, "x", 10).unwrap(), None);
    }

    #[test]
    fn what_is_no_json_is_passed_over_with_a_reason() {
        let outer = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::new(outer.path().to_owned());
        replace_json(&mut folder, "n.json", &[1, 2]).unwrap();
        assert_eq!(read_json(&folder, "n.json").unwrap(), Some([1, 2]));
        assert_eq!(read_json::<u32>(&folder, "none").unwrap(), None);
        let error = read_json::<String>(&folder, "n.json").unwrap_err();
        assert!(error.to_string().contains("passed over"), "{error}");
        let mut nowhere = DiskFolder::new(outer.path().join("nowhere"));
        let error = replace_json(&mut nowhere, "n.json", &1).unwrap_err();
        assert!(error.to_string().contains("check the card"), "{error}");
    }
}

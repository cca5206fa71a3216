//! A folder whose files are replaced and appended to so that they survive power cuts; a test puts
//! one in its place whose power fails.

use super::files;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is written beside a file before it takes its place.
const NEW_SUFFIX: &str = ".new";
/// Only the owner looks into a folder that is made here.
const FOLDER_MODE: u32 = 0o700;
/// Only the owner reads and writes a file.
const FILE_MODE: u32 = 0o600;
/// Who may use a file that [`replace_durably`] writes, before the process's mask.
const SHARED_FILE_MODE: u32 = 0o666;

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
    files::read_into(reader, limit_bytes, &mut bytes)?;
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

/// Puts a file in place whole: after a power cut it is the old one or the new one, and once this
/// has returned, the new one.
///
/// # Errors
/// It may still be the old one.
pub fn replace_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = files::name_of(path)?.to_str();
    let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut folder =
        DiskFolder::with_file_mode(files::parent_of(path).to_owned(), SHARED_FILE_MODE);
    replace(&mut folder, name, bytes)
}

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct DiskFolder {
    path: PathBuf,
    file_mode: u32,
}

impl DiskFolder {
    /// Of a folder that need not be there yet; only its owner may read the files written to it.
    pub fn new(path: PathBuf) -> Self {
        Self::with_file_mode(path, FILE_MODE)
    }

    /// Of a folder whose files others may read as the mode and the process's mask say.
    pub fn with_file_mode(path: PathBuf, file_mode: u32) -> Self {
        Self { path, file_mode }
    }

    /// Makes the folder where it is not there; only its owner may look into it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.path)
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
            .mode(self.file_mode)
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
        folder.remove("x").unwrap();
        folder.remove("x").unwrap();
        assert_eq!(read(&folder, "x", 10).unwrap(), None);
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        type Replace = fn(&Path, &[u8]) -> io::Result<()>;
        for replace in [files::replace as Replace, replace_durably] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file.json");
            for text in ["the first", "2nd"] {
                replace(&path, text.as_bytes()).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), text);
            }
            for wrong in [
                folder.path().join("missing/file"),
                folder.path().join(".."),
                PathBuf::from("/"),
            ] {
                assert!(replace(&wrong, b"x").is_err(), "{wrong:?}");
            }
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}

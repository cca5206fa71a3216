//! Files: read within a limit, replaced whole, locked, and kept through a power cut.
//!
//! The errors say what went wrong; whose file it is and what to do next, the caller adds.

use rustix::fs::{OFlags, StatVfsMountFlags, fstatvfs};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use thiserror::Error;

/// The most bytes read of a file that the kernel makes, such as those of `/proc` and `/sys`.
pub const MAX_KERNEL_FILE_BYTES: u64 = 64 * 1024;
/// The file that [`lock_folder`] locks.
const LOCK_FILE: &str = "lock";

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It holds more than the caller takes.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What the caller takes at most.
        limit_bytes: u64,
    },
    /// Its bytes are not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}

/// Why a folder was not locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another process uses it")]
    InUse,
    /// The lock file cannot be made or opened.
    #[error(transparent)]
    CannotOpen(io::Error),
    /// The file system does not lock.
    #[error(transparent)]
    CannotLock(io::Error),
}

/// Reads a whole file of at most `limit_bytes`.
///
/// # Errors
/// It cannot be read, or is larger.
pub fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    read_into(File::open(path)?, limit_bytes, &mut bytes)?;
    Ok(bytes)
}

/// Reads a whole text file of at most `limit_bytes`.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, limit_bytes: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit_bytes)?).map_err(|_| ReadError::NotText)
}

/// Reads all that `reader` gives, at most `limit_bytes`, in place of what `bytes` held.
///
/// # Errors
/// It cannot be read, or gives more; `bytes` then holds no more than a byte over the limit.
pub fn read_into(
    reader: impl Read,
    limit_bytes: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), ReadError> {
    bytes.clear();
    let limit = limit_bytes.saturating_add(1);
    if reader.take(limit).read_to_end(bytes)? as u64 > limit_bytes {
        return Err(ReadError::TooLarge { limit_bytes });
    }
    Ok(())
}

/// Reads the next line with its end into `line`, in place of what that held; a longer one than
/// `limit_bytes` is cut there. Gives the bytes read, 0 at the end.
///
/// # Errors
/// It cannot be read.
pub fn read_line(
    reader: &mut impl BufRead,
    limit_bytes: u64,
    line: &mut Vec<u8>,
) -> io::Result<usize> {
    line.clear();
    reader.take(limit_bytes).read_until(b'\n', line)
}

/// Reads a file that the kernel makes: the first [`MAX_KERNEL_FILE_BYTES`], with a replacement
/// character for what is not UTF-8.
///
/// # Errors
/// It cannot be read.
pub fn read_kernel_text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_KERNEL_FILE_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens a file that another user may have put there: no link is followed, nothing but a plain
/// file of at most `limit_bytes` is taken, and nothing waits.
///
/// # Errors
/// It is none, or cannot be opened.
pub fn open_plain(path: &Path, limit_bytes: u64) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > limit_bytes {
        return Err(io::Error::other("it is no plain file, or too large"));
    }
    Ok(file)
}

/// Puts a file in place whole: who reads it finds the old one or the new one. It may be lost in a
/// power cut; see [`super::folder::replace_durably`].
///
/// # Errors
/// The old one is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Another process may write the same file.
    let mut beside = OsString::from(".");
    beside.push(name_of(path)?);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let moved = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if moved.is_err() {
        // The first error is the one to report; a leftover file does no harm.
        let _ = fs::remove_file(&beside);
    }
    moved
}

pub(super) fn name_of(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is the name of a folder, not of a file",
        )
    })
}

pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A folder that no other process of this program may use, until this is dropped or the process
/// ends.
#[derive(Debug)]
pub struct FolderLock {
    /// Holds the lock while it is open.
    _file: File,
}

/// Locks a folder by a file in it.
///
/// # Errors
/// Another process uses it, or it cannot be locked.
pub fn lock_folder(folder: &Path) -> Result<FolderLock, LockError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK_FILE))
        .map_err(LockError::CannotOpen)?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LockError::InUse),
        Err(TryLockError::Error(error)) => Err(LockError::CannotLock(error)),
    }
}

/// Returns once a file's bytes, or a folder's names, would survive a power cut.
///
/// A file system that the kernel has made read-only, as ext4 does after a fault, takes bytes into
/// memory and answers `fsync` with success while nothing is kept (Linux 6.12, `ext4_sync_file`).
/// So it is asked whether it is one; the emulated board's test has such a card.
///
/// # Errors
/// They may be lost.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_all()?;
    if fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(io::ErrorKind::ReadOnlyFilesystem.into());
    }
    Ok(())
}

/// Returns once the name of a file would survive a power cut.
///
/// # Errors
/// It may be lost.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync(&File::open(parent_of(path))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let cases: [(&[u8], u64, &str); 7] = [
            (b"", 0, "Ok(\"\")"),
            (b"a", 0, "larger than 0 bytes"),
            (b"four", 4, "Ok(\"four\")"),
            (b"four", u64::MAX, "Ok(\"four\")"),
            (b"five!", 4, "larger than 4 bytes"),
            (b"\xFF", 4, "not UTF-8"),
            (b"\xFF five", 4, "larger than 4 bytes"),
        ];
        for (bytes, limit_bytes, expected) in cases {
            fs::write(&path, bytes).unwrap();
            let found = read_text(&path, limit_bytes).map_err(|error| error.to_string());
            let found = format!("{found:?}");
            assert!(found.contains(expected), "{bytes:?}: {found}");
            let raw = read(&path, limit_bytes).ok();
            assert_eq!(raw.is_some(), bytes.len() as u64 <= limit_bytes);
        }
        let missing = read(&folder.path().join("none"), 4).unwrap_err();
        assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
        assert!(read(folder.path(), 4).is_err(), "a folder");
        let large = read(&path, 1).unwrap_err();
        assert_eq!(io::Error::from(large).kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_line_is_read_to_its_end_or_to_the_limit() {
        let mut reader: &[u8] = b"one\n\nseven77\nlast";
        let mut line = Vec::new();
        let mut found = Vec::new();
        while read_line(&mut reader, 5, &mut line).unwrap() > 0 {
            found.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(found, ["one\n", "\n", "seven", "77\n", "last"]);
    }

    #[test]
    fn only_a_plain_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "four").unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        let cases: [(&Path, u64, bool); 6] = [
            (&path, 4, true),
            (&path, 3, false),
            (&link, 4, false),
            (folder.path(), u64::MAX, false),
            (Path::new("/dev/null"), 4, false),
            (&folder.path().join("none"), 4, false),
        ];
        for (path, limit_bytes, is_opened) in cases {
            assert_eq!(open_plain(path, limit_bytes).is_ok(), is_opened, "{path:?}");
        }
    }

    #[test]
    fn a_folder_is_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let lock = lock_folder(folder.path()).unwrap();
        let second = lock_folder(folder.path());
        assert!(matches!(second, Err(LockError::InUse)), "{second:?}");
        drop(lock);
        lock_folder(folder.path()).unwrap();
        let missing = lock_folder(&folder.path().join("none"));
        assert!(matches!(missing, Err(LockError::CannotOpen(_))));
    }

    #[test]
    fn files_and_folders_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, "a line\n").unwrap();
        sync(&File::open(&path).unwrap()).unwrap();
        sync_parent(&path).unwrap();
        assert_eq!(parent_of(Path::new("lines")), Path::new("."));
    }
}

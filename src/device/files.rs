//! What makes bytes and names survive a power cut.

use rustix::fs::{StatVfsMountFlags, fstatvfs};
use std::fs::File;
use std::io;
use std::path::Path;

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
    match path.parent() {
        Some(folder) => sync(&File::open(folder)?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_and_folders_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, "a line\n").unwrap();
        sync(&File::open(&path).unwrap()).unwrap();
        sync_parent(&path).unwrap();
    }
}

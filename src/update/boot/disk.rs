//! The boot state's sectors on the disk that the system was started from.

use crate::device::files::read_kernel_text;
use crate::update::boot::disk_layout::STATE_SECTORS;
use crate::update::boot::slots::{BootSectors, Running, SECTOR_BYTES, Sector, SectorCopy};
use rustix::fs::{major, minor};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The kernel's list of block devices by number.
const DEVICES_BY_NUMBER: &str = "/sys/dev/block";
/// What the boot loader passed to the kernel.
const COMMAND_LINE: &str = "/proc/cmdline";

/// Why the boot state cannot be reached.
#[derive(Debug, Error)]
pub enum BootDiskError {
    /// The root is not on a partition of a disk.
    #[error(
        "the disk of the running system cannot be determined ({reason}): the root is not on a disk \
         partition; run this on a board, or give a disk or its image with --disk"
    )]
    NoDisk {
        /// What the search ran into.
        reason: String,
    },
    /// The system refused to open, read or write the disk.
    #[error("{} cannot be {doing}: {cause}; run as root, and check the storage", .path.display())]
    Disk {
        /// What could not be done, as in "cannot be opened".
        doing: &'static str,
        /// The disk, or its image.
        path: PathBuf,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// Neither copy of the boot state is whole.
    #[error(
        "both copies of the boot state on {} are corrupt: no slot is known to hold a whole system; \
         start the rescue system and install an update",
        .path.display()
    )]
    Unreadable {
        /// The disk, or its image.
        path: PathBuf,
    },
    /// The boot loader did not say which slot it started.
    #[error(
        "the kernel command line ({COMMAND_LINE}) has no hemoscope.slot; start this system with \
         its own boot loader"
    )]
    NoSlot,
}

/// The name of the disk that holds `/`, such as `mmcblk0`.
///
/// # Errors
/// The root is not on a disk partition.
pub fn root_disk_name() -> Result<String, BootDiskError> {
    let no_disk = |reason: String| BootDiskError::NoDisk { reason };
    let device = fs::metadata("/").map_err(|error| no_disk(error.to_string()))?;
    let device = device.dev();
    let number = format!("{}:{}", major(device), minor(device));
    disk_of_device(Path::new(DEVICES_BY_NUMBER), &number)
        .map_err(|error| no_disk(format!("device {number}: {error}")))
}

/// The disk of a partition, given the folder of devices by number.
fn disk_of_device(devices: &Path, number: &str) -> io::Result<String> {
    let folder = fs::canonicalize(devices.join(number))?;
    if !folder.join("partition").exists() {
        return Err(io::Error::other("it is not a partition"));
    }
    let name = folder.parent().and_then(Path::file_name);
    let name = name.and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| io::Error::other("its disk has no name"))
}

/// The running system, as the boot loader passed it to the kernel.
///
/// # Errors
/// It passed none.
pub fn running() -> Result<Running, BootDiskError> {
    let text = read_kernel_text(COMMAND_LINE).ok();
    text.and_then(|text| Running::from_command_line(&text))
        .ok_or(BootDiskError::NoSlot)
}

/// A disk, or a file that plays one.
#[derive(Debug)]
pub struct BootDisk {
    path: PathBuf,
    file: File,
}

impl BootDisk {
    /// Opens the disk of the running system.
    ///
    /// # Errors
    /// It is not known, or cannot be opened.
    pub fn of_root() -> Result<Self, BootDiskError> {
        Self::open(&Path::new("/dev").join(root_disk_name()?))
    }

    /// Opens a disk.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self, BootDiskError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Ok(Self {
            file: file.map_err(|cause| BootDiskError::Disk {
                doing: "opened",
                path: path.to_owned(),
                cause,
            })?,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What went wrong with it.
    pub fn error(&self, doing: &'static str, cause: io::Error) -> BootDiskError {
        BootDiskError::Disk {
            doing,
            path: self.path.clone(),
            cause,
        }
    }
}

fn offset(copy: SectorCopy) -> u64 {
    let sector = match copy {
        SectorCopy::First => STATE_SECTORS[0],
        SectorCopy::Second => STATE_SECTORS[1],
    };
    sector * SECTOR_BYTES as u64
}

impl BootSectors for BootDisk {
    fn read(&self, copy: SectorCopy) -> io::Result<Sector> {
        let mut sector = [0; SECTOR_BYTES];
        self.file.read_exact_at(&mut sector, offset(copy))?;
        Ok(sector)
    }

    fn write(&mut self, copy: SectorCopy, sector: &Sector) -> io::Result<()> {
        self.file.write_all_at(sector, offset(copy))?;
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::boot::slots::{self, BootState, Slot};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_disk_keeps_the_state_where_it_belongs_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let before = vec![7_u8; 1 << 20];
        fs::write(&path, &before).unwrap();
        let mut disk = BootDisk::open(&path).unwrap();
        assert_eq!(slots::load(&disk).unwrap(), None);
        let mut state = BootState::factory();
        state.set_primary(Slot::B);
        slots::store(&mut disk, &state).unwrap();
        assert_eq!(slots::load(&disk).unwrap(), Some(state.clone()));
        let after = fs::read(&path).unwrap();
        let sector = state.encode();
        for at in [1536 * 512, 1664 * 512] {
            assert_eq!(&after[at..at + 512], &sector);
        }
        let changed = after.iter().zip(&before).enumerate();
        let changed = changed.filter(|(_, (a, b))| a != b);
        assert!(
            changed
                .map(|(at, _)| at / 512)
                .all(|at| at == 1536 || at == 1664)
        );
    }

    #[test]
    fn a_disk_that_is_too_short_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::write(&path, [0; 512]).unwrap();
        let disk = BootDisk::open(&path).unwrap();
        let error = disk.error("read", slots::load(&disk).unwrap_err());
        assert!(error.to_string().contains("cannot be read"), "{error}");
        let error = BootDisk::open(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("run as root"), "{error}");
    }

    #[test]
    fn the_disk_of_a_partition_is_the_folder_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("devices/mmcblk0");
        fs::create_dir_all(disk.join("mmcblk0p2")).unwrap();
        fs::write(disk.join("mmcblk0p2/partition"), "2\n").unwrap();
        let numbers = folder.path().join("numbers");
        fs::create_dir(&numbers).unwrap();
        symlink(disk.join("mmcblk0p2"), numbers.join("179:2")).unwrap();
        symlink(&disk, numbers.join("179:0")).unwrap();
        assert_eq!(disk_of_device(&numbers, "179:2").unwrap(), "mmcblk0");
        assert!(disk_of_device(&numbers, "179:0").is_err());
        assert!(disk_of_device(&numbers, "0:33").is_err());
    }
}

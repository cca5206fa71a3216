//! Which of the kernel's block devices may be a card.

use crate::device::files::read_kernel_text;
use crate::update::card::entry::CardId;
use std::fs;
use std::io;
use std::path::Path;

/// The most block devices that are looked at.
const MAX_DEVICES: usize = 256;
/// How the kernel names SD cards and USB sticks; whatever else there is, is built in.
const CARD_NAMES: [&str; 2] = ["mmcblk", "sd"];
/// A path with this leads to a device that no hardware stands behind.
const VIRTUAL: &str = "/virtual/";

/// A block device as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// The kernel's name, such as `sda1`.
    pub name: String,
    /// The disk that it is, or is a partition of.
    pub disk: String,
    /// The disk's number, another one whenever it is put in.
    pub sequence: u64,
    /// Whether it is a part of a disk.
    pub is_partition: bool,
    /// Whether it is a disk that has partitions.
    pub is_partitioned: bool,
    /// Whether it has no hardware of its own, such as a loop device.
    pub is_virtual: bool,
    /// 0 for a reader without a card.
    pub sectors: u64,
}

/// The devices that may be a card: partitions, and disks without any, of every disk but the one
/// that the system was started from.
pub fn cards(devices: &[BlockDevice], boot_disk: &str) -> Vec<CardId> {
    let may_be = |device: &&BlockDevice| {
        // An eMMC's own small disks for boot loaders and keys.
        let is_of_emmc = device.disk.contains("boot") || device.disk.ends_with("rpmb");
        let is_card = CARD_NAMES.iter().any(|name| device.disk.starts_with(name));
        device.disk != boot_disk
            && is_card
            && !device.is_virtual
            && !is_of_emmc
            && device.sectors > 0
            && (device.is_partition || !device.is_partitioned)
    };
    let mut cards: Vec<CardId> = devices
        .iter()
        .filter(may_be)
        .map(|device| CardId {
            name: device.name.clone(),
            sequence: device.sequence,
        })
        .collect();
    cards.sort_by(|one, two| one.name.cmp(&two.name));
    cards
}

/// Lists the block devices of `/sys/class/block`.
///
/// # Errors
/// The folder cannot be read.
pub fn list(class: &Path) -> io::Result<Vec<BlockDevice>> {
    let entries = fs::read_dir(class)?.take(MAX_DEVICES);
    // A device that goes away meanwhile is none.
    Ok(entries
        .filter_map(|entry| device(&entry.ok()?.path()))
        .collect())
}

fn device(link: &Path) -> Option<BlockDevice> {
    let folder = fs::canonicalize(link).ok()?;
    let name = folder.file_name()?.to_str()?.to_owned();
    let is_partition = folder.join("partition").exists();
    let disk_folder = if is_partition {
        folder.parent()?
    } else {
        &folder
    };
    let parts = fs::read_dir(&folder).ok()?.take(MAX_DEVICES).flatten();
    let mut parts = parts.map(|entry| entry.path().join("partition").exists());
    Some(BlockDevice {
        disk: disk_folder.file_name()?.to_str()?.to_owned(),
        // Kernels before 5.15 do not number disks.
        sequence: number(&disk_folder.join("diskseq")).unwrap_or(0),
        is_partition,
        is_partitioned: parts.any(|is_part| is_part),
        is_virtual: folder.to_str()?.contains(VIRTUAL),
        sectors: number(&folder.join("size")).unwrap_or(0),
        name,
    })
}

fn number(path: &Path) -> Option<u64> {
    read_kernel_text(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn cards_are_told_from_the_system_s_disk_and_from_what_is_none() {
        let outer = tempfile::tempdir().unwrap();
        let class = outer.path().join("class");
        fs::create_dir(&class).unwrap();
        let make = |path: &str, sectors: u64, is_partition: bool| {
            let folder = outer.path().join("devices").join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("size"), format!("{sectors}\n")).unwrap();
            if is_partition {
                fs::write(folder.join("partition"), "1\n").unwrap();
            } else {
                fs::write(folder.join("diskseq"), "7\n").unwrap();
            }
            symlink(&folder, class.join(folder.file_name().unwrap())).unwrap();
        };
        make("mmc/mmcblk0", 100, false);
        make("mmc/mmcblk0/mmcblk0p1", 10, true);
        make("mmc/mmcblk0boot0", 8, false);
        make("usb/sda", 100, false);
        make("usb/sda/sda1", 50, true);
        make("usb/sda/sda2", 50, true);
        make("usb/sdb", 100, false);
        make("usb/sdc", 0, false);
        make("virtio/vdb", 100, false);
        make("virtual/loop0", 100, false);
        let devices = list(&class).unwrap();
        assert_eq!(devices.len(), 10);
        let names = |boot_disk: &str| -> Vec<String> {
            let cards = cards(&devices, boot_disk).into_iter();
            cards
                .map(|card| format!("{}:{}", card.name, card.sequence))
                .collect()
        };
        assert_eq!(names("mmcblk0"), ["sda1:7", "sda2:7", "sdb:7"]);
        assert_eq!(names("sda"), ["mmcblk0p1:7", "sdb:7"]);
        assert!(list(&outer.path().join("none")).is_err());
    }
}

//! The host that is a board: its disk, cards, battery and RAUC.

use crate::device::files::read_kernel_text;
use crate::record::Clock;
use crate::update::boot::disk::{self, BootDisk, BootDiskError};
use crate::update::card::block_devices;
use crate::update::card::entry::CardId;
use crate::update::folder::DiskFolder;
use crate::update::history::BootTimestamp;
use crate::update::host::{Access, Host};
use crate::update::ipc_files;
use crate::update::rauc::{self, RaucInstallation};
use crate::update::{ANSWER_FILE, Answer, STATE_FILE, UpdateState};
use rustix::fs::statvfs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Where the kernel lists block devices, and supplies of power.
const BLOCK_DEVICES: &str = "/sys/class/block";
const POWER_SUPPLIES: &str = "/sys/class/power_supply";
/// The most supplies that are looked at.
const MAX_SUPPLIES: usize = 16;
/// Where a card is mounted.
const CARD_FOLDER: &str = "/run/hemoscope-update/card";
/// The file systems that are read, and what each is told for reading. ext4 would write into its
/// journal even then.
const FILE_SYSTEMS: [(&str, &str); 3] =
    [("vfat", "ro,utf8"), ("exfat", "ro"), ("ext4", "ro,noload")];
/// A fraction of a second.
const WAIT: Duration = Duration::from_millis(200);
const ALWAYS: &str = "nosuid,nodev,noexec";

/// The board, as its updater sees it.
pub struct BoardHost {
    folder: DiskFolder,
    disk: BootDisk,
    boot_disk_name: String,
    clock: Clock,
    is_mounted: bool,
}

impl BoardHost {
    /// Looks for the disk of the running system, and unmounts a card that an earlier updater may
    /// have left mounted.
    ///
    /// # Errors
    /// This is not a board.
    pub fn open(folder: DiskFolder) -> Result<Self, BootDiskError> {
        let mut host = Self {
            folder,
            disk: BootDisk::of_root()?,
            boot_disk_name: disk::root_disk_name()?,
            clock: Clock::start(),
            is_mounted: Path::new(CARD_FOLDER).exists(),
        };
        host.unmount();
        Ok(host)
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or(program).to_owned())
}

impl Host for BoardHost {
    type Folder = DiskFolder;
    type Sectors = BootDisk;
    type Installation = RaucInstallation;

    fn folder(&mut self) -> &mut DiskFolder {
        &mut self.folder
    }

    fn sectors(&mut self) -> &mut BootDisk {
        &mut self.disk
    }

    fn now(&self) -> BootTimestamp {
        BootTimestamp {
            boot_id: self.clock.boot_id().to_owned(),
            time: self.clock.stamp(),
        }
    }

    fn cards(&mut self) -> Vec<CardId> {
        match block_devices::list(Path::new(BLOCK_DEVICES)) {
            Ok(devices) => block_devices::cards(&devices, &self.boot_disk_name),
            Err(error) => {
                self.log(&format!("{BLOCK_DEVICES} cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    fn mount(&mut self, card: &CardId, access: Access) -> Result<Option<PathBuf>, String> {
        self.unmount();
        fs::create_dir_all(CARD_FOLDER)
            .map_err(|error| format!("{CARD_FOLDER} cannot be made: {error}"))?;
        let device = format!("/dev/{}", card.name);
        for (file_system, for_reading) in FILE_SYSTEMS {
            let access = match access {
                Access::Read => for_reading,
                Access::Write => "rw,sync",
            };
            let options = format!("{access},{ALWAYS}");
            let arguments = ["-t", file_system, "-o", &options, &device, CARD_FOLDER];
            match run("mount", &arguments) {
                Ok(()) => {
                    self.is_mounted = true;
                    return Ok(Some(CARD_FOLDER.into()));
                }
                Err(reason) if is_other_file_system(&reason) => {}
                Err(reason) => return Err(reason),
            }
        }
        Ok(None)
    }

    fn unmount(&mut self) {
        if !std::mem::take(&mut self.is_mounted) {
            return;
        }
        // A card that was pulled is only detached.
        let done = run("umount", &[CARD_FOLDER]).or_else(|_| run("umount", &["-l", CARD_FOLDER]));
        if let Err(reason) = done
            && !reason.contains("not mounted")
        {
            self.log(&format!("the card cannot be unmounted: {reason}"));
        }
    }

    fn free_bytes(&mut self) -> io::Result<u64> {
        let space = statvfs(self.folder.path())?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn battery_percent(&mut self) -> Option<u8> {
        lowest_battery(Path::new(POWER_SUPPLIES))
    }

    fn rauc_info(&mut self, name: &str) -> Result<String, String> {
        rauc::info(&self.folder.file(name), None)
    }

    fn is_rauc_busy(&mut self) -> Result<bool, String> {
        rauc::is_busy()
    }

    fn rauc_install(&mut self, name: &str) -> Result<RaucInstallation, String> {
        RaucInstallation::start(&self.folder.file(name))
    }

    fn wait(&mut self) {
        thread::sleep(WAIT);
    }

    fn restart(&mut self) -> Result<(), String> {
        run("systemctl", &["--no-block", "reboot"])
    }

    fn publish(&mut self, state: &UpdateState) {
        if let Err(error) = ipc_files::publish(Path::new(STATE_FILE), state) {
            self.log(&format!("{STATE_FILE} cannot be written: {error}"));
        }
    }

    fn take_answer(&mut self) -> Option<Answer> {
        ipc_files::take(Path::new(ANSWER_FILE)).unwrap_or_else(|error| {
            self.log(&format!(
                "{ANSWER_FILE} is not a valid answer and was removed: {error}"
            ));
            None
        })
    }

    fn log(&mut self, text: &str) {
        log::warn!("{text}");
    }
}

/// Whether mount(8) says that a card has another file system. A card that none of them recognizes
/// is taken as one for another purpose, not as a damaged one.
fn is_other_file_system(reason: &str) -> bool {
    reason.contains("wrong fs type") || reason.contains("unknown filesystem")
}

/// The charge of the discharging battery, the lowest where there are several.
fn lowest_battery(supplies: &Path) -> Option<u8> {
    let entries = fs::read_dir(supplies).ok()?.take(MAX_SUPPLIES).flatten();
    let charges = entries.filter_map(|entry| {
        let read = |name: &str| read_kernel_text(entry.path().join(name)).ok();
        let is = |name: &str, value: &str| read(name).is_some_and(|text| text.trim() == value);
        if !is("type", "Battery") || !is("status", "Discharging") {
            return None;
        }
        read("capacity")?.trim().parse().ok()
    });
    charges.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_discharging_battery_counts() {
        let folder = tempfile::tempdir().unwrap();
        let supply = |name: &str, values: [&str; 3]| {
            let folder = folder.path().join(name);
            fs::create_dir(&folder).unwrap();
            for (name, value) in ["type", "status", "capacity"].into_iter().zip(values) {
                fs::write(folder.join(name), format!("{value}\n")).unwrap();
            }
        };
        assert_eq!(lowest_battery(folder.path()), None);
        supply("mains", ["Mains", "Discharging", "1"]);
        supply("charging", ["Battery", "Charging", "5"]);
        supply("odd", ["Battery", "Discharging", "full"]);
        assert_eq!(lowest_battery(folder.path()), None);
        supply("one", ["Battery", "Discharging", "80"]);
        supply("two", ["Battery", "Discharging", "29"]);
        assert_eq!(lowest_battery(folder.path()), Some(29));
        assert_eq!(lowest_battery(&folder.path().join("none")), None);
    }
}

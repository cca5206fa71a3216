//! A device that is made of memory, with a folder for the card: its power fails, or its card is
//! pulled, after whichever write a test wants.

use crate::record::Timestamp;
use crate::update::boot::slots::{
    self, BootSectors, BootState, Running, SECTOR_BYTES, Sector, SectorCopy, Slot, TRIAL_TRIES,
};
use crate::update::bundle::manifest;
use crate::update::bundle::verity::{VeritySettings, fixture};
use crate::update::card::entry::CardId;
use crate::update::folder::Folder;
use crate::update::history::BootTimestamp;
use crate::update::host::{Access, Host, Installation};
use crate::update::protocol::{Answer, DeviceStatus, UpdateState};
use crate::update::trial::boot_check::{HealthChecks, RunningSystem};
use crate::update::updater::STAGED_FILE;
use sha2::{Digest, Sha256};
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::PathBuf;
use std::rc::Rc;

/// Blocks of a slot.
pub const SLOT_BLOCKS: usize = 6;
/// What a block holds whose writing was cut.
const GARBAGE: usize = usize::MAX;
/// The name of the bundle on the card.
pub const CARD_FILE: &str = "обновление 1.raucb";
pub const BOARD: &str = "simulated";

/// How a version does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Good,
    /// The kernel panics and starts again.
    Panics,
    /// The watchdog ends it.
    Hangs,
    NoModel,
    NoData,
    NoCamera,
}

impl Behaviour {
    pub const ALL: [Behaviour; 6] = [
        Behaviour::Good,
        Behaviour::Panics,
        Behaviour::Hangs,
        Behaviour::NoModel,
        Behaviour::NoData,
        Behaviour::NoCamera,
    ];
}

/// What becomes of bytes and names that were written and not yet synchronized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    Lost,
    Kept,
    Torn,
}

impl Unsynced {
    pub const ALL: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn];
}

/// A version and its bundle.
#[derive(Clone)]
pub struct Release {
    pub version: &'static str,
    pub behaviour: Behaviour,
    pub bundle: Vec<u8>,
    sha256: Vec<u8>,
    verity: VeritySettings,
}

impl Release {
    pub fn new(version: &'static str, behaviour: Behaviour) -> Self {
        let mut payload = vec![0; 5 * 4096];
        payload[..4].copy_from_slice(b"hsqs");
        payload[4..4 + version.len()].copy_from_slice(version.as_bytes());
        let (bundle, verity) = fixture::bundle(&payload, [3; 32], b"a signature");
        Self {
            version,
            behaviour,
            sha256: Sha256::digest(&bundle).to_vec(),
            bundle,
            verity,
        }
    }
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    kept: Vec<u8>,
}

/// Everything that is there.
pub struct SimulatedDevice {
    pub releases: Vec<Release>,
    sectors: [Sector; 2],
    pub slots: [[usize; SLOT_BLOCKS]; 2],
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    kept_names: BTreeMap<String, usize>,
    card: Option<CardId>,
    card_folder: PathBuf,
    pub writes: u64,
    pub cuts: VecDeque<u64>,
    pub pull_at: Option<u64>,
    pub unsynced: Unsynced,
    pub is_on: bool,
    pub wants_restart: bool,
    pub boot_number: u64,
    pub published: UpdateState,
    pub answer: Option<Answer>,
    pub free_bytes: u64,
    /// No file of the data partition can grow any more.
    pub is_full: bool,
    pub battery_percent: Option<u8>,
    /// RAUC goes on for an updater that has died.
    pub is_rauc_busy: bool,
}

enum WriteOutcome {
    Whole,
    Cut,
    NoPower,
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl SimulatedDevice {
    /// Slots and rescue hold the first release.
    pub fn shared(releases: Vec<Release>, card_folder: PathBuf) -> SharedDevice {
        SharedDevice(Rc::new(RefCell::new(Self {
            releases,
            sectors: [BootState::factory().encode(); 2],
            slots: [[0; SLOT_BLOCKS]; 2],
            inodes: Vec::new(),
            names: BTreeMap::new(),
            kept_names: BTreeMap::new(),
            card: None,
            card_folder,
            writes: 0,
            cuts: VecDeque::new(),
            pull_at: None,
            unsynced: Unsynced::Lost,
            is_on: true,
            wants_restart: false,
            boot_number: 0,
            published: UpdateState::Idle,
            answer: None,
            free_bytes: 1 << 30,
            is_full: false,
            battery_percent: None,
            is_rauc_busy: false,
        })))
    }

    /// A write begins.
    fn write(&mut self) -> WriteOutcome {
        if !self.is_on {
            return WriteOutcome::NoPower;
        }
        self.writes += 1;
        if self.pull_at == Some(self.writes) {
            self.pull_card();
        }
        if self.cuts.front() == Some(&self.writes) {
            self.cuts.pop_front();
            self.is_on = false;
            return WriteOutcome::Cut;
        }
        WriteOutcome::Whole
    }

    /// Puts a card with a bundle in.
    pub fn insert_card(&mut self, release: usize) {
        let path = self.card_folder.join(CARD_FILE);
        fs::write(path, &self.releases[release].bundle).unwrap();
        self.card = Some(CardId {
            name: "sda1".to_owned(),
            sequence: self.writes + 1,
        });
    }

    /// Takes the card out; who still reads from it reads no more.
    pub fn pull_card(&mut self) {
        if self.card.take().is_some() {
            let path = self.card_folder.join(CARD_FILE);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(0)
                .unwrap();
        }
    }

    /// What the memory forgets when the power fails or the machine is reset.
    pub fn forget(&mut self) {
        let unsynced = self.unsynced;
        for inode in &mut self.inodes {
            match unsynced {
                Unsynced::Lost => inode.bytes.clone_from(&inode.kept),
                Unsynced::Kept => {}
                Unsynced::Torn => {
                    let same = inode.bytes.iter().zip(&inode.kept);
                    let same = same.take_while(|(a, b)| a == b).count();
                    let torn = same + (inode.bytes.len() - same) / 2;
                    inode.bytes.truncate(torn);
                }
            }
            inode.kept.clone_from(&inode.bytes);
        }
        match unsynced {
            Unsynced::Lost => self.names.clone_from(&self.kept_names),
            Unsynced::Kept | Unsynced::Torn => self.kept_names.clone_from(&self.names),
        }
    }

    /// What a clean restart writes.
    pub fn write_back(&mut self) {
        for inode in &mut self.inodes {
            inode.kept.clone_from(&inode.bytes);
        }
        self.kept_names.clone_from(&self.names);
    }

    /// The release in a slot, if all of it is there.
    pub fn whole_release(&self, slot: Slot) -> Option<usize> {
        let blocks = &self.slots[slot as usize];
        let first = blocks[0];
        (first != GARBAGE && blocks.iter().all(|&block| block == first)).then_some(first)
    }

    fn inode(&mut self, name: &str) -> io::Result<&mut Inode> {
        let at = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.inodes[at])
    }
}

/// A device that several parts hold.
#[derive(Clone)]
pub struct SharedDevice(Rc<RefCell<SimulatedDevice>>);

impl SharedDevice {
    pub fn get(&self) -> RefMut<'_, SimulatedDevice> {
        self.0.borrow_mut()
    }

    pub fn now(&self) -> BootTimestamp {
        let device = self.get();
        BootTimestamp {
            boot_id: format!("boot-{}", device.boot_number),
            time: Timestamp {
                uptime_ms: device.writes,
                unix_ms: 0,
                clock_set: false,
            },
        }
    }
}

impl Folder for SharedDevice {
    type Reader = Cursor<Vec<u8>>;

    fn open(&self, name: &str) -> io::Result<Option<Cursor<Vec<u8>>>> {
        let mut device = self.get();
        Ok(device
            .inode(name)
            .ok()
            .map(|inode| Cursor::new(inode.bytes.clone())))
    }

    fn append(&mut self, name: &str, kept_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut device = self.get();
        if device.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let outcome = device.write();
        if let WriteOutcome::NoPower = outcome {
            return Err(no_power());
        }
        if !device.names.contains_key(name) {
            let at = device.inodes.len();
            device.inodes.push(Inode::default());
            device.names.insert(name.to_owned(), at);
        }
        let inode = device.inode(name)?;
        inode.bytes.truncate(kept_bytes as usize);
        inode.bytes.extend_from_slice(bytes);
        match outcome {
            WriteOutcome::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut device = self.get();
        match device.write() {
            WriteOutcome::Whole => {
                let inode = device.inode(name)?;
                inode.kept.clone_from(&inode.bytes);
                Ok(())
            }
            _ => Err(no_power()),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut device = self.get();
        let outcome = device.write();
        if let WriteOutcome::NoPower = outcome {
            return Err(no_power());
        }
        let at = device.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        device.names.insert(to.to_owned(), at);
        match outcome {
            WriteOutcome::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut device = self.get();
        match device.write() {
            WriteOutcome::NoPower => Err(no_power()),
            outcome => {
                device.names.remove(name);
                match outcome {
                    WriteOutcome::Whole => Ok(()),
                    _ => Err(no_power()),
                }
            }
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut device = self.get();
        match device.write() {
            WriteOutcome::Whole => {
                let names = device.names.clone();
                device.kept_names = names;
                Ok(())
            }
            _ => Err(no_power()),
        }
    }
}

impl BootSectors for SharedDevice {
    fn read(&self, copy: SectorCopy) -> io::Result<Sector> {
        Ok(self.get().sectors[copy as usize])
    }

    fn write(&mut self, copy: SectorCopy, sector: &Sector) -> io::Result<()> {
        let mut device = self.get();
        let outcome = device.write();
        let written = match (&outcome, device.unsynced) {
            (WriteOutcome::Whole, _) | (WriteOutcome::Cut, Unsynced::Kept) => SECTOR_BYTES,
            // The checksum is new, what it belongs to is not.
            (WriteOutcome::Cut, Unsynced::Torn) => SECTOR_BYTES / 64,
            _ => 0,
        };
        device.sectors[copy as usize][..written].copy_from_slice(&sector[..written]);
        match outcome {
            WriteOutcome::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }
}

/// RAUC's sequence: the slot is marked bad, written block by block, and made the primary one.
pub struct SimulatedRauc {
    device: SharedDevice,
    slot: Slot,
    release: usize,
    step: usize,
}

impl SimulatedRauc {
    fn mark(&mut self, mark: impl FnOnce(&mut BootState)) -> io::Result<()> {
        let mut state = slots::load(&self.device)?.unwrap_or_else(BootState::unknown);
        mark(&mut state);
        slots::store(&mut self.device, &state)
    }

    fn write_block(&mut self, block: usize) -> io::Result<()> {
        let mut device = self.device.get();
        let outcome = device.write();
        let content = match outcome {
            WriteOutcome::Whole => self.release,
            WriteOutcome::Cut => GARBAGE,
            WriteOutcome::NoPower => return Err(no_power()),
        };
        device.slots[self.slot as usize][block] = content;
        match outcome {
            WriteOutcome::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }
}

impl Installation for SimulatedRauc {
    fn next_line(&mut self) -> Option<String> {
        let slot = self.slot;
        let done = match self.step {
            0 => self.mark(|state| state.set_bad(slot)),
            step if step <= SLOT_BLOCKS => self.write_block(step - 1),
            step if step == SLOT_BLOCKS + 1 => self.mark(|state| state.set_primary(slot)),
            _ => return None,
        };
        done.ok()?;
        self.step += 1;
        Some(format!(
            "{:3}% Copying",
            self.step * 100 / (SLOT_BLOCKS + 2)
        ))
    }

    fn finish(self) -> Result<(), String> {
        if self.step > SLOT_BLOCKS + 1 {
            return Ok(());
        }
        Err("no power".to_owned())
    }
}

/// The device as its updater sees it.
pub struct SimulatedHost {
    pub device: SharedDevice,
    pub running: Running,
}

impl Host for SimulatedHost {
    type Folder = SharedDevice;
    type Sectors = SharedDevice;
    type Installation = SimulatedRauc;

    fn folder(&mut self) -> &mut SharedDevice {
        &mut self.device
    }

    fn sectors(&mut self) -> &mut SharedDevice {
        &mut self.device
    }

    fn now(&self) -> BootTimestamp {
        self.device.now()
    }

    fn cards(&mut self) -> Vec<CardId> {
        self.device.get().card.iter().cloned().collect()
    }

    fn mount(&mut self, card: &CardId, _: Access) -> Result<Option<PathBuf>, String> {
        let device = self.device.get();
        if device.card.as_ref() != Some(card) {
            return Err("no such device".to_owned());
        }
        Ok(Some(device.card_folder.clone()))
    }

    fn unmount(&mut self) {}

    fn free_bytes(&mut self) -> io::Result<u64> {
        Ok(self.device.get().free_bytes)
    }

    fn battery_percent(&mut self) -> Option<u8> {
        self.device.get().battery_percent
    }

    fn rauc_info(&mut self, name: &str) -> Result<String, String> {
        let mut device = self.device.get();
        let bytes = device
            .inode(name)
            .map_err(|error| error.to_string())?
            .bytes
            .clone();
        // The signature stands at the end: what was changed before it is verity's matter.
        let end = |bytes: &[u8]| bytes[bytes.len().saturating_sub(19)..].to_vec();
        let release = device.releases.iter().find(|release| {
            bytes.get(..12) == release.bundle.get(..12) && end(&bytes) == end(&release.bundle)
        });
        let release = release.ok_or("signature verification failed")?;
        let compatible = format!("hemoscope-{BOARD}");
        Ok(manifest::fixture::info(
            &compatible,
            release.version,
            &release.verity,
        ))
    }

    fn is_rauc_busy(&mut self) -> Result<bool, String> {
        Ok(self.device.get().is_rauc_busy)
    }

    fn rauc_install(&mut self, name: &str) -> Result<SimulatedRauc, String> {
        assert_eq!(name, STAGED_FILE);
        let mut device = self.device.get();
        let bytes = device
            .inode(name)
            .map_err(|error| error.to_string())?
            .bytes
            .clone();
        let sha256 = Sha256::digest(&bytes).to_vec();
        let mut releases = device.releases.iter();
        let release = releases.position(|release| release.sha256 == sha256);
        drop(device);
        Ok(SimulatedRauc {
            device: self.device.clone(),
            slot: self.running.update_target(),
            release: release.ok_or("signature verification failed")?,
            step: 0,
        })
    }

    fn wait(&mut self) {}

    fn restart(&mut self) -> Result<(), String> {
        self.device.get().wants_restart = true;
        Ok(())
    }

    fn publish(&mut self, state: &UpdateState) {
        self.device.get().published = state.clone();
    }

    fn take_answer(&mut self) -> Option<Answer> {
        self.device.get().answer.take()
    }

    fn log(&mut self, _: &str) {}
}

/// The running system as its boot check sees it.
pub struct SimulatedSystem {
    pub device: SharedDevice,
    pub running: Running,
    pub behaviour: Behaviour,
}

impl SimulatedSystem {
    fn status_of(&self) -> DeviceStatus {
        DeviceStatus {
            version: "0".to_owned(),
            camera: (self.behaviour != Behaviour::NoCamera).then(|| "USB".to_owned()),
            display: Some("drm".to_owned()),
            is_data_readable: self.behaviour != Behaviour::NoData,
        }
    }
}

impl RunningSystem for SimulatedSystem {
    fn wait_until_healthy(
        &mut self,
        before: Option<&DeviceStatus>,
    ) -> Result<DeviceStatus, String> {
        let known_answer = match self.behaviour {
            Behaviour::NoModel => Err("it cannot open its model".to_owned()),
            _ => Ok(()),
        };
        let checks = HealthChecks {
            service: Ok(()),
            known_answer,
            status: Some(self.status_of()),
        };
        checks.evaluate(before)
    }

    fn is_up(&mut self) -> bool {
        true
    }

    fn device_status(&mut self) -> Option<DeviceStatus> {
        Some(self.status_of())
    }

    fn purge_older_data(&mut self) {
        if !self.device.get().is_on {
            return;
        }
        let state = slots::load(&self.device).unwrap().unwrap();
        let slot = self.running.slot().unwrap();
        assert!(
            state.tries_left(slot) > TRIAL_TRIES,
            "older data is forgotten before the new version is marked good"
        );
    }

    fn log(&mut self, _: &str) {}
}

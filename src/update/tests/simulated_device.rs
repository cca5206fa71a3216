//! A device that is made of memory, with a folder for the card: its power fails, or its card is
//! pulled, after whichever write a test wants.

use crate::record::Timestamp;
use crate::update::boot::slots::{
    self, BootSectors, BootState, Running, SECTOR_BYTES, Sector, SectorCopy, Slot, TRIAL_ATTEMPTS,
};
use crate::update::bundle::manifest;
use crate::update::bundle::verity::{VeritySettings, fixture};
use crate::update::card::entry::CardId;
use crate::update::folder::Folder;
use crate::update::host::{Access, Host, Installation};
use crate::update::protocol::{Answer, DeviceFacts, UpdateState};
use crate::update::trial::boot_check::{Findings, RunningSystem, judge_findings};
use crate::update::trial::pending::Moment;
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
pub enum Luck {
    AllLost,
    AllKept,
    Torn,
}

impl Luck {
    pub const ALL: [Luck; 3] = [Luck::AllLost, Luck::AllKept, Luck::Torn];
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
pub struct World {
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
    pub luck: Luck,
    pub is_on: bool,
    pub wants_restart: bool,
    pub boot_number: u64,
    pub told: UpdateState,
    pub answer: Option<Answer>,
    pub free_bytes: u64,
    /// No file of the data partition can grow any more.
    pub is_full: bool,
    pub battery_percent: Option<u8>,
    /// RAUC goes on for an updater that has died.
    pub is_rauc_busy: bool,
}

enum Fate {
    Whole,
    Cut,
    NoPower,
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl World {
    /// Slots and rescue hold the first release.
    pub fn shared(releases: Vec<Release>, card_folder: PathBuf) -> Shared {
        Shared(Rc::new(RefCell::new(Self {
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
            luck: Luck::AllLost,
            is_on: true,
            wants_restart: false,
            boot_number: 0,
            told: UpdateState::Idle,
            answer: None,
            free_bytes: 1 << 30,
            is_full: false,
            battery_percent: None,
            is_rauc_busy: false,
        })))
    }

    /// A write begins.
    fn write(&mut self) -> Fate {
        if !self.is_on {
            return Fate::NoPower;
        }
        self.writes += 1;
        if self.pull_at == Some(self.writes) {
            self.pull_card();
        }
        if self.cuts.front() == Some(&self.writes) {
            self.cuts.pop_front();
            self.is_on = false;
            return Fate::Cut;
        }
        Fate::Whole
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
        let luck = self.luck;
        for inode in &mut self.inodes {
            match luck {
                Luck::AllLost => inode.bytes.clone_from(&inode.kept),
                Luck::AllKept => {}
                Luck::Torn => {
                    let same = inode.bytes.iter().zip(&inode.kept);
                    let same = same.take_while(|(a, b)| a == b).count();
                    let torn = same + (inode.bytes.len() - same) / 2;
                    inode.bytes.truncate(torn);
                }
            }
            inode.kept.clone_from(&inode.bytes);
        }
        match luck {
            Luck::AllLost => self.names.clone_from(&self.kept_names),
            Luck::AllKept | Luck::Torn => self.kept_names.clone_from(&self.names),
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

/// A world that several parts hold.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<World>>);

impl Shared {
    pub fn get(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }

    pub fn moment(&self) -> Moment {
        let world = self.get();
        Moment {
            boot_id: format!("boot-{}", world.boot_number),
            stamp: Timestamp {
                uptime_ms: world.writes,
                unix_ms: 0,
                clock_set: false,
            },
        }
    }
}

impl Folder for Shared {
    type Reader = Cursor<Vec<u8>>;

    fn open(&self, name: &str) -> io::Result<Option<Cursor<Vec<u8>>>> {
        let mut world = self.get();
        Ok(world
            .inode(name)
            .ok()
            .map(|inode| Cursor::new(inode.bytes.clone())))
    }

    fn append(&mut self, name: &str, kept_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.get();
        if world.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fate = world.write();
        if let Fate::NoPower = fate {
            return Err(no_power());
        }
        if !world.names.contains_key(name) {
            let at = world.inodes.len();
            world.inodes.push(Inode::default());
            world.names.insert(name.to_owned(), at);
        }
        let inode = world.inode(name)?;
        inode.bytes.truncate(kept_bytes as usize);
        inode.bytes.extend_from_slice(bytes);
        match fate {
            Fate::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut world = self.get();
        match world.write() {
            Fate::Whole => {
                let inode = world.inode(name)?;
                inode.kept.clone_from(&inode.bytes);
                Ok(())
            }
            _ => Err(no_power()),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.get();
        let fate = world.write();
        if let Fate::NoPower = fate {
            return Err(no_power());
        }
        let at = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), at);
        match fate {
            Fate::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut world = self.get();
        match world.write() {
            Fate::NoPower => Err(no_power()),
            fate => {
                world.names.remove(name);
                match fate {
                    Fate::Whole => Ok(()),
                    _ => Err(no_power()),
                }
            }
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut world = self.get();
        match world.write() {
            Fate::Whole => {
                let names = world.names.clone();
                world.kept_names = names;
                Ok(())
            }
            _ => Err(no_power()),
        }
    }
}

impl BootSectors for Shared {
    fn read(&self, copy: SectorCopy) -> io::Result<Sector> {
        Ok(self.get().sectors[copy as usize])
    }

    fn write(&mut self, copy: SectorCopy, sector: &Sector) -> io::Result<()> {
        let mut world = self.get();
        let fate = world.write();
        let written = match (&fate, world.luck) {
            (Fate::Whole, _) | (Fate::Cut, Luck::AllKept) => SECTOR_BYTES,
            // The checksum is new, what it belongs to is not.
            (Fate::Cut, Luck::Torn) => SECTOR_BYTES / 64,
            _ => 0,
        };
        world.sectors[copy as usize][..written].copy_from_slice(&sector[..written]);
        match fate {
            Fate::Whole => Ok(()),
            _ => Err(no_power()),
        }
    }
}

/// RAUC's sequence: the slot is marked bad, written block by block, and made the primary one.
pub struct SimulatedRauc {
    world: Shared,
    slot: Slot,
    release: usize,
    step: usize,
}

impl SimulatedRauc {
    fn mark(&mut self, mark: impl FnOnce(&mut BootState)) -> io::Result<()> {
        let mut state = slots::load(&self.world)?.unwrap_or_else(BootState::unknown);
        mark(&mut state);
        slots::store(&mut self.world, &state)
    }

    fn write_block(&mut self, block: usize) -> io::Result<()> {
        let mut world = self.world.get();
        let fate = world.write();
        let content = match fate {
            Fate::Whole => self.release,
            Fate::Cut => GARBAGE,
            Fate::NoPower => return Err(no_power()),
        };
        world.slots[self.slot as usize][block] = content;
        match fate {
            Fate::Whole => Ok(()),
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
    pub world: Shared,
    pub running: Running,
}

impl Host for SimulatedHost {
    type Folder = Shared;
    type Sectors = Shared;
    type Installation = SimulatedRauc;

    fn folder(&mut self) -> &mut Shared {
        &mut self.world
    }

    fn sectors(&mut self) -> &mut Shared {
        &mut self.world
    }

    fn moment(&self) -> Moment {
        self.world.moment()
    }

    fn cards(&mut self) -> Vec<CardId> {
        self.world.get().card.iter().cloned().collect()
    }

    fn mount(&mut self, card: &CardId, _: Access) -> Result<Option<PathBuf>, String> {
        let world = self.world.get();
        if world.card.as_ref() != Some(card) {
            return Err("no such device".to_owned());
        }
        Ok(Some(world.card_folder.clone()))
    }

    fn unmount(&mut self) {}

    fn free_bytes(&mut self) -> io::Result<u64> {
        Ok(self.world.get().free_bytes)
    }

    fn battery_percent(&mut self) -> Option<u8> {
        self.world.get().battery_percent
    }

    fn rauc_info(&mut self, name: &str) -> Result<String, String> {
        let mut world = self.world.get();
        let bytes = world
            .inode(name)
            .map_err(|error| error.to_string())?
            .bytes
            .clone();
        // The signature stands at the end: what was changed before it is verity's matter.
        let end = |bytes: &[u8]| bytes[bytes.len().saturating_sub(19)..].to_vec();
        let release = world.releases.iter().find(|release| {
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
        Ok(self.world.get().is_rauc_busy)
    }

    fn rauc_install(&mut self, name: &str) -> Result<SimulatedRauc, String> {
        assert_eq!(name, STAGED_FILE);
        let mut world = self.world.get();
        let bytes = world
            .inode(name)
            .map_err(|error| error.to_string())?
            .bytes
            .clone();
        let sha256 = Sha256::digest(&bytes).to_vec();
        let mut releases = world.releases.iter();
        let release = releases.position(|release| release.sha256 == sha256);
        drop(world);
        Ok(SimulatedRauc {
            world: self.world.clone(),
            slot: self.running.update_target(),
            release: release.ok_or("signature verification failed")?,
            step: 0,
        })
    }

    fn wait(&mut self) {}

    fn restart(&mut self) -> Result<(), String> {
        self.world.get().wants_restart = true;
        Ok(())
    }

    fn tell(&mut self, state: &UpdateState) {
        self.world.get().told = state.clone();
    }

    fn take_answer(&mut self) -> Option<Answer> {
        self.world.get().answer.take()
    }

    fn say(&mut self, _: &str) {}
}

/// The running system as its proof sees it.
pub struct SimulatedSystem {
    pub world: Shared,
    pub running: Running,
    pub behaviour: Behaviour,
}

impl SimulatedSystem {
    fn facts_of(&self) -> DeviceFacts {
        DeviceFacts {
            version: "0".to_owned(),
            camera: (self.behaviour != Behaviour::NoCamera).then(|| "USB".to_owned()),
            display: Some("drm".to_owned()),
            is_data_readable: self.behaviour != Behaviour::NoData,
        }
    }
}

impl RunningSystem for SimulatedSystem {
    fn prove(&mut self, before: Option<&DeviceFacts>) -> Result<DeviceFacts, String> {
        let known_answer = match self.behaviour {
            Behaviour::NoModel => Err("it cannot open its model".to_owned()),
            _ => Ok(()),
        };
        let findings = Findings {
            service: Ok(()),
            known_answer,
            facts: Some(self.facts_of()),
        };
        judge_findings(&findings, before)
    }

    fn is_up(&mut self) -> bool {
        true
    }

    fn facts(&mut self) -> Option<DeviceFacts> {
        Some(self.facts_of())
    }

    fn forget_older_data(&mut self) {
        if !self.world.get().is_on {
            return;
        }
        let state = slots::load(&self.world).unwrap().unwrap();
        let slot = self.running.slot().unwrap();
        assert!(
            state.attempts_left(slot) > TRIAL_ATTEMPTS,
            "older data is forgotten before the new version is marked good"
        );
    }

    fn say(&mut self, _: &str) {}
}

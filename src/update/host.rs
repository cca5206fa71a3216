//! What the updater needs of the machine that it runs on: a device, or one that a test simulates.

use crate::update::boot::slots::BootSectors;
use crate::update::card::entry::CardId;
use crate::update::folder::Folder;
use crate::update::history::BootTimestamp;
use crate::update::protocol::{Answer, UpdateState};
use std::io;
use std::path::PathBuf;

/// How a card is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading only.
    Read,
    /// For reading and writing.
    Write,
}

/// RAUC at work.
pub trait Installation {
    /// Waits for the next line of its output; `None` once it has ended.
    fn next_line(&mut self) -> Option<String>;

    /// How it ended.
    ///
    /// # Errors
    /// It failed.
    fn finish(self) -> Result<(), String>;
}

/// What the updater needs of the machine that it runs on.
pub trait Host {
    /// Where the updater keeps its files.
    type Folder: Folder;
    /// Where the boot state lies.
    type Sectors: BootSectors;
    /// A bundle that RAUC is writing into a slot.
    type Installation: Installation;

    /// The updater's folder.
    fn folder(&mut self) -> &mut Self::Folder;

    /// The boot state.
    fn sectors(&mut self) -> &mut Self::Sectors;

    /// Now.
    fn now(&self) -> BootTimestamp;

    /// The cards that are in.
    fn cards(&mut self) -> Vec<CardId>;

    /// Mounts a card; `None` where it has no file system that is read here.
    ///
    /// # Errors
    /// It has one that cannot be mounted.
    fn mount(&mut self, card: &CardId, access: Access) -> Result<Option<PathBuf>, String>;

    /// Unmounts the card that is mounted.
    fn unmount(&mut self);

    /// Free bytes where the updater's folder is.
    ///
    /// # Errors
    /// The system does not report it.
    fn free_bytes(&mut self) -> io::Result<u64>;

    /// Charge of a battery that is being used up, in percent; `None` on mains or without one.
    fn battery_percent(&mut self) -> Option<u8>;

    /// RAUC's description of a bundle in the updater's folder, once it has found its signature
    /// right.
    ///
    /// # Errors
    /// RAUC refuses it, or cannot be run.
    fn rauc_info(&mut self, name: &str) -> Result<String, String>;

    /// Whether RAUC is still at work for an updater that has ended since.
    ///
    /// # Errors
    /// RAUC does not answer.
    fn is_rauc_busy(&mut self) -> Result<bool, String>;

    /// Has RAUC begin to write a bundle of the updater's folder into the slot that does not run.
    ///
    /// # Errors
    /// RAUC cannot be run.
    fn rauc_install(&mut self, name: &str) -> Result<Self::Installation, String>;

    /// Waits a fraction of a second.
    fn wait(&mut self);

    /// Begins to restart the machine.
    ///
    /// # Errors
    /// It does not.
    fn restart(&mut self) -> Result<(), String>;

    /// Publishes where the update stands, for the program with the screen.
    fn publish(&mut self, state: &UpdateState);

    /// Takes the operator's answer, if there is one.
    fn take_answer(&mut self) -> Option<Answer>;

    /// Writes to the system's log.
    fn log(&mut self, text: &str);
}

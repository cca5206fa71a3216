//! Firmware updates: what the system's updater and the program with the screen tell each other.
//!
//! The updater runs as root, the program as a user of its own. They talk through two small files,
//! so that neither needs the other to be there.

pub mod boot_disk;
pub mod slots;
mod talk;

pub use talk::{
    ANSWER_FILE, Answer, DEVICE_FACTS_FILE, DeviceFacts, MAX_TALK_BYTES, Notes, Offer, Outcome,
    Problem, ProblemKind, STATE_FILE, TALK_FORMAT, Told, UpdateResult, UpdateState,
};

//! Firmware updates: what the system's updater and the program with the screen tell each other,
//! and all that the updater decides.
//!
//! The updater runs as root, the program as a user of its own. They talk through two small files,
//! so that neither needs the other to be there.
//!
//! ```text
//! card -> copy (hash) -> RAUC's signature -> every block (verity) -> offer -> RAUC installs
//!      -> restart -> trial -> confirmed, or rolled back
//! ```

pub mod board_host;
pub mod boot;
pub mod bundle;
pub mod card;
pub mod folder;
pub mod history;
pub mod host;
pub mod ipc_files;
pub mod machine;
mod protocol;
pub mod rauc;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod updater;

pub use protocol::{
    ANSWER_FILE, Answer, DEVICE_STATUS_FILE, DeviceStatus, MAX_PUBLISHED_BYTES, Notes, Offer,
    Outcome, PROTOCOL_FORMAT, Problem, ProblemKind, Published, STATE_FILE, UpdateResult,
    UpdateState,
};

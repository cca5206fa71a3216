//! The instrument: what it is doing, what is being counted, and what a button means. Pure: events
//! go in, effects come out; no clock, thread or device is here.

pub mod forcing;
pub mod guidance;
pub mod guide;
pub mod machine;
pub mod phase;
pub mod smear;
#[cfg(test)]
mod tests;
pub mod update_page;
pub mod update_prompt;

pub use machine::{Effect, Effects, Event, Machine, MachineSettings};
pub use phase::{ButtonRole, Phase};
pub use smear::{KnownScale, RunState, Smear, SmearEvent};

//! The one instruction over time: what a sight asks for, and how long "hold still" may stand.
//!
//! Pure: it is told the time. A slide that never comes to rest and a field that takes long to count
//! look the same to somebody who was told to hold still; after [`HOLD_STILL_LIMIT`] each gets its
//! own words.

use super::guidance::Instruction;
use super::smear::FrameView;
use std::time::{Duration, Instant};

/// The longest that "hold still" stands at a time.
pub const HOLD_STILL_LIMIT: Duration = Duration::from_secs(2);

/// Remembers since when the slide was to be held still.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guide {
    /// Whatever was seen meanwhile asked for the same.
    holding_since: Option<Instant>,
    has_held_long: bool,
}

impl Guide {
    /// Takes in what the operator is to do now, before any limit of time.
    pub fn see(&mut self, wanted: Instruction, now: Instant) {
        if wanted != Instruction::HoldStill {
            *self = Self::default();
            return;
        }
        let since = *self.holding_since.get_or_insert(now);
        self.has_held_long = now.saturating_duration_since(since) >= HOLD_STILL_LIMIT;
    }

    /// What the operator is told: "hold still" gives way to what keeps the field from being counted.
    pub fn told(&self, wanted: Instruction, latest: Option<&FrameView>) -> Instruction {
        if wanted != Instruction::HoldStill || !self.has_held_long {
            return wanted;
        }
        match latest.and_then(|view| view.field) {
            Some(_) => Instruction::WaitForCount,
            None => Instruction::LetSlideRest,
        }
    }
}

//! What of a smear was not counted: frames passed over, and fields refused.

use crate::quality::RejectReason;

/// What became of the frames that the camera gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTally {
    /// Shown to the network.
    pub counted: u64,
    /// Passed over while the stage moved.
    pub moving: u64,
    /// Passed over since their field needed no more frames.
    pub unchanged: u64,
    /// Judged too dark, too bright, blurred, empty or no smear before the network.
    pub unusable: u64,
}

impl FrameTally {
    /// Frames that were not shown to the network.
    pub fn skipped(&self) -> u64 {
        self.moving + self.unchanged + self.unusable
    }

    /// Skipped frames in hundredths of all, rounded down; `None` before the first frame.
    pub fn skipped_percent(&self) -> Option<u8> {
        let all = self.skipped() + self.counted;
        // At most 100.
        (self.skipped() * 100)
            .checked_div(all)
            .map(|share| share as u8)
    }
}

impl std::ops::Add for FrameTally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            counted: self.counted + other.counted,
            moving: self.moving + other.moving,
            unchanged: self.unchanged + other.unchanged,
            unusable: self.unusable + other.unusable,
        }
    }
}

/// Fields that were not counted, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedFields {
    /// In the order in which each reason first came up.
    pub by_reason: Vec<(RejectReason, u32)>,
    /// Without a single cell.
    pub without_cells: u32,
    /// Good enough, but no pixel size could be estimated.
    pub unscaled: u32,
    /// Frames that the camera lost.
    pub lost_frames: u32,
    /// Why the last of them was lost.
    pub last_lost: Option<String>,
}

impl RejectedFields {
    pub(super) fn add(&mut self, reason: RejectReason) {
        match self
            .by_reason
            .iter_mut()
            .find(|(known, _)| *known == reason)
        {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.by_reason.push((reason, 1)),
        }
    }

    /// Fields rejected for one reason.
    pub fn of(&self, reason: RejectReason) -> u32 {
        let mut reasons = self.by_reason.iter();
        let of_reason = reasons.find(|(known, _)| *known == reason);
        of_reason.map_or(0, |(_, count)| *count)
    }

    /// Fields rejected for any reason, lost frames not among them.
    pub fn fields(&self) -> u32 {
        self.by_reason.iter().fold(
            self.without_cells.saturating_add(self.unscaled),
            |sum, (_, count)| sum.saturating_add(*count),
        )
    }
}

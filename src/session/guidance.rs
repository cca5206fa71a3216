//! What the operator is told: the one thing to do next, what puts the counts in doubt, and what
//! there is to know besides. Values only; the screen has the words.

use crate::camera::Unavailable;
use crate::quality::{Brightness, Density, Quality, RejectReason, Verdict};

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// The first frames are on their way.
    Wait,
    /// This field is being counted; the slide stays where it is.
    HoldStill,
    /// This field is done.
    NextField,
    /// This field was looked at and holds no cell.
    LeaveEmptyField,
    /// The frame is blurred.
    Focus,
    /// The frame is too dark.
    IncreaseIllumination,
    /// The frame is too bright.
    ReduceIllumination,
    /// Cells lie too closely here.
    FindThinnerArea,
    /// Too few cells lie here.
    FindCells,
    /// The frame shows no stained smear.
    CheckStain,
    /// Without a pixel size nothing can be counted, and none could be estimated.
    SetScale,
    /// The camera gives no frames.
    CheckCamera,
    /// Enough was counted.
    Complete,
    /// The smear was interrupted.
    StartAgain,
}

impl Instruction {
    /// Every instruction.
    pub const ALL: [Instruction; 14] = [
        Instruction::Wait,
        Instruction::HoldStill,
        Instruction::NextField,
        Instruction::LeaveEmptyField,
        Instruction::Focus,
        Instruction::IncreaseIllumination,
        Instruction::ReduceIllumination,
        Instruction::FindThinnerArea,
        Instruction::FindCells,
        Instruction::CheckStain,
        Instruction::SetScale,
        Instruction::CheckCamera,
        Instruction::Complete,
        Instruction::StartAgain,
    ];

    /// What to do about the frame that is shown. `cells_found` is how many cells the network found
    /// in it; `None` before it has looked.
    ///
    /// Illumination comes first, since a frame that is too dark or too bright often fails
    /// otherwise too; then why the frame was rejected, then where to move.
    pub fn for_frame(quality: &Quality, cells_found: Option<usize>) -> Self {
        match (quality.brightness, quality.verdict, quality.density) {
            (Brightness::Dark, ..) => Instruction::IncreaseIllumination,
            (Brightness::Bright, ..) => Instruction::ReduceIllumination,
            (Brightness::Good, Verdict::Rejected(reason), _) => Self::for_rejected(reason),
            (Brightness::Good, Verdict::Usable, Density::Empty) => Instruction::FindCells,
            (Brightness::Good, Verdict::Usable, Density::Crowded) => Instruction::FindThinnerArea,
            (Brightness::Good, Verdict::Usable, Density::Sparse | Density::Good) => {
                match cells_found {
                    None => Instruction::HoldStill,
                    Some(0) => Instruction::LeaveEmptyField,
                    Some(_) => Instruction::NextField,
                }
            }
        }
    }

    fn for_rejected(reason: RejectReason) -> Self {
        match reason {
            RejectReason::Underexposed => Instruction::IncreaseIllumination,
            RejectReason::Overexposed => Instruction::ReduceIllumination,
            RejectReason::NoContrast => Instruction::FindCells,
            RejectReason::Blurred => Instruction::Focus,
            RejectReason::NotASmear => Instruction::CheckStain,
        }
    }
}

/// Something about the whole smear that puts its counts in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning<'a> {
    /// More white cells than a smear can hold.
    TooManyWhiteCells,
    /// Many cells stay uncertain.
    ManyUncertain,
    /// The size of a pixel is unknown or outside of what the network was tested on.
    ScaleOutOfRange,
    /// No frames come; the device keeps trying.
    CameraUnavailable(&'a Unavailable),
    /// What is counted cannot be written down; the device keeps trying.
    NotSaved,
}

/// Something to know that puts nothing in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The first button, held, switches the device off.
    HoldToSwitchOff,
    /// An update is being copied from the card to the device.
    UpdateCopying {
        /// Progress, 0 to 100.
        percent: u8,
    },
    /// Integrity and signature of an update are being verified.
    UpdateChecking,
    /// An update is asked about between smears.
    UpdateWaits,
    /// An update is being written to the inactive slot.
    UpdateInstalling {
        /// Progress, 0 to 100.
        percent: u8,
    },
    /// An update starts at the next restart.
    UpdateReady,
    /// There is something to read about an update between smears.
    UpdateNews,
    /// The factory system runs.
    Recovery,
    /// The device's storage was damaged and has been repaired: results may be missing.
    StorageRepaired,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Notice; 9] = [
        Notice::HoldToSwitchOff,
        Notice::StorageRepaired,
        Notice::UpdateCopying { percent: 100 },
        Notice::UpdateChecking,
        Notice::UpdateWaits,
        Notice::UpdateInstalling { percent: 100 },
        Notice::UpdateReady,
        Notice::UpdateNews,
        Notice::Recovery,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Quality = Quality {
        background_level: 220,
        brightness: Brightness::Good,
        clipped_permille: 0,
        focus_score: 80,
        coverage_permille: 300,
        density: Density::Good,
        verdict: Verdict::Usable,
    };

    #[test]
    fn every_rejected_frame_has_its_own_instruction() {
        let told = RejectReason::ALL.map(|reason| {
            let quality = Quality {
                verdict: Verdict::Rejected(reason),
                ..GOOD
            };
            (reason, Instruction::for_frame(&quality, None))
        });
        let expected = [
            (
                RejectReason::Underexposed,
                Instruction::IncreaseIllumination,
            ),
            (RejectReason::Overexposed, Instruction::ReduceIllumination),
            (RejectReason::NoContrast, Instruction::FindCells),
            (RejectReason::Blurred, Instruction::Focus),
            (RejectReason::NotASmear, Instruction::CheckStain),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn illumination_comes_first_and_a_usable_frame_says_where_to_go() {
        let blurred = Quality {
            verdict: Verdict::Rejected(RejectReason::Blurred),
            ..GOOD
        };
        let lit = |brightness| Quality {
            brightness,
            ..blurred
        };
        let dense = |density| Quality { density, ..GOOD };
        let cases = [
            (
                lit(Brightness::Dark),
                Some(9),
                Instruction::IncreaseIllumination,
            ),
            (
                lit(Brightness::Bright),
                Some(9),
                Instruction::ReduceIllumination,
            ),
            (dense(Density::Empty), Some(9), Instruction::FindCells),
            (
                dense(Density::Crowded),
                Some(9),
                Instruction::FindThinnerArea,
            ),
            (dense(Density::Sparse), Some(1), Instruction::NextField),
            (
                dense(Density::Sparse),
                Some(0),
                Instruction::LeaveEmptyField,
            ),
            (dense(Density::Sparse), None, Instruction::HoldStill),
            (GOOD, Some(9), Instruction::NextField),
            (GOOD, Some(0), Instruction::LeaveEmptyField),
            (GOOD, None, Instruction::HoldStill),
        ];
        for (quality, cells_found, expected) in cases {
            let told = Instruction::for_frame(&quality, cells_found);
            assert_eq!(told, expected, "{quality:?} {cells_found:?}");
        }
    }
}

//! What the operator is told: the one thing to do next, what puts the counts in doubt, and what
//! there is to know besides. Values only; the screen has the words.

use crate::assessment::Finding;
use crate::camera::Unavailable;
use crate::cell::CellClass;
use crate::count::{Progress, Summary};
use crate::quality::{Brightness, Density, Quality, RejectReason, Verdict};
use crate::session::smear::FieldStanding;

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// The first frames are on their way.
    Wait,
    /// This field is being counted; the slide stays where it is.
    HoldStill,
    /// The field at rest takes longer to count.
    WaitForCount,
    /// The slide has not come to rest for some time.
    LetSlideRest,
    /// This field is done.
    NextField,
    /// This field was looked at and holds no cell.
    LeaveEmptyField,
    /// More than half of this place was counted before.
    CountedBefore,
    /// This field was taken out of the counts again.
    FieldUndone,
    /// The frame is blurred.
    Focus,
    /// The slide moved while the frame was exposed.
    KeepStill,
    /// Part of the frame is blurred.
    LevelSlide,
    /// A dark rim covers the field.
    CentreField,
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
    /// Cells hardly stand out from the glass.
    RaiseContrast,
    /// The camera's red and blue are exchanged.
    CheckCameraFormat,
    /// Without a pixel size nothing can be counted, and these fields gave none: others may.
    SetScale,
    /// The camera gives no frames.
    CheckCamera,
    /// One more press finishes the smear.
    ConfirmFinish,
    /// Every class has cells enough: the operator finishes the smear.
    FinishAtTargets,
    /// The smear has taken its time: the operator finishes it.
    FinishAtLimit,
    /// Enough was counted.
    Complete,
    /// Enough was counted, and the assessment withholds it.
    Withheld,
    /// It has ended, and no class has a figure.
    TooFewCells,
    /// The smear was interrupted.
    StartAgain,
}

impl Instruction {
    /// Every instruction.
    pub const ALL: [Instruction; 28] = [
        Instruction::Wait,
        Instruction::HoldStill,
        Instruction::WaitForCount,
        Instruction::LetSlideRest,
        Instruction::NextField,
        Instruction::LeaveEmptyField,
        Instruction::CountedBefore,
        Instruction::FieldUndone,
        Instruction::Focus,
        Instruction::KeepStill,
        Instruction::LevelSlide,
        Instruction::CentreField,
        Instruction::IncreaseIllumination,
        Instruction::ReduceIllumination,
        Instruction::FindThinnerArea,
        Instruction::FindCells,
        Instruction::CheckStain,
        Instruction::RaiseContrast,
        Instruction::CheckCameraFormat,
        Instruction::SetScale,
        Instruction::CheckCamera,
        Instruction::ConfirmFinish,
        Instruction::FinishAtTargets,
        Instruction::FinishAtLimit,
        Instruction::Complete,
        Instruction::Withheld,
        Instruction::TooFewCells,
        Instruction::StartAgain,
    ];

    /// What to do about the frame that is shown. `cells_found` is how many cells the network found
    /// in it; `None` before it has looked.
    ///
    /// A place that was counted before comes first: whatever is wrong there, there is no use in
    /// staying. Then illumination, since a frame that is too dark or too bright often fails
    /// otherwise too; then why the frame was rejected, then where to move. The slide is to be held
    /// still only while its field is open.
    pub fn for_frame(
        quality: &Quality,
        standing: FieldStanding,
        cells_found: Option<usize>,
    ) -> Self {
        match standing {
            FieldStanding::CountedBefore => return Instruction::CountedBefore,
            FieldStanding::Undone => return Instruction::FieldUndone,
            FieldStanding::Open | FieldStanding::Taken => {}
        }
        match (quality.brightness, quality.verdict, quality.density) {
            (_, Verdict::Rejected(RejectReason::RimCoversField), _) => Instruction::CentreField,
            (Brightness::Dark, ..) => Instruction::IncreaseIllumination,
            (Brightness::Bright, ..) => Instruction::ReduceIllumination,
            (Brightness::Good, Verdict::Rejected(reason), _) => Self::for_rejected(reason),
            (Brightness::Good, Verdict::Usable, Density::Empty) => Instruction::FindCells,
            (Brightness::Good, Verdict::Usable, Density::Crowded) => Instruction::FindThinnerArea,
            (Brightness::Good, Verdict::Usable, Density::Sparse | Density::Good) => {
                match cells_found {
                    None if standing == FieldStanding::Taken => Instruction::NextField,
                    None => Instruction::HoldStill,
                    Some(0) => Instruction::LeaveEmptyField,
                    Some(_) => Instruction::NextField,
                }
            }
        }
    }

    fn for_rejected(reason: RejectReason) -> Self {
        match reason {
            RejectReason::RimCoversField => Instruction::CentreField,
            RejectReason::Underexposed => Instruction::IncreaseIllumination,
            RejectReason::Overexposed => Instruction::ReduceIllumination,
            RejectReason::NoContrast => Instruction::FindCells,
            RejectReason::Blurred => Instruction::Focus,
            RejectReason::MovedDuringExposure => Instruction::KeepStill,
            RejectReason::PartlyBlurred => Instruction::LevelSlide,
            RejectReason::LowContrast => Instruction::RaiseContrast,
            RejectReason::ColoursExchanged => Instruction::CheckCameraFormat,
            RejectReason::NotASmear => Instruction::CheckStain,
            RejectReason::TooThick => Instruction::FindThinnerArea,
        }
    }
}

/// Something about the whole smear that puts its counts in doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warning<'a> {
    /// What the assessment of the smear has found, the most serious.
    Smear(Finding),
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
    /// The program was killed while it counted a smear, whose fields are kept.
    SmearInterrupted {
        /// Fields counted.
        fields: u32,
    },
}

impl Notice {
    /// Every notice.
    pub const ALL: [Notice; 10] = [
        Notice::HoldToSwitchOff,
        Notice::StorageRepaired,
        Notice::UpdateCopying { percent: 100 },
        Notice::UpdateChecking,
        Notice::UpdateWaits,
        Notice::UpdateInstalling { percent: 100 },
        Notice::UpdateReady,
        Notice::UpdateNews,
        Notice::Recovery,
        Notice::SmearInterrupted { fields: 388 },
    ];
}

/// How far counting is from its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Fields are taken for the estimate of the pixel size, and counted once there is one.
    TakenForScale {
        /// Fields taken so far.
        taken: u32,
        /// Fields that the estimate rests on.
        of: u32,
    },
    /// Before the fields tell: so many fields of normal blood hold ten white cells.
    AtMagnification {
        /// About so many.
        fields: u32,
    },
    /// A class has cells enough or not, at this smear's own rate.
    FieldsLeft {
        /// A class that is done, where the other is not.
        done: Option<CellClass>,
        /// The class that takes longest.
        class: CellClass,
        /// About how many more fields it takes; `None` before its first cell.
        fields: Option<u32>,
    },
    /// The smear has ended before the target of a class.
    NotReached {
        /// The first such class.
        class: CellClass,
        /// How far it came.
        progress: Progress,
    },
}

/// Red cells in a field of a monolayer of [`FIELD_UM`], the usual one of an oil lens.
const RBC_PER_FIELD: f64 = 200.0;
/// Diameter of that field, in micrometres.
const FIELD_UM: f64 = 200.0;
/// Red cells to one white cell in normal blood, from the middle of adults' ranges.
const RBC_PER_WBC: f64 = 714.0;
/// White cells that a figure takes.
const WBC_FOR_FIGURE: f64 = 10.0;

impl Outlook {
    /// What to expect of fields that stand for `area_um2` square micrometres each.
    pub fn at_magnification(area_um2: f64) -> Self {
        let field_um2 = std::f64::consts::PI * FIELD_UM * FIELD_UM / 4.0;
        let rbc = RBC_PER_FIELD * area_um2 / field_um2;
        let fields = libm::ceil(WBC_FOR_FIGURE * RBC_PER_WBC / rbc);
        Self::AtMagnification {
            // Saturates where the area is next to nothing.
            fields: fields as u32,
        }
    }

    /// What the fields so far tell, unless platelets and white cells are done.
    pub fn of_live(summary: &Summary) -> Option<Self> {
        let classes = || {
            let classes = CellClass::ALL.into_iter().rev();
            classes.filter(|class| *class != CellClass::Rbc)
        };
        let progress = |class: CellClass| summary.class(class).progress;
        let done = classes().find(|class| progress(*class).is_done());
        let others = classes().filter(|class| !progress(*class).is_done());
        let fields = |class: &CellClass| progress(*class).fields_left.unwrap_or(u32::MAX);
        let class = others.max_by_key(fields)?;
        Some(Self::FieldsLeft {
            done,
            class,
            fields: progress(class).fields_left,
        })
    }

    /// What the fields of a smear that has ended did not reach, if anything.
    pub fn of_ended(summary: &Summary) -> Option<Self> {
        let first = summary.not_reached().next()?;
        Some(Self::NotReached {
            class: first.class,
            progress: first.progress,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::PerClass;
    use crate::count::{CountRules, FieldTally, SmearTally};

    const GOOD: Quality = Quality {
        background_level: 220,
        brightness: Brightness::Good,
        clipped_permille: 0,
        focus_score: 80,
        coverage_permille: 300,
        rim_permille: 0,
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
            let told = Instruction::for_frame(&quality, FieldStanding::Open, None);
            (reason, told)
        });
        let expected = [
            (RejectReason::RimCoversField, Instruction::CentreField),
            (
                RejectReason::Underexposed,
                Instruction::IncreaseIllumination,
            ),
            (RejectReason::Overexposed, Instruction::ReduceIllumination),
            (RejectReason::NoContrast, Instruction::FindCells),
            (RejectReason::Blurred, Instruction::Focus),
            (RejectReason::MovedDuringExposure, Instruction::KeepStill),
            (RejectReason::PartlyBlurred, Instruction::LevelSlide),
            (RejectReason::LowContrast, Instruction::RaiseContrast),
            (
                RejectReason::ColoursExchanged,
                Instruction::CheckCameraFormat,
            ),
            (RejectReason::NotASmear, Instruction::CheckStain),
            (RejectReason::TooThick, Instruction::FindThinnerArea),
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
            let told = Instruction::for_frame(&quality, FieldStanding::Open, cells_found);
            assert_eq!(told, expected, "{quality:?} {cells_found:?}");
        }
    }

    #[test]
    fn a_magnification_takes_as_many_fields_as_a_monolayer_says() {
        // 640x480 pixels of so many micrometres.
        for (um_per_px, expected) in [(0.12, 254), (0.30, 41)] {
            let area_um2 = 640.0 * 480.0 * um_per_px * um_per_px;
            let fields = Outlook::AtMagnification { fields: expected };
            assert_eq!(Outlook::at_magnification(area_um2), fields, "{um_per_px}");
        }
        let endless = Outlook::AtMagnification { fields: u32::MAX };
        assert_eq!(Outlook::at_magnification(0.0), endless);
    }

    #[test]
    fn the_outlook_follows_the_class_that_takes_longest() {
        let outlook = |fields: u32, wbc: u32, plt: u32| {
            let mut smear = SmearTally::default();
            for _ in 0..fields {
                let field = FieldTally {
                    certain: PerClass::from([
                        (CellClass::Rbc, 200),
                        (CellClass::Wbc, wbc),
                        (CellClass::Plt, plt),
                    ]),
                    uncertain: 0,
                    area_q8: 1 << 20,
                    has_clump: false,
                };
                smear.add(&field).unwrap();
            }
            let summary = smear.summary(&CountRules::default());
            (Outlook::of_live(&summary), Outlook::of_ended(&summary))
        };
        let left = |done, class, fields| {
            Some(Outlook::FieldsLeft {
                done,
                class,
                fields,
            })
        };
        let (live, ended) = outlook(20, 1, 10);
        assert_eq!(live, left(Some(CellClass::Plt), CellClass::Wbc, Some(80)));
        assert!(matches!(
            ended,
            Some(Outlook::NotReached { class: CellClass::Wbc, progress }) if progress.have == 20
        ));
        assert_eq!(outlook(20, 2, 1).0, left(None, CellClass::Plt, Some(80)));
        let none_seen = left(Some(CellClass::Plt), CellClass::Wbc, None);
        assert_eq!(outlook(20, 0, 10).0, none_seen);
        assert_eq!(outlook(20, 6, 10), (None, None));
    }

    #[test]
    fn nobody_is_asked_to_stay_where_nothing_more_is_counted() {
        for (standing, expected) in [
            (FieldStanding::Open, Instruction::HoldStill),
            (FieldStanding::Taken, Instruction::NextField),
            (FieldStanding::CountedBefore, Instruction::CountedBefore),
        ] {
            let told = Instruction::for_frame(&GOOD, standing, None);
            assert_eq!(told, expected, "{standing:?}");
        }
        let dark = Quality {
            brightness: Brightness::Dark,
            ..GOOD
        };
        let told = Instruction::for_frame(&dark, FieldStanding::CountedBefore, None);
        assert_eq!(told, Instruction::CountedBefore);
    }
}

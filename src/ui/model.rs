//! What the screen shows, as plain data: no drawing, no words, no place on the screen.
//!
//! Numbers arrive ready as integers or [`Decimal`]s, so that the screen computes nothing.

use crate::cell::{Cell, PerClass};
use crate::device::calendar::CivilTime;
use crate::image::frame::Frame;
use crate::language::Language;

/// One picture of the device's screen.
#[derive(Debug, Clone)]
pub enum Screen<'a> {
    /// The device is loading.
    Starting(Starting),
    /// Fields are being counted, or have been.
    Counting(Box<Counting<'a>>),
    /// The camera is missing.
    NoCamera(NoCamera<'a>),
    /// About a firmware update.
    Update(Update<'a>),
    /// Something stopped the device.
    Failure(Failure<'a>),
}

/// While the device loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starting {
    pub language: Language,
    /// The program's version, such as `0.1.0`.
    pub version: String,
}

/// No camera answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCamera<'a> {
    pub language: Language,
    pub identity: Identity<'a>,
    /// The source that was asked for, such as `v4l2:/dev/video0`.
    pub camera: String,
    pub trouble: CameraTrouble,
    /// Stands in a line of its own.
    pub notice: Option<Notice>,
}

/// Why no pictures come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraTrouble {
    NotConnected,
    /// Several are connected, and it was not said which to take.
    Several,
    /// Another program has it.
    InUse,
    PermissionDenied,
    /// It gives nothing that can be used.
    Unsuitable,
    /// It is there, but no pictures come.
    Silent,
    Failed,
}

impl CameraTrouble {
    /// Every trouble.
    pub const ALL: [CameraTrouble; 7] = [
        CameraTrouble::NotConnected,
        CameraTrouble::Several,
        CameraTrouble::InUse,
        CameraTrouble::PermissionDenied,
        CameraTrouble::Unsuitable,
        CameraTrouble::Silent,
        CameraTrouble::Failed,
    ];
}

/// An error that the operator has to deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'a> {
    pub language: Language,
    pub identity: Identity<'a>,
    /// Shown as `E-07`; many errors have none.
    pub number: Option<u16>,
    /// What happened, to what: one sentence or two.
    pub what_happened: String,
    /// What the operator can do about it: one sentence or two.
    pub what_to_do: String,
    /// Stands in a line of its own.
    pub notice: Option<Notice>,
}

/// A page about a firmware update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update<'a> {
    pub language: Language,
    pub identity: Identity<'a>,
    pub page: UpdatePage<'a>,
}

/// Where an update stands, and what is asked. Percents above 100 are shown as 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatePage<'a> {
    /// From the card to the device.
    Copying {
        percent: u8,
    },
    Checking,
    /// To be installed, or not now.
    Offered {
        running: &'a str,
        offered: &'a str,
        /// What is new, in the screen's language; empty for nothing.
        notes: &'a str,
    },
    /// The same, asked again since it is older than what runs.
    Older {
        running: &'a str,
        offered: &'a str,
    },
    Installing {
        version: &'a str,
        percent: u8,
    },
    /// To be restarted into it, or later.
    Ready {
        version: &'a str,
    },
    /// The answer is on its way.
    Answered,
    /// The device is about to restart.
    Restarting,
    Refused(UpdateTrouble),
    /// The new version has proved itself.
    Kept {
        from: &'a str,
        to: &'a str,
    },
    /// It has not, for a reason in English.
    RolledBack {
        from: &'a str,
        to: &'a str,
        reason: &'a str,
    },
    /// Neither system starts, and the factory's runs.
    Recovery,
}

/// Why an update was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateTrouble {
    /// Several are on the card.
    Several,
    Unreadable,
    NotGenuine,
    OtherBoard,
    /// The device has no room for it.
    NoRoom,
    LowBattery,
    /// The card was taken out while it was needed.
    CardPulled,
    InstallFailed,
}

impl UpdateTrouble {
    /// Every trouble.
    pub const ALL: [UpdateTrouble; 8] = [
        UpdateTrouble::Several,
        UpdateTrouble::Unreadable,
        UpdateTrouble::NotGenuine,
        UpdateTrouble::OtherBoard,
        UpdateTrouble::NoRoom,
        UpdateTrouble::LowBattery,
        UpdateTrouble::CardPulled,
        UpdateTrouble::InstallFailed,
    ];
}

/// What identifies a picture or a file later: the sample, and whether its time can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The sample's local identity; `None` while none was entered.
    pub sample: Option<&'a str>,
    pub clock: Clock,
}

/// The device's clock; many boards have none that runs without power.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// Nobody has set it since power came on, so no date is shown.
    #[default]
    NotSet,
    /// Local time, or UTC.
    Set { time: CivilTime, is_utc: bool },
}

/// Counting: everything that has to stand beside the numbers, and the numbers.
#[derive(Debug, Clone)]
pub struct Counting<'a> {
    pub language: Language,
    pub identity: Identity<'a>,
    pub run: RunState,
    /// The latest frame with its cells; `None` before the first one.
    pub preview: Option<Preview<'a>>,
    /// `None` before the first frame, as for brightness and density.
    pub focus: Option<Focus>,
    pub brightness: Option<Brightness>,
    pub density: Option<Density>,
    pub scale: Scale,
    pub counts: PerClass<Reading>,
    /// Cells that no class was certain for.
    pub uncertain: u64,
    /// Cells to 1000 red cells; `None` where it does not apply, as for red cells themselves.
    pub per_1000_rbc: PerClass<Option<Reading>>,
    pub fields: Fields,
    /// Counts vary between fields more than chance explains.
    pub over_dispersed: bool,
    pub warning: Option<Warning>,
    /// Stands in the warning's place where there is none.
    pub notice: Option<Notice>,
    pub instruction: Instruction,
}

/// A frame and what was found in it.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// The frame, or a smaller copy of it.
    pub picture: &'a Frame,
    /// The cells, in pixels of the frame they were found in.
    pub cells: &'a [Cell],
    /// Width of the frame that the cells were found in.
    pub frame_width_px: u32,
    /// Height of the frame that the cells were found in.
    pub frame_height_px: u32,
    /// Another number for every other picture or set of cells, so that none is drawn twice;
    /// `None` to have it drawn whenever it is shown.
    pub number: Option<u64>,
}

impl<'a> Preview<'a> {
    /// A full frame with the cells found in it.
    pub fn of_frame(frame: &'a Frame, cells: &'a [Cell]) -> Self {
        Self {
            picture: frame,
            cells,
            frame_width_px: frame.width_px(),
            frame_height_px: frame.height_px(),
            number: None,
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Fields are being added.
    Live,
    /// The operator paused; fields can still be added.
    Paused,
    /// Ended by the stop rule or the operator: the numbers are the result.
    Finished,
    /// Broken off, by a power cut for example: the numbers are no result.
    Unfinished,
}

/// How sharp the latest frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Focus {
    /// 0 (blurred) to 100 (as sharp as it gets); more is shown as 100.
    pub score: u8,
    pub sharpness: Sharpness,
}

/// The word for a focus score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharpness {
    Sharp,
    Soft,
    Blurred,
}

/// The light of the latest frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brightness {
    Dark,
    Good,
    Bright,
}

/// How closely cells lie in the latest frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    Empty,
    Sparse,
    Good,
    Crowded,
}

/// The size of a pixel on the slide, in nanometres (123 is 0.123 µm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Calibrated { nm_per_px: u32 },
    Estimated { nm_per_px: u32, spread_nm: u32 },
    Unknown,
}

/// A number of at most [`Decimal::MAX_DECIMALS`] decimals, as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The number times ten to the power of `decimals`.
    pub scaled: u64,
    pub decimals: u8,
}

impl Decimal {
    /// More decimals than this are cut to it.
    pub const MAX_DECIMALS: u8 = 6;

    /// A whole number.
    pub const fn whole(value: u64) -> Self {
        Self {
            scaled: value,
            decimals: 0,
        }
    }

    /// `scaled` tenths: `tenths(14)` is 1.4.
    pub const fn tenths(scaled: u64) -> Self {
        Self {
            scaled,
            decimals: 1,
        }
    }

    /// The same number with at most `decimals` decimals, rounded half up.
    pub fn rounded_to(self, decimals: u8) -> Self {
        let kept = decimals.min(Self::MAX_DECIMALS);
        if self.decimals <= kept {
            return self;
        }
        let dropped = u32::from(self.decimals - kept);
        let scaled = 10u64.checked_pow(dropped).map_or(0, |unit| {
            self.scaled / unit + u64::from(self.scaled % unit >= unit.div_ceil(2))
        });
        Self {
            scaled,
            decimals: kept,
        }
    }

    /// The part before the decimal point.
    pub fn whole_part(self) -> u64 {
        10u64
            .checked_pow(u32::from(self.decimals))
            .map_or(0, |unit| self.scaled / unit)
    }
}

/// A number with its 95 % interval and the number of cells it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    pub value: Decimal,
    /// Lower end of the 95 % interval.
    pub low: Decimal,
    /// Upper end of the 95 % interval.
    pub high: Decimal,
    /// Cells counted.
    pub n: u64,
}

impl Estimate {
    /// A count of cells with the interval of the count.
    pub const fn of_count(count: u64, low: u64, high: u64) -> Self {
        Self {
            value: Decimal::whole(count),
            low: Decimal::whole(low),
            high: Decimal::whole(high),
            n: count,
        }
    }
}

/// A number, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Known(Estimate),
    /// Too few cells for a number.
    TooFew {
        n: u64,
    },
}

impl Reading {
    /// Cells counted.
    pub fn n(&self) -> u64 {
        match self {
            Reading::Known(estimate) => estimate.n,
            Reading::TooFew { n } => *n,
        }
    }
}

/// Fields seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields {
    pub counted: u32,
    /// How many the run is to count, where that is known.
    pub wanted: Option<u32>,
    pub rejected: RejectedCounts,
    /// Frames that needed no counting, in hundredths of all frames; `None` where frames are not
    /// watched.
    pub skipped_percent: Option<u8>,
}

/// Rejected fields by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedCounts {
    /// In the order of [`Rejection::ALL`].
    counts: [u32; Rejection::ALL.len()],
}

impl RejectedCounts {
    /// Adds fields that were rejected for a reason.
    pub fn add(&mut self, reason: Rejection, fields: u32) {
        let count = &mut self.counts[reason as usize];
        *count = count.saturating_add(fields);
    }

    /// Fields rejected for all reasons.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The reasons that came up, the most frequent first.
    pub fn by_frequency(&self) -> impl Iterator<Item = (Rejection, u32)> + Clone {
        let mut reasons = Rejection::ALL;
        reasons.sort_unstable_by_key(|reason| {
            (
                std::cmp::Reverse(self.counts[*reason as usize]),
                *reason as usize,
            )
        });
        let counts = self.counts;
        reasons
            .into_iter()
            .map(move |reason| (reason, counts[reason as usize]))
            .filter(|(_, count)| *count > 0)
    }
}

impl FromIterator<(Rejection, u32)> for RejectedCounts {
    fn from_iter<I: IntoIterator<Item = (Rejection, u32)>>(rejected: I) -> Self {
        let mut counts = Self::default();
        rejected
            .into_iter()
            .for_each(|(reason, fields)| counts.add(reason, fields));
        counts
    }
}

/// Why a field was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    Blurred,
    TooDark,
    TooBright,
    Empty,
    Crowded,
    /// The picture is no stained smear.
    NotASmear,
    /// The camera delivered a broken frame.
    BrokenFrame,
}

impl Rejection {
    /// Every reason.
    pub const ALL: [Rejection; 7] = [
        Rejection::Blurred,
        Rejection::TooDark,
        Rejection::TooBright,
        Rejection::Empty,
        Rejection::Crowded,
        Rejection::NotASmear,
        Rejection::BrokenFrame,
    ];
}

/// Something about the whole run that puts its numbers in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// More white cells than a smear can hold.
    TooManyWhiteCells,
    /// Many cells stay uncertain.
    ManyUncertain,
    /// The size of a pixel is unknown or outside of what the network was tested on.
    ScaleOutOfRange,
    /// The picture is no stained smear.
    NotASmear,
    /// No frames come; the device keeps trying.
    Camera(CameraTrouble),
    /// What is counted cannot be written down; the device keeps trying.
    NotSaved,
}

impl Warning {
    /// Every warning.
    pub const ALL: [Warning; 12] = [
        Warning::TooManyWhiteCells,
        Warning::ManyUncertain,
        Warning::ScaleOutOfRange,
        Warning::NotASmear,
        Warning::Camera(CameraTrouble::NotConnected),
        Warning::Camera(CameraTrouble::Several),
        Warning::Camera(CameraTrouble::InUse),
        Warning::Camera(CameraTrouble::PermissionDenied),
        Warning::Camera(CameraTrouble::Unsuitable),
        Warning::Camera(CameraTrouble::Silent),
        Warning::Camera(CameraTrouble::Failed),
        Warning::NotSaved,
    ];
}

/// Something to know that puts nothing in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The first button, held, switches the device off.
    HoldToSwitchOff,
    UpdateCopying {
        percent: u8,
    },
    UpdateChecking,
    /// An update is asked about between smears.
    UpdateWaits,
    UpdateInstalling {
        percent: u8,
    },
    /// An update begins to run at the next start.
    UpdateReady,
    /// There is something to read about an update between smears.
    UpdateNews,
    /// The factory's system runs.
    Recovery,
    /// What the device keeps was damaged and has been repaired: something may be missing.
    CardRepaired,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Notice; 9] = [
        Notice::HoldToSwitchOff,
        Notice::CardRepaired,
        Notice::UpdateCopying { percent: 100 },
        Notice::UpdateChecking,
        Notice::UpdateWaits,
        Notice::UpdateInstalling { percent: 100 },
        Notice::UpdateReady,
        Notice::UpdateNews,
        Notice::Recovery,
    ];
}

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// The first frames are on their way.
    Wait,
    /// Counting this field; the slide stays where it is.
    HoldStill,
    /// This field is done.
    NextField,
    FocusSlide,
    RaiseLight,
    LowerLight,
    /// Cells lie too closely here.
    FindThinnerArea,
    /// Too few cells lie here.
    FindCells,
    CheckStain,
    SetScale,
    CheckCamera,
    /// Paused.
    Resume,
    /// Enough was counted.
    RunComplete,
    /// The run was broken off.
    StartAgain,
}

impl Instruction {
    /// Every instruction.
    pub const ALL: [Instruction; 14] = [
        Instruction::Wait,
        Instruction::HoldStill,
        Instruction::NextField,
        Instruction::FocusSlide,
        Instruction::RaiseLight,
        Instruction::LowerLight,
        Instruction::FindThinnerArea,
        Instruction::FindCells,
        Instruction::CheckStain,
        Instruction::SetScale,
        Instruction::CheckCamera,
        Instruction::Resume,
        Instruction::RunComplete,
        Instruction::StartAgain,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_half_up() {
        let cases = [
            (1234, 2, 1, 123, 1),
            (1235, 2, 1, 124, 1),
            (1250, 2, 0, 13, 0),
            (1249, 2, 0, 12, 0),
            (5, 1, 0, 1, 0),
            (7, 0, 2, 7, 0),
            (7, 200, 2, 0, 2),
        ];
        for (scaled, decimals, to, expected, expected_decimals) in cases {
            let number = Decimal { scaled, decimals };
            let expected = Decimal {
                scaled: expected,
                decimals: expected_decimals,
            };
            assert_eq!(number.rounded_to(to), expected, "{number:?} to {to}");
        }
        assert_eq!(Decimal::tenths(1049).whole_part(), 104);
    }
}

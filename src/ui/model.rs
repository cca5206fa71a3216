//! What the screen shows, as plain data: no drawing, no words, no place on the screen.
//!
//! States and reasons are those of the session, the camera and the updater. Numbers arrive ready
//! as integers or [`Figure`]s, so that the screen computes nothing.

use crate::camera::Unavailable;
use crate::cell::{Cell, PerClass};
use crate::count::{Figure, Progress, TooFew};
use crate::device::calendar::CivilTime;
use crate::image::frame::Frame;
use crate::language::{Language, TextId};
use crate::quality::{Quality, RejectReason};
use crate::session::guidance::{Instruction, Notice, Outlook, Warning};
use crate::session::smear::{KnownScale, RunState};
use crate::session::update_page::UpdatePage;
use std::cmp::Reverse;

/// One image of the device's screen.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box for each drawing would take memory in a run"
)]
pub enum Screen<'a> {
    /// The device is loading.
    Starting(Starting),
    /// Fields are being counted, or have been.
    Counting(Counting<'a>),
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
    /// The language of the texts.
    pub language: Language,
    /// The program's version, such as `0.1.0`.
    pub version: String,
}

/// No camera answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCamera<'a> {
    /// The language of the texts.
    pub language: Language,
    /// The sample and the clock.
    pub identity: Identity<'a>,
    /// The source that was asked for, such as `v4l2:/dev/video0`.
    pub camera: String,
    /// Why there is no camera.
    pub unavailable: &'a Unavailable,
    /// Stands in a line of its own.
    pub notice: Option<Notice>,
}

/// An error that the operator has to deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The language of the texts.
    pub language: Language,
    /// The sample and the clock.
    pub identity: Identity<'a>,
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
    /// The language of the texts.
    pub language: Language,
    /// The sample and the clock.
    pub identity: Identity<'a>,
    /// Where the update stands, and what is asked.
    pub page: UpdatePage<'a>,
}

/// What identifies an image or a file later: the sample, and whether its time can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The sample's local identity; `None` while none was entered.
    pub sample: Option<&'a str>,
    /// The slide is a drawn one and holds no blood; stands in the sample's place.
    pub is_simulated: bool,
    /// Date and time beside the sample.
    pub clock: Clock,
}

/// The device's clock; many boards have none that runs without power.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// Nobody has set it since power came on, so no date is shown.
    #[default]
    NotSet,
    /// Local time, or UTC.
    Set {
        /// Date and time of day.
        time: CivilTime,
        /// The time is UTC, and is marked so.
        is_utc: bool,
    },
}

/// Counting: everything that has to stand beside the numbers, and the numbers.
#[derive(Debug, Clone)]
pub struct Counting<'a> {
    /// The language of the texts.
    pub language: Language,
    /// The sample and the clock.
    pub identity: Identity<'a>,
    /// Whether the counts are a result.
    pub run: RunState,
    /// The latest frame with its cells; `None` before the first one.
    pub preview: Option<Preview<'a>>,
    /// Of the latest frame; `None` before the first one.
    pub quality: Option<Quality>,
    /// The pixel size, and where it is from.
    pub scale: KnownScale,
    /// Certain cells counted, whether or not they suffice for a figure.
    pub cells: PerClass<u32>,
    /// Cells that no class was certain for.
    pub uncertain: u32,
    /// Cells to 1000 red cells, the numbers to read; `None` where it does not apply, as for red
    /// cells themselves.
    pub per_1000_rbc: PerClass<Option<Result<Figure, TooFew>>>,
    /// How far each class is from its target.
    pub progress: PerClass<Progress>,
    /// Fields counted and rejected so far.
    pub fields: Fields,
    /// Counts vary between fields more than chance explains.
    pub is_overdispersed: bool,
    /// The assessment withholds the result.
    pub is_withheld: bool,
    /// No ratio may be shown.
    pub hides_figures: bool,
    /// What puts the counts in doubt; `None` where nothing does.
    pub warning: Option<Warning<'a>>,
    /// Stands in the warning's place where there is none.
    pub notice: Option<Notice>,
    /// Stands in their place where there is neither, or no more than how to switch off.
    pub outlook: Option<Outlook>,
    /// What the buttons do now, in the outlook's place.
    pub button_hint: Option<TextId>,
    /// The one thing to do next.
    pub instruction: Instruction,
}

/// A frame and what was found in it.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// The frame, or a smaller copy of it.
    pub image: &'a Frame,
    /// The cells, in pixels of the frame they were found in.
    pub cells: &'a [Cell],
    /// Width of the frame that the cells were found in.
    pub frame_width_px: u32,
    /// Height of the frame that the cells were found in.
    pub frame_height_px: u32,
    /// Another number for every other image or set of cells, so that none is drawn twice;
    /// `None` to have it drawn whenever it is shown.
    pub number: Option<u64>,
}

impl<'a> Preview<'a> {
    /// A full frame with the cells found in it.
    pub fn of_frame(frame: &'a Frame, cells: &'a [Cell]) -> Self {
        Self {
            image: frame,
            cells,
            frame_width_px: frame.width_px(),
            frame_height_px: frame.height_px(),
            number: None,
        }
    }
}

/// Fields seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields {
    /// Fields in the counts.
    pub counted: u32,
    /// How many the run is to count, where that is known.
    pub target: Option<u32>,
    /// Fields that could not be counted, by reason.
    pub rejected: RejectedCounts,
}

/// Rejected fields by the word that the screen has for the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedCounts {
    /// In the order of [`Rejection::ALL`], at the first reason with the same word.
    counts: [u32; Rejection::ALL.len()],
}

impl RejectedCounts {
    /// Adds fields that were rejected for a reason.
    pub fn add(&mut self, reason: Rejection, fields: u32) {
        let words = Rejection::ALL.map(Rejection::word);
        let slots = words.into_iter().zip(&mut self.counts);
        for (_, count) in slots.filter(|(word, _)| *word == reason.word()).take(1) {
            *count = count.saturating_add(fields);
        }
    }

    /// Fields rejected for all reasons.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The words of the reasons that came up, the most frequent first.
    pub fn by_frequency(&self) -> impl Iterator<Item = (TextId, u32)> + Clone {
        let mut order: [usize; Rejection::ALL.len()] = std::array::from_fn(|slot| slot);
        order.sort_unstable_by_key(|&slot| (Reverse(self.counts[slot]), slot));
        let counts = self.counts;
        order
            .into_iter()
            .map(move |slot| (Rejection::ALL[slot].word(), counts[slot]))
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
    /// The frame was not good enough.
    Quality(RejectReason),
    /// The frame was good enough and held no cell.
    NoCells,
    /// The frame was good enough, but no pixel size could be estimated for it.
    Unscaled,
    /// The camera delivered a damaged frame.
    LostFrame,
}

impl Rejection {
    /// Every reason.
    pub const ALL: [Rejection; 14] = [
        Rejection::Quality(RejectReason::Blurred),
        Rejection::Quality(RejectReason::MovedDuringExposure),
        Rejection::Quality(RejectReason::PartlyBlurred),
        Rejection::Quality(RejectReason::RimCoversField),
        Rejection::Quality(RejectReason::Underexposed),
        Rejection::Quality(RejectReason::Overexposed),
        Rejection::Quality(RejectReason::NoContrast),
        Rejection::NoCells,
        Rejection::Quality(RejectReason::LowContrast),
        Rejection::Quality(RejectReason::ColoursExchanged),
        Rejection::Quality(RejectReason::NotASmear),
        Rejection::Quality(RejectReason::TooThick),
        Rejection::Unscaled,
        Rejection::LostFrame,
    ];

    fn word(self) -> TextId {
        match self {
            Rejection::Quality(RejectReason::Blurred) => TextId::RejectedBlurred,
            Rejection::Quality(RejectReason::MovedDuringExposure) => TextId::RejectedMoved,
            Rejection::Quality(RejectReason::PartlyBlurred) => TextId::RejectedPartlyBlurred,
            Rejection::Quality(RejectReason::RimCoversField) => TextId::RejectedRim,
            Rejection::Quality(RejectReason::Underexposed) => TextId::RejectedDark,
            Rejection::Quality(RejectReason::Overexposed) => TextId::RejectedBright,
            Rejection::Quality(RejectReason::NoContrast) | Rejection::NoCells => {
                TextId::RejectedEmpty
            }
            Rejection::Quality(RejectReason::LowContrast) => TextId::RejectedLowContrast,
            Rejection::Quality(RejectReason::ColoursExchanged) => TextId::RejectedColours,
            Rejection::Quality(RejectReason::NotASmear) => TextId::RejectedNotASmear,
            Rejection::Quality(RejectReason::TooThick) => TextId::RejectedThick,
            Rejection::Unscaled => TextId::RejectedUnscaled,
            Rejection::LostFrame => TextId::RejectedDamaged,
        }
    }
}

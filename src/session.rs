//! One smear being counted: a pure state machine from events to what stands on the screen.
//!
//! It owns no thread, camera or clock. Every event is handed to [`Session::step`]; everything
//! that a screen or a report needs is read from the session afterwards.

use crate::cell::Cell;
use crate::count::{CountRules, FieldTally, SmearTally, Summary, TallyError};
use crate::frame::Frame;
use crate::quality::{Quality, Reason};
use crate::scale::ScaleEstimate;
use std::sync::Arc;

/// How the pixel size is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnownScale {
    /// Not yet: fields are being collected for an estimate.
    Unknown,
    /// From the configuration, a flag, or the source itself.
    Given { um_per_px: f64 },
    /// From the red cells of some fields.
    Estimated(ScaleEstimate),
}

impl KnownScale {
    /// Micrometres a pixel, where known.
    pub fn um_per_px(self) -> Option<f64> {
        match self {
            KnownScale::Unknown => None,
            KnownScale::Given { um_per_px } => Some(um_per_px),
            KnownScale::Estimated(estimate) => Some(estimate.um_per_px),
        }
    }
}

/// Where the run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Fields are being added.
    Live,
    /// The wanted fields are counted, or the source has ended: the numbers are the result.
    Finished,
    /// Broken off before the wanted fields were counted: the numbers are no result.
    Unfinished,
}

/// A field that has been counted.
#[derive(Debug, Clone)]
pub struct CountedField {
    pub frame: Arc<Frame>,
    pub cells: Vec<Cell>,
    pub quality: Quality,
    pub tally: FieldTally,
    /// Cells that truly are in the field, counted by the same border rule, where the source
    /// knows them.
    pub truth: Option<FieldTally>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A frame to show; it is not counted.
    Preview { frame: Arc<Frame>, quality: Quality },
    /// The pixel size became known.
    ScaleKnown(KnownScale),
    /// A field was counted.
    Counted(Box<CountedField>),
    /// No frame of a field could be counted.
    Rejected {
        frame: Arc<Frame>,
        quality: Quality,
        reason: Reason,
    },
    /// A field was looked at and held no cell.
    NoCells { frame: Arc<Frame>, quality: Quality },
    /// A field was good enough, but no pixel size could be estimated for it.
    Unscaled { frame: Arc<Frame>, quality: Quality },
    /// The camera lost a frame, for this reason.
    FrameLost(String),
    /// The source has no more frames.
    SourceEnded,
    /// The operator, or a failure, ends the run.
    Stopped,
}

/// What is shown of the latest frame.
#[derive(Debug, Clone)]
pub struct LatestFrame {
    pub frame: Arc<Frame>,
    pub quality: Quality,
    /// Its cells, once counted.
    pub cells: Vec<Cell>,
}

/// Fields that were not counted, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedFields {
    /// In the order in which each reason first came up.
    pub by_reason: Vec<(Reason, u32)>,
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
    fn add(&mut self, reason: Reason) {
        match self
            .by_reason
            .iter_mut()
            .find(|(known, _)| *known == reason)
        {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.by_reason.push((reason, 1)),
        }
    }

    /// Fields rejected for any reason, lost frames not among them.
    pub fn fields(&self) -> u32 {
        self.by_reason.iter().fold(
            self.without_cells.saturating_add(self.unscaled),
            |sum, (_, count)| sum.saturating_add(*count),
        )
    }
}

/// The smear so far.
#[derive(Debug)]
pub struct Session {
    rules: CountRules,
    wanted_fields: Option<u32>,
    state: RunState,
    scale: KnownScale,
    scale_not_found: bool,
    smear: SmearTally,
    truth: Option<SmearTally>,
    rejected: RejectedFields,
    latest: Option<LatestFrame>,
    full: Option<TallyError>,
}

impl Session {
    /// Starts an empty smear; it is finished after `wanted_fields`, or when the source ends.
    pub fn new(rules: CountRules, wanted_fields: Option<u32>, scale: KnownScale) -> Self {
        Self {
            rules,
            wanted_fields,
            state: RunState::Live,
            scale,
            scale_not_found: false,
            smear: SmearTally::default(),
            truth: None,
            rejected: RejectedFields::default(),
            latest: None,
            full: None,
        }
    }

    /// Takes one event in. A run that has ended takes no more.
    pub fn step(&mut self, event: Event) {
        if self.state != RunState::Live {
            return;
        }
        match event {
            Event::Preview { frame, quality } => self.show(frame, quality, Vec::new()),
            Event::ScaleKnown(scale) => {
                self.scale = scale;
                self.scale_not_found = false;
            }
            Event::Counted(field) => self.add(*field),
            Event::Rejected {
                frame,
                quality,
                reason,
            } => {
                self.rejected.add(reason);
                self.show(frame, quality, Vec::new());
            }
            Event::NoCells { frame, quality } => {
                self.rejected.without_cells = self.rejected.without_cells.saturating_add(1);
                self.show(frame, quality, Vec::new());
            }
            Event::Unscaled { frame, quality } => {
                self.scale_not_found = true;
                self.rejected.unscaled = self.rejected.unscaled.saturating_add(1);
                self.show(frame, quality, Vec::new());
            }
            Event::FrameLost(reason) => {
                self.rejected.lost_frames = self.rejected.lost_frames.saturating_add(1);
                self.rejected.last_lost = Some(reason);
            }
            Event::SourceEnded => self.end(self.wanted_fields.is_none()),
            Event::Stopped => self.end(false),
        }
    }

    fn show(&mut self, frame: Arc<Frame>, quality: Quality, cells: Vec<Cell>) {
        self.latest = Some(LatestFrame {
            frame,
            quality,
            cells,
        });
    }

    fn add(&mut self, field: CountedField) {
        if let Err(error) = self.smear.add(&field.tally) {
            self.full = Some(error);
            self.end(false);
            return;
        }
        if let Some(truth) = field.truth {
            // The truth's own limits are those of the smear, which has just taken its twin.
            let _ = self.truth.get_or_insert_default().add(&truth);
        }
        self.show(field.frame, field.quality, field.cells);
        if self
            .wanted_fields
            .is_some_and(|wanted| self.smear.fields() >= wanted)
        {
            self.end(true);
        }
    }

    fn end(&mut self, complete: bool) {
        self.state = if complete && self.smear.fields() > 0 {
            RunState::Finished
        } else {
            RunState::Unfinished
        };
    }

    /// Where the run stands.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// How the pixel size is known.
    pub fn scale(&self) -> KnownScale {
        self.scale
    }

    /// Whether an estimate of the pixel size has failed since it was last known.
    pub fn scale_not_found(&self) -> bool {
        self.scale_not_found
    }

    /// Fields counted.
    pub fn fields(&self) -> u32 {
        self.smear.fields()
    }

    /// Fields that the run is to count, where that was said.
    pub fn wanted_fields(&self) -> Option<u32> {
        self.wanted_fields
    }

    /// What may be said about the smear so far.
    pub fn summary(&self) -> Summary {
        self.smear.summary(&self.rules)
    }

    /// True cells of the counted fields, where the source knows them.
    pub fn truth(&self) -> Option<&SmearTally> {
        self.truth.as_ref()
    }

    /// Fields that were not counted.
    pub fn rejected(&self) -> &RejectedFields {
        &self.rejected
    }

    /// The frame to show.
    pub fn latest(&self) -> Option<&LatestFrame> {
        self.latest.as_ref()
    }

    /// The limit that ended the run, if one did.
    pub fn full(&self) -> Option<TallyError> {
        self.full
    }
}

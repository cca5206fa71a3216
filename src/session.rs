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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{QualitySettings, judge};

    fn frame() -> Arc<Frame> {
        Arc::new(Frame::filled(64, 64, [220, 200, 210]).unwrap())
    }

    fn quality() -> Quality {
        judge(&frame(), None, &QualitySettings::default())
    }

    fn tally(rbc: u32) -> FieldTally {
        FieldTally {
            certain: [rbc, 0, 0],
            uncertain: 0,
            area_q8: 1_000_000,
        }
    }

    fn counted(rbc: u32) -> Event {
        Event::Counted(Box::new(CountedField {
            frame: frame(),
            cells: Vec::new(),
            quality: quality(),
            tally: tally(rbc),
            truth: Some(tally(rbc + 1)),
        }))
    }

    fn rejected(reason: Reason) -> Event {
        Event::Rejected {
            frame: frame(),
            quality: quality(),
            reason,
        }
    }

    fn session(wanted_fields: Option<u32>) -> Session {
        Session::new(CountRules::default(), wanted_fields, KnownScale::Unknown)
    }

    #[test]
    fn runs_end_as_they_should() {
        use RunState::{Finished, Live, Unfinished};
        type Case = (&'static str, Option<u32>, Vec<Event>, RunState);
        let cases: [Case; 7] = [
            ("nothing yet", Some(2), vec![], Live),
            ("one of two", Some(2), vec![counted(5)], Live),
            (
                "two of two",
                Some(2),
                vec![counted(5), counted(6)],
                Finished,
            ),
            (
                "source too short",
                Some(2),
                vec![counted(5), Event::SourceEnded],
                Unfinished,
            ),
            (
                "whole source",
                None,
                vec![counted(5), Event::SourceEnded],
                Finished,
            ),
            ("empty source", None, vec![Event::SourceEnded], Unfinished),
            (
                "stopped",
                None,
                vec![counted(5), Event::Stopped],
                Unfinished,
            ),
        ];
        for (name, wanted_fields, events, state) in cases {
            let mut session = session(wanted_fields);
            events.into_iter().for_each(|event| session.step(event));
            assert_eq!(session.state(), state, "{name}");
        }
    }

    #[test]
    fn an_ended_run_takes_no_more() {
        let mut session = session(Some(1));
        session.step(counted(5));
        session.step(counted(7));
        session.step(rejected(Reason::Blurred));
        assert_eq!(session.fields(), 1);
        assert_eq!(session.rejected(), &RejectedFields::default());
    }

    #[test]
    fn every_field_that_was_not_counted_is_kept_with_its_reason() {
        let mut session = session(None);
        let (frame, quality) = (frame(), quality());
        session.step(rejected(Reason::Blurred));
        session.step(rejected(Reason::Black));
        session.step(rejected(Reason::Blurred));
        session.step(Event::NoCells {
            frame: Arc::clone(&frame),
            quality,
        });
        session.step(Event::Unscaled { frame, quality });
        session.step(Event::FrameLost("cable".to_owned()));
        let rejected = session.rejected();
        let by_reason = [(Reason::Blurred, 2), (Reason::Black, 1)];
        assert_eq!(rejected.by_reason, by_reason);
        assert_eq!(rejected.fields(), 5);
        assert_eq!(rejected.last_lost.as_deref(), Some("cable"));
        assert!(session.scale_not_found());
        session.step(Event::ScaleKnown(KnownScale::Given { um_per_px: 0.1 }));
        assert!(!session.scale_not_found());
    }

    #[test]
    fn the_truth_is_added_up_beside_the_counts() {
        let mut session = session(None);
        session.step(counted(5));
        session.step(counted(7));
        let rbc = crate::cell::CellClass::Rbc;
        assert_eq!(session.summary().class(rbc).seen, 12);
        assert_eq!(session.truth().map(|truth| truth.class(rbc)), Some(14));
    }
}

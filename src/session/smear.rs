//! One smear being counted: a pure state machine from events to what stands on the screen.
//!
//! It owns no thread, camera or clock. Every event is handed to [`Session::step`]; everything
//! that a screen or a report needs is read from the session afterwards.

use crate::analysis::scale::ScaleEstimate;
use crate::camera::Unavailable;
use crate::cell::Cell;
use crate::count::{CountRules, FieldTally, SmearTally, Summary, TallyError};
use crate::image::frame::Frame;
use crate::quality::{Quality, RejectReason};

/// Notices about the camera that are kept: one for each of its controls, twice.
const MAX_CAMERA_NOTICES: usize = 20;

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

/// A frame as it is shown: a small picture, how it was judged, and its cells once counted. By
/// default an empty one, to be filled.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The frame, as large as the screen shows it.
    pub picture: Frame,
    /// Width and height of the frame itself, in pixels.
    pub frame_px: (u32, u32),
    /// The field that it shows, where that is known.
    pub field: Option<u64>,
    pub quality: Quality,
    /// In pixels of the frame itself; none before it was counted.
    pub cells: Vec<Cell>,
}

impl Default for FrameView {
    fn default() -> Self {
        Self {
            picture: Frame::default(),
            frame_px: (1, 1),
            field: None,
            quality: Quality::NOTHING_SEEN,
            cells: Vec::new(),
        }
    }
}

/// Something that happened. A view is handed over in its box, so that the box can be filled again.
#[derive(Debug, Clone)]
pub enum Event {
    /// A frame to show; it is not counted.
    Preview(Box<FrameView>),
    /// The pixel size became known.
    ScaleKnown(KnownScale),
    /// A field was counted.
    Counted {
        view: Box<FrameView>,
        tally: FieldTally,
        /// Cells that truly are in the field, counted by the same border rule, where the source
        /// knows them.
        truth: Option<FieldTally>,
    },
    /// No frame of a field could be counted.
    Rejected {
        view: Box<FrameView>,
        reason: RejectReason,
    },
    /// A field was looked at and held no cell.
    NoCells(Box<FrameView>),
    /// A field was good enough, but no pixel size could be estimated for it.
    Unscaled(Box<FrameView>),
    /// What became of the frames up to the next event.
    Frames(FrameTally),
    /// The camera lost a frame, for this reason.
    FrameLost(String),
    /// The camera is not there at the moment, for this reason.
    CameraUnavailable(Unavailable),
    /// The camera that was away gives frames again.
    CameraBack,
    /// Something about how the camera is set.
    CameraNotice(String),
    /// What is counted cannot be kept at the moment, for this reason.
    NotSaved(String),
    /// What is counted is kept again.
    Saved,
    /// The source has no more frames.
    SourceEnded,
    /// The operator says that the smear is done.
    Finish,
    /// The operator, or a failure, ends the run.
    Stopped,
}

impl Event {
    /// The view that it holds, for an event that nobody takes in.
    pub fn into_view(self) -> Option<Box<FrameView>> {
        match self {
            Event::Preview(view)
            | Event::Counted { view, .. }
            | Event::Rejected { view, .. }
            | Event::NoCells(view)
            | Event::Unscaled(view) => Some(view),
            Event::ScaleKnown(_)
            | Event::Frames(_)
            | Event::FrameLost(_)
            | Event::CameraUnavailable(_)
            | Event::CameraBack
            | Event::CameraNotice(_)
            | Event::NotSaved(_)
            | Event::Saved
            | Event::SourceEnded
            | Event::Finish
            | Event::Stopped => None,
        }
    }

    /// Whether it is about one smear, not about camera, disk, source or run.
    pub fn is_of_smear(&self) -> bool {
        !matches!(
            self,
            Event::CameraUnavailable(_)
                | Event::CameraBack
                | Event::CameraNotice(_)
                | Event::NotSaved(_)
                | Event::Saved
                | Event::SourceEnded
                | Event::Stopped
        )
    }
}

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
    fn add(&mut self, reason: RejectReason) {
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
    target_fields: Option<u32>,
    state: RunState,
    scale: KnownScale,
    scale_not_found: bool,
    camera_unavailable: Option<Unavailable>,
    not_saved: Option<String>,
    camera_notices: Vec<String>,
    smear: SmearTally,
    truth: Option<SmearTally>,
    rejected: RejectedFields,
    frames: FrameTally,
    latest: Option<Box<FrameView>>,
    /// Grows with every other view or set of cells.
    view_number: u64,
    /// Of the smear so far: it changes only with a field, and takes some time to compute.
    summary: Summary,
    full: Option<TallyError>,
}

impl Session {
    /// Starts an empty smear; it is finished after `target_fields`, or when the source ends.
    pub fn new(rules: CountRules, target_fields: Option<u32>, scale: KnownScale) -> Self {
        Self {
            rules,
            target_fields,
            state: RunState::Live,
            scale,
            scale_not_found: false,
            camera_unavailable: None,
            not_saved: None,
            camera_notices: Vec::new(),
            smear: SmearTally::default(),
            truth: None,
            rejected: RejectedFields::default(),
            frames: FrameTally::default(),
            latest: None,
            view_number: 0,
            summary: SmearTally::default().summary(&rules),
            full: None,
        }
    }

    /// Starts the next smear, empty, at the same microscope.
    ///
    /// Returns the view that is no longer needed, to be filled again.
    pub fn start_next(&mut self) -> Option<Box<FrameView>> {
        let next = Self {
            camera_unavailable: self.camera_unavailable.take(),
            not_saved: self.not_saved.take(),
            camera_notices: std::mem::take(&mut self.camera_notices),
            view_number: self.view_number + 1,
            ..Self::new(self.rules, self.target_fields, self.scale)
        };
        std::mem::replace(self, next).latest
    }

    /// Takes one event in. A run that has ended takes no more, except whether the camera is there.
    ///
    /// Returns the view that is no longer needed, to be filled again.
    pub fn step(&mut self, event: Event) -> Option<Box<FrameView>> {
        match &event {
            // Of the device, not of the smear: told after its end too.
            Event::CameraUnavailable(_) | Event::CameraBack | Event::NotSaved(_) | Event::Saved => {
            }
            _ if self.state != RunState::Live => return event.into_view(),
            _ => {}
        }
        match event {
            Event::Preview(view) => return self.preview(view),
            Event::ScaleKnown(scale) => {
                self.scale = scale;
                self.scale_not_found = false;
            }
            Event::Counted { view, tally, truth } => return self.add(view, &tally, truth),
            Event::Rejected { view, reason } => {
                self.rejected.add(reason);
                return self.show(view);
            }
            Event::NoCells(view) => {
                self.rejected.without_cells = self.rejected.without_cells.saturating_add(1);
                return self.show(view);
            }
            Event::Unscaled(view) => {
                self.scale_not_found = true;
                self.rejected.unscaled = self.rejected.unscaled.saturating_add(1);
                return self.show(view);
            }
            Event::Frames(frames) => self.frames = frames,
            Event::FrameLost(reason) => {
                self.rejected.lost_frames = self.rejected.lost_frames.saturating_add(1);
                self.rejected.last_lost = Some(reason);
            }
            Event::CameraUnavailable(unavailable) => self.camera_unavailable = Some(unavailable),
            Event::CameraBack => self.camera_unavailable = None,
            Event::CameraNotice(notice) => {
                if self.camera_notices.len() < MAX_CAMERA_NOTICES {
                    self.camera_notices.push(notice);
                }
            }
            Event::NotSaved(reason) => self.not_saved = Some(reason),
            Event::Saved => self.not_saved = None,
            Event::SourceEnded | Event::Finish => self.end(self.target_fields.is_none()),
            Event::Stopped => self.end(false),
        }
        None
    }

    fn show(&mut self, view: Box<FrameView>) -> Option<Box<FrameView>> {
        self.view_number += 1;
        self.latest.replace(view)
    }

    /// A field that has been counted stays on the screen with its cells while the stage rests.
    fn preview(&mut self, view: Box<FrameView>) -> Option<Box<FrameView>> {
        let is_counted = |latest: &FrameView| {
            latest.field.is_some() && latest.field == view.field && !latest.cells.is_empty()
        };
        if self.latest.as_deref().is_some_and(is_counted) {
            return Some(view);
        }
        self.show(view)
    }

    fn add(
        &mut self,
        view: Box<FrameView>,
        tally: &FieldTally,
        truth: Option<FieldTally>,
    ) -> Option<Box<FrameView>> {
        if let Err(error) = self.smear.add(tally) {
            self.full = Some(error);
            self.end(false);
            return Some(view);
        }
        self.summary = self.smear.summary(&self.rules);
        if let Some(truth) = truth {
            // The truth's own limits are those of the smear, which has just taken its twin.
            let _ = self.truth.get_or_insert_default().add(&truth);
        }
        let old = self.show(view);
        if self
            .target_fields
            .is_some_and(|wanted| self.smear.fields() >= wanted)
        {
            self.end(true);
        }
        old
    }

    fn end(&mut self, complete: bool) {
        self.state = if complete && self.smear.fields() > 0 {
            RunState::Finished
        } else {
            RunState::Unfinished
        };
    }

    /// Whether the operator can finish the smear: how many fields it has was left to them, and
    /// there is one.
    pub fn can_finish(&self) -> bool {
        self.state == RunState::Live && self.target_fields.is_none() && self.fields() > 0
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

    /// Why the camera is not there, while it is away.
    pub fn camera_unavailable(&self) -> Option<&Unavailable> {
        self.camera_unavailable.as_ref()
    }

    /// What there is to know about how the camera is set, the first of it where it is too much.
    pub fn camera_notices(&self) -> &[String] {
        &self.camera_notices
    }

    /// Why what is counted cannot be kept at the moment.
    pub fn not_saved(&self) -> Option<&str> {
        self.not_saved.as_deref()
    }

    /// Fields counted.
    pub fn fields(&self) -> u32 {
        self.smear.fields()
    }

    /// Fields that the run is to count, where that was said.
    pub fn target_fields(&self) -> Option<u32> {
        self.target_fields
    }

    /// What may be said about the smear so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// True cells of the counted fields, where the source knows them.
    pub fn truth(&self) -> Option<&SmearTally> {
        self.truth.as_ref()
    }

    /// Fields that were not counted.
    pub fn rejected(&self) -> &RejectedFields {
        &self.rejected
    }

    /// What became of the camera's frames, up to the last field that was looked at.
    pub fn frames(&self) -> FrameTally {
        self.frames
    }

    /// The frame to show.
    pub fn latest(&self) -> Option<&FrameView> {
        self.latest.as_deref()
    }

    /// A number that is another one whenever [`Session::latest`] is.
    pub fn view_number(&self) -> u64 {
        self.view_number
    }

    /// The limit that ended the run, if one did.
    pub fn full(&self) -> Option<TallyError> {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn view(field: u64) -> Box<FrameView> {
        Box::new(FrameView {
            field: Some(field),
            ..FrameView::default()
        })
    }

    fn tally(rbc: u32) -> FieldTally {
        FieldTally {
            certain: crate::cell::PerClass::from([(crate::cell::CellClass::Rbc, rbc)]),
            uncertain: 0,
            area_q8: 1_000_000,
        }
    }

    fn counted(rbc: u32) -> Event {
        let cell = Cell {
            best_class: crate::cell::CellClass::Rbc,
            certain: true,
            bounds: crate::cell::BoundingBox {
                x0_q4: 0,
                y0_q4: 0,
                x1_q4: 16,
                y1_q4: 16,
            },
            confidence_e4: 9000,
            counted: true,
        };
        let mut view = view(rbc.into());
        view.cells.push(cell);
        Event::Counted {
            view,
            tally: tally(rbc),
            truth: Some(tally(rbc + 1)),
        }
    }

    fn rejected(reason: RejectReason) -> Event {
        Event::Rejected {
            view: view(0),
            reason,
        }
    }

    fn session(target_fields: Option<u32>) -> Session {
        Session::new(CountRules::default(), target_fields, KnownScale::Unknown)
    }

    #[test]
    fn a_camera_that_is_away_is_told_until_it_is_back() {
        let mut session = session(None);
        session.step(Event::CameraUnavailable(Unavailable::NotConnected));
        assert_eq!(
            session.camera_unavailable(),
            Some(&Unavailable::NotConnected)
        );
        assert_eq!(session.state(), RunState::Live);
        session.step(Event::CameraBack);
        assert_eq!(session.camera_unavailable(), None);
    }

    #[test]
    fn results_that_are_not_saved_are_told_after_the_end_too() {
        let mut session = session(Some(1));
        session.step(Event::NotSaved("no space".to_owned()));
        assert_eq!(session.not_saved(), Some("no space"));
        session.step(counted(5));
        assert_eq!(session.state(), RunState::Finished);
        session.step(Event::Saved);
        assert_eq!(session.not_saved(), None);
        session.step(Event::NotSaved("gone".to_owned()));
        assert_eq!(session.not_saved(), Some("gone"));
    }

    #[test]
    fn runs_end_as_they_should() {
        use RunState::{Finished, Live, Unfinished};
        type Case = (&'static str, Option<u32>, Vec<Event>, RunState);
        let cases: [Case; 9] = [
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
            ("done", None, vec![counted(5), Event::Finish], Finished),
            (
                "done too early",
                Some(2),
                vec![counted(5), Event::Finish],
                Unfinished,
            ),
            (
                "stopped",
                None,
                vec![counted(5), Event::Stopped],
                Unfinished,
            ),
        ];
        for (name, target_fields, events, state) in cases {
            let mut session = session(target_fields);
            for event in events {
                session.step(event);
            }
            assert_eq!(session.state(), state, "{name}");
        }
    }

    #[test]
    fn an_ended_run_takes_no_more() {
        let mut session = session(Some(1));
        session.step(counted(5));
        session.step(counted(7));
        session.step(rejected(RejectReason::Blurred));
        assert_eq!(session.fields(), 1);
        assert_eq!(session.rejected(), &RejectedFields::default());
    }

    #[test]
    fn the_next_smear_starts_empty_at_the_same_microscope() {
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let mut session = session(None);
        session.step(Event::ScaleKnown(scale));
        assert!(!session.can_finish());
        session.step(counted(5));
        session.step(rejected(RejectReason::Blurred));
        assert!(session.can_finish());
        session.step(Event::Finish);
        assert!(!session.can_finish());
        // What comes too late belongs to no smear, but whether the camera is there matters.
        assert!(session.step(counted(7)).is_some(), "the view comes back");
        session.step(Event::CameraUnavailable(Unavailable::NotConnected));
        let number = session.view_number();
        assert!(session.start_next().is_some());
        assert_eq!(session.state(), RunState::Live);
        assert_eq!((session.fields(), session.rejected().fields()), (0, 0));
        assert_eq!(session.summary().class(crate::cell::CellClass::Rbc).seen, 0);
        assert_eq!((session.scale(), session.truth()), (scale, None));
        assert_eq!(
            session.camera_unavailable(),
            Some(&Unavailable::NotConnected)
        );
        assert!(session.latest().is_none() && session.view_number() > number);
        session.step(counted(3));
        assert_eq!(session.fields(), 1);
    }

    #[test]
    fn every_field_that_was_not_counted_is_kept_with_its_reason() {
        let mut session = session(None);
        session.step(rejected(RejectReason::Blurred));
        session.step(rejected(RejectReason::Underexposed));
        session.step(rejected(RejectReason::Blurred));
        session.step(Event::NoCells(view(0)));
        session.step(Event::Unscaled(view(0)));
        session.step(Event::FrameLost("cable".to_owned()));
        let rejected = session.rejected();
        let by_reason = [(RejectReason::Blurred, 2), (RejectReason::Underexposed, 1)];
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

    #[test]
    fn a_counted_field_stays_on_the_screen_until_the_stage_leaves_it() {
        let mut session = session(None);
        assert!(session.step(Event::Preview(view(5))).is_none());
        assert!(session.step(counted(5)).is_some(), "the preview's box");
        let number = session.view_number();
        let back = session.step(Event::Preview(view(5)));
        assert!(back.is_some_and(|view| view.cells.is_empty()));
        assert_eq!(session.view_number(), number);
        assert_eq!(session.latest().map(|view| view.cells.len()), Some(1));
        let moving = Box::new(FrameView::default());
        assert!(session.step(Event::Preview(moving)).is_some());
        assert_ne!(session.view_number(), number);
        assert_eq!(session.latest().map(|view| view.cells.len()), Some(0));
    }

    #[test]
    fn the_summary_is_that_of_the_smear_so_far() {
        let mut session = session(None);
        let rbc = crate::cell::CellClass::Rbc;
        assert_eq!(session.summary().class(rbc).seen, 0);
        session.step(counted(50));
        assert_eq!(session.summary().class(rbc).seen, 50);
        assert_eq!(session.summary().class(rbc).count.value(), Some(50.0));
    }

    #[test]
    fn skipped_frames_are_a_share_of_all() {
        let cases = [
            ((0, 0, 0, 0), None),
            ((1, 0, 0, 0), Some(0)),
            ((0, 3, 0, 0), Some(100)),
            ((2, 1, 4, 1), Some(75)),
            ((1, 1, 1, 0), Some(66)),
        ];
        for ((counted, moving, unchanged, unusable), expected) in cases {
            let frames = FrameTally {
                counted,
                moving,
                unchanged,
                unusable,
            };
            assert_eq!(frames.skipped_percent(), expected, "{frames:?}");
        }
    }
}

//! One slide being counted: from what became of its fields to its figures so far.

use crate::analysis::scale::ScaleEstimate;
use crate::assessment::{Assessment, AssessmentLimits, Counts, FieldEvidence, SmearFacts, assess};
use crate::cell::{Cell, PerClass};
use crate::count::{CountRules, FieldTally, SmearLimits, SmearTally, Summary, TallyError};
use crate::image::frame::Frame;
use crate::quality::{Quality, RejectReason};
use crate::record::{FieldOutcome, FieldRecord};

/// How the pixel size is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnownScale {
    /// Not yet: fields are being collected for an estimate.
    Unknown,
    /// From the configuration, a flag, or the source itself.
    Given {
        /// Width of a pixel on the slide, in micrometres.
        um_per_px: f64,
    },
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

/// Where a smear stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Fields are being added.
    Live,
    /// The target is reached, or the source has ended: the numbers are the result.
    Finished,
    /// Interrupted before the target was reached: the numbers are no result.
    Unfinished,
}

/// Where the field that a frame shows stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldStanding {
    /// It waits for a good frame, or is being counted.
    #[default]
    Open,
    /// It needs no more frames.
    Taken,
    /// More than half of it was counted before, in other fields: it is left out.
    CountedBefore,
}

/// A frame as it is shown: a small image, how it was judged, and its cells once counted. By
/// default an empty one, to be filled.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The frame, as large as the screen shows it.
    pub image: Frame,
    /// Width and height of the frame itself, in pixels.
    pub frame_px: (u32, u32),
    /// The field that it shows, where that is known.
    pub field: Option<u64>,
    /// Where that field stands.
    pub standing: FieldStanding,
    /// How the frame was assessed.
    pub quality: Quality,
    /// Whether the network has looked for cells in it.
    pub is_analysed: bool,
    /// In pixels of the frame itself; none before it was analysed.
    pub cells: Vec<Cell>,
    /// Diameter of a red cell at the scale that it was counted at, in 1/16 px of the frame itself;
    /// 0 before.
    pub rbc_diameter_q4: u32,
}

/// What makes figures of a smear's fields, and what is believed of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SmearRules {
    /// When a figure may be shown.
    pub counts: CountRules,
    /// Where the assessment draws its lines.
    pub limits: AssessmentLimits,
    /// When the operator is told to finish a smear that has no number of fields.
    pub length: SmearLimits,
}

impl FrameView {
    /// How many cells the network found; `None` before it has looked.
    pub fn cells_found(&self) -> Option<usize> {
        self.is_analysed.then_some(self.cells.len())
    }
}

impl Default for FrameView {
    fn default() -> Self {
        Self {
            image: Frame::default(),
            frame_px: (1, 1),
            field: None,
            standing: FieldStanding::Open,
            quality: Quality::NOTHING_SEEN,
            is_analysed: false,
            cells: Vec::new(),
            rbc_diameter_q4: 0,
        }
    }
}

/// Something that happened to a smear. A view is handed over in its box, so that the box can be
/// filled again.
#[derive(Debug, Clone)]
pub enum SmearEvent {
    /// A frame to show; it is not counted.
    Preview(Box<FrameView>),
    /// The pixel size became known.
    ScaleKnown(KnownScale),
    /// A field was counted.
    Counted {
        /// The frame that was counted, with its cells.
        view: Box<FrameView>,
        /// Cells in the field, by the border rule.
        tally: FieldTally,
        /// Cells that truly are in the field, counted by the same border rule, where the source
        /// knows them.
        truth: Option<FieldTally>,
    },
    /// No frame of a field could be counted.
    Rejected {
        /// A frame of the field, without cells.
        view: Box<FrameView>,
        /// Why it was rejected.
        reason: RejectReason,
    },
    /// A field was looked at and held no cell.
    NoCells(Box<FrameView>),
    /// A field was taken for the estimate of the pixel size; it is counted once there is one.
    TakenForScale {
        /// Fields taken so far.
        taken: u32,
        /// Fields that the estimate rests on.
        of: u32,
    },
    /// A field was good enough, but no pixel size could be estimated for it.
    Unscaled(Box<FrameView>),
    /// What became of the frames up to the next event.
    Frames(FrameTally),
    /// The camera lost a frame, for this reason.
    FrameLost(String),
}

impl SmearEvent {
    /// The view that it holds, for an event that nobody takes in.
    pub fn into_view(self) -> Option<Box<FrameView>> {
        match self {
            Self::Preview(view)
            | Self::Counted { view, .. }
            | Self::Rejected { view, .. }
            | Self::NoCells(view)
            | Self::Unscaled(view) => Some(view),
            Self::ScaleKnown(_)
            | Self::TakenForScale { .. }
            | Self::Frames(_)
            | Self::FrameLost(_) => None,
        }
    }
}

/// What is left of an event once a smear has taken it in.
#[derive(Debug, Default)]
pub struct Taken {
    /// The view that is no longer needed, to be filled again.
    pub view: Option<Box<FrameView>>,
    /// The field that was settled, to be written down.
    pub record: Option<FieldRecord>,
}

impl Taken {
    fn view(view: Option<Box<FrameView>>) -> Self {
        Self { view, record: None }
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

/// The smear so far.
#[derive(Debug)]
pub struct Smear {
    number: u32,
    rules: SmearRules,
    target_fields: Option<u32>,
    state: RunState,
    scale: KnownScale,
    scale_not_found: bool,
    taken_for_scale: Option<(u32, u32)>,
    tally: SmearTally,
    facts: SmearFacts,
    truth: Option<SmearTally>,
    rejected: RejectedFields,
    frames: FrameTally,
    latest: Option<Box<FrameView>>,
    /// Grows with every other view or set of cells.
    view_number: u64,
    /// Of the smear so far: it changes only with a field, and takes some time to compute.
    summary: Summary,
    assessment: Assessment,
    full: Option<TallyError>,
}

impl Smear {
    /// An empty smear; it is finished after `target_fields`, or when the source ends.
    pub fn new(rules: SmearRules, target_fields: Option<u32>, scale: KnownScale) -> Self {
        Self {
            number: 0,
            rules,
            target_fields,
            state: RunState::Live,
            scale,
            scale_not_found: false,
            taken_for_scale: None,
            tally: SmearTally::default(),
            facts: SmearFacts::default(),
            truth: None,
            rejected: RejectedFields::default(),
            frames: FrameTally::default(),
            latest: None,
            view_number: 0,
            summary: SmearTally::default().summary(&rules.counts),
            assessment: Assessment::default(),
            full: None,
        }
    }

    /// The next smear, empty, at the same microscope takes this one's place.
    ///
    /// Returns the view that is no longer needed, to be filled again.
    pub fn start_next(&mut self) -> Option<Box<FrameView>> {
        let next = Self {
            number: self.number.wrapping_add(1),
            view_number: self.view_number + 1,
            ..Self::new(self.rules, self.target_fields, self.scale)
        };
        std::mem::replace(self, next).latest
    }

    /// Takes one event in. A smear that has ended takes no more.
    pub fn step(&mut self, event: SmearEvent) -> Taken {
        if self.state != RunState::Live {
            return Taken::view(event.into_view());
        }
        let mut record = field_record(&event, self.scale);
        let fields = self.fields();
        let view = self.take(event);
        // A smear that is full takes no more fields.
        record.take_if(|record| record.outcome == FieldOutcome::Counted && self.fields() == fields);
        Taken { view, record }
    }

    fn take(&mut self, event: SmearEvent) -> Option<Box<FrameView>> {
        match event {
            SmearEvent::Preview(view) => return self.preview(view),
            SmearEvent::ScaleKnown(scale) => {
                self.scale = scale;
                self.scale_not_found = false;
                self.taken_for_scale = None;
            }
            SmearEvent::TakenForScale { taken, of } => self.taken_for_scale = Some((taken, of)),
            SmearEvent::Counted { view, tally, truth } => return self.add(view, &tally, truth),
            SmearEvent::Rejected { view, reason } => {
                self.rejected.add(reason);
                return self.show(view);
            }
            SmearEvent::NoCells(view) => {
                self.rejected.without_cells = self.rejected.without_cells.saturating_add(1);
                return self.show(view);
            }
            SmearEvent::Unscaled(view) => {
                self.scale_not_found = true;
                self.taken_for_scale = None;
                self.rejected.unscaled = self.rejected.unscaled.saturating_add(1);
                return self.show(view);
            }
            SmearEvent::Frames(frames) => self.frames = frames,
            SmearEvent::FrameLost(reason) => {
                self.rejected.lost_frames = self.rejected.lost_frames.saturating_add(1);
                self.rejected.last_lost = Some(reason);
            }
        }
        None
    }

    /// The operator says that the smear is done, or its source has no more frames: it is finished
    /// where the number of its fields was left to them.
    pub fn finish(&mut self) {
        if self.state == RunState::Live {
            self.end(self.target_fields.is_none());
        }
    }

    /// The operator, the system or a failure interrupts the smear.
    pub fn stop(&mut self) {
        if self.state == RunState::Live {
            self.end(false);
        }
    }

    fn show(&mut self, view: Box<FrameView>) -> Option<Box<FrameView>> {
        self.view_number += 1;
        self.latest.replace(view)
    }

    /// A field that has been analysed stays on the screen with what was found while the stage rests.
    fn preview(&mut self, view: Box<FrameView>) -> Option<Box<FrameView>> {
        let is_analysed = |latest: &FrameView| {
            latest.field.is_some() && latest.field == view.field && latest.is_analysed
        };
        if self.latest.as_deref().is_some_and(is_analysed) {
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
        if let Err(error) = self.tally.add(tally) {
            self.full = Some(error);
            self.end(false);
            return Some(view);
        }
        if view.rbc_diameter_q4 > 0 {
            self.facts.add(&FieldEvidence {
                cells: &view.cells,
                frame_px: view.frame_px,
                rbc_diameter_q4: view.rbc_diameter_q4,
                coverage_permille: view.quality.coverage_permille,
            });
        }
        self.summary = self.tally.summary(&self.rules.counts);
        self.assessment = assess(
            &Counts::of(
                &self.summary,
                self.rejected.of(RejectReason::ColoursExchanged),
            ),
            &self.facts,
            &self.rules.limits,
        );
        if let Some(truth) = truth {
            // The truth's own limits are those of the smear, which has just taken its twin.
            let _ = self.truth.get_or_insert_default().add(&truth);
        }
        let old = self.show(view);
        if self
            .target_fields
            .is_some_and(|target| self.tally.fields() >= target)
        {
            self.end(true);
        }
        old
    }

    fn end(&mut self, complete: bool) {
        self.state = if complete && self.tally.fields() > 0 {
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

    /// Its number in this run, from zero.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where the smear stands.
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

    /// Fields taken for the estimate of the pixel size, and how many it rests on, while there is
    /// none.
    pub fn taken_for_scale(&self) -> Option<(u32, u32)> {
        self.taken_for_scale
    }

    /// Fields counted.
    pub fn fields(&self) -> u32 {
        self.tally.fields()
    }

    /// Fields that the run is to count, where that was said.
    pub fn target_fields(&self) -> Option<u32> {
        self.target_fields
    }

    /// What may be said about the smear so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What the figures so far are worth.
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
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

    /// A number that is another one whenever [`Smear::latest`] is.
    pub fn view_number(&self) -> u64 {
        self.view_number
    }

    /// The limit that ended the run, if one did.
    pub fn full(&self) -> Option<TallyError> {
        self.full
    }
}

/// The line of a field that an event settles; `None` for other events.
fn field_record(event: &SmearEvent, scale: KnownScale) -> Option<FieldRecord> {
    let (view, outcome, tally) = match event {
        SmearEvent::Counted { view, tally, .. } => (view, FieldOutcome::Counted, Some(tally)),
        SmearEvent::Rejected { view, reason } => (view, (*reason).into(), None),
        SmearEvent::NoCells(view) => (view, FieldOutcome::NoCells, None),
        SmearEvent::Unscaled(view) => (view, FieldOutcome::Unscaled, None),
        SmearEvent::Preview(_)
        | SmearEvent::ScaleKnown(_)
        | SmearEvent::TakenForScale { .. }
        | SmearEvent::Frames(_)
        | SmearEvent::FrameLost(_) => return None,
    };
    Some(FieldRecord {
        field: view.field,
        outcome,
        certain: tally.map_or_else(PerClass::default, |tally| tally.certain),
        uncertain: tally.map_or(0, |tally| tally.uncertain),
        area_q8: tally.map_or(0, |tally| tally.area_q8),
        has_clump: tally.is_some_and(|tally| tally.has_clump),
        um_per_px: scale.um_per_px(),
        um_per_px_estimated: matches!(scale, KnownScale::Estimated(_)),
        focus_score: view.quality.focus_score,
        background_level: view.quality.background_level,
        lost_before: 0,
    })
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
            certain: PerClass::from([(crate::cell::CellClass::Rbc, rbc)]),
            uncertain: 0,
            area_q8: 1_000_000,
            has_clump: false,
        }
    }

    fn counted(rbc: u32) -> SmearEvent {
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
        view.is_analysed = true;
        view.cells.push(cell);
        SmearEvent::Counted {
            view,
            tally: tally(rbc),
            truth: Some(tally(rbc + 1)),
        }
    }

    fn rejected(reason: RejectReason) -> SmearEvent {
        SmearEvent::Rejected {
            view: view(0),
            reason,
        }
    }

    fn smear(target_fields: Option<u32>) -> Smear {
        Smear::new(SmearRules::default(), target_fields, KnownScale::Unknown)
    }

    #[test]
    fn smears_end_as_they_should() {
        use RunState::{Finished, Live, Unfinished};
        fn go_on(_: &mut Smear) {}
        type Case = (&'static str, Option<u32>, u32, fn(&mut Smear), RunState);
        let cases: [Case; 8] = [
            ("nothing yet", Some(2), 0, go_on, Live),
            ("one of two", Some(2), 1, go_on, Live),
            ("two of two", Some(2), 2, go_on, Finished),
            ("done", None, 1, Smear::finish, Finished),
            (
                "nothing to be done with",
                None,
                0,
                Smear::finish,
                Unfinished,
            ),
            ("done too early", Some(2), 1, Smear::finish, Unfinished),
            ("stopped", None, 1, Smear::stop, Unfinished),
            (
                "stopped when it was done",
                Some(1),
                1,
                Smear::stop,
                Finished,
            ),
        ];
        for (name, target_fields, fields, end, state) in cases {
            let mut smear = smear(target_fields);
            for rbc in 0..fields {
                smear.step(counted(rbc + 5));
            }
            end(&mut smear);
            assert_eq!(smear.state(), state, "{name}");
        }
    }

    #[test]
    fn each_settled_field_gives_one_line_at_the_scale_it_was_counted_at() {
        let mut smear = smear(Some(2));
        let mut lines = Vec::new();
        let events = [
            SmearEvent::Frames(FrameTally::default()),
            SmearEvent::Preview(view(0)),
            rejected(RejectReason::Blurred),
            SmearEvent::ScaleKnown(KnownScale::Given { um_per_px: 0.1 }),
            counted(40),
            SmearEvent::NoCells(view(0)),
            SmearEvent::Unscaled(view(0)),
            counted(50),
            // The smear has ended.
            counted(99),
        ];
        for event in events {
            let record = smear.step(event).record;
            lines.extend(record.map(|line| {
                let rbc = line.certain[crate::cell::CellClass::Rbc];
                (line.outcome, rbc, line.um_per_px)
            }));
        }
        let expected = [
            (FieldOutcome::Blurred, 0, None),
            (FieldOutcome::Counted, 40, Some(0.1)),
            (FieldOutcome::NoCells, 0, Some(0.1)),
            (FieldOutcome::Unscaled, 0, Some(0.1)),
            (FieldOutcome::Counted, 50, Some(0.1)),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_ended_smear_takes_no_more() {
        let mut smear = smear(Some(1));
        smear.step(counted(5));
        smear.step(counted(7));
        smear.step(rejected(RejectReason::Blurred));
        assert_eq!(smear.fields(), 1);
        assert_eq!(smear.rejected(), &RejectedFields::default());
    }

    #[test]
    fn the_next_smear_starts_empty_at_the_same_microscope() {
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let mut smear = smear(None);
        smear.step(SmearEvent::ScaleKnown(scale));
        assert!(!smear.can_finish());
        smear.step(counted(5));
        smear.step(rejected(RejectReason::Blurred));
        assert!(smear.can_finish());
        smear.finish();
        assert!(!smear.can_finish());
        assert!(smear.step(counted(7)).view.is_some(), "the view comes back");
        let number = smear.view_number();
        assert!(smear.start_next().is_some());
        assert_eq!(smear.state(), RunState::Live);
        assert_eq!((smear.fields(), smear.rejected().fields()), (0, 0));
        assert_eq!(
            smear.summary().class(crate::cell::CellClass::Rbc).counted,
            0
        );
        assert_eq!((smear.scale(), smear.truth()), (scale, None));
        assert_eq!(smear.number(), 1);
        assert!(smear.latest().is_none() && smear.view_number() > number);
        smear.step(counted(3));
        assert_eq!(smear.fields(), 1);
    }

    #[test]
    fn every_field_that_was_not_counted_is_kept_with_its_reason() {
        let mut smear = smear(None);
        smear.step(rejected(RejectReason::Blurred));
        smear.step(rejected(RejectReason::Underexposed));
        smear.step(rejected(RejectReason::Blurred));
        smear.step(SmearEvent::NoCells(view(0)));
        smear.step(SmearEvent::Unscaled(view(0)));
        smear.step(SmearEvent::FrameLost("cable".to_owned()));
        let rejected = smear.rejected();
        let by_reason = [(RejectReason::Blurred, 2), (RejectReason::Underexposed, 1)];
        assert_eq!(rejected.by_reason, by_reason);
        assert_eq!(rejected.fields(), 5);
        assert_eq!(rejected.last_lost.as_deref(), Some("cable"));
        assert!(smear.scale_not_found());
        smear.step(SmearEvent::ScaleKnown(KnownScale::Given { um_per_px: 0.1 }));
        assert!(!smear.scale_not_found());
    }

    #[test]
    fn the_truth_is_added_up_beside_the_counts() {
        let mut smear = smear(None);
        smear.step(counted(5));
        smear.step(counted(7));
        let rbc = crate::cell::CellClass::Rbc;
        assert_eq!(smear.summary().class(rbc).counted, 12);
        assert_eq!(smear.truth().map(|truth| truth.class(rbc)), Some(14));
    }

    #[test]
    fn a_counted_field_stays_on_the_screen_until_the_stage_leaves_it() {
        let mut smear = smear(None);
        assert!(smear.step(SmearEvent::Preview(view(5))).view.is_none());
        assert!(smear.step(counted(5)).view.is_some(), "the preview's box");
        let number = smear.view_number();
        let back = smear.step(SmearEvent::Preview(view(5))).view;
        assert!(back.is_some_and(|view| view.cells.is_empty()));
        assert_eq!(smear.view_number(), number);
        assert_eq!(smear.latest().map(|view| view.cells.len()), Some(1));
        let moving = Box::new(FrameView::default());
        assert!(smear.step(SmearEvent::Preview(moving)).view.is_some());
        assert_ne!(smear.view_number(), number);
        assert_eq!(smear.latest().map(|view| view.cells.len()), Some(0));
    }

    #[test]
    fn a_field_without_cells_is_not_taken_for_one_that_is_being_counted() {
        let mut smear = smear(None);
        let cells_found = |smear: &Smear| smear.latest().and_then(FrameView::cells_found);
        smear.step(SmearEvent::Preview(view(5)));
        assert_eq!(cells_found(&smear), None);
        let mut empty = view(5);
        empty.is_analysed = true;
        smear.step(SmearEvent::NoCells(empty));
        smear.step(SmearEvent::Preview(view(5)));
        assert_eq!(cells_found(&smear), Some(0), "while the stage rests");
        smear.step(SmearEvent::Preview(view(6)));
        assert_eq!(cells_found(&smear), None);
    }

    #[test]
    fn the_summary_is_that_of_the_smear_so_far() {
        let mut smear = smear(None);
        let rbc = crate::cell::CellClass::Rbc;
        assert_eq!(smear.summary().class(rbc).counted, 0);
        smear.step(counted(50));
        assert_eq!(smear.summary().class(rbc).counted, 50);
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

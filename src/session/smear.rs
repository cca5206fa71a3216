//! One slide being counted: from what became of its fields to its figures so far.

mod rejected;

pub use rejected::{FrameTally, RejectedFields};

use super::forcing::may_be_forced;
use crate::analysis::scale::ScaleEstimate;
use crate::assessment::{
    Assessment, AssessmentLimits, Counts, FieldColours, FieldEvidence, RefusedFields, SmearFacts,
    assess,
};
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
    /// It was counted, and the operator has taken it out again.
    Undone,
}

/// A frame as it is shown: a small image, how it was judged, and its cells once counted. By
/// default an empty one, to be filled.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The frame, as large as the screen shows it.
    pub image: Frame,
    /// Width and height of the frame itself, in pixels.
    pub frame_px: (u32, u32),
    /// Its place among the frames that were looked at: one that is shown stays where an older one
    /// comes late.
    pub frame_number: u64,
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
    /// The operator had it counted although it was refused.
    pub is_forced: bool,
    /// Diameter of a red cell at the scale that it was counted at, in 1/16 px of the frame itself;
    /// 0 before.
    pub rbc_diameter_q4: u32,
    /// Dark area in which no cell was found, in thousandths of all dark area.
    pub unexplained_permille: u16,
    /// How its cells take light, once counted.
    pub colours: FieldColours,
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

    /// The field at rest, where it was refused and may be counted anyway.
    pub fn forcible_field(&self) -> Option<u64> {
        let is_open = self.standing == FieldStanding::Open && !self.is_analysed;
        self.field
            .filter(|_| is_open && may_be_forced(self.quality.verdict))
    }
}

impl Default for FrameView {
    fn default() -> Self {
        Self {
            image: Frame::default(),
            frame_px: (1, 1),
            frame_number: 0,
            field: None,
            standing: FieldStanding::Open,
            quality: Quality::NOTHING_SEEN,
            is_analysed: false,
            cells: Vec::new(),
            is_forced: false,
            rbc_diameter_q4: 0,
            unexplained_permille: 0,
            colours: FieldColours::default(),
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

/// What the counted fields add up to.
#[derive(Debug, Clone, Default)]
struct Sums {
    tally: SmearTally,
    facts: SmearFacts,
    truth: Option<SmearTally>,
    /// Fields that were counted although they were refused.
    forced: u32,
}

/// A field that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedField {
    /// Its number, where it has one.
    pub field: Option<u64>,
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
    sums: Sums,
    /// As they were before the last counted field, which can be taken out once.
    before_last: Sums,
    /// The last counted field, where it can still be taken out.
    last_counted: Option<CountedField>,
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
            sums: Sums::default(),
            before_last: Sums::default(),
            last_counted: None,
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
            SmearEvent::TakenForScale { taken, of } => {
                self.taken_for_scale = Some((taken, of));
                self.scale_not_found = false;
            }
            SmearEvent::Counted { view, tally, truth } => return self.add(view, &tally, truth),
            SmearEvent::Rejected { view, reason } => {
                self.rejected.add(reason);
                return self.show(view);
            }
            SmearEvent::NoCells(view) => {
                self.rejected.without_cells = self.rejected.without_cells.saturating_add(1);
                return self.show(view);
            }
            SmearEvent::Unscaled(mut view) => {
                view.standing = FieldStanding::Taken;
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

    /// A field that has been analysed stays on the screen with what was found while the stage rests,
    /// and nothing that was seen before it takes its place.
    fn preview(&mut self, view: Box<FrameView>) -> Option<Box<FrameView>> {
        let stays = |latest: &FrameView| {
            let is_same = latest.field.is_some() && latest.field == view.field;
            (is_same && latest.is_analysed) || view.frame_number < latest.frame_number
        };
        if self.latest.as_deref().is_some_and(stays) {
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
        self.before_last.clone_from(&self.sums);
        let sums = &mut self.sums;
        if let Err(error) = sums.tally.add(tally) {
            self.full = Some(error);
            self.end(false);
            return Some(view);
        }
        sums.forced += u32::from(view.is_forced);
        if view.rbc_diameter_q4 > 0 {
            sums.facts.add(&FieldEvidence {
                cells: &view.cells,
                frame_px: view.frame_px,
                rbc_diameter_q4: view.rbc_diameter_q4,
                coverage_permille: view.quality.coverage_permille,
                unexplained_permille: view.unexplained_permille,
                colours: view.colours,
                rim_permille: view.quality.rim_permille,
            });
        }
        if let Some(truth) = truth {
            // The truth's own limits are those of the smear, which has just taken its twin.
            let _ = sums.truth.get_or_insert_default().add(&truth);
        }
        self.last_counted = Some(CountedField { field: view.field });
        self.sum_up();
        let old = self.show(view);
        if self
            .target_fields
            .is_some_and(|target| self.fields() >= target)
        {
            self.end(true);
        }
        old
    }

    /// Figures and assessment of the sums as they are now.
    fn sum_up(&mut self) {
        self.summary = self.sums.tally.summary(&self.rules.counts);
        let mut refused = RefusedFields::default();
        for reason in RejectReason::ALL {
            refused.add(reason, self.rejected.of(reason));
        }
        let counts = Counts {
            forced_fields: self.sums.forced,
            ..Counts::of(&self.summary, refused)
        };
        self.assessment = assess(&counts, &self.sums.facts, &self.rules.limits);
    }

    /// Takes the last counted field out again; gives which it was, where there is one that was not
    /// taken out yet. A smear that has ended keeps its fields.
    pub fn undo_last(&mut self) -> Option<CountedField> {
        let undone = self.last_counted.filter(|_| self.can_undo())?;
        self.last_counted = None;
        self.sums.clone_from(&self.before_last);
        self.sum_up();
        let is_undone = |view: &&mut FrameView| view.is_analysed && view.field == undone.field;
        if let Some(view) = self.latest.as_deref_mut().filter(is_undone) {
            view.standing = FieldStanding::Undone;
            view.cells.clear();
            self.view_number += 1;
        }
        Some(undone)
    }

    /// Whether there is a field that can be taken out.
    pub fn can_undo(&self) -> bool {
        self.state == RunState::Live && self.target_fields.is_none() && self.last_counted.is_some()
    }

    /// The field at rest that was refused and can be counted anyway: never without a scale.
    pub fn forcible_field(&self) -> Option<u64> {
        self.scale.um_per_px()?;
        let is_live = self.state == RunState::Live;
        let latest = self.latest().filter(|_| is_live);
        latest.and_then(FrameView::forcible_field)
    }

    fn end(&mut self, complete: bool) {
        self.state = if complete && self.fields() > 0 {
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

    /// Whether the last estimate of the pixel size has failed, and no field was taken for the next
    /// one yet.
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
        self.sums.tally.fields()
    }

    /// Fields that were counted although they were refused.
    pub fn forced(&self) -> u32 {
        self.sums.forced
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
        self.sums.truth.as_ref()
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
        is_forced: view.is_forced,
        um_per_px: scale.um_per_px(),
        um_per_px_estimated: matches!(scale, KnownScale::Estimated(_)),
        focus_score: view.quality.focus_score,
        background_level: view.quality.background_level,
        lost_before: 0,
    })
}

#[cfg(test)]
mod tests;

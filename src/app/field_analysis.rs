//! Frames of fields to events: which frame of a field is counted, and at which scale.

use super::setup::Setup;
use crate::analyse::Analyser;
use crate::camera::FieldTruth;
use crate::cell::{Cell, CellClass};
use crate::count::FieldTally;
use crate::frame::Frame;
use crate::quality::{Judge, Quality, Reason, Verdict};
use crate::scale::{self, ScaleEstimateError};
use crate::session::{CountedField, Event, KnownScale};
use anyhow::Result;
use std::sync::Arc;

/// Confidence of a cell that is known to be there, in ten-thousandths.
const TRUE_PERMYRIAD: u16 = 10_000;

/// One frame of a field at rest.
#[derive(Debug, Clone)]
pub struct FieldFrame {
    pub frame: Arc<Frame>,
    pub field: u64,
    pub truth: Option<FieldTruth>,
}

/// What became of a frame.
pub struct Step {
    pub events: Vec<Event>,
    /// Whether no more frames of this field are wanted.
    pub settled: bool,
}

/// A field none of whose frames has been good enough so far.
struct Unsettled {
    field: u64,
    frame: Arc<Frame>,
    quality: Quality,
    reason: Reason,
}

/// Counts the first good frame of each field; collects fields first where the scale is unknown.
pub struct FieldAnalysis {
    analyser: Analyser,
    judge: Judge,
    um_per_px: Option<f64>,
    /// Fields that wait for the scale, with their quality.
    waiting: Vec<(FieldFrame, Quality)>,
    fields_for_estimate: usize,
    unsettled: Option<Unsettled>,
}

impl FieldAnalysis {
    /// Loads the network and starts before the first field.
    ///
    /// # Errors
    /// A model that cannot be loaded.
    pub fn new(setup: &Setup, scale: KnownScale) -> Result<Self> {
        let network = setup.load_network(false)?;
        Ok(Self {
            analyser: Analyser::new(network, setup.analyse_settings(false)),
            judge: Judge::new(setup.quality_settings()),
            um_per_px: scale.um_per_px(),
            waiting: Vec::new(),
            fields_for_estimate: setup.config.scale.frames_for_estimate as usize,
            unsettled: None,
        })
    }

    /// Takes one frame of a field that is not settled.
    ///
    /// # Errors
    /// A network that cannot run, which no other frame would mend.
    pub fn take(&mut self, frame: FieldFrame) -> Result<Step> {
        let mut events = self.leave_other_field(Some(frame.field));
        let diameter_um = self.analyser.rbc_diameter_um();
        let rbc_diameter_px = self
            .um_per_px
            .map(|um_per_px| libm::round(diameter_um / um_per_px) as u32);
        let quality = self.judge.judge(&frame.frame, rbc_diameter_px);
        if let Verdict::Rejected(reason) = quality.verdict {
            self.unsettled = Some(Unsettled {
                field: frame.field,
                frame: frame.frame,
                quality,
                reason,
            });
            return Ok(Step {
                events,
                settled: false,
            });
        }
        self.unsettled = None;
        match self.um_per_px {
            Some(um_per_px) => events.push(self.count(frame, quality, um_per_px)?),
            None => {
                self.waiting.push((frame, quality));
                if self.waiting.len() >= self.fields_for_estimate {
                    events.extend(self.estimate_and_count()?);
                }
            }
        }
        Ok(Step {
            events,
            settled: true,
        })
    }

    /// What is left to say when no more frames come.
    ///
    /// # Errors
    /// As for [`FieldAnalysis::take`].
    pub fn finish(&mut self) -> Result<Vec<Event>> {
        let mut events = self.leave_other_field(None);
        if !self.waiting.is_empty() {
            events.extend(self.estimate_and_count()?);
        }
        Ok(events)
    }

    /// A field that the stage left without one good frame is rejected for its last reason.
    fn leave_other_field(&mut self, now: Option<u64>) -> Vec<Event> {
        let left = self.unsettled.take_if(|one| Some(one.field) != now);
        let rejected = left.map(|one| Event::Rejected {
            frame: one.frame,
            quality: one.quality,
            reason: one.reason,
        });
        rejected.into_iter().collect()
    }

    /// Estimates the scale from the waiting fields; they are counted then, or dropped and said so.
    fn estimate_and_count(&mut self) -> Result<Vec<Event>> {
        let frames: Vec<&Frame> = self
            .waiting
            .iter()
            .map(|(frame, _)| &*frame.frame)
            .collect();
        let estimate = match scale::estimate(&mut self.analyser, &frames) {
            Ok(estimate) => estimate,
            Err(ScaleEstimateError::TooFewCells { .. }) => {
                let fields = self.waiting.drain(..);
                let unscaled = fields.map(|(frame, quality)| Event::Unscaled {
                    frame: frame.frame,
                    quality,
                });
                return Ok(unscaled.collect());
            }
            Err(ScaleEstimateError::Analyse(error)) => return Err(error.into()),
        };
        self.um_per_px = Some(estimate.um_per_px);
        let mut events = vec![Event::ScaleKnown(KnownScale::Estimated(estimate))];
        for (frame, quality) in std::mem::take(&mut self.waiting) {
            events.push(self.count(frame, quality, estimate.um_per_px)?);
        }
        Ok(events)
    }

    fn count(&mut self, frame: FieldFrame, quality: Quality, um_per_px: f64) -> Result<Event> {
        let found = self.analyser.analyse(&frame.frame, um_per_px)?;
        if found.cells.is_empty() {
            return Ok(Event::NoCells {
                frame: frame.frame,
                quality,
            });
        }
        let area_q8 = found.border.counted_area_q8();
        let truth = frame.truth.map(|truth| {
            let true_cell = |(best_class, bounds): &(CellClass, _)| Cell {
                best_class: *best_class,
                certain: true,
                bounds: *bounds,
                confidence_permyriad: TRUE_PERMYRIAD,
                counted: found.border.counts(bounds),
            };
            let cells: Vec<Cell> = truth.cells.iter().map(true_cell).collect();
            FieldTally::from_cells(&cells, area_q8)
        });
        Ok(Event::Counted(Box::new(CountedField {
            tally: FieldTally::from_cells(&found.cells, area_q8),
            frame: frame.frame,
            cells: found.cells,
            quality,
            truth,
        })))
    }
}

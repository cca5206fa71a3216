//! Frames of fields to events: which frame of a field is counted, and at which scale.

use crate::analysis::analyser::{Analyser, FieldCells};
use crate::analysis::scale::{self, ScaleEstimateError};
use crate::analysis::settings::AnalysisSettings;
use crate::assessment::{AssessmentLimits, FieldEvidence, SmearFacts, TrainingColours, fits_scale};
use crate::camera::FieldTruth;
use crate::cell::{Cell, CellClass, PerClass};
use crate::count::{Border, FieldTally, has_platelet_clump};
use crate::image::frame::Frame;
use crate::quality::{Quality, RejectReason, Verdict};
use crate::registration::Overlaps;
use crate::runtime::channels::{FieldFrame, SettledFields};
use crate::runtime::view_pool::{ViewPool, hatch_older};
use crate::session::smear::{FrameTally, FrameView, KnownScale, SmearEvent};
use anyhow::Result;

/// Confidence of a cell that is known to be there, in ten-thousandths.
const TRUE_E4: u16 = 10_000;
/// Events of one frame at most, while the scale is known.
const EVENTS: usize = 4;

/// A field none of whose frames has been good enough so far.
struct Unsettled {
    view: Box<FrameView>,
    field: u64,
    reason: RejectReason,
}

/// A field that waits for the scale, with a copy of its frame.
struct WaitingField {
    frame: Frame,
    number: u64,
    field: u64,
    truth: Option<FieldTruth>,
    quality: Quality,
    older: Overlaps,
}

/// What is known of a field before it is counted.
#[derive(Clone, Copy)]
struct FieldKnown<'a> {
    /// The place of its frame among those that were looked at.
    number: u64,
    field: u64,
    truth: Option<&'a FieldTruth>,
    quality: Quality,
    /// The fields that have counted a part of it.
    older: &'a Overlaps,
    is_forced: bool,
}

/// Counts the first good frame of each field; collects fields first where the scale is unknown.
pub struct FieldAnalysis {
    analyser: Analyser,
    settled: SettledFields,
    um_per_px: Option<f64>,
    is_estimated: bool,
    /// Of the cells of this smear, for the check of an estimated scale.
    facts: SmearFacts,
    limits: AssessmentLimits,
    found: FieldCells,
    waiting: Vec<WaitingField>,
    fields_for_estimate: usize,
    unsettled: Option<Unsettled>,
    /// What became of the frames that came here.
    tally: FrameTally,
    events: Vec<SmearEvent>,
}

impl FieldAnalysis {
    /// Loads the network and starts before the first field.
    ///
    /// # Errors
    /// A model that cannot be loaded.
    pub fn new(settings: &AnalysisSettings, scale: KnownScale) -> Result<Self> {
        let network = settings.model.load()?;
        Ok(Self {
            analyser: Analyser::new(network, settings.analyser.clone()),
            settled: SettledFields::default(),
            um_per_px: scale.um_per_px(),
            is_estimated: matches!(scale, KnownScale::Estimated(_)),
            facts: SmearFacts::default(),
            limits: AssessmentLimits::default(),
            found: FieldCells::default(),
            waiting: Vec::new(),
            fields_for_estimate: settings.frames_for_estimate,
            unsettled: None,
            tally: FrameTally::default(),
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// What counts, as [`Analyser::self_report`] says it.
    pub fn self_report(&self) -> String {
        self.analyser.self_report()
    }

    /// How far the network's own errors scatter, by class, as its manifest says.
    pub fn count_scatter(&self) -> PerClass<f64> {
        self.analyser.count_scatter()
    }

    /// The colours of the cells that the network was trained on, where its manifest says.
    pub fn training_colours(&self) -> Option<TrainingColours> {
        self.analyser.training_colours()
    }

    /// Threads that the network may use from the next frame on.
    pub fn set_threads(&mut self, threads: usize) {
        self.analyser.set_threads(threads);
    }

    /// Takes one frame of a field; [`FieldAnalysis::events`] then holds what came of it.
    ///
    /// # Errors
    /// A network that cannot run, which no other frame would mend.
    pub fn take(&mut self, frame: &FieldFrame, views: &ViewPool) -> Result<()> {
        if self.settled.contains(frame.field) {
            self.tally.unchanged += 1;
            return Ok(());
        }
        self.leave_other_field(Some(frame.field));
        let image = &frame.captured.frame;
        let quality = frame.quality;
        // Nothing is forced while the scale is unknown.
        let is_forced = frame.is_forced && self.um_per_px.is_some();
        if let Verdict::Rejected(reason) = quality.verdict
            && !is_forced
        {
            self.tally.unusable += 1;
            self.drop_unsettled(views);
            let mut view = views.view(image, Some(frame.field), quality);
            view.frame_number = frame.number;
            self.unsettled = Some(Unsettled {
                view,
                field: frame.field,
                reason,
            });
            return Ok(());
        }
        self.drop_unsettled(views);
        self.settled.insert(frame.field);
        match self.um_per_px {
            Some(um_per_px) => {
                let known = FieldKnown {
                    number: frame.number,
                    field: frame.field,
                    truth: frame.captured.truth.as_ref(),
                    quality,
                    older: &frame.older,
                    is_forced,
                };
                self.count(image, known, um_per_px, views)?;
            }
            None => {
                self.waiting.push(WaitingField {
                    number: frame.number,
                    frame: image.clone(),
                    field: frame.field,
                    truth: frame.captured.truth.clone(),
                    quality,
                    older: frame.older,
                });
                if self.waiting.len() >= self.fields_for_estimate {
                    self.estimate_and_count(views)?;
                } else {
                    // At most a hundred.
                    self.events.push(SmearEvent::TakenForScale {
                        taken: self.waiting.len() as u32,
                        of: self.fields_for_estimate as u32,
                    });
                }
            }
        }
        self.report_frames(frame.frames);
        Ok(())
    }

    /// Starts with the next smear: what is left of the last one is dropped. An estimated scale that
    /// the last smear's cells did not fit is estimated anew; any other is kept.
    pub fn start_next_smear(&mut self, views: &ViewPool) {
        self.drop_unsettled(views);
        self.waiting.clear();
        self.tally = FrameTally::default();
        if self.is_estimated && !fits_scale(&self.facts, &self.limits) {
            self.um_per_px = None;
            self.is_estimated = false;
            self.events
                .push(SmearEvent::ScaleKnown(KnownScale::Unknown));
        }
        self.facts = SmearFacts::default();
    }

    /// What is left to say when no more frames come; `not_sent` is what became of those that did
    /// not come here.
    ///
    /// # Errors
    /// As for [`FieldAnalysis::take`].
    pub fn finish(&mut self, not_sent: FrameTally, views: &ViewPool) -> Result<()> {
        self.leave_other_field(None);
        if !self.waiting.is_empty() {
            self.estimate_and_count(views)?;
        }
        self.report_frames(not_sent);
        Ok(())
    }

    /// What came of the frames taken, in order, once.
    pub fn events(&mut self) -> impl Iterator<Item = SmearEvent> {
        self.events.drain(..)
    }

    /// Whether a field needs no more frames.
    pub fn is_settled(&self, field: u64) -> bool {
        self.settled.contains(field)
    }

    /// Whether an event is waiting that shows the field with what was found in it.
    pub fn has_analysed(&self, field: u64) -> bool {
        self.events.iter().any(|event| match event {
            SmearEvent::Counted { view, .. } | SmearEvent::NoCells(view) => {
                view.field == Some(field)
            }
            _ => false,
        })
    }

    /// Diameter of a red cell in pixels, where the scale is known.
    pub fn rbc_diameter_px(&self) -> Option<u32> {
        let um_per_px = self.um_per_px?;
        Some(libm::round(self.analyser.rbc_diameter_um() / um_per_px) as u32)
    }

    /// Says what became of all frames so far, before what came of the last one.
    fn report_frames(&mut self, not_sent: FrameTally) {
        self.events
            .insert(0, SmearEvent::Frames(self.tally + not_sent));
    }

    /// A field that the stage left without one good frame is rejected for its last reason.
    fn leave_other_field(&mut self, now: Option<u64>) {
        let left = self.unsettled.take_if(|one| Some(one.field) != now);
        self.events.extend(left.map(|one| SmearEvent::Rejected {
            view: one.view,
            reason: one.reason,
        }));
    }

    fn drop_unsettled(&mut self, views: &ViewPool) {
        if let Some(unsettled) = self.unsettled.take() {
            views.give_back(unsettled.view);
        }
    }

    /// Estimates the scale from the waiting fields; they are counted then, or dropped and said so.
    fn estimate_and_count(&mut self, views: &ViewPool) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let frames: Vec<&Frame> = waiting.iter().map(|one| &one.frame).collect();
        let estimate = match scale::estimate(&mut self.analyser, &frames) {
            Ok(estimate) => estimate,
            Err(ScaleEstimateError::TooFewCells { .. }) => {
                self.tally.unusable += waiting.len() as u64;
                let unscaled = waiting.iter().map(|one| {
                    let mut view = views.view(&one.frame, Some(one.field), one.quality);
                    view.frame_number = one.number;
                    SmearEvent::Unscaled(view)
                });
                self.events.extend(unscaled);
                return Ok(());
            }
            Err(ScaleEstimateError::Analyse(error)) => return Err(error.into()),
        };
        self.um_per_px = Some(estimate.um_per_px);
        self.is_estimated = true;
        let scale = KnownScale::Estimated(estimate);
        self.events.push(SmearEvent::ScaleKnown(scale));
        for one in &waiting {
            let known = FieldKnown {
                number: one.number,
                field: one.field,
                truth: one.truth.as_ref(),
                quality: one.quality,
                older: &one.older,
                is_forced: false,
            };
            self.count(&one.frame, known, estimate.um_per_px, views)?;
        }
        Ok(())
    }

    fn count(
        &mut self,
        frame: &Frame,
        known: FieldKnown<'_>,
        um_per_px: f64,
        views: &ViewPool,
    ) -> Result<()> {
        self.analyser
            .analyse_new_part_into(frame, um_per_px, known.older, &mut self.found)?;
        self.tally.counted += 1;
        let mut view = views.view(frame, Some(known.field), known.quality);
        hatch_older(&mut view, known.older);
        view.is_analysed = true;
        view.frame_number = known.number;
        view.is_forced = known.is_forced;
        if self.found.cells.is_empty() {
            self.events.push(SmearEvent::NoCells(view));
            return Ok(());
        }
        view.cells.extend_from_slice(&self.found.cells);
        view.rbc_diameter_q4 = self.analyser.rbc_diameter_q4(um_per_px);
        view.unexplained_permille = self.found.unexplained_permille;
        view.colours = self.found.colours;
        self.facts.add(&FieldEvidence {
            cells: &view.cells,
            frame_px: view.frame_px,
            rbc_diameter_q4: view.rbc_diameter_q4,
            coverage_permille: known.quality.coverage_permille,
            unexplained_permille: view.unexplained_permille,
            colours: view.colours,
            rim_permille: known.quality.rim_permille,
        });
        let border = &self.found.border;
        self.events.push(SmearEvent::Counted {
            view,
            tally: FieldTally::from_cells(&self.found.cells, border.counted_area_q8())
                .with_clump(has_platelet_clump(&self.found.cells, um_per_px)),
            truth: known.truth.map(|truth| true_tally(truth, border)),
        });
        Ok(())
    }
}

/// The cells that truly are in a field, counted by the rule of those that were found.
fn true_tally(truth: &FieldTruth, border: &Border) -> FieldTally {
    let true_cell = |(best_class, bounds): &(CellClass, _)| Cell {
        best_class: Some(*best_class),
        certain: true,
        bounds: *bounds,
        confidence_e4: TRUE_E4,
        counted: border.counts(bounds),
    };
    FieldTally::from_cells(truth.cells.iter().map(true_cell), border.counted_area_q8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyser::AnalyseSettings;
    use crate::analysis::built_in_frame::{BUILT_IN_FRAME, BUILT_IN_NAME};
    use crate::analysis::model::ModelLocation;
    use crate::camera::CapturedFrame;
    use crate::decode::decode_image;
    use crate::quality::{self, QualitySettings};

    #[test]
    fn a_field_that_waits_for_the_scale_is_said_and_the_next_smear_takes_none_of_them() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
        let settings = AnalysisSettings {
            model: ModelLocation::Named(model.into()),
            analyser: AnalyseSettings::default(),
            quality: QualitySettings::default(),
            um_per_px: None,
            frames_for_estimate: 10,
        };
        let mut analysis = FieldAnalysis::new(&settings, KnownScale::Unknown).unwrap();
        let views = ViewPool::new(4, (160, 120));
        let frame = decode_image(BUILT_IN_FRAME, BUILT_IN_NAME).unwrap();
        let quality = quality::assess(&frame, None, &settings.quality);
        let shown = |field| FieldFrame {
            captured: Box::new(CapturedFrame {
                frame: frame.clone(),
                sequence: field,
                name: None,
                field: None,
                truth: None,
            }),
            number: field,
            field,
            quality,
            older: Overlaps::new((frame.width_px(), frame.height_px())),
            is_forced: false,
            smear: 0,
            frames: FrameTally::default(),
        };
        for field in 0..3 {
            analysis.take(&shown(field), &views).unwrap();
            let told = analysis.events().find_map(|event| match event {
                SmearEvent::TakenForScale { taken, of } => Some((taken, of)),
                _ => None,
            });
            assert_eq!(told, Some((field as u32 + 1, 10)));
        }
        analysis.start_next_smear(&views);
        analysis.finish(FrameTally::default(), &views).unwrap();
        let fields = analysis.events().filter_map(SmearEvent::into_view);
        assert_eq!(fields.count(), 0, "fields of the last smear");
    }
}

//! One frame to cells: preprocessing, network, detection and border rule in one place.

use super::unexplained::UnexplainedArea;
use crate::assessment::{FieldColours, TrainingColours};
use crate::cell::{Cell, PerClass, SUBPIXELS};
use crate::count::{Border, BorderError, BorderRule, MAX_EXCLUDED, TooManyExcluded};
use crate::detect::{DetectSettings, Detector};
use crate::image::frame::Frame;
use crate::network::{Network, NetworkError, Runner};
use crate::preprocess::scale::{ScaleError, ScalePlan};
use crate::preprocess::{PrepareError, PreparedInput, PreprocessOptions, Preprocessor};
use crate::registration::{MAX_OVERLAPS, Overlaps};
use thiserror::Error;

/// Why a frame was not analysed.
#[derive(Debug, Error)]
pub enum AnalyseError {
    /// The frame cannot be scaled to the network's size of a red cell.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// The frame could not be prepared for the network.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The network refused the prepared frame or failed on it.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The scale gives a red cell diameter that the border rule cannot use.
    #[error(transparent)]
    Border(#[from] BorderError),
    /// The frame overlaps more older fields than can be left out.
    #[error(transparent)]
    Overlaps(#[from] TooManyExcluded),
}

/// Whatever registration finds can be left out.
const _: () = assert!(MAX_OVERLAPS <= MAX_EXCLUDED);

/// What an analyser does with a frame, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnalysisStage {
    /// Resampling to the network's input.
    Prepare,
    /// The network.
    Network,
    /// The network's output to cells, and the border rule.
    Detect,
}

/// Runs the stages of an analysis, to time them or to count what they take.
pub trait StageObserver {
    /// Runs `work`, which is all of `stage`. An observer may leave it out: the next stage then
    /// works on what this one made of the frame before.
    ///
    /// # Errors
    /// That of `work`.
    fn run(
        &mut self,
        stage: AnalysisStage,
        work: impl FnOnce() -> Result<(), AnalyseError>,
    ) -> Result<(), AnalyseError>;
}

/// Nobody observes.
impl StageObserver for () {
    fn run(
        &mut self,
        _: AnalysisStage,
        work: impl FnOnce() -> Result<(), AnalyseError>,
    ) -> Result<(), AnalyseError> {
        work()
    }
}

/// What was found in one frame.
#[derive(Debug, Clone, Default)]
pub struct FieldCells {
    /// Most confident first.
    pub cells: Vec<Cell>,
    /// Which of them count, and the area that they stand for.
    pub border: Border,
    /// The share of the dark area, in thousandths, that lies in none of the cells.
    pub unexplained_permille: u16,
    /// The scale that was used.
    pub um_per_px: f64,
    /// How the cells take light.
    pub colours: FieldColours,
}

impl FieldCells {
    /// Leaves out what older fields counted, of the same size, border rule and scale.
    ///
    /// # Errors
    /// [`TooManyExcluded`]; the field is then of no use.
    pub fn leave_out(&mut self, older: &Overlaps) -> Result<(), TooManyExcluded> {
        for overlap in older.iter() {
            self.border.exclude_field_at(overlap.dx_px, overlap.dy_px)?;
        }
        for cell in &mut self.cells {
            cell.counted = self.border.counts(&cell.bounds);
        }
        Ok(())
    }
}

/// Everything that turns frames into cells; each worker owns one.
pub struct Analyser {
    network: Runner,
    preprocessor: Preprocessor,
    preprocess: PreprocessOptions,
    detector: Detector,
    unexplained: UnexplainedArea,
    border_rule: BorderRule,
    rbc_diameter_um: f64,
}

/// What an analyser is told once. By default no step before the network, and a mean red cell.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyseSettings {
    /// Which steps of preprocessing run before the network.
    pub preprocess: PreprocessOptions,
    /// Which cells at the edge of a frame count.
    pub border_rule: BorderRule,
    /// Mean diameter of a red cell, in micrometres.
    pub rbc_diameter_um: f64,
    /// Keep every candidate under its best class.
    pub all_cells: bool,
}

impl Default for AnalyseSettings {
    fn default() -> Self {
        Self {
            preprocess: PreprocessOptions::default(),
            border_rule: BorderRule::default(),
            rbc_diameter_um: 7.5,
            all_cells: false,
        }
    }
}

impl AnalyseSettings {
    /// Diameter of a red cell in pixels of a frame whose pixels are `um_per_px` micrometres wide.
    pub fn rbc_diameter_px(&self, um_per_px: f64) -> u32 {
        libm::round(self.rbc_diameter_um / um_per_px) as u32
    }
}

impl Analyser {
    /// Puts an analyser together around a loaded network.
    pub fn new(network: Network, settings: AnalyseSettings) -> Self {
        let detect_settings = DetectSettings {
            classes: network.manifest().class_settings(),
            none: network.manifest().none_settings().cloned(),
            all_cells: settings.all_cells,
            network_rbc_diameter_px: libm::round(network.manifest().input.rbc_diameter_px) as u32,
        };
        Self {
            network: network.runner(),
            preprocessor: Preprocessor::default(),
            preprocess: settings.preprocess,
            detector: Detector::new(detect_settings),
            unexplained: UnexplainedArea::default(),
            border_rule: settings.border_rule,
            rbc_diameter_um: settings.rbc_diameter_um,
        }
    }

    /// What counts: program, model and kernel with their versions.
    pub fn self_report(&self) -> String {
        let network = self.network.network();
        let manifest = network.manifest();
        let kernel = network.kernel().map_or("float", |kernel| kernel.name());
        format!(
            "hemoscope {}, model {} {}, kernel {kernel}",
            env!("CARGO_PKG_VERSION"),
            manifest.name,
            manifest.version
        )
    }

    /// How far the network's own errors scatter, by class, as its manifest says.
    pub fn count_scatter(&self) -> PerClass<f64> {
        self.network.network().manifest().count_scatter
    }

    /// The colours of the cells that the network was trained on, where its manifest says.
    pub fn training_colours(&self) -> Option<TrainingColours> {
        self.network.network().manifest().colour
    }

    /// The network with the memory that it runs in.
    pub fn network(&self) -> &Runner {
        &self.network
    }

    /// What the network was last shown.
    pub fn prepared_input(&self) -> &PreparedInput {
        self.preprocessor.input()
    }

    /// Red cell diameter that the network expects in its input, in pixels.
    pub fn network_rbc_diameter_px(&self) -> f64 {
        self.network.network().manifest().input.rbc_diameter_px
    }

    /// Diameter of a red cell in 1/16 px of a frame whose pixels are `um_per_px` micrometres wide;
    /// at least 1.
    pub fn rbc_diameter_q4(&self, um_per_px: f64) -> u32 {
        let diameter_q4 = f64::from(SUBPIXELS) * self.rbc_diameter_um / um_per_px;
        (libm::round(diameter_q4) as u32).max(1)
    }

    /// Mean diameter of a red cell, in micrometres.
    pub fn rbc_diameter_um(&self) -> f64 {
        self.rbc_diameter_um
    }

    /// Sets how many threads the network uses from the next frame on, as [`Runner::set_threads`].
    pub fn set_threads(&mut self, threads: usize) {
        self.network.set_threads(threads);
    }

    /// Threads that the network uses.
    pub fn threads(&self) -> usize {
        self.network.threads()
    }

    /// Finds and marks the cells of a frame whose pixels are `um_per_px` micrometres wide.
    ///
    /// # Errors
    /// A scale that shows the frame absurdly large or small, or a network that cannot run.
    pub fn analyse(&mut self, frame: &Frame, um_per_px: f64) -> Result<FieldCells, AnalyseError> {
        let mut found = FieldCells::default();
        self.analyse_into(frame, um_per_px, &mut found)?;
        Ok(found)
    }

    /// As [`Analyser::analyse`], in place of what `found` held; its memory is used again.
    ///
    /// # Errors
    /// As [`Analyser::analyse`]; `found` is then of no use.
    pub fn analyse_into(
        &mut self,
        frame: &Frame,
        um_per_px: f64,
        found: &mut FieldCells,
    ) -> Result<(), AnalyseError> {
        self.analyse_observed(frame, um_per_px, found, &mut ())
    }

    /// As [`Analyser::analyse_into`], where older fields have counted a part of the frame: it is
    /// left out of the cells that count and of their area.
    ///
    /// # Errors
    /// As [`Analyser::analyse`]; `found` is then of no use.
    pub fn analyse_new_part_into(
        &mut self,
        frame: &Frame,
        um_per_px: f64,
        older: &Overlaps,
        found: &mut FieldCells,
    ) -> Result<(), AnalyseError> {
        self.analyse_into(frame, um_per_px, found)?;
        Ok(found.leave_out(older)?)
    }

    /// As [`Analyser::analyse_into`], while `observer` runs each stage.
    ///
    /// # Errors
    /// As [`Analyser::analyse_into`], or what the observer makes of it.
    pub fn analyse_observed(
        &mut self,
        frame: &Frame,
        um_per_px: f64,
        found: &mut FieldCells,
        observer: &mut impl StageObserver,
    ) -> Result<(), AnalyseError> {
        let frame_px = (frame.width_px(), frame.height_px());
        let rbc_diameter_px = self.rbc_diameter_um / um_per_px;
        found.border = Border::new(self.border_rule, frame_px.0, frame_px.1, rbc_diameter_px)?;
        found.um_per_px = um_per_px;
        let plan = ScalePlan::new(
            frame_px,
            um_per_px,
            self.rbc_diameter_um,
            self.network_rbc_diameter_px(),
        )?;
        observer.run(AnalysisStage::Prepare, || {
            self.preprocessor.prepare(frame, &plan, &self.preprocess)?;
            Ok(())
        })?;
        observer.run(AnalysisStage::Network, || {
            let input = self.preprocessor.input();
            self.network
                .run(input.width_px, input.height_px, &input.rgbx)?;
            Ok(())
        })?;
        observer.run(AnalysisStage::Detect, || {
            let output = self.network.output();
            self.detector.detect(output, &plan, &mut found.cells);
            for cell in &mut found.cells {
                cell.counted = found.border.counts(&cell.bounds);
            }
            let rbc_diameter_px = libm::round(rbc_diameter_px) as u32;
            found.unexplained_permille =
                self.unexplained
                    .permille(frame, rbc_diameter_px, &found.cells);
            found.colours = FieldColours::measure(frame, &found.cells);
            Ok(())
        })
    }
}

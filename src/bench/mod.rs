//! How long each stage from camera to screen takes on this processor.

mod report;

pub use report::Report;

use crate::analysis::analyser::{AnalyseError, Analyser, AnalysisStage, FieldCells, StageObserver};
use crate::analysis::built_in_frame::{BUILT_IN_FRAME, BUILT_IN_NAME, BUILT_IN_UM_PER_PX};
use crate::analysis::settings::AnalysisSettings;
use crate::count::FieldTally;
use crate::decode::{JpegDecoder, decode_image};
use crate::device::files;
use crate::image::frame::Frame;
use crate::network::kernels::peak_macs_per_second;
use crate::panel::ScreenSize;
use crate::quality::{FrameAssessor, Quality};
use crate::runtime::channels::Shared;
use crate::runtime::display::Display;
use crate::session::smear::SmearRules;
use crate::session::{Effect, Event, KnownScale, Machine, MachineSettings, SmearEvent};
use crate::ui::model::Screen;
use crate::ui::presenter::{ScreenContext, ScreenSettings, counting_of};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use report::{Memory, StageTimes};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first bytes of a JPEG.
const START_OF_JPEG: [u8; 2] = [0xff, 0xd8];
/// Frames that are not timed: they fill caches and make plans.
const WARM_UP_FRAMES: u32 = 3;
/// The most bytes of a frame.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// What is timed, and on what.
#[derive(Debug)]
pub struct BenchSettings {
    /// Model, scale and thresholds.
    pub analysis: AnalysisSettings,
    /// How a smear is counted.
    pub rules: SmearRules,
    /// A JPEG or PNG file; the built-in frame where there is none.
    pub frame: Option<PathBuf>,
    /// The screen that is drawn.
    pub screen: ScreenSize,
    /// Frames that are timed.
    pub frames: u32,
    /// Threads of the network.
    pub threads: u16,
    /// The stages that are timed; all of them where none is named.
    pub stages: Vec<Stage>,
}

/// What is timed, in the order in which a frame passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The camera's JPEG to pixels.
    Decode,
    /// Light, focus and density.
    Judge,
    /// Resampling to the network's input.
    Prepare,
    /// The network.
    Network,
    /// The network's output to cells, and the border rule.
    Detect,
    /// The tally and the counting screen.
    Draw,
}

impl Stage {
    const ALL: [Stage; 6] = [
        Stage::Decode,
        Stage::Judge,
        Stage::Prepare,
        Stage::Network,
        Stage::Detect,
        Stage::Draw,
    ];

    fn name(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Judge => "judge",
            Stage::Prepare => "prepare",
            Stage::Network => "network",
            Stage::Detect => "detect",
            Stage::Draw => "draw",
        }
    }
}

/// Times the stages.
///
/// # Errors
/// Model or frame cannot be used, or a stage fails.
pub fn run(settings: BenchSettings) -> Result<Report> {
    let (frames, threads) = (settings.frames, settings.threads);
    let stages = match settings.stages.as_slice() {
        [] => Stage::ALL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let mut bench = Bench::new(settings)?;
    let mut warm_up = Stopwatch::new(&Stage::ALL, WARM_UP_FRAMES);
    for _ in 0..WARM_UP_FRAMES {
        bench.run(&mut warm_up)?;
    }
    let mut stopwatch = Stopwatch::new(&stages, frames);
    for _ in 0..frames {
        bench.run(&mut stopwatch)?;
    }
    Ok(bench.report(frames, threads, stopwatch))
}

/// The camera's bytes and the size of a pixel.
fn image(frame: Option<&Path>, um_per_px: Option<f64>) -> Result<(Vec<u8>, f64)> {
    let Some(path) = frame else {
        let um_per_px = um_per_px.unwrap_or(BUILT_IN_UM_PER_PX);
        return Ok((BUILT_IN_FRAME.to_vec(), um_per_px));
    };
    let Some(um_per_px) = um_per_px else {
        bail!(
            "{}: the pixel size of this frame is not known; give --um-per-px",
            path.display()
        );
    };
    Ok((read_frame(path)?, um_per_px))
}

fn read_frame(path: &Path) -> Result<Vec<u8>> {
    files::read(path, MAX_FRAME_BYTES).with_context(|| {
        let path = path.display();
        format!("{path}: cannot be read; check the path and its permissions")
    })
}

/// The time that each of some stages took, frame by frame. Only these are run; of the others,
/// what they made of the frame before stands.
struct Stopwatch(Vec<(Stage, Vec<Duration>)>);

impl Stopwatch {
    fn new(stages: &[Stage], frames: u32) -> Self {
        let times = || Vec::with_capacity(frames as usize);
        Self(stages.iter().map(|&stage| (stage, times())).collect())
    }

    fn run<E>(&mut self, stage: Stage, work: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let Some((_, times)) = self.0.iter_mut().find(|(timed, _)| *timed == stage) else {
            return Ok(());
        };
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
        Ok(())
    }
}

impl StageObserver for Stopwatch {
    fn run(
        &mut self,
        stage: AnalysisStage,
        work: impl FnOnce() -> Result<(), AnalyseError>,
    ) -> Result<(), AnalyseError> {
        let stage = match stage {
            AnalysisStage::Prepare => Stage::Prepare,
            AnalysisStage::Network => Stage::Network,
            AnalysisStage::Detect => Stage::Detect,
        };
        Stopwatch::run(self, stage, work)
    }
}

/// The way of a frame from camera to screen, and what the last frame left behind on it.
struct Bench {
    screen: ScreenSettings,
    analyser: Analyser,
    um_per_px: f64,
    rbc_diameter_px: Option<u32>,
    machine: Machine,
    shared: Shared,
    display: Display,
    image: Vec<u8>,
    /// What messages call the image.
    name: String,
    /// `None` where the frame is no JPEG, as a camera's frames are.
    decoder: Option<JpegDecoder>,
    assessor: FrameAssessor,
    frame: Frame,
    quality: Quality,
    found: FieldCells,
}

impl Bench {
    fn new(settings: BenchSettings) -> Result<Self> {
        let BenchSettings {
            analysis,
            rules,
            frame,
            screen,
            threads,
            ..
        } = settings;
        let (image, um_per_px) = image(frame.as_deref(), analysis.um_per_px)?;
        let mut machine = Machine::new(MachineSettings {
            rules,
            target_fields: None,
            is_on_board: false,
        });
        let opened = Event::Opened(KnownScale::Given { um_per_px });
        drop(machine.step(opened, Instant::now()));
        let rbc_diameter_px = analysis.analyser.rbc_diameter_px(um_per_px);
        let mut analyser = Analyser::new(analysis.model.load()?, analysis.analyser);
        analyser.set_threads(usize::from(threads));
        Ok(Self {
            analyser,
            um_per_px,
            rbc_diameter_px: Some(rbc_diameter_px),
            machine,
            shared: Shared::new(screen.preview_px()),
            display: Display::new(screen, Vec::new()),
            name: frame.map_or_else(
                || BUILT_IN_NAME.to_owned(),
                |path| path.display().to_string(),
            ),
            decoder: image.starts_with(&START_OF_JPEG).then(JpegDecoder::default),
            image,
            assessor: FrameAssessor::new(analysis.quality),
            frame: Frame::default(),
            quality: Quality::NOTHING_SEEN,
            found: FieldCells::default(),
            screen: ScreenSettings::default(),
        })
    }

    /// Takes the frame through the stages that the stopwatch times.
    fn run(&mut self, stopwatch: &mut Stopwatch) -> Result<()> {
        stopwatch.run(Stage::Decode, || match &mut self.decoder {
            Some(decoder) => decoder.decode(&self.image, &self.name, &mut self.frame),
            None => {
                self.frame = decode_image(&self.image, &self.name)?;
                Ok(())
            }
        })?;
        stopwatch.run(Stage::Judge, || {
            self.quality = self.assessor.assess(&self.frame, self.rbc_diameter_px);
            Ok::<_, Infallible>(())
        })?;
        self.analyser
            .analyse_observed(&self.frame, self.um_per_px, &mut self.found, stopwatch)?;
        stopwatch.run(Stage::Draw, || {
            let area_q8 = self.found.border.counted_area_q8();
            let mut view = self.shared.views.view(&self.frame, None, self.quality);
            view.cells.extend_from_slice(&self.found.cells);
            view.rbc_diameter_q4 = self.analyser.rbc_diameter_q4(self.um_per_px);
            view.unexplained_permille = self.found.unexplained_permille;
            let event = SmearEvent::Counted {
                view,
                tally: FieldTally::from_cells(&self.found.cells, area_q8),
                truth: None,
            };
            let event = Event::OfSmear { smear: 0, event };
            for effect in self.machine.step(event, Instant::now()) {
                if let Effect::Discard(view) = effect {
                    self.shared.views.give_back(view);
                }
            }
            let context = ScreenContext::default();
            let counting = counting_of(&self.machine, &self.screen, context);
            self.display.show(&Screen::Counting(counting))?;
            Ok::<_, anyhow::Error>(())
        })
    }

    fn report(&self, frames: u32, threads: u16, Stopwatch(timed): Stopwatch) -> Report {
        let total: Duration = timed.iter().flat_map(|(_, times)| times).sum();
        let stages: Vec<StageTimes> = timed
            .into_iter()
            .map(|(stage, times)| StageTimes::new(stage.name(), times))
            .collect();
        let network = stages
            .iter()
            .find(|stage| stage.name == Stage::Network.name());
        let input = self.analyser.prepared_input();
        let runner = self.analyser.network();
        let multiply_accumulates = runner.multiply_accumulates(input.width_px, input.height_px);
        let kernel = runner.network().kernel();
        let core_peak = kernel.and_then(peak_macs_per_second);
        let peak = core_peak.map(|peak| peak * f64::from(threads));
        let share = |stage: &StageTimes| {
            Some(multiply_accumulates? as f64 / (stage.median_ms / 1e3) / peak?)
        };
        Report {
            version: env!("CARGO_PKG_VERSION"),
            model: runner.network().manifest().name.clone(),
            kernel: kernel.map_or_else(|| "float".to_owned(), |kernel| kernel.name().to_owned()),
            threads,
            frames,
            frame_width_px: self.frame.width_px(),
            frame_height_px: self.frame.height_px(),
            network_width_px: input.width_px,
            network_height_px: input.height_px,
            cells: self.found.cells.len(),
            frames_per_second: f64::from(frames) / total.as_secs_f64(),
            memory: Memory::of_this_process(),
            multiply_accumulates,
            peak_macs_per_second: peak,
            peak_share: network.and_then(share),
            stages,
        }
    }
}

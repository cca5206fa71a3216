//! `hemoscope bench`: how long each stage from camera to screen takes on this processor.

mod report;

use crate::analysis::analyser::{AnalyseError, Analyser, AnalysisStage, FieldCells, StageObserver};
use crate::analysis::built_in_frame::{BUILT_IN_FRAME, BUILT_IN_NAME, BUILT_IN_UM_PER_PX};
use crate::cli::output::print;
use crate::cli::settings::{analysis_settings, load_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::config::Config;
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
use clap::{Args, ValueEnum};
use report::{Memory, Report, StageTimes};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first bytes of a JPEG.
const START_OF_JPEG: [u8; 2] = [0xff, 0xd8];
/// Frames that are not timed: they fill caches and make plans.
const WARM_UP_FRAMES: u32 = 3;
/// The most bytes of a frame.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// `hemoscope bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Options that every command with a model takes.
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Frames that are timed.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub frames: u32,
    /// Threads of the network.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=2))]
    pub threads: u16,
    /// A JPEG or PNG file to take instead of the built-in simulated frame of 640x480.
    #[arg(long, value_name = "FILE")]
    pub frame: Option<PathBuf>,
    /// Size of the screen that is drawn: 320x240, 480x320 or 800x480.
    #[arg(long, value_name = "WxH")]
    pub size: Option<String>,
    /// Times this stage only; may be given several times.
    #[arg(long, value_name = "STAGE", value_enum)]
    pub stage: Vec<Stage>,
    /// Writes one line of JSON instead of a table.
    #[arg(long)]
    pub json: bool,
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

/// Times the stages and prints them.
///
/// # Errors
/// Configuration, model or frame cannot be used, or a stage fails.
pub fn run(arguments: &BenchArguments) -> Result<bool> {
    let config = load_config(arguments.shared.config.as_deref())?;
    let report = measure(arguments, &config)?;
    let text = if arguments.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        report.table()
    };
    print(&text)?;
    Ok(true)
}

fn measure(arguments: &BenchArguments, config: &Config) -> Result<Report> {
    let mut bench = Bench::new(arguments, config)?;
    let mut warm_up = Stopwatch::new(&Stage::ALL, WARM_UP_FRAMES);
    for _ in 0..WARM_UP_FRAMES {
        bench.run(&mut warm_up)?;
    }
    let stages = match arguments.stage.as_slice() {
        [] => &Stage::ALL,
        chosen => chosen,
    };
    let mut stopwatch = Stopwatch::new(stages, arguments.frames);
    for _ in 0..arguments.frames {
        bench.run(&mut stopwatch)?;
    }
    Ok(bench.report(arguments, stopwatch))
}

/// The camera's bytes and the size of a pixel.
fn image(arguments: &BenchArguments, um_per_px: Option<f64>) -> Result<(Vec<u8>, f64)> {
    let Some(path) = &arguments.frame else {
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
    fn new(arguments: &BenchArguments, config: &Config) -> Result<Self> {
        let settings = analysis_settings(config, &arguments.shared);
        let (image, um_per_px) = image(arguments, settings.um_per_px)?;
        let mut machine = Machine::new(MachineSettings {
            rules: SmearRules {
                counts: config.count_rules(),
                limits: config.count.assessment_limits(),
                length: config.smear_limits(),
            },
            target_fields: None,
            is_on_board: false,
        });
        let opened = Event::Opened(KnownScale::Given { um_per_px });
        drop(machine.step(opened, Instant::now()));
        let rbc_diameter_px = settings.analyser.rbc_diameter_px(um_per_px);
        let mut analyser = Analyser::new(settings.model.load()?, settings.analyser);
        analyser.set_threads(usize::from(arguments.threads));
        let screen = match &arguments.size {
            Some(text) => text.parse()?,
            None => ScreenSize::default(),
        };
        Ok(Self {
            analyser,
            um_per_px,
            rbc_diameter_px: Some(rbc_diameter_px),
            machine,
            shared: Shared::new(screen.preview_px()),
            display: Display::new(screen, Vec::new()),
            name: arguments.frame.as_ref().map_or_else(
                || BUILT_IN_NAME.to_owned(),
                |path| path.display().to_string(),
            ),
            decoder: image.starts_with(&START_OF_JPEG).then(JpegDecoder::default),
            image,
            assessor: FrameAssessor::new(settings.quality),
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

    fn report(&self, arguments: &BenchArguments, Stopwatch(timed): Stopwatch) -> Report {
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
        let peak = core_peak.map(|peak| peak * f64::from(arguments.threads));
        let share = |stage: &StageTimes| {
            Some(multiply_accumulates? as f64 / (stage.median_ms / 1e3) / peak?)
        };
        Report {
            version: env!("CARGO_PKG_VERSION"),
            model: runner.network().manifest().name.clone(),
            kernel: kernel.map_or_else(|| "float".to_owned(), |kernel| kernel.name().to_owned()),
            threads: arguments.threads,
            frames: arguments.frames,
            frame_width_px: self.frame.width_px(),
            frame_height_px: self.frame.height_px(),
            network_width_px: input.width_px,
            network_height_px: input.height_px,
            cells: self.found.cells.len(),
            frames_per_second: f64::from(arguments.frames) / total.as_secs_f64(),
            memory: Memory::of_this_process(),
            multiply_accumulates,
            peak_macs_per_second: peak,
            peak_share: network.and_then(share),
            stages,
        }
    }
}

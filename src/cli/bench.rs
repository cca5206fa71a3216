//! `hemoscope bench`: how long each stage from camera to screen takes on this processor.

use crate::analysis::analyser::{AnalyseError, Analyser, AnalysisStage, FieldCells, StageObserver};
use crate::analysis::built_in_frame::{BUILT_IN_FRAME, BUILT_IN_NAME, BUILT_IN_UM_PER_PX};
use crate::cli::arguments::BenchArguments;
use crate::cli::settings::{analysis_settings, load_config};
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
use crate::runtime::presenter::{ScreenContext, counting_of};
use crate::runtime::settings::ScreenSettings;
use crate::session::{Effect, Event, KnownScale, Machine, MachineSettings, SmearEvent};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The first bytes of a JPEG.
const START_OF_JPEG: [u8; 2] = [0xff, 0xd8];
/// Frames that are not timed: they fill caches and make plans.
const WARM_UP_FRAMES: u32 = 3;
/// The most bytes of a frame.
const MAX_FRAME_BYTES: u64 = 64 << 20;
/// Bytes in a megabyte.
const BYTES_PER_MB: f64 = 1e6;

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

/// How long one stage took.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StageTimes {
    name: &'static str,
    fastest_ms: f64,
    median_ms: f64,
    p99_ms: f64,
}

/// Memory of this process as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Memory {
    resident_mb: f64,
    peak_resident_mb: f64,
}

/// Everything that is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Report {
    version: &'static str,
    model: String,
    kernel: String,
    threads: u16,
    frames: u32,
    frame_width_px: u32,
    frame_height_px: u32,
    network_width_px: u32,
    network_height_px: u32,
    cells: usize,
    stages: Vec<StageTimes>,
    /// One frame after another through the stages that were timed.
    frames_per_second: f64,
    /// `None` where the system does not tell.
    memory: Option<Memory>,
    /// Of the network for one frame.
    multiply_accumulates: Option<u64>,
    /// What the cores that run it could do with this kernel's own instruction, measured;
    /// `None` where the kernel has none of its own.
    peak_macs_per_second: Option<f64>,
    /// The share of that which the network reaches.
    peak_share: Option<f64>,
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
    io::stdout()
        .write_all(text.as_bytes())
        .context("standard output cannot be written")?;
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
            rules: config.count.rules(),
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
            self.display
                .show_counting(&counting_of(&self.machine, &self.screen, context))?;
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

impl StageTimes {
    fn new(name: &'static str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |permille: usize| {
            // The nearest rank: the smallest time that so many are not above.
            let rank = (times.len() * permille).div_ceil(1000).max(1);
            times
                .get(rank - 1)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            name,
            fastest_ms: at(0),
            median_ms: at(500),
            p99_ms: at(990),
        }
    }
}

impl Memory {
    fn of_this_process() -> Option<Self> {
        Self::from_status(&files::read_kernel_text("/proc/self/status").ok()?)
    }

    /// Reads `VmRSS` and `VmHWM` (proc_pid_status(5)).
    fn from_status(status: &str) -> Option<Self> {
        let megabytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kib: f64 = line.strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024.0 / BYTES_PER_MB)
        };
        Some(Self {
            resident_mb: megabytes("VmRSS:")?,
            peak_resident_mb: megabytes("VmHWM:")?,
        })
    }
}

impl Report {
    fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "hemoscope {}, model {}, kernel {}, threads {}\n\
             {} frames of {}x{} px, shown to the network at {}x{} px; {} cells in each\n",
            self.version,
            self.model,
            self.kernel,
            self.threads,
            self.frames,
            self.frame_width_px,
            self.frame_height_px,
            self.network_width_px,
            self.network_height_px,
            self.cells,
        );
        let _ = writeln!(text, "{:<10}{:>12}{:>12}", "stage", "median ms", "p99 ms");
        for stage in &self.stages {
            let StageTimes {
                name,
                median_ms,
                p99_ms,
                ..
            } = stage;
            let _ = writeln!(text, "{name:<10}{median_ms:>12.3}{p99_ms:>12.3}");
        }
        let _ = writeln!(
            text,
            "\n{:.1} frames a second, one after another",
            self.frames_per_second
        );
        let _ = match self.memory {
            Some(memory) => writeln!(
                text,
                "{:.1} MB resident, {:.1} MB at the most",
                memory.resident_mb, memory.peak_resident_mb
            ),
            None => writeln!(
                text,
                "memory: this system does not tell (/proc/self/status)"
            ),
        };
        let _ = match (self.peak_share, self.peak_macs_per_second) {
            (Some(share), Some(peak)) => writeln!(
                text,
                "the network reaches {:.0} % of the measured peak of {}, {:.0} billion \
                 multiply-accumulates a second",
                100.0 * share,
                self.kernel,
                peak / 1e9
            ),
            _ => writeln!(
                text,
                "share of the processor's peak: not known for the kernel {}, or not timed",
                self.kernel
            ),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let cases: [(u64, f64, f64); 4] = [
            (1, 1.0, 1.0),
            (2, 1.0, 2.0),
            (100, 50.0, 99.0),
            (1000, 500.0, 990.0),
        ];
        for (count, median_ms, p99_ms) in cases {
            let found = StageTimes::new("network", times(count));
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(near(found.fastest_ms, 1.0), "{count}: {found:?}");
            assert!(near(found.median_ms, median_ms), "{count}: {found:?}");
            assert!(near(found.p99_ms, p99_ms), "{count}: {found:?}");
        }
    }

    #[test]
    fn memory_is_read_from_the_status_file() {
        let status = "Name:\tx\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\nThreads:\t1\n";
        let memory = Memory::from_status(status).unwrap();
        assert_eq!(memory.resident_mb, 10.24);
        assert_eq!(memory.peak_resident_mb, 20.48);
        for broken in ["", "VmRSS:\t1 kB\n", "VmRSS:\tx kB\nVmHWM:\t1 kB\n"] {
            assert_eq!(Memory::from_status(broken), None, "{broken:?}");
        }
    }
}

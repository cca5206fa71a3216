//! Thin looks at the hardware; what they find is judged in `report`.

use super::report::CameraFinding;
use crate::analysis::analyser::{AnalyseSettings, Analyser};
use crate::analysis::settings::AnalysisSettings;
use crate::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use crate::camera::{self, CameraError, CapturedFrame, ControlSettings, OpenPolicy};
use crate::device::files::{self, read_kernel_text};
use crate::network::{GoldenReport, Network};
use crate::panel::LIGHTS;
use crate::quality::{self, QualitySettings};
use rustix::fs::statvfs;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A frame has to come within this, once the camera's automatics have settled.
const FRAME_LIMIT: Duration = Duration::from_secs(3);
/// How long a camera may take to be opened and to settle.
const OPEN_LIMIT: Duration = Duration::from_secs(7);
/// Times that the network is run; the middle one counts.
const NETWORK_RUNS: usize = 3;
/// The most of anything that is listed.
const MAX_LISTED: usize = 64;

/// The processor's name, or its board's where it has none.
pub(super) fn processor_name() -> String {
    let of_cpu = read_kernel_text("/proc/cpuinfo").ok();
    let of_cpu = of_cpu.as_deref().and_then(|text| field(text, "model name"));
    let of_board = || read_kernel_text("/proc/device-tree/model").ok();
    let name = of_cpu.map(str::to_owned).or_else(of_board);
    let name = name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    name.trim_matches(['\0', ' ', '\n']).to_owned()
}

/// Total and available memory, in megabytes.
pub(super) fn memory_mb() -> Option<(u64, u64)> {
    parse_memory_mb(&read_kernel_text("/proc/meminfo").ok()?)
}

pub(super) fn parse_memory_mb(text: &str) -> Option<(u64, u64)> {
    let megabytes = |name| {
        let value = field(text, name)?.strip_suffix("kB")?.trim();
        Some(value.parse::<u64>().ok()? / 1024)
    };
    Some((megabytes("MemTotal")?, megabytes("MemAvailable")?))
}

/// The value of the first line `name: value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

/// A network that was loaded.
pub(super) struct TestedNetwork {
    /// The model's name and version.
    pub name: String,
    pub kernel: &'static str,
    pub golden: Result<GoldenReport, String>,
    pub took_ms: Result<u64, String>,
}

/// Loads the network, compares it with its golden frames, and times it.
pub(super) fn network(settings: &AnalysisSettings) -> Result<TestedNetwork, String> {
    let folder = settings.model.folder().map_err(|error| error.to_string())?;
    let network = Network::load(&folder).map_err(|error| error.to_string())?;
    let manifest = network.manifest();
    let name = format!("{} {}", manifest.name, manifest.version);
    let kernel = network.kernel().map_or("float", |kernel| kernel.name());
    let golden = network
        .check_golden(&folder)
        .map_err(|error| error.to_string());
    Ok(TestedNetwork {
        name,
        kernel,
        golden,
        took_ms: time_network(network, settings.analyser.clone()),
    })
}

fn time_network(network: Network, settings: AnalyseSettings) -> Result<u64, String> {
    let slide_settings = SimulatedSlideSettings::default();
    let um_per_px = slide_settings.um_per_px;
    let slide = SimulatedSlide::new(1, slide_settings).map_err(|error| error.to_string())?;
    let (frame, _) = slide.field(0);
    let mut analyser = Analyser::new(network, settings);
    let mut took = Vec::new();
    for _ in 0..NETWORK_RUNS {
        let start = Instant::now();
        analyser
            .analyse(&frame, um_per_px)
            .map_err(|error| error.to_string())?;
        took.push(start.elapsed());
    }
    took.sort();
    Ok(took[NETWORK_RUNS / 2].as_millis() as u64)
}

/// Opens the camera and takes one good frame, or says why there is none.
pub(super) fn capture(
    source: String,
    controls: ControlSettings,
    quality: QualitySettings,
) -> Result<CameraFinding, String> {
    let (answer, answered) = channel();
    // A driver that hangs must not hang the test; the thread ends with the program.
    thread::spawn(move || {
        let _ = answer.send(first_frame(&source, &controls, &quality));
    });
    match answered.recv_timeout(OPEN_LIMIT + FRAME_LIMIT) {
        Ok(captured) => captured,
        Err(RecvTimeoutError::Timeout) => Err("the camera's driver hangs".to_owned()),
        Err(RecvTimeoutError::Disconnected) => Err("the camera's driver failed".to_owned()),
    }
}

fn first_frame(
    spec: &str,
    controls: &ControlSettings,
    quality: &QualitySettings,
) -> Result<CameraFinding, String> {
    let mut source =
        camera::open(spec, controls, OpenPolicy::Require).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let mut captured = CapturedFrame::default();
    loop {
        match source.next_frame_into(&mut captured) {
            Ok(true) => break,
            Ok(false) => return Err(format!("{} has no frame", source.name())),
            Err(CameraError::BadFrame { .. }) if start.elapsed() < FRAME_LIMIT => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let frame = &captured.frame;
    let assessed = quality::assess(frame, None, quality);
    let samples = frame.rgb();
    let sum: u64 = samples.iter().map(|&sample| u64::from(sample)).sum();
    let format = source.format().unwrap_or_else(|| "images".to_owned());
    Ok(CameraFinding {
        name: source.name(),
        format: format!("{format} {}x{}", frame.width_px(), frame.height_px()),
        took_ms: start.elapsed().as_millis() as u64,
        // A mean of bytes is one.
        mean_light: (sum / (samples.len() as u64).max(1)) as u8,
        focus_score: assessed.focus_score,
        controls: source.controls(),
        warnings: source.drain_warnings(),
    })
}

fn names_in(folder: &str, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(start))
        })
        .take(MAX_LISTED)
        .collect();
    paths.sort();
    paths
}

/// The kernel's screens.
pub(super) fn drm_cards() -> Vec<PathBuf> {
    names_in("/dev/dri", "card")
}

/// The names of the board's lights.
pub(super) fn lights() -> Vec<String> {
    let lights = names_in(LIGHTS, "").into_iter();
    let names = lights.filter_map(|light| Some(light.file_name()?.to_str()?.to_owned()));
    names.collect()
}

/// The names of the input devices.
pub(super) fn input_devices() -> Vec<String> {
    let events = names_in("/sys/class/input", "event").into_iter();
    let names = events.filter_map(|event| read_kernel_text(event.join("device/name")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

/// The watchdog's device file.
pub(super) fn watchdog() -> Option<&'static str> {
    let files = ["/dev/watchdog", "/dev/watchdog0"];
    files.into_iter().find(|file| Path::new(file).exists())
}

/// Writes a file into a folder, has it kept, and removes it; then the free megabytes.
pub(super) fn free_mb(folder: &Path) -> Result<u64, String> {
    let probe = folder.join(".selftest");
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut file = File::create(&probe)?;
        file.write_all(&[0; 4096])?;
        files::sync(&file)?;
        fs::remove_file(&probe)
    });
    written.map_err(|error| format!("cannot be written: {error}"))?;
    let space =
        statvfs(folder).map_err(|error| format!("does not report its free space: {error}"))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024))
}

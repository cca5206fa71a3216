//! Every part of the device against the hardware that is there: one line for each.
//!
//! ```text
//! probes (thin edges) -> findings -> report (pure) -> checks, in the order in which they are made
//! ```

mod probes;
mod report;
#[cfg(test)]
mod tests;

pub use report::{Check, Report, Verdict};

use crate::analysis::settings::AnalysisSettings;
use crate::board::{self, BoardDescription};
use crate::camera::ControlSettings;
use crate::device::thermal;
use crate::record::Clock;
use std::path::PathBuf;
use std::thread;

/// What is tested, and against what.
#[derive(Debug)]
pub struct SelfTestSettings<'a> {
    /// What has to be there, with the name of its file for messages; `None` on a desk.
    pub board: Option<(&'a BoardDescription, String)>,
    /// The source of frames, as [`crate::camera::open`] takes it.
    pub camera: String,
    /// What a V4L2 camera is set to.
    pub controls: ControlSettings,
    /// Folder that records would be kept in, if any.
    pub data: Option<PathBuf>,
    /// How frames are analysed.
    pub analysis: AnalysisSettings,
}

/// Tests each part. Takes some seconds: the network runs, and the camera gives a frame.
pub fn run(settings: &SelfTestSettings<'_>) -> Report {
    let mut checks = checks_of_board(settings);
    checks.extend(checks_of_devices(settings));
    Report { checks }
}

/// The board itself, its processor, and the network on it.
fn checks_of_board(settings: &SelfTestSettings<'_>) -> Vec<Check> {
    let board = settings.board.as_ref().map(|(board, _)| *board);
    let refusal = settings.board.as_ref().and_then(|(board, name)| {
        let fits = board.check_compatible(name, board::this_board());
        fits.err().map(|error| error.to_string())
    });
    let limits = board.map_or_else(board::Limits::default, |board| board.limits.clone());
    let network = probes::network(&settings.analysis);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = match &network {
        Ok(tested) => Ok(tested.kernel),
        Err(reason) => Err(reason.clone()),
    };
    let mut checks = vec![
        report::board(board, refusal),
        report::processor(&probes::processor_name(), cores, kernel),
        report::memory(probes::memory_mb(), u64::from(limits.memory_mb)),
        report::temperature(thermal::temperature_millidegrees()),
    ];
    match network {
        Ok(tested) => {
            let golden = tested.golden.as_ref().map_err(Clone::clone);
            checks.push(report::model(&tested.name, golden));
            checks.push(report::network_time(tested.took_ms));
        }
        Err(reason) => checks.push(report::model("not loaded", Err(reason))),
    }
    checks
}

/// What is wired to the board, its storage, clock and watchdog.
fn checks_of_devices(settings: &SelfTestSettings<'_>) -> Vec<Check> {
    let board = settings.board.as_ref().map(|(board, _)| *board);
    let captured = probes::capture(
        settings.camera.clone(),
        settings.controls,
        settings.analysis.quality,
    );
    let mut checks = report::camera(captured.as_ref().map_err(Clone::clone));
    let (found, missing) = panel_files(board);
    checks.push(report::panel(
        board.map(|board| &board.panel.kind),
        &found,
        &missing,
    ));
    if let Some(board) = board {
        let wanted = board.panel.fault_light.as_deref();
        checks.push(report::fault_light(wanted, &probes::lights()));
    }
    let wanted = board.map(wanted_inputs);
    checks.push(report::input(wanted.as_deref(), &probes::input_devices()));
    let folder = settings.data.as_deref();
    let free_mb = folder.map_or(Ok(0), probes::free_mb);
    let folder = folder.map(|folder| folder.display().to_string());
    checks.push(report::data(folder.as_deref(), free_mb));
    checks.push(report::clock(Clock::start().stamp()));
    checks.push(report::watchdog(probes::watchdog(), board.is_some()));
    checks
}

/// The input devices that a board describes by name.
fn wanted_inputs(board: &BoardDescription) -> Vec<String> {
    let touch = Some(board.input.touch.clone()).filter(|name| !name.is_empty());
    board.input.buttons.iter().cloned().chain(touch).collect()
}

/// The panel's device files that are there, and those that are not.
fn panel_files(board: Option<&BoardDescription>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let Some(board) = board else {
        return (Vec::new(), Vec::new());
    };
    let wanted = board.panel.device_files();
    if wanted.is_empty() {
        return (probes::drm_cards(), wanted);
    }
    wanted.into_iter().partition(|file| file.exists())
}

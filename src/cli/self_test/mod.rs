//! `hemoscope selftest`: every part of the device against the hardware that is there.

mod probes;
pub mod report;
#[cfg(test)]
mod tests;

use crate::board::{self, BoardDescription};
use crate::cli::output::print;
use crate::cli::settings::{analysis_settings, load_board_config, load_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::config::Config;
use crate::record::Clock;
use anyhow::Result;
use clap::Args;
use report::{Check, Report};
use std::path::PathBuf;
use std::thread;

/// `hemoscope selftest`.
#[derive(Debug, Args)]
pub struct SelftestArguments {
    /// Options that every command with a model takes.
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Description of the board, board.toml: what has to be there.
    #[arg(long, value_name = "FILE")]
    pub board: Option<PathBuf>,
    /// Where frames come from, as for `hemoscope run`.
    #[arg(long, value_name = "SOURCE")]
    pub camera: Option<String>,
    /// Folder that what is counted would be written into.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Writes one line of JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Tests each part, prints the report, and gives whether the device can be used.
///
/// # Errors
/// A board description or configuration with a mistake, or a standard output that cannot be
/// written.
pub fn run(arguments: &SelftestArguments) -> Result<bool> {
    let board = arguments.board.as_deref().map(BoardDescription::load);
    let board = board.transpose()?;
    let file = arguments.shared.config.as_deref();
    let config = match &board {
        Some(board) => load_board_config(file, board)?,
        None => load_config(file)?,
    };
    let report = Report {
        checks: checks(arguments, &config, board.as_ref()),
    };
    let text = if arguments.json {
        report.json()?
    } else {
        report.table()
    };
    print(&text)?;
    Ok(report.is_usable())
}

fn checks(
    arguments: &SelftestArguments,
    config: &Config,
    board: Option<&BoardDescription>,
) -> Vec<Check> {
    let refusal = board
        .zip(arguments.board.as_ref())
        .and_then(|(board, file)| {
            let name = file.display().to_string();
            let fits = board.check_compatible(&name, board::this_board());
            fits.err().map(|error| error.to_string())
        });
    let limits = board.map_or_else(board::Limits::default, |board| board.limits.clone());
    let settings = analysis_settings(config, &arguments.shared);
    let network = probes::network(&settings);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = match &network {
        Ok(tested) => Ok(tested.kernel),
        Err(reason) => Err(reason.clone()),
    };
    let mut checks = vec![
        report::board(board, refusal),
        report::processor(&probes::processor_name(), cores, kernel),
        report::memory(probes::memory_mb(), u64::from(limits.memory_mb)),
        report::temperature(crate::device::thermal::temperature_millidegrees()),
    ];
    match network {
        Ok(tested) => {
            checks.push(report::model(
                &tested.name,
                tested.golden.as_ref().map_err(Clone::clone),
            ));
            checks.push(report::network_time(tested.took_ms));
        }
        Err(reason) => checks.push(report::model("not loaded", Err(reason))),
    }
    let source = arguments.camera.as_ref().unwrap_or(&config.camera.source);
    let controls = board.map(|board| board.camera.controls);
    let captured = probes::capture_one(
        source.clone(),
        controls.unwrap_or_default(),
        settings.quality,
    );
    checks.extend(report::camera(captured.as_ref().map_err(Clone::clone)));
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
    let of_board = board.map(|board| board.paths.data.as_path());
    let folder = arguments.data.as_deref().or(of_board);
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

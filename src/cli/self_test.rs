//! `hemoscope selftest`: the self-test's arguments and its report.

use crate::board::BoardDescription;
use crate::cli::output::print;
use crate::cli::settings::{Devices, analysis_settings, load_device_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::self_test::{self, SelfTestSettings};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

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
    let config = load_device_config(arguments.shared.config.as_deref(), board.as_ref())?;
    let devices = Devices::of(
        &config,
        board.as_ref(),
        arguments.camera.as_ref(),
        arguments.data.as_ref(),
    );
    let mut file = arguments
        .board
        .iter()
        .map(|file| file.display().to_string());
    let report = self_test::run(&SelfTestSettings {
        board: board.as_ref().zip(file.next_back()),
        camera: devices.camera,
        controls: devices.controls,
        data: devices.data,
        analysis: analysis_settings(&config, &arguments.shared),
    });
    let text = if arguments.json {
        report.json()?
    } else {
        report.table()
    };
    print(&text)?;
    Ok(report.is_usable())
}

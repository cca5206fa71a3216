//! `hemoscope bench`: what is timed, and how it is printed.

use crate::bench::{self, BenchSettings, Stage};
use crate::cli::output::print;
use crate::cli::settings::{analysis_settings, load_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::panel::ScreenSize;
use crate::session::smear::SmearRules;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

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

/// Times the stages and prints them.
///
/// # Errors
/// Configuration, model or frame cannot be used, or a stage fails.
pub fn run(arguments: &BenchArguments) -> Result<bool> {
    let config = load_config(arguments.shared.config.as_deref())?;
    let screen = match &arguments.size {
        Some(text) => text.parse()?,
        None => ScreenSize::default(),
    };
    let report = bench::run(BenchSettings {
        analysis: analysis_settings(&config, &arguments.shared),
        rules: SmearRules {
            counts: config.count_rules(),
            limits: config.count.assessment_limits(),
            length: config.smear_limits(),
        },
        frame: arguments.frame.clone(),
        screen,
        frames: arguments.frames,
        threads: arguments.threads,
        stages: arguments.stage.clone(),
    })?;
    let text = if arguments.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        report.table()
    };
    print(&text)?;
    Ok(true)
}

//! `hemoscope run`: what is configured, described and named on the command line starts the device.

use crate::board::BoardDescription;
use crate::camera::{self, hand::Hand};
use crate::cli::output::Output;
use crate::cli::settings::{Devices, analysis_settings, load_config, load_device_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::config::{Config, PanelConfig};
use crate::panel::PanelSpec;
use crate::panel::ScreenSize;
use crate::runtime;
use crate::runtime::IpcFiles;
use crate::runtime::settings::RunSettings;
use crate::scripted_operator::Script;
use crate::session::Machine;
use crate::session::smear::SmearRules;
use crate::ui::presenter::ScreenSettings;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// `hemoscope run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Options that every command with a model takes.
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Description of the board, board.toml: camera, screen, model and data folder as they are on
    /// it. It stands above the configuration, and the options of this command above it.
    #[arg(long, value_name = "FILE")]
    pub board: Option<PathBuf>,
    /// Where frames come from: `v4l2` or `v4l2:PATH` (see `hemoscope cameras`), `replay:PATH`, `simulated[:SEED]`, or `simulated:SEED:unnumbered`,
    /// where only the image tells fields apart.
    #[arg(long, value_name = "SOURCE")]
    pub camera: Option<String>,
    /// With a simulated camera: a hand that moves a continuous smear as the screen asks.
    #[arg(long, value_name = "HAND", value_parser = Hand::ALL.map(Hand::name))]
    pub hand: Option<String>,
    /// Where the screen is shown: `terminal`, `png:FILE`, `drm` for a display (or `drm:/dev/dri/card0`), `spi` for the board's small panel; may be given several times.
    #[arg(long, value_name = "PANEL")]
    pub panel: Vec<PanelSpec>,
    /// Size of the screen: 320x240, 480x320 or 800x480.
    #[arg(long, value_name = "WxH")]
    pub size: Option<String>,
    /// Folder that what is counted is written into, field by field, so that it survives a power
    /// cut (see `hemoscope records`).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Ends after this many counted fields; without it, the first button (Enter in a terminal) ends
    /// each smear and starts the next one, until the source ends or on q.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub fields: Option<u32>,
    /// A script presses the buttons instead of an operator: lines such as `at 12 fields press
    /// first`, `at result press hold` or `at 90 s key q`.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}

/// Runs the device, as [`runtime::run::run`].
///
/// # Errors
/// What keeps the device from running: configuration, script, model, camera, panel.
pub fn run(arguments: &RunArguments) -> Result<bool> {
    let (settings, refusal) = prepare(arguments)?;
    let mut out = Output::standard();
    let Some(path) = &arguments.script else {
        return runtime::run::run(&settings, refusal, &mut out);
    };
    let mut script = Script::load(path)?;
    let files = IpcFiles::of_system();
    runtime::run::run_with(&settings, refusal, files, &mut out, |_| {
        Ok(move |machine: &Machine| script.next_action(machine, Instant::now()))
    })
}

/// Configuration, board and options, put together. A board whose description or configuration
/// cannot be used gets settings to show why with, and that.
///
/// # Errors
/// Options or a configuration with a mistake, where there is no board to show it on.
pub fn prepare(arguments: &RunArguments) -> Result<(RunSettings, Option<anyhow::Error>)> {
    let named_size = arguments.size.as_deref().map(str::parse).transpose()?;
    match configure(arguments, named_size) {
        Ok(settings) => Ok((settings, None)),
        Err(error) if arguments.board.is_some() => {
            // On the log at once, since there may be no display to show it on.
            log::error!("{error:#}");
            Ok((without_board(arguments, named_size), Some(error)))
        }
        Err(error) => Err(error),
    }
}

fn configure(arguments: &RunArguments, named_size: Option<ScreenSize>) -> Result<RunSettings> {
    let board = arguments.board.as_deref();
    let board = board.map(BoardDescription::load_for_this_board);
    configure_with(arguments, named_size, board.transpose()?)
}

fn configure_with(
    arguments: &RunArguments,
    named_size: Option<ScreenSize>,
    board: Option<BoardDescription>,
) -> Result<RunSettings> {
    let config = load_device_config(arguments.shared.config.as_deref(), board.as_ref())?;
    let size = screen_size(named_size, &config.panel)?;
    Ok(run_settings(arguments, &config, board.as_ref(), size))
}

/// What a device that cannot know its board starts from: its configuration, where that can be
/// read, and whatever display the kernel drives. The wiring of another board is never tried, and
/// nothing is recorded.
fn without_board(arguments: &RunArguments, named_size: Option<ScreenSize>) -> RunSettings {
    let mut config = load_config(arguments.shared.config.as_deref()).unwrap_or_default();
    config.panel.kind = PanelSpec::Drm { card: None };
    let mut settings = run_settings(arguments, &config, None, named_size);
    settings.data = None;
    // It shows no slide at all.
    settings.screen.is_simulated = false;
    settings
}

/// Options above the board, above the configuration.
fn run_settings(
    arguments: &RunArguments,
    config: &Config,
    board: Option<&BoardDescription>,
    size: Option<ScreenSize>,
) -> RunSettings {
    let moved_by = |hand: &String| {
        let camera = arguments.camera.as_ref().unwrap_or(&config.camera.source);
        format!("{camera}:{hand}")
    };
    let moved = arguments.hand.as_ref().map(moved_by);
    let (camera, data) = (
        moved.as_ref().or(arguments.camera.as_ref()),
        arguments.data.as_ref(),
    );
    let devices = Devices::of(config, board, camera, data);
    let is_simulated = camera::is_simulated(&devices.camera);
    let panels = match arguments.panel.as_slice() {
        [] => vec![config.panel.kind.clone()],
        named => named.to_vec(),
    };
    RunSettings {
        is_on_board: arguments.board.is_some(),
        camera: devices.camera,
        controls: devices.controls,
        panels,
        panel: board.map_or_else(Default::default, |board| board.panel.clone()),
        size,
        input: board.map_or_else(Default::default, |board| board.input.clone()),
        data: devices.data,
        target_fields: arguments.fields,
        threads: config.run.threads,
        rules: SmearRules {
            counts: config.count_rules(),
            limits: config.count.assessment_limits(),
            length: config.smear_limits(),
        },
        screen: ScreenSettings {
            language: config.display.language,
            sample_id: config.sample.id.clone(),
            is_simulated,
            utc_offset_minutes: config.site.utc_offset_minutes,
        },
        analysis: analysis_settings(config, &arguments.shared),
    }
}

/// The size that was named, or else the configured one, if any.
fn screen_size(named: Option<ScreenSize>, panel: &PanelConfig) -> Result<Option<ScreenSize>> {
    if named.is_some() || (panel.width_px, panel.height_px) == (None, None) {
        return Ok(named);
    }
    let (width_px, height_px) = ScreenSize::default().pixels();
    let width_px = panel.width_px.unwrap_or(width_px);
    let height_px = panel.height_px.unwrap_or(height_px);
    Ok(Some(format!("{width_px}x{height_px}").parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::{Arguments, Command};
    use clap::Parser;

    fn arguments(more: &[&str]) -> RunArguments {
        let arguments = ["hemoscope", "run"].iter().chain(more);
        match Arguments::parse_from(arguments).command {
            Command::Run(arguments) => arguments,
            _ => panic!("these are the arguments of a run"),
        }
    }

    fn board() -> BoardDescription {
        let text = include_str!("../../board/raspberry-pi-3/board.toml")
            .replace("source = \"v4l2\"", "source = \"v4l2\"\ngain = 7");
        BoardDescription::parse(&text, "board.toml").unwrap()
    }

    #[test]
    fn options_stand_above_the_board() {
        let board_file = ["--board", "board.toml"];
        let settings = configure_with(&arguments(&board_file), None, Some(board())).unwrap();
        assert!(settings.is_on_board);
        assert_eq!(settings.camera, "v4l2");
        assert_eq!(settings.controls.gain, Some(7));
        assert_eq!(settings.panel, board().panel);
        assert_eq!(settings.input, board().input);
        assert_eq!(settings.panels, [PanelSpec::Spi]);
        assert_eq!(settings.size, Some(ScreenSize::Small));
        assert_eq!(settings.data, Some(PathBuf::from("/data/hemoscope")));

        let options = ["--camera", "simulated", "--panel", "png:x", "--data", "/d"];
        let options = arguments(&[&board_file[..], &options].concat());
        let settings = configure_with(&options, Some(ScreenSize::Large), Some(board())).unwrap();
        assert_eq!(settings.camera, "simulated");
        assert_eq!(settings.panels, [PanelSpec::Png("x".into())]);
        assert_eq!(settings.size, Some(ScreenSize::Large));
        assert_eq!(settings.data, Some(PathBuf::from("/d")));
    }

    #[test]
    fn a_board_that_cannot_be_known_shows_why_on_any_display_and_records_nothing() {
        let options = ["--board", "/there/is/no/board.toml", "--data", "/d"];
        let (settings, refusal) = prepare(&arguments(&options)).unwrap();
        assert!(settings.is_on_board);
        assert_eq!(settings.panels, [PanelSpec::Drm { card: None }]);
        assert_eq!(settings.data, None);
        let refusal = refusal.unwrap().to_string();
        assert!(refusal.contains("/there/is/no/board.toml"), "{refusal}");
    }

    #[test]
    fn without_a_board_a_mistake_ends_the_command() {
        let cases = [["--config", "/there/is/no/config.toml"], ["--size", "1x1"]];
        for options in cases {
            let error = prepare(&arguments(&options)).unwrap_err().to_string();
            assert!(!error.is_empty(), "{options:?}");
        }
        let (settings, refusal) = prepare(&arguments(&[])).unwrap();
        assert!(refusal.is_none() && !settings.is_on_board);
        assert_eq!(settings.panels, [PanelSpec::Terminal]);
        assert_eq!(settings.size, None, "the one that fits");
    }

    #[test]
    fn one_side_of_the_screen_is_enough() {
        let mut panel = PanelConfig::default();
        assert_eq!(screen_size(None, &panel).unwrap(), None);
        panel.width_px = Some(320);
        assert_eq!(screen_size(None, &panel).unwrap(), Some(ScreenSize::Small));
        panel.height_px = Some(999);
        assert!(screen_size(None, &panel).is_err());
    }
}

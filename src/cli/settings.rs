//! The configuration with the board's description and the flags laid over it, as plain settings.

use crate::analysis::analyser::AnalyseSettings;
use crate::analysis::model::ModelLocation;
use crate::analysis::settings::AnalysisSettings;
use crate::board::BoardDescription;
use crate::camera::ControlSettings;
use crate::cli::shared_arguments::SharedArguments;
use crate::config::{Config, PreprocessConfig, QualityConfig};
use crate::device::thermal::ThreadsWanted;
use crate::preprocess::PreprocessOptions;
use crate::preprocess::illumination::Illumination;
use crate::preprocess::tone::{Contrast, WhiteBalance};
use crate::quality::QualitySettings;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A board's own configuration, in its data folder, which every update leaves alone.
const CONFIG_FILE: &str = "config.toml";

/// The configuration named on the command line, or the default one.
///
/// # Errors
/// A configuration that cannot be read or holds a mistake.
pub fn load_config(file: Option<&Path>) -> Result<Config> {
    load_device_config(file, None)
}

/// As [`load_config`]. On a board, its description lies over the configuration, which is the one in
/// the board's data folder, `config.toml`, where there is one and none was named.
///
/// # Errors
/// As for [`load_config`].
pub fn load_device_config(file: Option<&Path>, board: Option<&BoardDescription>) -> Result<Config> {
    let kept = board.map(|board| board.paths.data.join(CONFIG_FILE));
    let kept = kept.filter(|kept| kept.exists());
    let file = file.or(kept.as_deref());
    let mut config = file.map_or_else(|| Ok(Config::default()), Config::load)?;
    if let Some(board) = board {
        apply_board(&mut config, board);
    }
    Ok(config)
}

/// Where frames come from, and where records are kept: as named on the command line, or else as
/// the board's description and the configuration have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Devices {
    /// The source of frames.
    pub camera: String,
    /// What a V4L2 camera is set to: nothing but where a board says so.
    pub controls: ControlSettings,
    /// Folder of the records, if any.
    pub data: Option<PathBuf>,
}

impl Devices {
    /// Lays what was named over the board, over the configuration from [`load_device_config`].
    pub fn of(
        config: &Config,
        board: Option<&BoardDescription>,
        camera: Option<&String>,
        data: Option<&PathBuf>,
    ) -> Self {
        let of_board = board.map(|board| &board.paths.data);
        Self {
            camera: camera.unwrap_or(&config.camera.source).clone(),
            controls: board.map_or_else(Default::default, |board| board.camera.controls),
            data: data.or(of_board).cloned(),
        }
    }
}

/// Lays the description of a board over the configuration.
fn apply_board(config: &mut Config, board: &BoardDescription) {
    config.camera.source.clone_from(&board.camera.source);
    config.model.folder.clone_from(&board.paths.model);
    if board.limits.network_threads == 1 {
        config.run.threads = ThreadsWanted::Fixed(1);
    }
    let panel = &board.panel;
    config.panel.kind.clone_from(&panel.kind);
    if let Some(spi) = &panel.spi {
        let is_on_its_side = matches!(panel.rotation_degrees, 90 | 270);
        (config.panel.width_px, config.panel.height_px) = if is_on_its_side {
            (Some(spi.height_px.into()), Some(spi.width_px.into()))
        } else {
            (Some(spi.width_px.into()), Some(spi.height_px.into()))
        };
    }
}

/// Model, scale and thresholds of a command that counts.
pub fn analysis_settings(config: &Config, arguments: &SharedArguments) -> AnalysisSettings {
    AnalysisSettings {
        model: model_location(&config.model.folder, arguments.model.as_ref()),
        analyser: AnalyseSettings {
            preprocess: preprocess_options(&config.preprocess),
            border_rule: config.count.border_rule,
            rbc_diameter_um: config.scale.rbc_diameter_um,
            all_cells: false,
        },
        quality: quality_settings(&config.quality),
        um_per_px: arguments.um_per_px.or(config.scale.um_per_px),
        frames_for_estimate: config.scale.frames_for_estimate as usize,
    }
}

/// A folder that was named is taken as it is; the configured one is searched for.
pub fn model_location(configured: &Path, named: Option<&PathBuf>) -> ModelLocation {
    named.map_or_else(
        || ModelLocation::Search(configured.to_owned()),
        |folder| ModelLocation::Named(folder.clone()),
    )
}

fn preprocess_options(wanted: &PreprocessConfig) -> PreprocessOptions {
    PreprocessOptions {
        denoise: wanted.denoise,
        illumination: wanted.flat_field.then(Illumination::default),
        white_balance: wanted.white_balance.then(WhiteBalance::default),
        contrast: wanted.contrast.then(Contrast::default),
    }
}

fn quality_settings(wanted: &QualityConfig) -> QualitySettings {
    // The configuration has checked that these are levels and a score.
    QualitySettings {
        min_focus_score: wanted.blurred_below as u8,
        dark_level: wanted.dark_below as u8,
        bright_level: wanted.bright_above as u8,
        ..QualitySettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::panel::PanelSpec;

    #[test]
    fn the_default_configuration_is_what_the_known_answer_is_counted_with() {
        let arguments = SharedArguments {
            config: None,
            model: Some("m".into()),
            um_per_px: Some(0.1),
        };
        let settings = analysis_settings(&Config::default(), &arguments);
        let expected = AnalysisSettings {
            model: ModelLocation::Named("m".into()),
            analyser: AnalyseSettings::default(),
            quality: QualitySettings::default(),
            um_per_px: Some(0.1),
            frames_for_estimate: 10,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_board_stands_above_the_configuration() {
        let text = include_str!("../../board/raspberry-pi-3/board.toml")
            .replace("kind = \"spi\"", "kind = \"spi\"\nrotation_degrees = 270")
            .replace("network_threads = 2", "network_threads = 1")
            .replace("source = \"v4l2\"", "source = \"simulated:3\"");
        let board = BoardDescription::parse(&text, "board.toml").unwrap();
        let config = load_device_config(None, Some(&board)).unwrap();
        assert_eq!(config.camera.source, "simulated:3");
        let panel_px = (config.panel.width_px, config.panel.height_px);
        assert_eq!(panel_px, (Some(240), Some(320)));
        assert_eq!(config.panel.kind, PanelSpec::Spi);
        assert_eq!(config.run.threads, ThreadsWanted::Fixed(1));
        assert_eq!(config.model.folder, board.paths.model);
    }

    #[test]
    fn a_board_takes_the_configuration_in_its_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../board/qemu-aarch64/board.toml")
            .replace("/data/hemoscope", folder.path().to_str().unwrap());
        let board = BoardDescription::parse(&text, "board.toml").unwrap();
        let language = |file: Option<&Path>| {
            load_device_config(file, Some(&board))
                .map(|config| config.display.language)
                .map_err(|error| error.to_string())
        };
        assert_eq!(language(None), Ok(Language::English));
        let kept = folder.path().join(CONFIG_FILE);
        std::fs::write(&kept, "[display]\nlanguage = \"fr\"\n").unwrap();
        assert_eq!(language(None), Ok(Language::French));
        let named = folder.path().join("named.toml");
        std::fs::write(&named, "[display]\nlanguage = \"es\"\n").unwrap();
        assert_eq!(language(Some(&named)), Ok(Language::Spanish));
        std::fs::write(&kept, "[display]\nlanguage = \"xx\"\n").unwrap();
        let refused = language(None).unwrap_err();
        assert!(refused.contains(CONFIG_FILE), "{refused}");
    }
}

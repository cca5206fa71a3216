//! Configuration and flags put together: what every command starts from.

use crate::analysis::analyser::AnalyseSettings;
use crate::board::BoardDescription;
use crate::camera::ControlSettings;
use crate::cli::arguments::SharedArguments;
use crate::config::Config;
use crate::count::CountRules;
use crate::device::thermal::ThreadsWanted;
use crate::image::frame::Frame;
use crate::input::InputSettings;
use crate::language::Language;
use crate::network::Network;
use crate::panel::{PanelKind, PanelSettings};
use crate::preprocess::Steps;
use crate::preprocess::illumination::Illumination;
use crate::preprocess::tone::{Contrast, WhiteBalance};
use crate::quality::{self, Quality, QualitySettings};
use crate::session::smear::KnownScale;
use anyhow::{Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// A board's own configuration, in its data folder, which every update leaves alone.
const CONFIG_FILE: &str = "config.toml";
/// Where an installed device keeps its models.
const SYSTEM_MODELS: &str = "/usr/share/hemoscope";
/// Folders above the program that are searched for `models/`: a build folder lies two deep.
const PARENTS_SEARCHED: usize = 4;

/// The configuration with the flags laid over it.
pub struct Setup {
    pub config: Config,
    /// Given pixel size, if any.
    pub um_per_px: Option<f64>,
    /// Folder that records are kept in, if any.
    pub data: Option<PathBuf>,
    /// How the board's own panel is mounted and wired.
    pub panel: PanelSettings,
    /// The board's buttons and touch screen.
    pub input: InputSettings,
    /// What a V4L2 camera is set to.
    pub controls: ControlSettings,
    model: Option<PathBuf>,
}

impl Setup {
    /// Reads the configuration named on the command line, or takes the defaults.
    ///
    /// # Errors
    /// A configuration that cannot be read or holds a mistake.
    pub fn load(arguments: &SharedArguments) -> Result<Self> {
        let config = match &arguments.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        Ok(Self::of(config, arguments))
    }

    /// As [`Setup::load`], on a board: its description lies over the configuration, which is the one
    /// in the board's data folder, `config.toml`, where there is one and none was named.
    ///
    /// # Errors
    /// As for [`Setup::load`].
    pub fn load_on_board(arguments: &SharedArguments, board: &BoardDescription) -> Result<Self> {
        let kept = board.paths.data.join(CONFIG_FILE);
        if arguments.config.is_some() || !kept.exists() {
            return Ok(Self::load(arguments)?.on_board(board));
        }
        Ok(Self::of(Config::load(&kept)?, arguments).on_board(board))
    }

    /// What a device that cannot know its board starts from: its configuration, where that can be
    /// read, and whatever display the kernel drives. The wiring of another board is never tried.
    pub fn without_board(arguments: &SharedArguments) -> Self {
        let mut setup =
            Self::load(arguments).unwrap_or_else(|_| Self::of(Config::default(), arguments));
        "drm".clone_into(&mut setup.config.panel.kind);
        setup
    }

    fn of(config: Config, arguments: &SharedArguments) -> Self {
        Self {
            um_per_px: arguments.um_per_px.or(config.scale.um_per_px),
            data: None,
            panel: PanelSettings::default(),
            input: InputSettings::default(),
            controls: ControlSettings::default(),
            model: arguments.model.clone(),
            config,
        }
    }

    /// Lays the description of the board over the configuration: the one place where it becomes
    /// what a command starts from.
    pub fn on_board(mut self, board: &BoardDescription) -> Self {
        let config = &mut self.config;
        config.camera.source.clone_from(&board.camera.source);
        config.model.folder.clone_from(&board.paths.model);
        if board.limits.network_threads == 1 {
            config.run.threads = ThreadsWanted::Fixed(1);
        }
        let panel = &board.panel;
        let kind = match panel.kind {
            PanelKind::Drm => "drm",
            PanelKind::Spi => "spi",
        };
        kind.clone_into(&mut config.panel.kind);
        if let Some(spi) = &panel.spi {
            let is_on_its_side = matches!(panel.rotation_degrees, 90 | 270);
            (config.panel.width_px, config.panel.height_px) = if is_on_its_side {
                (Some(spi.height_px.into()), Some(spi.width_px.into()))
            } else {
                (Some(spi.width_px.into()), Some(spi.height_px.into()))
            };
        }
        self.panel = board.panel.clone();
        self.input = board.input.clone();
        self.controls = board.camera.controls;
        self.data = Some(board.paths.data.clone());
        self
    }

    /// Loads the model that was asked for.
    ///
    /// # Errors
    /// No such model, or one that is damaged.
    pub fn load_network(&self, plain: bool) -> Result<Network> {
        let folder = self.model_folder()?;
        if plain {
            return Ok(Network::load_plain(&folder)?);
        }
        let network = Network::load(&folder)?;
        // A processor or a build that computes otherwise than the exporter must not count.
        if !network.check_golden(&folder)?.is_equal() {
            bail!(
                "the model in {} fails its known-answer check on this machine, so nothing is \
                 counted; copy the model folder again, or try HEMOSCOPE_KERNEL=scalar",
                folder.display()
            );
        }
        Ok(network)
    }

    /// A folder that was named is taken as it is; the default is searched for.
    ///
    /// # Errors
    /// None of the places that are searched is there.
    pub fn model_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.model {
            return Ok(folder.clone());
        }
        let configured = Path::new(&self.config.model.folder);
        let places = search_places(configured);
        if let Some(found) = places.iter().find(|place| place.is_dir()) {
            return Ok(found.clone());
        }
        let places: Vec<_> = places
            .iter()
            .map(|place| place.display().to_string())
            .collect();
        bail!(
            "no model folder: looked for {}; give --model DIR",
            places.join(", ")
        );
    }

    /// What an analyser is told.
    pub fn analyse_settings(&self, all_cells: bool) -> AnalyseSettings {
        AnalyseSettings {
            steps: self.steps(),
            border_rule: self.config.count.border_rule,
            rbc_diameter_um: self.config.scale.rbc_diameter_um,
            all_cells,
        }
    }

    fn steps(&self) -> Steps {
        let wanted = &self.config.preprocess;
        Steps {
            denoise: wanted.denoise,
            illumination: wanted.flat_field.then(Illumination::default),
            white_balance: wanted.white_balance.then(WhiteBalance::default),
            contrast: wanted.contrast.then(Contrast::default),
        }
    }

    /// Thresholds of the assessment that every frame passes first.
    pub fn quality_settings(&self) -> QualitySettings {
        let wanted = &self.config.quality;
        // The configuration has checked that these are levels and a score.
        QualitySettings {
            min_focus_score: wanted.blurred_below as u8,
            dark_level: wanted.dark_below as u8,
            bright_level: wanted.bright_above as u8,
            ..QualitySettings::default()
        }
    }

    /// Judges a frame before the network sees it; `rbc_diameter_px` where the scale is known.
    pub fn assess(&self, frame: &Frame, rbc_diameter_px: Option<u32>) -> Quality {
        quality::assess(frame, rbc_diameter_px, &self.quality_settings())
    }

    /// Diameter of a red cell in pixels, where the scale is known.
    pub fn rbc_diameter_px(&self, scale: KnownScale) -> Option<u32> {
        let um_per_px = scale.um_per_px()?;
        Some(libm::round(self.config.scale.rbc_diameter_um / um_per_px) as u32)
    }

    /// Language of screens and overlays.
    pub fn language(&self) -> Language {
        self.config.display.language
    }

    /// When figures may be shown.
    pub fn count_rules(&self) -> CountRules {
        self.config.count.rules()
    }
}

/// The folder from here, then beside the program and above it, then the system's.
fn search_places(folder: &Path) -> Vec<PathBuf> {
    let mut places = vec![folder.to_path_buf()];
    if folder.is_absolute() {
        return places;
    }
    if let Ok(program) = env::current_exe() {
        let parents = program.ancestors().skip(1).take(PARENTS_SEARCHED);
        places.extend(parents.map(|parent| parent.join(folder)));
    }
    places.push(Path::new(SYSTEM_MODELS).join(folder));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_model_folder_is_looked_for_beside_the_program() {
        let places = search_places(Path::new("models/x"));
        assert_eq!(places[0], Path::new("models/x"));
        assert!(places.len() > 2, "{places:?}");
        assert_eq!(
            places.last().unwrap(),
            Path::new("/usr/share/hemoscope/models/x")
        );
    }

    #[test]
    fn a_board_stands_above_the_configuration() {
        let text = include_str!("../../board/raspberry-pi-3/board.toml")
            .replace("kind = \"spi\"", "kind = \"spi\"\nrotation_degrees = 270")
            .replace("network_threads = 2", "network_threads = 1")
            .replace("source = \"v4l2\"", "source = \"simulated:3\"\ngain = 7");
        let board = BoardDescription::parse(&text, "board.toml").unwrap();
        let arguments = SharedArguments {
            config: None,
            model: None,
            um_per_px: None,
        };
        let setup = Setup::load(&arguments).unwrap().on_board(&board);
        let config = &setup.config;
        assert_eq!(config.camera.source, "simulated:3");
        let panel_px = (config.panel.width_px, config.panel.height_px);
        assert_eq!(panel_px, (Some(240), Some(320)));
        assert_eq!(config.panel.kind, "spi");
        assert_eq!(setup.panel, board.panel);
        assert_eq!(config.run.threads, ThreadsWanted::Fixed(1));
        assert_eq!(config.model.folder, board.paths.model);
        assert_eq!(setup.controls.gain, Some(7));
        assert_eq!(setup.data, Some(PathBuf::from("/data/hemoscope")));
    }

    #[test]
    fn a_board_takes_the_configuration_in_its_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../board/qemu-aarch64/board.toml")
            .replace("/data/hemoscope", folder.path().to_str().unwrap());
        let board = BoardDescription::parse(&text, "board.toml").unwrap();
        let mut arguments = SharedArguments {
            config: None,
            model: None,
            um_per_px: None,
        };
        let language = |arguments: &SharedArguments| {
            let setup = Setup::load_on_board(arguments, &board);
            setup
                .map(|setup| setup.language())
                .map_err(|error| error.to_string())
        };
        assert_eq!(language(&arguments), Ok(Language::English));
        let kept = folder.path().join(CONFIG_FILE);
        std::fs::write(&kept, "[display]\nlanguage = \"fr\"\n").unwrap();
        assert_eq!(language(&arguments), Ok(Language::French));
        let named = folder.path().join("named.toml");
        std::fs::write(&named, "[display]\nlanguage = \"es\"\n").unwrap();
        arguments.config = Some(named);
        assert_eq!(language(&arguments), Ok(Language::Spanish));
        arguments.config = None;
        std::fs::write(&kept, "[display]\nlanguage = \"xx\"\n").unwrap();
        let refused = language(&arguments).unwrap_err();
        assert!(refused.contains(CONFIG_FILE), "{refused}");
    }

    #[test]
    fn an_absolute_model_folder_is_taken_as_it_is() {
        assert_eq!(search_places(Path::new("/m/x")), [PathBuf::from("/m/x")]);
    }
}

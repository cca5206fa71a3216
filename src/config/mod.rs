//! The device's settings: one TOML file, every key with a default, a range and an explanation.
//!
//! ```text
//! text -> check (keys, types, ranges: keys.rs) -> Config
//! ```
//!
//! Unknown keys, wrong types and values out of range are refused with the line they stand on;
//! nothing is silently ignored or bent.

pub(crate) mod check;
mod document;
mod error;
mod keys;
pub(crate) mod schema;

pub use error::{ConfigError, MAX_FILE_BYTES};

use crate::count::{BorderRule, Confidence, CountRules};
use crate::device::files::{self, ReadError};
use crate::device::thermal::ThreadsWanted;
use crate::language::Language;
use crate::panel::PanelSpec;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Every setting. [`Config::documented_toml`] explains each key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub sample: SampleConfig,
    pub camera: CameraConfig,
    pub panel: PanelConfig,
    pub scale: ScaleConfig,
    pub model: ModelConfig,
    pub count: CountConfig,
    pub preprocess: PreprocessConfig,
    pub quality: QualityConfig,
    pub run: RunConfig,
    pub display: DisplayConfig,
    pub site: SiteConfig,
}

/// The sample on the stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleConfig {
    /// Local sample ID; empty for none.
    pub id: String,
}

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraConfig {
    /// `simulated[:SEED]`, `replay:PATH` or a camera device.
    pub source: String,
}

/// The screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PanelConfig {
    /// Where the screen is shown.
    pub kind: PanelSpec,
    /// `None` for the screen that fits.
    pub width_px: Option<u32>,
    /// `None` for the screen that fits.
    pub height_px: Option<u32>,
}

/// How large things are in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleConfig {
    /// Micrometres per pixel of the camera's frame; `None` to estimate it from the red cells.
    pub um_per_px: Option<f64>,
    pub rbc_diameter_um: f64,
    /// Frames that an estimate of the scale rests on.
    pub frames_for_estimate: u32,
}

/// The trained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Folder with the model and its manifest.
    pub folder: PathBuf,
}

/// What counts, and when a figure may be shown. See [`CountRules`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountConfig {
    pub border_rule: BorderRule,
    pub confidence: Confidence,
    pub minimum_cells: u32,
    pub minimum_reference_cells: u32,
    pub wbc_per_rbc_limit: f64,
    pub uncertain_share_limit: f64,
    pub target_precision: f64,
}

/// Steps between the camera and the network; all off by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessConfig {
    pub flat_field: bool,
    pub white_balance: bool,
    pub contrast: bool,
    pub denoise: bool,
}

/// Limits beyond which a frame is not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityConfig {
    /// Focus score from 0 to 100, as [`crate::quality::Quality::focus_score`].
    pub blurred_below: f64,
    /// Level of the empty background from 0 to 255.
    pub dark_below: f64,
    /// Level of the empty background from 0 to 255.
    pub bright_above: f64,
}

/// How the device's program runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Threads of the network: `auto`, 1 or 2.
    #[serde(with = "threads")]
    pub threads: ThreadsWanted,
}

/// `auto` or a number, as TOML writes it.
mod threads {
    use crate::device::thermal::ThreadsWanted;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Word(Word),
        Number(u8),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Auto,
    }

    pub(super) fn serialize<S: Serializer>(
        threads: &ThreadsWanted,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match threads {
            ThreadsWanted::Auto => Written::Word(Word::Auto),
            ThreadsWanted::Fixed(number) => Written::Number(*number),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ThreadsWanted, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Word(Word::Auto) => ThreadsWanted::Auto,
            Written::Number(number) => ThreadsWanted::Fixed(number),
        })
    }
}

/// What the screen shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisplayConfig {
    pub language: Language,
}

/// Where the device stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteConfig {
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i16,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            source: "simulated".to_owned(),
        }
    }
}

impl Default for PanelConfig {
    fn default() -> Self {
        Self {
            kind: PanelSpec::Terminal,
            width_px: None,
            height_px: None,
        }
    }
}

impl Default for ScaleConfig {
    fn default() -> Self {
        Self {
            um_per_px: None,
            rbc_diameter_um: 7.5,
            frames_for_estimate: 10,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("models/smear-resnet"),
        }
    }
}

impl Default for CountConfig {
    fn default() -> Self {
        let rules = CountRules::default();
        Self {
            border_rule: BorderRule::default(),
            confidence: rules.confidence,
            minimum_cells: rules.minimum_cells,
            minimum_reference_cells: rules.minimum_reference_cells,
            wbc_per_rbc_limit: rules.wbc_per_rbc_limit,
            uncertain_share_limit: rules.uncertain_share_limit,
            target_precision: rules.target_precision,
        }
    }
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            blurred_below: 18.0,
            dark_below: 110.0,
            bright_above: 248.0,
        }
    }
}

impl CountConfig {
    /// The rules for [`SmearTally::summary`](crate::count::SmearTally::summary).
    pub fn rules(&self) -> CountRules {
        CountRules {
            confidence: self.confidence,
            minimum_cells: self.minimum_cells,
            minimum_reference_cells: self.minimum_reference_cells,
            wbc_per_rbc_limit: self.wbc_per_rbc_limit,
            uncertain_share_limit: self.uncertain_share_limit,
            target_precision: self.target_precision,
        }
    }
}

impl Config {
    /// Reads settings from TOML; `name` stands for the file in messages. Keys that are not given
    /// keep their default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the file, the line, the key and what to do.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        check::check(text, name, keys::SCHEMA)?;
        let config: Self =
            toml::from_str(text).map_err(|error| check::syntax_error(&error, text, name))?;
        config.check_brightness(name)?;
        Ok(config)
    }

    /// Reads settings from a file of at most [`MAX_FILE_BYTES`].
    ///
    /// # Errors
    ///
    /// As [`Config::parse`], or when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let hint = ", or write a new file with `hemoscope config --print`";
        Self::parse(&read_text(path, hint)?, &path.display().to_string())
    }

    /// A settings file with every key at its default, its unit, range and explanation as
    /// comments.
    pub fn documented_toml() -> String {
        let defaults = toml::Table::try_from(Self::default()).unwrap_or_default();
        document::documented_toml(&defaults)
    }

    fn check_brightness(&self, name: &str) -> Result<(), ConfigError> {
        let QualityConfig {
            dark_below,
            bright_above,
            ..
        } = self.quality;
        if dark_below < bright_above {
            return Ok(());
        }
        Err(ConfigError::NoBrightnessLeft {
            name: name.to_owned(),
            dark_below,
            bright_above,
        })
    }
}

/// Reads a text file of at most [`MAX_FILE_BYTES`]; `hint` follows where it cannot be read.
pub(crate) fn read_text(path: &Path, hint: &'static str) -> Result<String, ConfigError> {
    let name = path.display().to_string();
    let bytes = match files::read(path, MAX_FILE_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(ReadError::TooLarge { .. }) => return Err(ConfigError::TooLarge { name }),
        Err(error) => {
            let cause = error.into();
            return Err(ConfigError::Unreadable { name, cause, hint });
        }
    };
    String::from_utf8(bytes).map_err(|error| ConfigError::NotUtf8 {
        line: check::line_of(error.as_bytes(), error.utf8_error().valid_up_to()),
        name,
    })
}

#[cfg(test)]
mod tests;

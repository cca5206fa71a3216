//! The device's settings: one TOML file, every key with a default, a range and an explanation.
//!
//! ```text
//! text -> check (keys, types, ranges: keys.rs) -> Config
//! ```
//!
//! Unknown keys, wrong types and values out of range are refused with the line they stand on;
//! nothing is silently ignored or bent.

pub(crate) mod check;
mod declare;
mod document;
mod error;
mod keys;
pub(crate) mod schema;
mod threads;

pub use error::{ConfigError, MAX_FILE_BYTES};
pub use keys::{
    CameraConfig, Config, CountConfig, DisplayConfig, ModelConfig, PanelConfig, PreprocessConfig,
    QualityConfig, RunConfig, SampleConfig, ScaleConfig, SiteConfig, TargetsConfig,
};

use crate::assessment::AssessmentLimits;
use crate::cell::{CellClass, PerClass};
use crate::count::{CountRules, SmearLimits};
use crate::device::files::{self, ReadError};
use std::path::Path;

impl CountConfig {
    /// The limits for [`assess`](crate::assessment::assess).
    pub fn assessment_limits(&self) -> AssessmentLimits {
        // The configuration has checked that these are shares and ratios.
        let per_1000 = |ratio: f64| libm::round(1000.0 * ratio) as u32;
        AssessmentLimits {
            wbc_withhold_per_1000: per_1000(self.wbc_per_rbc_limit),
            plt_withhold_per_1000: per_1000(self.plt_per_rbc_limit),
            uncertain_withhold_percent: libm::round(100.0 * self.uncertain_share_limit) as u32,
            ..AssessmentLimits::default()
        }
    }
}

impl Config {
    /// The rules for [`SmearTally::summary`](crate::count::SmearTally::summary), for a network
    /// whose own scatter is not known.
    pub fn count_rules(&self) -> CountRules {
        let TargetsConfig { plt, wbc, rbc, .. } = self.targets;
        CountRules {
            confidence: self.count.confidence,
            minimum_cells: self.count.minimum_cells,
            minimum_reference_cells: self.count.minimum_reference_cells,
            count_scatter: PerClass::default(),
            targets: PerClass::from([
                (CellClass::Rbc, rbc),
                (CellClass::Wbc, wbc),
                (CellClass::Plt, plt),
            ]),
        }
    }

    /// When the operator is told to finish a smear.
    pub fn smear_limits(&self) -> SmearLimits {
        SmearLimits {
            fields: self.targets.max_fields,
            minutes: self.targets.max_minutes,
        }
    }

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

//! A board: which one it is, and what is wired to it, as `board/<name>/board.toml` tells.
//!
//! ```text
//! text -> keys, types, ranges (the settings' checks) -> what belongs together -> BoardDescription
//! ```

mod keys;
#[cfg(test)]
mod tests;

use crate::camera::ControlSettings;
use crate::config::ConfigError;
use crate::config::check;
use crate::device::files;
use crate::input::InputSettings;
use crate::panel::PanelSettings;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where Linux says which board it runs on.
pub const COMPATIBLE_FILE: &str = "/proc/device-tree/compatible";
/// The most bytes read from there.
const MAX_COMPATIBLE_BYTES: u64 = 4096;

/// Why a board description was refused.
#[derive(Debug, Error)]
pub enum BoardError {
    /// A mistake in the file.
    #[error(transparent)]
    Mistake(#[from] ConfigError),
    /// Keys that are right one by one and wrong together.
    #[error("{name}: {what}; {advice}")]
    Contradiction {
        /// The file, as messages name it.
        name: String,
        /// What is wrong, beginning with the key.
        what: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// A description of another board.
    #[error(
        "{name} describes {title} ({}), but this board is {}; take the file of this board",
        .wanted.join(", "), .found.join(", ")
    )]
    OtherBoard {
        /// The file, as messages name it.
        name: String,
        /// The board that the file describes, as its maker calls it.
        title: String,
        /// Device-tree names that the file accepts.
        wanted: Vec<String>,
        /// What this board calls itself, the most exact name first.
        found: Vec<String>,
    },
    /// A machine that does not say what it is, as most that are no boards.
    #[error(
        "{name} describes {title} ({}), but this machine does not say which board it is \
         ({COMPATIBLE_FILE} cannot be read: {cause}); run it on that board, or leave --board out",
        .wanted.join(", ")
    )]
    NoDeviceTree {
        /// The file, as messages name it.
        name: String,
        /// The board that the file describes, as its maker calls it.
        title: String,
        /// Device-tree names that the file accepts.
        wanted: Vec<String>,
        /// Why the device tree could not be read.
        cause: io::Error,
    },
}

/// What `board.toml` tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardDescription {
    /// Format of the file; always 1.
    pub format: u32,
    /// Name of the folder it lies in: small letters, digits, hyphens.
    pub name: String,
    /// The board as its maker calls it.
    pub title: String,
    /// One of these stands in the device tree; none for a description that fits every machine.
    pub compatible: Vec<String>,
    /// The camera and how it is set.
    pub camera: CameraDescription,
    /// The display that is wired to the board.
    pub panel: PanelSettings,
    /// Buttons and touch screen; any keyboard where the file is silent.
    #[serde(default)]
    pub input: InputSettings,
    /// Where the model and the records are on the board.
    pub paths: Paths,
    /// Memory and threads for the program; the defaults where the file is silent.
    #[serde(default)]
    pub limits: Limits,
}

/// `[camera]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CameraDescription {
    /// As for [`crate::camera::open`].
    pub source: String,
    /// Exposure, gain and the like, as keys of the same table.
    #[serde(flatten)]
    pub controls: ControlSettings,
}

/// `[paths]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// Folder of the model.
    pub model: PathBuf,
    /// Folder that records are kept in.
    pub data: PathBuf,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory that the program may take, in megabytes.
    pub memory_mb: u32,
    /// Threads of the network: 1 or 2.
    pub network_threads: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 200,
            network_threads: 2,
        }
    }
}

impl BoardDescription {
    /// Reads a description from TOML; `name` stands for the file in messages.
    ///
    /// # Errors
    /// A mistake, with its line and what is allowed; or keys that contradict each other.
    pub fn parse(text: &str, name: &str) -> Result<Self, BoardError> {
        check::check(text, name, keys::SCHEMA)?;
        let board: Self =
            toml::from_str(text).map_err(|error| check::syntax_error(&error, text, name))?;
        board.check_together(name)?;
        Ok(board)
    }

    /// Reads a description from a file of at most [`crate::config::MAX_FILE_BYTES`].
    ///
    /// # Errors
    /// As [`BoardDescription::parse`], or when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, BoardError> {
        let hint = "; boards are described in board/<name>/board.toml";
        let text = crate::config::read_text(path, hint)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the description of this very board.
    ///
    /// # Errors
    /// As [`BoardDescription::load`], or when it describes another board.
    pub fn load_for_this_board(path: &Path) -> Result<Self, BoardError> {
        let board = Self::load(path)?;
        board.check_compatible(&path.display().to_string(), this_board())?;
        Ok(board)
    }

    /// Checks what belongs together.
    fn check_together(&self, name: &str) -> Result<(), BoardError> {
        let refuse = |what: String, advice: &'static str| {
            Err(BoardError::Contradiction {
                name: name.to_owned(),
                what,
                advice,
            })
        };
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !self.name.bytes().all(is_name) {
            return refuse(
                format!("`name` cannot be {:?}", self.name),
                "give small letters, digits and hyphens",
            );
        }
        if let Some((what, advice)) = self.panel.contradiction() {
            return refuse(what, advice);
        }
        for (key, path) in self.absolute_paths() {
            if !path.is_absolute() {
                return refuse(
                    format!("`{key}` cannot be {:?}", path.display().to_string()),
                    "give a path that begins with /",
                );
            }
        }
        Ok(())
    }

    fn absolute_paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let spi = self.panel.spi.iter();
        let of_spi = spi.flat_map(|spi| [("device", &spi.device), ("gpio_chip", &spi.gpio_chip)]);
        [("model", &self.paths.model), ("data", &self.paths.data)]
            .into_iter()
            .chain(of_spi)
            .map(|(key, path)| (key, path.as_path()))
    }

    /// Whether the description fits a board that calls itself `found`; `name` stands for the
    /// file in messages.
    ///
    /// # Errors
    /// It describes another board, or the machine does not say which it is.
    pub fn check_compatible(
        &self,
        name: &str,
        found: io::Result<Vec<String>>,
    ) -> Result<(), BoardError> {
        if self.compatible.is_empty() {
            return Ok(());
        }
        let found = found.map_err(|cause| BoardError::NoDeviceTree {
            name: name.to_owned(),
            title: self.title.clone(),
            wanted: self.compatible.clone(),
            cause,
        })?;
        if self.compatible.iter().any(|wanted| found.contains(wanted)) {
            return Ok(());
        }
        Err(BoardError::OtherBoard {
            name: name.to_owned(),
            title: self.title.clone(),
            wanted: self.compatible.clone(),
            found,
        })
    }
}

/// What this board calls itself, the most exact name first.
///
/// # Errors
/// The machine has no device tree.
pub fn this_board() -> io::Result<Vec<String>> {
    let bytes = files::read(Path::new(COMPATIBLE_FILE), MAX_COMPATIBLE_BYTES)?;
    Ok(parse_compatible(&bytes))
}

/// Texts that end with a zero byte each (Devicetree Specification 0.4, 2.2.4).
fn parse_compatible(bytes: &[u8]) -> Vec<String> {
    let texts = bytes
        .split(|&byte| byte == 0)
        .filter(|text| !text.is_empty());
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

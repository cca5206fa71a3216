//! Which system runs: the version file of the image.

use crate::device::files;
use crate::update::bundle::version::{NotAVersion, Version};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where an image says what it is.
pub const SYSTEM_VERSION_FILE: &str = "/usr/share/hemoscope/version";
/// The most bytes of that file.
const MAX_BYTES: u64 = 4096;

/// Why it is not known which system runs.
#[derive(Debug, Error)]
pub enum SystemVersionError {
    /// The image's file cannot be read.
    #[error("{} cannot be read: {cause}; it is part of a board's image, so run this on a board", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// The text lacks a key or has a wrong value.
    #[error("{name} does not say which system this is: {reason}; write the image again")]
    Content {
        /// The file, as it is shown to the user.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemVersion {
    /// The version of the whole system.
    pub version: Version,
    /// A folder of `board/`.
    pub board: String,
    /// Of the model in it; empty where it is not given.
    pub model_sha256: String,
}

#[derive(Deserialize)]
struct VersionFile {
    version: String,
    board: String,
    #[serde(default)]
    model_sha256: String,
}

impl SystemVersion {
    /// Reads the file of an image.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn load(path: &Path) -> Result<Self, SystemVersionError> {
        let text = files::read_text(path, MAX_BYTES).map_err(|error| SystemVersionError::Read {
            path: path.to_owned(),
            cause: error.into(),
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Takes the content of such a file, which the message calls `name`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, name: &str) -> Result<Self, SystemVersionError> {
        let refuse = |reason: String| SystemVersionError::Content {
            name: name.to_owned(),
            reason,
        };
        let file: VersionFile = toml::from_str(text).map_err(|e| refuse(e.message().to_owned()))?;
        let version = file.version.parse();
        Ok(Self {
            version: version.map_err(|error: NotAVersion| refuse(error.to_string()))?,
            board: file.board,
            model_sha256: file.model_sha256,
        })
    }

    /// What a bundle for this device calls it.
    pub fn compatible(&self) -> String {
        format!("hemoscope-{}", self.board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_what_it_is() {
        let text = "version = \"1.2.0\"\nboard = \"raspberry-pi-4\"\nmodel_sha256 = \"ab\"\nbuilt_at = 2026-11-27T00:00:00Z\n";
        let system = SystemVersion::parse(text, "version").unwrap();
        assert_eq!(system.version.to_string(), "1.2.0");
        assert_eq!(system.compatible(), "hemoscope-raspberry-pi-4");
        for wrong in ["", "version = 1", "version = \"x\"\nboard = \"b\"", "= ="] {
            let error = SystemVersion::parse(wrong, "version").unwrap_err();
            assert!(
                error.to_string().contains("write the image again"),
                "{error}"
            );
        }
        let error = SystemVersion::load(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("run this on a board"), "{error}");
    }
}

//! The kinds of panels, as they are named on the command line, in the configuration and in a
//! board's description.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// What a [`PanelSpec`] is read from, for help texts.
pub const PANEL_SPECS: &str = "terminal, png:FILE, drm, drm:CARD, spi";

/// A kind of panel, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PanelSpec {
    /// The terminal that the program runs in.
    Terminal,
    /// A file that holds the last screen.
    Png(PathBuf),
    /// A display that the kernel drives; `None` for the first card with one.
    Drm {
        /// The DRM device, such as `/dev/dri/card0`.
        card: Option<PathBuf>,
    },
    /// The board's own panel on a SPI bus, wired as its description says.
    Spi,
}

/// Why a text names no panel.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PanelSpecError {
    /// The panel's name is unknown.
    #[error("there is no panel {given:?}; choose one of: {PANEL_SPECS}")]
    Unknown {
        /// The unknown name.
        given: String,
    },
    /// `png:` stands alone.
    #[error("the panel png: needs a file to write, for example png:screen.png")]
    NoFile,
}

impl PanelSpec {
    /// What to do where the panel's hardware is missing.
    pub fn remedy(&self) -> &'static str {
        match self {
            PanelSpec::Spi => {
                "switch the SPI bus on in the board's device tree, or correct [panel.spi]"
            }
            PanelSpec::Drm { .. } | PanelSpec::Terminal | PanelSpec::Png(_) => {
                "connect the screen before power comes on, and check the display driver of the \
                 kernel"
            }
        }
    }
}

impl FromStr for PanelSpec {
    type Err = PanelSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, place) = match text.split_once(':') {
            Some((kind, place)) => (kind, Some(place)),
            None => (text, None),
        };
        match (kind, place) {
            ("terminal", None) => Ok(PanelSpec::Terminal),
            ("png", None | Some("")) => Err(PanelSpecError::NoFile),
            ("png", Some(path)) => Ok(PanelSpec::Png(path.into())),
            ("drm", place) if place != Some("") => Ok(PanelSpec::Drm {
                card: place.map(PathBuf::from),
            }),
            ("spi", None) => Ok(PanelSpec::Spi),
            _ => Err(PanelSpecError::Unknown {
                given: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for PanelSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PanelSpec::Terminal => formatter.write_str("terminal"),
            PanelSpec::Png(path) => write!(formatter, "png:{}", path.display()),
            PanelSpec::Drm { card: None } => formatter.write_str("drm"),
            PanelSpec::Drm { card: Some(card) } => write!(formatter, "drm:{}", card.display()),
            PanelSpec::Spi => formatter.write_str("spi"),
        }
    }
}

impl TryFrom<String> for PanelSpec {
    type Error = PanelSpecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PanelSpec> for String {
    fn from(spec: PanelSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_named_and_others_are_refused_with_what_there_is() {
        for text in ["terminal", "png:C:/screen.png", "drm", "drm:/dev/x", "spi"] {
            let spec: PanelSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        let cases = [
            ("png", "png:screen.png"),
            ("png:", "png:screen.png"),
            ("", "terminal, png:FILE"),
            ("drm:", "terminal, png:FILE"),
            ("terminal:", "terminal, png:FILE"),
            ("spi:0", "terminal, png:FILE"),
        ];
        for (text, hint) in cases {
            let error = text.parse::<PanelSpec>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text:?}: {error}");
        }
    }
}

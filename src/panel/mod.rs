//! Where the screen is shown: a trait, and one file for each kind of panel.

mod changed_rows;
mod memory;
mod png;
mod terminal;

pub use changed_rows::ChangedRows;
pub use memory::MemoryPanel;
pub use png::{PngPanel, write_frame};
pub use terminal::TerminalPanel;

use crate::ui::canvas::Canvas;
use crate::ui::layout::ScreenSize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What [`panel_from_spec`] understands, for help texts.
pub const PANEL_SPECS: &str = "terminal, png:FILE";

/// Why a panel cannot show a picture.
#[derive(Debug, Error)]
pub enum PanelError {
    /// The panel's name is unknown.
    #[error("there is no panel {given:?}; choose one of: {PANEL_SPECS}")]
    UnknownPanel { given: String },
    /// `png:` stands alone.
    #[error("the panel png: needs a file to write, for example png:screen.png")]
    NoFile,
    /// Standard output goes into a file or a pipe.
    #[error(
        "the terminal panel cannot draw, since standard output is no terminal; \
         run it in a terminal, or write the screen to a file with png:FILE"
    )]
    NotATerminal,
    /// The terminal refused the picture.
    #[error(
        "the terminal did not take the picture ({reason}); \
         write the screen to a file with png:FILE instead"
    )]
    Terminal { reason: String },
    /// The picture's file cannot be written.
    #[error(
        "the screen cannot be written to {path} ({reason}); \
         check that the folder exists, that it can be written to, and that the disk has room"
    )]
    File { path: PathBuf, reason: String },
}

/// A place that shows pictures of one size.
pub trait Panel: Send {
    /// Width and height in pixels of the pictures that the panel wants.
    fn size(&self) -> (u32, u32);

    /// Whether the picture may be too coarse to read, so that a caption is wanted.
    fn wants_caption(&self) -> bool {
        false
    }

    /// Text that says the same as the next picture, to be shown below it; given where
    /// [`Panel::wants_caption`].
    fn caption(&mut self, _lines: &[String]) {}

    /// Shows a picture of which these rows differ from the one shown before, in runs from the
    /// top; no run when nothing differs. The first picture differs in every row.
    ///
    /// # Errors
    /// A panel that cannot show the picture.
    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError>;
}

/// Opens a panel by its name: `terminal`, or `png:FILE`.
pub fn panel_from_spec(spec: &str, size: ScreenSize) -> Result<Box<dyn Panel>, PanelError> {
    match spec.split_once(':') {
        None if spec == "terminal" => Ok(Box::new(TerminalPanel::open(size)?)),
        None if spec == "png" => Err(PanelError::NoFile),
        Some(("png", "")) => Err(PanelError::NoFile),
        Some(("png", path)) => Ok(Box::new(PngPanel::new(Path::new(path), size))),
        _ => Err(PanelError::UnknownPanel {
            given: spec.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_found_by_name_and_others_listed() {
        let panel = panel_from_spec("png:C:/screen.png", ScreenSize::Medium).unwrap();
        assert_eq!(panel.size(), (480, 320));

        let cases = [
            ("png", "png:screen.png"),
            ("png:", "png:screen.png"),
            ("", "terminal, png:FILE"),
            ("drm", "terminal, png:FILE"),
            ("terminal:", "terminal, png:FILE"),
        ];
        let mut faults = Vec::new();
        for (spec, hint) in cases {
            match panel_from_spec(spec, ScreenSize::Small) {
                Err(error) if error.to_string().contains(hint) => {}
                Err(error) => faults.push(format!("{spec:?}: {error}")),
                Ok(_) => faults.push(format!("{spec:?} is taken")),
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }
}

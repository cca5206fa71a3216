//! What every panel does, and why it may fail.

use super::rotation::UnknownRotation;
use crate::image::canvas::Canvas;
use crate::image::png::WriteError;
use std::ops::Range;
use thiserror::Error;

/// Why a panel cannot show an image.
#[derive(Debug, Error)]
pub enum PanelError {
    /// Standard output goes into a file or a pipe.
    #[error(
        "the terminal panel cannot draw, since standard output is no terminal; \
         run it in a terminal, or write the screen to a file with png:FILE"
    )]
    NotATerminal,
    /// The terminal refused the image.
    #[error(
        "the terminal did not take the image ({reason}); \
         write the screen to a file with png:FILE instead"
    )]
    Terminal {
        /// What the operating system reported.
        reason: String,
    },
    /// The image's file cannot be written.
    #[error(transparent)]
    File(#[from] WriteError),
    /// The panel is not there at the moment; presented to again, it is tried anew.
    #[error("panel {panel} {reason}; counting goes on, and the screen is shown when it is back")]
    Unavailable {
        /// The panel's name.
        panel: String,
        /// Why it is not there, as in "is dark: no device".
        reason: String,
    },
    /// The panel cannot be opened.
    #[error("panel {panel}: {reason}")]
    CannotOpen {
        /// The panel's name.
        panel: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// No board says how its panel is wired.
    #[error(
        "the panel spi needs its wiring, which is in the board's description as [panel.spi]; \
         name a board that has one"
    )]
    NoWiring,
    /// The panel's light cannot be set.
    #[error("the brightness of panel {panel} cannot be set: {reason}")]
    Brightness {
        /// The panel's name.
        panel: String,
        /// Why not, and where possible what to do about it.
        reason: String,
    },
    /// The panel's rotation is none.
    #[error(transparent)]
    Rotation(#[from] UnknownRotation),
}

/// A place that shows images of one size.
pub trait Panel: Send {
    /// Width and height in pixels of the images that the panel wants.
    fn size(&self) -> (u32, u32);

    /// What kind of hardware shows the image, as in [`PANEL_SPECS`](super::PANEL_SPECS); `None` where there is none.
    fn kind(&self) -> Option<&'static str> {
        None
    }

    /// The hardware that shows the image, for the log; `None` where there is none to name.
    fn device(&self) -> Option<String> {
        None
    }

    /// Levels that its light can be set to, in percent, the brightest first; none where it cannot
    /// be set.
    fn brightness_steps(&self) -> &'static [u8] {
        &[]
    }

    /// Sets its light, in percent from 0 to 100.
    ///
    /// # Errors
    /// A panel whose light cannot be set.
    fn set_brightness(&mut self, _percent: u8) -> Result<(), PanelError> {
        Err(PanelError::Brightness {
            panel: self
                .device()
                .unwrap_or_else(|| "without hardware".to_owned()),
            reason: "it has no light of its own".to_owned(),
        })
    }

    /// Whether the image may be too coarse to read, so that a caption is wanted.
    fn wants_caption(&self) -> bool {
        false
    }

    /// Text that says the same as the next image, to be shown below it; given where
    /// [`Panel::wants_caption`].
    fn caption(&mut self, _lines: &[String]) {}

    /// Shows an image of which these rows differ from the one shown before, in runs from the
    /// top; no run when nothing differs. The first image differs in every row.
    ///
    /// # Errors
    /// A panel that cannot show the image. After [`PanelError::Unavailable`] it goes on to be presented
    /// to, and shows whole images again as soon as it can.
    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError>;
}

//! What every source of frames does, what it gives, and why it may give nothing.

use super::unavailable::Unavailable;
use crate::cell::{BoundingBox, CellClass};
use crate::image::frame::Frame;
use thiserror::Error;

/// Why a source gave no frame.
#[derive(Debug, Error)]
pub enum CameraError {
    /// The source cannot be opened, or broke for good.
    #[error("camera {camera}: {reason}")]
    CannotOpen {
        /// The camera's path, or the source's name.
        camera: String,
        /// What went wrong, and what to do about it.
        reason: String,
    },
    /// The camera is not there at the moment; asked again, the source tries to open it anew.
    #[error("camera {camera} {unavailable}; counting goes on when it is back")]
    Unavailable {
        /// The camera's path, or the source's name.
        camera: String,
        /// What is in the way.
        unavailable: Unavailable,
    },
    /// This frame is lost, the next may be good.
    #[error("frame {sequence} of camera {camera} was dropped: {reason}")]
    BadFrame {
        /// The camera's path, or the source's name.
        camera: String,
        /// The lost frame's place in the stream.
        sequence: u64,
        /// What is wrong with the frame.
        reason: String,
    },
}

/// What is truly in a simulated field; photographs have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldTruth {
    /// Every cell that shows in the frame, its box clipped to the frame.
    pub cells: Vec<(CellClass, BoundingBox)>,
}

/// A frame with its place in the stream. By default an empty one, for a source to fill.
#[derive(Debug, Clone, Default)]
pub struct CapturedFrame {
    /// The pixels.
    pub frame: Frame,
    /// Counts every frame the source made, the dropped ones too.
    pub sequence: u64,
    /// The file it came from, if it came from one.
    pub name: Option<String>,
    /// Which field of the smear it shows, where the source knows; frames of one field show the
    /// same cells.
    pub field: Option<u64>,
    /// The cells that are truly there, for a simulated field.
    pub truth: Option<FieldTruth>,
}

/// What the screen asks of whoever moves the slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advice {
    /// To hold still.
    #[default]
    Stay,
    /// To move to another field.
    MoveOn,
    /// To turn the focus.
    TurnFocus,
    /// To move towards the tail, where cells lie less closely.
    Thinner,
    /// To move towards the thick end.
    Denser,
}

/// A source of frames: V4L2, replayed files or the simulated slide.
pub trait FrameSource: Send {
    /// A name for messages and the screen, such as `simulated:7`.
    fn name(&self) -> String;

    /// Pixel size that the source itself knows (a simulated slide does), in micrometres.
    fn um_per_px(&self) -> Option<f64> {
        None
    }

    /// Whether the source knows which field of the smear a frame shows, and says so in
    /// [`CapturedFrame::field`]; a camera does not.
    fn knows_fields(&self) -> bool {
        false
    }

    /// The format of its frames, such as `MJPG`, where it is a camera.
    fn format(&self) -> Option<String> {
        None
    }

    /// Each control that the camera has, as it stands.
    fn controls(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What the operator should know about how the camera is set and what it sends; each once.
    fn drain_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What the screen asks now of whoever moves the slide. A simulated hand obeys; other sources
    /// have nobody to tell.
    fn advise(&mut self, _advice: Advice) {}

    /// Waits for the next frame and puts it in place of what `captured` held, whose memory is
    /// used again; `Ok(false)` when the source has no more.
    ///
    /// # Errors
    /// A lost frame, or a source that broke; `captured` is then of no use.
    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError>;

    /// As [`FrameSource::next_frame_into`], in memory of its own; `None` when there are no more.
    ///
    /// # Errors
    /// As [`FrameSource::next_frame_into`].
    fn next_frame(&mut self) -> Result<Option<CapturedFrame>, CameraError> {
        let mut captured = CapturedFrame::default();
        let is_there = self.next_frame_into(&mut captured)?;
        Ok(is_there.then_some(captured))
    }
}

//! Where frames come from: a trait, and one file for each kind of source.

mod controls;
pub mod replay;
pub mod simulated;
pub mod stage_watch;
mod unavailable;
#[cfg(target_os = "linux")]
pub mod v4l2;

pub use controls::ControlSettings;
pub use unavailable::Unavailable;

use crate::cell::{BoundingBox, CellClass};
use crate::image::frame::Frame;
use std::path::PathBuf;
use std::time::Duration;
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

    /// What the operator should know about how the camera is set; each once.
    fn drain_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

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

/// The simulated camera gives 25 frames a second, as a small real one does.
const SIMULATED_INTERVAL: Duration = Duration::from_millis(40);

/// What to do about a V4L2 camera that cannot be opened at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenPolicy {
    /// Say so and give up, as a command on the desk does.
    Require,
    /// Wait for it and say so on the screen, as a device does.
    Wait,
}

/// Opens the source that a specification names: `v4l2` for the only camera there is, `v4l2:PATH` for
/// one of several, `replay:PATH`, `simulated`, `simulated:SEED` or `simulated:SEED:unnumbered`.
/// `controls` are for V4L2 cameras; other sources have none.
///
/// # Errors
/// [`CameraError::CannotOpen`] with the reason, or with what can be named.
pub fn open(
    spec: &str,
    controls: &ControlSettings,
    open_policy: OpenPolicy,
) -> Result<Box<dyn FrameSource>, CameraError> {
    if let Some(path) = spec.strip_prefix("replay:") {
        let paths = [PathBuf::from(path)];
        return Ok(Box::new(replay::ReplayCamera::open(&paths, false)?));
    }
    if spec.starts_with("simulated") {
        let camera = simulated::SimulatedCamera::from_spec(spec)?;
        return Ok(Box::new(camera.with_frame_interval(SIMULATED_INTERVAL)));
    }
    #[cfg(target_os = "linux")]
    if let Some(selector) = v4l2::CameraSelector::from_spec(spec) {
        let preferences = v4l2::StreamPreferences {
            controls: *controls,
            ..v4l2::StreamPreferences::default()
        };
        let mut camera = v4l2::V4l2Camera::new(v4l2::Kernel, selector, preferences);
        if open_policy == OpenPolicy::Require {
            camera.open()?;
        }
        return Ok(Box::new(camera));
    }
    Err(CameraError::CannotOpen {
        camera: spec.to_owned(),
        reason: "no such source; name v4l2, v4l2:PATH, replay:PATH, simulated or simulated:SEED"
            .to_owned(),
    })
}

//! What is asked of the kernel, so that a simulation can answer as well.

use super::controls::{Control, ControlRange};
use super::select_format::{Choice, FourCc, OfferedFormat};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A camera, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraNode {
    /// The stable path where there is one, else the device's.
    pub path: PathBuf,
    /// The product's name, as the driver gives it.
    pub card: String,
    /// The kernel driver's name.
    pub driver: String,
    /// The pixel formats that it offers, each with its sizes.
    pub formats: Vec<OfferedFormat>,
    /// The controls that it has, of those that matter to a measurement.
    pub controls: Vec<ControlRange>,
}

/// What a stream really gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFormat {
    /// The pixel format.
    pub name: FourCc,
    /// Width of a frame, in pixels.
    pub width_px: u32,
    /// Height of a frame, in pixels.
    pub height_px: u32,
    /// Bytes from one row to the next, where rows have a fixed length.
    pub row_bytes: usize,
}

/// What waiting for a frame came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dequeued {
    /// A frame, by the driver's own number.
    Frame {
        /// The driver's number of the frame; a gap means lost frames.
        sequence: u32,
    },
    /// No frame came within the limit.
    TimedOut,
}

/// A camera that streams.
pub trait CaptureDevice: Send {
    /// The format that the driver agreed to, which may differ from the request.
    fn format(&self) -> StreamFormat;

    /// A control as it stands; `None` where the camera has none that can be read.
    ///
    /// # Errors
    /// The camera has gone.
    fn control(&mut self, control: Control) -> io::Result<Option<ControlRange>>;

    /// Sets a control.
    ///
    /// # Errors
    /// The camera has gone, or refuses.
    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()>;

    /// Waits for a frame, shows its bytes, and whether the driver calls it damaged, to `take`,
    /// and gives its buffer back at once.
    ///
    /// # Errors
    /// The camera has gone or broke; `ENODEV` where it was unplugged.
    fn dequeue(
        &mut self,
        limit: Duration,
        take: &mut dyn FnMut(&[u8], bool),
    ) -> io::Result<Dequeued>;
}

/// Where cameras are found and opened: the kernel, or a simulation of it.
pub trait Driver: Send {
    /// The cameras that are connected now.
    fn nodes(&self) -> Vec<CameraNode>;

    /// What one device says of itself; `None` if it is no camera.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    fn node(&self, path: &Path) -> io::Result<Option<CameraNode>>;

    /// Opens a camera and starts its stream.
    ///
    /// # Errors
    /// It is not there, is in use, or refuses.
    fn start(&self, path: &Path, choice: &Choice) -> io::Result<Box<dyn CaptureDevice>>;
}

//! Images to PNG files.

use super::frame::Frame;
use crate::device::files;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A file was not written.
#[derive(Debug, Error)]
#[error(
    "the image cannot be written to {path} ({reason}); check that the folder exists, that it can be \
     written to, and that the disk has room",
    path = path.display()
)]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}

/// Writes a frame as a PNG file, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_frame(path: &Path, frame: &Frame) -> Result<(), WriteError> {
    write_rgb(path, frame.rgb(), (frame.width_px(), frame.height_px()))
}

/// Writes rows of red, green and blue bytes as a PNG file of this width and height, whole or not at
/// all: the image is written beside the file and then takes its name.
///
/// # Errors
/// The file cannot be written.
pub fn write_rgb(path: &Path, rgb: &[u8], size_px: (u32, u32)) -> Result<(), WriteError> {
    replace_file(path, rgb, size_px).map_err(|reason| WriteError {
        path: path.to_owned(),
        reason,
    })
}

fn replace_file(path: &Path, rgb: &[u8], size_px: (u32, u32)) -> io::Result<()> {
    files::replace(path, &encoded(rgb, size_px)?)
}

fn encoded(rgb: &[u8], size_px: (u32, u32)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(rgb, size_px.0, size_px.1, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(bytes)
}

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

/// The keyword of the remark in an overlay's file, and the remark.
const OVERLAY_REMARK: (&str, &str) = ("hemoscope", "overlay");

/// As [`write_frame`], with a remark by which [`is_overlay`] tells it from a camera's frame.
///
/// # Errors
/// The file cannot be written.
pub fn write_overlay(path: &Path, frame: &Frame) -> Result<(), WriteError> {
    let size_px = (frame.width_px(), frame.height_px());
    let (keyword, text) = OVERLAY_REMARK;
    encoded(frame.rgb(), size_px)
        .and_then(|bytes| files::replace(path, &insert_remark(&bytes, keyword, text)))
        .map_err(|reason| WriteError {
            path: path.to_owned(),
            reason,
        })
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

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Length of a PNG's signature with the header chunk, which comes first (ISO/IEC 15948, 5.2).
const HEADER_END: usize = SIGNATURE.len() + CHUNK_FRAME + 13;
/// Length, type and check of a chunk, without its data.
const CHUNK_FRAME: usize = 12;
const REMARK_TYPE: &[u8; 4] = b"tEXt";

/// The PNG with one textual chunk behind its header (ISO/IEC 15948, 11.3.4.3).
fn insert_remark(png: &[u8], keyword: &str, text: &str) -> Vec<u8> {
    let body = [keyword.as_bytes(), &[0], text.as_bytes()].concat();
    let typed = [REMARK_TYPE.as_slice(), &body].concat();
    let (header, rest) = png.split_at(HEADER_END.min(png.len()));
    [
        header,
        &(body.len() as u32).to_be_bytes(),
        &typed,
        &crc32fast::hash(&typed).to_be_bytes(),
        rest,
    ]
    .concat()
}

/// Whether a file's bytes are those of an overlay that this program has drawn.
pub fn is_overlay(bytes: &[u8]) -> bool {
    remark(bytes, OVERLAY_REMARK.0).is_some()
}

/// The text under `keyword` in a PNG file's bytes, where it stands before the pixels; `None` in any
/// other bytes.
fn remark<'a>(png: &'a [u8], keyword: &str) -> Option<&'a str> {
    png.starts_with(SIGNATURE).then_some(())?;
    let mut at = SIGNATURE.len();
    loop {
        let length = u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?) as usize;
        let kind = png.get(at + 4..at + 8)?;
        let data = png.get(at + 8..(at + 8).checked_add(length)?)?;
        if kind == b"IDAT" || kind == b"IEND" {
            return None;
        }
        if kind == REMARK_TYPE
            && let Some(rest) = data.strip_prefix(keyword.as_bytes())
            && let Some(text) = rest.strip_prefix(&[0])
        {
            return std::str::from_utf8(text).ok();
        }
        at += length + CHUNK_FRAME;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode_image;
    use proptest::prelude::*;

    #[test]
    fn a_remark_is_found_again_and_the_pixels_stay() {
        let rgb: Vec<u8> = (0..24 * 16 * 3).map(|value| value as u8).collect();
        let plain = encoded(&rgb, (24, 16)).unwrap();
        let marked = insert_remark(&plain, "hemoscope", "overlay");
        assert_eq!(remark(&marked, "hemoscope"), Some("overlay"));
        assert_eq!(remark(&marked, "hemo"), None);
        assert_eq!(remark(&plain, "hemoscope"), None);
        assert_eq!(decode_image(&marked, "marked").unwrap().rgb(), rgb);
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_without_a_panic(start in 0usize..40, mut bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let png = insert_remark(&encoded(&[0; 3], (1, 1)).unwrap(), "hemoscope", "overlay");
            let mut whole = png[..start.min(png.len())].to_vec();
            whole.append(&mut bytes);
            let _ = remark(&whole, "hemoscope");
        }
    }
}

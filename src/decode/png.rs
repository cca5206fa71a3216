//! PNG: the chunks are walked first, to know the size and that the file is complete; then the
//! decoder runs with limits, and its pixels become 8-bit RGB.

use super::error::Fault;
use crate::image::frame::{Frame, MAX_PIXELS, MAX_SIDE_PX};
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, Limits};
use std::io::Cursor;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// The widest pixel: four channels of 16 bits.
const MAX_PIXEL_BYTES: u64 = 8;
/// What the decoder may need beside the pixels: rows, window and tables.
const DECODER_OVERHEAD_BYTES: u64 = 16 << 20;

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<Frame, Fault> {
    let (width_px, height_px) = walk_chunks(bytes)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    limits.max_alloc = Some(MAX_PIXELS * MAX_PIXEL_BYTES + DECODER_OVERHEAD_BYTES);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(describe)?;
    if !decoder.color_type().has_color() {
        return Err(Fault::Grey);
    }
    let image = DynamicImage::from_decoder(decoder).map_err(describe)?;
    if image.color().has_alpha() && !is_opaque(&image) {
        return Err(Fault::Transparent);
    }
    Ok(Frame::new(width_px, height_px, to_rgb8(image))?)
}

/// Width and height that the file's header gives, once its chunks have been walked.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Fault> {
    walk_chunks(bytes)
}

/// Walks every chunk up to the end mark; returns width and height, checked.
fn walk_chunks(bytes: &[u8]) -> Result<(u32, u32), Fault> {
    const CHUNK_FRAME_BYTES: usize = 12;
    let mut size = None;
    let mut rest = &bytes[SIGNATURE.len()..];
    loop {
        let head = rest.get(..8).ok_or(Fault::Truncated)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let chunk_bytes = length.saturating_add(CHUNK_FRAME_BYTES);
        let chunk = rest.get(..chunk_bytes).ok_or(Fault::Truncated)?;
        match (&head[4..], size) {
            (b"IHDR", None) => size = Some(header_size(&chunk[8..])?),
            (_, None) => return Err(Fault::damaged("it does not start with its header")),
            (b"acTL", _) => return Err(Fault::Animated),
            (b"IEND", Some(size)) => return Ok(size),
            _ => {}
        }
        rest = &rest[chunk_bytes..];
    }
}

fn header_size(content: &[u8]) -> Result<(u32, u32), Fault> {
    let sides = content.get(..8).ok_or(Fault::Truncated)?;
    let width_px = u32::from_be_bytes([sides[0], sides[1], sides[2], sides[3]]);
    let height_px = u32::from_be_bytes([sides[4], sides[5], sides[6], sides[7]]);
    Frame::check_size(width_px, height_px)?;
    Ok((width_px, height_px))
}

fn describe(error: ImageError) -> Fault {
    match error {
        ImageError::Unsupported(error) => Fault::Coding(error.to_string()),
        other => Fault::damaged(other.to_string()),
    }
}

/// Whether every pixel hides what lies behind it.
fn is_opaque(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().all(|pixel| pixel[3] == u8::MAX),
        DynamicImage::ImageRgba16(pixels) => pixels.pixels().all(|pixel| pixel[3] == u16::MAX),
        _ => false,
    }
}

/// Drops the alpha channel and rounds 16 bits to 8.
fn to_rgb8(image: DynamicImage) -> Vec<u8> {
    match image {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageRgb16(pixels) => pixels.iter().copied().map(round_to_8_bits).collect(),
        DynamicImage::ImageRgba16(pixels) => pixels
            .pixels()
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(round_to_8_bits))
            .collect(),
        other => other.into_rgb8().into_raw(),
    }
}

/// 0..=65535 to 0..=255, nearest: 65535 / 255 is 257.
fn round_to_8_bits(value: u16) -> u8 {
    let rounded = (u32::from(value) + 128) / 257;
    u8::try_from(rounded).unwrap_or(u8::MAX)
}

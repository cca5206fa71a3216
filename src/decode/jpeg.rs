//! JPEG, strictly: a file must hold exactly the codes that its headers promise. What cameras put
//! between the codes and the next marker is passed over and told, since no pixel depends on it.
//!
//! Baseline and extended sequential images in one scan, which is what cameras send, are decoded
//! here, codes checked and pixels made in one pass, with buffers that are kept from one image to
//! the next (see `docs/decisions/jpeg.md`). Progressive images and rare samplings go to
//! zune-jpeg, after their markers, and in sequential images their codes, have been walked.

mod bits;
mod colour;
mod header;
mod huffman;
mod kernels;
mod marker;
mod oddities;
mod scan;
mod scan_decoder;
#[cfg(test)]
mod tests;

pub use oddities::Oddities;

use super::error::{DecodeError, Fault, MAX_FILE_BYTES};
use crate::image::frame::Frame;
use header::Header;
use scan::{FoundScan, Scan, ScanEnd, Tables};
use scan_decoder::ScanDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

/// The marker that every JPEG starts with, and the lead byte of the one that follows it.
pub(super) const START_OF_IMAGE: &[u8] = &[0xFF, 0xD8, 0xFF];

/// Decodes JPEG images one after another, a camera's for instance; keeps its tables and buffers,
/// so that images of one size cost no allocation.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    tables: Tables,
    scan_decoder: ScanDecoder,
    oddities: Oddities,
}

impl JpegDecoder {
    /// What was odd about the last image, where it was decoded.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Decodes a whole image into `frame`, which takes its size; `name` stands for the image in
    /// messages. After an error the frame holds no image that means anything.
    ///
    /// # Errors
    /// Anything that is not an undamaged colour JPEG within the limits of [`Frame::check_size`] and
    /// [`MAX_FILE_BYTES`].
    pub fn decode(
        &mut self,
        bytes: &[u8],
        name: &str,
        frame: &mut Frame,
    ) -> Result<(), DecodeError> {
        let name = || name.to_owned();
        if bytes.is_empty() {
            return Err(DecodeError::EmptyFile { name: name() });
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(DecodeError::FileTooLarge { name: name() });
        }
        if !bytes.starts_with(START_OF_IMAGE) {
            return Err(DecodeError::NotJpeg { name: name() });
        }
        self.decode_into(bytes, frame)
            .map_err(|fault| fault.named(name()))
    }

    fn decode_into(&mut self, bytes: &[u8], frame: &mut Frame) -> Result<(), Fault> {
        let Self {
            tables,
            scan_decoder,
            oddities,
        } = self;
        *oddities = Oddities::default();
        let mut is_decoded = false;
        let image = walk_markers(bytes, tables, |found| {
            if is_decoded {
                return Err(Fault::damaged("a second scan of the same channels"));
            }
            if ScanDecoder::fits(found) {
                is_decoded = true;
                scan_decoder.decode(found, frame)
            } else {
                check(found)
            }
        })?;
        *oddities = image.oddities;
        if is_decoded {
            Ok(())
        } else {
            decode_elsewhere(bytes, &image.header, frame)
        }
    }
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<(Frame, Oddities), Fault> {
    let mut frame = Frame::filled(1, 1, [0; 3])?;
    let mut decoder = JpegDecoder::default();
    decoder.decode_into(bytes, &mut frame)?;
    Ok((frame, decoder.oddities))
}

/// Width and height that the file's header gives, once its markers have been walked.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Fault> {
    let image = walk_markers(bytes, &mut Tables::default(), check)?;
    Ok((image.header.width_px, image.header.height_px))
}

/// Walks the data of a scan. What is odd is left to our own decoder, which is known to give the
/// pixels that were coded.
fn check(found: &FoundScan) -> Result<ScanEnd, Fault> {
    let end = found.check()?;
    if end.stray_bytes > 0 && !ScanDecoder::fits(found) {
        return Err(Fault::damaged("its codes end before its data do"));
    }
    Ok(end)
}

/// What is not decoded here.
fn decode_elsewhere(bytes: &[u8], header: &Header, frame: &mut Frame) -> Result<(), Fault> {
    let side = crate::image::frame::MAX_SIDE_PX as usize;
    // The library is built without its vector code (see Cargo.toml), so that the same file gives
    // the same bytes, and so the same count, on every processor.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgb = decoder
        .decode()
        .map_err(|error| Fault::damaged(error.to_string()))?;
    *frame = Frame::new(header.width_px, header.height_px, rgb)?;
    Ok(())
}

/// What the walk from marker to marker has found.
struct FoundImage {
    header: Header,
    oddities: Oddities,
}

/// Walks from marker to marker to the end of the image. `read` gets every scan and returns where
/// its data end.
///
/// Bytes after the end are allowed: cameras put previews and padding there. The end itself may be
/// missing where one scan holds the whole image.
// Longer than 70 lines: one arm for each marker.
fn walk_markers(
    bytes: &[u8],
    tables: &mut Tables,
    mut read: impl FnMut(&FoundScan) -> Result<ScanEnd, Fault>,
) -> Result<FoundImage, Fault> {
    tables.forget();
    let mut header: Option<Header> = None;
    let mut has_other_colours = false;
    let mut oddities = Oddities::default();
    let mut scans = 0_u32;
    let mut at = 2;
    loop {
        let (marker, after) = marker::next_marker(bytes, at)?;
        at = after;
        match marker {
            marker::END_OF_IMAGE if scans == 0 => return Err(Fault::damaged("it has no image")),
            marker::END_OF_IMAGE => break,
            marker::START_OF_IMAGE => {
                return Err(Fault::damaged("a second image starts inside the first"));
            }
            marker::TEMPORARY => continue,
            marker::STUFFING => return Err(Fault::damaged("data stand outside its scan")),
            marker::RESTART_FIRST..=marker::RESTART_LAST => {
                return Err(Fault::damaged("a restart marker stands outside the data"));
            }
            _ => {}
        }
        let segment = marker::segment_at(bytes, at)?;
        at += 2 + segment.len();
        if marker::is_start_of_frame(marker) {
            if header.is_some() {
                return Err(Fault::damaged("it has two frame headers"));
            }
            let found = Header::parse(marker, segment)?;
            found.check()?;
            header = Some(found);
        }
        match marker {
            marker::HUFFMAN_TABLE => tables.define_huffman(segment)?,
            marker::QUANTIZATION_TABLE => tables.define_quantization(segment)?,
            marker::RESTART_INTERVAL => tables.define_restarts(segment)?,
            marker::APPLICATION_ADOBE => has_other_colours |= names_other_colours(segment),
            marker::START_OF_SCAN => {
                let header = header.as_mut().ok_or_else(no_header)?;
                header.has_other_colours = has_other_colours;
                tables.complete()?;
                let found = FoundScan {
                    bytes,
                    header,
                    tables,
                    scan: Scan::parse(segment, &header.components)?,
                    at,
                };
                let end = read(&found)?;
                oddities.stray_bytes = oddities.stray_bytes.saturating_add(end.stray_bytes);
                at = end.at;
                scans += 1;
                if ScanDecoder::fits(&found) && marker::is_end_of_file(bytes, at) {
                    oddities.lacks_end = true;
                    break;
                }
            }
            _ => {}
        }
    }
    let header = header.ok_or_else(no_header)?;
    Ok(FoundImage { header, oddities })
}

/// Whether an application segment is Adobe's and its transform is not that of YCbCr (Adobe
/// Technical Note 5116, section 18). One that is too short to name a transform names none.
fn names_other_colours(segment: &[u8]) -> bool {
    const TRANSFORM_PLACE: usize = 11;
    const TRANSFORM_YCBCR: u8 = 1;
    let transform = segment.get(TRANSFORM_PLACE);
    segment.starts_with(b"Adobe") && transform.is_some_and(|&named| named != TRANSFORM_YCBCR)
}

fn no_header() -> Fault {
    Fault::damaged("it has no frame header")
}

//! JPEG, strictly: a file must go on to its end and hold exactly the codes that its headers
//! promise.
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
mod scan;
mod scan_decoder;

use super::error::{DecodeError, Fault, MAX_FILE_BYTES};
use crate::image::frame::Frame;
use header::Header;
use scan::{FoundScan, Scan, Tables};
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
}

impl JpegDecoder {
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
        } = self;
        let mut is_decoded = false;
        let header = walk_markers(bytes, tables, |found| {
            if is_decoded {
                return Err(Fault::damaged("a second scan of the same channels"));
            }
            if found.header.is_sequential() && scan_decoder.fits(found.header, &found.scan) {
                is_decoded = true;
                scan_decoder.decode(found, frame)
            } else {
                found.check()
            }
        })?;
        if is_decoded {
            Ok(())
        } else {
            decode_elsewhere(bytes, &header, frame)
        }
    }
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<Frame, Fault> {
    let mut frame = Frame::filled(1, 1, [0; 3])?;
    JpegDecoder::default().decode_into(bytes, &mut frame)?;
    Ok(frame)
}

/// Width and height that the file's header gives, once its markers have been walked.
#[allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method's name stands for one lifetime only"
)]
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Fault> {
    let header = walk_markers(bytes, &mut Tables::default(), |found| found.check())?;
    Ok((header.width_px, header.height_px))
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

/// Walks from marker to marker to the end of the image and returns the frame header. `read` gets
/// every scan and returns the place behind its data.
///
/// Bytes after the end are allowed: cameras put previews and padding there.
fn walk_markers(
    bytes: &[u8],
    tables: &mut Tables,
    mut read: impl FnMut(&FoundScan) -> Result<usize, Fault>,
) -> Result<Header, Fault> {
    tables.forget();
    let mut header: Option<Header> = None;
    let mut has_other_colours = false;
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
                at = read(&found)?;
                scans += 1;
            }
            _ => {}
        }
    }
    header.ok_or_else(no_header)
}

/// Whether an application segment is Adobe's and its transform is not that of YCbCr (Adobe
/// Technical Note 5116, section 18).
fn names_other_colours(segment: &[u8]) -> bool {
    const TRANSFORM_PLACE: usize = 11;
    const TRANSFORM_YCBCR: u8 = 1;
    segment.starts_with(b"Adobe") && segment.get(TRANSFORM_PLACE) != Some(&TRANSFORM_YCBCR)
}

fn no_header() -> Fault {
    Fault::damaged("it has no frame header")
}

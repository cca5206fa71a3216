//! JPEG, strictly: a file must go on to its end and hold exactly the codes that its headers
//! promise.
//!
//! Baseline and extended sequential pictures in one scan, which is what cameras send, are decoded
//! here, codes checked and pixels made in one pass, with buffers that are kept from one picture to
//! the next (see `docs/decisions/jpeg.md`). Progressive pictures and rare samplings go to
//! zune-jpeg, after their markers, and in sequential pictures their codes, have been walked.

mod bits;
mod colour;
mod huffman;
mod kernels;
mod picture;
mod scan;

use super::{DecodeError, Fault, MAX_FILE_BYTES};
use crate::image::frame::Frame;
use picture::Picture;
use scan::{CHANNELS, Component, Scan, Tables};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

/// The marker that every JPEG starts with, and the lead byte of the one that follows it.
pub(super) const START_OF_IMAGE: &[u8] = &[0xFF, 0xD8, 0xFF];

/// The second bytes of markers (ITU-T T.81, table B.1).
mod marker {
    pub const TEMPORARY: u8 = 0x01;
    pub const START_OF_FRAME_BASELINE: u8 = 0xC0;
    pub const START_OF_FRAME_EXTENDED: u8 = 0xC1;
    pub const START_OF_FRAME_PROGRESSIVE: u8 = 0xC2;
    pub const START_OF_FRAME_LAST: u8 = 0xCF;
    pub const HUFFMAN_TABLE: u8 = 0xC4;
    pub const JPEG_EXTENSION: u8 = 0xC8;
    pub const ARITHMETIC_CONDITIONING: u8 = 0xCC;
    pub const RESTART_FIRST: u8 = 0xD0;
    pub const RESTART_LAST: u8 = 0xD7;
    pub const START_OF_IMAGE: u8 = 0xD8;
    pub const END_OF_IMAGE: u8 = 0xD9;
    pub const START_OF_SCAN: u8 = 0xDA;
    pub const QUANTIZATION_TABLE: u8 = 0xDB;
    pub const RESTART_INTERVAL: u8 = 0xDD;
    pub const APPLICATION_ADOBE: u8 = 0xEE;
}

/// Decodes JPEG pictures one after another, a camera's for instance; keeps its tables and buffers,
/// so that pictures of one size cost no allocation.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    tables: Tables,
    picture: Picture,
}

impl JpegDecoder {
    /// Decodes a whole picture into `frame`, which takes its size; `name` stands for the picture in
    /// messages. After an error the frame holds no picture that means anything.
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
            return Err(DecodeError::OtherFormat {
                name: name(),
                format: "no JPEG",
            });
        }
        self.decode_into(bytes, frame)
            .map_err(|fault| fault.named(name()))
    }

    fn decode_into(&mut self, bytes: &[u8], frame: &mut Frame) -> Result<(), Fault> {
        let Self { tables, picture } = self;
        let mut is_decoded = false;
        let header = walk_markers(bytes, tables, |found| {
            if is_decoded {
                return Err(Fault::damaged("a second scan of the same channels"));
            }
            if found.header.is_sequential() && picture.fits(found.header, &found.scan) {
                is_decoded = true;
                picture.decode(found, frame)
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

/// What the frame header says (T.81, B.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    width_px: u32,
    height_px: u32,
    bits: u8,
    channels: u8,
    marker: u8,
    components: [Component; CHANNELS],
    /// Whether a note of Adobe's names another colour space than YCbCr.
    has_other_colours: bool,
}

impl Header {
    fn parse(marker: u8, segment: &[u8]) -> Result<Self, Fault> {
        let too_short = || Fault::damaged("its frame header is too short");
        let (sizes, rest) = segment.split_first_chunk().ok_or_else(too_short)?;
        let &[
            bits,
            height_high,
            height_low,
            width_high,
            width_low,
            channels,
        ] = sizes;
        let entries = rest
            .get(..3 * usize::from(channels))
            .ok_or_else(too_short)?;
        let component = |entry: &[u8]| Component {
            id: entry[0],
            horizontal: u32::from(entry[1] >> 4),
            vertical: u32::from(entry[1] & 15),
            quantization: entry[2],
        };
        let mut components = [Component::default(); CHANNELS];
        for (found, entry) in components.iter_mut().zip(entries.chunks_exact(3)) {
            *found = component(entry);
        }
        Ok(Self {
            width_px: u32::from(u16::from_be_bytes([width_high, width_low])),
            height_px: u32::from(u16::from_be_bytes([height_high, height_low])),
            bits,
            channels,
            marker,
            components,
            has_other_colours: false,
        })
    }

    /// Whether the codes can be read in one pass, block after block.
    fn is_sequential(&self) -> bool {
        self.marker <= marker::START_OF_FRAME_EXTENDED
    }

    /// The largest factors of any component, across and down.
    fn largest_sampling(&self) -> (u32, u32) {
        let largest = |side: fn(&Component) -> u32| self.components.iter().map(side).max();
        (
            largest(|component| component.horizontal).unwrap_or(1),
            largest(|component| component.vertical).unwrap_or(1),
        )
    }

    /// Refuses what must not or cannot be decoded.
    fn check(&self) -> Result<(), Fault> {
        Frame::check_size(self.width_px, self.height_px)?;
        if self.marker > marker::START_OF_FRAME_PROGRESSIVE {
            return Err(Fault::Coding("lossless or arithmetic JPEG coding".into()));
        }
        if self.bits != 8 {
            return Err(Fault::Coding(format!("{} bits a channel", self.bits)));
        }
        match self.channels {
            1 => return Err(Fault::Grey),
            3 => {}
            4 => return Err(Fault::Cmyk),
            other => return Err(Fault::Coding(format!("{other} colour channels"))),
        }
        let sampling = |component: &Component| [component.horizontal, component.vertical];
        let mut factors = self.components.iter().flat_map(sampling);
        if !factors.all(|factor| (1..=4).contains(&factor)) {
            return Err(Fault::damaged("an impossible sampling of its channels"));
        }
        Ok(())
    }
}

/// A scan that the walk has come to.
struct FoundScan<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    tables: &'a Tables,
    scan: Scan,
    /// Where its data start.
    at: usize,
}

impl FoundScan<'_> {
    /// Walks the scan's data without making pixels; returns the place behind them.
    fn check(&self) -> Result<usize, Fault> {
        if self.header.is_sequential() {
            self.scan
                .check(self.bytes, self.at, self.header, self.tables)
        } else {
            end_of_data(self.bytes, self.at)
        }
    }
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
        let (marker, after) = next_marker(bytes, at)?;
        at = after;
        match marker {
            marker::END_OF_IMAGE if scans == 0 => return Err(Fault::damaged("it has no picture")),
            marker::END_OF_IMAGE => break,
            marker::START_OF_IMAGE => {
                return Err(Fault::damaged("a second picture starts inside the first"));
            }
            marker::TEMPORARY => continue,
            marker::RESTART_FIRST..=marker::RESTART_LAST => {
                return Err(Fault::damaged("a restart marker stands outside the data"));
            }
            _ => {}
        }
        let segment = segment_at(bytes, at)?;
        at += 2 + segment.len();
        if is_start_of_frame(marker) {
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

fn is_start_of_frame(marker: u8) -> bool {
    (marker::START_OF_FRAME_BASELINE..=marker::START_OF_FRAME_LAST).contains(&marker)
        && !matches!(
            marker,
            marker::HUFFMAN_TABLE | marker::JPEG_EXTENSION | marker::ARITHMETIC_CONDITIONING
        )
}

/// The marker at `at` (fill bytes skipped) and the place behind it.
fn next_marker(bytes: &[u8], mut at: usize) -> Result<(u8, usize), Fault> {
    if *bytes.get(at).ok_or(Fault::Truncated)? != 0xFF {
        return Err(Fault::damaged(format!("no marker at byte {at}")));
    }
    while *bytes.get(at).ok_or(Fault::Truncated)? == 0xFF {
        at += 1;
    }
    Ok((bytes[at], at + 1))
}

/// The content of the segment whose two length bytes are at `at`.
fn segment_at(bytes: &[u8], at: usize) -> Result<&[u8], Fault> {
    let length = bytes.get(at..at + 2).ok_or(Fault::Truncated)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(Fault::damaged(format!("impossible length at byte {at}")));
    }
    bytes.get(at + 2..at + length).ok_or(Fault::Truncated)
}

/// The place behind compressed data that start at `at`: that of the first marker that is not
/// theirs. Stuffed zeros and restart markers belong to the data; restart markers must count up.
fn end_of_data(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    let mut restart = marker::RESTART_FIRST;
    loop {
        let rest = bytes.get(at..).ok_or(Fault::Truncated)?;
        let lead = rest.iter().position(|&byte| byte == 0xFF);
        at += lead.ok_or(Fault::Truncated)?;
        match *bytes.get(at + 1).ok_or(Fault::Truncated)? {
            0 => {}
            found @ marker::RESTART_FIRST..=marker::RESTART_LAST => {
                if found != restart {
                    return Err(Fault::damaged("restart markers are out of order"));
                }
                restart = marker::RESTART_FIRST | (restart + 1) & 7;
            }
            // A marker, or fill bytes before one.
            _ => return Ok(at),
        }
        at += 2;
    }
}

//! JPEG, strictly: the markers are walked first, to know size and channels before any decoding
//! and to be sure that the file goes on to its end and holds all its codes; then the decoder runs
//! in its strict mode.

mod scan;

use super::Fault;
use crate::frame::Frame;
use scan::{Component, Stretches, Tables};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

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
    pub const RESTART_INTERVAL: u8 = 0xDD;
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<Frame, Fault> {
    let header = walk_markers(bytes)?;
    header.check()?;
    let side = crate::frame::MAX_SIDE_PX as usize;
    // The decoder is built without its vector code (see Cargo.toml), so that the same file gives
    // the same bytes, and so the same count, on every processor.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgb = decoder
        .decode()
        .map_err(|error| Fault::damaged(error.to_string()))?;
    Ok(Frame::new(header.width_px, header.height_px, rgb)?)
}

/// Width and height that the file's header gives, once its markers have been walked.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Fault> {
    let header = walk_markers(bytes)?;
    Ok((header.width_px, header.height_px))
}

/// What the frame header says (T.81, B.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    width_px: u32,
    height_px: u32,
    bits: u8,
    channels: u8,
    marker: u8,
    components: Vec<Component>,
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
        };
        Ok(Self {
            width_px: u32::from(u16::from_be_bytes([width_high, width_low])),
            height_px: u32::from(u16::from_be_bytes([height_high, height_low])),
            bits,
            channels,
            marker,
            components: entries.chunks_exact(3).map(component).collect(),
        })
    }

    /// Whether the codes can be read in one pass, block after block.
    fn is_sequential(&self) -> bool {
        self.marker <= marker::START_OF_FRAME_EXTENDED
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

/// Walks from marker to marker to the end of the image and returns the frame header.
///
/// Bytes after the end are allowed: cameras put previews and padding there.
fn walk_markers(bytes: &[u8]) -> Result<Header, Fault> {
    let mut header: Option<Header> = None;
    let mut tables = Tables::default();
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
            marker::RESTART_INTERVAL => tables.define_restarts(segment)?,
            marker::START_OF_SCAN => {
                let header = header.as_ref().ok_or_else(no_header)?;
                let stretches = stretches_of_scan(bytes, at)?;
                at = stretches.end;
                scans += 1;
                if header.is_sequential() {
                    let size_px = (header.width_px, header.height_px);
                    scan::check(
                        bytes,
                        &stretches,
                        segment,
                        size_px,
                        &header.components,
                        &tables,
                    )?;
                }
            }
            _ => {}
        }
    }
    header.ok_or_else(no_header)
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

/// The compressed data that start at `at`, up to the first marker that is not theirs. Stuffed
/// zeros and restart markers belong to the data; restart markers must count up.
fn stretches_of_scan(bytes: &[u8], mut at: usize) -> Result<Stretches, Fault> {
    let mut ranges = Vec::new();
    let mut start = at;
    let mut restart = marker::RESTART_FIRST;
    loop {
        let rest = bytes.get(at..).ok_or(Fault::Truncated)?;
        let lead = rest.iter().position(|&byte| byte == 0xFF);
        at += lead.ok_or(Fault::Truncated)?;
        match *bytes.get(at + 1).ok_or(Fault::Truncated)? {
            0 => at += 2,
            found @ marker::RESTART_FIRST..=marker::RESTART_LAST => {
                if found != restart {
                    return Err(Fault::damaged("restart markers are out of order"));
                }
                ranges.push(start..at);
                restart = marker::RESTART_FIRST | (restart + 1) & 7;
                at += 2;
                start = at;
            }
            // A marker, or fill bytes before one.
            _ => {
                ranges.push(start..at);
                return Ok(Stretches { ranges, end: at });
            }
        }
    }
}

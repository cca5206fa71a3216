//! Markers by their second bytes (ITU-T T.81, table B.1), and the way from one to the next.

use crate::decode::error::Fault;

/// Behind 0xFF in data: no marker.
pub const STUFFING: u8 = 0x00;
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

/// Whether a frame header follows.
pub(super) fn is_start_of_frame(marker: u8) -> bool {
    (START_OF_FRAME_BASELINE..=START_OF_FRAME_LAST).contains(&marker)
        && !matches!(
            marker,
            HUFFMAN_TABLE | JPEG_EXTENSION | ARITHMETIC_CONDITIONING
        )
}

/// The marker at `at` (fill bytes skipped) and the place behind it.
pub(super) fn next_marker(bytes: &[u8], mut at: usize) -> Result<(u8, usize), Fault> {
    if *bytes.get(at).ok_or(Fault::Truncated)? != 0xFF {
        return Err(Fault::damaged(format!("no marker at byte {at}")));
    }
    while *bytes.get(at).ok_or(Fault::Truncated)? == 0xFF {
        at += 1;
    }
    Ok((bytes[at], at + 1))
}

/// Whether nothing but fill bytes, or half a marker, is left from `at` on.
pub(super) fn is_end_of_file(bytes: &[u8], at: usize) -> bool {
    bytes.iter().skip(at).all(|&byte| byte == 0xFF)
}

/// The content of the segment whose two length bytes are at `at`.
pub(super) fn segment_at(bytes: &[u8], at: usize) -> Result<&[u8], Fault> {
    let length = bytes.get(at..at + 2).ok_or(Fault::Truncated)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(Fault::damaged(format!("impossible length at byte {at}")));
    }
    bytes.get(at + 2..at + length).ok_or(Fault::Truncated)
}

/// The place behind compressed data that start at `at`: that of the first marker that is not
/// theirs. Stuffed zeros and restart markers belong to the data; restart markers must count up.
pub(super) fn end_of_data(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    let mut restart = RESTART_FIRST;
    loop {
        let rest = bytes.get(at..).ok_or(Fault::Truncated)?;
        let lead = rest.iter().position(|&byte| byte == 0xFF);
        at += lead.ok_or(Fault::Truncated)?;
        match *bytes.get(at + 1).ok_or(Fault::Truncated)? {
            0 => {}
            found @ RESTART_FIRST..=RESTART_LAST => {
                if found != restart {
                    return Err(Fault::damaged("restart markers are out of order"));
                }
                restart = RESTART_FIRST | (restart + 1) & 7;
            }
            // A marker, or fill bytes before one.
            _ => return Ok(at),
        }
        at += 2;
    }
}

//! A line of JSON that ends with a checksum of the bytes before it.
//!
//! ```text
//! {"any":"content",...,"crc32":"89abcdef"}\n
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write};

/// The longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// What stands between a line's content and its eight hexadecimal digits (CRC-32 of IEEE 802.3
/// over all bytes before).
const CRC_KEY: &[u8] = b",\"crc32\":\"";
const CRC_DIGITS: usize = 8;
const CRC_END: &[u8] = b"\"}\n";

/// Why a line is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineDamage {
    /// It does not end, or its checksum is wrong, as after a power cut.
    Torn,
    /// It is whole, but of no kind that this program knows.
    Unknown,
}

/// Writes something that becomes a JSON object with at least one key, as a line in place of what
/// `line` held.
///
/// # Errors
/// It would be too long.
pub fn encode(content: &impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, content)?;
    // The closing brace comes after the checksum.
    line.pop();
    let crc = crc32fast::hash(line);
    line.extend_from_slice(CRC_KEY);
    write!(line, "{crc:08x}")?;
    line.extend_from_slice(CRC_END);
    if line.len() > MAX_LINE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a line would be too long",
        ));
    }
    Ok(())
}

/// The content of a line with its end, unless it is damaged.
///
/// # Errors
/// It is torn or unknown.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineDamage> {
    let content = checked_content(line).ok_or(LineDamage::Torn)?;
    let mut json = Vec::with_capacity(content.len() + 1);
    json.extend_from_slice(content);
    json.push(b'}');
    serde_json::from_slice(&json).map_err(|_| LineDamage::Unknown)
}

/// What stands before the checksum, if that is right.
fn checked_content(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_suffix(CRC_END)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(CRC_DIGITS)?)?;
    let content = rest.strip_suffix(CRC_KEY)?;
    // Compared as text: one way only to write a checksum.
    (format!("{:08x}", crc32fast::hash(content)).as_bytes() == digits).then_some(content)
}

//! The report that a card takes away: what became of its update, one line each.

use crate::device::files;
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file with the results, on the card.
const REPORT_FILE: &str = "hemoscope-report.txt";
/// The most bytes of it; then it begins anew.
const MAX_REPORT_BYTES: u64 = 64 * 1024;

/// Adds a line to the report in a card's top folder; a report that is full begins anew.
///
/// # Errors
/// The card cannot be written.
pub fn append(top: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(top.join(REPORT_FILE))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("its report is not a regular file"));
    }
    if metadata.len() + line.len() as u64 > MAX_REPORT_BYTES {
        file.set_len(0)?;
    }
    file.write_all(line.as_bytes())?;
    files::sync(&file)
}

//! What is written down: one frame's line for batch engines, and the records of a run that
//! survive a power cut.
//!
//! ```text
//! run -> Recorder (bounded queue, own thread) -> Journal -> <data>/records/<smear>-<part>.jsonl
//! hemoscope records <- archive <- lines, each with its CRC
//! ```

pub mod archive;
mod entry;
mod format;
mod frame;
mod journal;
pub mod line;
mod recorder;
#[cfg(test)]
mod tests;

pub use crate::device::clock::{Clock, Timestamp, is_set};
pub use entry::{
    EndReason, Entry, Event, FieldOutcome, FieldRecord, RECORDS_FORMAT, SmearStarted, Totals,
};
pub use format::{DATA_FORMAT, FORMAT_FILE, forget_older_formats};
pub use frame::{CellRecord, CountsRecord, FrameRecord};
pub use journal::{MAX_FILE_BYTES, RecordError};
pub use line::MAX_LINE_BYTES;
pub use recorder::{RecordSummary, Recorder};

use std::path::{Path, PathBuf};

/// The folder of this version's records within a data folder.
pub fn records_folder(data: &Path) -> PathBuf {
    format::folder_of(data, DATA_FORMAT)
}

/// Checks that this version can read the records of a data folder.
///
/// # Errors
/// They are of a newer format, or their format cannot be read.
pub fn check_format(data: &Path) -> Result<(), RecordError> {
    format::check(data, DATA_FORMAT)
}

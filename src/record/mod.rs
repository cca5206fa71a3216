//! What is written down: one frame's line for batch engines, and the records of a run that
//! survive a power cut.
//!
//! ```text
//! run -> Recorder (bounded queue, own thread) -> Journal -> <data>/records/<smear>-<part>.jsonl
//! hemoscope records <- archive <- lines, each with its CRC
//! ```

pub mod archive;
mod clock;
mod entry;
mod frame;
mod journal;
pub mod line;
mod recorder;
#[cfg(test)]
mod tests;

pub use clock::{Clock, Stamp, is_set};
pub use entry::{
    Ending, Entry, Event, FieldOutcome, FieldRecord, RECORDS_FORMAT, SmearStarted, Totals,
};
pub use frame::{CellRecord, CountsRecord, FrameRecord};
pub use journal::{MAX_FILE_BYTES, RecordError};
pub use line::MAX_LINE_BYTES;
pub use recorder::{Closed, Recorder};

use std::path::{Path, PathBuf};

/// The folder of the records within a data folder.
pub fn records_folder(data: &Path) -> PathBuf {
    data.join("records")
}

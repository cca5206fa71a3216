//! What is written down: one frame's line for batch engines, and the records of a run that
//! survive a power cut.
//!
//! ```text
//! run -> Recorder (bounded queue, own thread) -> Journal -> <data>/records/<smear>-<part>.jsonl
//! hemoscope records <- archive <- lines, each with its CRC
//! ```

pub mod archive;
mod entry;
mod error;
mod format;
mod frame;
mod journal;
mod layout;
pub mod line;
mod recorder;
#[cfg(test)]
mod tests;

pub use crate::device::clock::{Clock, Timestamp, is_set};
pub use entry::{
    AssessmentRecord, EndReason, Entry, Event, FieldOutcome, FieldRecord, RECORDS_FORMAT,
    SmearStarted, Totals,
};
pub use error::RecordError;
pub use format::{DATA_FORMAT, check_format, purge_older_formats, records_folder};
pub use frame::{
    CellRecord, ColoursRecord, CounterRecord, CountsRecord, FrameRecord, QualityRecord,
};
pub use journal::MAX_FILE_BYTES;
pub use layout::FORMAT_FILE;
pub use line::MAX_LINE_BYTES;
pub use recorder::{RecordSummary, Recorder};

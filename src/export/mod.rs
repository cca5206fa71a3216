//! What leaves the device as a result, made from counts alone. So far the summary of a smear, as a table
//! and as a line of JSON.

mod summary_record;
mod summary_table;

pub use summary_record::{ClassRecord, FigureRecord, FindingRecord, SummaryLine, SummaryRecord};
pub use summary_table::summary_table;

/// Stands beside figures of a slide that was drawn.
pub const SIMULATED_NOTE: &str = "SIMULATED slide: these numbers are of no blood";

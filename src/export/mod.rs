//! What leaves the device as a result, made from counts alone. So far the summary table of a smear.

mod summary_table;

pub use summary_table::summary_table;

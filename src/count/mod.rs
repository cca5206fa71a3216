//! From cells to counts: border rule, tallies, exact intervals, uneven fields.
//!
//! ```text
//! cells of a field -> border -> FieldTally -> SmearTally -> Summary
//!                                              dispersion, interval, figure
//! ```
//!
//! Everything here is a pure function of its arguments. The arithmetic is `f64` with the `libm`
//! crate, so the same cells give the same figures on every processor.

mod border;
mod dispersion;
mod distribution;
mod figure;
mod interval;
mod tally;

pub use border::{Border, BorderError, BorderRule};
pub use dispersion::{Dispersion, count_dispersion, ratio_dispersion};
pub use figure::{Figure, FigureFlags, TooFewCells};
pub use interval::{
    Confidence, ConfidenceError, Interval, cells_for_relative_half_width, poisson_interval,
    proportion_interval, ratio_interval,
};
pub use tally::{
    ClassSummary, CountRules, FieldTally, MAX_CELLS, MAX_FIELDS, Progress, SmearTally, Summary,
    TallyError, Warning, Warnings,
};

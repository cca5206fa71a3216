//! From cells to counts: border rule, tallies, exact intervals, uneven fields.
//!
//! ```text
//! cells of a field -> border, clump -> FieldTally -> SmearTally -> Summary
//!                                              dispersion, student, interval, figure
//! ```
//!
//! Everything here is a pure function of its arguments. The arithmetic is `f64` with the `libm`
//! crate, so the same cells give the same figures on every processor.

mod border;
mod clump;
mod dispersion;
mod distribution;
mod field;
mod figure;
mod interval;
mod rules;
mod student;
mod summary;
mod tally;
#[cfg(test)]
mod tests;

pub use border::{Border, BorderError, BorderRule, MAX_EXCLUDED, TooManyExcluded};
pub use clump::{CLUMP_FIELDS, has_platelet_clump};
pub use dispersion::{Dispersion, count_dispersion, ratio_dispersion};
pub use field::FieldTally;
pub use figure::{Figure, FigureFlags, Level, TooFew};
pub use interval::{
    Confidence, ConfidenceError, Interval, poisson_interval, proportion_interval, ratio_interval,
};
pub use rules::{CountRules, MIN_FIELDS, SmearLimits};
pub use student::student_inflation;
pub use summary::{ClassSummary, Progress, Summary};
pub use tally::{MAX_CELLS, MAX_FIELDS, SmearTally, TallyError};

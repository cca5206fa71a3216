//! When a figure may be shown.

use super::interval::Confidence;
use crate::cell::{CellClass, PerClass};

/// The fewest fields that a figure may rest on: below it the dispersion, and with it the width of
/// an interval, is anybody's guess.
pub const MIN_FIELDS: u32 = 10;

/// When a figure may be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountRules {
    /// Confidence of every interval.
    pub confidence: Confidence,
    /// The fewest cells that a count or the numerator of a ratio may rest on. Default 10: below
    /// it the ends of the 95 % interval lie more than a factor of four apart.
    pub minimum_cells: u32,
    /// The fewest cells that a ratio or share may be taken against. Default 100: its own
    /// uncertainty is then about ±20 %.
    pub minimum_reference_cells: u32,
    /// How far the network's own errors scatter from smear to smear, by class: the standard
    /// deviation of the natural logarithm of counted by true cells. Default 0; a model's manifest
    /// says what was measured.
    pub count_scatter: PerClass<f64>,
    /// Cells of each class to count towards, where they lie at random. Default 100 platelets and
    /// 100 white cells, for about ±20 %, and 1000 red cells to take them against.
    pub targets: PerClass<u32>,
}

impl Default for CountRules {
    fn default() -> Self {
        Self {
            confidence: Confidence::default(),
            minimum_cells: 10,
            minimum_reference_cells: 100,
            count_scatter: PerClass::default(),
            targets: PerClass::from_fn(|class| match class {
                CellClass::Rbc => 1000,
                CellClass::Wbc | CellClass::Plt => 100,
            }),
        }
    }
}

impl CountRules {
    /// A figure takes at least one cell, whatever the rules say.
    pub(super) fn needed_cells(&self) -> u32 {
        self.minimum_cells.max(1)
    }

    pub(super) fn needed_reference_cells(&self) -> u32 {
        self.minimum_reference_cells.max(1)
    }
}

/// When a smear has taken enough of the operator's time, whatever its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmearLimits {
    /// Fields of one smear. Default 400: what 100 white cells of normal blood take at x40.
    pub fields: u32,
    /// Minutes since its first field. Default 20.
    pub minutes: u32,
}

impl Default for SmearLimits {
    fn default() -> Self {
        Self {
            fields: 400,
            minutes: 20,
        }
    }
}

//! The counted cells of one field.

use crate::cell::{Cell, CellClass, PerClass};
use std::borrow::Borrow;

/// The counted cells of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldTally {
    /// Certain cells.
    pub certain: PerClass<u32>,
    /// Cells below the certainty threshold of their class.
    pub uncertain: u32,
    /// The area that they stand for, in 1/256 of a square pixel
    /// ([`Border::counted_area_q8`](super::Border::counted_area_q8)).
    pub area_q8: u64,
    /// Whether platelets lie in a clump ([`has_platelet_clump`](super::has_platelet_clump)).
    pub has_clump: bool,
}

impl FieldTally {
    /// Adds up the cells that the border rule lets count, on `area_q8`; without a clump.
    pub fn from_cells(cells: impl IntoIterator<Item = impl Borrow<Cell>>, area_q8: u64) -> Self {
        let mut tally = Self {
            certain: PerClass::default(),
            uncertain: 0,
            area_q8,
            has_clump: false,
        };
        for cell in cells {
            let cell = cell.borrow();
            match cell.class() {
                _ if !cell.counted => {}
                Some(class) => tally.certain[class] += 1,
                None => tally.uncertain += 1,
            }
        }
        tally
    }

    /// The same field, with or without platelets in a clump.
    #[must_use]
    pub fn with_clump(self, has_clump: bool) -> Self {
        Self { has_clump, ..self }
    }

    /// Certain cells of one class.
    pub fn class(&self, class: CellClass) -> u32 {
        self.certain[class]
    }

    /// All counted cells, or `None` beyond 32 bits.
    pub(super) fn cells(&self) -> Option<u32> {
        self.certain
            .values()
            .try_fold(self.uncertain, |sum, &count| sum.checked_add(count))
    }
}

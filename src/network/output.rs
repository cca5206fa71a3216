//! The network's output: one row of numbers for each place of its grid.

use crate::cell::CellClass;

use super::manifest::STRIDE_PX;

/// Output channels: a logit for each class, the centre's offset x and y, and the logarithms of
/// width and height.
pub const HEAD_CHANNELS: usize = CellClass::COUNT + 4;
/// Output steps in one unit.
pub const HEAD_STEPS: f32 = 256.0;

/// What the network says about each cell of its grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOutput {
    rows: usize,
    columns: usize,
    values: Vec<i16>,
}

impl NetworkOutput {
    /// An output of no places.
    pub(super) fn empty() -> Self {
        Self {
            rows: 0,
            columns: 0,
            values: Vec::new(),
        }
    }

    /// Takes other values, of which there are as many as [`NetworkOutput::from_values`] asks for,
    /// in the memory of those before.
    pub(super) fn replace(&mut self, rows: usize, columns: usize, values: &[i16]) {
        self.rows = rows;
        self.columns = columns;
        self.values.clear();
        self.values.extend_from_slice(values);
    }

    /// Rows of the grid: the input's height over [`STRIDE_PX`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the grid: the input's width over [`STRIDE_PX`].
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Input pixels from one place of the grid to the next.
    pub fn stride_px(&self) -> u32 {
        STRIDE_PX
    }

    /// One value in 1/256: first the logits of the classes, in the order of [`CellClass::ALL`];
    /// then the centre's offset x and y in grid cells, and the natural logarithms of width and
    /// height over the stride.
    ///
    /// The place must lie inside the grid, and the channel below [`HEAD_CHANNELS`].
    pub fn value(&self, row: usize, column: usize, channel: usize) -> i16 {
        debug_assert!(row < self.rows && column < self.columns && channel < HEAD_CHANNELS);
        self.values[(row * self.columns + column) * HEAD_CHANNELS + channel]
    }

    /// All values: rows from the top, columns, channels.
    pub fn values(&self) -> &[i16] {
        &self.values
    }

    /// Makes an output from its values: `rows * columns * HEAD_CHANNELS` of them, else `None`.
    pub fn from_values(rows: usize, columns: usize, values: Vec<i16>) -> Option<Self> {
        let expected = rows.checked_mul(columns)?.checked_mul(HEAD_CHANNELS)?;
        (values.len() == expected).then_some(Self {
            rows,
            columns,
            values,
        })
    }
}

//! The network's output: one row of numbers for each place of its grid.

use crate::cell::CellClass;

use super::manifest::{Manifest, STRIDE_PX};

/// Output channels of every network: a logit for each class, the centre's offset x and y, and the
/// logarithms of width and height.
pub const HEAD_CHANNELS: usize = CellClass::COUNT + 4;
/// The channel after them, where a network has it: the logit of "none of these".
pub const NONE_CHANNEL: usize = HEAD_CHANNELS;
/// Channels of the output of a manifest's network.
pub(super) fn channels_of(manifest: &Manifest) -> usize {
    HEAD_CHANNELS + usize::from(manifest.none_settings().is_some())
}

/// Output steps in one unit.
pub const HEAD_STEPS: f32 = 256.0;

/// What the network says about each cell of its grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOutput {
    rows: usize,
    columns: usize,
    channels: usize,
    values: Vec<i16>,
}

impl NetworkOutput {
    /// An output of no places, of a network with so many channels.
    pub(super) fn empty(channels: usize) -> Self {
        Self {
            rows: 0,
            columns: 0,
            channels,
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

    /// Numbers of each place: [`HEAD_CHANNELS`], and one more where the network can say "none of
    /// these".
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// One value in 1/256: first the logits of the classes, in the order of [`CellClass::ALL`];
    /// then the centre's offset x and y in grid cells, and the natural logarithms of width and
    /// height over the stride; at [`NONE_CHANNEL`], where there is one, the logit of "none of these".
    ///
    /// The place must lie inside the grid, and the channel below [`NetworkOutput::channels`].
    pub fn value(&self, row: usize, column: usize, channel: usize) -> i16 {
        debug_assert!(row < self.rows && column < self.columns && channel < self.channels);
        self.values[(row * self.columns + column) * self.channels + channel]
    }

    /// All values: rows from the top, columns, channels.
    pub fn values(&self) -> &[i16] {
        &self.values
    }

    /// Makes an output from its values: `rows * columns` places of [`HEAD_CHANNELS`] or one more,
    /// else `None`.
    pub fn from_values(rows: usize, columns: usize, values: Vec<i16>) -> Option<Self> {
        let places = rows.checked_mul(columns)?;
        let channels = [HEAD_CHANNELS, NONE_CHANNEL + 1]
            .into_iter()
            .find(|channels| places.checked_mul(*channels) == Some(values.len()))?;
        Some(Self {
            rows,
            columns,
            channels,
            values,
        })
    }
}

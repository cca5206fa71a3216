//! Cuts a convolution into tiles: a few neighbouring output pixels of one row, times a group of
//! output channels, whose sums fit a processor's registers.
//!
//! All of it is safe code, and the rows' padding makes every tile alike.

use std::ops::Range;

use super::output::Output;
use super::parameters::{MAX_KERNEL_SIDE, Parameters};
use super::rows::{RowLayout, Rows, RowsMut, SLACK_BYTES};

/// Output channels are padded to this many in [`Requantization`].
pub(super) const CHANNEL_BLOCK: usize = 16;

/// A kernel that computes tiles.
pub(super) trait TileKernel {
    /// The groups of output channels, each with the most pixels of its tiles.
    fn groups(&self) -> &[ChannelGroup];

    /// Called before the first and after the last tiles of a convolution, on the same thread.
    fn begin(&self) {}
    fn end(&self) {}

    /// Computes neighbouring tiles of equal size.
    fn compute(&self, tiles: &mut Tiles<'_>);
}

/// Output channels that one tile computes together.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelGroup {
    /// The group's place among all of the kernel's.
    pub(super) number: usize,
    pub(super) first_channel: usize,
    pub(super) channels: usize,
    pub(super) max_pixels: usize,
    /// Where the group's packed weights start.
    pub(super) weights_start: usize,
}

/// The inputs and outputs of neighbouring tiles of one row.
pub(super) struct Tiles<'a> {
    pub(super) group: ChannelGroup,
    pub(super) count: usize,
    /// Output pixels of each tile, 1..=`group.max_pixels`.
    pub(super) pixels: usize,
    /// What each kernel row reads: from the first pixel's window to the end of the row's slack.
    pub(super) rows: &'a [&'a [u8]; MAX_KERNEL_SIDE],
    /// The residual's row from its first pixel on, and the first tile's output column.
    pub(super) residual: Option<(&'a [u8], usize)>,
    /// From the first pixel's first channel to the last pixel's last channel.
    pub(super) output: Output<'a>,
}

impl Tiles<'_> {
    /// Checks that every window lies inside its row, where the windows of neighbouring pixels are
    /// `pixel_step` bytes apart and each reads `run_bytes`.
    pub(super) fn check_rows(&self, kernel_height: usize, pixel_step: usize, run_bytes: usize) {
        let read = (self.count * self.pixels - 1) * pixel_step + run_bytes;
        for row in &self.rows[..kernel_height] {
            assert!(row.len() >= read, "a window ends outside its row");
        }
    }

    /// So many bytes behind the start of each kernel row's first window. Rows that the kernel has
    /// not are empty.
    #[inline]
    pub(super) fn windows(&self, bytes: usize) -> [*const u8; MAX_KERNEL_SIDE] {
        self.rows.map(|row| row.as_ptr().wrapping_add(bytes))
    }
}

/// Bytes that one pixel's window reads of a kernel row: whole multiples of `read_bytes`, at most
/// [`SLACK_BYTES`]. The weights beyond the window's width are zero.
pub(super) fn read_length(parameters: &Parameters, read_bytes: usize) -> usize {
    debug_assert!(read_bytes <= SLACK_BYTES);
    parameters.run_length().next_multiple_of(read_bytes)
}

/// Per-channel constants, padded to whole blocks of channels, with the input's zero point folded
/// into the bias.
#[derive(Debug)]
pub(super) struct Requantization {
    pub(super) bias: Vec<i32>,
    pub(super) scale: Vec<f32>,
    pub(super) minimum: i32,
    pub(super) maximum: i32,
    pub(super) zero_point: i32,
    pub(super) residual_zero_point: i32,
    pub(super) residual_scale: f32,
    /// Output columns and rows are shifted right by this to find the residual's.
    pub(super) residual_shift: usize,
    /// Channels of an output pixel, and of a residual's.
    pub(super) channels: usize,
}

impl Requantization {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let padded = parameters.output_channels.next_multiple_of(CHANNEL_BLOCK);
        let mut bias = vec![0; padded];
        for (channel, bias) in bias.iter_mut().take(parameters.output_channels).enumerate() {
            let weights = parameters.channel_weights(channel);
            let weight_sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
            *bias = parameters.bias[channel] - parameters.input_zero_point * weight_sum;
        }
        let mut scale = parameters.scale.clone();
        scale.resize(padded, 0.0);
        let residual = parameters.residual;
        Self {
            bias,
            scale,
            minimum: parameters.output.minimum,
            maximum: parameters.output.maximum,
            zero_point: parameters.output.zero_point,
            residual_zero_point: residual.map_or(0, |residual| residual.zero_point),
            residual_scale: residual.map_or(0.0, |residual| residual.scale),
            residual_shift: parameters.residual_shift(),
            channels: parameters.output_channels,
        }
    }
}

/// Convolves rows of an image whose buffers have been checked.
pub(super) fn convolve<K: TileKernel>(
    kernel: &K,
    parameters: &Parameters,
    input: &Rows<'_>,
    residual: Option<&Rows<'_>>,
    output: &mut RowsMut<'_>,
    (rows, width): (Range<usize>, usize),
) {
    let channels = parameters.output_channels;
    let shift = parameters.residual_shift();
    kernel.begin();
    for &group in kernel.groups() {
        for row in rows.clone() {
            let mut windows: [&[u8]; MAX_KERNEL_SIDE] = [&[]; MAX_KERNEL_SIDE];
            window_rows(parameters, input, row, &mut windows);
            let residual = residual.map(|residual| {
                let row = residual.row((row >> shift) as isize);
                &row[residual.layout.first_pixel()..]
            });
            let mut values = output.row(row);
            for span in spans(width, group.max_pixels) {
                let start = span.first * parameters.stride * parameters.input_channels;
                let rows = windows.map(|row| row.get(start..).unwrap_or_default());
                let pixels = span.tiles * span.pixels;
                kernel.compute(&mut Tiles {
                    group,
                    count: span.tiles,
                    pixels: span.pixels,
                    rows: &rows,
                    residual: residual.map(|row| (row, span.first)),
                    output: values.span(span.first * channels, pixels * channels),
                });
            }
        }
    }
    kernel.end();
}

/// The rows under the windows of one output row, each from the first window on.
pub(super) fn window_rows<'a>(
    parameters: &Parameters,
    input: &Rows<'a>,
    row: usize,
    windows: &mut [&'a [u8]; MAX_KERNEL_SIDE],
) {
    let start = window_start(parameters, input.layout);
    let first = (row * parameters.stride) as isize - parameters.pad as isize;
    for (kernel_row, window) in windows[..parameters.kernel_height].iter_mut().enumerate() {
        *window = &input.row(first + kernel_row as isize)[start..];
    }
}

fn window_start(parameters: &Parameters, layout: RowLayout) -> usize {
    layout.first_pixel() - parameters.pad * parameters.input_channels
}

impl Output<'_> {
    fn span(&mut self, start: usize, length: usize) -> Output<'_> {
        match self {
            Output::U8(values) => Output::U8(&mut values[start..][..length]),
            Output::I16(values) => Output::I16(&mut values[start..][..length]),
        }
    }
}

/// Neighbouring tiles of equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: usize,
    tiles: usize,
    pixels: usize,
}

/// Cuts a row into nearly equal tiles of at most so many pixels: first the longer ones.
fn spans(width: usize, max_pixels: usize) -> impl Iterator<Item = Span> {
    let count = width.div_ceil(max_pixels);
    let (pixels, longer) = (width / count, width % count);
    let first = Span {
        first: 0,
        tiles: longer,
        pixels: pixels + 1,
    };
    let second = Span {
        first: longer * (pixels + 1),
        tiles: count - longer,
        pixels,
    };
    [first, second].into_iter().filter(|span| span.tiles > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_a_row_once_and_evenly() {
        for width in 1..70 {
            for max_pixels in 1..12 {
                let mut next = 0;
                let mut lengths = Vec::new();
                for span in spans(width, max_pixels) {
                    assert_eq!(span.first, next, "{width} columns by {max_pixels}");
                    lengths.push(span.pixels);
                    next += span.tiles * span.pixels;
                }
                let longest = lengths.iter().max().copied().unwrap_or(0);
                let shortest = lengths.iter().min().copied().unwrap_or(0);
                assert_eq!(next, width, "{width} columns by {max_pixels}");
                assert!(longest <= max_pixels && longest - shortest <= 1);
            }
        }
    }
}

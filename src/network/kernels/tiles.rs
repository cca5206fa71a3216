//! Cuts a convolution into tiles: a few neighbouring output pixels of one row, times a group of
//! output channels, whose sums fit a processor's registers.
//!
//! All of it is safe code. A tile whose windows lie inside the picture reads it in place; only a
//! tile at an edge is gathered into a small padded copy.

use super::parameters::{MAX_KERNEL_SIDE, Parameters, Size};
use super::{Input, Output};

/// Output channels are padded to this many in [`Requantization`].
pub(super) const CHANNEL_BLOCK: usize = 16;

/// A kernel that computes tiles.
pub(super) trait TileKernel {
    /// A kernel row is read in whole multiples of this many bytes; the weights beyond the
    /// window's width are zero.
    const READ_BYTES: usize;

    /// The groups of output channels, each with the most pixels of its tiles.
    fn groups(&self) -> &[ChannelGroup];

    /// Computes one tile.
    fn compute(&self, tile: &mut Tile<'_>);
}

/// Output channels that one tile computes together.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelGroup {
    pub(super) first_channel: usize,
    pub(super) channels: usize,
    pub(super) max_pixels: usize,
    /// Where the group's packed weights start.
    pub(super) weights_start: usize,
}

/// One tile's inputs and outputs.
pub(super) struct Tile<'a> {
    pub(super) group: ChannelGroup,
    /// Output pixels, 1..=`group.max_pixels`.
    pub(super) pixels: usize,
    /// What each kernel row reads; [`read_length`] bytes from the first pixel's window on.
    pub(super) rows: &'a [&'a [u8]; MAX_KERNEL_SIDE],
    /// The residual's row, and the tile's first output column.
    pub(super) residual: Option<(&'a [u8], usize)>,
    /// From the first pixel's first channel to the last pixel's last channel.
    pub(super) output: Output<'a>,
}

/// Bytes of one kernel row that a tile of so many pixels reads.
pub(super) fn read_length(parameters: &Parameters, read_bytes: usize, pixels: usize) -> usize {
    let step = parameters.stride * parameters.input_channels;
    (pixels - 1) * step + parameters.run_length().next_multiple_of(read_bytes)
}

/// Per-channel constants, padded to whole blocks of channels, with the input's zero point folded
/// into the bias.
#[derive(Debug)]
pub(super) struct Requantization {
    pub(super) bias: Vec<i32>,
    pub(super) scale: Vec<f32>,
    pub(super) low: f32,
    pub(super) high: f32,
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
        let (low, high) = parameters.output.clamp();
        let residual = parameters.residual;
        Self {
            bias,
            scale,
            low,
            high,
            zero_point: parameters.output.zero_point,
            residual_zero_point: residual.map_or(0, |residual| residual.zero_point),
            residual_scale: residual.map_or(0.0, |residual| residual.scale),
            residual_shift: residual.map_or(0, |residual| residual.upsample - 1),
            channels: parameters.output_channels,
        }
    }
}

/// Convolves one picture whose buffers have been checked.
pub(super) fn convolve<K: TileKernel>(
    kernel: &K,
    parameters: &Parameters,
    input: Input<'_>,
    output_size: Size,
    mut output: Output<'_>,
) {
    let mut edge = Edge::new::<K>(kernel, parameters);
    let channels = parameters.output_channels;
    let shift = parameters
        .residual
        .map_or(0, |residual| residual.upsample - 1);
    let residual_row_length = (output_size.width >> shift) * channels;
    for &group in kernel.groups() {
        for row in 0..output_size.height {
            let residual_row = input.residual.map(|values| {
                &values[(row >> shift) * residual_row_length..][..residual_row_length]
            });
            for (column, pixels) in spans(output_size.width, group.max_pixels) {
                let length = read_length(parameters, K::READ_BYTES, pixels);
                let mut rows: [&[u8]; MAX_KERNEL_SIDE] = [&[]; MAX_KERNEL_SIDE];
                edge.fill_rows(parameters, &input, (row, column, pixels), length, &mut rows);
                let start = (row * output_size.width + column) * channels;
                kernel.compute(&mut Tile {
                    group,
                    pixels,
                    rows: &rows,
                    residual: residual_row.map(|values| (values, column)),
                    output: output.span(start, pixels * channels),
                });
            }
        }
    }
}

impl Output<'_> {
    fn span(&mut self, start: usize, length: usize) -> Output<'_> {
        match self {
            Output::U8(values) => Output::U8(&mut values[start..][..length]),
            Output::I16(values) => Output::I16(&mut values[start..][..length]),
        }
    }
}

/// Cuts a row into nearly equal spans of at most so many pixels: (first column, pixels).
fn spans(width: usize, max_pixels: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = width.div_ceil(max_pixels);
    let (pixels, longer) = (width / count, width % count);
    (0..count).map(move |index| {
        let first = index * pixels + index.min(longer);
        (first, pixels + usize::from(index < longer))
    })
}

/// The padded copies for tiles at the picture's edges.
struct Edge {
    rows: [Vec<u8>; MAX_KERNEL_SIDE],
    /// A row of nothing but padding.
    padding: Vec<u8>,
}

impl Edge {
    fn new<K: TileKernel>(kernel: &K, parameters: &Parameters) -> Self {
        let max_pixels = kernel.groups().iter().map(|group| group.max_pixels).max();
        let length = read_length(parameters, K::READ_BYTES, max_pixels.unwrap_or(1));
        let padding = vec![parameters.input_zero_point as u8; length];
        Self {
            rows: [padding.clone(), padding.clone(), padding.clone()],
            padding,
        }
    }

    /// Finds what each kernel row reads for a tile at (row, first column, pixels) of the output.
    /// Written in place: returned by value, the slices would be copied once more for each tile.
    fn fill_rows<'a>(
        &'a mut self,
        parameters: &Parameters,
        input: &Input<'a>,
        (row, column, pixels): (usize, usize, usize),
        length: usize,
        result: &mut [&'a [u8]; MAX_KERNEL_SIDE],
    ) {
        let Self { rows, padding } = self;
        let span = Span::new(parameters, input.size, column, pixels);
        let taps = result.iter_mut().zip(rows).take(parameters.kernel_height);
        for (kernel_row, (result, copy)) in taps.enumerate() {
            let padded_row = row * parameters.stride + kernel_row;
            let above_end = padded_row < input.size.height + parameters.pad;
            *result = if padded_row < parameters.pad || !above_end {
                &padding[..length]
            } else {
                let input_row = padded_row - parameters.pad;
                span.read(parameters, input, input_row, length, copy)
            };
        }
    }
}

/// The input columns under a tile's windows.
struct Span {
    /// Columns of padding on the left.
    left: usize,
    /// First column inside the picture.
    first: usize,
    /// Columns inside the picture.
    inside: usize,
    /// All columns, padding included.
    all: usize,
}

impl Span {
    fn new(parameters: &Parameters, input: Size, column: usize, pixels: usize) -> Self {
        let start = column * parameters.stride;
        let all = (pixels - 1) * parameters.stride + parameters.kernel_width;
        let left = parameters.pad.saturating_sub(start);
        let first = (start + left) - parameters.pad;
        Self {
            left,
            first,
            inside: (all - left).min(input.width - first),
            all,
        }
    }

    /// One kernel row's bytes: in place where they all lie in the buffer, else copied.
    fn read<'a>(
        &self,
        parameters: &Parameters,
        input: &Input<'a>,
        input_row: usize,
        length: usize,
        copy: &'a mut [u8],
    ) -> &'a [u8] {
        let channels = parameters.input_channels;
        let start = (input_row * input.size.width + self.first) * channels;
        if self.inside == self.all
            && let Some(bytes) = input.activations.get(start..start + length)
        {
            return bytes;
        }
        copy.fill(parameters.input_zero_point as u8);
        let bytes = self.inside * channels;
        copy[self.left * channels..][..bytes].copy_from_slice(&input.activations[start..][..bytes]);
        &copy[..length]
    }
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
                for (first, pixels) in spans(width, max_pixels) {
                    assert_eq!(first, next, "{width} columns by {max_pixels}");
                    lengths.push(pixels);
                    next += pixels;
                }
                let longest = lengths.iter().max().copied().unwrap_or(0);
                let shortest = lengths.iter().min().copied().unwrap_or(0);
                assert_eq!(next, width, "{width} columns by {max_pixels}");
                assert!(longest <= max_pixels && longest - shortest <= 1);
            }
        }
    }
}

//! The reference: plain loops over every output value.

use super::parameters::{Parameters, Size};
use super::{Input, Output};

/// Adding and subtracting 1.5 * 2^23 rounds a magnitude below 2^22 to the nearest integer, ties to
/// even: the sum's last place is worth one.
const ROUNDING: f32 = 12_582_912.0;

/// Rounds to the nearest integer, ties to even; exact for magnitudes below 2^22.
fn round_to_even(value: f32) -> i32 {
    ((value + ROUNDING) - ROUNDING) as i32
}

/// Convolves one picture whose buffers have been checked.
pub(super) fn convolve(
    parameters: &Parameters,
    input: Input<'_>,
    output_size: Size,
    mut output: Output<'_>,
) {
    let mut place = 0;
    for row in 0..output_size.height {
        for column in 0..output_size.width {
            let window = Window::at(parameters, input.size, row, column);
            for channel in 0..parameters.output_channels {
                let sum = window.sum(parameters, input.activations, channel);
                let residual = input.residual.map(|values| {
                    values[residual_place(parameters, output_size, row, column) + channel]
                });
                let value = requantize(parameters, channel, sum, residual);
                match &mut output {
                    Output::U8(values) => values[place] = value as u8,
                    Output::I16(values) => values[place] = value as i16,
                }
                place += 1;
            }
        }
    }
}

/// First channel of the residual's pixel that belongs to an output pixel.
fn residual_place(parameters: &Parameters, size: Size, row: usize, column: usize) -> usize {
    let upsample = parameters.residual.map_or(1, |residual| residual.upsample);
    let pixel = (row / upsample) * (size.width / upsample) + column / upsample;
    pixel * parameters.output_channels
}

fn requantize(parameters: &Parameters, channel: usize, sum: i32, residual: Option<u8>) -> i32 {
    let mut real = sum as f32 * parameters.scale[channel];
    if let (Some(value), Some(residual)) = (residual, &parameters.residual) {
        let branch = (i32::from(value) - residual.zero_point) as f32 * residual.scale;
        real += branch;
    }
    let (low, high) = parameters.output.clamp();
    round_to_even(real.clamp(low, high)) + parameters.output.zero_point
}

/// The part of the window around one output pixel that lies inside the picture. What lies outside
/// equals the zero point and adds nothing.
struct Window {
    first_kernel_row: usize,
    end_kernel_row: usize,
    first_kernel_column: usize,
    columns: usize,
    /// Input pixel under the window's first row and column inside the picture.
    first_pixel: usize,
    input_width: usize,
}

impl Window {
    fn at(parameters: &Parameters, input: Size, row: usize, column: usize) -> Self {
        let clip = |place: usize, side: usize, kernel_side: usize| {
            let start = place * parameters.stride;
            let first = parameters.pad.saturating_sub(start);
            let end = kernel_side.min(side + parameters.pad - start);
            (first, end, start + first - parameters.pad)
        };
        let (first_kernel_row, end_kernel_row, first_row) =
            clip(row, input.height, parameters.kernel_height);
        let (first_kernel_column, end_kernel_column, first_column) =
            clip(column, input.width, parameters.kernel_width);
        Self {
            first_kernel_row,
            end_kernel_row,
            first_kernel_column,
            columns: end_kernel_column - first_kernel_column,
            first_pixel: first_row * input.width + first_column,
            input_width: input.width,
        }
    }

    fn sum(&self, parameters: &Parameters, activations: &[u8], channel: usize) -> i32 {
        let channels = parameters.input_channels;
        let weights = parameters.channel_weights(channel);
        let mut sum = parameters.bias[channel];
        for kernel_row in self.first_kernel_row..self.end_kernel_row {
            let pixel = self.first_pixel + (kernel_row - self.first_kernel_row) * self.input_width;
            let values = &activations[pixel * channels..][..self.columns * channels];
            let tap = kernel_row * parameters.kernel_width + self.first_kernel_column;
            let weights = &weights[tap * channels..][..self.columns * channels];
            sum += dot(values, parameters.input_zero_point as i16, weights);
        }
        sum
    }
}

/// Sixteen-bit factors: what a compiler turns into a vector's multiply-and-add of pairs.
fn dot(values: &[u8], zero_point: i16, weights: &[i8]) -> i32 {
    let products = values.iter().zip(weights).map(|(&value, &weight)| {
        i32::from(i16::from(value) - zero_point) * i32::from(i16::from(weight))
    });
    products.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_sends_ties_to_the_even_integer() {
        let cases = [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (2.499_999_8, 2),
            (126.5, 126),
            (-32_768.0, -32_768),
            (32_766.5, 32_766),
        ];
        for (value, expected) in cases {
            assert_eq!(round_to_even(value), expected, "{value}");
        }
    }
}

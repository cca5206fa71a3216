//! The reference: plain loops over every output value.

use std::ops::Range;

use super::output::Output;
use super::parameters::{MAX_KERNEL_SIDE, Parameters};
use super::rows::{Rows, RowsMut};
use super::tiles::window_rows;

/// Adding and subtracting 1.5 * 2^23 rounds a magnitude below 2^22 to the nearest integer, ties to
/// even: the sum's last place is worth one.
const ROUNDING: f32 = 12_582_912.0;

/// Rounds to the nearest integer, ties to even; exact for magnitudes below 2^22.
fn round_to_even(value: f32) -> i32 {
    ((value + ROUNDING) - ROUNDING) as i32
}

/// Convolves rows of an image whose buffers have been checked.
pub(super) fn convolve(
    parameters: &Parameters,
    input: &Rows<'_>,
    residual: Option<&Rows<'_>>,
    output: &mut RowsMut<'_>,
    (rows, width): (Range<usize>, usize),
) {
    let channels = parameters.output_channels;
    let shift = parameters.residual_shift();
    for row in rows {
        let mut windows: [&[u8]; MAX_KERNEL_SIDE] = [&[]; MAX_KERNEL_SIDE];
        window_rows(parameters, input, row, &mut windows);
        let branch = residual.map(|residual| {
            let row = residual.row((row >> shift) as isize);
            &row[residual.layout.first_pixel()..]
        });
        let mut values = output.row(row);
        for column in 0..width {
            for channel in 0..channels {
                let sum = sum(parameters, &windows, column, channel);
                let added = branch.map(|row| row[(column >> shift) * channels + channel]);
                let value = requantize(parameters, channel, sum, added);
                let place = column * channels + channel;
                match &mut values {
                    Output::U8(values) => values[place] = value as u8,
                    Output::I16(values) => values[place] = value as i16,
                }
            }
        }
    }
}

/// One output value's sum. Padding equals the zero point and adds nothing.
fn sum(parameters: &Parameters, windows: &[&[u8]], column: usize, channel: usize) -> i32 {
    let run = parameters.run_length();
    let start = column * parameters.stride * parameters.input_channels;
    let weights = parameters.channel_weights(channel).chunks_exact(run);
    let rows = windows.iter().zip(weights);
    let zero_point = parameters.input_zero_point as i16;
    let sums = rows.map(|(row, weights)| dot(&row[start..][..run], zero_point, weights));
    parameters.bias[channel] + sums.sum::<i32>()
}

/// Sixteen-bit factors: what a compiler turns into a vector's multiply-and-add of pairs.
fn dot(values: &[u8], zero_point: i16, weights: &[i8]) -> i32 {
    let products = values.iter().zip(weights).map(|(&value, &weight)| {
        i32::from(i16::from(value) - zero_point) * i32::from(i16::from(weight))
    });
    products.sum()
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

//! The inverse cosine transform of one block, in exact integers.
//!
//! It is the accurate transform of Loeffler, Ligtenberg and Moschytz ("Practical fast 1-D DCT
//! algorithms with 11 multiplications", ICASSP 1989) with constants in 1/4096, columns first,
//! written as two matrices of four by four: no sum is rounded but at the end of each pass, so the
//! order of the sums does not matter. Those are the numbers of zune-jpeg's scalar code and of
//! stb_image too, which the network was trained on.

use super::super::block::{BLOCK, Part, SIDE};

pub const HALF_SIDE: usize = SIDE / 2;

/// What the even inputs (0, 2, 4, 6) add to the first four outputs, in 1/4096.
pub const EVEN: [[i16; HALF_SIDE]; HALF_SIDE] = [
    [4096, 4096, 4096, 4096],
    [5352, 2217, -2217, -5352],
    [4096, -4096, -4096, 4096],
    [2217, -5350, 5350, -2217],
];
/// What the odd inputs (1, 3, 5, 7) add to them; the other four outputs get the opposite.
pub const ODD: [[i16; HALF_SIDE]; HALF_SIDE] = [
    [5683, 4816, 3219, 1131],
    [4816, -1129, -5681, -3218],
    [3219, -5681, 1132, 4816],
    [1131, -3218, 4816, -5680],
];

/// The columns keep two more bits than their inputs.
pub const COLUMN_SHIFT: u32 = 10;
/// The rows lose those two bits, the constants' twelve, and the three of both passes' gain.
pub const ROW_SHIFT: u32 = 17;
/// One half, samples around 128, and half of what the columns may have lost.
pub const ROW_BIAS: i32 = (1 << (ROW_SHIFT - 1)) + (128 << ROW_SHIFT) + (1 << (COLUMN_SHIFT - 1));

/// Turns coefficients into samples; see [`super::super::Kernel::transform`].
#[inline]
pub fn transform(coefficients: &[i16; BLOCK], part: Part, out: &mut [u8], stride: usize) {
    match part {
        Part::Corner => transform_part::<4, 4>(coefficients, out, stride),
        Part::Rows => transform_part::<4, 8>(coefficients, out, stride),
        Part::Columns => transform_part::<8, 4>(coefficients, out, stride),
        Part::Whole => transform_part::<8, 8>(coefficients, out, stride),
    }
}

/// A block of one value: what both passes would give for it.
pub fn fill(first: i16, out: &mut [u8], stride: usize) {
    let level = ((i32::from(first) + 4) >> 3) + 128;
    let row = [to_sample(level); SIDE];
    for out_row in out.chunks_mut(stride).take(SIDE) {
        if let Some(samples) = out_row.first_chunk_mut() {
            *samples = row;
        }
    }
}

/// The transform where only the first `ROWS` rows and `COLUMNS` columns hold coefficients.
#[inline]
fn transform_part<const ROWS: usize, const COLUMNS: usize>(
    coefficients: &[i16; BLOCK],
    out: &mut [u8],
    stride: usize,
) {
    let mixed = mix_columns::<ROWS, COLUMNS>(coefficients);
    for (row, out_row) in mixed.iter().zip(out.chunks_mut(stride)) {
        if let Some(samples) = out_row.first_chunk_mut() {
            *samples = mix_row(row);
        }
    }
}

#[expect(
    clippy::needless_range_loop,
    reason = "columns are lanes: every line is indexed alike"
)]
#[inline(always)]
fn mix_columns<const ROWS: usize, const COLUMNS: usize>(
    coefficients: &[i16; BLOCK],
) -> [[i16; COLUMNS]; SIDE] {
    let mut mixed = [[0; COLUMNS]; SIDE];
    let input = |row: usize, column: usize| i32::from(coefficients[row * SIDE + column]);
    for output in 0..HALF_SIDE {
        for column in 0..COLUMNS {
            let mut even = 1 << (COLUMN_SHIFT - 1);
            let mut odd = 0;
            for pair in 0..ROWS / 2 {
                even += input(2 * pair, column) * i32::from(EVEN[pair][output]);
                odd += input(2 * pair + 1, column) * i32::from(ODD[pair][output]);
            }
            mixed[output][column] = saturated((even + odd) >> COLUMN_SHIFT);
            mixed[SIDE - 1 - output][column] = saturated((even - odd) >> COLUMN_SHIFT);
        }
    }
    mixed
}

#[inline(always)]
fn mix_row<const COLUMNS: usize>(row: &[i16; COLUMNS]) -> [u8; SIDE] {
    let mut even = [ROW_BIAS; HALF_SIDE];
    let mut odd = [0; HALF_SIDE];
    for pair in 0..COLUMNS / 2 {
        for output in 0..HALF_SIDE {
            even[output] += i32::from(row[2 * pair]) * i32::from(EVEN[pair][output]);
            odd[output] += i32::from(row[2 * pair + 1]) * i32::from(ODD[pair][output]);
        }
    }
    let mut samples = [0; SIDE];
    for output in 0..HALF_SIDE {
        samples[output] = to_sample((even[output] + odd[output]) >> ROW_SHIFT);
        samples[SIDE - 1 - output] = to_sample((even[output] - odd[output]) >> ROW_SHIFT);
    }
    samples
}

/// Coefficients of an image stay far within 16 bits; those of damaged data end at the border.
#[inline(always)]
fn saturated(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[inline(always)]
fn to_sample(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::super::super::Kernel;
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::PI;

    /// The definition (T.81, A.3.3).
    fn exact(coefficients: &[i16; BLOCK]) -> [f64; BLOCK] {
        let scale = |frequency: usize| if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |at: usize, frequency: usize| {
            scale(frequency) * ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos()
        };
        std::array::from_fn(|place| {
            let (y, x) = (place / SIDE, place % SIDE);
            let sum: f64 = (0..BLOCK)
                .map(|at| f64::from(coefficients[at]) * wave(y, at / SIDE) * wave(x, at % SIDE))
                .sum();
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        })
    }

    fn transformed(coefficients: &[i16; BLOCK], places: usize) -> [u8; BLOCK] {
        let mut out = [0; BLOCK];
        Kernel::SCALAR.transform(coefficients, places, &mut out, SIDE);
        out
    }

    proptest! {
        #[test]
        fn samples_are_those_of_the_definition(
            values in prop::collection::vec((0..BLOCK, -300_i16..300), 0..12)
        ) {
            let mut coefficients = [0; BLOCK];
            for (at, value) in values {
                coefficients[at] = value;
            }
            let found = transformed(&coefficients, BLOCK - 1);
            for (sample, exact) in found.iter().zip(exact(&coefficients)) {
                prop_assert!((f64::from(*sample) - exact).abs() < 1.0, "{} {}", sample, exact);
            }
        }

        #[test]
        fn short_ways_give_the_same_bits(
            values in prop::collection::vec((0_usize..8, 0_usize..8, any::<i16>()), 0..12),
            rows in prop_oneof![Just(1), Just(4), Just(8)],
            columns in prop_oneof![Just(1), Just(4), Just(8)]
        ) {
            let mut coefficients = [0; BLOCK];
            let mut places = 0;
            for (row, column, value) in values {
                let place = row % rows * SIDE + column % columns;
                // A lone first value of damaged data saturates on the long way only.
                coefficients[place] = if place == 0 { value / 4 } else { value };
                places |= place;
            }
            prop_assert_eq!(transformed(&coefficients, places), transformed(&coefficients, BLOCK - 1));
        }
    }
}

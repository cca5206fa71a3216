//! Plain Rust, written so that compilers find vector instructions in it.

use super::taps::{
    AccumulatedPixel, CHANNELS, ColumnTaps, HALF, HALVING, MOST_PADDED_TAPS, WEIGHT_BITS,
};

/// See [`super::Kernel::filter_vertical`].
pub fn filter_vertical(rows: &[u8], weights: &[i16], sums: &mut [i32], filtered: &mut [u8]) {
    match weights.len() {
        1 => filtered.copy_from_slice(&rows[..filtered.len()]),
        2 => filter_vertical_few::<2>(rows, weights, filtered),
        3 => filter_vertical_few::<3>(rows, weights, filtered),
        4 if *weights == HALVING => {
            let length = filtered.len();
            filter_by_halving(
                std::array::from_fn(|row| &rows[row * length..][..length]),
                filtered,
            );
        }
        4 => filter_vertical_few::<4>(rows, weights, filtered),
        5 => filter_vertical_few::<5>(rows, weights, filtered),
        MOST_ROWS_TOGETHER => filter_vertical_few::<MOST_ROWS_TOGETHER>(rows, weights, filtered),
        _ => filter_vertical_many(rows, weights, sums, filtered),
    }
}

/// Most rows whose sums stay in registers.
const MOST_ROWS_TOGETHER: usize = 6;

/// The zeros at the end of all weights, in binary.
fn common_zeros(weights: &[i16]) -> u32 {
    let all = weights.iter().fold(0, |all, weight| all | weight);
    all.trailing_zeros()
}

/// Whether rows of these weights need sums of 32 bits. Where the weights are multiples of a power
/// of two that leaves sums of 16 bits, as they are at whole reductions, half the space does.
pub fn needs_wide_sums(weights: &[i16]) -> bool {
    weights.len() > MOST_ROWS_TOGETHER || common_zeros(weights) < WEIGHT_BITS - 8
}

fn filter_vertical_few<const COUNT: usize>(rows: &[u8], weights: &[i16], filtered: &mut [u8]) {
    let length = filtered.len();
    let rows: [&[u8]; COUNT] = std::array::from_fn(|row| &rows[row * length..][..length]);
    let weights: [i16; COUNT] = std::array::from_fn(|row| weights[row]);
    if needs_wide_sums(&weights) {
        for (at, byte) in filtered.iter_mut().enumerate() {
            let products = (0..COUNT).map(|row| i32::from(weights[row]) * i32::from(rows[row][at]));
            *byte = to_byte(HALF + products.sum::<i32>());
        }
        return;
    }
    let zeros = common_zeros(&weights);
    let shift = WEIGHT_BITS - zeros;
    let weights = weights.map(|weight| (weight >> zeros) as u16);
    let half = (1_u16 << shift) >> 1;
    for (at, byte) in filtered.iter_mut().enumerate() {
        let products = (0..COUNT).map(|row| weights[row] * u16::from(rows[row][at]));
        *byte = ((half + products.sum::<u16>()) >> shift) as u8;
    }
}

fn filter_vertical_many(rows: &[u8], weights: &[i16], sums: &mut [i32], filtered: &mut [u8]) {
    sums.fill(HALF);
    for (row, &weight) in rows.chunks_exact(filtered.len()).zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += i32::from(weight) * i32::from(value);
        }
    }
    for (byte, &sum) in filtered.iter_mut().zip(&*sums) {
        *byte = to_byte(sum);
    }
}

/// See [`super::Kernel::filter_horizontal`].
pub fn filter_horizontal(row: &[u8], taps: ColumnTaps<'_>, out: &mut [AccumulatedPixel]) {
    match taps.most_taps {
        1 => filter_horizontal_few::<1>(row, taps, out),
        2 => filter_horizontal_few::<2>(row, taps, out),
        3 => filter_horizontal_few::<3>(row, taps, out),
        4 => filter_horizontal_few::<4>(row, taps, out),
        5 => filter_horizontal_few::<5>(row, taps, out),
        6 => filter_horizontal_few::<6>(row, taps, out),
        7 => filter_horizontal_few::<7>(row, taps, out),
        _ => filter_horizontal_few::<MOST_PADDED_TAPS>(row, taps, out),
    }
}

fn filter_horizontal_few<const COUNT: usize>(
    row: &[u8],
    taps: ColumnTaps<'_>,
    out: &mut [AccumulatedPixel],
) {
    let outputs = taps.first_inputs.iter().zip(taps.weights).zip(out);
    for ((first_input, weights), out_pixel) in outputs {
        let inputs = &row[first_input * CHANNELS..][..COUNT * CHANNELS + 1];
        *out_pixel = accumulated_pixel(inputs, &weights[..COUNT]);
    }
}

/// See [`super::Kernel::filter_horizontal_many`].
pub fn filter_horizontal_many<'a>(
    row: &[u8],
    taps: impl Iterator<Item = (usize, &'a [i16])>,
    out: &mut [AccumulatedPixel],
) {
    for ((first_input, weights), out_pixel) in taps.zip(out) {
        let inputs = &row[first_input * CHANNELS..][..weights.len() * CHANNELS + 1];
        *out_pixel = accumulated_pixel(inputs, weights);
    }
}

/// Reads four bytes wherever a pixel starts.
#[inline(always)]
fn accumulated_pixel(inputs: &[u8], weights: &[i16]) -> AccumulatedPixel {
    let mut sums = [HALF; 4];
    for (at, &weight) in weights.iter().enumerate() {
        if let Some(pixel) = inputs[at * CHANNELS..].first_chunk::<4>() {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(weight) * i32::from(value);
            }
        }
    }
    sums.map(to_byte)
}

/// See [`super::Kernel::filter_horizontal_halved`].
pub fn filter_horizontal_halved(
    row: &[u8],
    columns: &mut [u8],
    first: usize,
    out: &mut [AccumulatedPixel],
) {
    if out.is_empty() {
        return;
    }
    let row = &row[(2 * first - 1) * CHANNELS..];
    let count = (2 * out.len() - 1) * CHANNELS;
    let columns = &mut columns[..count + 1];
    let inputs = std::array::from_fn(|tap| &row[tap * CHANNELS..][..count]);
    filter_by_halving(inputs, &mut columns[..count]);
    let every_other = columns.chunks(2 * CHANNELS);
    for (out_pixel, pixel) in out.iter_mut().zip(every_other) {
        if let Some(pixel) = pixel.first_chunk() {
            *out_pixel = *pixel;
        }
    }
}

/// Values of four rows or columns, weighted by [`HALVING`].
fn filter_by_halving([a, b, c, d]: [&[u8]; 4], filtered: &mut [u8]) {
    let inputs = a.iter().zip(b).zip(c.iter().zip(d));
    for (filtered, ((&a, &b), (&c, &d))) in filtered.iter_mut().zip(inputs) {
        let inner = u16::from(b) + u16::from(c);
        let sum = u16::from(a) + u16::from(d) + 3 * inner;
        *filtered = ((sum + 4) >> 3) as u8;
    }
}

/// Weights are at least zero and add up to one, so the sum never leaves a byte's range.
pub fn to_byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS) as u8
}

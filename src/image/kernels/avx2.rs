//! For x86 processors with AVX2: products of pairs are summed in 32 bits (`vpmaddwd`).

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::x86_64::*;

use super::scalar;
use super::taps::{AccumulatedPixel, CHANNELS, ColumnTaps, HALF, MOST_PADDED_TAPS, WEIGHT_BITS};

/// Bytes of a row filtered at a time.
const STEP: usize = 32;
/// Bytes that memory is read in.
const CACHE_LINE: usize = 64;
/// Pixels made at a time.
const PIXELS: usize = 8;
/// Pixels in one register.
const PAIR: usize = 2;
/// Taps read at a time.
const TAPS_TOGETHER: usize = 4;
/// Bytes read from an output pixel's first tap on.
const READ: usize = TAPS_TOGETHER * CHANNELS + 16;

/// See [`super::Kernel::filter_vertical`].
#[target_feature(enable = "avx2")]
pub fn filter_vertical(rows: &[u8], weights: &[i16], filtered: &mut [u8]) {
    let length = filtered.len();
    let whole = length / STEP * STEP;
    match weights.len().div_ceil(2) {
        1 => filter_row_pairs::<1>(rows, weights, filtered),
        2 => filter_row_pairs::<2>(rows, weights, filtered),
        3 => filter_row_pairs::<3>(rows, weights, filtered),
        4 => filter_row_pairs::<4>(rows, weights, filtered),
        5 => filter_row_pairs::<5>(rows, weights, filtered),
        _ => return filter_bytes(rows, length, weights, 0, filtered),
    }
    filter_bytes(rows, length, weights, whole, &mut filtered[whole..]);
}

/// One byte after another, those of the rows from `first` on.
fn filter_bytes(rows: &[u8], length: usize, weights: &[i16], first: usize, filtered: &mut [u8]) {
    for (byte, at) in filtered.iter_mut().zip(first..) {
        let values = rows[at..].iter().step_by(length);
        let products = values
            .zip(weights)
            .map(|(&value, &weight)| i32::from(weight) * i32::from(value));
        *byte = scalar::to_byte(HALF + products.sum::<i32>());
    }
}

/// Mixes twice `PAIRS` rows, or one fewer, as far as whole registers go. Meanwhile the rows behind
/// them, which come next, are brought near: those of a large frame lie in memory.
#[inline]
#[target_feature(enable = "avx2")]
fn filter_row_pairs<const PAIRS: usize>(rows: &[u8], weights: &[i16], filtered: &mut [u8]) {
    let length = filtered.len();
    let zero = _mm256_setzero_si256();
    let mut pairs: [[&[u8]; 2]; PAIRS] = [[&[]; 2]; PAIRS];
    let mut factors = [zero; PAIRS];
    for (pair, weights) in weights.chunks(2).enumerate() {
        let first = 2 * pair;
        // Where there is no second row, the first stands for it, with a weight of zero.
        let second = first + weights.len() - 1;
        pairs[pair] = [first, second].map(|row| &rows[row * length..][..length]);
        let other = weights.get(1).copied().unwrap_or(0);
        let together = u32::from(weights[0] as u16) | u32::from(other as u16) << 16;
        factors[pair] = _mm256_set1_epi32(together as i32);
    }
    let next_rows = [0, 1].map(|row| {
        let first = (weights.len() + row) * length;
        rows.as_ptr().wrapping_add(first)
    });
    let (steps, _) = filtered.as_chunks_mut::<STEP>();
    for (step, filtered) in steps.iter_mut().enumerate() {
        if step % (CACHE_LINE / STEP) == 0 {
            for row in next_rows {
                // SAFETY: bringing near what cannot be read does nothing; newer compilers know so.
                #[allow(unused_unsafe, reason = "older compilers take it for unsafe")]
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(step * STEP).cast());
                };
            }
        }
        let mut sums = [_mm256_set1_epi32(HALF); 4];
        for ([one, other], factors) in pairs.iter().zip(factors) {
            // SAFETY: each row is as long as the filtered one, of which this is a whole step.
            let (one, other) = unsafe {
                (
                    _mm256_loadu_si256(one.as_ptr().add(step * STEP).cast()),
                    _mm256_loadu_si256(other.as_ptr().add(step * STEP).cast()),
                )
            };
            let low = _mm256_unpacklo_epi8(one, other);
            let high = _mm256_unpackhi_epi8(one, other);
            let values = [
                _mm256_unpacklo_epi8(low, zero),
                _mm256_unpackhi_epi8(low, zero),
                _mm256_unpacklo_epi8(high, zero),
                _mm256_unpackhi_epi8(high, zero),
            ];
            for (sum, values) in sums.iter_mut().zip(values) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(values, factors));
            }
        }
        // SAFETY: the array holds 32 bytes.
        unsafe { _mm256_storeu_si256(filtered.as_mut_ptr().cast(), bytes_of(sums)) };
    }
}

/// Sums cut to bytes. Each half of the result has the sums of that half of each register.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes_of(sums: [__m256i; 4]) -> __m256i {
    let mut cut = sums;
    for sum in &mut cut {
        *sum = _mm256_srai_epi32::<{ WEIGHT_BITS as i32 }>(*sum);
    }
    let [a, b, c, d] = cut;
    _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d))
}

/// See [`super::Kernel::filter_horizontal`].
#[target_feature(enable = "avx2")]
pub fn filter_horizontal(row: &[u8], taps: ColumnTaps<'_>, out: &mut [AccumulatedPixel]) {
    match taps.most_taps.div_ceil(2) {
        1 => filter_pixel_pairs::<1>(row, taps, out),
        2 => filter_pixel_pairs::<2>(row, taps, out),
        3 => filter_pixel_pairs::<3>(row, taps, out),
        _ => filter_pixel_pairs::<4>(row, taps, out),
    }
}

/// Where each output pixel has at most twice `PAIRS` taps.
#[inline]
#[target_feature(enable = "avx2")]
fn filter_pixel_pairs<const PAIRS: usize>(
    row: &[u8],
    taps: ColumnTaps<'_>,
    out: &mut [AccumulatedPixel],
) {
    // Pixels come out as the first and the second of each pair.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let (inputs, rest_of_inputs) = taps.first_inputs.as_chunks::<PIXELS>();
    let (weights, rest_of_weights) = taps.weights.as_chunks::<PIXELS>();
    let (outputs, rest) = out.as_chunks_mut::<PIXELS>();
    for ((inputs, weights), out) in inputs.iter().zip(weights).zip(outputs) {
        let (inputs, _) = inputs.as_chunks::<PAIR>();
        let (weights, _) = weights.as_chunks::<PAIR>();
        let mut sums = [_mm256_setzero_si256(); PIXELS / PAIR];
        for (sum, (inputs, weights)) in sums.iter_mut().zip(inputs.iter().zip(weights)) {
            *sum = mix_pair::<PAIRS>(row, *inputs, weights);
        }
        let pixels = _mm256_permutevar8x32_epi32(bytes_of(sums), order);
        // SAFETY: the array holds eight pixels of four bytes.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), pixels) };
    }
    let taps = ColumnTaps {
        first_inputs: rest_of_inputs,
        weights: rest_of_weights,
        most_taps: taps.most_taps,
    };
    scalar::filter_horizontal(row, taps, rest);
}

/// The sums of two output pixels, of which each half of the result has one: three channels, and a
/// sum that means nothing.
#[inline]
#[target_feature(enable = "avx2")]
fn mix_pair<const PAIRS: usize>(
    row: &[u8],
    first_inputs: [usize; PAIR],
    weights: &[[i16; MOST_PADDED_TAPS]; PAIR],
) -> __m256i {
    let one = &row[first_inputs[0] * CHANNELS..][..READ];
    let other = &row[first_inputs[1] * CHANNELS..][..READ];
    // SAFETY: the array holds two times eight weights of 16 bits.
    let weights = unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) };
    let weights = [
        _mm256_shuffle_epi32::<0x00>(weights),
        _mm256_shuffle_epi32::<0x55>(weights),
        _mm256_shuffle_epi32::<0xAA>(weights),
        _mm256_shuffle_epi32::<0xFF>(weights),
    ];
    let mut sum = _mm256_set1_epi32(HALF);
    let mut inputs = _mm256_setzero_si256();
    for (pair, weights) in weights.into_iter().enumerate().take(PAIRS) {
        let part = pair % (TAPS_TOGETHER / 2);
        if part == 0 {
            let from = pair * 2 * CHANNELS;
            // SAFETY: `from` is 0 or 12, and both slices hold 28 bytes.
            inputs = unsafe {
                _mm256_loadu2_m128i(
                    other.as_ptr().add(from).cast(),
                    one.as_ptr().add(from).cast(),
                )
            };
        }
        let values = _mm256_shuffle_epi8(inputs, by_channel(part));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(values, weights));
    }
    sum
}

/// Brings two neighbouring pixels, the first two or the next, together by channel, in 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn by_channel(part: usize) -> __m256i {
    const NONE: i8 = -1;
    let from = (part * 2 * CHANNELS) as i8;
    let [a, b, c] = [from, from + 1, from + 2];
    let [d, e, f] = [from + 3, from + 4, from + 5];
    let order = _mm_setr_epi8(
        a, NONE, d, NONE, b, NONE, e, NONE, c, NONE, f, NONE, NONE, NONE, NONE, NONE,
    );
    _mm256_broadcastsi128_si256(order)
}

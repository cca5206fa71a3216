//! For 64-bit ARM processors, all of which have NEON.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::aarch64::*;

use super::block::{BLOCK, PIXEL_BYTES, Part, SIDE, STEP, sixteen};
use super::scalar::idct::{COLUMN_SHIFT, EVEN, HALF_SIDE, ODD, ROW_BIAS, ROW_SHIFT};

/// Eight rows of eight values.
type Rows = [int16x8_t; SIDE];

/// See [`super::Kernel::transform`].
#[target_feature(enable = "neon")]
pub fn transform(coefficients: &[i16; BLOCK], part: Part, out: &mut [u8], stride: usize) {
    match part {
        Part::Corner => transform_part::<4, 4>(coefficients, out, stride),
        Part::Rows => transform_part::<4, 8>(coefficients, out, stride),
        Part::Columns => transform_part::<8, 4>(coefficients, out, stride),
        Part::Whole => transform_part::<8, 8>(coefficients, out, stride),
    }
}

/// Both passes have their lanes across what they mix, so the block is transposed between them and
/// at the end.
#[inline]
#[target_feature(enable = "neon")]
fn transform_part<const ROWS: usize, const COLUMNS: usize>(
    coefficients: &[i16; BLOCK],
    out: &mut [u8],
    stride: usize,
) {
    let (rows, _) = coefficients.as_chunks::<SIDE>();
    let mut input = [vdupq_n_s16(0); SIDE];
    for (register, row) in input.iter_mut().zip(rows).take(ROWS) {
        // SAFETY: the row holds the eight values that are read.
        *register = unsafe { vld1q_s16(row.as_ptr()) };
    }
    let mut mixed = [vdupq_n_s16(0); SIDE];
    let low = mix::<ROWS>(&input.map(|row| vget_low_s16(row)), COLUMN_BIAS);
    if COLUMNS > 4 {
        let high = mix::<ROWS>(&input.map(|row| vget_high_s16(row)), COLUMN_BIAS);
        for ((mixed, low), high) in mixed.iter_mut().zip(low).zip(high) {
            *mixed = vcombine_s16(
                vqshrn_n_s32::<{ COLUMN_SHIFT as i32 }>(low),
                vqshrn_n_s32::<{ COLUMN_SHIFT as i32 }>(high),
            );
        }
    } else {
        for (mixed, low) in mixed.iter_mut().zip(low) {
            let low = vqshrn_n_s32::<{ COLUMN_SHIFT as i32 }>(low);
            *mixed = vcombine_s16(low, vdup_n_s16(0));
        }
    }
    let columns = transposed(mixed);
    let low = mix::<COLUMNS>(&columns.map(|column| vget_low_s16(column)), ROW_BIAS);
    let high = mix::<COLUMNS>(&columns.map(|column| vget_high_s16(column)), ROW_BIAS);
    let mut samples = [vdupq_n_s16(0); SIDE];
    for ((samples, low), high) in samples.iter_mut().zip(low).zip(high) {
        // Sixteen bits of the shift here, the last one with the narrowing to bytes.
        *samples = vcombine_s16(vshrn_n_s32::<16>(low), vshrn_n_s32::<16>(high));
    }
    for (row, samples) in transposed(samples).into_iter().enumerate() {
        let samples = vqshrun_n_s16::<{ ROW_SHIFT as i32 - 16 }>(samples);
        let Some(place) = out
            .get_mut(row * stride..)
            .and_then(<[u8]>::first_chunk_mut::<SIDE>)
        else {
            return;
        };
        // SAFETY: the place holds the eight bytes that are written.
        unsafe { vst1_u8(place.as_mut_ptr(), samples) };
    }
}

/// One half.
const COLUMN_BIAS: i32 = 1 << (COLUMN_SHIFT - 1);

/// Eight sums from `COUNT` inputs, four lanes wide.
#[inline]
#[target_feature(enable = "neon")]
fn mix<const COUNT: usize>(input: &[int16x4_t; SIDE], bias: i32) -> [int32x4_t; SIDE] {
    let mut sums = [vdupq_n_s32(0); SIDE];
    for output in 0..HALF_SIDE {
        let mut even = vdupq_n_s32(bias);
        let mut odd = vmull_n_s16(input[1], ODD[0][output]);
        even = vmlal_n_s16(even, input[0], EVEN[0][output]);
        for pair in 1..COUNT / 2 {
            even = vmlal_n_s16(even, input[2 * pair], EVEN[pair][output]);
            odd = vmlal_n_s16(odd, input[2 * pair + 1], ODD[pair][output]);
        }
        sums[output] = vaddq_s32(even, odd);
        sums[SIDE - 1 - output] = vsubq_s32(even, odd);
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn transposed(rows: Rows) -> Rows {
    let as_32 = |row| vreinterpretq_s32_s16(row);
    let as_64 = |row| vreinterpretq_s64_s32(row);
    let [a, b, c, d, e, f, g, h] = rows;
    let pairs = [(a, b), (c, d), (e, f), (g, h)]
        .map(|(one, other)| [as_32(vtrn1q_s16(one, other)), as_32(vtrn2q_s16(one, other))]);
    let mut columns = rows;
    for odd in 0..2 {
        let [ab, cd, ef, gh] = pairs.map(|pair| pair[odd]);
        let first = [vtrn1q_s32(ab, cd), vtrn2q_s32(ab, cd)].map(as_64);
        let last = [vtrn1q_s32(ef, gh), vtrn2q_s32(ef, gh)].map(as_64);
        for half in 0..2 {
            let column = odd + 2 * half;
            columns[column] = vreinterpretq_s16_s64(vtrn1q_s64(first[half], last[half]));
            columns[column + 4] = vreinterpretq_s16_s64(vtrn2q_s64(first[half], last[half]));
        }
    }
    columns
}

/// See [`super::Kernel::write_row`].
#[target_feature(enable = "neon")]
pub fn write_row(luma: &[u8], chroma: [&[u8]; 2], is_halved_across: bool, out: &mut [u8]) {
    if is_halved_across {
        write_row_of::<true>(luma, chroma, out);
    } else {
        write_row_of::<false>(luma, chroma, out);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn write_row_of<const IS_HALVED_ACROSS: bool>(luma: &[u8], [cb, cr]: [&[u8]; 2], out: &mut [u8]) {
    const STEP_BYTES: usize = STEP * PIXEL_BYTES;
    let (luma, _) = luma.as_chunks::<STEP>();
    for (step, (luma, out)) in luma.iter().zip(out.chunks_mut(STEP_BYTES)).enumerate() {
        let luma = widened(load(*luma));
        let [cb, cr] = [cb, cr].map(|samples| {
            if IS_HALVED_ACROSS {
                doubled(load(sixteen(samples, step * STEP / 2)))
            } else {
                widened(load(sixteen(samples, step * STEP + 1)))
            }
        });
        let first = to_pixels(luma[0], cb[0], cr[0]);
        let last = to_pixels(luma[1], cb[1], cr[1]);
        let joined = |channel: usize| vcombine_u8(first[channel], last[channel]);
        let pixels = uint8x16x3_t(joined(0), joined(1), joined(2));
        if let Some(place) = out.first_chunk_mut::<STEP_BYTES>() {
            // SAFETY: the place holds the 48 bytes that are written.
            unsafe { vst3q_u8(place.as_mut_ptr(), pixels) };
        } else {
            let mut place = [0; STEP_BYTES];
            // SAFETY: as above.
            unsafe { vst3q_u8(place.as_mut_ptr(), pixels) };
            out.copy_from_slice(&place[..out.len()]);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load(samples: [u8; 16]) -> uint8x16_t {
    // SAFETY: there are the sixteen bytes that are read.
    unsafe { vld1q_u8(samples.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn widened(samples: uint8x16_t) -> [int16x8_t; 2] {
    let low = vmovl_u8(vget_low_u8(samples));
    [low, vmovl_high_u8(samples)].map(|half| vreinterpretq_s16_u16(half))
}

/// Eight samples, given with their neighbours (ten bytes), as sixteen.
#[inline]
#[target_feature(enable = "neon")]
fn doubled(samples: uint8x16_t) -> [int16x8_t; 2] {
    let before = vget_low_u8(samples);
    let near = vget_low_u8(vextq_u8::<1>(samples, samples));
    let behind = vget_low_u8(vextq_u8::<2>(samples, samples));
    let three_near = vmull_u8(near, vdup_n_u8(3));
    let even = vrshrq_n_u16::<2>(vaddw_u8(three_near, before));
    let odd = vrshrq_n_u16::<2>(vaddw_u8(three_near, behind));
    [vzip1q_u16(even, odd), vzip2q_u16(even, odd)].map(|half| vreinterpretq_s16_u16(half))
}

/// Red, green and blue of eight pixels. The formulas are those of the scalar kernel.
#[inline]
#[target_feature(enable = "neon")]
fn to_pixels(y: int16x8_t, cb: int16x8_t, cr: int16x8_t) -> [uint8x8_t; PIXEL_BYTES] {
    let all = |value| vdupq_n_s16(value);
    let add = |one, other| vaddq_s16(one, other);
    // The instruction doubles the product before it takes the upper half.
    let high_half = |value, factor| vshrq_n_s16::<1>(vqdmulhq_n_s16(value, factor));
    let (cb, cr) = (vsubq_s16(cb, all(128)), vsubq_s16(cr, all(128)));
    let (cb4, cr4) = (vshlq_n_s16::<2>(cb), vshlq_n_s16::<2>(cr));

    let red = add(add(y, cr), high_half(add(cr4, all(5)), 6587));

    let wholes = add(high_half(cr4, -11700), high_half(cb4, -5638));
    let from_cr = vmlaq_n_s16(all((1 << 13) - 1), cr, -11700);
    let low_halves = vmlaq_n_s16(from_cr, cb, -5638);
    let tells = vsubq_s16(vshrq_n_s16::<14>(low_halves), wholes);
    let green = add(y, add(wholes, vandq_s16(tells, all(3))));

    let offset = high_half(vsubq_s16(vshlq_n_s16::<4>(cb), all(35)), -934);
    let blue = add(add(y, add(cb, cb)), offset);
    [red, green, blue].map(|value| vqmovun_s16(value))
}

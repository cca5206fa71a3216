//! For x86 processors with AVX2.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::x86_64::*;

use super::block::{BLOCK, PIXEL_BYTES, Part, SIDE, STEP, sixteen};
use super::scalar::idct::{COLUMN_SHIFT, EVEN, HALF_SIDE, ODD, ROW_BIAS, ROW_SHIFT};

/// See [`super::Kernel::transform`].
#[target_feature(enable = "avx2")]
pub fn transform(coefficients: &[i16; BLOCK], part: Part, out: &mut [u8], stride: usize) {
    match part {
        Part::Corner => transform_part::<4>(coefficients, out, stride),
        // Finer cases cost more in mispredicted jumps than they save.
        Part::Rows | Part::Columns | Part::Whole => transform_part::<8>(coefficients, out, stride),
    }
}

/// The transform where only the first `COUNT` rows and columns hold coefficients.
///
/// Products of pairs are summed in 32 bits (`vpmaddwd`). In the pass over columns the lanes are
/// columns; in the pass over rows they are the outputs of two rows, so nothing is transposed.
#[inline]
#[target_feature(enable = "avx2")]
fn transform_part<const COUNT: usize>(coefficients: &[i16; BLOCK], out: &mut [u8], stride: usize) {
    let (rows, _) = coefficients.as_chunks::<SIDE>();
    let mut even = [_mm256_set1_epi32(1 << (COLUMN_SHIFT - 1)); HALF_SIDE];
    let mut odd = [_mm256_setzero_si256(); HALF_SIDE];
    for quarter in 0..COUNT / 4 {
        let evens = interleaved(&rows[4 * quarter], &rows[4 * quarter + 2]);
        let odds = interleaved(&rows[4 * quarter + 1], &rows[4 * quarter + 3]);
        for output in 0..HALF_SIDE {
            let factors = _mm256_set1_epi32(factor_pair(&EVEN, quarter, output));
            even[output] = _mm256_add_epi32(even[output], _mm256_madd_epi16(evens, factors));
            let factors = _mm256_set1_epi32(factor_pair(&ODD, quarter, output));
            odd[output] = _mm256_add_epi32(odd[output], _mm256_madd_epi16(odds, factors));
        }
    }
    let mut mixed = [_mm256_setzero_si256(); SIDE];
    for output in 0..HALF_SIDE {
        let sum = _mm256_add_epi32(even[output], odd[output]);
        let difference = _mm256_sub_epi32(even[output], odd[output]);
        mixed[output] = _mm256_srai_epi32::<{ COLUMN_SHIFT as i32 }>(sum);
        mixed[SIDE - 1 - output] = _mm256_srai_epi32::<{ COLUMN_SHIFT as i32 }>(difference);
    }
    for four in 0..2 {
        let first = 2 * four;
        // Row `first` and `first + 4`, then the next of each.
        let one = mix_rows::<COUNT>(_mm256_packs_epi32(mixed[first], mixed[first + 4]));
        let other = mix_rows::<COUNT>(_mm256_packs_epi32(mixed[first + 1], mixed[first + 5]));
        let samples = _mm256_packus_epi16(one, other);
        let upper = _mm256_castsi256_si128(samples);
        let lower = _mm256_extracti128_si256::<1>(samples);
        put_row(out, first * stride, _mm_cvtsi128_si64(upper));
        put_row(out, (first + 1) * stride, _mm_extract_epi64::<1>(upper));
        put_row(out, (first + 4) * stride, _mm_cvtsi128_si64(lower));
        put_row(out, (first + 5) * stride, _mm_extract_epi64::<1>(lower));
    }
}

/// Two rows, given as their first halves and their second halves, to samples of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn mix_rows<const COUNT: usize>(halves: __m256i) -> __m256i {
    let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(halves);
    // In pairs: 0 and 2, 1 and 3, 4 and 6, 5 and 7.
    let order = _mm256_setr_epi8(
        0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13,
        10, 11, 14, 15,
    );
    let pairs = _mm256_shuffle_epi8(rows, order);
    let product = |pair, factors| _mm256_madd_epi16(pair, factors);
    let bias = _mm256_set1_epi32(ROW_BIAS);
    let first = _mm256_shuffle_epi32::<0b00_00_00_00>(pairs);
    let second = _mm256_shuffle_epi32::<0b01_01_01_01>(pairs);
    let mut even = _mm256_add_epi32(bias, product(first, factors(&EVEN, 0)));
    let mut odd = product(second, factors(&ODD, 0));
    if COUNT > 4 {
        let third = _mm256_shuffle_epi32::<0b10_10_10_10>(pairs);
        let fourth = _mm256_shuffle_epi32::<0b11_11_11_11>(pairs);
        even = _mm256_add_epi32(even, product(third, factors(&EVEN, 1)));
        odd = _mm256_add_epi32(odd, product(fourth, factors(&ODD, 1)));
    }
    let sum = _mm256_srai_epi32::<{ ROW_SHIFT as i32 }>(_mm256_add_epi32(even, odd));
    let difference = _mm256_srai_epi32::<{ ROW_SHIFT as i32 }>(_mm256_sub_epi32(even, odd));
    let reversed = _mm256_shuffle_epi32::<0b00_01_10_11>(difference);
    _mm256_packs_epi32(sum, reversed)
}

/// The values of two rows in pairs, column after column.
#[inline]
#[target_feature(enable = "avx2")]
fn interleaved(one: &[i16; SIDE], other: &[i16; SIDE]) -> __m256i {
    let (one, other) = (load_row(one), load_row(other));
    let low = _mm256_castsi128_si256(_mm_unpacklo_epi16(one, other));
    _mm256_inserti128_si256::<1>(low, _mm_unpackhi_epi16(one, other))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_row(row: &[i16; SIDE]) -> __m128i {
    // SAFETY: the row holds the sixteen bytes that are read; they need no alignment.
    unsafe { _mm_loadu_si128(row.as_ptr().cast()) }
}

/// The factors of inputs 4 `quarter` and 4 `quarter` + 2 of all (or of the odd ones after them) for
/// one output, as a pair of 16 bits.
const fn factor_pair(
    factors: &[[i16; HALF_SIDE]; HALF_SIDE],
    quarter: usize,
    output: usize,
) -> i32 {
    let low = factors[2 * quarter][output] as u16 as u32;
    let high = factors[2 * quarter + 1][output] as u16 as u32;
    (low | high << 16) as i32
}

/// Those pairs for all four outputs, twice.
#[inline]
#[target_feature(enable = "avx2")]
fn factors(table: &[[i16; HALF_SIDE]; HALF_SIDE], quarter: usize) -> __m256i {
    let [a, b, c, d] = [0, 1, 2, 3].map(|output| factor_pair(table, quarter, output));
    _mm256_setr_epi32(a, b, c, d, a, b, c, d)
}

#[inline]
fn put_row(out: &mut [u8], at: usize, samples: i64) {
    if let Some(row) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *row = samples.to_le_bytes();
    }
}

/// Four pixels are written as sixteen bytes, the last four of which the next ones overwrite.
const WRITTEN_BYTES: usize = STEP * PIXEL_BYTES + 4;

/// See [`super::Kernel::write_row`].
#[target_feature(enable = "avx2")]
pub fn write_row(luma: &[u8], chroma: [&[u8]; 2], is_halved_across: bool, out: &mut [u8]) {
    if is_halved_across {
        write_row_of::<true>(luma, chroma, out);
    } else {
        write_row_of::<false>(luma, chroma, out);
    }
}

/// The last steps, which lack room to read or to write beyond them, are copied: apart from the
/// others, whose loop calls nothing and so keeps its constants in registers.
#[inline]
#[target_feature(enable = "avx2")]
fn write_row_of<const IS_HALVED_ACROSS: bool>(luma: &[u8], [cb, cr]: [&[u8]; 2], out: &mut [u8]) {
    const STEP_BYTES: usize = STEP * PIXEL_BYTES;
    let chroma_start = |step: usize| {
        if IS_HALVED_ACROSS {
            step * STEP / 2
        } else {
            step * STEP + 1
        }
    };
    let mut step = 0;
    while let Some(luma) = chunk_at(luma, step * STEP)
        && let Some(cb) = chunk_at(cb, chroma_start(step))
        && let Some(cr) = chunk_at(cr, chroma_start(step))
        && let Some(rest) = out.get_mut(step * STEP_BYTES..)
        && let Some(place) = rest.first_chunk_mut()
    {
        write_step::<IS_HALVED_ACROSS>(luma, cb, cr, place);
        step += 1;
    }
    let (luma, _) = luma.as_chunks();
    let steps = luma.iter().zip(out.chunks_mut(STEP_BYTES)).enumerate();
    for (step, (luma, out)) in steps.skip(step) {
        let [cb, cr] = [cb, cr].map(|samples| sixteen(samples, chroma_start(step)));
        let mut place = [0; WRITTEN_BYTES];
        write_step::<IS_HALVED_ACROSS>(luma, &cb, &cr, &mut place);
        out.copy_from_slice(&place[..out.len()]);
    }
}

#[inline]
fn chunk_at(samples: &[u8], at: usize) -> Option<&[u8; STEP]> {
    samples.get(at..)?.first_chunk()
}

#[inline]
#[target_feature(enable = "avx2")]
fn write_step<const IS_HALVED_ACROSS: bool>(
    luma: &[u8; STEP],
    cb: &[u8; STEP],
    cr: &[u8; STEP],
    place: &mut [u8; WRITTEN_BYTES],
) {
    let [cb, cr] = [cb, cr].map(|samples| {
        if IS_HALVED_ACROSS {
            doubled(load(samples))
        } else {
            _mm256_cvtepu8_epi16(load(samples))
        }
    });
    store_pixels(to_pixels(_mm256_cvtepu8_epi16(load(luma)), cb, cr), place);
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(samples: &[u8; STEP]) -> __m128i {
    // SAFETY: there are the sixteen bytes that are read; they need no alignment.
    unsafe { _mm_loadu_si128(samples.as_ptr().cast()) }
}

/// Eight samples, given with their neighbours (ten bytes), as sixteen.
#[inline]
#[target_feature(enable = "avx2")]
fn doubled(samples: __m128i) -> __m256i {
    // Each near sample and the far one before it, then the one behind it.
    let order = _mm256_setr_epi8(
        1, 0, 1, 2, 2, 1, 2, 3, 3, 2, 3, 4, 4, 3, 4, 5, 5, 4, 5, 6, 6, 5, 6, 7, 7, 6, 7, 8, 8, 7,
        8, 9,
    );
    let pairs = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(samples), order);
    let sums = _mm256_maddubs_epi16(pairs, _mm256_set1_epi16(0x0103));
    _mm256_srli_epi16::<2>(_mm256_add_epi16(sums, _mm256_set1_epi16(2)))
}

/// Sixteen pixels of four bytes: 0 to 3 and 8 to 11, then 4 to 7 and 12 to 15. The formulas are
/// those of the scalar kernel.
#[inline]
#[target_feature(enable = "avx2")]
fn to_pixels(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 2] {
    let all = |value| _mm256_set1_epi16(value);
    let high_half = |value, factor| _mm256_mulhi_epi16(value, all(factor));
    let add = |one, other| _mm256_add_epi16(one, other);
    let (cb, cr) = (
        _mm256_sub_epi16(cb, all(128)),
        _mm256_sub_epi16(cr, all(128)),
    );
    let (cb4, cr4) = (_mm256_slli_epi16::<2>(cb), _mm256_slli_epi16::<2>(cr));

    let red = add(add(y, cr), high_half(add(cr4, all(5)), 6587));

    let wholes = add(high_half(cr4, -11700), high_half(cb4, -5638));
    let low_halves = add(
        add(
            _mm256_mullo_epi16(cr, all(-11700)),
            _mm256_mullo_epi16(cb, all(-5638)),
        ),
        all((1 << 13) - 1),
    );
    let tells = _mm256_sub_epi16(_mm256_srai_epi16::<14>(low_halves), wholes);
    let green = add(y, add(wholes, _mm256_and_si256(tells, all(3))));

    let cb16 = _mm256_slli_epi16::<4>(cb);
    let offset = high_half(_mm256_sub_epi16(cb16, all(35)), -934);
    let blue = add(add(y, add(cb, cb)), offset);

    let to_byte = |value| {
        let not_negative = _mm256_max_epi16(value, _mm256_setzero_si256());
        _mm256_min_epi16(not_negative, all(255))
    };
    let red_green = _mm256_or_si256(to_byte(red), _mm256_slli_epi16::<8>(to_byte(green)));
    let blue = to_byte(blue);
    [
        _mm256_unpacklo_epi16(red_green, blue),
        _mm256_unpackhi_epi16(red_green, blue),
    ]
}

/// Writes sixteen pixels of three bytes, and four bytes that mean nothing.
#[inline]
#[target_feature(enable = "avx2")]
fn store_pixels([low, high]: [__m256i; 2], place: &mut [u8; WRITTEN_BYTES]) {
    let order = _mm256_setr_epi8(
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13,
        14, -1, -1, -1, -1,
    );
    let low = _mm256_shuffle_epi8(low, order);
    let high = _mm256_shuffle_epi8(high, order);
    let quarters = [
        _mm256_castsi256_si128(low),
        _mm256_castsi256_si128(high),
        _mm256_extracti128_si256::<1>(low),
        _mm256_extracti128_si256::<1>(high),
    ];
    for (at, quarter) in (0..).step_by(4 * PIXEL_BYTES).zip(quarters) {
        // SAFETY: the last sixteen bytes start at 36 of 52; they need no alignment.
        unsafe { _mm_storeu_si128(place.as_mut_ptr().add(at).cast(), quarter) };
    }
}

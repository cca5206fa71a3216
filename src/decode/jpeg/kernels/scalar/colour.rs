//! A row of samples to a row of pixels in plain Rust: YCbCr to RGB, chroma brought to full width.
//!
//! Every step works on a few pixels in lanes of 16 bits, pixels at even and at odd places apart, so
//! that chroma needs no interleaving and compilers find vector instructions on every processor.

use super::super::block::{PIXEL_BYTES, STEP};

const LANES: usize = STEP / 2;
const PAIR_BYTES: usize = 2 * PIXEL_BYTES;
const STEP_BYTES: usize = STEP * PIXEL_BYTES;
/// Steps whose words are made before any is put together: loops of one kind vectorize.
const STEPS: usize = 8;

type Lanes = [i16; LANES];
/// Lanes of the pixels at even and at odd places.
type Parted = [Lanes; 2];
/// By eight pairs of pixels: the three words of six bytes.
type Words = [[u16; LANES]; 3];

/// See [`super::super::Kernel::write_row`].
pub fn write_row(luma: &[u8], chroma: [&[u8]; 2], is_halved_across: bool, out: &mut [u8]) {
    let [cb, cr] = chroma;
    let (luma, _) = luma.as_chunks::<STEP>();
    if is_halved_across {
        let steps = luma.iter().zip(windows(cb).zip(windows(cr)));
        write_steps(
            steps.map(|(luma, (cb, cr))| to_words(parted(luma), doubled(cb), doubled(cr))),
            out,
        );
    } else {
        let steps = luma.iter().zip(whole_steps(cb).iter().zip(whole_steps(cr)));
        write_steps(
            steps.map(|(luma, (cb, cr))| to_words(parted(luma), parted(cb), parted(cr))),
            out,
        );
    }
}

/// All samples by eight, with one neighbour on each side.
fn windows(samples: &[u8]) -> impl Iterator<Item = &[u8; LANES + 2]> {
    let starts = (0..samples.len()).step_by(LANES);
    starts.map_while(|at| samples[at..].first_chunk())
}

/// All samples, as many as those of luma, without the neighbours.
fn whole_steps(samples: &[u8]) -> &[[u8; STEP]] {
    samples.get(1..).unwrap_or_default().as_chunks().0
}

#[inline(always)]
fn parted(samples: &[u8; STEP]) -> Parted {
    let [mut even, mut odd] = [[0; LANES]; 2];
    for lane in 0..LANES {
        let pair = u16::from_le_bytes([samples[2 * lane], samples[2 * lane + 1]]);
        even[lane] = (pair & 0xFF) as i16;
        odd[lane] = (pair >> 8) as i16;
    }
    [even, odd]
}

/// Eight samples, given with their neighbours, as sixteen.
#[inline(always)]
fn doubled(samples: &[u8; LANES + 2]) -> Parted {
    let [mut even, mut odd] = [[0; LANES]; 2];
    for lane in 0..LANES {
        let near = 3 * i16::from(samples[lane + 1]) + 2;
        even[lane] = (near + i16::from(samples[lane])) >> 2;
        odd[lane] = (near + i16::from(samples[lane + 2])) >> 2;
    }
    [even, odd]
}

/// Sixteen pixels as words of two bytes, the first, second and third of each pair of pixels.
#[inline(always)]
fn to_words(luma: Parted, cb: Parted, cr: Parted) -> Words {
    let mut words = [[0; LANES]; 3];
    let mut even = [[0; LANES]; 3];
    let mut odd = [[0; LANES]; 3];
    for (out, at) in [(&mut even, 0), (&mut odd, 1)] {
        for lane in 0..LANES {
            let [red, green, blue] = pixel(luma[at][lane], cb[at][lane], cr[at][lane]);
            out[0][lane] = red;
            out[1][lane] = green;
            out[2][lane] = blue;
        }
    }
    for lane in 0..LANES {
        words[0][lane] = even[0][lane] | even[1][lane] << 8;
        words[1][lane] = even[2][lane] | odd[0][lane] << 8;
        words[2][lane] = odd[1][lane] | odd[2][lane] << 8;
    }
    words
}

/// Red, green and blue of a pixel, each within a byte.
///
/// In 1/16384, rounded to the nearest: red is Y + 22970 Cr, blue is Y + 29032 Cb, green is
/// Y - 11700 Cr - 5638 Cb, Cb and Cr taken around 128. All three are written in 16 bits, and give
/// the same for all samples (a test goes through them).
#[inline(always)]
fn pixel(y: i16, cb: i16, cr: i16) -> [u16; 3] {
    let (cb, cr) = (cb - 128, cr - 128);
    [
        to_byte(y + cr + high_half(4 * cr + 5, 6587)),
        to_byte(y + green_offset(cb, cr)),
        to_byte(y + 2 * cb + high_half(16 * cb - 35, -934)),
    ]
}

/// The sum of both products lies between the sum of their wholes and two more; its two lowest
/// whole bits, which the lower halves of the products give, tell which.
#[inline(always)]
fn green_offset(cb: i16, cr: i16) -> i16 {
    const FROM_CR: i16 = -11700;
    const FROM_CB: i16 = -5638;
    const ROUND: i16 = (1 << 13) - 1;
    let wholes = high_half(4 * cr, FROM_CR) + high_half(4 * cb, FROM_CB);
    let low_halves = cr
        .wrapping_mul(FROM_CR)
        .wrapping_add(cb.wrapping_mul(FROM_CB))
        .wrapping_add(ROUND);
    wholes + (((low_halves >> 14) - wholes) & 3)
}

/// The upper 16 bits of a product.
#[inline(always)]
fn high_half(value: i16, factor: i16) -> i16 {
    ((i32::from(value) * i32::from(factor)) >> 16) as i16
}

#[inline(always)]
fn to_byte(value: i16) -> u16 {
    value.clamp(0, 255) as u16
}

/// Fills a row of pixels from its words.
#[inline(always)]
fn write_steps(mut words: impl Iterator<Item = Words>, out: &mut [u8]) {
    for bytes in out.chunks_mut(STEPS * STEP_BYTES) {
        let mut made = [[[0; LANES]; 3]; STEPS];
        for (made, words) in made.iter_mut().zip(&mut words) {
            *made = words;
        }
        let (steps, rest) = bytes.as_chunks_mut::<STEP_BYTES>();
        for (step, words) in steps.iter_mut().zip(&made) {
            put_step(words, step);
        }
        if let Some(words) = made.get(steps.len()) {
            let mut step = [0; STEP_BYTES];
            put_step(words, &mut step);
            rest.copy_from_slice(&step[..rest.len()]);
        }
    }
}

#[inline(always)]
fn put_step(words: &Words, step: &mut [u8; STEP_BYTES]) {
    let [first, second, third] = words;
    let (pairs, _) = step.as_chunks_mut::<PAIR_BYTES>();
    for (lane, pair) in pairs.iter_mut().enumerate() {
        let start = u32::from(first[lane]) | u32::from(second[lane]) << 16;
        pair[..4].copy_from_slice(&start.to_le_bytes());
        pair[4..].copy_from_slice(&third[lane].to_le_bytes());
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The same in the open: sums in 32 bits.
    pub fn open_pixel(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (
            i32::from(luma) << 14,
            i32::from(cb) - 128,
            i32::from(cr) - 128,
        );
        let offsets = [22970 * cr, -11700 * cr - 5638 * cb, 29032 * cb];
        offsets.map(|offset| ((y + offset + 8191) >> 14).clamp(0, 255) as u8)
    }

    #[test]
    fn every_colour_is_the_one_of_the_open_formula() {
        for (luma, cb, cr) in (0..=255)
            .step_by(3)
            .flat_map(|luma| (0..=255).flat_map(move |cb| (0..=255).map(move |cr| (luma, cb, cr))))
        {
            let found = pixel(luma.into(), cb.into(), cr.into());
            assert_eq!(
                found.map(|value| value as u8),
                open_pixel(luma, cb, cr),
                "{luma} {cb} {cr}"
            );
        }
    }
}

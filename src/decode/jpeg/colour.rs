//! Rows of samples to rows of pixels: chroma brought to full size, YCbCr to RGB.
//!
//! Chroma is interpolated linearly between the centres of its samples, three quarters of the near
//! one and a quarter of the far one, first down, then across; at the border the last sample is
//! repeated. Colours follow JFIF 1.02 (BT.601, full range) with factors in 1/16384.
//!
//! Every step works on a few pixels in lanes of 16 bits, pixels at even and at odd places apart, so
//! that chroma needs no interleaving and compilers find vector instructions on every processor.

/// Pixels in one step of a row: samples of luma come in multiples of it.
pub(super) const STEP: usize = 2 * LANES;
const LANES: usize = 8;
const PAIR_BYTES: usize = 6;

type Lanes = [i16; LANES];
/// Lanes of the pixels at even and at odd places.
type Parted = [Lanes; 2];

/// Rows of one width: chroma, and pixels before they are put together.
#[derive(Debug, Default)]
pub(super) struct RowWriter {
    cb: ChromaRow,
    cr: ChromaRow,
    /// By eight pairs of pixels: the three words of six bytes.
    words: Vec<[[u16; LANES]; 3]>,
}

/// One row of a chroma plane, its last sample repeated on both sides.
#[derive(Debug, Default)]
struct ChromaRow {
    samples: Vec<u8>,
}

/// Which component a row of chroma belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    Cb,
    Cr,
}

impl RowWriter {
    /// Makes room for rows of `luma_samples`, a multiple of [`STEP`], and of `chroma_samples`, as
    /// many or half as many.
    pub(super) fn resize(&mut self, luma_samples: usize, chroma_samples: usize) {
        self.cb.samples.resize(chroma_samples + 2, 0);
        self.cr.samples.resize(chroma_samples + 2, 0);
        self.words.resize(luma_samples / STEP, [[0; LANES]; 3]);
    }

    /// Takes a whole row of chroma. The row that lies a quarter of the way from `near` to `far` is
    /// meant; without `far` it is `near` itself.
    pub(super) fn set_chroma(&mut self, chroma: Chroma, near: &[u8], far: Option<&[u8]>) {
        let row = match chroma {
            Chroma::Cb => &mut self.cb.samples,
            Chroma::Cr => &mut self.cr.samples,
        };
        let last = row.len() - 1;
        match far {
            Some(far) => mix(near, far, &mut row[1..last]),
            None => row[1..last].copy_from_slice(near),
        }
        row[0] = row[1];
        row[last] = row[last - 1];
    }

    /// Writes as many pixels as there is room for in `out`, at most one for every sample of `luma`.
    pub(super) fn write(&mut self, luma: &[u8], is_halved_across: bool, out: &mut [u8]) {
        let Self { cb, cr, words } = self;
        let (luma, _) = luma.as_chunks::<STEP>();
        let steps = words.iter_mut().zip(luma);
        if is_halved_across {
            let windows = cb.windows().zip(cr.windows());
            for ((words, luma), (cb, cr)) in steps.zip(windows) {
                *words = to_words(parted(luma), doubled(cb), doubled(cr));
            }
        } else {
            let chroma = cb.steps().iter().zip(cr.steps());
            for ((words, luma), (cb, cr)) in steps.zip(chroma) {
                *words = to_words(parted(luma), parted(cb), parted(cr));
            }
        }
        put_together(words, out);
    }
}

impl ChromaRow {
    /// All samples by eight, with one neighbour on each side.
    fn windows(&self) -> impl Iterator<Item = &[u8; LANES + 2]> {
        let starts = (0..self.samples.len()).step_by(LANES);
        starts.map_while(|at| self.samples[at..].first_chunk())
    }

    /// All samples, as many as those of luma.
    fn steps(&self) -> &[[u8; STEP]] {
        self.samples[1..].as_chunks().0
    }
}

fn mix(near: &[u8], far: &[u8], out: &mut [u8]) {
    for (sample, (&near, &far)) in out.iter_mut().zip(near.iter().zip(far)) {
        *sample = ((3 * u16::from(near) + u16::from(far) + 2) >> 2) as u8;
    }
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
fn to_words(luma: Parted, cb: Parted, cr: Parted) -> [[u16; LANES]; 3] {
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
fn put_together(words: &[[[u16; LANES]; 3]], out: &mut [u8]) {
    let (steps, rest) = out.as_chunks_mut::<{ PAIR_BYTES * LANES }>();
    for (step, words) in steps.iter_mut().zip(words) {
        put_step(words, step);
    }
    if let Some(words) = words.get(steps.len()) {
        let mut step = [0; PAIR_BYTES * LANES];
        put_step(words, &mut step);
        rest.copy_from_slice(&step[..rest.len()]);
    }
}

#[inline(always)]
fn put_step(words: &[[u16; LANES]; 3], step: &mut [u8; PAIR_BYTES * LANES]) {
    let [first, second, third] = words;
    let (pairs, _) = step.as_chunks_mut::<PAIR_BYTES>();
    for (lane, pair) in pairs.iter_mut().enumerate() {
        let start = u32::from(first[lane]) | u32::from(second[lane]) << 16;
        pair[..4].copy_from_slice(&start.to_le_bytes());
        pair[4..].copy_from_slice(&third[lane].to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the open: sums in 32 bits.
    fn open_pixel(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (
            i32::from(luma) << 14,
            i32::from(cb) - 128,
            i32::from(cr) - 128,
        );
        let offsets = [22970 * cr, -11700 * cr - 5638 * cb, 29032 * cb];
        offsets.map(|offset| ((y + offset + 8191) >> 14).clamp(0, 255) as u8)
    }

    fn quarter(near: u8, far: u8) -> u8 {
        ((3 * u32::from(near) + u32::from(far) + 2) / 4) as u8
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

    proptest! {
        #[test]
        fn rows_are_those_of_single_pixels(
            near in prop::array::uniform2(prop::collection::vec(any::<u8>(), 48)),
            far in prop::option::of(prop::array::uniform2(prop::collection::vec(any::<u8>(), 48))),
            luma in prop::collection::vec(any::<u8>(), 48), width in 1_usize..=48, is_halved: bool
        ) {
            let count = if is_halved { 24 } else { 48 };
            let mut writer = RowWriter::default();
            writer.resize(48, count);
            for (chroma, at) in [(Chroma::Cb, 0), (Chroma::Cr, 1)] {
                let far = far.as_ref().map(|far| &far[at][..count]);
                writer.set_chroma(chroma, &near[at][..count], far);
            }
            let mut row = vec![0; width * 3];
            writer.write(&luma, is_halved, &mut row);
            let sample = |at: usize, x: usize| match &far {
                Some(far) => quarter(near[at][x], far[at][x]),
                None => near[at][x],
            };
            let across = |at: usize, x: usize| {
                let side = if x.is_multiple_of(2) { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(23) };
                if is_halved { quarter(sample(at, x / 2), sample(at, side)) } else { sample(at, x) }
            };
            for (x, found) in row.chunks_exact(3).enumerate() {
                prop_assert_eq!(found, open_pixel(luma[x], across(0, x), across(1, x)));
            }
        }
    }
}

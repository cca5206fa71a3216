//! Rows of samples to rows of pixels: chroma brought to full size, YCbCr to RGB.
//!
//! Chroma is interpolated linearly between the centres of its samples, three quarters of the near
//! one and a quarter of the far one, first down, then across; at the border the last sample is
//! repeated. Colours follow JFIF 1.02 (BT.601, full range) with factors in 1/16384.
//!
//! The inner loop works on 16 pixels in lanes of 16 bits, pixels at even and at odd places apart,
//! so that chroma needs no interleaving and every compiler finds vector instructions for it.

/// Chroma samples in one step, and half its pixels.
const LANES: usize = 8;
/// Pixels in one step.
pub(super) const STEP: usize = 2 * LANES;
const STEP_BYTES: usize = 3 * STEP;
/// Pairs of pixels are written as eight bytes, of which the next pair covers the last two.
const OVERHANG_BYTES: usize = 2;

type Lanes = [i16; LANES];

/// One row of a chroma plane with its last sample repeated on both sides.
#[derive(Debug, Default)]
pub(super) struct ChromaRow {
    samples: Vec<u8>,
}

impl ChromaRow {
    /// Makes room for rows of `stride` samples.
    pub(super) fn resize(&mut self, stride: usize) {
        self.samples.resize(stride + 2, 0);
    }

    /// Takes a row as it is.
    pub(super) fn copy(&mut self, row: &[u8]) {
        self.samples[1..=row.len()].copy_from_slice(row);
        self.repeat_ends();
    }

    /// Takes the row that lies a quarter of the way from `near` to `far`.
    pub(super) fn mix(&mut self, near: &[u8], far: &[u8]) {
        let samples = self.samples[1..].iter_mut();
        for (sample, (&near, &far)) in samples.zip(near.iter().zip(far)) {
            *sample = ((3 * u16::from(near) + u16::from(far) + 2) >> 2) as u8;
        }
        self.repeat_ends();
    }

    fn repeat_ends(&mut self) {
        let last = self.samples.len() - 1;
        self.samples[0] = self.samples[1];
        self.samples[last] = self.samples[last - 1];
    }

    /// Eight samples from `at` on, with one neighbour on each side.
    #[inline(always)]
    fn window(&self, at: usize) -> Option<&[u8; LANES + 2]> {
        self.samples.get(at..).and_then(|rest| rest.first_chunk())
    }

    /// The samples alone.
    fn row(&self) -> &[u8] {
        &self.samples[1..self.samples.len() - 1]
    }
}

/// Writes a row whose chroma has half as many samples. `luma` has a multiple of [`STEP`] samples,
/// at least as many as `out` has pixels.
pub(super) fn write_halved(luma: &[u8], cb: &ChromaRow, cr: &ChromaRow, out: &mut [u8]) {
    let (steps, _) = luma.as_chunks::<STEP>();
    for (number, luma) in steps.iter().enumerate() {
        let at = number * LANES;
        let (Some(cb), Some(cr)) = (cb.window(at), cr.window(at)) else {
            return;
        };
        let (cb_even, cb_odd) = doubled(cb);
        let (cr_even, cr_odd) = doubled(cr);
        let (even, odd) = parted(luma);
        let even = to_rgb(&even, &cb_even, &cr_even);
        let odd = to_rgb(&odd, &cb_odd, &cr_odd);
        write_step(&even, &odd, out, number * STEP_BYTES);
    }
}

/// Writes a row whose chroma has as many samples as `luma`.
pub(super) fn write_full(luma: &[u8], cb: &ChromaRow, cr: &ChromaRow, out: &mut [u8]) {
    let (luma, _) = luma.as_chunks::<STEP>();
    let (cb, _) = cb.row().as_chunks::<STEP>();
    let (cr, _) = cr.row().as_chunks::<STEP>();
    for (number, (luma, (cb, cr))) in luma.iter().zip(cb.iter().zip(cr)).enumerate() {
        let (cb_even, cb_odd) = parted(cb);
        let (cr_even, cr_odd) = parted(cr);
        let (even, odd) = parted(luma);
        let even = to_rgb(&even, &cb_even, &cr_even);
        let odd = to_rgb(&odd, &cb_odd, &cr_odd);
        write_step(&even, &odd, out, number * STEP_BYTES);
    }
}

/// Samples at even and at odd places.
#[inline(always)]
fn parted(samples: &[u8; STEP]) -> (Lanes, Lanes) {
    let (mut even, mut odd) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let pair = u16::from_le_bytes([samples[2 * lane], samples[2 * lane + 1]]);
        even[lane] = (pair & 0xFF) as i16;
        odd[lane] = (pair >> 8) as i16;
    }
    (even, odd)
}

/// Eight samples, given with their neighbours, as sixteen.
#[inline(always)]
fn doubled(samples: &[u8; LANES + 2]) -> (Lanes, Lanes) {
    let (mut even, mut odd) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let near = 3 * i16::from(samples[lane + 1]) + 2;
        even[lane] = (near + i16::from(samples[lane])) >> 2;
        odd[lane] = (near + i16::from(samples[lane + 2])) >> 2;
    }
    (even, odd)
}

/// Red, green and blue of eight pixels, each within a byte.
///
/// In 1/16384, rounded to the nearest: red is Y + 22970 Cr, blue is Y + 29032 Cb, green is
/// Y - 11700 Cr - 5638 Cb, Cb and Cr taken around 128. Red and blue have a form in 16 bits that
/// gives the same for every sample (a test goes through all of them); green sums two products.
#[inline(always)]
fn to_rgb(luma: &Lanes, cb: &Lanes, cr: &Lanes) -> [Lanes; 3] {
    let [mut red, mut green, mut blue] = [[0; LANES]; 3];
    for lane in 0..LANES {
        let (y, cb, cr) = (luma[lane], cb[lane] - 128, cr[lane] - 128);
        red[lane] = to_byte(y + cr + high_half(4 * cr + 5, 6587));
        green[lane] = to_byte(y + green_offset(cb, cr));
        blue[lane] = to_byte(y + 2 * cb + high_half(16 * cb - 35, -934));
    }
    [red, green, blue]
}

#[inline(always)]
fn green_offset(cb: i16, cr: i16) -> i16 {
    const FRACTION_BITS: u32 = 14;
    const ROUND: i32 = (1 << (FRACTION_BITS - 1)) - 1;
    let sum = i32::from(cr) * -11700 + i32::from(cb) * -5638 + ROUND;
    (sum >> FRACTION_BITS) as i16
}

/// The upper 16 bits of a product.
#[inline(always)]
fn high_half(value: i16, factor: i16) -> i16 {
    ((i32::from(value) * i32::from(factor)) >> 16) as i16
}

#[inline(always)]
fn to_byte(value: i16) -> i16 {
    value.clamp(0, 255)
}

/// Puts 16 pixels at byte `at`, or as many of them as there is room for.
#[inline(always)]
fn write_step(even: &[Lanes; 3], odd: &[Lanes; 3], out: &mut [u8], at: usize) {
    let mut pairs = [[0_u16; 4]; LANES];
    for lane in 0..LANES {
        let [red, green, blue] = even.map(|channel| channel[lane] as u16);
        let [next_red, next_green, next_blue] = odd.map(|channel| channel[lane] as u16);
        pairs[lane] = [
            red | green << 8,
            blue | next_red << 8,
            next_green | next_blue << 8,
            0,
        ];
    }
    let rest = out.get_mut(at..).unwrap_or_default();
    match rest.first_chunk_mut::<{ STEP_BYTES + OVERHANG_BYTES }>() {
        Some(bytes) => write_pairs(&pairs, bytes),
        None => {
            let mut bytes = [0; STEP_BYTES + OVERHANG_BYTES];
            write_pairs(&pairs, &mut bytes);
            let count = rest.len().min(STEP_BYTES);
            rest[..count].copy_from_slice(&bytes[..count]);
        }
    }
}

#[inline(always)]
fn write_pairs(
    pairs: &[[u16; 4]; LANES],
    bytes: &mut [u8; STEP_BYTES + OVERHANG_BYTES],
) {
    for (pair, words) in pairs.iter().enumerate() {
        let word = words
            .iter()
            .rev()
            .fold(0_u64, |word, &part| word << 16 | u64::from(part));
        let at = 6 * pair;
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the open: sums in 32 bits, one pixel after the other.
    fn pixel(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (i32::from(luma) << 14, i32::from(cb) - 128, i32::from(cr) - 128);
        let offsets = [22970 * cr, -11700 * cr - 5638 * cb, 29032 * cb];
        offsets.map(|offset| ((y + offset + 8191) >> 14).clamp(0, 255) as u8)
    }

    fn chroma(samples: &[u8]) -> ChromaRow {
        let mut row = ChromaRow::default();
        row.resize(samples.len());
        row.copy(samples);
        row
    }

    #[test]
    fn every_colour_is_the_one_of_the_open_formula() {
        let luma: Vec<u8> = (0..=255).collect();
        let cb = chroma(&luma);
        let mut row = vec![0; 256 * 3];
        for cr in 0..=255 {
            for shift in [0_u8, 64, 128, 192] {
                let luma: Vec<u8> = luma.iter().map(|&value| value.wrapping_add(shift)).collect();
                write_full(&luma, &cb, &chroma(&[cr; 256]), &mut row);
                let expected = (0..=255).zip(&luma).flat_map(|(cb, &luma)| pixel(luma, cb, cr));
                assert!(expected.eq(row.iter().copied()), "Cr {cr}");
            }
        }
    }

    proptest! {
        #[test]
        fn halved_chroma_is_interpolated_between_its_samples(
            cb in prop::collection::vec(any::<u8>(), 24), cr in prop::collection::vec(any::<u8>(), 24),
            luma in prop::collection::vec(any::<u8>(), 48), width in 1_usize..=48
        ) {
            let across = |samples: &[u8], x: usize| {
                let far = if x % 2 == 0 { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(23) };
                ((3 * u32::from(samples[x / 2]) + u32::from(samples[far]) + 2) / 4) as u8
            };
            let mut row = vec![0; width * 3];
            write_halved(&luma, &chroma(&cb), &chroma(&cr), &mut row);
            for (x, found) in row.chunks_exact(3).enumerate() {
                prop_assert_eq!(found, pixel(luma[x], across(&cb, x), across(&cr, x)));
            }
        }

        #[test]
        fn rows_between_are_mixed(near in prop::collection::vec(any::<u8>(), 16), far in prop::collection::vec(any::<u8>(), 16)) {
            let mut row = ChromaRow::default();
            row.resize(16);
            row.mix(&near, &far);
            let expected = near.iter().zip(&far).map(|(&near, &far)| {
                ((3 * u32::from(near) + u32::from(far) + 2) / 4) as u8
            });
            prop_assert!(expected.eq(row.row().iter().copied()));
        }
    }
}

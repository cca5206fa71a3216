//! Rows of samples to rows of pixels: chroma brought to full size, YCbCr to RGB.
//!
//! Chroma is interpolated linearly between the centres of its samples, three quarters of the near
//! one and a quarter of the far one, first down, then across; at the border the last sample is
//! repeated. Colours follow JFIF 1.02 (BT.601, full range) with factors in 1/16384.

use super::kernels::Kernel;

/// Rows of one width.
#[derive(Debug, Default)]
pub(super) struct RowWriter {
    kernel: Kernel,
    cb: ChromaRow,
    cr: ChromaRow,
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
    /// Makes room for rows of `chroma_samples`.
    pub(super) fn resize(&mut self, chroma_samples: usize) {
        self.cb.samples.resize(chroma_samples + 2, 0);
        self.cr.samples.resize(chroma_samples + 2, 0);
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

    /// Writes as many pixels as there is room for in `out`, at most one for every sample of `luma`,
    /// of which there are a multiple of [`STEP`](super::kernels::STEP), as many as of chroma or
    /// twice as many.
    pub(super) fn write(&self, luma: &[u8], is_halved_across: bool, out: &mut [u8]) {
        let chroma = [&self.cb.samples[..], &self.cr.samples];
        self.kernel.write_row(luma, chroma, is_halved_across, out);
    }
}

fn mix(near: &[u8], far: &[u8], out: &mut [u8]) {
    for (sample, (&near, &far)) in out.iter_mut().zip(near.iter().zip(far)) {
        *sample = ((3 * u16::from(near) + u16::from(far) + 2) >> 2) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::open_pixel;
    use super::*;
    use proptest::prelude::*;

    fn quarter(near: u8, far: u8) -> u8 {
        ((3 * u32::from(near) + u32::from(far) + 2) / 4) as u8
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
            writer.resize(count);
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

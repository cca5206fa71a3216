//! Weighted sums of rows and of neighbouring pixels, for each processor. All kernels give the same
//! bytes.

#![allow(
    unsafe_code,
    reason = "calls kernels that need a processor's instructions"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

#[cfg(test)]
mod tests;

/// Bytes of a pixel that is read.
pub const CHANNELS: usize = 3;
/// Weights are in 1/2^14: an `i16` holds them, and a 32-bit sum of weighted bytes cannot overflow.
pub const WEIGHT_BITS: u32 = 14;
/// What a sum starts with, so that it is rounded where it is cut.
pub const HALF: i32 = 1 << (WEIGHT_BITS - 1);
/// The weights of a reduction to one half, away from the border: an eighth, three, three and one.
pub const HALVING: [i16; 4] = [2048, 6144, 6144, 2048];
/// Most taps of a pixel that are added up in a loop of fixed length, weights of zero at its end.
pub const MOST_PADDED_TAPS: usize = 8;
/// Bytes behind a row that may be read with its last pixels.
pub const ROW_SLACK_BYTES: usize = 32;

/// An accumulated pixel: red, green, blue, and a byte that means nothing.
pub type AccumulatedPixel = [u8; 4];

/// A way to filter that runs on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Instructions);

/// Made only where the processor has them: the kernels' safety rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Default for Kernel {
    /// The fastest that runs here. 64-bit ARM has the plain form only.
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self(Instructions::Avx2);
        }
        Self::SCALAR
    }
}

/// The input pixels that neighbouring output pixels are made of.
#[derive(Debug, Clone, Copy)]
pub struct ColumnTaps<'a> {
    /// Of each output pixel.
    pub first_inputs: &'a [usize],
    /// Of each output pixel; zeros behind the last tap.
    pub weights: &'a [[i16; MOST_PADDED_TAPS]],
    /// The most taps of any output pixel, up to [`MOST_PADDED_TAPS`].
    pub most_taps: usize,
}

impl Kernel {
    /// Plain Rust, on every processor.
    pub const SCALAR: Self = Self(Instructions::Scalar);

    /// The weighted sum of whole rows as long as `filtered`, the first of which starts `rows`.
    /// `sums` has room for a row.
    pub fn filter_vertical(
        self,
        rows: &[u8],
        weights: &[i16],
        sums: &mut [i32],
        filtered: &mut [u8],
    ) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this value is made only where the processor has AVX2.
            Instructions::Avx2 if scalar::needs_wide_sums(weights) => unsafe {
                avx2::filter_vertical(rows, weights, filtered);
            },
            _ => scalar::filter_vertical(rows, weights, sums, filtered),
        }
    }

    /// The weighted sums of neighbouring pixels of one row, behind which lie
    /// [`ROW_SLACK_BYTES`] that mean nothing.
    pub fn filter_horizontal(self, row: &[u8], taps: ColumnTaps<'_>, out: &mut [AccumulatedPixel]) {
        match self.0 {
            Instructions::Scalar => scalar::filter_horizontal(row, taps, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this value is made only where the processor has AVX2.
            Instructions::Avx2 => unsafe { avx2::filter_horizontal(row, taps, out) },
        }
    }

    /// As [`Kernel::filter_horizontal`] for output pixels from `first` on whose weights are all
    /// [`HALVING`]: filters at every column of the row, in vector units, and takes every other one.
    /// `columns` has room for a row and one byte.
    pub fn filter_horizontal_halved(
        self,
        row: &[u8],
        columns: &mut [u8],
        first: usize,
        out: &mut [AccumulatedPixel],
    ) {
        scalar::filter_horizontal_halved(row, columns, first, out);
    }

    /// As [`Kernel::filter_horizontal`] for output pixels of any number of taps.
    pub fn filter_horizontal_many<'a>(
        self,
        row: &[u8],
        taps: impl Iterator<Item = (usize, &'a [i16])>,
        out: &mut [AccumulatedPixel],
    ) {
        scalar::filter_horizontal_many(row, taps, out);
    }
}

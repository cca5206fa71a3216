//! Weighted sums of rows and of neighbouring pixels, for each processor. All kernels give the same
//! bytes.

#![allow(
    unsafe_code,
    reason = "calls kernels that need a processor's instructions"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;
pub mod taps;

#[cfg(test)]
mod tests;

pub use taps::{
    AccumulatedPixel, CHANNELS, ColumnTaps, HALVING, MOST_PADDED_TAPS, ROW_SLACK_BYTES, WEIGHT_BITS,
};

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

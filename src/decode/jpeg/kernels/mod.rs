//! What every sample and every pixel of an image passes through, for each processor: the inverse
//! cosine transform, and colours. All kernels give the same bytes.
//!
//! The folder depends on the standard library only, so that the parity tests can build it for any
//! processor by itself.

#![allow(
    unsafe_code,
    reason = "calls kernels that need a processor's instructions"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod block;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

pub use block::{BLOCK, Part, SIDE, STEP};

#[cfg(test)]
pub use scalar::colour::tests::open_pixel;

/// A way to compute that runs on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Instructions);

/// Made only where the processor has them: the kernels' safety rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Default for Kernel {
    /// The fastest that runs here.
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self(Instructions::Avx2);
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Self(Instructions::Neon);
        }
        Self::SCALAR
    }
}

impl Kernel {
    /// Plain Rust, on every processor.
    pub const SCALAR: Self = Self(Instructions::Scalar);

    /// Turns the coefficients of a block, rows of rising horizontal frequency, into samples in rows
    /// `stride` (at least [`SIDE`]) apart. `places` is the union of the bits of the places
    /// (`8 row + column`) of all coefficients that are not zero.
    #[inline]
    pub fn transform(
        self,
        coefficients: &[i16; BLOCK],
        places: usize,
        out: &mut [u8],
        stride: usize,
    ) {
        if places == 0 {
            return scalar::idct::fill(coefficients[0], out, stride);
        }
        let has_few_rows = places / SIDE < SIDE / 2;
        let has_few_columns = places % SIDE < SIDE / 2;
        let part = match (has_few_rows, has_few_columns) {
            (true, true) => Part::Corner,
            (true, false) => Part::Rows,
            (false, true) => Part::Columns,
            (false, false) => Part::Whole,
        };
        match self.0 {
            Instructions::Scalar => scalar::idct::transform(coefficients, part, out, stride),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this value is made only where the processor has AVX2.
            Instructions::Avx2 => unsafe { avx2::transform(coefficients, part, out, stride) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: this value is made only where the processor has NEON.
            Instructions::Neon => unsafe { neon::transform(coefficients, part, out, stride) },
        }
    }

    /// Writes as many pixels as there is room for in `out`, at most one for every sample of `luma`,
    /// of which there are a multiple of [`STEP`]. The rows of `chroma` (Cb, Cr) have one more
    /// sample on each side than there are of luma, or than half of those.
    #[inline]
    pub fn write_row(
        self,
        luma: &[u8],
        chroma: [&[u8]; 2],
        is_halved_across: bool,
        out: &mut [u8],
    ) {
        match self.0 {
            Instructions::Scalar => {
                scalar::colour::write_row(luma, chroma, is_halved_across, out);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this value is made only where the processor has AVX2.
            Instructions::Avx2 => unsafe {
                avx2::write_row(luma, chroma, is_halved_across, out);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: this value is made only where the processor has NEON.
            Instructions::Neon => unsafe {
                neon::write_row(luma, chroma, is_halved_across, out);
            },
        }
    }
}

#[cfg(test)]
mod tests;

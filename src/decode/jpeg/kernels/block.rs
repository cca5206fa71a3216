//! What all kernels read and write: blocks of coefficients, and steps of a row.

/// Samples along one side of a block.
pub const SIDE: usize = 8;
pub const BLOCK: usize = SIDE * SIDE;
/// Pixels in one step of a row: samples of luma come in multiples of it.
pub const STEP: usize = 16;
/// Red, green and blue.
pub const PIXEL_BYTES: usize = 3;

/// Which part of a block's coefficients may not be zero; rows rise in vertical frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first four rows of the first four columns.
    Corner,
    /// The first four rows.
    Rows,
    /// The first four columns.
    Columns,
    Whole,
}

/// Sixteen samples from one place on; zeros behind their end.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
pub fn sixteen(samples: &[u8], at: usize) -> [u8; 16] {
    let samples = samples.get(at..).unwrap_or_default();
    match samples.first_chunk() {
        Some(chunk) => *chunk,
        None => {
            let mut chunk = [0; 16];
            chunk[..samples.len()].copy_from_slice(samples);
            chunk
        }
    }
}

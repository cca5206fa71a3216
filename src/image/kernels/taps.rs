//! What all kernels filter: pixels, the taps that make them, and the weights of those.

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

//! x86-64 with AVX-512 VNNI: `vpdpbusd` multiplies four unsigned bytes by four signed bytes and
//! adds the products to a 32-bit sum, for sixteen output channels at once.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::avx512_write::Sums;
use super::parameters::Parameters;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};
use super::x86_packing::{DOT, pack_group};

/// Weights in one register: a dot product for each channel of a block.
const REGISTER: usize = DOT * CHANNEL_BLOCK;

/// Whether the running processor has every instruction used here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Weights in the order in which the tiles read them: channel group, kernel row, four input
/// values, block of the group, channel of the block. Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Vec<i8>,
    groups: Vec<ChannelGroup>,
    requantization: Requantization,
    kernel_height: usize,
    /// Dot products in one kernel row.
    run_dots: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        let blocks = parameters.output_channels.div_ceil(CHANNEL_BLOCK);
        let mut first_block = 0;
        for group_blocks in group_sizes(blocks) {
            let first_channel = first_block * CHANNEL_BLOCK;
            let channels = parameters.output_channels - first_channel;
            groups.push(ChannelGroup {
                first_channel,
                channels: channels.min(group_blocks * CHANNEL_BLOCK),
                max_pixels: max_pixels(group_blocks),
                weights_start: weights.len(),
            });
            let lanes = group_blocks * CHANNEL_BLOCK;
            pack_group(parameters, first_channel, lanes, &mut weights);
            first_block += group_blocks;
        }
        Self {
            weights,
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_dots: read_length(parameters, DOT) / DOT,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// Pairs of blocks, and one group of three where their number is odd: a lone block would load
/// as many activations for half the products.
fn group_sizes(blocks: usize) -> Vec<usize> {
    match blocks {
        1 => vec![1],
        _ if blocks.is_multiple_of(2) => vec![2; blocks / 2],
        _ => {
            let mut sizes = vec![2; blocks / 2];
            sizes[0] = 3;
            sizes
        }
    }
}

/// Sums, weights and one activation share 32 registers.
fn max_pixels(blocks: usize) -> usize {
    match blocks {
        1 => 20,
        2 => 14,
        _ => 8,
    }
}

/// Calls the tiles compiled for the given number of pixels.
macro_rules! by_pixels {
    ($packed:expr, $tiles:expr, $blocks:literal, $($pixels:literal)*) => {
        match $tiles.pixels {
            // SAFETY: a `Packed` is made only where the processor has the instructions.
            $($pixels => unsafe { $packed.tiles::<$pixels, $blocks>($tiles) },)*
            pixels => unreachable!("a tile of {pixels} pixels and {} blocks", $blocks),
        }
    };
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        match tiles.group.channels.div_ceil(CHANNEL_BLOCK) {
            1 => by_pixels!(self, tiles, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20),
            2 => by_pixels!(self, tiles, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            _ => by_pixels!(self, tiles, 3, 1 2 3 4 5 6 7 8),
        }
    }
}

impl Packed {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn tiles<const PIXELS: usize, const BLOCKS: usize>(&self, tiles: &mut Tiles<'_>) {
        tiles.check_rows(self.kernel_height, self.pixel_step, self.run_dots * DOT);
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            // SAFETY: the windows of `count * PIXELS` pixels have been checked.
            let sums = unsafe { self.sums::<PIXELS, BLOCKS>(tiles, first_pixel) };
            self.requantization.write(sums, tiles, first_pixel);
        }
    }

    /// Sums, bias included, of the tile that starts at a pixel of the span.
    ///
    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn sums<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
    ) -> Sums<PIXELS, BLOCKS> {
        let row_weights = self.run_dots * BLOCKS * REGISTER;
        let group = tiles.group;
        let weights = &self.weights[group.weights_start..][..self.kernel_height * row_weights];
        let bias = &self.requantization.bias[group.first_channel..][..BLOCKS * CHANNEL_BLOCK];
        let mut sums = [[_mm512_setzero_si512(); BLOCKS]; PIXELS];
        for block in 0..BLOCKS {
            // SAFETY: `bias` holds sixteen values for each block.
            let bias = unsafe { _mm512_loadu_si512(bias.as_ptr().add(block * 16).cast()) };
            for sums in &mut sums {
                sums[block] = bias;
            }
        }
        for (row, weights) in tiles.rows.iter().zip(weights.chunks_exact(row_weights)) {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            let mut weights = weights.as_ptr();
            for _ in 0..self.run_dots {
                let mut factors = [_mm512_setzero_si512(); BLOCKS];
                for (block, factors) in factors.iter_mut().enumerate() {
                    // SAFETY: `weights` holds `run_dots * BLOCKS` registers.
                    *factors = unsafe { _mm512_loadu_si512(weights.add(block * REGISTER).cast()) };
                }
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the four bytes lie inside the window of this pixel.
                    let four = unsafe { window.add(pixel * self.pixel_step).cast::<i32>() };
                    // SAFETY: as above; any four bytes are an integer.
                    let activations = _mm512_set1_epi32(unsafe { four.read_unaligned() });
                    for (sum, factors) in sums.iter_mut().zip(&factors) {
                        *sum = _mm512_dpbusd_epi32(*sum, activations, *factors);
                    }
                }
                // SAFETY: past the last dot product this is one past what has been checked.
                (window, weights) = unsafe { (window.add(DOT), weights.add(BLOCKS * REGISTER)) };
            }
        }
        sums
    }
}

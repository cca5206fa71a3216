//! x86-64 with AVX-512 VNNI: `vpdpbusd` multiplies four unsigned bytes by four signed bytes and
//! adds the products to a 32-bit sum, for sixteen output channels at once.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::Output;
use super::parameters::Parameters;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, Tile, TileKernel, read_length};

/// Input channels in one dot product.
const DOT: usize = 4;
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
    /// [`read_length`] of one pixel.
    run_bytes: usize,
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
            pack_group(parameters, first_channel, group_blocks, &mut weights);
            first_block += group_blocks;
        }
        Self {
            weights,
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_dots: parameters.run_length() / DOT,
            pixel_step: parameters.stride * parameters.input_channels,
            run_bytes: read_length(parameters, DOT, 1),
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

fn pack_group(parameters: &Parameters, first_channel: usize, blocks: usize, weights: &mut Vec<i8>) {
    let run = parameters.run_length();
    for first_value in (0..parameters.kernel_height * run).step_by(DOT) {
        for channel in first_channel..first_channel + blocks * CHANNEL_BLOCK {
            if channel < parameters.output_channels {
                let values = &parameters.channel_weights(channel)[first_value..][..DOT];
                weights.extend_from_slice(values);
            } else {
                weights.extend_from_slice(&[0; DOT]);
            }
        }
    }
}

/// Calls the tile compiled for the given number of pixels.
macro_rules! by_pixels {
    ($packed:expr, $tile:expr, $blocks:literal, $($pixels:literal)*) => {
        match $tile.pixels {
            // SAFETY: a `Packed` is made only where the processor has the instructions.
            $($pixels => unsafe { $packed.tile::<$pixels, $blocks>($tile) },)*
            pixels => unreachable!("a tile of {pixels} pixels and {} blocks", $blocks),
        }
    };
}

impl TileKernel for Packed {
    const READ_BYTES: usize = DOT;

    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tile: &mut Tile<'_>) {
        match tile.group.channels.div_ceil(CHANNEL_BLOCK) {
            1 => by_pixels!(self, tile, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20),
            2 => by_pixels!(self, tile, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            _ => by_pixels!(self, tile, 3, 1 2 3 4 5 6 7 8),
        }
    }
}

impl Packed {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn tile<const PIXELS: usize, const BLOCKS: usize>(&self, tile: &mut Tile<'_>) {
        let sums = self.sums::<PIXELS, BLOCKS>(tile);
        // Decided once for a tile rather than for every value that it writes.
        match (&mut tile.output, tile.residual) {
            (Output::U8(values), None) => {
                self.write(
                    &sums,
                    tile.group,
                    |_, _, real| real,
                    |at, mask, value| {
                        store_u8(values, at, mask, value);
                    },
                );
            }
            (Output::U8(values), Some((row, column))) => {
                let add = |pixel, block, real| {
                    _mm512_add_ps(real, self.branch(row, column + pixel, tile.group, block))
                };
                self.write(&sums, tile.group, add, |at, mask, value| {
                    store_u8(values, at, mask, value);
                });
            }
            (Output::I16(values), None) => {
                self.write(
                    &sums,
                    tile.group,
                    |_, _, real| real,
                    |at, mask, value| {
                        store_i16(values, at, mask, value);
                    },
                );
            }
            (Output::I16(values), Some((row, column))) => {
                let add = |pixel, block, real| {
                    _mm512_add_ps(real, self.branch(row, column + pixel, tile.group, block))
                };
                self.write(&sums, tile.group, add, |at, mask, value| {
                    store_i16(values, at, mask, value);
                });
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn sums<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        tile: &Tile<'_>,
    ) -> [[__m512i; BLOCKS]; PIXELS] {
        let row_weights = self.run_dots * BLOCKS * REGISTER;
        let weights = &self.weights[tile.group.weights_start..][..self.kernel_height * row_weights];
        let mut sums = [[_mm512_setzero_si512(); BLOCKS]; PIXELS];
        for (row, weights) in tile.rows.iter().zip(weights.chunks_exact(row_weights)) {
            assert!(row.len() >= (PIXELS - 1) * self.pixel_step + self.run_bytes);
            for dot in 0..self.run_dots {
                let mut factors = [_mm512_setzero_si512(); BLOCKS];
                for (block, factors) in factors.iter_mut().enumerate() {
                    let start = (dot * BLOCKS + block) * REGISTER;
                    // SAFETY: `weights` holds `run_dots * BLOCKS` registers, of which this is
                    // number `dot * BLOCKS + block`.
                    *factors = unsafe { _mm512_loadu_si512(weights.as_ptr().add(start).cast()) };
                }
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let start = pixel * self.pixel_step + dot * DOT;
                    // SAFETY: `dot * DOT + DOT <= run_bytes`, and `pixel < PIXELS`, so the four
                    // bytes end within the length asserted above.
                    let four = unsafe { row.as_ptr().add(start).cast::<i32>().read_unaligned() };
                    let activations = _mm512_set1_epi32(four);
                    for (sum, factors) in sums.iter_mut().zip(&factors) {
                        *sum = _mm512_dpbusd_epi32(*sum, activations, *factors);
                    }
                }
            }
        }
        sums
    }

    /// Requantizes every sum; `add` adds the residual, `store` takes the place of the first value,
    /// the lanes that exist, and the values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn write<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        sums: &[[__m512i; BLOCKS]; PIXELS],
        group: ChannelGroup,
        add: impl Fn(usize, usize, __m512) -> __m512,
        mut store: impl FnMut(usize, __mmask16, __m512i),
    ) {
        let constants = &self.requantization;
        let low = _mm512_set1_ps(constants.low);
        let high = _mm512_set1_ps(constants.high);
        let zero_point = _mm512_set1_epi32(constants.zero_point);
        for block in 0..BLOCKS {
            let first_channel = group.first_channel + block * CHANNEL_BLOCK;
            let mask = self.lanes(first_channel);
            let bias = &constants.bias[first_channel..][..CHANNEL_BLOCK];
            let scale = &constants.scale[first_channel..][..CHANNEL_BLOCK];
            // SAFETY: both slices hold sixteen values.
            let (bias, scale) = unsafe {
                (
                    _mm512_loadu_si512(bias.as_ptr().cast()),
                    _mm512_loadu_ps(scale.as_ptr()),
                )
            };
            for (pixel, sums) in sums.iter().enumerate() {
                let sum = _mm512_add_epi32(sums[block], bias);
                let real = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
                let real = add(pixel, block, real);
                let clamped = _mm512_min_ps(_mm512_max_ps(real, low), high);
                let value = _mm512_add_epi32(_mm512_cvtps_epi32(clamped), zero_point);
                store(pixel * constants.channels + first_channel, mask, value);
            }
        }
    }

    /// The lanes of a block that are channels.
    #[inline]
    fn lanes(&self, first_channel: usize) -> __mmask16 {
        let lanes = CHANNEL_BLOCK.min(self.requantization.channels - first_channel);
        (u32::MAX >> (32 - lanes)) as __mmask16
    }

    /// A residual's values at an output column, in output steps.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn branch(&self, row: &[u8], column: usize, group: ChannelGroup, block: usize) -> __m512 {
        let constants = &self.requantization;
        let first_channel = group.first_channel + block * CHANNEL_BLOCK;
        let mask = self.lanes(first_channel);
        let place = (column >> constants.residual_shift) * constants.channels + first_channel;
        let values = &row[place..][..mask.count_ones() as usize];
        // SAFETY: the mask has as many low bits as there are values; others are not read.
        let bytes = unsafe { _mm_maskz_loadu_epi8(mask, values.as_ptr().cast()) };
        let zero_point = _mm512_set1_epi32(constants.residual_zero_point);
        let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point);
        let scale = _mm512_set1_ps(constants.residual_scale);
        _mm512_mul_ps(_mm512_cvtepi32_ps(steps), scale)
    }
}

/// Writes the low lanes as bytes; the clamp has brought each into their range.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn store_u8(values: &mut [u8], place: usize, mask: __mmask16, value: __m512i) {
    let values = &mut values[place..][..mask.count_ones() as usize];
    let bytes = _mm512_cvtepi32_epi8(value);
    // SAFETY: the mask has as many low bits as there are values; others are not written.
    unsafe { _mm_mask_storeu_epi8(values.as_mut_ptr().cast(), mask, bytes) };
}

/// Writes the low lanes as 16-bit words; the clamp has brought each into their range.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn store_i16(values: &mut [i16], place: usize, mask: __mmask16, value: __m512i) {
    let values = &mut values[place..][..mask.count_ones() as usize];
    let words = _mm512_cvtepi32_epi16(value);
    // SAFETY: the mask has as many low bits as there are values; others are not written.
    unsafe { _mm256_mask_storeu_epi16(values.as_mut_ptr().cast(), mask, words) };
}

//! 64-bit ARM, any core: `smlal` and `smlal2` multiply sixteen pairs of bytes and add them by twos
//! to sums of 16 bits; `sadalp` adds those by twos to sums of 32.
//!
//! Weights are known when they are packed, so it is known too how many registers of products fit
//! 16 bits whatever the activations are: so many are added before the sums are widened.

use std::arch::aarch64::*;

use super::neon_write::{BLOCKS, LANES, Sums};
use super::parameters::{MAX_ACTIVATION, Parameters};
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Input values in one register.
const REGISTER: usize = 16;
/// With four channels at a time: twelve registers of 16-bit sums, as many of 32 bits, three of
/// activations, one of weights.
const MAX_PIXELS: usize = 3;

/// Registers of products that can be added in 16 bits where weights are small.
pub(super) const LONGEST_CHUNK: usize = 8;

/// Weights in the order in which the tiles read them: four channels, kernel row, sixteen input
/// values, channel of the four. A kernel row ends with zeros up to a whole register.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Vec<i8>,
    groups: Vec<ChannelGroup>,
    /// For each four channels and kernel row, how many registers to add in 16 bits at a time.
    chunks: Vec<Vec<usize>>,
    requantization: Requantization,
    kernel_height: usize,
    /// Registers of input values in one kernel row.
    run_registers: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let run_registers = read_length(parameters, REGISTER) / REGISTER;
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            groups.push(ChannelGroup {
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start: weights.len(),
            });
            for first in (first_channel..first_channel + CHANNEL_BLOCK).step_by(LANES) {
                pack_four(parameters, first, &mut weights);
            }
        }
        let rows = weights.chunks_exact(run_registers * LANES * REGISTER);
        Self {
            chunks: rows.map(chunks_of).collect(),
            weights,
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_registers,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

fn pack_four(parameters: &Parameters, first_channel: usize, weights: &mut Vec<i8>) {
    let run = parameters.run_length();
    for kernel_row in 0..parameters.kernel_height {
        for first_value in (0..run).step_by(REGISTER) {
            for channel in first_channel..first_channel + LANES {
                let end = weights.len() + REGISTER;
                if channel < parameters.output_channels {
                    let values = &parameters.channel_weights(channel)[kernel_row * run..][..run];
                    let last_value = run.min(first_value + REGISTER);
                    weights.extend_from_slice(&values[first_value..last_value]);
                }
                weights.resize(end, 0);
            }
        }
    }
}

/// Cuts a kernel row's registers into runs whose sums of products fit 16 bits for any activations;
/// `weights` are those of four channels for each register in turn.
fn chunks_of(weights: &[i8]) -> Vec<usize> {
    /// A lane adds the products of every eighth value of one channel.
    const PRODUCTS: usize = 8;
    /// With this sum of weights of one sign, times the largest activation, 16 bits are full.
    const MOST: i32 = i16::MAX as i32 / MAX_ACTIVATION;
    let mut chunks = Vec::new();
    let mut length = 0;
    let mut sums = [[0_i32; 2]; LANES * PRODUCTS];
    for registers in weights.as_chunks::<{ LANES * REGISTER }>().0 {
        let mut added = [[0_i32; 2]; LANES * PRODUCTS];
        for (index, &weight) in registers.iter().enumerate() {
            let lane = index / REGISTER * PRODUCTS + index % PRODUCTS;
            added[lane][usize::from(weight < 0)] += i32::from(weight).abs();
        }
        let full = |(sum, added): (&i32, &i32)| sum + added > MOST;
        if length > 0 && sums.iter().flatten().zip(added.iter().flatten()).any(full) {
            chunks.push(length);
            length = 0;
            sums = Default::default();
        }
        for (sum, added) in sums.iter_mut().flatten().zip(added.iter().flatten()) {
            *sum += added;
        }
        length += 1;
    }
    chunks.push(length);
    chunks
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        // SAFETY: a `Packed` is made only where the processor has NEON.
        unsafe {
            match tiles.pixels {
                1 => self.tiles::<1>(tiles),
                2 => self.tiles::<2>(tiles),
                MAX_PIXELS => self.tiles::<MAX_PIXELS>(tiles),
                pixels => unreachable!("a tile of {pixels} pixels"),
            }
        }
    }
}

impl Packed {
    #[target_feature(enable = "neon")]
    fn tiles<const PIXELS: usize>(&self, tiles: &mut Tiles<'_>) {
        let run_bytes = self.run_registers * REGISTER;
        tiles.check_rows(self.kernel_height, self.pixel_step, run_bytes);
        let group = tiles.group;
        let biases = self.requantization.biases(group);
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            let mut sums: Sums<PIXELS> = [biases; PIXELS];
            for block in 0..BLOCKS {
                // SAFETY: the windows of `count * PIXELS` pixels have been checked.
                let totals = unsafe { self.sums::<PIXELS>(tiles, first_pixel, block) };
                for (sums, total) in sums.iter_mut().zip(totals) {
                    sums[block] = vaddq_s32(sums[block], total);
                }
            }
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let output = &mut tiles.output;
            self.requantization
                .write(&sums, group, residual, output, first_pixel);
        }
    }

    /// For each pixel the sums of four of the group's channels, without their bias.
    ///
    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
        block: usize,
    ) -> [int32x4_t; PIXELS] {
        let row_weights = self.run_registers * LANES * REGISTER;
        let block_weights = self.kernel_height * row_weights;
        let start = tiles.group.weights_start + block * block_weights;
        let mut weights = self.weights[start..][..block_weights].as_ptr();
        let chunks = &self.chunks[start / row_weights..][..self.kernel_height];
        let mut sums = [[vdupq_n_s32(0); LANES]; PIXELS];
        for (row, chunks) in tiles.rows.iter().zip(chunks) {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            for &chunk in chunks {
                let mut pairs = [[vdupq_n_s16(0); LANES]; PIXELS];
                for _ in 0..chunk {
                    let mut activations = [vdupq_n_s8(0); PIXELS];
                    for (pixel, activations) in activations.iter_mut().enumerate() {
                        // SAFETY: all chunks of a row make up its `run_registers`, for each of
                        // which a window holds sixteen bytes.
                        *activations =
                            unsafe { vld1q_s8(window.add(pixel * self.pixel_step).cast()) };
                    }
                    for channel in 0..LANES {
                        // SAFETY: for each of them the weights hold `LANES` registers.
                        let factors = unsafe { vld1q_s8(weights.add(channel * REGISTER)) };
                        for (pairs, activations) in pairs.iter_mut().zip(activations) {
                            let low = vmlal_s8(
                                pairs[channel],
                                vget_low_s8(activations),
                                vget_low_s8(factors),
                            );
                            pairs[channel] = vmlal_high_s8(low, activations, factors);
                        }
                    }
                    // SAFETY: past the last register this is one past what has been checked.
                    (window, weights) =
                        unsafe { (window.add(REGISTER), weights.add(LANES * REGISTER)) };
                }
                for (sums, pairs) in sums.iter_mut().zip(&pairs) {
                    for (sum, pairs) in sums.iter_mut().zip(pairs) {
                        *sum = vpadalq_s16(*sum, *pairs);
                    }
                }
            }
        }
        sums.map(|[first, second, third, fourth]| {
            vpaddq_s32(vpaddq_s32(first, second), vpaddq_s32(third, fourth))
        })
    }
}

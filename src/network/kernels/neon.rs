//! 64-bit ARM, any core: `smlal` and `smlal2` multiply sixteen pairs of bytes and add them by twos
//! to sums of 16 bits; `sadalp` adds those by twos to sums of 32.
//! As many of the former as fit are added before they are widened.

use std::arch::aarch64::*;
use std::arch::asm;

use super::chunks::Runs;
use super::neon_write::{BLOCKS, LANES, Sums};
use super::parameters::{MAX_ACTIVATION, MAX_KERNEL_SIDE, Parameters};
use super::rows::Weights;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Input values in one register.
const REGISTER: usize = 16;
/// With four channels at a time: twelve registers of 16-bit sums, as many of 32 bits, three of
/// activations, one of weights.
const MAX_PIXELS: usize = 3;

/// Weights of one step: a register for each of four channels.
const STEP: usize = LANES * REGISTER;
/// Sums of 16 bits in one register.
const PRODUCTS: usize = 8;
/// Registers of products that can be added in 16 bits where weights are small.
pub(super) const LONGEST_CHUNK: usize = 8;

/// Weights in the order in which the tiles read them: four channels, kernel row, sixteen input
/// values, channel of the four. A kernel row ends with zeros up to a whole register.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Weights,
    groups: Vec<ChannelGroup>,
    /// For each four channels, the registers that are added in 16 bits at a time.
    runs: Vec<Runs<{ LANES * PRODUCTS }>>,
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
        let fours = weights.chunks_exact(parameters.kernel_height * run_registers * STEP);
        Self {
            runs: fours
                .map(|four| {
                    let steps = four.as_chunks::<STEP>().0;
                    let steps = steps.iter().map(step_sums);
                    Runs::new(run_registers, steps, overflows, |_| 0)
                })
                .collect(),
            weights: Weights::new(&weights),
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

/// Whether products may make a sum of 16 bits overflow that starts at zero, as one does whose first
/// products are not added to anything: each sign has half of the room.
fn overflows([above, below]: [i32; 2]) -> bool {
    above.max(below) * MAX_ACTIVATION > i32::from(i16::MAX)
}

/// What one step adds to each sum of 16 bits: a lane takes every eighth value of one channel.
fn step_sums(weights: &[i8; STEP]) -> [[i32; 2]; LANES * PRODUCTS] {
    let mut sums = [[0; 2]; LANES * PRODUCTS];
    for (index, &weight) in weights.iter().enumerate() {
        let lane = index / REGISTER * PRODUCTS + index % PRODUCTS;
        sums[lane][usize::from(weight < 0)] += i32::from(weight).abs();
    }
    sums
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
        let first_four = group.first_channel / LANES;
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            let start = first_pixel * self.pixel_step;
            // Rows that the kernel has not are not read.
            let windows = tiles.rows.map(|row| row.as_ptr().wrapping_add(start));
            let mut sums: Sums<PIXELS> = [biases; PIXELS];
            for block in 0..BLOCKS {
                // SAFETY: the windows of `count * PIXELS` pixels have been checked.
                let totals = unsafe { self.sums::<PIXELS>(&windows, first_four + block) };
                for (sums, total) in sums.iter_mut().zip(totals) {
                    sums[block] = vaddq_s32(sums[block], total);
                }
            }
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let output = &mut tiles.output;
            self.requantization
                .write(sums, group, residual, output, first_pixel);
        }
    }

    /// For each pixel the sums of four channels, without their bias.
    ///
    /// # Safety
    /// From these places on lie the windows of `PIXELS` pixels in each kernel row.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        windows: &[*const u8; MAX_KERNEL_SIDE],
        four: usize,
    ) -> [int32x4_t; PIXELS] {
        let four_weights = self.kernel_height * self.run_registers * STEP;
        let mut weights = self.weights[four * four_weights..][..four_weights].as_ptr();
        let mut sums = [[vdupq_n_s32(0); LANES]; PIXELS];
        let mut pairs = [[vdupq_n_s16(0); LANES]; PIXELS];
        let mut window = windows[0];
        /// One step, whose low products `$multiply` brings into the sums of 16 bits.
        macro_rules! step {
            ($multiply:expr) => {
                let mut activations = [vdupq_n_s8(0); PIXELS];
                for (pixel, activations) in activations.iter_mut().enumerate() {
                    // SAFETY: all segments make up the kernel rows' steps, for each of which a
                    // window holds sixteen bytes.
                    *activations = unsafe { vld1q_s8(window.add(pixel * self.pixel_step).cast()) };
                }
                // SAFETY: for each of them the weights hold four registers.
                let factors = unsafe { vld1q_s8_x4(weights) };
                let factors = [factors.0, factors.1, factors.2, factors.3];
                for (channel, factors) in factors.into_iter().enumerate() {
                    for (pairs, activations) in pairs.iter_mut().zip(activations) {
                        let low = $multiply(
                            pairs[channel],
                            vget_low_s8(activations),
                            vget_low_s8(factors),
                        );
                        pairs[channel] = vmlal_high_s8(low, activations, factors);
                    }
                }
                // SAFETY: past the last register this is one past what has been checked.
                (window, weights) = unsafe { (window.add(REGISTER), weights.add(STEP)) };
                // Keeps the compiler from working both out again after the loop, which costs more
                // than counting on: most loops have one or two steps.
                // SAFETY: no instruction, and the values stay what they are.
                unsafe {
                    asm!("/* {0} {1} */", inout(reg) window, inout(reg) weights,
                        options(pure, nomem, nostack, preserves_flags));
                }
            };
        }
        for segment in &self.runs[four].segments {
            if let Some(row) = segment.new_row {
                window = windows[usize::from(row)];
            }
            let mut steps = segment.steps;
            if segment.starts {
                step!(|_, activations, factors| vmull_s8(activations, factors));
                steps -= 1;
            }
            for _ in 0..steps {
                step!(|sum, activations, factors| vmlal_s8(sum, activations, factors));
            }
            if segment.ends {
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

//! 64-bit ARM with the dot product instructions (Cortex-A76 and later): `sdot` multiplies four
//! pairs of bytes and adds the products to a 32-bit sum, for four output channels at once.
//!
//! The intrinsics for it are unstable, so the instruction is written out.

use std::arch::aarch64::*;
use std::arch::asm;

use super::neon_write::{BLOCKS, LANES, Sums};
use super::parameters::Parameters;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Input values in one register.
const REGISTER: usize = 16;
/// Input values in one dot product.
const DOT: usize = 4;
/// Dot products in one register of activations.
const DOTS: usize = REGISTER / DOT;
/// With sixteen channels: twenty registers of sums, five of activations, up to four of weights.
const MAX_PIXELS: usize = 5;

/// Whether the running processor has the instructions.
pub(super) fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
        && std::arch::is_aarch64_feature_detected!("dotprod")
}

/// Weights in the order in which the tiles read them: sixteen channels, kernel row, sixteen input
/// values, four of them, channel, the four. A kernel row ends with zeros up to a whole register.
/// Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Vec<i8>,
    groups: Vec<ChannelGroup>,
    requantization: Requantization,
    kernel_height: usize,
    /// Registers of input values in one kernel row.
    run_registers: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            groups.push(ChannelGroup {
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start: weights.len(),
            });
            pack_group(parameters, first_channel, &mut weights);
        }
        Self {
            weights,
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_registers: read_length(parameters, REGISTER) / REGISTER,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

fn pack_group(parameters: &Parameters, first_channel: usize, weights: &mut Vec<i8>) {
    let run = parameters.run_length();
    for kernel_row in 0..parameters.kernel_height {
        for first_value in (0..run.next_multiple_of(REGISTER)).step_by(DOT) {
            for channel in first_channel..first_channel + CHANNEL_BLOCK {
                if channel < parameters.output_channels && first_value < run {
                    let values = &parameters.channel_weights(channel)[kernel_row * run..][..run];
                    weights.extend_from_slice(&values[first_value..][..DOT]);
                } else {
                    weights.extend_from_slice(&[0; DOT]);
                }
            }
        }
    }
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        // SAFETY: a `Packed` is made only where the processor has the instructions.
        unsafe {
            match tiles.pixels {
                1 => self.tiles::<1>(tiles),
                2 => self.tiles::<2>(tiles),
                3 => self.tiles::<3>(tiles),
                4 => self.tiles::<4>(tiles),
                MAX_PIXELS => self.tiles::<MAX_PIXELS>(tiles),
                pixels => unreachable!("a tile of {pixels} pixels"),
            }
        }
    }
}

impl Packed {
    #[target_feature(enable = "neon,dotprod")]
    fn tiles<const PIXELS: usize>(&self, tiles: &mut Tiles<'_>) {
        let run_bytes = self.run_registers * REGISTER;
        tiles.check_rows(self.kernel_height, self.pixel_step, run_bytes);
        let group = tiles.group;
        let biases = self.requantization.biases(group);
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            let mut sums: Sums<PIXELS> = [biases; PIXELS];
            // SAFETY: the windows of `count * PIXELS` pixels have been checked.
            unsafe { self.add_products(tiles, first_pixel, &mut sums) };
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let output = &mut tiles.output;
            self.requantization
                .write(&sums, group, residual, output, first_pixel);
        }
    }

    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn add_products<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
        sums: &mut Sums<PIXELS>,
    ) {
        let row_weights = self.run_registers * DOTS * BLOCKS * REGISTER;
        let group_weights = self.kernel_height * row_weights;
        let weights = &self.weights[tiles.group.weights_start..][..group_weights];
        let mut weights = weights.as_ptr();
        for row in &tiles.rows[..self.kernel_height] {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            for _ in 0..self.run_registers {
                let mut activations = [vdupq_n_s8(0); PIXELS];
                for (pixel, activations) in activations.iter_mut().enumerate() {
                    // SAFETY: for each register of a run a window holds sixteen bytes.
                    *activations = unsafe { vld1q_s8(window.add(pixel * self.pixel_step).cast()) };
                }
                // SAFETY: for each of them the weights hold `DOTS * BLOCKS` registers.
                unsafe {
                    add_dots::<0, PIXELS>(sums, &activations, weights);
                    add_dots::<1, PIXELS>(sums, &activations, weights);
                    add_dots::<2, PIXELS>(sums, &activations, weights);
                    add_dots::<3, PIXELS>(sums, &activations, weights);
                    (window, weights) =
                        (window.add(REGISTER), weights.add(DOTS * BLOCKS * REGISTER));
                }
            }
        }
    }
}

/// Adds dot product number `INDEX` of a register of activations, for every pixel and channel.
///
/// # Safety
/// `weights` points to the weights of a whole register of activations.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn add_dots<const INDEX: i32, const PIXELS: usize>(
    sums: &mut Sums<PIXELS>,
    activations: &[int8x16_t; PIXELS],
    weights: *const i8,
) {
    for block in 0..BLOCKS {
        let start = (INDEX as usize * BLOCKS + block) * LANES * DOT;
        // SAFETY: the caller's promise.
        let factors = unsafe { vld1q_s8(weights.add(start)) };
        for (sums, activations) in sums.iter_mut().zip(activations) {
            sums[block] = sdot::<INDEX>(sums[block], factors, *activations);
        }
    }
}

/// Adds to each of four sums the dot product of four weights with the activations of that index.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot<const INDEX: i32>(
    mut sums: int32x4_t,
    factors: int8x16_t,
    activations: int8x16_t,
) -> int32x4_t {
    // SAFETY: one instruction on registers, which the processor has.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {factors:v}.16b, {activations:v}.4b[{index}]",
            sums = inout(vreg) sums,
            factors = in(vreg) factors,
            activations = in(vreg) activations,
            index = const INDEX,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

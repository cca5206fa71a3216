//! 64-bit ARM with the dot product instructions (Cortex-A76 and later): `sdot` multiplies four
//! pairs of bytes and adds the products to a 32-bit sum, for four output channels at once.
//!
//! The intrinsics for it are unstable, so the instruction is written out.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::neon_write::{BLOCKS, Sums};
use super::packing::{DOT, Place, pack_pruned_group};
use super::parameters::Parameters;
use super::rows::Weights;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Input values in one register.
const REGISTER: usize = 16;
/// Dot products in one register of activations.
const DOTS: usize = REGISTER / DOT;
/// With sixteen channels: twenty registers of sums, five of activations, up to four of weights.
const MAX_PIXELS: usize = 5;

/// A convolution is taken as pruned where at most this share of its weights is kept: one dot
/// product by itself loads four times as many registers of activations.
const PRUNED_NUMERATOR: usize = 7;
const PRUNED_DENOMINATOR: usize = 10;

/// Whether the running processor has the instructions.
pub(super) fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
        && std::arch::is_aarch64_feature_detected!("dotprod")
}

/// Weights in the order in which the tiles read them: sixteen channels, kernel row, sixteen input
/// values, four of them, channel, the four. A kernel row ends with zeros up to a whole register.
/// A pruned convolution has only the dot products with weights, without such zeros.
/// Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Weights,
    groups: Vec<ChannelGroup>,
    /// For each group of a pruned convolution the places of its dot products.
    places: Option<Vec<Vec<Place>>>,
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
        let mut pruned_groups = Vec::new();
        let mut pruned_weights = Vec::new();
        let mut places = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            let group = |weights_start| ChannelGroup {
                number: first_channel / CHANNEL_BLOCK,
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start,
            };
            groups.push(group(weights.len()));
            pack_group(parameters, first_channel, &mut weights);
            pruned_groups.push(group(pruned_weights.len()));
            let kept = &mut pruned_weights;
            places.push(pack_pruned_group(
                parameters,
                first_channel,
                CHANNEL_BLOCK,
                kept,
            ));
        }
        let pruned = pruned_weights.len() * PRUNED_DENOMINATOR <= weights.len() * PRUNED_NUMERATOR;
        if pruned {
            (groups, weights) = (pruned_groups, pruned_weights);
        }
        Self {
            weights: Weights::new(&weights),
            groups,
            places: pruned.then_some(places),
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
            // SAFETY: the windows of `count * PIXELS` pixels have been checked.
            let sums = unsafe {
                match &self.places {
                    None => self.sums(tiles, first_pixel, [biases; PIXELS]),
                    Some(places) => {
                        let places = &places[group.number];
                        self.pruned_sums(places, tiles, first_pixel, [biases; PIXELS])
                    }
                }
            };
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let output = &mut tiles.output;
            self.requantization
                .write(sums, group, residual, output, first_pixel);
        }
    }

    /// The sums with all products added. By value from end to end, or they would live in memory.
    ///
    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
        mut sums: Sums<PIXELS>,
    ) -> Sums<PIXELS> {
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
                /// One dot product of each register, for every pixel and channel.
                macro_rules! add_dots {
                    ($index:literal) => {
                        // SAFETY: for each register of a run the weights hold `DOTS` times four
                        // registers.
                        let factors =
                            unsafe { vld1q_s8_x4(weights.add($index * BLOCKS * REGISTER)) };
                        let factors = [factors.0, factors.1, factors.2, factors.3];
                        for (block, factors) in factors.into_iter().enumerate() {
                            for (sums, activations) in sums.iter_mut().zip(activations) {
                                sums[block] = sdot::<$index>(sums[block], factors, activations);
                            }
                        }
                    };
                }
                add_dots!(0);
                add_dots!(1);
                add_dots!(2);
                add_dots!(3);
                // SAFETY: past the last register this is one past what has been checked.
                (window, weights) =
                    unsafe { (window.add(REGISTER), weights.add(DOTS * BLOCKS * REGISTER)) };
            }
        }
        sums
    }

    /// As [`Packed::sums`], of a pruned convolution's group with dot products at these places.
    ///
    /// # Safety
    /// As there; the places are the group's.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn pruned_sums<const PIXELS: usize>(
        &self,
        places: &[Place],
        tiles: &Tiles<'_>,
        first_pixel: usize,
        mut sums: Sums<PIXELS>,
    ) -> Sums<PIXELS> {
        let windows = tiles.windows(first_pixel * self.pixel_step);
        let weights = &self.weights[tiles.group.weights_start..];
        let steps = weights.as_chunks::<{ BLOCKS * REGISTER }>().0;
        for (place, weights) in places.iter().zip(steps) {
            let first = place.within(&windows);
            // SAFETY: the array holds four registers.
            let factors = unsafe { vld1q_s8_x4(weights.as_ptr()) };
            let factors = [factors.0, factors.1, factors.2, factors.3];
            let mut activations = [vdupq_n_s8(0); PIXELS];
            for (pixel, activations) in activations.iter_mut().enumerate() {
                let four = first.wrapping_add(pixel * self.pixel_step).cast::<i32>();
                // SAFETY: at each place lie four bytes of every window, and any are an integer.
                let four = unsafe { four.read_unaligned() };
                *activations = vreinterpretq_s8_s32(vsetq_lane_s32::<0>(four, vdupq_n_s32(0)));
            }
            for (block, factors) in factors.into_iter().enumerate() {
                for (sums, activations) in sums.iter_mut().zip(activations) {
                    sums[block] = sdot::<0>(sums[block], factors, activations);
                }
            }
        }
        sums
    }
}

/// Adds to each of four sums the dot product of four weights with the activations of that index.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot<const INDEX: usize>(
    mut sums: int32x4_t,
    factors: int8x16_t,
    activations: int8x16_t,
) -> int32x4_t {
    // SAFETY: one instruction on registers, which the processor has. Not called pure, or the
    // compiler would move them apart until the registers run out.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {factors:v}.16b, {activations:v}.4b[{index}]",
            sums = inout(vreg) sums,
            factors = in(vreg) factors,
            activations = in(vreg) activations,
            index = const INDEX,
            options(nomem, nostack, preserves_flags),
        );
    }
    sums
}

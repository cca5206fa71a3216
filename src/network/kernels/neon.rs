//! 64-bit ARM, any core: `smlal` and `smlal2` multiply sixteen pairs of bytes and add them by twos
//! to sums of 16 bits; `sadalp` adds those by twos to sums of 32.
//! As many of the former as fit are added before they are widened.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::aarch64::*;
use std::arch::asm;
use std::mem::MaybeUninit;

use super::chunks::Runs;
use super::neon_write::{BLOCKS, LANES, Sums};
use super::packing::{DOT, Place, pack_pruned_group};
use super::parameters::{MAX_ACTIVATION, MAX_CHANNELS, MAX_KERNEL_SIDE, Parameters};
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

/// A convolution is taken as pruned where at most this share of its weights is kept: its input
/// values have to be gathered first.
const PRUNED_NUMERATOR: usize = 3;
const PRUNED_DENOMINATOR: usize = 4;
/// Dot products of four input values that are gathered for one register.
const DOTS: usize = REGISTER / DOT;
/// The most dot products that are gathered for a tile.
const MAX_GATHERED: usize = MAX_PIXELS * MAX_KERNEL_SIDE * MAX_KERNEL_SIDE * MAX_CHANNELS / DOT;

/// Weights in the order in which the tiles read them: four channels, kernel row, sixteen input
/// values, channel of the four. A kernel row ends with zeros up to a whole register. A pruned
/// convolution has no kernel rows: its registers hold the four input values of any dot products
/// with weights.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Weights,
    groups: Vec<ChannelGroup>,
    /// For each group of a pruned convolution the places of its dot products, whole registers of
    /// them.
    places: Option<Vec<Vec<Place>>>,
    /// For each group the weights of four channels.
    four_weights: Vec<usize>,
    /// For each four channels, the registers that are added in 16 bits at a time.
    runs: Vec<Runs<{ LANES * PRODUCTS }>>,
    requantization: Requantization,
    kernel_height: usize,
    /// Bytes that one pixel's window reads of a kernel row.
    run_bytes: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let run_bytes = read_length(parameters, REGISTER);
        let (dense, pruned) = (
            PackedWeights::dense(parameters),
            PackedWeights::pruned(parameters),
        );
        let is_pruned =
            pruned.weights.len() * PRUNED_DENOMINATOR <= dense.weights.len() * PRUNED_NUMERATOR;
        let packed = if is_pruned { pruned } else { dense };
        let mut groups = Vec::new();
        let mut four_weights = Vec::new();
        let mut weights_start = 0;
        for (number, &registers) in packed.registers.iter().enumerate() {
            let first_channel = number * CHANNEL_BLOCK;
            groups.push(ChannelGroup {
                number,
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start,
            });
            four_weights.push(registers * STEP);
            weights_start += BLOCKS * registers * STEP;
        }
        Self {
            weights: Weights::new(&packed.weights),
            groups,
            places: is_pruned.then_some(packed.places),
            four_weights,
            runs: packed.runs,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_bytes,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// One of the two orders of the weights.
#[derive(Default)]
struct PackedWeights {
    weights: Vec<i8>,
    /// For each group its registers of input values.
    registers: Vec<usize>,
    /// For each group the places of its dot products, where the convolution is pruned.
    places: Vec<Vec<Place>>,
    /// For each four channels, the registers that are added in 16 bits at a time.
    runs: Vec<Runs<{ LANES * PRODUCTS }>>,
}

impl PackedWeights {
    fn dense(parameters: &Parameters) -> Self {
        let run_registers = read_length(parameters, REGISTER) / REGISTER;
        let registers = parameters.kernel_height * run_registers;
        let mut packed = Self::default();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            for first in (first_channel..first_channel + CHANNEL_BLOCK).step_by(LANES) {
                pack_four(parameters, first, &mut packed.weights);
            }
            packed.add_group(registers, run_registers);
        }
        packed
    }

    fn pruned(parameters: &Parameters) -> Self {
        let mut packed = Self::default();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            let mut dots = Vec::new();
            let mut places = pack_pruned_group(parameters, first_channel, CHANNEL_BLOCK, &mut dots);
            let registers = places.len().div_ceil(DOTS);
            // The last register is filled with values from anywhere, which meet no weights.
            places.resize(registers * DOTS, Place::FIRST);
            dots.resize(registers * DOTS * CHANNEL_BLOCK * DOT, 0);
            for block in 0..BLOCKS {
                for dots in dots.chunks_exact(DOTS * CHANNEL_BLOCK * DOT) {
                    for channel in block * LANES..(block + 1) * LANES {
                        for dot in dots.chunks_exact(CHANNEL_BLOCK * DOT) {
                            packed
                                .weights
                                .extend_from_slice(&dot[channel * DOT..][..DOT]);
                        }
                    }
                }
            }
            packed.add_group(registers, registers.max(1));
            packed.places.push(places);
        }
        packed
    }

    /// The group whose weights have been added last, with so many registers a kernel row.
    fn add_group(&mut self, registers: usize, row_registers: usize) {
        let start = self.weights.len() - BLOCKS * registers * STEP;
        let steps = self.weights[start..].as_chunks::<STEP>().0;
        for block in 0..BLOCKS {
            let steps = steps[block * registers..][..registers].iter().enumerate();
            let steps = steps.map(|(index, step)| (index / row_registers, step_sums(step)));
            self.runs.push(Runs::new(steps, overflows, |_| 0));
        }
        self.registers.push(registers);
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
        tiles.check_rows(self.kernel_height, self.pixel_step, self.run_bytes);
        let group = tiles.group;
        let biases = self.requantization.biases(group);
        let mut gathered = [MaybeUninit::uninit(); MAX_GATHERED];
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            let mut windows = tiles.windows(first_pixel * self.pixel_step);
            let mut pixel_step = self.pixel_step;
            if let Some(places) = &self.places {
                let places = &places[group.number];
                pixel_step = places.len() * DOT;
                // SAFETY: the windows of `count * PIXELS` pixels have been checked.
                unsafe { self.gather::<PIXELS>(places, &windows, &mut gathered) };
                windows[0] = gathered.as_ptr().cast();
            }
            let mut sums: Sums<PIXELS> = [biases; PIXELS];
            for block in 0..BLOCKS {
                // SAFETY: the windows of `count * PIXELS` pixels have been checked; of a pruned
                // convolution, all that the group's registers take has been gathered.
                let totals = unsafe { self.sums::<PIXELS>(&windows, pixel_step, group, block) };
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

    /// The input values at these places, one pixel after the other.
    ///
    /// # Safety
    /// From these places on lie the windows of `PIXELS` pixels in each kernel row.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn gather<const PIXELS: usize>(
        &self,
        places: &[Place],
        windows: &[*const u8; MAX_KERNEL_SIDE],
        gathered: &mut [MaybeUninit<u32>; MAX_GATHERED],
    ) {
        let gathered = &mut gathered[..PIXELS * places.len()];
        for (index, place) in places.iter().enumerate() {
            let first = place.within(windows);
            for pixel in 0..PIXELS {
                let four = first.wrapping_add(pixel * self.pixel_step).cast::<u32>();
                // SAFETY: at each place lie four bytes of every window, any of which are an
                // integer; `gathered` has room for `PIXELS` times as many as there are places.
                unsafe {
                    let entry = gathered.get_unchecked_mut(pixel * places.len() + index);
                    entry.write(four.read_unaligned());
                }
            }
        }
    }

    /// For each pixel the sums of a group's four channels of that number, without their bias.
    ///
    /// # Safety
    /// From these places on lie the windows of `PIXELS` pixels in each kernel row, so many bytes
    /// apart.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        windows: &[*const u8; MAX_KERNEL_SIDE],
        pixel_step: usize,
        group: ChannelGroup,
        block: usize,
    ) -> [int32x4_t; PIXELS] {
        let four_weights = self.four_weights[group.number];
        let start = group.weights_start + block * four_weights;
        let mut weights = self.weights[start..][..four_weights].as_ptr();
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
                    *activations = unsafe { vld1q_s8(window.add(pixel * pixel_step).cast()) };
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
        for segment in &self.runs[group.number * BLOCKS + block].segments {
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

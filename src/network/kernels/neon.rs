//! 64-bit ARM, any core: `smull` and `smlal2` multiply sixteen pairs of bytes and add them by twos
//! in 16 bits, where 2 * 127 * 127 just fits; `sadalp` adds those by twos to 32-bit sums.

use std::arch::aarch64::*;

use super::Output;
use super::parameters::Parameters;
use super::tiles::{ChannelGroup, Requantization, Tile, TileKernel, read_length};

/// Input values in one register.
const REGISTER: usize = 16;
/// Output channels that a tile computes together.
const CHANNELS: usize = 4;
/// With four channels: sixteen registers of sums, four of activations.
const MAX_PIXELS: usize = 4;

/// Weights in the order in which the tiles read them: group of four channels, kernel row, sixteen
/// input values, channel of the group. A kernel row ends with zeros up to a whole register.
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
    /// Packs checked parameters.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNELS) {
            groups.push(ChannelGroup {
                first_channel,
                channels: CHANNELS.min(parameters.output_channels - first_channel),
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
            run_registers: read_length(parameters, REGISTER, 1) / REGISTER,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

fn pack_group(parameters: &Parameters, first_channel: usize, weights: &mut Vec<i8>) {
    let run = parameters.run_length();
    for kernel_row in 0..parameters.kernel_height {
        for first_value in (0..run).step_by(REGISTER) {
            for channel in first_channel..first_channel + CHANNELS {
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

impl TileKernel for Packed {
    const READ_BYTES: usize = REGISTER;

    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tile: &mut Tile<'_>) {
        // SAFETY: a `Packed` is made only where the processor has NEON.
        unsafe {
            match tile.pixels {
                1 => self.tile::<1>(tile),
                2 => self.tile::<2>(tile),
                3 => self.tile::<3>(tile),
                MAX_PIXELS => self.tile::<MAX_PIXELS>(tile),
                pixels => unreachable!("a tile of {pixels} pixels"),
            }
        }
    }
}

impl Packed {
    #[target_feature(enable = "neon")]
    fn tile<const PIXELS: usize>(&self, tile: &mut Tile<'_>) {
        let sums = self.sums::<PIXELS>(tile);
        for (pixel, sums) in sums.into_iter().enumerate() {
            let values = self.requantize(sums, tile, pixel);
            let place = pixel * self.requantization.channels + tile.group.first_channel;
            store(&mut tile.output, place, tile.group.channels, values);
        }
    }

    /// For each pixel the sums of the group's four channels, without their bias.
    #[inline]
    #[target_feature(enable = "neon")]
    fn sums<const PIXELS: usize>(&self, tile: &Tile<'_>) -> [int32x4_t; PIXELS] {
        let row_weights = self.run_registers * CHANNELS * REGISTER;
        let weights = &self.weights[tile.group.weights_start..][..self.kernel_height * row_weights];
        let mut sums = [[vdupq_n_s32(0); CHANNELS]; PIXELS];
        for (row, weights) in tile.rows.iter().zip(weights.chunks_exact(row_weights)) {
            let read = (PIXELS - 1) * self.pixel_step + self.run_registers * REGISTER;
            assert!(row.len() >= read);
            for register in 0..self.run_registers {
                let mut activations = [vdupq_n_s8(0); PIXELS];
                for (pixel, activations) in activations.iter_mut().enumerate() {
                    let start = pixel * self.pixel_step + register * REGISTER;
                    // SAFETY: `pixel < PIXELS` and `register < run_registers`, so the sixteen
                    // bytes end within the length asserted above.
                    *activations = unsafe { vld1q_s8(row.as_ptr().add(start).cast()) };
                }
                for channel in 0..CHANNELS {
                    let start = (register * CHANNELS + channel) * REGISTER;
                    // SAFETY: `weights` holds `run_registers * CHANNELS` registers, of which this
                    // is number `register * CHANNELS + channel`.
                    let factors = unsafe { vld1q_s8(weights.as_ptr().add(start)) };
                    for (sums, activations) in sums.iter_mut().zip(activations) {
                        let low = vmull_s8(vget_low_s8(activations), vget_low_s8(factors));
                        let pairs = vmlal_high_s8(low, activations, factors);
                        sums[channel] = vpadalq_s16(sums[channel], pairs);
                    }
                }
            }
        }
        let mut totals = [vdupq_n_s32(0); PIXELS];
        for (total, [first, second, third, fourth]) in totals.iter_mut().zip(sums) {
            *total = vpaddq_s32(vpaddq_s32(first, second), vpaddq_s32(third, fourth));
        }
        totals
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn requantize(&self, sums: int32x4_t, tile: &Tile<'_>, pixel: usize) -> [i32; CHANNELS] {
        let constants = &self.requantization;
        let first_channel = tile.group.first_channel;
        let bias = &constants.bias[first_channel..][..CHANNELS];
        let scale = &constants.scale[first_channel..][..CHANNELS];
        // SAFETY: both slices hold four values.
        let (bias, scale) = unsafe { (vld1q_s32(bias.as_ptr()), vld1q_f32(scale.as_ptr())) };
        let mut real = vmulq_f32(vcvtq_f32_s32(vaddq_s32(sums, bias)), scale);
        if let Some((row, column)) = tile.residual {
            let place = ((column + pixel) >> constants.residual_shift) * constants.channels;
            let mut steps = [0; CHANNELS];
            let values = &row[place + first_channel..][..tile.group.channels];
            for (step, value) in steps.iter_mut().zip(values) {
                *step = i32::from(*value) - constants.residual_zero_point;
            }
            // SAFETY: the array holds four values.
            let steps = unsafe { vld1q_s32(steps.as_ptr()) };
            let branch = vmulq_f32(vcvtq_f32_s32(steps), vdupq_n_f32(constants.residual_scale));
            real = vaddq_f32(real, branch);
        }
        let low = vdupq_n_f32(constants.low);
        let high = vdupq_n_f32(constants.high);
        let rounded = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(real, low), high));
        let value = vaddq_s32(rounded, vdupq_n_s32(constants.zero_point));
        let mut values = [0; CHANNELS];
        // SAFETY: the array holds four values.
        unsafe { vst1q_s32(values.as_mut_ptr(), value) };
        values
    }
}

/// Writes the first channels; the clamp has brought each into the output's type.
fn store(output: &mut Output<'_>, place: usize, channels: usize, values: [i32; CHANNELS]) {
    match output {
        Output::U8(output) => {
            for (output, value) in output[place..][..channels].iter_mut().zip(values) {
                *output = value as u8;
            }
        }
        Output::I16(output) => {
            for (output, value) in output[place..][..channels].iter_mut().zip(values) {
                *output = value as i16;
            }
        }
    }
}

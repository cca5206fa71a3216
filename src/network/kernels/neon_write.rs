//! The way from sums to output values that the kernels for 64-bit ARM share.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::aarch64::*;

use super::output::Output;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization};

/// Sums of one register.
pub(super) const LANES: usize = 4;
/// Registers of sums for one pixel.
pub(super) const BLOCKS: usize = CHANNEL_BLOCK / LANES;

/// Sums of one tile: sixteen channels of each pixel.
pub(super) type Sums<const PIXELS: usize> = [[int32x4_t; BLOCKS]; PIXELS];

impl Requantization {
    /// The biases of a group's channels.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn biases(&self, group: ChannelGroup) -> [int32x4_t; BLOCKS] {
        let bias = &self.bias[group.first_channel..][..CHANNEL_BLOCK];
        let mut biases = [vdupq_n_s32(0); BLOCKS];
        for (register, bias) in biases.iter_mut().zip(bias.as_chunks::<LANES>().0) {
            // SAFETY: the chunk holds four values.
            *register = unsafe { vld1q_s32(bias.as_ptr()) };
        }
        biases
    }

    /// Scales a tile's sums, adds the residual (its row, and the tile's first output column), and
    /// writes the group's channels into the tile's part of the output.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn write<const PIXELS: usize>(
        &self,
        sums: Sums<PIXELS>,
        group: ChannelGroup,
        residual: Option<(&[u8], usize)>,
        output: &mut Output<'_>,
        first_pixel: usize,
    ) {
        let scale = &self.scale[group.first_channel..][..CHANNEL_BLOCK];
        let mut scales = [vdupq_n_f32(0.0); BLOCKS];
        for (register, scale) in scales.iter_mut().zip(scale.as_chunks::<LANES>().0) {
            // SAFETY: the chunk holds four values.
            *register = unsafe { vld1q_f32(scale.as_ptr()) };
        }
        for (pixel, sums) in sums.into_iter().enumerate() {
            let mut values = [vdupq_n_s32(0); BLOCKS];
            let branch = residual.map(|(row, column)| self.branch(row, column + pixel, group));
            for block in 0..BLOCKS {
                let mut real = vmulq_f32(vcvtq_f32_s32(sums[block]), scales[block]);
                if let Some(branch) = branch {
                    real = vaddq_f32(real, branch[block]);
                }
                values[block] = vcvtnq_s32_f32(real);
            }
            let place = (first_pixel + pixel) * self.channels + group.first_channel;
            match output {
                Output::U8(output) if group.channels == CHANNEL_BLOCK => {
                    self.store_whole(values, &mut output[place..]);
                }
                Output::U8(output) => self.store_part(values, group, |channel, value| {
                    output[place + channel] = value as u8;
                }),
                Output::I16(output) => self.store_part(values, group, |channel, value| {
                    output[place + channel] = value as i16;
                }),
            }
        }
    }

    /// A residual's values at an output column, in output steps.
    #[inline]
    #[target_feature(enable = "neon")]
    fn branch(&self, row: &[u8], column: usize, group: ChannelGroup) -> [float32x4_t; BLOCKS] {
        let place = (column >> self.residual_shift) * self.channels + group.first_channel;
        let bytes = &row[place..][..CHANNEL_BLOCK];
        // SAFETY: the slice holds sixteen bytes; those beyond the channels are never written.
        let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
        let halves = [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)];
        let words = [
            vmovl_u16(vget_low_u16(halves[0])),
            vmovl_high_u16(halves[0]),
            vmovl_u16(vget_low_u16(halves[1])),
            vmovl_high_u16(halves[1]),
        ];
        let zero_point = vdupq_n_s32(self.residual_zero_point);
        let scale = vdupq_n_f32(self.residual_scale);
        words.map(|words| {
            let steps = vsubq_s32(vreinterpretq_s32_u32(words), zero_point);
            vmulq_f32(vcvtq_f32_s32(steps), scale)
        })
    }

    /// Writes sixteen channels. Saturation clamps to the type's range, two more steps to the
    /// output's.
    #[inline]
    #[target_feature(enable = "neon")]
    fn store_whole(&self, values: [int32x4_t; BLOCKS], output: &mut [u8]) {
        let zero_point = vdupq_n_s16(self.zero_point as i16);
        let low = vqmovn_high_s32(vqmovn_s32(values[0]), values[1]);
        let high = vqmovn_high_s32(vqmovn_s32(values[2]), values[3]);
        let low = vqmovun_s16(vqaddq_s16(low, zero_point));
        let bytes = vqmovun_high_s16(low, vqaddq_s16(high, zero_point));
        let raised = vmaxq_u8(bytes, vdupq_n_u8(self.minimum as u8));
        let clamped = vminq_u8(raised, vdupq_n_u8(self.maximum as u8));
        let output = &mut output[..CHANNEL_BLOCK];
        // SAFETY: the slice holds sixteen bytes.
        unsafe { vst1q_u8(output.as_mut_ptr(), clamped) };
    }

    /// Gives every channel of the group and its value, clamped, to `store`.
    #[inline]
    #[target_feature(enable = "neon")]
    fn store_part(
        &self,
        values: [int32x4_t; BLOCKS],
        group: ChannelGroup,
        mut store: impl FnMut(usize, i32),
    ) {
        let mut lanes = [0; CHANNEL_BLOCK];
        for (lanes, value) in lanes.as_chunks_mut::<LANES>().0.iter_mut().zip(values) {
            // SAFETY: the chunk holds four values.
            unsafe { vst1q_s32(lanes.as_mut_ptr(), value) };
        }
        for (channel, value) in lanes.into_iter().enumerate().take(group.channels) {
            let clamped = (value + self.zero_point).clamp(self.minimum, self.maximum);
            store(channel, clamped);
        }
    }
}

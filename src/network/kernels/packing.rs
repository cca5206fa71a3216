//! The order in which kernels read weights, and which of them they leave out.

use super::parameters::{MAX_CHANNELS, MAX_KERNEL_SIDE, Parameters};
use super::tiles::CHANNEL_BLOCK;

/// Input values in one dot product.
pub(super) const DOT: usize = 4;

/// A row of a kernel: so named that an array with an entry for each takes no check of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum KernelRow {
    First,
    Second,
    Third,
}

impl KernelRow {
    const ALL: [Self; MAX_KERNEL_SIDE] = [Self::First, Self::Second, Self::Third];
}

/// Where a dot product's input values lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    kernel_row: KernelRow,
    /// Bytes behind the start of the kernel row's window.
    offset: u16,
}

impl Place {
    /// At the start of the first kernel row.
    #[cfg(target_arch = "aarch64")]
    pub(super) const FIRST: Self = Self {
        kernel_row: KernelRow::First,
        offset: 0,
    };

    /// The place for windows of kernel rows that start there.
    #[inline]
    pub(super) fn within(self, windows: &[*const u8; MAX_KERNEL_SIDE]) -> *const u8 {
        windows[self.kernel_row as usize].wrapping_add(usize::from(self.offset))
    }
}

/// Appends the weights of a group of channels: kernel row, four input values, channel. Channels
/// beyond the last have zeros.
pub(super) fn pack_group(
    parameters: &Parameters,
    first_channel: usize,
    channels: usize,
    weights: &mut Vec<i8>,
) {
    let run = parameters.run_length();
    for first_value in (0..parameters.kernel_height * run).step_by(DOT) {
        for channel in first_channel..first_channel + channels {
            if channel < parameters.output_channels {
                let values = &parameters.channel_weights(channel)[first_value..][..DOT];
                weights.extend_from_slice(values);
            } else {
                weights.extend_from_slice(&[0; DOT]);
            }
        }
    }
}

/// As [`pack_group`], without the dot products whose weights are all zero; says where the others'
/// input values lie.
pub(super) fn pack_pruned_group(
    parameters: &Parameters,
    first_channel: usize,
    channels: usize,
    weights: &mut Vec<i8>,
) -> Vec<Place> {
    let dots = dots_of_group(parameters, first_channel, channels);
    let kept = dots.filter(|(_, factors)| has_weights(factors));
    kept.map(|(place, factors)| {
        weights.extend_from_slice(&factors);
        place
    })
    .collect()
}

/// The place and the weights of each dot product of a group, as [`pack_group`] orders them.
pub(super) fn dots_of_group(
    parameters: &Parameters,
    first_channel: usize,
    channels: usize,
) -> impl Iterator<Item = (Place, Vec<i8>)> {
    const { assert!(MAX_KERNEL_SIDE * MAX_CHANNELS <= u16::MAX as usize) };
    let mut all = Vec::new();
    pack_group(parameters, first_channel, channels, &mut all);
    let run_dots = parameters.run_length() / DOT;
    let dots = parameters.kernel_height * run_dots;
    (0..dots).map(move |index| {
        let place = Place {
            kernel_row: KernelRow::ALL[index / run_dots],
            offset: (index % run_dots * DOT) as u16,
        };
        let length = DOT * channels;
        (place, all[index * length..][..length].to_vec())
    })
}

/// Whether a dot product adds anything.
pub(super) fn has_weights(factors: &[i8]) -> bool {
    factors.iter().any(|&factor| factor != 0)
}

/// Dot products for each place of the output, of all channels; not counted are those that blocks
/// of sixteen channels leave out.
pub(super) fn kept_dots(parameters: &Parameters) -> usize {
    let first_channels = (0..parameters.output_channels).step_by(CHANNEL_BLOCK);
    let of_block = |first_channel: usize| {
        let channels = CHANNEL_BLOCK.min(parameters.output_channels - first_channel);
        let dots = dots_of_group(parameters, first_channel, channels);
        channels * dots.filter(|(_, factors)| has_weights(factors)).count()
    };
    first_channels.map(of_block).sum()
}

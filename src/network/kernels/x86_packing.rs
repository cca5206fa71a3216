//! The order in which the kernels for x86-64 read weights.

use super::parameters::Parameters;

/// Input values in one dot product.
pub(super) const DOT: usize = 4;

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

//! Where a convolution writes.

use super::parameters::OutputKind;

/// Where a convolution writes: one value for each output pixel and channel, NHWC.
#[derive(Debug)]
pub enum Output<'a> {
    /// Activations (0..=127) or a branch that is only added (0..=255).
    U8(&'a mut [u8]),
    /// The network's last layer.
    I16(&'a mut [i16]),
}

impl Output<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Output::U8(values) => values.len(),
            Output::I16(values) => values.len(),
        }
    }

    pub(super) fn kind(&self) -> OutputKind {
        match self {
            Output::U8(_) => OutputKind::U8,
            Output::I16(_) => OutputKind::I16,
        }
    }
}

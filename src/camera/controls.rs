//! What a measuring camera is told about light, colour and focus.

use serde::Deserialize;

/// Values that a camera is set to when it opens; one that is left out is kept at what the
/// camera's own automatics found, which are then switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ControlSettings {
    /// Exposure of a frame, in microseconds; cameras take steps of 100.
    pub exposure_us: Option<u32>,
    /// Gain, in steps of the camera's own.
    pub gain: Option<u32>,
    /// White balance, in kelvin.
    pub white_balance_kelvin: Option<u32>,
    /// Position of a motor focus, in steps of the camera's own.
    pub focus: Option<u32>,
}

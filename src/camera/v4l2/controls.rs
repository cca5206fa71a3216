//! A camera's controls for light, colour and focus, by the kernel's numbers and in words.

use std::fmt;
use v4l::v4l_sys::{
    V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CID_AUTOBRIGHTNESS, V4L2_CID_AUTOGAIN, V4L2_CID_BLUE_BALANCE,
    V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CID_EXPOSURE_AUTO, V4L2_CID_FOCUS_ABSOLUTE,
    V4L2_CID_FOCUS_AUTO, V4L2_CID_GAIN, V4L2_CID_HUE_AUTO, V4L2_CID_RED_BALANCE,
    V4L2_CID_WHITE_BALANCE_TEMPERATURE,
};

/// Exposures are told in steps of this many microseconds (V4L2_CID_EXPOSURE_ABSOLUTE).
pub(super) const EXPOSURE_STEP_US: u32 = 100;
/// The value of [`Control::ExposureAuto`] that stands for manual (V4L2_EXPOSURE_MANUAL).
pub(super) const EXPOSURE_MANUAL: i32 = 1;
/// The value of every other automatic that is off.
pub(super) const OFF: i32 = 0;

/// A control of a camera that matters to a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// Whether the camera sets its exposure time itself.
    ExposureAuto,
    /// Exposure time, in steps of 100 µs.
    Exposure,
    /// Whether the camera sets its gain itself.
    GainAuto,
    /// Gain of the sensor, in the camera's own units.
    Gain,
    /// Whether the camera sets its white balance itself.
    WhiteBalanceAuto,
    /// Colour temperature that counts as white, in kelvin.
    WhiteBalance,
    /// Gain of the red channel, in the camera's own units.
    RedBalance,
    /// Gain of the blue channel, in the camera's own units.
    BlueBalance,
    /// Whether the camera focuses itself.
    FocusAuto,
    /// Focus distance, in the camera's own units.
    Focus,
    /// Whether the camera adapts its brightness itself.
    BrightnessAuto,
    /// Whether the camera adapts its hue itself.
    HueAuto,
}

impl Control {
    /// Every control.
    pub const ALL: [Control; 12] = [
        Control::ExposureAuto,
        Control::Exposure,
        Control::GainAuto,
        Control::Gain,
        Control::WhiteBalanceAuto,
        Control::WhiteBalance,
        Control::RedBalance,
        Control::BlueBalance,
        Control::FocusAuto,
        Control::Focus,
        Control::BrightnessAuto,
        Control::HueAuto,
    ];

    /// The kernel's number.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::ExposureAuto => V4L2_CID_EXPOSURE_AUTO,
            Self::Exposure => V4L2_CID_EXPOSURE_ABSOLUTE,
            Self::GainAuto => V4L2_CID_AUTOGAIN,
            Self::Gain => V4L2_CID_GAIN,
            Self::WhiteBalanceAuto => V4L2_CID_AUTO_WHITE_BALANCE,
            Self::WhiteBalance => V4L2_CID_WHITE_BALANCE_TEMPERATURE,
            Self::RedBalance => V4L2_CID_RED_BALANCE,
            Self::BlueBalance => V4L2_CID_BLUE_BALANCE,
            Self::FocusAuto => V4L2_CID_FOCUS_AUTO,
            Self::Focus => V4L2_CID_FOCUS_ABSOLUTE,
            Self::BrightnessAuto => V4L2_CID_AUTOBRIGHTNESS,
            Self::HueAuto => V4L2_CID_HUE_AUTO,
        }
    }

    /// A value with its unit.
    pub fn in_words(self, value: i32) -> String {
        match self {
            Self::Exposure => format!("{} us", i64::from(value) * i64::from(EXPOSURE_STEP_US)),
            Self::WhiteBalance => format!("{value} K"),
            Self::ExposureAuto if value == EXPOSURE_MANUAL => "off".to_owned(),
            Self::ExposureAuto => "on".to_owned(),
            Self::GainAuto
            | Self::WhiteBalanceAuto
            | Self::FocusAuto
            | Self::BrightnessAuto
            | Self::HueAuto => if value == OFF { "off" } else { "on" }.to_owned(),
            Self::Gain | Self::RedBalance | Self::BlueBalance | Self::Focus => value.to_string(),
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ExposureAuto => "automatic exposure",
            Self::Exposure => "exposure",
            Self::GainAuto => "automatic gain",
            Self::Gain => "gain",
            Self::WhiteBalanceAuto => "automatic white balance",
            Self::WhiteBalance => "white balance",
            Self::RedBalance => "red balance",
            Self::BlueBalance => "blue balance",
            Self::FocusAuto => "automatic focus",
            Self::Focus => "focus",
            Self::BrightnessAuto => "automatic brightness",
            Self::HueAuto => "automatic hue",
        })
    }
}

/// A control that a camera has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRange {
    /// Which control it is.
    pub control: Control,
    /// The values that it takes, in the kernel's units.
    pub min: i32,
    /// The largest value.
    pub max: i32,
    /// The distance between neighbouring values.
    pub step: i32,
    /// The value at the time of reading.
    pub value: i32,
}

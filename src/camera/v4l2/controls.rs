//! A camera's light, colour and focus: what is set, in which order, and what the camera took.
//!
//! A measuring camera must not adjust itself between fields. What is configured is set and read
//! back; for the rest the camera's automatics may settle once, and are then switched off at what
//! they found.

use super::CaptureDevice;
use crate::camera::ControlSettings;
use std::fmt;
use std::io;
use v4l::v4l_sys::{
    V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CID_AUTOBRIGHTNESS, V4L2_CID_AUTOGAIN,
    V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CID_EXPOSURE_AUTO, V4L2_CID_FOCUS_ABSOLUTE,
    V4L2_CID_FOCUS_AUTO, V4L2_CID_GAIN, V4L2_CID_HUE_AUTO, V4L2_CID_WHITE_BALANCE_TEMPERATURE,
};

/// Exposures are told in steps of this many microseconds (V4L2_CID_EXPOSURE_ABSOLUTE).
const EXPOSURE_STEP_US: u32 = 100;
/// The value of [`Control::ExposureAuto`] that stands for manual (V4L2_EXPOSURE_MANUAL).
const EXPOSURE_MANUAL: i32 = 1;
/// The value of every other automatic that is off.
const OFF: i32 = 0;

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
    pub const ALL: [Control; 10] = [
        Control::ExposureAuto,
        Control::Exposure,
        Control::GainAuto,
        Control::Gain,
        Control::WhiteBalanceAuto,
        Control::WhiteBalance,
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
            Self::Gain | Self::Focus => value.to_string(),
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

/// Something measured and its automatic.
struct Pair {
    automatic: Control,
    off: i32,
    value: Control,
}

const PAIRS: [Pair; 4] = [
    Pair {
        automatic: Control::ExposureAuto,
        off: EXPOSURE_MANUAL,
        value: Control::Exposure,
    },
    Pair {
        automatic: Control::GainAuto,
        off: OFF,
        value: Control::Gain,
    },
    Pair {
        automatic: Control::WhiteBalanceAuto,
        off: OFF,
        value: Control::WhiteBalance,
    },
    Pair {
        automatic: Control::FocusAuto,
        off: OFF,
        value: Control::Focus,
    },
];
/// Automatics that work on the picture afterwards, and have no value to be frozen at.
const OTHER_AUTOMATICS: [Control; 2] = [Control::BrightnessAuto, Control::HueAuto];

/// What a camera's controls are to be, learned once and set again whenever it is opened.
#[derive(Debug, Default)]
pub(super) struct ControlPlan {
    /// In the kernel's units.
    wanted: Vec<(Control, i32)>,
    /// Whether the values that nobody configured have been found by the automatics.
    is_settled: bool,
    notices: Vec<String>,
}

impl ControlPlan {
    pub(super) fn new(settings: &ControlSettings) -> Self {
        let exposure = settings
            .exposure_us
            .map(|exposure_us| exposure_us.saturating_add(EXPOSURE_STEP_US / 2) / EXPOSURE_STEP_US);
        let configured = [
            (Control::Exposure, exposure),
            (Control::Gain, settings.gain),
            (Control::WhiteBalance, settings.white_balance_kelvin),
            (Control::Focus, settings.focus),
        ];
        let wanted = configured.into_iter().filter_map(|(control, value)| {
            Some((control, i32::try_from(value?).unwrap_or(i32::MAX)))
        });
        Self {
            wanted: wanted.collect(),
            ..Self::default()
        }
    }

    /// What there is to say, each once.
    pub(super) fn drain_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn wanted(&self, control: Control) -> Option<i32> {
        let of_control = self.wanted.iter().find(|(wanted, _)| *wanted == control);
        of_control.map(|(_, value)| *value)
    }

    /// Sets what is known on a camera that has just been opened; whether automatics are left that
    /// must settle first, after which [`ControlPlan::freeze`] is due.
    ///
    /// # Errors
    /// The camera has gone.
    pub(super) fn apply(&mut self, device: &mut dyn CaptureDevice) -> io::Result<bool> {
        let mut must_settle = false;
        for pair in &PAIRS {
            match self.wanted(pair.value) {
                Some(value) => {
                    self.switch_off(device, pair.automatic, pair.off)?;
                    self.set(device, pair.value, value)?;
                }
                None if self.is_settled => self.switch_off(device, pair.automatic, pair.off)?,
                None => {
                    let automatic = device.control(pair.automatic)?;
                    must_settle |= automatic.is_some_and(|found| found.value != pair.off);
                }
            }
        }
        for automatic in OTHER_AUTOMATICS {
            self.switch_off(device, automatic, OFF)?;
        }
        Ok(must_settle)
    }

    /// Switches the automatics off that have settled, at what they found.
    ///
    /// # Errors
    /// The camera has gone.
    pub(super) fn freeze(&mut self, device: &mut dyn CaptureDevice) -> io::Result<()> {
        for pair in PAIRS {
            if self.wanted(pair.value).is_some() {
                continue;
            }
            let found = device.control(pair.value)?;
            self.switch_off(device, pair.automatic, pair.off)?;
            let Some(found) = found else {
                continue;
            };
            // Some cameras go back to an older value when their automatic is switched off.
            let now = device.control(pair.value)?;
            if now.is_some_and(|now| now.value != found.value) {
                self.set(device, pair.value, found.value)?;
            }
            self.wanted.push((pair.value, found.value));
        }
        self.is_settled = true;
        Ok(())
    }

    fn switch_off(
        &mut self,
        device: &mut dyn CaptureDevice,
        automatic: Control,
        off: i32,
    ) -> io::Result<()> {
        match device.control(automatic)? {
            Some(found) if found.value != off => self.set(device, automatic, off),
            _ => Ok(()),
        }
    }

    /// Sets a control and reads it back.
    fn set(
        &mut self,
        device: &mut dyn CaptureDevice,
        control: Control,
        value: i32,
    ) -> io::Result<()> {
        let asked = control.in_words(value);
        let Some(offered) = device.control(control)? else {
            self.say(format!(
                "{control}: the camera has no such control, {asked} is not set"
            ));
            return Ok(());
        };
        let value = value.clamp(offered.min, offered.max.max(offered.min));
        if let Err(error) = device.set_control(control, value) {
            if error.raw_os_error() == Some(libc::ENODEV) {
                return Err(error);
            }
            self.say(format!("{control}: the camera refuses {asked} ({error})"));
            return Ok(());
        }
        let taken = device
            .control(control)?
            .map(|taken| control.in_words(taken.value));
        match taken {
            Some(taken) if taken == asked => {}
            Some(taken) => self.say(format!(
                "{control}: the camera took {taken} instead of {asked}"
            )),
            None => self.say(format!("{control}: the camera does not say what it took")),
        }
        Ok(())
    }

    fn say(&mut self, notice: String) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }
}

//! A camera's light, colour and focus: what is set, in which order, and what the camera took.
//!
//! A measuring camera must not adjust itself between fields. What is configured is set and read
//! back; for the rest the camera's automatics may settle once, and are then switched off at what
//! they found.

use super::controls::{Control, ControlRange, EXPOSURE_MANUAL, EXPOSURE_STEP_US, OFF};
use super::driver::CaptureDevice;
use crate::camera::ControlSettings;
use std::io;

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
/// Values without an automatic of their own, which may be set from the background.
const BALANCES: [Control; 2] = [Control::RedBalance, Control::BlueBalance];
/// Automatics that work on the image afterwards, and have no value to be frozen at.
const OTHER_AUTOMATICS: [Control; 2] = [Control::BrightnessAuto, Control::HueAuto];

/// What a camera's controls are to be, learned once and set again whenever it is opened.
#[derive(Debug, Default)]
pub(super) struct ControlPlan {
    /// In the kernel's units.
    wanted: Vec<(Control, i32)>,
    /// What of that was configured, and nothing else may change.
    configured: Vec<Control>,
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
        let wanted: Vec<_> = wanted.collect();
        Self {
            configured: wanted.iter().map(|(control, _)| *control).collect(),
            wanted,
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
        for balance in BALANCES {
            if let Some(value) = self.wanted(balance) {
                self.set(device, balance, value)?;
            }
        }
        Ok(must_settle)
    }

    /// Exposure and balance as they stand, where nobody configured them, the camera has them, and
    /// its automatics are off.
    ///
    /// # Errors
    /// The camera has gone.
    pub(super) fn adjustable(
        &self,
        device: &mut dyn CaptureDevice,
    ) -> io::Result<Vec<ControlRange>> {
        let mut found = Vec::new();
        let is_configured = |control| self.configured.contains(&control);
        for pair in &PAIRS {
            let is_light = matches!(pair.value, Control::Exposure | Control::WhiteBalance);
            let automatic = device.control(pair.automatic)?;
            let is_held = automatic.is_none_or(|automatic| automatic.value == pair.off);
            if is_light && is_held && !is_configured(pair.value) {
                found.extend(device.control(pair.value)?);
            }
        }
        if !is_configured(Control::WhiteBalance) {
            for balance in BALANCES {
                found.extend(device.control(balance)?);
            }
        }
        Ok(found)
    }

    /// Keeps a value for whenever the camera is opened again.
    pub(super) fn hold(&mut self, control: Control, value: i32) {
        self.wanted.retain(|(wanted, _)| *wanted != control);
        self.wanted.push((control, value));
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

//! What a board's description says about its panel.

use super::PanelSpec;
use serde::Deserialize;
use std::path::PathBuf;

/// A board's panel. By default an upright display over DRM, the first that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelSettings {
    /// How it is driven.
    pub kind: PanelSpec,
    /// How far the screen is turned clockwise: 0, 90, 180 or 270.
    #[serde(default)]
    pub rotation_degrees: u16,
    /// Brightness at the start, 0 to 100; left as it is without it.
    pub brightness_percent: Option<u8>,
    /// Name of a light of the board (`ls /sys/class/leds`) that blinks while no display shows the
    /// screen; none without it.
    pub fault_light: Option<String>,
    /// Only for [`PanelSpec::Drm`].
    pub drm: Option<DrmSettings>,
    /// Only for [`PanelSpec::Spi`].
    pub spi: Option<SpiSettings>,
}

impl Default for PanelSettings {
    fn default() -> Self {
        Self {
            kind: PanelSpec::Drm { card: None },
            rotation_degrees: 0,
            brightness_percent: None,
            fault_light: None,
            drm: None,
            spi: None,
        }
    }
}

impl PanelSettings {
    /// The kinds that a board's description names.
    pub(crate) const KINDS: &'static [&'static str] = &["drm", "spi"];

    /// The connector that a display over DRM has to be on, if one is named.
    pub(super) fn connector(&self) -> Option<&str> {
        self.drm.as_ref()?.connector.as_deref()
    }

    /// Device files that have to be there; none where the kernel drives the panel.
    pub fn device_files(&self) -> Vec<PathBuf> {
        match (&self.kind, &self.spi) {
            (PanelSpec::Spi, Some(spi)) => vec![spi.device.clone(), spi.gpio_chip.clone()],
            _ => Vec::new(),
        }
    }

    /// What is wrong with its keys together, and what to do.
    pub fn contradiction(&self) -> Option<(String, &'static str)> {
        let kind = &self.kind;
        let (what, advice) = match (kind, &self.drm, &self.spi) {
            (PanelSpec::Spi, _, None) => (
                "there is no [panel.spi]",
                "add [panel.spi] with the panel's wiring",
            ),
            (PanelSpec::Drm { .. }, _, Some(_)) => (
                "there is a [panel.spi]",
                "take [panel.spi] out, or write kind = \"spi\"",
            ),
            (PanelSpec::Spi, Some(_), Some(_)) => (
                "there is a [panel.drm]",
                "take [panel.drm] out, or write kind = \"drm\"",
            ),
            _ => {
                let line = self.spi.as_ref()?.shared_line()?;
                let what = format!("two keys in [panel.spi] name line {line}");
                return Some((what, "give each its own line"));
            }
        };
        Some((
            format!("`kind` in [panel] is \"{kind}\", but {what}"),
            advice,
        ))
    }
}

/// Which display over DRM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrmSettings {
    /// Such as `HDMI-A-1`; without it, the first with a display.
    pub connector: Option<String>,
}

/// How a panel is wired to a SPI bus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpiSettings {
    /// The chip that drives the panel.
    pub controller: Controller,
    /// Such as `/dev/spidev0.0`.
    pub device: PathBuf,
    /// Clock of the bus, in hertz.
    pub clock_hz: u32,
    /// The chip of all lines below, such as `/dev/gpiochip0`.
    pub gpio_chip: PathBuf,
    /// The line that tells commands (low) from data (high).
    pub data_command_line: u32,
    /// The line that resets the panel while low, where it is wired.
    pub reset_line: Option<u32>,
    /// The line that lights the panel while high, where it is wired.
    pub backlight_line: Option<u32>,
    /// Width of the screen, as it is read.
    pub width_px: u16,
    /// Height of the screen, as it is read.
    pub height_px: u16,
}

impl SpiSettings {
    /// A line that two of the panel's signals share.
    fn shared_line(&self) -> Option<u32> {
        let lines = [
            Some(self.data_command_line),
            self.reset_line,
            self.backlight_line,
        ];
        let is_shared = |line: &u32| {
            let same = lines.iter().filter(|other| **other == Some(*line));
            same.count() > 1
        };
        lines.into_iter().flatten().find(is_shared)
    }
}

/// The chip on a SPI panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// Ilitek ILI9341.
    Ili9341,
    /// Sitronix ST7789.
    St7789,
}

//! What a board's description says about its panel.

use serde::Deserialize;
use std::path::PathBuf;

/// A board's panel. By default an upright display over DRM, the first that is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelSettings {
    pub kind: PanelKind,
    /// How far the screen is turned clockwise: 0, 90, 180 or 270.
    #[serde(default)]
    pub rotation_degrees: u16,
    /// Brightness at the start, 0 to 100; left as it is without it.
    pub brightness_percent: Option<u8>,
    /// Name of a light of the board (`ls /sys/class/leds`) that blinks while no display shows the
    /// screen; none without it.
    pub fault_light: Option<String>,
    /// Only for [`PanelKind::Drm`].
    pub drm: Option<DrmSettings>,
    /// Only for [`PanelKind::Spi`].
    pub spi: Option<SpiSettings>,
}

/// How a panel is driven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PanelKind {
    /// By the kernel.
    #[default]
    Drm,
    /// By this program, over a SPI bus.
    Spi,
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
    pub controller: Controller,
    /// Such as `/dev/spidev0.0`.
    pub device: PathBuf,
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

/// The chip on a SPI panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    Ili9341,
    St7789,
}

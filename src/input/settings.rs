//! What a board's description says about its input.

use serde::Deserialize;

/// A board's buttons. By default any keyboard, and no touch screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSettings {
    /// Names of input devices as the kernel tells them (`/proc/bus/input/devices`), such as
    /// `gpio-keys`; without any, every keyboard is taken.
    #[serde(default)]
    pub buttons: Vec<String>,
    /// Name of a touch screen; empty for none.
    #[serde(default)]
    pub touch: String,
}

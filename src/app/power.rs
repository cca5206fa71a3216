//! Switching the device off.

use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Asks the system to switch off; returns when it has begun to.
///
/// # Errors
/// The system does not do it.
pub fn switch_off() -> Result<()> {
    const REMEDY: &str = "the device cannot be switched off by `systemctl poweroff`; run \
                          hemoscope as root, or cut the power now";
    eprintln!("hemoscope: switching the device off");
    let status = Command::new("systemctl").arg("poweroff").status();
    let status = status.context(REMEDY)?;
    ensure!(status.success(), "{REMEDY} ({status})");
    Ok(())
}

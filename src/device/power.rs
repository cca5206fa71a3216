//! Switching the device off.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The folder that the service manager makes for the running program (systemd.exec(5)).
const FOLDER_VARIABLE: &str = "RUNTIME_DIRECTORY";
/// In that folder; a unit of the image waits for it, since the program itself may not switch off.
const REQUEST: &str = "power-off";
/// How long the system may take to begin, once it was asked.
const BEGIN_LIMIT: Duration = Duration::from_secs(10);
/// Time between two looks whether it has begun.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const REMEDY: &str = "run hemoscope as root, or cut the power now";

/// Asks the system to switch off; returns when it has begun to, which `is_stopped` tells where the
/// program is a service.
///
/// # Errors
/// The system does not do it.
pub fn switch_off(is_stopped: impl Fn() -> bool) -> Result<()> {
    log::info!("switching the device off");
    match env::var_os(FOLDER_VARIABLE) {
        Some(folder) => ask_for_power_off(&PathBuf::from(folder), is_stopped, BEGIN_LIMIT),
        None => {
            let remedy =
                || format!("the device cannot be switched off by `systemctl poweroff`; {REMEDY}");
            let status = Command::new("systemctl").arg("poweroff").status();
            let status = status.with_context(remedy)?;
            ensure!(status.success(), "{} ({status})", remedy());
            Ok(())
        }
    }
}

fn ask_for_power_off(folder: &Path, is_stopped: impl Fn() -> bool, limit: Duration) -> Result<()> {
    let request = folder.join(REQUEST);
    fs::write(&request, "")
        .with_context(|| format!("{} cannot be written; {REMEDY}", request.display()))?;
    let until = Instant::now() + limit;
    while !is_stopped() {
        ensure!(
            Instant::now() < until,
            "the system was asked by {} to switch off and has not begun within {} s; {REMEDY}",
            request.display(),
            limit.as_secs()
        );
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_asks_by_a_file_and_waits_to_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let request = folder.path().join(REQUEST);
        ask_for_power_off(folder.path(), || request.exists(), BEGIN_LIMIT).unwrap();
        let error = ask_for_power_off(folder.path(), || false, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("has not begun"), "{error}");
        let nowhere = folder.path().join("nowhere");
        let error = ask_for_power_off(&nowhere, || true, BEGIN_LIMIT).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}

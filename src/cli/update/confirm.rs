//! `hemoscope update confirm`: the boot check on a board, with the health checks of a new version.

use super::arguments::ConfirmArguments;
use crate::analysis::known_answer;
use crate::analysis::model::ModelLocation;
use crate::board::BoardDescription;
use crate::cli::output::print;
use crate::cli::settings::model_location;
use crate::record::{self, Clock};
use crate::update::boot::disk::{self, BootDisk};
use crate::update::folder::{self, DiskFolder};
use crate::update::history::BootTimestamp;
use crate::update::trial::boot_check::{BootOutcome, HealthChecks, RunningSystem, check_boot};
use crate::update::{DEVICE_STATUS_FILE, DeviceStatus, ipc_files};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long a new version may take to pass its health checks.
const TRIAL_LIMIT: Duration = Duration::from_secs(180);
/// How long the program may take to have run long enough, where nothing is on trial.
const UP_LIMIT: Duration = Duration::from_secs(90);
/// How long the program may take to find the camera, where nothing is on trial.
const CAMERA_LIMIT: Duration = Duration::from_secs(10);
/// The program counts as running after this long without a restart.
const MIN_UPTIME_MS: u64 = 10_000;
/// Time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The unit of the program.
const UNIT: &str = "hemoscope.service";

/// Runs the boot check; restarts the device where a new version has failed its trial.
///
/// # Errors
/// The boot state or the board cannot be read.
pub fn run(arguments: &ConfirmArguments, folder: &Path) -> Result<bool> {
    let board = BoardDescription::load(&arguments.board)?;
    let model = model_location(&board.paths.model, arguments.model.model.as_ref());
    let running = disk::running()?;
    let mut disk = BootDisk::of_root()?;
    let mut folder = DiskFolder::new(folder.to_owned());
    let clock = Clock::start();
    let mut system = System {
        model,
        data: board.paths.data.clone(),
        clock: clock.clone(),
    };
    if let Err(error) = folder::make(&folder) {
        system.log(&error.to_string());
    }
    let now = BootTimestamp {
        boot_id: clock.boot_id().to_owned(),
        time: clock.stamp(),
    };
    let outcome = check_boot(&mut folder, &mut disk, running, &now, &mut system);
    let outcome = outcome.map_err(|error| disk.error("written", error))?;
    let text = match &outcome {
        BootOutcome::NoUpdate { is_up: false } => {
            bail!("{UNIT} does not run; slot {running} does not get its tries back")
        }
        BootOutcome::NoUpdate { is_up: true } => format!("slot {running} is good"),
        BootOutcome::AwaitingRestart => "an update is waiting for the restart".to_owned(),
        BootOutcome::Confirmed(result) => {
            format!("{} in slot {running} is confirmed", result.to)
        }
        BootOutcome::RolledBack(result) => format!(
            "rolled back to {}; {} failed: {}",
            result.from, result.to, result.reason
        ),
        BootOutcome::Interrupted(result) => format!("{}: {}", result.to, result.reason),
        BootOutcome::TrialFailed(result) => format!(
            "{} failed its trial, restarting into {}: {}",
            result.to, result.from, result.reason
        ),
    };
    let printed = print(&(text + "\n"));
    // Whether that could be printed or not.
    if let BootOutcome::TrialFailed(_) = outcome {
        restart()?;
    }
    printed?;
    Ok(true)
}

fn restart() -> Result<()> {
    let status = Command::new("systemctl")
        .args(["--no-block", "reboot"])
        .status();
    let status = status.context("the device cannot be restarted; switch it off and on")?;
    if !status.success() {
        bail!("the device does not restart ({status}); switch it off and on");
    }
    Ok(())
}

struct System {
    model: ModelLocation,
    data: PathBuf,
    clock: Clock,
}

impl System {
    fn published_status(&self) -> Option<DeviceStatus> {
        ipc_files::read(Path::new(DEVICE_STATUS_FILE))
            .ok()
            .flatten()
    }

    fn service(&self) -> Result<(), String> {
        let output = Command::new("systemctl")
            .args([
                "show",
                UNIT,
                "--property=ActiveState,ActiveEnterTimestampMonotonic",
            ])
            .output()
            .map_err(|error| format!("systemctl cannot be run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        check_service(&text, self.clock.stamp().uptime_ms)
    }
}

/// Whether the program has run for long enough, by what `systemctl show` says of its unit.
fn check_service(text: &str, uptime_ms: u64) -> Result<(), String> {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let state = value("ActiveState").unwrap_or("unknown");
    if state != "active" {
        return Err(format!("the program is not running, it is {state}"));
    }
    let since_us: Option<u64> = value("ActiveEnterTimestampMonotonic").and_then(|v| v.parse().ok());
    match since_us {
        Some(since_us) if uptime_ms.saturating_sub(since_us / 1000) >= MIN_UPTIME_MS => Ok(()),
        _ => Err("the program has not run for ten seconds without a restart".to_owned()),
    }
}

/// Polls until something is there or time is over; returns what the last poll gave.
fn poll<T, E>(limit: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + limit;
    loop {
        let found = attempt();
        if found.is_ok() || Instant::now() >= until {
            return found;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

impl RunningSystem for System {
    fn wait_until_healthy(
        &mut self,
        before: Option<&DeviceStatus>,
    ) -> Result<DeviceStatus, String> {
        let known_answer = known_answer::check(&self.model).map_err(|error| format!("{error:#}"));
        // The same bytes give the same result: waiting would not help.
        known_answer.clone()?;
        poll(TRIAL_LIMIT, || {
            let checks = HealthChecks {
                service: self.service(),
                known_answer: known_answer.clone(),
                status: self.published_status(),
            };
            checks.evaluate(before)
        })
    }

    fn is_up(&mut self) -> bool {
        let up = poll(UP_LIMIT, || self.service());
        if let Err(reason) = &up {
            self.log(reason);
        }
        up.is_ok()
    }

    fn device_status(&mut self) -> Option<DeviceStatus> {
        let with_camera = || {
            self.published_status()
                .filter(|status| status.camera.is_some())
                .ok_or(())
        };
        poll(CAMERA_LIMIT, with_camera)
            .ok()
            .or_else(|| self.published_status())
    }

    fn purge_older_data(&mut self) {
        if let Err(error) = record::purge_older_formats(&self.data) {
            self.log(&error.to_string());
        }
    }

    fn log(&mut self, text: &str) {
        log::warn!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_must_run_for_ten_seconds() {
        let text = |state: &str, since_s: u64| {
            format!(
                "ActiveState={state}\nActiveEnterTimestampMonotonic={}\n",
                since_s * 1_000_000
            )
        };
        let cases = [
            (text("active", 5), 15_000, None),
            (text("active", 5), 14_999, Some("ten seconds")),
            (text("active", 50), 15_000, Some("ten seconds")),
            (text("activating", 5), 99_000, Some("it is activating")),
            (String::new(), 99_000, Some("it is unknown")),
            (
                "ActiveState=active\n".to_owned(),
                99_000,
                Some("ten seconds"),
            ),
        ];
        for (text, uptime_ms, expected) in cases {
            let checked = check_service(&text, uptime_ms).err();
            let is_right = match (expected, &checked) {
                (None, None) => true,
                (Some(expected), Some(reason)) => reason.contains(expected),
                _ => false,
            };
            assert!(is_right, "{text:?} {uptime_ms}: {checked:?}");
        }
    }

    #[test]
    fn polling_ends_with_the_last_result() {
        let mut polls = 0;
        let found = poll(Duration::from_secs(60), || {
            polls += 1;
            if polls == 2 { Ok(polls) } else { Err(polls) }
        });
        assert_eq!(found, Ok(2));
        assert_eq!(poll(Duration::ZERO, || Err::<(), _>("no")), Err("no"));
    }
}

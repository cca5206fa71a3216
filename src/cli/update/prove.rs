//! `hemoscope update prove`: what a start means for an update, and the proofs of a new version.

use crate::analysis::known_answer;
use crate::analysis::model::ModelLocation;
use crate::board::BoardDescription;
use crate::cli::arguments::ProveArguments;
use crate::cli::settings::model_location;
use crate::record::{self, Clock};
use crate::update::boot::disk::{self, BootDisk};
use crate::update::folder::{self, DiskFolder};
use crate::update::trial::boot_check::{
    AfterStart, Findings, RunningSystem, after_start, judge_findings,
};
use crate::update::trial::pending::Moment;
use crate::update::{DEVICE_FACTS_FILE, DeviceFacts, ipc_files};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long a new version may take to prove itself.
const PROOF_LIMIT: Duration = Duration::from_secs(180);
/// How long the program may take to have run long enough, where nothing has to be proved.
const UP_LIMIT: Duration = Duration::from_secs(90);
/// How long the camera may take to be noted, where nothing has to be proved.
const FACTS_LIMIT: Duration = Duration::from_secs(10);
/// The program runs once it has gone on for this long without a restart.
const STEADY_MS: u64 = 10_000;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// The unit of the program.
const UNIT: &str = "hemoscope.service";

/// Goes through what the start asks for; `Ok(false)` where the program does not run.
///
/// # Errors
/// The boot state or the board cannot be read.
pub fn run(arguments: &ProveArguments, folder: &Path) -> Result<bool> {
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
        system.say(&error.to_string());
    }
    let when = Moment {
        boot_id: clock.boot_id().to_owned(),
        stamp: clock.stamp(),
    };
    let came = after_start(&mut folder, &mut disk, running, &when, &mut system);
    match came.map_err(|error| disk.error("written", error))? {
        AfterStart::Settled { is_up: false } => {
            bail!("{UNIT} does not run: slot {running} keeps the attempts it has left")
        }
        AfterStart::Settled { is_up: true } => println!("slot {running} works"),
        AfterStart::Waiting => println!("an update waits for the restart"),
        AfterStart::Kept(result) => {
            println!(
                "{} has proved itself and stays, in slot {running}",
                result.to
            );
        }
        AfterStart::RolledBack(result) => {
            println!(
                "{} runs again: {}: {}",
                result.from, result.to, result.reason
            );
        }
        AfterStart::Interrupted(result) => println!("{}: {}", result.to, result.reason),
        AfterStart::Failed(result) => {
            println!(
                "{} is given up, restarting into {}: {}",
                result.to, result.from, result.reason
            );
            let status = Command::new("systemctl")
                .args(["--no-block", "reboot"])
                .status();
            let status = status.context("the device cannot be restarted; switch it off and on")?;
            if !status.success() {
                bail!("the device does not restart ({status}); switch it off and on");
            }
        }
    }
    Ok(true)
}

struct System {
    model: ModelLocation,
    data: PathBuf,
    clock: Clock,
}

impl System {
    fn facts_now(&self) -> Option<DeviceFacts> {
        ipc_files::hear(Path::new(DEVICE_FACTS_FILE)).ok().flatten()
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
        judge_service(&text, self.clock.stamp().uptime_ms)
    }
}

/// Whether the program has run for long enough, by what `systemctl show` says of its unit.
fn judge_service(text: &str, uptime_ms: u64) -> Result<(), String> {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let state = value("ActiveState").unwrap_or("unknown");
    if state != "active" {
        return Err(format!("the program does not run, it is {state}"));
    }
    let since_us: Option<u64> = value("ActiveEnterTimestampMonotonic").and_then(|v| v.parse().ok());
    match since_us {
        Some(since_us) if uptime_ms.saturating_sub(since_us / 1000) >= STEADY_MS => Ok(()),
        _ => Err("the program does not run for ten seconds on end".to_owned()),
    }
}

/// Looks again and again until something is there or time is over; gives the last look.
fn wait_for<T, E>(limit: Duration, mut look: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_ok() || Instant::now() >= until {
            return found;
        }
        thread::sleep(LOOK);
    }
}

impl RunningSystem for System {
    fn prove(&mut self, before: Option<&DeviceFacts>) -> Result<DeviceFacts, String> {
        let known_answer = known_answer::check(&self.model).map_err(|error| format!("{error:#}"));
        // No waiting makes another result of the same bytes.
        known_answer.clone()?;
        wait_for(PROOF_LIMIT, || {
            let findings = Findings {
                service: self.service(),
                known_answer: known_answer.clone(),
                facts: self.facts_now(),
            };
            judge_findings(&findings, before)
        })
    }

    fn is_up(&mut self) -> bool {
        let up = wait_for(UP_LIMIT, || self.service());
        if let Err(reason) = &up {
            self.say(reason);
        }
        up.is_ok()
    }

    fn facts(&mut self) -> Option<DeviceFacts> {
        let with_camera = || {
            self.facts_now()
                .filter(|facts| facts.camera.is_some())
                .ok_or(())
        };
        wait_for(FACTS_LIMIT, with_camera)
            .ok()
            .or_else(|| self.facts_now())
    }

    fn forget_older_data(&mut self) {
        if let Err(error) = record::forget_older_formats(&self.data) {
            self.say(&error.to_string());
        }
    }

    fn say(&mut self, text: &str) {
        eprintln!("hemoscope: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_must_run_on_end() {
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
            let judged = judge_service(&text, uptime_ms).err();
            let is_right = match (expected, &judged) {
                (None, None) => true,
                (Some(expected), Some(reason)) => reason.contains(expected),
                _ => false,
            };
            assert!(is_right, "{text:?} {uptime_ms}: {judged:?}");
        }
    }

    #[test]
    fn waiting_ends_with_the_last_look() {
        let mut looks = 0;
        let found = wait_for(Duration::from_secs(60), || {
            looks += 1;
            if looks == 2 { Ok(looks) } else { Err(looks) }
        });
        assert_eq!(found, Ok(2));
        assert_eq!(wait_for(Duration::ZERO, || Err::<(), _>("no")), Err("no"));
    }
}

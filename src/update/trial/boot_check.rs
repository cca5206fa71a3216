//! The boot check: what a start means for an update. The running system is on trial, is confirmed,
//! or is the one that the boot loader fell back to.
//!
//! Each way is a row of small steps. The power may fail after any of them, and the next start
//! repeats them. The boot state decides; the history and the pending file follow it.

use crate::update::boot::slots::{self, BootSectors, BootState, Running, Slot, TRIAL_TRIES};
use crate::update::folder::{self, Folder, FolderError};
use crate::update::history::{self, BootTimestamp, HistoryEvent};
use crate::update::protocol::{DeviceStatus, Outcome, UpdateResult};
use crate::update::trial::confirmed::Confirmed;
use crate::update::trial::pending::{PENDING_FILE, Pending};
use std::io;

/// The reason for a rollback where the new version never reached its boot check.
const DID_NOT_START: &str = "it did not start";
/// The reason where its slot was never completely written.
const INSTALLATION_INTERRUPTED: &str = "the installation was interrupted";

/// What a boot means for the pending update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootClass {
    /// No update is pending.
    NoUpdate,
    /// The new version runs and has to be confirmed.
    Trial(Pending),
    /// The new version runs and is confirmed, but the power failed before the history said so.
    Confirmed(Pending),
    /// The new version was rolled back, for this reason.
    RolledBack(Pending, String),
    /// The slot of the new version was never completely written.
    Interrupted(Pending),
    /// The new version was installed in this boot and waits for the restart.
    AwaitingRestart(Pending),
}

/// Classifies a boot. `state` is `None` where the boot state cannot be read.
pub fn classify_boot(
    running: Running,
    state: Option<&BootState>,
    pending: Option<Pending>,
    boot_id: &str,
) -> BootClass {
    let Some(pending) = pending else {
        return BootClass::NoUpdate;
    };
    let slot = pending.slot;
    if running == Running::Slot(slot) {
        return match state {
            Some(state) if state.tries_left(slot) > TRIAL_TRIES => BootClass::Confirmed(pending),
            _ => BootClass::Trial(pending),
        };
    }
    // A slot becomes the first one only once a whole system is in it.
    let was_installed = state.is_some_and(|state| state.order().first() == Some(&slot));
    if pending.boot_id == boot_id {
        return if was_installed {
            BootClass::AwaitingRestart(pending)
        } else {
            BootClass::Interrupted(pending)
        };
    }
    match &pending.failure {
        Some(reason) => BootClass::RolledBack(pending.clone(), reason.clone()),
        None if was_installed => BootClass::RolledBack(pending, DID_NOT_START.to_owned()),
        None => BootClass::Interrupted(pending),
    }
}

/// What was checked of a version on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    /// The program runs, and has for long enough.
    pub service: Result<(), String>,
    /// The built-in frame and inputs gave their known results, bit for bit.
    pub known_answer: Result<(), String>,
    /// What the program found, once it has published it.
    pub status: Option<DeviceStatus>,
}

impl HealthChecks {
    /// The device's status if every check passed. `before` is the status at the last
    /// confirmation: what was there then must be there now.
    ///
    /// # Errors
    /// The first check that failed, as one sentence.
    pub fn evaluate(&self, before: Option<&DeviceStatus>) -> Result<DeviceStatus, String> {
        self.service.clone()?;
        self.known_answer.clone()?;
        let status = self
            .status
            .as_ref()
            .ok_or_else(|| "the program has not published its device status".to_owned())?;
        if !status.is_data_readable {
            return Err("it cannot read or write the records".to_owned());
        }
        let had = |part: fn(&DeviceStatus) -> &Option<String>| {
            before.and_then(|before| part(before).as_ref())
        };
        if let (Some(name), None) = (had(|status| &status.camera), &status.camera) {
            return Err(format!("it does not find the camera {name}"));
        }
        if let (Some(name), None) = (had(|status| &status.display), &status.display) {
            return Err(format!("it does not find the display {name}"));
        }
        Ok(status.clone())
    }
}

/// What a boot check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootOutcome {
    /// No update was pending.
    NoUpdate {
        /// Whether the program runs.
        is_up: bool,
    },
    /// An update is installed and waits for the restart.
    AwaitingRestart,
    /// The new version is confirmed.
    Confirmed(UpdateResult),
    /// The previous version runs again.
    RolledBack(UpdateResult),
    /// The new version was never completely written.
    Interrupted(UpdateResult),
    /// The new version failed its trial, and the device has to restart.
    TrialFailed(UpdateResult),
}

/// The running system, as its boot check sees it.
pub trait RunningSystem {
    /// Waits for a limited time until a version on trial passes its health checks, as
    /// [`HealthChecks::evaluate`].
    ///
    /// # Errors
    /// The check that failed, as one sentence.
    fn wait_until_healthy(&mut self, before: Option<&DeviceStatus>)
    -> Result<DeviceStatus, String>;

    /// Waits until the program runs, and has for long enough; `false` where it does not.
    fn is_up(&mut self) -> bool;

    /// What the program has found, where it has published it.
    fn device_status(&mut self) -> Option<DeviceStatus>;

    /// Removes the copy of the data in the format of the previous version.
    fn purge_older_data(&mut self);

    /// Logs a problem that does not stop the boot check.
    fn log(&mut self, text: &str);
}

/// Carries out what a boot asks for; see the module.
///
/// # Errors
/// The boot state cannot be read or written. Nothing is lost: the next start tries again.
pub fn check_boot(
    folder: &mut impl Folder,
    sectors: &mut impl BootSectors,
    running: Running,
    now: &BootTimestamp,
    system: &mut impl RunningSystem,
) -> io::Result<BootOutcome> {
    let state = slots::load(sectors)?;
    let pending = Pending::load(folder).unwrap_or_else(|error| {
        system.log(&error.to_string());
        None
    });
    let mut check = BootCheck {
        folder,
        sectors,
        now,
        system,
    };
    match classify_boot(running, state.as_ref(), pending, &now.boot_id) {
        BootClass::NoUpdate => check
            .settle(running)
            .map(|is_up| BootOutcome::NoUpdate { is_up }),
        BootClass::AwaitingRestart(_) => Ok(BootOutcome::AwaitingRestart),
        BootClass::Trial(pending) => check.start_trial(pending),
        BootClass::Confirmed(pending) => {
            let outcome = check.record_confirmation(&pending);
            check.settle(running)?;
            Ok(outcome)
        }
        BootClass::RolledBack(pending, reason) => {
            let result = check.record_rollback(pending, &reason)?;
            check.settle(running)?;
            Ok(BootOutcome::RolledBack(result))
        }
        BootClass::Interrupted(pending) => {
            check.close(
                &pending,
                HistoryEvent::Interrupted,
                INSTALLATION_INTERRUPTED,
            );
            check.settle(running)?;
            let result = pending.result(Outcome::RolledBack, INSTALLATION_INTERRUPTED);
            Ok(BootOutcome::Interrupted(result))
        }
    }
}

struct BootCheck<'a, F, S, R> {
    folder: &'a mut F,
    sectors: &'a mut S,
    now: &'a BootTimestamp,
    system: &'a mut R,
}

impl<F: Folder, S: BootSectors, R: RunningSystem> BootCheck<'_, F, S, R> {
    /// A full data partition must not stop a boot check: a failure is logged only.
    fn log_failure(&mut self, done: Result<(), FolderError>) {
        if let Err(error) = done {
            self.system.log(&error.to_string());
        }
    }

    fn change_state(&mut self, change: impl FnOnce(&mut BootState)) -> io::Result<()> {
        let mut state = slots::load(self.sectors)?.unwrap_or_else(BootState::unknown);
        change(&mut state);
        slots::store(self.sectors, &state)
    }

    fn record(&mut self, pending: &Pending, event: HistoryEvent, reason: &str) {
        let added = history::add(self.folder, pending.line(event, reason, self.now));
        self.log_failure(added);
    }

    /// The last step of each way: the update is no longer pending.
    fn close(&mut self, pending: &Pending, event: HistoryEvent, reason: &str) {
        self.record(pending, event, reason);
        let removed = folder::remove(self.folder, PENDING_FILE);
        self.log_failure(removed);
    }

    fn start_trial(&mut self, pending: Pending) -> io::Result<BootOutcome> {
        // A decision stands, even if the power failed before it was carried out.
        if let Some(reason) = pending.failure.clone() {
            return self.roll_back(pending, reason);
        }
        let before = Confirmed::load(self.folder).unwrap_or_else(|error| {
            self.system.log(&error.to_string());
            None
        });
        match self.system.wait_until_healthy(before.as_ref()) {
            Ok(status) => {
                let stored = Confirmed::store(self.folder, &status);
                self.log_failure(stored);
                self.change_state(|state| state.set_good(pending.slot))?;
                Ok(self.record_confirmation(&pending))
            }
            Err(reason) => self.roll_back(pending, reason),
        }
    }

    /// Only once the slot is marked good: until then a rollback may need the older data.
    fn record_confirmation(&mut self, pending: &Pending) -> BootOutcome {
        self.system.purge_older_data();
        self.close(pending, HistoryEvent::Confirmed, "");
        BootOutcome::Confirmed(pending.result(Outcome::Confirmed, ""))
    }

    /// Decides for the previous version, which the next start runs.
    fn roll_back(&mut self, mut pending: Pending, reason: String) -> io::Result<BootOutcome> {
        pending.failure = Some(reason.clone());
        let stored = pending.store(self.folder);
        self.log_failure(stored);
        // Without this mark, each restart could lead here again.
        self.change_state(|state| state.set_failed(pending.slot))?;
        self.record(&pending, HistoryEvent::TrialFailed, &reason);
        let result = pending.result(Outcome::RolledBack, &reason);
        Ok(BootOutcome::TrialFailed(result))
    }

    /// The previous version runs again.
    fn record_rollback(&mut self, mut pending: Pending, reason: &str) -> io::Result<UpdateResult> {
        if pending.failure.is_none() {
            pending.failure = Some(reason.to_owned());
            let stored = pending.store(self.folder);
            self.log_failure(stored);
        }
        if slots::load(self.sectors)?.is_some() {
            self.change_state(|state| state.set_failed(pending.slot))?;
        }
        self.close(&pending, HistoryEvent::RolledBack, reason);
        Ok(pending.result(Outcome::RolledBack, reason))
    }

    /// A slot that is not on trial gets all its tries back once its program runs; `false` where
    /// that does not run. The rescue system marks nothing.
    fn settle(&mut self, running: Running) -> io::Result<bool> {
        if !self.system.is_up() {
            return Ok(false);
        }
        if let Some(slot) = running.slot() {
            self.change_state(|state| settle_slot(state, slot))?;
            if let Some(status) = self.system.device_status() {
                let stored = Confirmed::store(self.folder, &status);
                self.log_failure(stored);
            }
        }
        Ok(true)
    }
}

fn settle_slot(state: &mut BootState, slot: Slot) {
    state.set_good(slot);
    // The boot loader has passed over the other one.
    if state.order().first() != Some(&slot) {
        state.set_failed(slot.other());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boot in which the update was installed.
    const BOOT: &str = "old-boot";

    fn pending(failure: Option<&str>) -> Pending {
        let mut pending = Pending::new("1.0.0", "1.1.0", Slot::B, "ab", BOOT);
        pending.failure = failure.map(str::to_owned);
        pending
    }

    #[test]
    fn a_boot_is_classified_by_the_boot_state() {
        use BootClass::{AwaitingRestart, Confirmed, Interrupted, Trial};
        type Class = fn(Pending) -> BootClass;
        let not_started: Class = |pending| BootClass::RolledBack(pending, DID_NOT_START.to_owned());
        let failed: Class = |pending| BootClass::RolledBack(pending, "why".to_owned());
        let (a, b) = (Running::Slot(Slot::A), Running::Slot(Slot::B));
        let rescue = Running::Rescue;
        let factory = BootState::factory();
        let mut writing = factory.clone();
        writing.set_bad(Slot::B);
        let mut installed = writing.clone();
        installed.set_primary(Slot::B);
        let mut good = installed.clone();
        good.set_good(Slot::B);
        let mut bad = installed.clone();
        bad.set_failed(Slot::B);
        let none = pending(None);
        let why = pending(Some("why"));
        let cases: [(_, _, _, _, _, Class); 10] = [
            ("on trial", b, &installed, &none, "now", Trial),
            ("confirmed", b, &good, &none, "now", Confirmed),
            ("not begun", a, &factory, &none, "now", Interrupted),
            ("half", a, &writing, &none, "now", Interrupted),
            ("rescue", rescue, &writing, &none, "now", Interrupted),
            ("no start", a, &installed, &none, "now", not_started),
            ("failed", a, &bad, &why, "now", failed),
            ("waits", a, &installed, &none, BOOT, AwaitingRestart),
            ("died first", a, &factory, &none, BOOT, Interrupted),
            ("died", a, &writing, &none, BOOT, Interrupted),
        ];
        for (name, running, state, pending, boot_id, expected) in cases {
            let found = classify_boot(running, Some(state), Some(pending.clone()), boot_id);
            assert_eq!(found, expected(pending.clone()), "{name}");
        }
        let nothing = classify_boot(a, Some(&factory), None, "now");
        assert_eq!(nothing, BootClass::NoUpdate);
        let torn = classify_boot(rescue, None, Some(none.clone()), "now");
        assert_eq!(torn, Interrupted(none));
    }

    #[test]
    fn a_version_is_confirmed_only_if_every_check_passes() {
        let status = DeviceStatus {
            version: "1.1.0".to_owned(),
            camera: Some("USB".to_owned()),
            display: Some("drm".to_owned()),
            is_data_readable: true,
        };
        let good = HealthChecks {
            service: Ok(()),
            known_answer: Ok(()),
            status: Some(status.clone()),
        };
        assert_eq!(good.evaluate(Some(&status)), Ok(status.clone()));
        let with = |change: fn(&mut DeviceStatus)| {
            let mut status = status.clone();
            change(&mut status);
            HealthChecks {
                status: Some(status),
                ..good.clone()
            }
        };
        let stopped = HealthChecks {
            service: Err("it stopped".to_owned()),
            ..good.clone()
        };
        let miscounted = HealthChecks {
            known_answer: Err("it counted 5 cells".to_owned()),
            ..good.clone()
        };
        let silent = HealthChecks {
            status: None,
            ..good.clone()
        };
        let cases = [
            ("it stopped", stopped),
            ("5 cells", miscounted),
            ("not published", silent),
            ("records", with(|status| status.is_data_readable = false)),
            ("camera USB", with(|status| status.camera = None)),
            ("display drm", with(|status| status.display = None)),
        ];
        for (expected, checks) in cases {
            let reason = checks.evaluate(Some(&status)).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
        // A camera that was not there before need not be there now.
        let checks = with(|status| status.camera = None);
        assert!(checks.evaluate(checks.status.as_ref()).is_ok());
        assert!(checks.evaluate(None).is_ok());
    }

    #[test]
    fn the_running_slot_is_the_first_once_the_other_one_was_passed_over() {
        let mut state = BootState::factory();
        settle_slot(&mut state, Slot::A);
        assert_eq!(state, BootState::factory());
        settle_slot(&mut state, Slot::B);
        assert_eq!(state.order(), [Slot::B, Slot::A]);
        assert_eq!(state.tries_left(Slot::A), 0);
    }
}

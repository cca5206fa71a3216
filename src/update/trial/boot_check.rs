//! What a start means for an update: whether the running system is on trial, has proved itself,
//! or is the one that the boot loader fell back to.
//!
//! Each way is a row of small steps that may be cut after any of them and are gone through again
//! at the next start. The boot state decides; history and pending file follow it.

use crate::update::boot::slots::{self, BootSectors, BootState, Running, Slot, TRIAL_ATTEMPTS};
use crate::update::folder::{self, Folder, FolderError};
use crate::update::history::{self, HistoryEvent};
use crate::update::protocol::{DeviceFacts, Outcome, UpdateResult};
use crate::update::trial::confirmed::Proven;
use crate::update::trial::pending::{Moment, PENDING_FILE, Pending};
use std::io;

/// Why a version is given up that never came so far as to say it.
const DID_NOT_START: &str = "it did not start";

/// Where the update that is pending stands after a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// None is pending.
    Settled,
    /// The running system is the new one, and has to prove itself.
    Trial(Pending),
    /// The running system is the new one and has proved itself; the power failed before that was
    /// written down.
    Proved(Pending),
    /// The new one was given up, for this reason.
    RolledBack(Pending, String),
    /// Its slot was never written to the end.
    Interrupted(Pending),
    /// It was installed in this boot, and waits for the restart.
    Waiting(Pending),
}

/// Tells where an update stands. `state` is `None` where the boot state cannot be read.
pub fn judge_start(
    running: Running,
    state: Option<&BootState>,
    pending: Option<Pending>,
    boot_id: &str,
) -> Start {
    let Some(pending) = pending else {
        return Start::Settled;
    };
    let slot = pending.slot;
    if running == Running::Slot(slot) {
        return match state {
            Some(state) if state.attempts_left(slot) > TRIAL_ATTEMPTS => Start::Proved(pending),
            _ => Start::Trial(pending),
        };
    }
    // Until a new system stands whole in its slot, that slot is never the first one.
    let was_installed = state.is_some_and(|state| state.order().first() == Some(&slot));
    if pending.boot_id == boot_id {
        return if was_installed {
            Start::Waiting(pending)
        } else {
            Start::Interrupted(pending)
        };
    }
    match &pending.failure {
        Some(reason) => Start::RolledBack(pending.clone(), reason.clone()),
        None if was_installed => Start::RolledBack(pending, DID_NOT_START.to_owned()),
        None => Start::Interrupted(pending),
    }
}

/// What a version on trial has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The program runs, and has for long enough.
    pub service: Result<(), String>,
    /// The frame and the inputs whose results are known gave them again, to the bit.
    pub known_answer: Result<(), String>,
    /// What the program found, once it has said so.
    pub facts: Option<DeviceFacts>,
}

/// Whether a version has proved itself: the facts that hold from now on, or one sentence that says
/// why not. `before` is what the device had at the last proof.
///
/// # Errors
/// The first of the proofs that is missing.
pub fn judge_findings(
    findings: &Findings,
    before: Option<&DeviceFacts>,
) -> Result<DeviceFacts, String> {
    findings.service.clone()?;
    findings.known_answer.clone()?;
    let facts = findings
        .facts
        .as_ref()
        .ok_or_else(|| "the program does not tell what it found".to_owned())?;
    if !facts.is_data_readable {
        return Err("it cannot read or write the records".to_owned());
    }
    let had = |part: fn(&DeviceFacts) -> &Option<String>| before.and_then(|b| part(b).as_ref());
    if let (Some(name), None) = (had(|facts| &facts.camera), &facts.camera) {
        return Err(format!("it does not find the camera {name}"));
    }
    if let (Some(name), None) = (had(|facts| &facts.display), &facts.display) {
        return Err(format!("it does not find the display {name}"));
    }
    Ok(facts.clone())
}

/// What came of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterStart {
    /// No update was pending. `is_up` is whether the program runs.
    Settled { is_up: bool },
    /// One is installed and waits for the restart.
    Waiting,
    /// The new version stays.
    Kept(UpdateResult),
    /// The old one runs again.
    RolledBack(UpdateResult),
    /// It was never written to the end.
    Interrupted(UpdateResult),
    /// The new version is given up, and the device has to restart.
    Failed(UpdateResult),
}

/// The looks at the running system that a start takes, and what else it does to it.
pub trait RunningSystem {
    /// Waits until a version on trial has proved itself, no longer than it may take; as
    /// [`judge_findings`].
    ///
    /// # Errors
    /// Why it has not, as one sentence.
    fn prove(&mut self, before: Option<&DeviceFacts>) -> Result<DeviceFacts, String>;

    /// Waits until the program runs, and has for long enough; `false` where it does not.
    fn is_up(&mut self) -> bool;

    /// What the program has found, where it tells.
    fn facts(&mut self) -> Option<DeviceFacts>;

    /// Removes the copy of the data as the version before read them.
    fn forget_older_data(&mut self);

    /// Tells something that went wrong and keeps nothing from going on.
    fn say(&mut self, text: &str);
}

/// Goes through what a start asks for; see the module.
///
/// # Errors
/// The boot state cannot be read or written. Nothing is lost: the next start tries again.
pub fn after_start(
    folder: &mut impl Folder,
    sectors: &mut impl BootSectors,
    running: Running,
    when: &Moment,
    system: &mut impl RunningSystem,
) -> io::Result<AfterStart> {
    let state = slots::load(sectors)?;
    let pending = Pending::load(folder).unwrap_or_else(|error| {
        system.say(&error.to_string());
        None
    });
    let mut steps = Steps {
        folder,
        sectors,
        when,
        system,
    };
    match judge_start(running, state.as_ref(), pending, &when.boot_id) {
        Start::Settled => steps
            .settle(running)
            .map(|is_up| AfterStart::Settled { is_up }),
        Start::Waiting(_) => Ok(AfterStart::Waiting),
        Start::Trial(pending) => steps.try_out(pending),
        Start::Proved(pending) => {
            let kept = steps.write_down_kept(&pending);
            steps.settle(running)?;
            Ok(kept)
        }
        Start::RolledBack(pending, reason) => {
            let result = steps.roll_back(pending, &reason)?;
            steps.settle(running)?;
            Ok(AfterStart::RolledBack(result))
        }
        Start::Interrupted(pending) => {
            let reason = "the installation was interrupted";
            steps.end(&pending, HistoryEvent::Interrupted, reason);
            steps.settle(running)?;
            let result = pending.result(Outcome::RolledBack, reason);
            Ok(AfterStart::Interrupted(result))
        }
    }
}

struct Steps<'a, F, S, R> {
    folder: &'a mut F,
    sectors: &'a mut S,
    when: &'a Moment,
    system: &'a mut R,
}

impl<F: Folder, S: BootSectors, R: RunningSystem> Steps<'_, F, S, R> {
    /// A full card must keep nothing from going on.
    fn said(&mut self, done: Result<(), FolderError>) {
        if let Err(error) = done {
            self.system.say(&error.to_string());
        }
    }

    fn mark(&mut self, mark: impl FnOnce(&mut BootState)) -> io::Result<()> {
        let mut state = slots::load(self.sectors)?.unwrap_or_else(BootState::unknown);
        mark(&mut state);
        slots::store(self.sectors, &state)
    }

    fn note(&mut self, pending: &Pending, event: HistoryEvent, reason: &str) {
        let added = history::add(self.folder, pending.line(event, reason, self.when));
        self.said(added);
    }

    /// The last step of each way: the update is not pending any more.
    fn end(&mut self, pending: &Pending, event: HistoryEvent, reason: &str) {
        self.note(pending, event, reason);
        let removed = folder::remove(self.folder, PENDING_FILE);
        self.said(removed);
    }

    fn try_out(&mut self, pending: Pending) -> io::Result<AfterStart> {
        // What was once decided stays so, even if the power failed on the way.
        if let Some(reason) = pending.failure.clone() {
            return self.give_up(pending, reason);
        }
        let before = Proven::load(self.folder).unwrap_or_else(|error| {
            self.system.say(&error.to_string());
            None
        });
        match self.system.prove(before.as_ref()) {
            Ok(facts) => {
                let stored = Proven::store(self.folder, &facts);
                self.said(stored);
                self.mark(|state| state.set_good(pending.slot))?;
                Ok(self.write_down_kept(&pending))
            }
            Err(reason) => self.give_up(pending, reason),
        }
    }

    /// Only once the slot is marked good: before, the older data may still be needed.
    fn write_down_kept(&mut self, pending: &Pending) -> AfterStart {
        self.system.forget_older_data();
        self.end(pending, HistoryEvent::Kept, "");
        AfterStart::Kept(pending.result(Outcome::Kept, ""))
    }

    fn give_up(&mut self, mut pending: Pending, reason: String) -> io::Result<AfterStart> {
        pending.failure = Some(reason.clone());
        let stored = pending.store(self.folder);
        self.said(stored);
        // A restart without this mark could lead here for ever.
        self.mark(|state| state.set_failed(pending.slot))?;
        self.note(&pending, HistoryEvent::Failed, &reason);
        let result = pending.result(Outcome::RolledBack, &reason);
        Ok(AfterStart::Failed(result))
    }

    fn roll_back(&mut self, mut pending: Pending, reason: &str) -> io::Result<UpdateResult> {
        if pending.failure.is_none() {
            pending.failure = Some(reason.to_owned());
            let stored = pending.store(self.folder);
            self.said(stored);
        }
        if slots::load(self.sectors)?.is_some() {
            self.mark(|state| state.set_failed(pending.slot))?;
        }
        self.end(&pending, HistoryEvent::RolledBack, reason);
        Ok(pending.result(Outcome::RolledBack, reason))
    }

    /// A system that is not on trial has all its attempts again once its program runs; `false`
    /// where that does not. The rescue system marks nothing.
    fn settle(&mut self, running: Running) -> io::Result<bool> {
        if !self.system.is_up() {
            return Ok(false);
        }
        if let Some(slot) = running.slot() {
            self.mark(|state| settle_slot(state, slot))?;
            if let Some(facts) = self.system.facts() {
                let stored = Proven::store(self.folder, &facts);
                self.said(stored);
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

    fn pending(failure: Option<&str>) -> Pending {
        let mut pending = Pending::new("1.0.0", "1.1.0", Slot::B, "ab", "old-boot");
        pending.failure = failure.map(str::to_owned);
        pending
    }

    #[test]
    fn a_start_is_told_from_the_boot_state() {
        let a = Running::Slot(Slot::A);
        let b = Running::Slot(Slot::B);
        let factory = BootState::factory();
        let mut writing = factory.clone();
        writing.set_bad(Slot::B);
        let mut installed = writing.clone();
        installed.set_primary(Slot::B);
        let mut proved = installed.clone();
        proved.set_good(Slot::B);
        let mut failed = installed.clone();
        failed.set_failed(Slot::B);
        let none = pending(None);
        let why = pending(Some("why"));
        let rolled_back =
            |pending: &Pending, reason: &str| Start::RolledBack(pending.clone(), reason.to_owned());
        let cases = [
            (
                "trial",
                b,
                &installed,
                &none,
                "now",
                Start::Trial(none.clone()),
            ),
            (
                "proved",
                b,
                &proved,
                &none,
                "now",
                Start::Proved(none.clone()),
            ),
            (
                "not begun",
                a,
                &factory,
                &none,
                "now",
                Start::Interrupted(none.clone()),
            ),
            (
                "half",
                a,
                &writing,
                &none,
                "now",
                Start::Interrupted(none.clone()),
            ),
            (
                "half, from rescue",
                Running::Rescue,
                &writing,
                &none,
                "now",
                Start::Interrupted(none.clone()),
            ),
            (
                "did not start",
                a,
                &installed,
                &none,
                "now",
                rolled_back(&none, DID_NOT_START),
            ),
            ("failed", a, &failed, &why, "now", rolled_back(&why, "why")),
            (
                "waits",
                a,
                &installed,
                &none,
                "old-boot",
                Start::Waiting(none.clone()),
            ),
            (
                "died before it began",
                a,
                &factory,
                &none,
                "old-boot",
                Start::Interrupted(none.clone()),
            ),
            (
                "died",
                a,
                &writing,
                &none,
                "old-boot",
                Start::Interrupted(none.clone()),
            ),
        ];
        for (name, running, state, pending, boot_id, expected) in cases {
            let found = judge_start(running, Some(state), Some(pending.clone()), boot_id);
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(judge_start(a, Some(&factory), None, "now"), Start::Settled);
        let torn = judge_start(Running::Rescue, None, Some(none.clone()), "now");
        assert_eq!(torn, Start::Interrupted(none));
    }

    #[test]
    fn a_version_is_kept_only_with_every_proof() {
        let facts = DeviceFacts {
            version: "1.1.0".to_owned(),
            camera: Some("USB".to_owned()),
            display: Some("drm".to_owned()),
            is_data_readable: true,
        };
        let good = Findings {
            service: Ok(()),
            known_answer: Ok(()),
            facts: Some(facts.clone()),
        };
        assert_eq!(judge_findings(&good, Some(&facts)), Ok(facts.clone()));
        let without_camera = DeviceFacts {
            camera: None,
            ..facts.clone()
        };
        let cases = [
            (
                "runs no more",
                Findings {
                    service: Err("it runs no more".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "5 cells",
                Findings {
                    known_answer: Err("it counted 5 cells".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "does not tell",
                Findings {
                    facts: None,
                    ..good.clone()
                },
            ),
            (
                "records",
                Findings {
                    facts: Some(DeviceFacts {
                        is_data_readable: false,
                        ..facts.clone()
                    }),
                    ..good.clone()
                },
            ),
            (
                "camera USB",
                Findings {
                    facts: Some(without_camera.clone()),
                    ..good.clone()
                },
            ),
            (
                "display drm",
                Findings {
                    facts: Some(DeviceFacts {
                        display: None,
                        ..facts.clone()
                    }),
                    ..good.clone()
                },
            ),
        ];
        for (expected, findings) in cases {
            let reason = judge_findings(&findings, Some(&facts)).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
        // A camera that was not there before need not be there now.
        let findings = Findings {
            facts: Some(without_camera.clone()),
            ..good
        };
        assert!(judge_findings(&findings, Some(&without_camera)).is_ok());
        assert!(judge_findings(&findings, None).is_ok());
    }

    #[test]
    fn the_running_slot_is_the_first_once_the_other_one_was_passed_over() {
        let mut state = BootState::factory();
        settle_slot(&mut state, Slot::A);
        assert_eq!(state, BootState::factory());
        settle_slot(&mut state, Slot::B);
        assert_eq!(state.order(), [Slot::B, Slot::A]);
        assert_eq!(state.attempts_left(Slot::A), 0);
    }
}

//! The operator's side of a run, and the system's: the screen, what is asked for, what is kept,
//! and where results are written.

use super::report::{is_whole, note_on_records, result_text};
use super::{Ending, TICK};
use crate::app::circulation::Shared;
use crate::app::display::Display;
use crate::app::keeping::Keeper;
use crate::app::power;
use crate::app::screen_content::{Surroundings, clock_of, identity_of, missing_camera_of};
use crate::app::setup::Setup;
use crate::input::Action;
use crate::record::Clock;
use crate::service::{Beat, Service, StopSignal};
use crate::session::{Event, KnownScale, RunState, Session};
use crate::ui::model::{Failure, Screen};
use crate::ui::text::TextId;
use anyhow::Result;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device shows what stopped it.
const FAILURE_SHOWN: Duration = Duration::from_secs(60);

/// `actions` gives what the operator asks for.
pub(super) struct Operator<'a, A> {
    pub(super) display: Display,
    pub(super) actions: A,
    pub(super) stop: StopSignal,
    pub(super) service: Service,
    pub(super) keeper: Keeper,
    pub(super) clock: Clock,
    /// On a board, which the first button switches off.
    pub(super) is_device: bool,
    pub(super) setup: &'a Setup,
    /// The source of frames.
    pub(super) camera: &'a str,
    pub(super) wanted_fields: Option<u32>,
    /// Which program and model count.
    pub(super) self_report: String,
    pub(super) out: &'a mut dyn Write,
    /// Results that could not be written yet, since the screen is on the terminal.
    pub(super) results: String,
}

impl<A: FnMut(&Session) -> Option<Action>> Operator<'_, A> {
    /// What is asked for, by the operator or by the system.
    pub(super) fn next_action(&mut self, session: &Session) -> Option<Action> {
        if self.stop.is_raised() {
            return Some(Action::Stop);
        }
        (self.actions)(session)
    }

    /// What the screen shows beside the session now.
    fn surroundings(&self) -> Surroundings {
        let utc_offset_minutes = self.setup.config.site.utc_offset_minutes;
        Surroundings {
            clock: clock_of(self.clock.stamp(), utc_offset_minutes),
            can_switch_off: self.is_device,
            notice: None,
        }
    }

    /// Shows the run, and tells the system that it is alive.
    pub(super) fn draw(&mut self, session: &Session, shared: &Shared) -> Result<()> {
        let surroundings = self.surroundings();
        match missing_camera_of(session, self.setup, self.camera, surroundings) {
            Some(missing) => self.display.show(&Screen::NoCamera(missing))?,
            None => self
                .display
                .show_session(session, self.setup, surroundings)?,
        }
        shared.heartbeats.beat(Beat::Main);
        self.service
            .screen_shown(&status_of(session), &shared.heartbeats);
        Ok(())
    }

    /// A smear begins.
    pub(super) fn begin_smear(&mut self) {
        let sample = &self.setup.config.sample.id;
        self.keeper
            .begin(&self.self_report, sample, self.wanted_fields);
    }

    /// A smear is done, and the run goes on.
    pub(super) fn keep_result(&mut self, session: &Session) -> Result<()> {
        self.keeper.end(session.state());
        let text = result_text(session, &self.self_report, None);
        if self.display.is_on_terminal() {
            self.results.push_str(&text);
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// The run is over: what was counted is kept first, whatever became of it; then what stopped
    /// a device is shown, and results are written.
    pub(super) fn finish(mut self, outcome: Result<Ending>, is_device: bool) -> Result<bool> {
        let mut switches_off = outcome.as_ref().is_ok_and(|ending| ending.switches_off);
        if let (Err(error), true) = (&outcome, is_device) {
            self.keeper.end(RunState::Unfinished);
            switches_off = self.show_failure(error)?;
        }
        self.service.stopping();
        let state = match &outcome {
            Ok(ending) => ending.session.state(),
            Err(_) => RunState::Unfinished,
        };
        let surroundings = self.surroundings();
        let closed = self.keeper.close(state);
        let not_saved = closed
            .as_ref()
            .and_then(|(closed, _)| closed.reason.clone());
        let outcome = outcome.map(|mut ending| {
            if let Some(reason) = not_saved {
                ending.session.step(Event::NotSaved(reason));
                // The screen stays as it was where it cannot be drawn; the summary says the same.
                let _ = self
                    .display
                    .show_session(&ending.session, self.setup, surroundings);
            }
            ending
        });
        let was_told_to_stop = self.stop.is_raised();
        drop(self.display);
        drop(self.actions);
        self.out.write_all(self.results.as_bytes())?;
        let ending = match outcome {
            Err(error) if switches_off => {
                power::switch_off(|| self.stop.is_raised())?;
                return Err(error);
            }
            outcome => outcome?,
        };
        let is_saved = closed
            .as_ref()
            .is_none_or(|(closed, _)| closed.unsaved == 0);
        let is_whole = if ending.on_result {
            Ok(true)
        } else {
            let records = closed.as_ref().map(note_on_records);
            let text = result_text(&ending.session, &self.self_report, records);
            self.out.write_all(text.as_bytes())?;
            is_whole(&ending.session, was_told_to_stop || switches_off)
        };
        if switches_off {
            power::switch_off(|| self.stop.is_raised())?;
        }
        Ok(is_whole? && is_saved)
    }

    /// Shows what stopped the device until the operator has seen it, or for a minute: then the
    /// system starts the program again. Tells whether the device is to be switched off.
    fn show_failure(&mut self, error: &anyhow::Error) -> Result<bool> {
        let language = self.setup.language();
        self.display.show(&Screen::Failure(Failure {
            language,
            identity: identity_of(self.setup, self.surroundings()),
            number: None,
            what_happened: format!("{error:#}"),
            what_to_do: TextId::DoSwitchOff.text_in(language).to_owned(),
            can_switch_off: true,
        }))?;
        let nothing = Session::new(self.setup.count_rules(), None, KnownScale::Unknown);
        let until = Instant::now() + FAILURE_SHOWN;
        while Instant::now() < until {
            match self.next_action(&nothing) {
                Some(Action::StepBrightness) => self.display.step_brightness(),
                Some(action) => return Ok(action == Action::ShutDown),
                None => {}
            }
            self.service.failure_shown();
            thread::sleep(TICK);
        }
        Ok(false)
    }
}

/// One line for the service manager.
fn status_of(session: &Session) -> String {
    let camera = session.camera_away().map_or_else(
        || "camera there".to_owned(),
        |absence| format!("camera {absence}"),
    );
    let saved = session.not_saved().map_or_else(String::new, |reason| {
        format!("; results are not saved: {reason}")
    });
    format!("{} fields counted; {camera}{saved}", session.fields())
}

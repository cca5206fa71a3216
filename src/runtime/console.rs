//! The operator's side of a run, and the system's: the screen, what is asked for, what is kept,
//! and where results are written.

use crate::board::BoardError;
use crate::config::ConfigError;
use crate::device::power;
use crate::input::Action;
use crate::language::TextId;
use crate::record::Clock;
use crate::runtime::channels::Shared;
use crate::runtime::display::Display;
use crate::runtime::presenter::{ScreenContext, identity_of, missing_camera_of, screen_context_of};
use crate::runtime::recording::RunRecorder;
use crate::runtime::report::{is_whole, message_of, note_on_records, result_text};
use crate::runtime::run::{Ending, TICK};
use crate::runtime::settings::RunSettings;
use crate::runtime::updates::{Facts, Updates};
use crate::service::{Beat, Service, StopSignal};
use crate::session::guidance::Notice;
use crate::session::smear::{Event, KnownScale, RunState, Session};
use crate::session::update_prompt::Moment;
use crate::ui::model::{Failure, Screen, Update};
use anyhow::Result;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device shows what stopped it.
const FAILURE_SHOWN: Duration = Duration::from_secs(60);
/// How long after the start a repair is told: whoever switched the device on has seen it by then.
const REPAIR_TOLD_MS: u64 = 600_000;

/// `actions` gives what the operator asks for.
pub(super) struct Operator<'a, A> {
    pub(super) display: Display,
    pub(super) actions: A,
    pub(super) stop: StopSignal,
    pub(super) service: Service,
    pub(super) keeper: RunRecorder,
    pub(super) clock: Clock,
    /// On a board: what is told and asked about an update.
    pub(super) updates: Option<Updates>,
    /// The system has repaired the data partition at this start.
    pub(super) is_card_repaired: bool,
    pub(super) settings: &'a RunSettings,
    /// Which program and model count.
    pub(super) self_report: String,
    pub(super) out: &'a mut dyn Write,
    /// Results that could not be written yet, since the screen is on the terminal.
    pub(super) results: String,
}

impl<A: FnMut(&Session) -> Option<Action>> Operator<'_, A> {
    /// What is asked for, by the operator or by the system; what is said about an update is told
    /// the updater.
    pub(super) fn next_action(&mut self, session: &Session) -> Option<Action> {
        if self.stop.is_raised() {
            return Some(Action::Stop);
        }
        let action = (self.actions)(session)?;
        match &mut self.updates {
            Some(updates) => updates.press(action, Instant::now()),
            None if action == Action::Third => Some(Action::Stop),
            None => Some(action),
        }
    }

    /// Hears the updater; gives whether something about an update has the screen.
    pub(super) fn look_at_updates(&mut self, moment: Moment, has_camera: bool) -> bool {
        let Some(updates) = &mut self.updates else {
            return false;
        };
        let facts = Facts {
            camera: has_camera.then_some(self.settings.camera.as_str()),
            display: self.display.shown_on(),
            is_data_readable: self.keeper.is_usable(),
        };
        updates.look(moment, facts, Instant::now());
        updates.is_open()
    }

    /// What the screen shows beside the session now.
    fn surroundings(&self, is_counting: bool) -> ScreenContext {
        let updates = self.updates.as_ref();
        let stamp = self.clock.stamp();
        let repaired = self.is_card_repaired && stamp.uptime_ms < REPAIR_TOLD_MS;
        screen_context_of(
            stamp,
            self.settings.screen.utc_offset_minutes,
            updates
                .and_then(Updates::notice)
                .or(repaired.then_some(Notice::StorageRepaired)),
            updates.is_some() && !is_counting,
        )
    }

    /// Shows what is to be told or asked about an update; gives whether there is anything.
    fn show_update(&mut self) -> Result<bool> {
        let language = self.settings.screen.language;
        let identity = identity_of(&self.settings.screen, self.surroundings(false));
        let updates = self.updates.as_ref();
        let Some(page) = updates.and_then(|updates| updates.page(language)) else {
            return Ok(false);
        };
        self.display.show(&Screen::Update(Update {
            language,
            identity,
            page,
        }))?;
        Ok(true)
    }

    /// Shows the run, and tells the system that it is alive.
    pub(super) fn draw(&mut self, session: &Session, shared: &Shared) -> Result<()> {
        if !self.show_update()? {
            let screen = &self.settings.screen;
            let surroundings = self.surroundings(moment_of(session, shared).is_counting);
            match missing_camera_of(session, screen, &self.settings.camera, surroundings) {
                Some(missing) => self.display.show(&Screen::NoCamera(missing))?,
                None => self.display.show_session(session, screen, surroundings)?,
            }
        }
        shared.heartbeats.beat(Beat::Main);
        self.service
            .screen_shown(&status_of(session), &shared.heartbeats);
        Ok(())
    }

    /// A smear begins.
    pub(super) fn begin_smear(&mut self) {
        let sample = &self.settings.screen.sample_id;
        self.keeper
            .begin(&self.self_report, sample, self.settings.target_fields);
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
        let surroundings = self.surroundings(false);
        let closed = self.keeper.close(state);
        let not_saved = closed
            .as_ref()
            .and_then(|(closed, _)| closed.reason.clone());
        let outcome = outcome.map(|mut ending| {
            if let Some(reason) = not_saved {
                ending.session.step(Event::NotSaved(reason));
                // The screen stays as it was where it cannot be drawn; the summary says the same.
                let _ =
                    self.display
                        .show_session(&ending.session, &self.settings.screen, surroundings);
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
        let language = self.settings.screen.language;
        let what_happened = message_of(error);
        let nothing = Session::new(self.settings.count_rules, None, KnownScale::Unknown);
        let mut until = Instant::now() + FAILURE_SHOWN;
        while Instant::now() < until {
            match self.next_action(&nothing) {
                Some(Action::StepBrightness) => self.display.step_brightness(),
                Some(action) => return Ok(action == Action::ShutDown),
                None => {}
            }
            if self.look_at_updates(Moment::default(), false) {
                // An update may be what helps.
                until = Instant::now() + FAILURE_SHOWN;
            }
            if !self.show_update()? {
                let surroundings = self.surroundings(false);
                self.display.show(&Screen::Failure(Failure {
                    language,
                    identity: identity_of(&self.settings.screen, surroundings),
                    what_happened: what_happened.clone(),
                    what_to_do: remedy_of(error).text_in(language).to_owned(),
                    notice: surroundings.notice,
                }))?;
            }
            self.service.failure_shown();
            thread::sleep(TICK);
        }
        Ok(false)
    }
}

/// What the operator can do about what stopped the device.
fn remedy_of(error: &anyhow::Error) -> TextId {
    if error.is::<BoardError>() || error.is::<ConfigError>() {
        TextId::HelpCallService
    } else {
        TextId::HelpRestartDevice
    }
}

/// How the run stands.
pub(super) fn moment_of(session: &Session, shared: &Shared) -> Moment {
    Moment {
        is_counting: session.state() == RunState::Live && session.fields() > 0,
        has_result: shared.has_result(),
    }
}

/// One line for the service manager.
fn status_of(session: &Session) -> String {
    let camera = session.camera_unavailable().map_or_else(
        || "camera there".to_owned(),
        |unavailable| format!("camera {unavailable}"),
    );
    let saved = session.not_saved().map_or_else(String::new, |reason| {
        format!("; results are not saved: {reason}")
    });
    format!("{} fields counted; {camera}{saved}", session.fields())
}

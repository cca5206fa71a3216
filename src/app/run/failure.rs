//! What stopped a device, on its screen.

use super::TICK;
use super::dialog::Moment;
use super::operator::{next_action, show_update, surroundings_now};
use super::updates::{Facts, Updates};
use crate::app::display::Display;
use crate::app::screen_content::identity_of;
use crate::app::setup::Setup;
use crate::input::Action;
use crate::record::Clock;
use crate::service::{Service, StopSignal};
use crate::ui::model::{Failure, Screen};
use crate::ui::text::TextId;
use anyhow::Result;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device shows what stopped it; then the system starts the program again.
const FAILURE_SHOWN: Duration = Duration::from_secs(60);

/// A device that was stopped, and what it has left.
pub(super) struct Stopped<'a> {
    pub(super) setup: &'a Setup,
    pub(super) display: &'a mut Display,
    pub(super) service: &'a mut Service,
    pub(super) stop: &'a StopSignal,
    pub(super) clock: &'a Clock,
    pub(super) updates: Option<&'a mut Updates>,
    pub(super) is_data_readable: bool,
}

impl Stopped<'_> {
    /// Shows what stopped the device until the operator has seen it, or for a minute. An update
    /// may be what helps, so it is told and asked about meanwhile. Tells whether the device is to
    /// be switched off.
    ///
    /// # Errors
    /// A panel that cannot show it.
    pub(super) fn show_until_seen(
        mut self,
        what_happened: &str,
        what_to_do: TextId,
        mut actions: impl FnMut() -> Option<Action>,
    ) -> Result<bool> {
        let mut until = Instant::now() + FAILURE_SHOWN;
        while Instant::now() < until {
            let updates = self.updates.as_deref_mut();
            match next_action(self.stop, updates, &mut actions) {
                Some(Action::StepBrightness) => self.display.step_brightness(),
                Some(action) => return Ok(action == Action::ShutDown),
                None => {}
            }
            if let Some(updates) = &mut self.updates {
                let facts = Facts {
                    camera: None,
                    display: self.display.shown_on(),
                    is_data_readable: self.is_data_readable,
                };
                updates.look(Moment::default(), facts, Instant::now());
                if updates.is_open() {
                    until = Instant::now() + FAILURE_SHOWN;
                }
            }
            self.show(what_happened, what_to_do)?;
            self.service.failure_shown();
            thread::sleep(TICK);
        }
        Ok(false)
    }

    fn show(&mut self, what_happened: &str, what_to_do: TextId) -> Result<()> {
        let setup = self.setup;
        let updates = self.updates.as_deref();
        let surroundings = surroundings_now(self.clock, setup, updates, false);
        if show_update(self.display, setup, updates, surroundings)? {
            return Ok(());
        }
        let language = setup.language();
        Ok(self.display.show(&Screen::Failure(Failure {
            language,
            identity: identity_of(setup, surroundings),
            number: None,
            what_happened: what_happened.to_owned(),
            what_to_do: what_to_do.text_in(language).to_owned(),
            notice: surroundings.notice,
        }))?)
    }
}

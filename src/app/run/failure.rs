//! What stopped a device, on its screen.

use super::TICK;
use crate::app::display::Display;
use crate::app::screen_content::identity_of;
use crate::app::setup::Setup;
use crate::input::Action;
use crate::service::Service;
use crate::ui::model::{Failure, Screen};
use crate::ui::text::TextId;
use anyhow::Result;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device shows what stopped it; then the system starts the program again.
const FAILURE_SHOWN: Duration = Duration::from_secs(60);

/// Shows what stopped the device until the operator has seen it, or for a minute. Tells whether
/// the device is to be switched off.
///
/// # Errors
/// A panel that cannot show it.
pub(super) fn show_until_seen(
    display: &mut Display,
    service: &mut Service,
    failure: Failure<'_>,
    mut next_action: impl FnMut() -> Option<Action>,
) -> Result<bool> {
    display.show(&Screen::Failure(failure))?;
    let until = Instant::now() + FAILURE_SHOWN;
    while Instant::now() < until {
        match next_action() {
            Some(Action::StepBrightness) => display.step_brightness(),
            Some(action) => return Ok(action == Action::ShutDown),
            None => {}
        }
        service.failure_shown();
        thread::sleep(TICK);
    }
    Ok(false)
}

/// A failure as a screen shows it.
pub(super) fn failure_of(setup: &Setup, what_happened: String, what_to_do: TextId) -> Failure<'_> {
    let language = setup.language();
    Failure {
        language,
        identity: identity_of(setup),
        number: None,
        what_happened,
        what_to_do: what_to_do.text_in(language).to_owned(),
    }
}

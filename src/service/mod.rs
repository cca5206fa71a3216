//! The edge to the service manager: that the device is ready, what it is doing, that it is alive,
//! that it is to stop, and what goes into the log.

mod liveness;
pub mod log;
mod stop;

pub use liveness::{Beat, BeatAges, Heartbeats, is_alive};
pub use stop::StopSignal;

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// Notifications in each interval of the watchdog: one may come late.
const NOTIFICATIONS_PER_INTERVAL: u32 = 3;
/// Part of the watchdog's interval in which every loop must have gone round. A slow network must
/// be done with its frame by then: give a board an interval of four times that or more.
const LOOPS_PER_INTERVAL: u32 = 2;

/// The service manager, where the program was started by one that listens (sd_notify(3)); with
/// none, nothing happens.
#[derive(Debug)]
pub struct Service {
    watchdog: Option<Duration>,
    is_ready: bool,
    status: String,
    next_notification: Option<Instant>,
    has_failed: bool,
}

impl Service {
    /// What the manager has put into the environment.
    pub fn from_environment() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            is_ready: false,
            status: String::new(),
            next_notification: None,
            has_failed: false,
        }
    }

    /// After each screen: notifies the manager of a changed status, and the watchdog where all loops
    /// are alive.
    pub fn notify_running(&mut self, status: &str, heartbeats: &Heartbeats) {
        if !self.is_ready {
            self.is_ready = true;
            self.notify(&[NotifyState::Ready]);
        }
        if self.status != status {
            status.clone_into(&mut self.status);
            self.notify(&[NotifyState::Status(status)]);
        }
        self.notify_watchdog_if(|interval| {
            is_alive(&heartbeats.ages(), interval / LOOPS_PER_INTERVAL)
        });
    }

    /// Notifies the watchdog while nothing runs any more but a message is on the screen.
    pub fn notify_fault(&mut self) {
        self.notify_watchdog_if(|_| true);
    }

    fn notify_watchdog_if(&mut self, is_alive: impl FnOnce(Duration) -> bool) {
        let now = Instant::now();
        let Some(interval) = self.watchdog else {
            return;
        };
        if self.next_notification.is_some_and(|next| now < next) {
            return;
        }
        if is_alive(interval) {
            self.next_notification = Some(now + interval / NOTIFICATIONS_PER_INTERVAL);
            self.notify(&[NotifyState::Watchdog]);
        }
    }

    /// Notifies the manager that the program ends.
    pub fn notify_stopping(&mut self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// A manager that hears nothing takes the device for dead; the reason is for its log.
    fn notify(&mut self, what: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(what)
            && !std::mem::replace(&mut self.has_failed, true)
        {
            ::log::error!("the service manager cannot be notified: {error}; check NOTIFY_SOCKET");
        }
    }
}

//! What the main thread owns of the device: screen, buttons, updater, records, and where results
//! are written.

use crate::board::BoardError;
use crate::cell::PerClass;
use crate::config::ConfigError;
use crate::device::clock::Clock;
use crate::device::power;
use crate::input::Action;
use crate::language::TextId;
use crate::record::RecordSummary;
use crate::runtime::display::Display;
use crate::runtime::recording::RunRecorder;
use crate::runtime::report::{is_whole, note_on_records, result_text};
use crate::runtime::settings::RunSettings;
use crate::runtime::updates::{CurrentStatus, IpcFiles, Updates};
use crate::service::{Beat, Heartbeats, Service, StopSignal};
use crate::session::guidance::Notice;
use crate::session::{Event, Machine, Phase};
use crate::ui::model::Screen;
use crate::ui::presenter::{Fault, ScreenContext, counting_of, screen_context_of, screen_of};
use crate::update::{Answer, UpdateState};
use anyhow::Result;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Left by the initramfs where it had to repair the data partition.
const REPAIRED_MARK: &str = "/run/hemoscope-card-repaired";
/// How long after the start a repair is told: whoever switched the device on has seen it by then.
const REPAIR_TOLD_MS: u64 = 600_000;

/// `actions` gives what the operator asks for.
pub(super) struct Console<'a, A> {
    pub(super) display: Display,
    actions: A,
    stop: StopSignal,
    service: Service,
    pub(super) recorder: RunRecorder,
    clock: Clock,
    /// On a board: the files that are shared with the updater.
    updates: Option<Updates>,
    /// The system has repaired the data partition at this start.
    is_card_repaired: bool,
    pub(super) settings: &'a RunSettings,
    /// Which program and model count.
    pub(super) self_report: String,
    /// How far its own errors scatter, by class.
    pub(super) count_scatter: PerClass<f64>,
    out: &'a mut dyn Write,
    /// Results that could not be written yet, since the screen is on the terminal.
    results: String,
    /// The device is to be switched off when everything is kept.
    pub(super) switches_off: bool,
    /// What stopped the device, if anything has.
    fault: Option<Fault>,
}

impl<'a, A: FnMut(&Machine) -> Option<Action>> Console<'a, A> {
    /// Of a run that nothing has stopped yet. Without a board there is no updater.
    pub(super) fn new(
        settings: &'a RunSettings,
        (display, actions): (Display, A),
        (stop, recorder): (StopSignal, RunRecorder),
        files: IpcFiles,
        out: &'a mut dyn Write,
    ) -> Self {
        Self {
            display,
            actions,
            stop,
            service: Service::from_environment(),
            recorder,
            clock: Clock::start(),
            updates: settings.is_on_board.then(|| Updates::new(files)),
            is_card_repaired: settings.is_on_board && is_card_repaired(Path::new(REPAIRED_MARK)),
            settings,
            self_report: String::new(),
            count_scatter: PerClass::default(),
            out,
            results: String::new(),
            switches_off: false,
            fault: None,
        }
    }

    /// What is asked for, by the operator or by the system.
    pub(super) fn next_action(&mut self, machine: &Machine) -> Option<Action> {
        if self.stop.is_raised() {
            return Some(Action::Stop);
        }
        (self.actions)(machine)
    }

    /// Reads the updater's state, and publishes how the device stands.
    pub(super) fn poll_updater(&mut self, machine: &Machine) -> Option<UpdateState> {
        let updates = self.updates.as_mut()?;
        let status = CurrentStatus {
            camera: machine
                .has_camera_started()
                .then_some(self.settings.camera.as_str()),
            display: self.display.shown_on(),
            is_data_readable: self.recorder.is_usable(),
        };
        updates.poll(status, Instant::now())
    }

    /// Writes an answer for the updater; whether it could be.
    pub(super) fn answer_updater(&self, answer: &Answer) -> bool {
        let updates = self.updates.as_ref();
        updates.is_some_and(|updates| updates.answer(answer))
    }

    /// What the screen shows beside the instrument now.
    fn screen_context(&self, machine: &Machine) -> ScreenContext {
        let stamp = self.clock.stamp();
        let is_repaired = self.is_card_repaired && stamp.uptime_ms < REPAIR_TOLD_MS;
        let repaired = is_repaired.then_some(Notice::StorageRepaired);
        // Until the operator goes on with another one.
        let is_first = machine.smear().number() == 0 && machine.smear().fields() == 0;
        let fields = self.recorder.interrupted_fields().filter(|_| is_first);
        let interrupted = fields.map(|fields| Notice::SmearInterrupted { fields });
        screen_context_of(
            stamp,
            self.settings.screen.utc_offset_minutes,
            machine.update_notice().or(repaired).or(interrupted),
            self.updates.is_some()
                && !matches!(machine.phase(), Phase::Counting | Phase::FinishQuestion),
        )
    }

    /// Shows what the instrument is doing.
    ///
    /// # Errors
    /// A panel that broke.
    pub(super) fn draw(&mut self, machine: &Machine) -> Result<()> {
        let context = self.screen_context(machine);
        let screen = screen_of(
            machine,
            &self.settings.screen,
            &self.settings.camera,
            self.fault.as_ref(),
            context,
        );
        Ok(self.display.show(&screen)?)
    }

    /// Notifies the system that the device is alive, where all of its threads are.
    pub(super) fn notify_running(&mut self, machine: &Machine, heartbeats: &Heartbeats) {
        heartbeats.beat(Beat::Main);
        self.service.notify_running(&status_of(machine), heartbeats);
    }

    /// Notifies the system that the device shows a fault.
    pub(super) fn notify_fault(&mut self) {
        self.service.notify_fault();
    }

    /// Writes down that a smear begins.
    pub(super) fn record_start(&self) {
        let screen = &self.settings.screen;
        let sample = (screen.sample_id.as_str(), screen.is_simulated);
        let counted_by = (self.self_report.as_str(), self.count_scatter);
        self.recorder
            .begin(counted_by, sample, self.settings.target_fields);
    }

    /// A smear is done, and the run goes on.
    ///
    /// # Errors
    /// Its figures cannot be written out.
    pub(super) fn publish(&mut self, machine: &Machine) -> Result<()> {
        let text = result_text(machine, &self.self_report, None);
        if self.display.is_on_terminal() {
            self.results.push_str(&text);
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Has the screen say what stopped the device, from the next drawing on.
    pub(super) fn set_fault(&mut self, error: &anyhow::Error) {
        self.fault = Some(Fault {
            what_happened: format!("{error:#}"),
            what_to_do: remedy_of(error),
        });
    }

    /// Closes records and screen, and writes what is still to be written. Gives whether everything
    /// was counted and saved.
    ///
    /// # Errors
    /// What stopped the run, or figures that are no result.
    pub(super) fn close(mut self, machine: &mut Machine, outcome: Result<()>) -> Result<bool> {
        self.service.notify_stopping();
        let context = self.screen_context(machine);
        let closed = self.recorder.close();
        let not_saved = closed
            .as_ref()
            .and_then(|(summary, _)| summary.reason.clone());
        if let (Some(reason), Ok(())) = (not_saved, &outcome) {
            // Asks for nothing to be done.
            drop(machine.step(Event::NotSaved(reason), Instant::now()));
            let counting = counting_of(machine, &self.settings.screen, context);
            // The screen stays as it was where it cannot be drawn; the summary says the same.
            let _ = self.display.show(&Screen::Counting(counting));
        }
        let was_told_to_stop = self.stop.is_raised() || self.switches_off;
        drop(self.display);
        drop(self.actions);
        self.out.write_all(self.results.as_bytes())?;
        let is_whole = outcome.and_then(|()| {
            if machine.is_published() {
                return Ok(true);
            }
            let records = closed.as_ref().map(note_on_records);
            let text = result_text(machine, &self.self_report, records);
            self.out.write_all(text.as_bytes())?;
            is_whole(machine.smear(), was_told_to_stop)
        });
        if self.switches_off {
            power::switch_off(|| self.stop.is_raised())?;
        }
        Ok(is_whole? && is_saved(closed.as_ref()))
    }
}

/// Whether the system has left the mark of a repair; logged too.
fn is_card_repaired(mark: &Path) -> bool {
    let is_repaired = mark.exists();
    if is_repaired {
        log::warn!(
            "the data partition was damaged and has been repaired; see whether results \
             are missing with `hemoscope records DIR list`, and look into its lost+found"
        );
    }
    is_repaired
}

fn is_saved(closed: Option<&(RecordSummary, PathBuf)>) -> bool {
    closed.is_none_or(|(summary, _)| summary.unsaved == 0)
}

/// What the operator can do about what stopped the device.
fn remedy_of(error: &anyhow::Error) -> TextId {
    if error.is::<BoardError>() || error.is::<ConfigError>() {
        TextId::HelpCallService
    } else {
        TextId::HelpRestartDevice
    }
}

/// One line for the service manager.
fn status_of(machine: &Machine) -> String {
    let camera = machine.camera_unavailable().map_or_else(
        || "camera there".to_owned(),
        |unavailable| format!("camera {unavailable}"),
    );
    let saved = machine.not_saved().map_or_else(String::new, |reason| {
        format!("; results are not saved: {reason}")
    });
    let fields = machine.smear().fields();
    format!("{fields} fields counted; {camera}{saved}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_is_told_by_the_mark_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        assert!(!is_card_repaired(&mark));
        std::fs::write(&mark, "").unwrap();
        assert!(is_card_repaired(&mark));
    }
}

//! `hemoscope run`: the device's main loop.
//!
//! Three threads: capture owns the camera, analysis owns the network, and the main one draws.
//! The preview goes through a slot of one place that is overwritten; frames to be counted and
//! results go through bounded channels that block, so that nothing counted is ever lost.

use super::arguments::RunArguments;
use super::field_analysis::{FieldAnalysis, FieldFrame};
use super::screen_content::screen_of;
use super::setup::Setup;
use super::table;
use crate::camera::{self, CameraError, FrameSource};
use crate::cell::CellClass;
use crate::frame::Frame;
use crate::input::OperatorKeys;
use crate::panel::{Panel, panel_from_spec};
use crate::session::{Event, KnownScale, RunState, Session};
use crate::ui::canvas::Canvas;
use crate::ui::layout::ScreenSize;
use crate::ui::model::{Screen, Starting};
use crate::ui::{describe, screen};
use anyhow::{Result, anyhow, bail};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at input, slot and results.
const TICK: Duration = Duration::from_millis(100);
/// Frames in a row that the camera may lose before the run gives up.
const MAX_LOST_IN_A_ROW: u32 = 100;
/// Results that may wait for the main thread.
const RESULTS_WAITING: usize = 4;

/// A field's number plus one; zero before the first is settled.
type SettledField = AtomicU64;

/// What the threads share.
struct Shared {
    preview: Mutex<Option<Arc<Frame>>>,
    settled_field: SettledField,
    stop: AtomicBool,
}

impl Shared {
    fn is_settled(&self, field: u64) -> bool {
        self.settled_field.load(Ordering::Acquire) > field
    }

    fn settle(&self, field: u64) {
        self.settled_field.fetch_max(field + 1, Ordering::AcqRel);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn show(&self, frame: &Arc<Frame>) {
        let mut slot = self.preview.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::clone(frame));
    }

    fn take_preview(&self) -> Option<Arc<Frame>> {
        let mut slot = self.preview.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}

/// Runs the device until the wanted fields are counted, the source ends, or the operator stops;
/// `Ok(false)` when the run was broken off or something was not counted.
///
/// # Errors
/// What keeps the device from running: configuration, model, camera, panel.
pub fn run(arguments: &RunArguments) -> Result<bool> {
    let setup = Setup::load(&arguments.shared)?;
    let size = screen_size(arguments, &setup)?;
    let source = camera::open(
        arguments
            .camera
            .as_deref()
            .unwrap_or(&setup.config.camera.source),
    )?;
    let mut panels = open_panels(arguments, &setup, size)?;
    let scale = match setup.um_per_px.or(source.um_per_px()) {
        Some(um_per_px) => KnownScale::Given { um_per_px },
        None => KnownScale::Unknown,
    };
    let mut session = Session::new(setup.count_rules(), arguments.fields, scale);
    let starting = Screen::Starting(Starting {
        language: setup.language(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    present(&mut panels, &starting, size)?;
    let analysis = FieldAnalysis::new(&setup, scale)?;
    let keys = OperatorKeys::start()?;
    let outcome = count_fields(source, analysis, &setup, &mut session, |session| {
        present(&mut panels, &screen_of(session, &setup), size)?;
        Ok(keys.wants_to_stop())
    });
    drop(panels);
    drop(keys);
    outcome?;
    say_result(&session)
}

fn screen_size(arguments: &RunArguments, setup: &Setup) -> Result<ScreenSize> {
    let panel = &setup.config.panel;
    let configured = || format!("{}x{}", panel.width_px, panel.height_px);
    let text = arguments.size.clone().unwrap_or_else(configured);
    Ok(text.parse()?)
}

fn open_panels(
    arguments: &RunArguments,
    setup: &Setup,
    size: ScreenSize,
) -> Result<Vec<Box<dyn Panel>>> {
    let configured = [setup.config.panel.kind.clone()];
    let wanted: &[String] = match arguments.panel.as_slice() {
        [] => &configured,
        named => named,
    };
    wanted
        .iter()
        .map(|text| Ok(panel_from_spec(text, size)?))
        .collect()
}

fn present(panels: &mut [Box<dyn Panel>], content: &Screen<'_>, size: ScreenSize) -> Result<()> {
    let picture: Canvas = screen::render(content, size);
    let caption = describe::lines(content);
    for panel in panels {
        panel.caption(&caption);
        panel.present(&picture)?;
    }
    Ok(())
}

/// Runs the threads; `draw` shows the session and returns whether the operator wants to stop.
fn count_fields(
    source: Box<dyn FrameSource>,
    analysis: FieldAnalysis,
    setup: &Setup,
    session: &mut Session,
    draw: impl FnMut(&Session) -> Result<bool>,
) -> Result<()> {
    let shared = Shared {
        preview: Mutex::new(None),
        settled_field: SettledField::new(0),
        stop: AtomicBool::new(false),
    };
    let (frames_in, frames_out) = sync_channel(1);
    let (results_in, results_out) = sync_channel(RESULTS_WAITING);
    thread::scope(|scope| {
        let shared = &shared;
        let lost = results_in.clone();
        let capturing = scope.spawn(move || capture(source, shared, &frames_in, &lost));
        let analysing = scope.spawn(move || analyse(analysis, shared, &frames_out, &results_in));
        let drawn = main_loop(shared, setup, session, &results_out, draw);
        shared.stop.store(true, Ordering::Release);
        // Threads that wait to send find nobody there, and end.
        drop(results_out);
        let captured = capturing.join();
        let analysed = analysing.join();
        drawn?;
        captured.map_err(|_| anyhow!("the camera's thread failed; please report this"))??;
        analysed.map_err(|_| anyhow!("the analysis thread failed; please report this"))??;
        Ok(())
    })
}

/// Owns the camera until it ends or the run does.
fn capture(
    mut source: Box<dyn FrameSource>,
    shared: &Shared,
    frames: &SyncSender<FieldFrame>,
    results: &SyncSender<Event>,
) -> Result<()> {
    let mut lost_in_a_row = 0;
    while !shared.stopped() {
        let captured = match source.next_frame() {
            Ok(Some(captured)) => captured,
            Ok(None) => break,
            Err(error @ CameraError::BadFrame { .. }) => {
                lost_in_a_row += 1;
                if lost_in_a_row > MAX_LOST_IN_A_ROW {
                    bail!("{error}; {lost_in_a_row} frames in a row were lost: check the camera");
                }
                if results.send(Event::FrameLost(error.to_string())).is_err() {
                    break;
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        lost_in_a_row = 0;
        let frame = Arc::new(captured.frame);
        shared.show(&frame);
        let Some(field) = captured.field else {
            continue;
        };
        let truth = captured.truth;
        if !shared.is_settled(field)
            && frames
                .send(FieldFrame {
                    frame,
                    field,
                    truth,
                })
                .is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Owns the network; ends when the camera has, or when nobody takes its results.
fn analyse(
    mut analysis: FieldAnalysis,
    shared: &Shared,
    frames: &Receiver<FieldFrame>,
    results: &SyncSender<Event>,
) -> Result<()> {
    let send_all = |events: Vec<Event>| events.into_iter().all(|event| results.send(event).is_ok());
    for frame in frames {
        if shared.stopped() {
            return Ok(());
        }
        let field = frame.field;
        if shared.is_settled(field) {
            continue;
        }
        let step = analysis.take(frame)?;
        if step.settled {
            shared.settle(field);
        }
        if !send_all(step.events) {
            return Ok(());
        }
    }
    let mut last = analysis.finish()?;
    last.push(Event::SourceEnded);
    send_all(last);
    Ok(())
}

fn main_loop(
    shared: &Shared,
    setup: &Setup,
    session: &mut Session,
    results: &Receiver<Event>,
    mut draw: impl FnMut(&Session) -> Result<bool>,
) -> Result<()> {
    while session.state() == RunState::Live {
        let mut ended = false;
        let until = Instant::now() + TICK;
        loop {
            match results.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => session.step(event),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    ended = true;
                    break;
                }
            }
            if session.state() != RunState::Live || Instant::now() >= until {
                break;
            }
        }
        if let Some(frame) = shared.take_preview() {
            let quality = setup.judge(&frame, setup.rbc_diameter_px(session.scale()));
            session.step(Event::Preview { frame, quality });
        }
        if draw(session)? || ended {
            session.step(Event::Stopped);
        }
    }
    draw(session)?;
    Ok(())
}

/// Prints the summary, beside the truth where the source knows it.
fn say_result(session: &Session) -> Result<bool> {
    let summary = session.summary();
    let rejected = session.rejected();
    let mut text = table::summary_table(&summary, &notes(session), u64::from(rejected.fields()));
    if let Some(truth) = session.truth() {
        text.push_str("\nTruth of the simulated fields, by the same border rule:");
        for class in CellClass::ALL {
            let (true_count, counted) = (truth.class(class), summary.class(class).seen);
            text.push_str(&format!(" {class} {true_count} (counted {counted})"));
        }
        text.push('\n');
    }
    io::stdout().write_all(text.as_bytes())?;
    match session.state() {
        RunState::Finished => Ok(rejected.lost_frames == 0),
        _ => bail!(
            "the run was broken off after {} fields: these numbers are no result",
            session.fields()
        ),
    }
}

fn notes(session: &Session) -> Vec<String> {
    let mut notes = Vec::new();
    match session.scale() {
        KnownScale::Given { um_per_px } => notes.push(format!("scale {um_per_px} um/px, given")),
        KnownScale::Estimated(estimate) => notes.push(estimate.to_string()),
        KnownScale::Unknown => notes.push("scale unknown: nothing can be counted".to_owned()),
    }
    let rejected = session.rejected();
    for (reason, count) in &rejected.by_reason {
        notes.push(format!("{count} fields rejected: {reason}"));
    }
    if rejected.without_cells > 0 {
        notes.push(format!("{} fields without a cell", rejected.without_cells));
    }
    if let Some(reason) = &rejected.last_lost {
        notes.push(format!(
            "{} frames lost, the last: {reason}",
            rejected.lost_frames
        ));
    }
    if let Some(error) = session.full() {
        notes.push(error.to_string());
    }
    notes
}

//! `hemoscope run`: the device's main loop.
//!
//! Three threads: capture owns the camera, analysis owns the network, and the main one draws.
//! The preview goes through a slot of one place that is overwritten; frames to be counted and
//! results go through bounded channels that block, so that nothing counted is ever lost. Frames
//! and pictures go round ([`circulation`](super::circulation)): once the run has warmed up, no
//! thread takes memory.

use super::arguments::RunArguments;
use super::circulation::{FRAMES, FieldFrame, RESULTS_WAITING, Shared};
use super::display::Display;
use super::field_analysis::FieldAnalysis;
use super::keeping::Keeper;
use super::screen_content::{identity_of, missing_camera_of};
use super::setup::Setup;
use super::table;
use crate::board::BoardDescription;
use crate::camera::{self, AtStart, CameraError, CapturedFrame, FrameSource};
use crate::cell::CellClass;
use crate::health::ThreadPolicy;
use crate::input::OperatorKeys;
use crate::panel::{Panel, panel_from_spec};
use crate::quality::Judge;
use crate::record::Closed;
use crate::service::{Beat, Service, StopSignal};
use crate::session::{Event, FrameTally, KnownScale, RunState, Session};
use crate::stage_watch::{Sight, StageWatch};
use crate::ui::layout::ScreenSize;
use crate::ui::model::{Failure, Screen, Starting};
use crate::ui::text::TextId;
use anyhow::{Context, Result, anyhow, bail};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at input, slot and results.
const TICK: Duration = Duration::from_millis(100);
/// How long a device shows what stopped it.
const FAILURE_SHOWN: Duration = Duration::from_secs(60);
/// Time after which an analysis without work shows that it is alive.
const IDLE: Duration = Duration::from_millis(250);
/// Frames in a row that the camera may lose before the run gives up.
const MAX_LOST_IN_A_ROW: u32 = 100;

/// Runs the device until the wanted fields are counted, the source ends, the operator stops it or
/// the system does; `Ok(false)` when the run was broken off or something was not counted or not
/// saved.
///
/// # Errors
/// What keeps the device from running: configuration, model, camera, panel.
pub fn run(arguments: &RunArguments) -> Result<bool> {
    let mut setup = Setup::load(&arguments.shared)?;
    if let Some(file) = &arguments.board {
        setup = setup.on_board(&BoardDescription::load_for_this_board(file)?);
    }
    if let Some(data) = &arguments.data {
        setup.data = Some(data.clone());
    }
    let stop = StopSignal::listen().context("signals cannot be listened for")?;
    // Before the first screen, since it may have something to say.
    let mut keeper = Keeper::start(setup.data.as_deref());
    let size = screen_size(arguments, &setup)?;
    let panels = open_panels(arguments, &setup, size)?;
    let mut front = Front {
        display: Display::new(size, panels),
        keys: OperatorKeys::start()?,
        stop,
        service: Service::from_environment(),
    };
    front.display.show(&Screen::Starting(Starting {
        language: setup.language(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))?;
    let mut outcome = run_on(&mut front, &mut keeper, arguments, &setup, size);
    let state = match &outcome {
        Ok((session, _)) => session.state(),
        Err(_) => RunState::Unfinished,
    };
    // What was counted is kept first, whatever became of the run.
    let closed = keeper.close(state);
    let not_saved = closed
        .as_ref()
        .and_then(|(closed, _)| closed.reason.clone());
    if let (Ok((session, _)), Some(reason)) = (&mut outcome, not_saved) {
        session.step(Event::NotSaved(reason));
        // The screen stays as it was where it cannot be drawn; the summary says the same.
        let _ = front.display.show_session(session, &setup);
    }
    if let (Err(error), Some(_)) = (&outcome, &arguments.board) {
        front.show_failure(&setup, error)?;
    }
    front.service.stopping();
    let was_told_to_stop = front.stop.is_raised();
    drop(front);
    let (session, self_report) = outcome?;
    say_result(&session, self_report, closed.as_ref(), was_told_to_stop)
}

/// What the operator and the system see of a run, and how they stop it.
struct Front {
    display: Display,
    keys: OperatorKeys,
    stop: StopSignal,
    service: Service,
}

impl Front {
    fn wants_to_stop(&self) -> bool {
        self.keys.wants_to_stop() || self.stop.is_raised()
    }

    /// Shows what stopped the device until the operator has seen it, or for a minute: then the
    /// system starts the program again.
    fn show_failure(&mut self, setup: &Setup, error: &anyhow::Error) -> Result<()> {
        let language = setup.language();
        self.display.show(&Screen::Failure(Failure {
            language,
            identity: identity_of(setup),
            number: None,
            what_happened: format!("{error:#}"),
            what_to_do: TextId::DoSwitchOff.text_in(language).to_owned(),
        }))?;
        let until = Instant::now() + FAILURE_SHOWN;
        while Instant::now() < until && !self.wants_to_stop() {
            self.service.failure_shown();
            thread::sleep(TICK);
        }
        Ok(())
    }
}

/// Counts one smear; gives the session, and which program and model counted.
fn run_on(
    front: &mut Front,
    keeper: &mut Keeper,
    arguments: &RunArguments,
    setup: &Setup,
    size: ScreenSize,
) -> Result<(Session, String)> {
    let configured = &setup.config.camera.source;
    let camera = arguments.camera.as_deref().unwrap_or(configured);
    let at_start = match arguments.board {
        Some(_) => AtStart::MayCome,
        None => AtStart::MustBeThere,
    };
    let source = camera::open(camera, &setup.controls, at_start)?;
    let scale = match setup.um_per_px.or(source.um_per_px()) {
        Some(um_per_px) => KnownScale::Given { um_per_px },
        None => KnownScale::Unknown,
    };
    let mut session = Session::new(setup.count_rules(), arguments.fields, scale);
    let analysis = FieldAnalysis::new(setup, scale)?;
    let self_report = analysis.self_report();
    keeper.begin(&self_report, &setup.config.sample.id, arguments.fields);
    let shared = Shared::new(size.preview_px());
    let both = (&mut session, keeper);
    count_fields(source, analysis, &shared, setup, both, |session| {
        match missing_camera_of(session, setup, camera) {
            Some(missing) => front.display.show(&Screen::NoCamera(missing))?,
            None => front.display.show_session(session, setup)?,
        }
        shared.heartbeats.beat(Beat::Main);
        front
            .service
            .screen_shown(&status_of(session), &shared.heartbeats);
        Ok(front.wants_to_stop())
    })?;
    Ok((session, self_report))
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
        .map(|text| Ok(panel_from_spec(text, size, &setup.panel)?))
        .collect()
}

/// Runs the threads; `draw` shows the session and returns whether the operator wants to stop.
fn count_fields(
    source: Box<dyn FrameSource>,
    analysis: FieldAnalysis,
    shared: &Shared,
    setup: &Setup,
    (session, keeper): (&mut Session, &mut Keeper),
    draw: impl FnMut(&Session) -> Result<bool>,
) -> Result<()> {
    let (frames_in, frames_out) = sync_channel(1);
    let (idle_in, idle_out) = sync_channel(FRAMES);
    for _ in 0..FRAMES {
        idle_in.send(Box::<CapturedFrame>::default())?;
    }
    let (results_in, results_out) = sync_channel(RESULTS_WAITING);
    shared.set_rbc_diameter_px(setup.rbc_diameter_px(session.scale()));
    thread::scope(|scope| {
        let capture = Capture {
            watch: (!source.knows_fields()).then(StageWatch::default),
            source,
            shared,
            judge: Judge::new(setup.quality_settings()),
            frames: frames_in,
            idle: idle_out,
            lost: results_in.clone(),
            tally: FrameTally::default(),
            last_sent: None,
        };
        let threads = ThreadPolicy::new(setup.config.run.threads);
        let capturing = scope.spawn(move || capture.run());
        let analysing = scope.spawn(move || {
            analyse(
                analysis,
                threads,
                shared,
                &frames_out,
                &idle_in,
                &results_in,
            )
        });
        let drawn = main_loop(shared, setup, (session, keeper), &results_out, draw);
        shared.stop();
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
struct Capture<'a> {
    source: Box<dyn FrameSource>,
    /// Decides what a frame shows where the source does not know.
    watch: Option<StageWatch>,
    shared: &'a Shared,
    judge: Judge,
    frames: SyncSender<FieldFrame>,
    idle: Receiver<Box<CapturedFrame>>,
    lost: SyncSender<Event>,
    tally: FrameTally,
    last_sent: Option<u64>,
}

impl Capture<'_> {
    fn run(mut self) -> Result<()> {
        let captured = self.capture();
        self.shared.heartbeats.end(Beat::Capture);
        self.shared.set_captured(self.tally);
        captured
    }

    fn capture(&mut self) -> Result<()> {
        let mut lost_in_a_row = 0;
        let mut away = None;
        let Ok(mut captured) = self.idle.recv() else {
            return Ok(());
        };
        while !self.shared.is_stopped() {
            self.shared.heartbeats.beat(Beat::Capture);
            let given = self.source.next_frame_into(&mut captured);
            let mut notices = self.source.take_notices().into_iter();
            if notices.any(|notice| self.lost.send(Event::CameraNotice(notice)).is_err()) {
                break;
            }
            match given {
                Ok(true) => {
                    lost_in_a_row = 0;
                    if away.take().is_some() && self.lost.send(Event::CameraBack).is_err() {
                        break;
                    }
                }
                Ok(false) => break,
                Err(error @ CameraError::BadFrame { .. }) => {
                    lost_in_a_row += 1;
                    if lost_in_a_row > MAX_LOST_IN_A_ROW {
                        bail!(
                            "{error}; {lost_in_a_row} frames in a row were lost: check the camera"
                        );
                    }
                    if self.lost.send(Event::FrameLost(error.to_string())).is_err() {
                        break;
                    }
                    continue;
                }
                Err(CameraError::Away { absence, .. }) => {
                    // Said once for each reason: a camera may be away for hours.
                    if away.as_ref() != Some(&absence) {
                        away = Some(absence.clone());
                        if self.lost.send(Event::CameraAway(absence)).is_err() {
                            break;
                        }
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let field = self.field_of(&captured);
            self.preview(&captured, field);
            let Some(field) = self.wanted(field) else {
                continue;
            };
            self.last_sent = Some(field);
            self.shared.frame_sent();
            let frame = FieldFrame {
                captured,
                field,
                frames: self.tally,
            };
            if self.frames.send(frame).is_err() {
                break;
            }
            captured = match self.idle.recv() {
                Ok(idle) => idle,
                Err(_) => break,
            };
        }
        Ok(())
    }

    /// The field that the frame shows at rest.
    fn field_of(&mut self, captured: &CapturedFrame) -> Option<u64> {
        let Some(watch) = &mut self.watch else {
            return captured.field;
        };
        let shared = self.shared;
        match watch.look(&captured.frame, |field| shared.is_settled(field)) {
            Sight::Moving => None,
            Sight::Resting { field } => Some(field),
        }
    }

    fn preview(&mut self, captured: &CapturedFrame, field: Option<u64>) {
        if self.shared.wants_preview(field) {
            let diameter_px = self.shared.rbc_diameter_px();
            let quality = self.judge.judge(&captured.frame, diameter_px);
            let view = self.shared.views.view(&captured.frame, field, quality);
            self.shared.show(view);
        }
    }

    /// The field, where another frame of it has to be looked at; others are tallied.
    fn wanted(&mut self, field: Option<u64>) -> Option<u64> {
        let Some(field) = field else {
            self.tally.moving += 1;
            return None;
        };
        // A camera does not wait: one frame of a rest at a time is enough to look at.
        let is_waiting =
            self.watch.is_some() && self.last_sent == Some(field) && self.shared.is_under_way();
        if is_waiting || self.shared.is_settled(field) {
            self.tally.unchanged += 1;
            return None;
        }
        Some(field)
    }
}

/// Owns the network; ends when the camera has, or when nobody takes its results.
fn analyse(
    mut analysis: FieldAnalysis,
    mut threads: ThreadPolicy,
    shared: &Shared,
    frames: &Receiver<FieldFrame>,
    idle: &SyncSender<Box<CapturedFrame>>,
    results: &SyncSender<Event>,
) -> Result<()> {
    loop {
        shared.heartbeats.beat(Beat::Analysis);
        if shared.is_stopped() {
            return Ok(());
        }
        let frame = match frames.recv_timeout(IDLE) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(threads) = threads.look(Instant::now()) {
            analysis.set_threads(threads);
        }
        let analysed = analysis.take(&frame, shared);
        shared.frame_done();
        // Nobody is left to capture into it when the camera has ended.
        let _ = idle.send(frame.captured);
        analysed?;
        if !analysis.events().all(|event| results.send(event).is_ok()) {
            return Ok(());
        }
    }
    analysis.finish(shared)?;
    let last = analysis.events().chain([Event::SourceEnded]);
    for event in last {
        if results.send(event).is_err() {
            break;
        }
    }
    Ok(())
}

fn main_loop(
    shared: &Shared,
    setup: &Setup,
    (session, keeper): (&mut Session, &mut Keeper),
    results: &Receiver<Event>,
    mut draw: impl FnMut(&Session) -> Result<bool>,
) -> Result<()> {
    let take = |session: &mut Session, keeper: &Keeper, event: Event| {
        if let Some(view) = keeper.step(session, event) {
            shared.views.give_back(view);
        }
        shared.set_on_screen(session.latest());
        shared.set_rbc_diameter_px(setup.rbc_diameter_px(session.scale()));
    };
    while session.state() == RunState::Live {
        let mut ended = false;
        let until = Instant::now() + TICK;
        loop {
            match results.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => take(session, keeper, event),
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
        if let Some(view) = shared.take_preview() {
            take(session, keeper, Event::Preview(view));
        }
        if let Some(event) = keeper.look() {
            session.step(event);
        }
        if draw(session)? || ended {
            session.step(Event::Stopped);
        }
    }
    draw(session)?;
    Ok(())
}

/// Prints the summary, beside the truth where the source knows it.
fn say_result(
    session: &Session,
    self_report: String,
    closed: Option<&(Closed, PathBuf)>,
    was_told_to_stop: bool,
) -> Result<bool> {
    let summary = session.summary();
    let rejected = session.rejected();
    let mut notes = notes(session, self_report);
    notes.extend(closed.map(note_on_records));
    let is_saved = closed.is_none_or(|(closed, _)| closed.unsaved == 0);
    let mut text = table::summary_table(summary, &notes, u64::from(rejected.fields()));
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
        RunState::Finished => Ok(rejected.lost_frames == 0 && is_saved),
        // The system ends the device when it is switched off, which is no fault of the run.
        _ if was_told_to_stop => Ok(is_saved),
        _ => bail!(
            "the run was broken off after {} fields: these numbers are no result",
            session.fields()
        ),
    }
}

/// Where the records are, or that they are not.
fn note_on_records((closed, folder): &(Closed, PathBuf)) -> String {
    let folder = folder.display();
    match (closed.unsaved, &closed.reason) {
        (0, _) => format!("smear {} of the records in {folder}", closed.smear),
        (lines, reason) => format!(
            "{lines} lines of the records in {folder} are NOT saved: {}; note the result by hand",
            reason.as_deref().unwrap_or("the disk does not answer")
        ),
    }
}

fn notes(session: &Session, self_report: String) -> Vec<String> {
    let mut notes = vec![self_report];
    match session.scale() {
        KnownScale::Given { um_per_px } => notes.push(format!("scale {um_per_px} um/px, given")),
        KnownScale::Estimated(estimate) => notes.push(estimate.to_string()),
        KnownScale::Unknown => notes.push("scale unknown: nothing can be counted".to_owned()),
    }
    let of_camera = session.camera_notices().iter();
    notes.extend(of_camera.map(|notice| format!("camera: {notice}")));
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
    let frames = session.frames();
    if let Some(percent) = frames.skipped_percent() {
        notes.push(format!(
            "{percent} % of {} frames needed no counting: {} while the stage moved, {} of fields \
             already counted, {} unusable",
            frames.skipped() + frames.counted,
            frames.moving,
            frames.unchanged,
            frames.unusable
        ));
    }
    if let Some(error) = session.full() {
        notes.push(error.to_string());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::arguments::SharedArguments;
    use crate::service::is_alive;
    use std::sync::mpsc::channel;

    const LIMIT: Duration = Duration::from_millis(400);
    /// Far more screens than it takes.
    const MAX_SCREENS: u32 = 600;

    /// A camera that gives no frame and does not come back either, until it is let go.
    struct HungCamera(Receiver<()>);

    impl FrameSource for HungCamera {
        fn name(&self) -> String {
            "hung".to_owned()
        }

        fn next_frame_into(&mut self, _: &mut CapturedFrame) -> Result<bool, CameraError> {
            // Ends with an error when the other end is dropped.
            let _ = self.0.recv();
            Ok(false)
        }
    }

    #[test]
    fn a_camera_that_hangs_is_seen_while_screen_and_network_go_on() {
        let setup = Setup::load(&SharedArguments {
            config: None,
            model: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet").into()),
            um_per_px: Some(0.1),
        })
        .unwrap();
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let mut session = Session::new(setup.count_rules(), None, scale);
        let analysis = FieldAnalysis::new(&setup, scale).unwrap();
        let shared = Shared::new((160, 120));
        let (hold, held) = channel();
        let mut hold = Some(hold);
        let mut screens = 0;
        let mut keeper = Keeper::start(None);
        let source = Box::new(HungCamera(held));
        let both = (&mut session, &mut keeper);
        let mut at_the_end = None;
        count_fields(source, analysis, &shared, &setup, both, |_| {
            screens += 1;
            assert!(screens < MAX_SCREENS, "the hung camera was not seen");
            shared.heartbeats.beat(Beat::Main);
            let look = shared.heartbeats.look();
            if hold.is_none() || is_alive(&look, LIMIT) {
                return Ok(false);
            }
            let [main, capture, analysis] = look;
            // Another loop may be late once on a busy machine.
            if is_alive(&[main, None, analysis], LIMIT) {
                at_the_end = capture;
                hold = None;
            }
            Ok(hold.is_none())
        })
        .unwrap();
        assert!(at_the_end.is_some_and(|silent| silent > LIMIT));
    }
}

//! `hemoscope run`: the device's main loop.
//!
//! Three threads: `capture` owns the camera, `analysis` owns the network, and the main one
//! draws. The preview goes through a slot of one place that is overwritten; frames to be counted
//! and results go through bounded channels that block, so that nothing counted is ever lost.
//! Frames and pictures go round ([`circulation`](crate::runtime::channels)): once the run has warmed up,
//! no thread takes memory.

use crate::camera::stage_watch::StageWatch;
use crate::camera::{self, CapturedFrame, FrameSource, OpenPolicy};
use crate::device::thermal::ThreadPolicy;
use crate::input::{Action, Input, InputSettings};
use crate::panel::ScreenSize;
use crate::panel::{FaultLight, Panel, RetryingPanel, display_px, panel_from_spec};
use crate::quality::FrameAssessor;
use crate::record::Clock;
use crate::runtime::analysis::analyse;
use crate::runtime::capture::Capture;
use crate::runtime::channels::{FRAMES, RESULTS_WAITING, Shared, SmearEvent};
use crate::runtime::console::{Operator, moment_of};
use crate::runtime::display::Display;
use crate::runtime::field_analysis::FieldAnalysis;
use crate::runtime::recording::RunRecorder;
use crate::runtime::settings::RunSettings;
use crate::runtime::updates::{TalkFiles, Updates};
use crate::service::{Service, StopSignal};
use crate::session::smear::{Event, FrameTally, KnownScale, RunState, Session};
use crate::ui::model::{Screen, Starting};
use anyhow::{Context, Result, anyhow};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at input, slot and results.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long a device without a display blinks before the system starts it again.
const BLINKING: Duration = Duration::from_secs(5);
/// Left by the initramfs where it had to repair the data partition.
const REPAIRED_MARK: &str = "/run/hemoscope-card-repaired";

/// Runs the device until the wanted fields are counted, the source ends, the operator stops it or
/// the system does; `Ok(false)` when the run was broken off or something was not counted or not
/// saved. Without a number of fields, the operator finishes a smear and starts the next one.
///
/// With a `refusal`, nothing is counted: the device shows it, and what can be done about it.
///
/// # Errors
/// What keeps the device from running: the refusal, model, camera, panel.
pub fn run(settings: &RunSettings, refusal: Option<anyhow::Error>) -> Result<bool> {
    let files = TalkFiles::of_system();
    run_with(settings, refusal, files, &mut io::stdout(), |devices| {
        let mut input = Input::start(devices)?;
        Ok(move |_: &Session| input.next_action())
    })
}

/// As [`run`], with the files of an updater in `files`, results written to `out` and actions from
/// elsewhere: `listen` is told which input devices there are to listen to, and what it returns is
/// asked for actions again and again. Without a board there is no updater.
///
/// # Errors
/// As for [`run`].
pub fn run_with<A>(
    settings: &RunSettings,
    refusal: Option<anyhow::Error>,
    files: TalkFiles,
    out: &mut dyn Write,
    listen: impl FnOnce(Option<&InputSettings>) -> Result<A>,
) -> Result<bool>
where
    A: FnMut(&Session) -> Option<Action>,
{
    let stop = StopSignal::listen().context("signals cannot be listened for")?;
    // Before the first screen, since it may have something to say.
    let keeper = RunRecorder::start(settings.data.as_deref());
    let size = screen_size(settings);
    let light = settings.panel.fault_light.as_ref();
    let fault_light = light.map(|name| FaultLight::named(name));
    let panels = match open_panels(settings, size) {
        Ok(panels) => panels,
        Err(error) => {
            blink(fault_light, &stop);
            return Err(error);
        }
    };
    let mut display = Display::new(size, panels).with_fault_light(fault_light);
    display.show(&Screen::Starting(Starting {
        language: settings.screen.language,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))?;
    if let Some(percent) = settings.panel.brightness_percent {
        display.set_brightness(percent);
    }
    let mut operator = Operator {
        actions: listen(display.is_on_device().then_some(&settings.input))?,
        display,
        stop,
        service: Service::from_environment(),
        keeper,
        clock: Clock::start(),
        updates: settings.is_on_board.then(|| Updates::new(files)),
        is_card_repaired: settings.is_on_board && is_card_repaired(Path::new(REPAIRED_MARK)),
        settings,
        self_report: String::new(),
        out,
        results: String::new(),
    };
    let outcome = match refusal {
        Some(error) => Err(error),
        None => count_smears(size, &mut operator),
    };
    operator.finish(outcome, settings.is_on_board)
}

/// Whether the system has left the mark of a repair; said on the log too.
fn is_card_repaired(mark: &Path) -> bool {
    let is_repaired = mark.exists();
    if is_repaired {
        eprintln!(
            "hemoscope: the data partition was damaged and has been repaired; see whether results \
             are missing with `hemoscope records DIR list`, and look into its lost+found"
        );
    }
    is_repaired
}

/// Blinks for a while where there is no display to say why the device gives up. A light that cannot
/// be switched yet may become so while the system starts.
fn blink(light: Option<FaultLight>, stop: &StopSignal) {
    let Some(mut light) = light else { return };
    let mut trouble = None;
    let until = Instant::now() + BLINKING;
    while Instant::now() < until && !stop.is_raised() {
        if let Err(reason) = light.tell(true, Instant::now())
            && trouble.as_ref() != Some(&reason)
        {
            eprintln!("hemoscope: {reason}");
            trouble = Some(reason);
        }
        thread::sleep(TICK);
    }
}

/// How the counting ended.
pub(super) struct Ending {
    /// The last smear.
    pub(super) session: Session,
    /// Its result was written already.
    pub(super) on_result: bool,
    /// The device is to be switched off.
    pub(super) switches_off: bool,
}

/// Counts smear after smear.
fn count_smears<A: FnMut(&Session) -> Option<Action>>(
    size: ScreenSize,
    operator: &mut Operator<'_, A>,
) -> Result<Ending> {
    let settings = operator.settings;
    let open_policy = if settings.is_on_board {
        OpenPolicy::Wait
    } else {
        OpenPolicy::Require
    };
    let source = camera::open(&settings.camera, &settings.controls, open_policy)?;
    let scale = match settings.analysis.um_per_px.or(source.um_per_px()) {
        Some(um_per_px) => KnownScale::Given { um_per_px },
        None => KnownScale::Unknown,
    };
    let session = Session::new(settings.count_rules, settings.target_fields, scale);
    let analysis = FieldAnalysis::new(&settings.analysis, scale)?;
    operator.self_report = analysis.self_report();
    operator.begin_smear();
    let shared = Shared::new(size.preview_px());
    count_fields(source, analysis, &shared, session, operator)
}

/// The size that was named, or else the one that fits a board's display.
fn screen_size(settings: &RunSettings) -> ScreenSize {
    let smallest = ScreenSize::default();
    settings.size.unwrap_or_else(|| {
        let panels = settings.panels.iter().filter(|_| settings.is_on_board);
        let mut displays =
            panels.filter_map(|spec| display_px(spec, &settings.panel, smallest.pixels()));
        displays.next().map_or(smallest, ScreenSize::for_display)
    })
}

/// Opens the panels. One that is not there yet is an error on a desk; a board waits for it.
fn open_panels(settings: &RunSettings, size: ScreenSize) -> Result<Vec<Box<dyn Panel>>> {
    let panels = settings.panels.iter();
    panels
        .map(|spec| {
            if !settings.is_on_board {
                return Ok(panel_from_spec(spec, size, &settings.panel)?);
            }
            let (spec, panel) = (spec.clone(), settings.panel.clone());
            let open = Box::new(move || panel_from_spec(&spec, size, &panel));
            Ok(RetryingPanel::open(size.pixels(), open)?)
        })
        .collect()
}

/// Diameter of a red cell in pixels, where the scale is known.
fn rbc_diameter_px(settings: &RunSettings, session: &Session) -> Option<u32> {
    let um_per_px = session.scale().um_per_px()?;
    Some(settings.analysis.analyser.rbc_diameter_px(um_per_px))
}

/// Runs the threads.
fn count_fields<A: FnMut(&Session) -> Option<Action>>(
    source: Box<dyn FrameSource>,
    analysis: FieldAnalysis,
    shared: &Shared,
    mut session: Session,
    operator: &mut Operator<'_, A>,
) -> Result<Ending> {
    let settings = operator.settings;
    let (frames_in, frames_out) = sync_channel(1);
    let (idle_in, idle_out) = sync_channel(FRAMES);
    for _ in 0..FRAMES {
        idle_in.send(Box::<CapturedFrame>::default())?;
    }
    let (results_in, results_out) = sync_channel(RESULTS_WAITING);
    shared.set_rbc_diameter_px(rbc_diameter_px(settings, &session));
    // Before the first frame, so that no field is counted behind a question.
    let moment = moment_of(&session, shared);
    shared.hold(operator.look_at_updates(moment, false));
    thread::scope(|scope| {
        let capture = Capture {
            watch: (!source.knows_fields()).then(StageWatch::default),
            source,
            shared,
            assessor: FrameAssessor::new(settings.analysis.quality),
            frames: frames_in,
            idle: idle_out,
            lost: results_in.clone(),
            tally: FrameTally::default(),
            smear: 0,
            last_sent: None,
        };
        let threads = ThreadPolicy::new(settings.threads);
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
        let drawn = main_loop(shared, &mut session, &results_out, operator);
        shared.stop();
        // Threads that wait to send find nobody there, and end.
        drop(results_out);
        let captured = capturing.join();
        let analysed = analysing.join();
        let switches_off = drawn?;
        captured.map_err(|_| anyhow!("the camera's thread failed; please report this"))??;
        analysed.map_err(|_| anyhow!("the analysis thread failed; please report this"))??;
        Ok(Ending {
            on_result: shared.has_result(),
            session,
            switches_off,
        })
    })
}

/// Takes in what is told, and what is asked for; gives whether the device is to be switched off.
fn main_loop<A: FnMut(&Session) -> Option<Action>>(
    shared: &Shared,
    session: &mut Session,
    results: &Receiver<SmearEvent>,
    operator: &mut Operator<'_, A>,
) -> Result<bool> {
    let settings = operator.settings;
    let take = |session: &mut Session, keeper: &RunRecorder, event: Event| {
        if let Some(view) = keeper.step(session, event) {
            shared.views.give_back(view);
        }
        shared.set_on_screen(session.latest());
        shared.set_rbc_diameter_px(rbc_diameter_px(settings, session));
    };
    let mut switches_off = false;
    loop {
        let mut ended = false;
        let until = Instant::now() + TICK;
        loop {
            match results.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(told) if told.smear == shared.smear() || !told.event.is_of_smear() => {
                    take(session, &operator.keeper, told.event);
                }
                // Of a smear that is over.
                Ok(told) => {
                    let view = told.event.into_view();
                    view.into_iter()
                        .for_each(|view| shared.views.give_back(view));
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    ended = true;
                    break;
                }
            }
            let is_over = session.state() != RunState::Live && !shared.has_result();
            if is_over || Instant::now() >= until {
                break;
            }
        }
        if let Some(view) = shared.take_preview() {
            take(session, &operator.keeper, Event::Preview(view));
        }
        if let Some(event) = operator.keeper.look() {
            session.step(event);
        }
        while !ended && let Some(action) = operator.next_action(session) {
            match action {
                Action::Next if session.can_finish() => {
                    take(session, &operator.keeper, Event::Finish);
                    shared.finish_smear();
                    operator.keep_result(session)?;
                }
                Action::Next if shared.has_result() => {
                    let view = session.start_next();
                    view.into_iter()
                        .for_each(|view| shared.views.give_back(view));
                    shared.set_on_screen(None);
                    shared.start_next_smear();
                    operator.begin_smear();
                }
                Action::Next | Action::Third => {}
                Action::StepBrightness => operator.display.step_brightness(),
                Action::Stop => ended = true,
                Action::ShutDown => {
                    switches_off = true;
                    ended = true;
                }
            }
        }
        if ended {
            session.step(Event::Stopped);
        }
        let moment = moment_of(session, shared);
        shared.hold(operator.look_at_updates(moment, shared.has_camera()));
        operator.draw(session, shared)?;
        if ended || (session.state() != RunState::Live && !shared.has_result()) {
            break;
        }
    }
    Ok(switches_off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyser::AnalyseSettings;
    use crate::analysis::model::ModelLocation;
    use crate::analysis::settings::AnalysisSettings;
    use crate::camera::{CameraError, ControlSettings};
    use crate::count::CountRules;
    use crate::device::thermal::ThreadsWanted;
    use crate::panel::PanelSettings;
    use crate::quality::QualitySettings;
    use crate::runtime::settings::ScreenSettings;
    use crate::service::is_alive;
    use std::sync::mpsc::channel;

    const LIMIT: Duration = Duration::from_millis(400);
    /// Far more than it takes.
    const MAX_LOOKS: u32 = 600;

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
    fn a_repair_is_told_by_the_mark_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        assert!(!is_card_repaired(&mark));
        std::fs::write(&mark, "").unwrap();
        assert!(is_card_repaired(&mark));
    }

    #[test]
    fn a_camera_that_hangs_is_seen_while_screen_and_network_go_on() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
        let settings = RunSettings {
            is_on_board: false,
            camera: "hung".to_owned(),
            controls: ControlSettings::default(),
            panels: Vec::new(),
            panel: PanelSettings::default(),
            size: None,
            input: InputSettings::default(),
            data: None,
            target_fields: None,
            threads: ThreadsWanted::Auto,
            count_rules: CountRules::default(),
            screen: ScreenSettings::default(),
            analysis: AnalysisSettings {
                model: ModelLocation::Named(model.into()),
                analyser: AnalyseSettings::default(),
                quality: QualitySettings::default(),
                um_per_px: Some(0.1),
                frames_for_estimate: 10,
            },
        };
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let session = Session::new(settings.count_rules, None, scale);
        let analysis = FieldAnalysis::new(&settings.analysis, scale).unwrap();
        let shared = Shared::new((160, 120));
        let (hold, held) = channel();
        let mut hold = Some(hold);
        let mut looks = 0;
        let mut at_the_end = None;
        let mut operator = Operator {
            display: Display::new(ScreenSize::Small, Vec::new()),
            actions: |_: &Session| {
                looks += 1;
                assert!(looks < MAX_LOOKS, "the hung camera was not seen");
                let look = shared.heartbeats.ages();
                if !is_alive(&look, LIMIT) {
                    let [main, capture, analysis] = look;
                    // Another loop may be late once on a busy machine.
                    if is_alive(&[main, None, analysis], LIMIT) {
                        at_the_end = capture;
                        hold = None;
                    }
                }
                hold.is_none().then_some(Action::Stop)
            },
            // Another test of this process raises a signal.
            stop: StopSignal::default(),
            service: Service::from_environment(),
            keeper: RunRecorder::start(None),
            clock: Clock::start(),
            updates: None,
            is_card_repaired: false,
            settings: &settings,
            self_report: String::new(),
            out: &mut io::sink(),
            results: String::new(),
        };
        let source = Box::new(HungCamera(held));
        count_fields(source, analysis, &shared, session, &mut operator).unwrap();
        assert!(at_the_end.is_some_and(|silent| silent > LIMIT));
    }
}

//! How a run begins and ends: screen, camera and network are opened, the threads start, and the
//! main one runs the instrument.
//!
//! Three threads: `capture` owns the camera, `analysis` owns the network, and the main one owns
//! the instrument and draws. The preview goes through a slot of one place that is overwritten;
//! frames to be counted and events go through bounded channels that block, so that nothing counted
//! is ever lost. Frames and images go round ([`channels`](crate::runtime::channels)): once the
//! run has warmed up, no thread takes memory.

use crate::camera::{self, FrameSource, OpenPolicy};
use crate::device::thermal::ThreadPolicy;
use crate::input::{Action, Input, InputSettings};
use crate::panel::ScreenSize;
use crate::panel::{FaultLight, Panel, RetryingPanel};
use crate::quality::FrameAssessor;
use crate::runtime::analysis::{AnalysisEnds, analyse};
use crate::runtime::capture::{Capture, CaptureEnds};
use crate::runtime::channels::{CaptureOrder, CaptureOrders, EVENTS_WAITING, FRAMES, Shared};
use crate::runtime::console::Console;
use crate::runtime::display::Display;
use crate::runtime::field_analysis::FieldAnalysis;
use crate::runtime::main_loop::{TICK, Threads, carry_out, fault_loop, look_around, main_loop};
use crate::runtime::recording::RunRecorder;
use crate::runtime::settings::RunSettings;
use crate::runtime::updates::IpcFiles;
use crate::service::StopSignal;
use crate::session::{Event, KnownScale, Machine, MachineSettings};
use crate::ui::model::Screen;
use crate::ui::presenter::starting_of;
use anyhow::{Context, Result, anyhow};
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a device without a display blinks before the system starts it again.
const BLINKING: Duration = Duration::from_secs(5);

/// Runs the device until its target of fields is counted, the source ends, the operator stops it or
/// the system does; `Ok(false)` when the run was interrupted or something was not counted or not
/// saved. Without a number of fields, the operator finishes a smear and starts the next one.
///
/// Results are written to `out`. With a `refusal`, nothing is counted: the device shows it, and what
/// can be done about it.
///
/// # Errors
/// What keeps the device from running: the refusal, model, camera, panel.
pub fn run(
    settings: &RunSettings,
    refusal: Option<anyhow::Error>,
    out: &mut dyn Write,
) -> Result<bool> {
    let files = IpcFiles::of_system();
    run_with(settings, refusal, files, out, |devices| {
        let mut input = Input::start(devices)?;
        Ok(move |_: &Machine| input.next_action())
    })
}

/// As [`run`], with the files of an updater in `files` and actions from elsewhere: `listen` is
/// given the input devices to listen to, and what it returns is asked for actions again and again.
/// Without a board there is no updater.
///
/// # Errors
/// As for [`run`].
pub fn run_with<A>(
    settings: &RunSettings,
    refusal: Option<anyhow::Error>,
    files: IpcFiles,
    out: &mut dyn Write,
    listen: impl FnOnce(Option<&InputSettings>) -> Result<A>,
) -> Result<bool>
where
    A: FnMut(&Machine) -> Option<Action>,
{
    let source = Source::Named(refusal);
    run_from(settings, source, files, out, listen)
}

/// As [`run_with`], with frames from `source` rather than from the camera that is named.
///
/// # Errors
/// As for [`run`].
pub fn run_on<A>(
    settings: &RunSettings,
    source: Box<dyn FrameSource>,
    files: IpcFiles,
    out: &mut dyn Write,
    listen: impl FnOnce(Option<&InputSettings>) -> Result<A>,
) -> Result<bool>
where
    A: FnMut(&Machine) -> Option<Action>,
{
    run_from(settings, Source::Open(source), files, out, listen)
}

/// Where frames come from.
enum Source {
    /// The camera of the settings, unless the device refuses to count.
    Named(Option<anyhow::Error>),
    Open(Box<dyn FrameSource>),
}

impl Source {
    /// # Errors
    /// The refusal, or a camera that has to be there and is not.
    fn open(self, settings: &RunSettings) -> Result<Box<dyn FrameSource>> {
        let open_policy = if settings.is_on_board {
            OpenPolicy::Wait
        } else {
            OpenPolicy::Require
        };
        match self {
            Self::Named(Some(refusal)) => Err(refusal),
            Self::Named(None) => Ok(camera::open(
                &settings.camera,
                &settings.controls,
                open_policy,
            )?),
            Self::Open(source) => Ok(source),
        }
    }
}

fn run_from<A>(
    settings: &RunSettings,
    source: Source,
    files: IpcFiles,
    out: &mut dyn Write,
    listen: impl FnOnce(Option<&InputSettings>) -> Result<A>,
) -> Result<bool>
where
    A: FnMut(&Machine) -> Option<Action>,
{
    let stop = StopSignal::listen().context("signals cannot be listened for")?;
    // Before the first screen, since it may have something to say.
    let recorder = RunRecorder::start(settings.data.as_deref());
    let size = screen_size(settings);
    let display = open_display(settings, size, &stop)?;
    let actions = listen(display.is_on_device().then_some(&settings.input))?;
    let screen_and_buttons = (display, actions);
    let mut console = Console::new(settings, screen_and_buttons, (stop, recorder), files, out);
    let mut machine = Machine::new(MachineSettings {
        rules: settings.rules,
        target_fields: settings.target_fields,
        is_on_board: settings.is_on_board,
    });
    let shared = Shared::new(size.preview_px());
    let (told, events) = sync_channel(EVENTS_WAITING);
    let (orders, capture_orders) = CaptureOrders::channel();
    let mut threads = Threads {
        shared: &shared,
        orders,
        events,
    };
    let ends = (told, capture_orders);
    let outcome = source
        .open(settings)
        .and_then(|source| count_smears(&mut machine, &mut console, &mut threads, source, ends));
    finish(&mut machine, console, &mut threads, outcome)
}

/// The run is over: what was counted is kept first, whatever became of it; then what stopped a
/// device is shown, and results are written.
fn finish<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    mut console: Console<'_, A>,
    threads: &mut Threads<'_>,
    outcome: Result<()>,
) -> Result<bool> {
    let end = match &outcome {
        Ok(()) => Event::Button(Action::Stop),
        Err(_) => Event::Failed,
    };
    if !machine.phase().is_over() {
        carry_out(machine, &mut console, threads, end)?;
    }
    if let (Err(error), true) = (&outcome, console.settings.is_on_board) {
        console.set_fault(error);
        fault_loop(machine, &mut console, threads)?;
    }
    console.close(machine, outcome)
}

/// The display with its first screen.
fn open_display(settings: &RunSettings, size: ScreenSize, stop: &StopSignal) -> Result<Display> {
    let light = settings.panel.fault_light.as_ref();
    let fault_light = light.map(|name| FaultLight::named(name));
    let panels = match open_panels(settings, size) {
        Ok(panels) => panels,
        Err(error) => {
            blink(fault_light, stop);
            return Err(error);
        }
    };
    let mut display = Display::new(size, panels).with_fault_light(fault_light);
    display.show(&Screen::Starting(starting_of(&settings.screen)))?;
    if let Some(percent) = settings.panel.brightness_percent {
        display.set_brightness(percent);
    }
    Ok(display)
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
            log::error!("{reason}");
            trouble = Some(reason);
        }
        thread::sleep(TICK);
    }
}

/// The size that was named, or else the one that fits a board's display.
fn screen_size(settings: &RunSettings) -> ScreenSize {
    let smallest = ScreenSize::default();
    settings.size.unwrap_or_else(|| {
        let panels = settings.panels.iter().filter(|_| settings.is_on_board);
        let mut displays =
            panels.filter_map(|spec| spec.display_px(&settings.panel, smallest.pixels()));
        displays.next().map_or(smallest, ScreenSize::for_display)
    })
}

/// Opens the panels. One that is not there yet is an error on a desk; a board waits for it.
fn open_panels(settings: &RunSettings, size: ScreenSize) -> Result<Vec<Box<dyn Panel>>> {
    let panels = settings.panels.iter();
    panels
        .map(|spec| {
            if !settings.is_on_board {
                return Ok(spec.open(size, &settings.panel)?);
            }
            let (spec, panel) = (spec.clone(), settings.panel.clone());
            let open = Box::new(move || spec.open(size, &panel));
            Ok(RetryingPanel::open(size.pixels(), open)?)
        })
        .collect()
}

/// The other threads' ends of the channels to the main one.
type OtherEnds = (SyncSender<Event>, Receiver<CaptureOrder>);

/// Opens the network, and counts smear after smear.
fn count_smears<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
    source: Box<dyn FrameSource>,
    ends: OtherEnds,
) -> Result<()> {
    let settings = console.settings;
    let scale = match settings.analysis.um_per_px.or(source.um_per_px()) {
        Some(um_per_px) => KnownScale::Given { um_per_px },
        None => KnownScale::Unknown,
    };
    let analysis = FieldAnalysis::new(&settings.analysis, scale)?;
    console.self_report = analysis.self_report();
    console.count_scatter = analysis.count_scatter();
    machine.set_count_scatter(console.count_scatter);
    if source.knows_fields() {
        machine.count_to_the_end_of_the_source();
    }
    machine.set_training_colours(analysis.training_colours());
    // Before the first frame, so that no field is counted behind a question.
    look_around(machine, console, threads)?;
    carry_out(machine, console, threads, Event::Opened(scale))?;
    count_fields(machine, console, threads, (source, analysis), ends)
}

/// Runs the threads.
fn count_fields<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
    (source, analysis): (Box<dyn FrameSource>, FieldAnalysis),
    (told, orders): OtherEnds,
) -> Result<()> {
    let settings = console.settings;
    let shared = threads.shared;
    let (frames_in, frames_out) = sync_channel(1);
    let (returned_in, returned_out) = sync_channel(FRAMES);
    let capture = Capture::new(
        source,
        FrameAssessor::new(settings.analysis.quality),
        shared,
        CaptureEnds {
            frames: frames_in,
            returned: returned_out,
            orders,
            events: told.clone(),
        },
        threads.orders.last(),
        analysis.rbc_diameter_px(),
    );
    let policy = ThreadPolicy::new(settings.threads);
    let ends = AnalysisEnds {
        frames: frames_out,
        returned: returned_in,
        events: told,
    };
    thread::scope(|scope| {
        let capturing = scope.spawn(move || capture.run());
        let analysing = scope.spawn(move || analyse(analysis, policy, shared, &ends));
        let drawn = main_loop(machine, console, threads);
        shared.stop();
        // Threads that wait to send find nobody there, and end.
        threads.hang_up();
        let captured = capturing.join();
        let analysed = analysing.join();
        drawn?;
        captured.map_err(|_| anyhow!("the camera's thread failed; please report this"))??;
        analysed.map_err(|_| anyhow!("the analysis thread failed; please report this"))??;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyser::AnalyseSettings;
    use crate::analysis::model::ModelLocation;
    use crate::analysis::settings::AnalysisSettings;
    use crate::camera::{CameraError, CapturedFrame};
    use crate::quality::QualitySettings;
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

    fn settings() -> RunSettings {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
        RunSettings {
            is_on_board: false,
            camera: "hung".to_owned(),
            controls: Default::default(),
            panels: Vec::new(),
            panel: Default::default(),
            size: None,
            input: Default::default(),
            data: None,
            target_fields: None,
            threads: Default::default(),
            rules: Default::default(),
            screen: Default::default(),
            analysis: AnalysisSettings {
                model: ModelLocation::Named(model.into()),
                analyser: AnalyseSettings::default(),
                quality: QualitySettings::default(),
                um_per_px: Some(0.1),
                frames_for_estimate: 10,
            },
        }
    }

    #[test]
    fn a_camera_that_hangs_is_seen_while_screen_and_network_go_on() {
        let settings = settings();
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let analysis = FieldAnalysis::new(&settings.analysis, scale).unwrap();
        let shared = Shared::new((160, 120));
        let (hold, held) = channel();
        let mut hold = Some(hold);
        let mut looks = 0;
        let mut at_the_end = None;
        let display = Display::new(ScreenSize::Small, Vec::new());
        let actions = |_: &Machine| {
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
        };
        // Another test of this process raises a signal.
        let stop = StopSignal::default();
        let kept = (stop, RunRecorder::start(None));
        let (files, mut out) = (IpcFiles::of_system(), std::io::sink());
        let mut console = Console::new(&settings, (display, actions), kept, files, &mut out);
        let mut machine = Machine::new(MachineSettings {
            rules: settings.rules,
            target_fields: None,
            is_on_board: false,
        });
        let (told, events) = sync_channel(EVENTS_WAITING);
        let (orders, capture_orders) = CaptureOrders::channel();
        let mut threads = Threads {
            shared: &shared,
            orders,
            events,
        };
        let opened = Event::Opened(scale);
        carry_out(&mut machine, &mut console, &mut threads, opened).unwrap();
        let source: Box<dyn FrameSource> = Box::new(HungCamera(held));
        let ends = (told, capture_orders);
        let parts = (source, analysis);
        count_fields(&mut machine, &mut console, &mut threads, parts, ends).unwrap();
        assert!(at_the_end.is_some_and(|silent| silent > LIMIT));
    }
}

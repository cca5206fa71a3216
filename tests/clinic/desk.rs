//! A microscope to try the whole program on: a drawn smear, somebody who moves it from place to
//! place as the screen asks, and frames that can be made worse on the way.

use clap::Parser;
use hemoscope::camera::simulated::{SimulatedSmear, SmearSettings};
use hemoscope::camera::{Advice, CameraError, CapturedFrame, FrameSource};
use hemoscope::cli::arguments::{Arguments, Command};
use hemoscope::cli::run::prepare;
use hemoscope::image::frame::Frame;
use hemoscope::input::Action;
use hemoscope::runtime::IpcFiles;
use hemoscope::runtime::run::run_on;
use hemoscope::session::Machine;
use hemoscope::session::guidance::Instruction;
use hemoscope::ui::describe;
use hemoscope::ui::presenter::{ScreenContext, ScreenSettings, counting_of};
use std::path::Path;
use std::time::{Duration, Instant};

pub const FRAME_PX: (u32, u32) = (320, 240);
pub const UM_PER_PX: f64 = 0.24;
/// A field of this camera, in micrometres.
pub const FIELD_UM: (f64, f64) = (76.8, 57.6);
/// As of a camera with 50 frames a second.
const FRAME_TIME: Duration = Duration::from_millis(20);
/// Frames from one place to the next.
const MOVING_FRAMES: u32 = 2;
/// Frames before anybody obeys: the screen speaks of the last place for a moment.
const REACTION_FRAMES: u32 = 9;
/// A test that takes longer has been left without a way on.
const TOO_LONG: Duration = Duration::from_secs(40);

/// What is done to each frame between slide and camera, by the place that it shows.
pub type Worsen = fn(&mut SimulatedSmear, usize, &mut Frame);

/// Somebody who moves a smear from place to place.
pub struct Technician {
    smear: SimulatedSmear,
    /// Left upper corners, in micrometres.
    places: Vec<(f64, f64)>,
    place: usize,
    frames: u32,
    /// Frames after which a place is left whatever the screen says.
    patience_frames: u32,
    knows_scale: bool,
    worsen: Option<Worsen>,
    advice: Advice,
    sequence: u64,
    last: Option<Instant>,
}

impl Technician {
    /// Normal blood of a seed.
    pub fn new(seed: u64, places: Vec<(f64, f64)>) -> Self {
        let settings = SmearSettings::normal(FRAME_PX, UM_PER_PX);
        Self {
            smear: SimulatedSmear::new(seed, settings).unwrap(),
            places,
            place: 0,
            frames: 0,
            patience_frames: u32::MAX,
            knows_scale: true,
            worsen: None,
            advice: Advice::Stay,
            sequence: 0,
            last: None,
        }
    }

    /// Under a camera whose scale nobody has told.
    pub fn without_scale(mut self) -> Self {
        self.knows_scale = false;
        self
    }

    /// Gives a place up after so many frames.
    pub fn with_patience(mut self, frames: u32) -> Self {
        self.patience_frames = frames;
        self
    }

    pub fn worsened(mut self, worsen: Worsen) -> Self {
        self.worsen = Some(worsen);
        self
    }

    fn wait_for_turn(&mut self) {
        let due = self.last.map(|last| last + FRAME_TIME);
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        left.into_iter().for_each(std::thread::sleep);
        self.last = Some(Instant::now());
    }
}

impl FrameSource for Technician {
    fn name(&self) -> String {
        "a technician".to_owned()
    }

    fn um_per_px(&self) -> Option<f64> {
        self.knows_scale.then_some(UM_PER_PX)
    }

    fn advise(&mut self, advice: Advice) {
        self.advice = advice;
    }

    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError> {
        let is_sent_on = matches!(
            self.advice,
            Advice::MoveOn | Advice::Thinner | Advice::Denser
        );
        let rested = self.frames.saturating_sub(MOVING_FRAMES);
        if (rested >= REACTION_FRAMES && is_sent_on) || rested >= self.patience_frames {
            self.place += 1;
            self.frames = 0;
            self.advice = Advice::Stay;
        }
        let Some((x_um, y_um)) = self.places.get(self.place).copied() else {
            return Ok(false);
        };
        self.wait_for_turn();
        let left_um = 12.0 * f64::from(MOVING_FRAMES.saturating_sub(self.frames));
        let view = self.smear.view_at(x_um - left_um, y_um);
        let frame = &mut captured.frame;
        self.smear
            .expose_into(&view, 0.0, self.sequence, frame)
            .unwrap();
        if let Some(worsen) = self.worsen {
            worsen(&mut self.smear, self.place, frame);
        }
        captured.sequence = self.sequence;
        captured.field = None;
        captured.truth = Some(self.smear.truth(&view));
        self.frames += 1;
        self.sequence += 1;
        Ok(true)
    }
}

/// Places beside one another that have nothing in common.
pub fn apart(count: usize) -> Vec<(f64, f64)> {
    (0..count)
        .map(|at| {
            let (row, column) = (at / 8, at % 8);
            let step = |side: f64, at: usize| side * 1.2 * at as f64;
            (
                3000.0 + step(FIELD_UM.0, column),
                1000.0 + step(FIELD_UM.1, row),
            )
        })
        .collect()
}

/// What the operator saw of a run.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every instruction, as often as it changed.
    pub told: Vec<Instruction>,
    /// The last counting screen as text.
    pub screen: Vec<String>,
    /// Every line of any screen, once.
    pub lines: Vec<String>,
    pub fields: u32,
    /// What was written at the end.
    pub text: String,
    pub was_whole: bool,
}

/// Runs the whole program on a source; `operator` presses buttons.
pub fn run(
    source: impl FrameSource + 'static,
    data: &Path,
    more: &[&str],
    mut operator: impl FnMut(&Machine) -> Option<Action>,
) -> Seen {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
    let panel = format!("png:{}", data.join("screen.png").display());
    let arguments = ["hemoscope", "run", "--panel", &panel, "--model", model];
    let kept = ["--data", data.to_str().unwrap()];
    let arguments = arguments.iter().chain(&kept).chain(more);
    let Command::Run(arguments) = Arguments::parse_from(arguments).command else {
        panic!("these are the arguments of a run");
    };
    let (settings, _) = prepare(&arguments).unwrap();
    let files = IpcFiles {
        state: data.join("state.json"),
        answer: data.join("answer.json"),
        status: data.join("status.json"),
    };
    let mut out = Vec::new();
    let mut seen = Seen::default();
    let until = Instant::now() + TOO_LONG;
    let mut is_stuck = false;
    let ended = run_on(&settings, Box::new(source), files, &mut out, |_| {
        Ok(|machine: &Machine| {
            seen.look(machine, &settings.screen);
            if Instant::now() > until {
                is_stuck = true;
                return Some(Action::Stop);
            }
            operator(machine)
        })
    });
    // Not in the operator, for whom the threads of the run would wait.
    assert!(!is_stuck, "left without a way on: {seen:#?}");
    seen.was_whole = ended.is_ok_and(|is_whole| is_whole);
    seen.text = String::from_utf8(out).unwrap();
    seen
}

impl Seen {
    fn look(&mut self, machine: &Machine, settings: &ScreenSettings) {
        let told = machine.instruction();
        if self.told.last() != Some(&told) {
            self.told.push(told);
        }
        for shows_buttons in [true, false] {
            let context = ScreenContext {
                shows_buttons,
                ..ScreenContext::default()
            };
            self.screen = describe::of_counting(&counting_of(machine, settings, context));
            for line in &self.screen {
                if !self.lines.contains(line) {
                    self.lines.push(line.clone());
                }
            }
        }
        self.fields = machine.smear().fields();
    }

    /// Whether a line that holds these words was on the screen.
    pub fn showed(&self, words: &str) -> bool {
        self.lines.iter().any(|line| line.contains(words))
    }
}

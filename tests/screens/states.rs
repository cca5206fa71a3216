//! The states of the instrument that the golden screens show. Each is reached by events, and goes
//! to the screen on the way that a run takes.

use crate::field::{FIELD, FIELD_SIZE};
use hemoscope::analysis::scale::ScaleEstimate;
use hemoscope::assessment::FieldColours;
use hemoscope::camera::Unavailable;
use hemoscope::cell::{CellClass, PerClass};
use hemoscope::count::FieldTally;
use hemoscope::input::Action;
use hemoscope::language::{Language, TextId};
use hemoscope::quality::{Brightness, Density, Quality, RejectReason, Verdict};
use hemoscope::record::Timestamp;
use hemoscope::session::smear::{FieldStanding, FrameTally, FrameView, SmearRules};
use hemoscope::session::{Effect, Event, KnownScale, Machine, MachineSettings, SmearEvent};
use hemoscope::ui::model::{Counting, Screen, Starting};
use hemoscope::ui::presenter::{
    Fault, ScreenContext, ScreenSettings, counting_of, screen_context_of, screen_of,
};
use hemoscope::update::{Notes, Offer, Outcome, Problem, ProblemKind, UpdateResult, UpdateState};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Longer than a new page takes no button for.
const LATER: Duration = Duration::from_secs(1);
/// 2026-05-31T14:05:00Z.
const AFTERNOON_UNIX_MS: u64 = 1_780_236_300_000;
const HOUR_MS: u64 = 3_600_000;
const OLD: &str = "0.2.0";
const NEW: &str = "0.3.0";

pub const USABLE: Quality = Quality {
    background_level: 220,
    brightness: Brightness::Good,
    clipped_permille: 0,
    focus_score: 86,
    coverage_permille: 300,
    rim_permille: 0,
    density: Density::Good,
    verdict: Verdict::Usable,
};

/// What the device's clock says, and how far its place is ahead of UTC.
#[derive(Debug, Clone, Copy)]
struct LocalClock {
    unix_ms: Option<u64>,
    utc_offset_minutes: i16,
}

const NOT_SET: LocalClock = LocalClock {
    unix_ms: None,
    utc_offset_minutes: 0,
};
const UTC: LocalClock = LocalClock {
    unix_ms: Some(AFTERNOON_UNIX_MS),
    utc_offset_minutes: 0,
};
/// The same time of day as [`UTC`], two hours ahead of it.
const LOCAL: LocalClock = LocalClock {
    unix_ms: Some(AFTERNOON_UNIX_MS - 2 * HOUR_MS),
    utc_offset_minutes: 120,
};

/// An instrument in some state, with what a run knows besides.
pub struct State {
    machine: Machine,
    now: Instant,
    clock: LocalClock,
    can_switch_off: bool,
    fault: Option<Fault>,
    /// In the order of [`Language::ALL`].
    settings: Vec<ScreenSettings>,
}

impl State {
    /// Before anything is open.
    fn new(target_fields: Option<u32>, sample_id: &str, clock: LocalClock) -> Self {
        Self {
            machine: Machine::new(MachineSettings {
                rules: SmearRules::default(),
                target_fields,
                is_on_board: true,
            }),
            now: Instant::now(),
            clock,
            can_switch_off: false,
            fault: None,
            settings: Language::ALL
                .into_iter()
                .map(|language| ScreenSettings {
                    language,
                    sample_id: sample_id.to_owned(),
                    is_simulated: false,
                    utc_offset_minutes: clock.utc_offset_minutes,
                })
                .collect(),
        }
    }

    /// A smear begins at a known scale, in fields of usual quality.
    fn counting(target_fields: Option<u32>, scale: KnownScale, clock: LocalClock) -> Self {
        Self::new(target_fields, SAMPLE, clock).after(Event::Opened(scale))
    }

    /// Takes an event in; the updater's file is written where that is asked for.
    fn after(mut self, event: Event) -> Self {
        for effect in self.machine.step(event, self.now) {
            if let Effect::AnswerUpdater(answer) = effect {
                let is_written = true;
                let written = Event::AnswerWritten { answer, is_written };
                drop(self.machine.step(written, self.now));
            }
        }
        self
    }

    fn after_smear(self, event: SmearEvent) -> Self {
        let smear = self.machine.smear().number();
        self.after(Event::OfSmear { smear, event })
    }

    /// As many fields as `weights`, each with its part of the cells; the last one is shown.
    fn after_fields(mut self, weights: &[u64], cells: Cells, quality: Quality) -> Self {
        let all: u64 = weights.iter().sum();
        let mut before = 0;
        for (number, weight) in (1..).zip(weights) {
            let part = |total: u32| {
                let up_to = |weight: u64| u64::from(total) * weight / all;
                (up_to(before + weight) - up_to(before)) as u32
            };
            let tally = FieldTally {
                certain: PerClass::from_fn(|class| part(cells.certain(class))),
                uncertain: part(cells.uncertain),
                area_q8: (FIELD_SIZE.0 * FIELD_SIZE.1) as u64 * 256,
                has_clump: cells.has_clump,
            };
            let view = if before + weight == all {
                view(number, quality, true)
            } else {
                Box::default()
            };
            let truth = None;
            self = self.after_smear(SmearEvent::Counted { view, tally, truth });
            before += weight;
        }
        self
    }

    /// Fields that cannot be counted, by reason; none of them is shown for long.
    fn after_rejected(mut self, rejected: &[(RejectReason, u32)]) -> Self {
        for (reason, fields) in rejected {
            for _ in 0..*fields {
                let (view, reason) = (Box::default(), *reason);
                self = self.after_smear(SmearEvent::Rejected { view, reason });
            }
        }
        self
    }

    fn after_no_cells(mut self, fields: u32) -> Self {
        for _ in 0..fields {
            self = self.after_smear(SmearEvent::NoCells(Box::default()));
        }
        self
    }

    /// 82 of 100 frames needed no counting.
    fn after_frames(self) -> Self {
        self.after_smear(SmearEvent::Frames(FrameTally {
            counted: 18,
            unchanged: 82,
            ..FrameTally::default()
        }))
    }

    /// The updater says something, and its page opens.
    fn after_update(self, state: UpdateState) -> Self {
        let mut state = self.after(Event::Update(state)).after(Event::Tick);
        state.now += LATER;
        state
    }

    /// An updater is there, so that the device can be switched off.
    fn with_switch_off(mut self) -> Self {
        self.can_switch_off = true;
        self
    }

    /// The screen, as a run makes it.
    pub fn screen(&self, language: Language) -> Screen<'_> {
        let settings = self.settings(language);
        let fault = self.fault.as_ref();
        let context = self.context(settings);
        match screen_of(&self.machine, settings, CAMERA, fault, context) {
            // The next release draws the same.
            Screen::Starting(starting) => Screen::Starting(Starting {
                version: "0.1.0".to_owned(),
                ..starting
            }),
            screen => screen,
        }
    }

    /// The counting screen, as a run makes it.
    pub fn counting_screen(&self, language: Language) -> Counting<'_> {
        let settings = self.settings(language);
        counting_of(&self.machine, settings, self.context(settings))
    }

    fn settings(&self, language: Language) -> &ScreenSettings {
        let mut all = self.settings.iter();
        all.find(|settings| settings.language == language).unwrap()
    }

    fn context(&self, settings: &ScreenSettings) -> ScreenContext {
        let stamp = Timestamp {
            uptime_ms: 0,
            unix_ms: self.clock.unix_ms.unwrap_or(0),
            clock_set: self.clock.unix_ms.is_some(),
        };
        let notice = self.machine.update_notice();
        let offset = settings.utc_offset_minutes;
        screen_context_of(stamp, offset, notice, self.can_switch_off)
    }
}

const SAMPLE: &str = "HS-0042-K";
const CAMERA: &str = "v4l2:/dev/video0";

/// Cells of a whole smear; of every kind of white cells as many.
#[derive(Debug, Clone, Copy)]
struct Cells {
    rbc: u32,
    wbc: u32,
    plt: u32,
    uncertain: u32,
    /// Platelets lie in clumps in every field.
    has_clump: bool,
}

impl Cells {
    fn certain(&self, class: CellClass) -> u32 {
        match class {
            CellClass::Rbc => self.rbc,
            CellClass::Plt => self.plt,
            _ => self.wbc,
        }
    }
}

/// A usual smear.
const USUAL: Cells = Cells {
    rbc: 5_012,
    wbc: 31,
    plt: 181,
    uncertain: 14,
    has_clump: false,
};

/// The drawn field as a run shows it.
fn view(field: u64, quality: Quality, has_cells: bool) -> Box<FrameView> {
    let (width_px, height_px) = FIELD_SIZE;
    Box::new(FrameView {
        image: FIELD.frame.clone(),
        frame_px: (width_px as u32, height_px as u32),
        frame_number: 0,
        field: Some(field),
        standing: FieldStanding::Open,
        quality,
        is_forced: false,
        is_analysed: has_cells,
        rbc_diameter_q4: 0,
        unexplained_permille: 0,
        colours: FieldColours::default(),
        cells: if has_cells {
            FIELD.cells.clone()
        } else {
            Vec::new()
        },
    })
}

fn estimated() -> KnownScale {
    KnownScale::Estimated(ScaleEstimate {
        um_per_px: 0.123,
        spread: 0.065,
        cells: 180,
        frames: 10,
    })
}

fn normal() -> State {
    State::counting(Some(40), estimated(), NOT_SET)
        .after_rejected(&[(RejectReason::Blurred, 2), (RejectReason::Underexposed, 1)])
        .after_fields(&[1; 26], USUAL, USABLE)
        .after_frames()
}

fn too_few() -> State {
    let quality = Quality {
        focus_score: 35,
        density: Density::Sparse,
        ..USABLE
    };
    let cells = Cells {
        rbc: 164,
        wbc: 1,
        plt: 4,
        uncertain: 2,
        has_clump: false,
    };
    let scale = KnownScale::Given { um_per_px: 0.098 };
    State::counting(Some(40), scale, UTC)
        .after_fields(&[1], cells, quality)
        .after_frames()
}

fn blurred() -> State {
    let quality = Quality {
        focus_score: 12,
        verdict: Verdict::Rejected(RejectReason::Blurred),
        ..USABLE
    };
    State::counting(None, estimated(), NOT_SET)
        .after_rejected(&[
            (RejectReason::Blurred, 12),
            (RejectReason::NotASmear, 3),
            (RejectReason::Underexposed, 1),
        ])
        .after_no_cells(2)
        .after_fields(&[1; 26], USUAL, USABLE)
        .after_frames()
        .after_smear(SmearEvent::Preview(view(27, quality, false)))
}

/// Interrupted, in fields of changing thickness, and with more white cells than there can be.
fn warning() -> State {
    let quality = Quality {
        brightness: Brightness::Bright,
        density: Density::Crowded,
        ..USABLE
    };
    let cells = Cells {
        rbc: 124_312,
        wbc: 14_312,
        plt: 4_488,
        uncertain: 8_214,
        has_clump: false,
    };
    let thin_and_thick = [9, 11].repeat(206);
    State::counting(Some(600), estimated(), NOT_SET)
        .after_rejected(&[(RejectReason::Overexposed, 4)])
        .after_no_cells(31)
        .after_fields(&thin_and_thick, cells, quality)
        .after_frames()
        .after(Event::Button(Action::Stop))
}

/// Platelets that clump, and one white cell too few for a figure.
fn clumps() -> State {
    let cells = Cells {
        wbc: 9,
        has_clump: true,
        ..USUAL
    };
    State::counting(Some(40), estimated(), NOT_SET)
        .after_fields(&[1; 26], cells, USABLE)
        .after_frames()
}

fn finished() -> State {
    let scale = KnownScale::Given { um_per_px: 0.123 };
    State::counting(Some(40), scale, LOCAL)
        .after_rejected(&[(RejectReason::Blurred, 2), (RejectReason::Underexposed, 1)])
        .after_frames()
        .after_fields(&[1; 40], USUAL, USABLE)
        .with_switch_off()
}

fn empty() -> State {
    State::new(None, "", NOT_SET).after(Event::Opened(KnownScale::Unknown))
}

fn no_camera() -> State {
    State::counting(None, KnownScale::Unknown, NOT_SET)
        .after(Event::CameraUnavailable(Unavailable::NotConnected))
        .with_switch_off()
}

fn error() -> State {
    let failed = State::new(None, SAMPLE, NOT_SET).after(Event::Failed);
    State {
        fault: Some(Fault {
            what_happened: "/usr/share/hemoscope/model/model.onnx is damaged or of another \
                            version: its SHA-256 begins with 5f70bf18a086, the manifest's with \
                            9a0364b9e99b; install the model folder again"
                .to_owned(),
            what_to_do: TextId::HelpRestartDevice,
        }),
        ..failed.with_switch_off()
    }
}

/// The states of counting screens and notices, by name.
pub static STATES: LazyLock<Vec<(&'static str, State)>> = LazyLock::new(|| {
    vec![
        ("normal", normal()),
        ("too-few", too_few()),
        ("blurred", blurred()),
        ("warning", warning()),
        ("clumps", clumps()),
        ("finished", finished()),
        ("empty", empty()),
        ("starting", State::new(None, "", NOT_SET)),
        ("no-camera", no_camera()),
        ("error", error()),
    ]
});

fn offer(version: &str, running_version: &str) -> Offer {
    Offer {
        sha256: "5f70bf18a086007016e948b04aed3b82".to_owned(),
        version: version.to_owned(),
        running_version: running_version.to_owned(),
        is_older: version < running_version,
        notes: Notes {
            en: "Platelets in clumps are marked; the light is judged anew; Spanish words corrected"
                .to_owned(),
            ..Notes::default()
        },
    }
}

fn ended(outcome: Outcome, reason: &str) -> UpdateState {
    UpdateState::Ended(UpdateResult {
        from: OLD.to_owned(),
        to: NEW.to_owned(),
        outcome,
        reason: reason.to_owned(),
    })
}

/// An empty smear, over which the updater says something.
pub fn updating(update: UpdateState) -> State {
    State::counting(None, KnownScale::Unknown, UTC).after_update(update)
}

/// The states of pages about an update, by name.
pub static UPDATES: LazyLock<Vec<(&'static str, State)>> = LazyLock::new(|| {
    let confirmed = |update| updating(update).after(Event::Button(Action::Confirm));
    let ready = || UpdateState::ReadyToRestart {
        version: NEW.to_owned(),
    };
    let offered = || UpdateState::Offered(offer(NEW, OLD));
    let installing = UpdateState::Installing {
        version: NEW.to_owned(),
        percent: 100,
    };
    let not_genuine = Problem::new(ProblemKind::NotGenuine, "the signature does not match");
    let no_image = "the camera that was there before gave no picture within 180 s";
    vec![
        (
            "update-copying",
            updating(UpdateState::Copying { percent: 45 }),
        ),
        ("update-checking", updating(UpdateState::Checking)),
        ("update-offered", updating(offered())),
        (
            "update-older",
            confirmed(UpdateState::Offered(offer(OLD, NEW))),
        ),
        ("update-installing", updating(installing)),
        ("update-ready", updating(ready())),
        ("update-answered", confirmed(offered())),
        ("update-restarting", confirmed(ready())),
        (
            "update-refused",
            updating(UpdateState::Refused(not_genuine)),
        ),
        ("update-kept", updating(ended(Outcome::Confirmed, ""))),
        (
            "update-rolled-back",
            updating(ended(Outcome::RolledBack, no_image)),
        ),
        ("update-recovery", updating(UpdateState::Recovery)),
    ]
});

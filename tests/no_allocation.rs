//! The run's loop takes no memory once it has warmed up: every stage is run on many frames under
//! an allocator that counts.

use hemoscope::analysis::analyser::{
    AnalyseError, AnalyseSettings, Analyser, AnalysisStage, FieldCells, StageObserver,
};
use hemoscope::analysis::model::ModelLocation;
use hemoscope::analysis::settings::AnalysisSettings;
use hemoscope::camera::CapturedFrame;
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::camera::stage_watch::{StageState, StageWatch};
use hemoscope::count::FieldTally;
use hemoscope::image::frame::Frame;
use hemoscope::panel::MemoryPanel;
use hemoscope::panel::ScreenSize;
use hemoscope::quality::{FrameAssessor, QualitySettings};
use hemoscope::record::Timestamp;
use hemoscope::runtime::channels::{FieldFrame, Shared};
use hemoscope::runtime::display::Display;
use hemoscope::runtime::field_analysis::FieldAnalysis;
use hemoscope::session::guidance::Notice;
use hemoscope::session::smear::{FrameTally, FrameView, SmearRules};
use hemoscope::session::{Effect, Event, KnownScale, Machine, MachineSettings, SmearEvent};
use hemoscope::ui::model::Screen;
use hemoscope::ui::presenter::{ScreenSettings, counting_of, screen_context_of};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

#[path = "no_allocation/allocations.rs"]
mod allocations;

use allocations::{ALLOCATIONS, BYTES};

const UM_PER_PX: f64 = 0.12;
const RBC_DIAMETER_UM: f64 = 7.5;
const RBC_DIAMETER_PX: f64 = RBC_DIAMETER_UM / UM_PER_PX;
const FIELDS: u64 = 6;
const MEASURED_ROUNDS: u64 = 3;
/// 2026-05-31T07:00:00Z.
const MORNING_UNIX_MS: u64 = 1_780_210_800_000;

/// Allocations by stage.
#[derive(Default)]
struct Stages(BTreeMap<&'static str, u64>);

impl Stages {
    fn count<T>(&mut self, stage: &'static str, act: impl FnOnce() -> T) -> T {
        let taken = self.0.entry(stage).or_default();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let result = act();
        *taken += ALLOCATIONS.load(Ordering::Relaxed) - before;
        result
    }

    /// Forgets what was counted; the stages' names stay.
    fn reset(&mut self) {
        self.0.values_mut().for_each(|taken| *taken = 0);
    }

    fn assert_none(&self) {
        let wrong: Vec<_> = self.0.iter().filter(|(_, taken)| **taken > 0).collect();
        assert!(wrong.is_empty(), "allocations by stage: {wrong:?}");
    }
}

impl StageObserver for Stages {
    fn run(
        &mut self,
        stage: AnalysisStage,
        work: impl FnOnce() -> Result<(), AnalyseError>,
    ) -> Result<(), AnalyseError> {
        let name = match stage {
            AnalysisStage::Prepare => "prepare",
            AnalysisStage::Network => "network",
            AnalysisStage::Detect => "detect",
        };
        self.count(name, work)
    }
}

fn model() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet"))
}

fn analysis_settings() -> AnalysisSettings {
    AnalysisSettings {
        model: ModelLocation::Named(model().to_owned()),
        analyser: AnalyseSettings::default(),
        quality: QualitySettings::default(),
        um_per_px: Some(UM_PER_PX),
        frames_for_estimate: 1,
    }
}

fn captured_fields() -> Vec<CapturedFrame> {
    let slide = SimulatedSlide::new(7, SimulatedSlideSettings::default()).unwrap();
    (0..FIELDS)
        .map(|field| {
            let (frame, truth) = slide.field(field);
            CapturedFrame {
                frame,
                truth: Some(truth),
                field: Some(field),
                ..CapturedFrame::default()
            }
        })
        .collect()
}

/// The analysis of the network's thread, each stage on its own.
struct Pipeline {
    analyser: Analyser,
    found: FieldCells,
}

impl Pipeline {
    fn new(settings: &AnalysisSettings, threads: usize) -> Self {
        let network = settings.model.load().unwrap();
        let mut analyser = Analyser::new(network, settings.analyser.clone());
        analyser.set_threads(threads);
        Self {
            analyser,
            found: FieldCells::default(),
        }
    }

    fn run(&mut self, frame: &Frame, stages: &mut Stages) {
        let Self { analyser, found } = self;
        analyser
            .analyse_observed(frame, UM_PER_PX, found, stages)
            .unwrap();
        assert!(!found.cells.is_empty());
        let tally = stages.count("tally", || {
            FieldTally::from_cells(&found.cells, found.border.counted_area_q8())
        });
        assert!(tally.certain.values().sum::<u32>() > 0);
    }
}

/// The loop of a run, on one thread.
struct Loop {
    screen: ScreenSettings,
    shared: Shared,
    machine: Machine,
    display: Display,
    analysis: FieldAnalysis,
    watch: StageWatch,
    assessor: FrameAssessor,
    next_field: u64,
}

impl Loop {
    fn new(settings: &AnalysisSettings, size: ScreenSize, threads: usize) -> Self {
        let scale = KnownScale::Given {
            um_per_px: UM_PER_PX,
        };
        let mut analysis = FieldAnalysis::new(settings, scale).unwrap();
        analysis.set_threads(threads);
        let mut machine = Machine::new(MachineSettings {
            rules: SmearRules::default(),
            target_fields: None,
            is_on_board: true,
        });
        drop(machine.step(Event::Opened(scale), Instant::now()));
        Self {
            screen: ScreenSettings::default(),
            shared: Shared::new(size.preview_px()),
            machine,
            display: Display::new(size, vec![Box::new(MemoryPanel::new(size.canvas()))]),
            analysis,
            watch: StageWatch::default(),
            assessor: FrameAssessor::new(QualitySettings::default()),
            next_field: 0,
        }
    }

    fn step(&mut self, event: SmearEvent, stages: &mut Stages) {
        stages.count("session", || {
            take(&mut self.machine, &self.shared, event);
        });
    }

    /// Every field takes a minute, while an update is installed.
    fn draw(&mut self, stages: &mut Stages) {
        let notice = Notice::UpdateInstalling {
            percent: self.next_field as u8,
        };
        let stamp = Timestamp {
            uptime_ms: self.next_field * 1000,
            unix_ms: MORNING_UNIX_MS + self.next_field * 60_000,
            clock_set: true,
        };
        stages.count("screen", || {
            let context = screen_context_of(stamp, 0, Some(notice), true);
            let counting = counting_of(&self.machine, &self.screen, context);
            self.display.show(&Screen::Counting(counting)).unwrap();
        });
    }

    /// Everything that becomes of a frame; gives its box back.
    fn run(&mut self, captured: Box<CapturedFrame>, stages: &mut Stages) -> Box<CapturedFrame> {
        let frame = &captured.frame;
        // Twice, so that the stage is seen moving and then at rest.
        let states = stages.count("watch", || {
            [(); 2].map(|()| self.watch.observe(frame, |_| false))
        });
        assert!(matches!(states[1], StageState::Resting { .. }));
        let quality = stages.count("judge", || {
            self.assessor.assess(frame, Some(RBC_DIAMETER_PX as u32))
        });
        let view = stages.count("preview", || self.shared.views.view(frame, None, quality));
        self.step(SmearEvent::Preview(view), stages);
        self.draw(stages);

        let field = self.next_field;
        self.next_field += 1;
        let frame = FieldFrame {
            captured,
            number: field,
            field,
            quality,
            older: Default::default(),
            is_forced: false,
            smear: 0,
            frames: FrameTally {
                moving: field,
                ..FrameTally::default()
            },
        };
        stages.count("field analysis", || {
            self.analysis.take(&frame, &self.shared.views).unwrap();
        });
        let machine = &mut self.machine;
        stages.count("session", || {
            for event in self.analysis.events() {
                take(machine, &self.shared, event);
            }
        });
        assert_eq!(u64::from(self.machine.smear().fields()), self.next_field);
        self.draw(stages);
        frame.captured
    }
}

/// Has the instrument take an event in, as the main loop does.
fn take(machine: &mut Machine, shared: &Shared, event: SmearEvent) {
    let event = Event::OfSmear { smear: 0, event };
    for effect in machine.step(event, Instant::now()) {
        if let Effect::Discard(view) = effect {
            shared.views.give_back(view);
        }
    }
}

/// One test, so that no other one allocates beside it.
#[test]
fn nothing_is_allocated_once_the_run_has_warmed_up() {
    let settings = analysis_settings();
    let mut fields = captured_fields();
    let taken = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(taken > 0, "allocations are not counted");
    for (size, threads) in ScreenSize::ALL.into_iter().zip([1, 2, 1]) {
        let mut stages = Stages::default();
        let mut pipeline = Pipeline::new(&settings, threads);
        let mut run = Loop::new(&settings, size, threads);
        for round in 0..=MEASURED_ROUNDS {
            if round == 1 {
                stages.reset();
            }
            for field in &mut fields {
                pipeline.run(&field.frame, &mut stages);
                let captured = Box::new(std::mem::take(field));
                *field = *run.run(captured, &mut stages);
            }
        }
        stages.assert_none();
    }
    a_large_frame_is_shown_without_a_copy_of_it();
}

/// The largest camera: its preview must not cost memory in proportion.
fn a_large_frame_is_shown_without_a_copy_of_it() {
    const SMALL_BYTES: u64 = 4096;
    let frame = Frame::filled(4056, 3040, [220, 190, 200]).unwrap();
    let shared = Shared::new(ScreenSize::Large.preview_px());
    let quality = FrameView::default().quality;
    let mut watch = StageWatch::default();
    let before = BYTES.load(Ordering::Relaxed);
    watch.observe(&frame, |_| false);
    let view = shared.views.view(&frame, None, quality);
    shared.views.give_back(view);
    let taken_bytes = BYTES.load(Ordering::Relaxed) - before;
    assert!(taken_bytes < SMALL_BYTES, "{taken_bytes} bytes");
}

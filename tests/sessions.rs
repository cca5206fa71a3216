//! Whole sessions through the whole program, with figures for docs/statistics.md. They take minutes;
//! `make sessions` runs them:
//!
//! ```sh
//! HEMOSCOPE_SESSIONS=40 cargo test --test sessions -- --ignored --nocapture --test-threads 1
//! ```

use clap::Parser;
use hemoscope::assessment::Finding;
use hemoscope::camera::hand::{Hand, HandCamera};
use hemoscope::camera::simulated::{SimulatedSmear, SmearSettings};
use hemoscope::cell::CellClass;
use hemoscope::cli::arguments::{Arguments, Command};
use hemoscope::cli::run::prepare;
use hemoscope::random::Random;
use hemoscope::runtime::IpcFiles;
use hemoscope::runtime::run::run_on;
use hemoscope::session::Machine;
use std::time::Duration;

const FRAME_PX: (u32, u32) = (320, 240);
const UM_PER_PX: f64 = 0.24;
/// Eight frames, after which a hand obeys, are longer than the screen takes to say something new.
const FRAME_INTERVAL: Duration = Duration::from_millis(16);
const PATIENCE_FRAMES: u32 = 60;
/// Platelets to 1000 red cells of the slide.
const TRUE_RATIO: f64 = 1000.0 * 36.0 / 714.0;
const DEFAULT_SESSIONS: u32 = 40;

fn sessions() -> u32 {
    let wanted = std::env::var("HEMOSCOPE_SESSIONS").ok();
    wanted.map_or(DEFAULT_SESSIONS, |wanted| wanted.parse().unwrap())
}

/// What a session said of the platelets.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    fields: u32,
    /// Low end, value and high end, where there is a figure.
    ratio: Option<[f64; 3]>,
    /// "At least", or no result.
    do_platelets_clump: bool,
}

impl Said {
    fn by(machine: &Machine) -> Self {
        let smear = machine.smear();
        let ratio = smear.summary().class(CellClass::Plt).per_1000_rbc;
        let ids = smear.assessment().findings();
        let is_clumped = |id: &str| id == "platelets_clump";
        Self {
            fields: smear.fields(),
            ratio: ratio.and_then(Result::ok).map(|figure| {
                let interval = figure.interval();
                [interval.low, figure.value(), interval.high]
            }),
            do_platelets_clump: ids.map(Finding::id).any(is_clumped),
        }
    }

    fn holds(&self, ratio: f64) -> bool {
        self.ratio
            .is_some_and(|[low, _, high]| (low..=high).contains(&ratio))
    }
}

/// One session of so many places on a smear, with nobody at the buttons.
fn session(seed: u64, places: u64, settings: SmearSettings) -> Said {
    let data = tempfile::tempdir().unwrap();
    let smear = SimulatedSmear::new(seed, settings).unwrap();
    let camera = HandCamera::new(smear, Hand::Careful, seed)
        .with_frame_interval(FRAME_INTERVAL)
        .with_stops(places, PATIENCE_FRAMES);
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
    let panel = format!("png:{}", data.path().join("screen.png").display());
    let arguments = ["hemoscope", "run", "--panel", &panel, "--model", model];
    let Command::Run(arguments) = Arguments::parse_from(arguments).command else {
        panic!("these are the arguments of a run");
    };
    let (settings, _) = prepare(&arguments).unwrap();
    let files = IpcFiles {
        state: data.path().join("state.json"),
        answer: data.path().join("answer.json"),
        status: data.path().join("status.json"),
    };
    let mut said = Said::default();
    let mut out = Vec::new();
    let source = Box::new(camera);
    let ended = run_on(&settings, source, files, &mut out, |_| {
        Ok(|machine: &Machine| {
            said = Said::by(machine);
            None
        })
    });
    // A result that is withheld is one, too.
    assert!(ended.is_ok(), "{ended:?}");
    said
}

#[test]
#[ignore = "takes minutes"]
fn intervals_of_whole_sessions_hold_the_ratio_of_the_slide() {
    let sessions = sessions();
    let mut random = Random::new(71);
    let (mut held, mut ratio, mut width, mut fields) = (0, 0.0, 0.0, 0);
    for seed in 0..sessions {
        let places = random.within(15, 40) as u64;
        let mut settings = SmearSettings::normal(FRAME_PX, UM_PER_PX);
        settings.index_of_dispersion[CellClass::Plt] = random.between(1.0, 3.0);
        let said = session(1000 + u64::from(seed), places, settings);
        let [low, value, high] = said.ratio.expect("a figure of the platelets");
        held += u32::from(said.holds(TRUE_RATIO));
        ratio += value / f64::from(sessions);
        width += (high - low) / value / 2.0 / f64::from(sessions);
        fields += said.fields;
        println!(
            "{seed}: {} fields, {low:.1} {value:.1} {high:.1}",
            said.fields
        );
    }
    println!(
        "{held} of {sessions} intervals hold {TRUE_RATIO:.1}; mean ratio {ratio:.1}, half width \
         {:.0} %, {fields} fields",
        100.0 * width
    );
    assert!(held * 100 >= sessions * 91, "{held} of {sessions}");
}

#[test]
#[ignore = "takes minutes"]
fn clumped_platelets_are_told_and_loose_ones_are_not() {
    let sessions = sessions() / 2;
    let told_of = |clumping: f64| {
        let told = (0..sessions).map(|seed| {
            let mut settings = SmearSettings::normal(FRAME_PX, UM_PER_PX);
            settings.slide.platelet_clumping = clumping;
            session(3000 + u64::from(seed), 20, settings).do_platelets_clump
        });
        told.filter(|told| *told).count() as u32
    };
    let [none, few, most] = [0.0, 0.1, 0.6].map(told_of);
    println!(
        "of {sessions} sessions each, told to clump: {none} where none do, {few} where a tenth \
         does, {most} where six tenths do"
    );
    assert!(most * 100 >= sessions * 95, "{most} of {sessions}");
    assert!(none * 100 <= sessions * 2, "{none} of {sessions}");
}

//! What goes wrong in a clinic, each as the technician meets it, through the whole program: a drawn
//! smear, somebody who moves it as the screen asks, buttons, and what stands on the screen.
//!
//! Files whose numbers were changed together with their checksums are not found yet: a chain of
//! hashes over the lines comes with the next format of records.

#[path = "clinic/desk.rs"]
mod desk;

use desk::{FIELD_UM, Technician, UM_PER_PX, apart, run};
use hemoscope::camera::simulated::SimulatedSmear;
use hemoscope::cell::{BoundingBox, Cell, CellClass, PerClass};
use hemoscope::count::{CountRules, FieldTally, SmearTally};
use hemoscope::image::frame::Frame;
use hemoscope::input::Action;
use hemoscope::language::Language;
use hemoscope::panel::ScreenSize;
use hemoscope::random::Random;
use hemoscope::record::archive::{self, SmearState};
use hemoscope::record::{
    EndReason, FieldOutcome, FieldRecord, RECORDS_FORMAT, Recorder, SmearStarted, records_folder,
};
use hemoscope::runtime::recording::RunRecorder;
use hemoscope::session::guidance::{Instruction, Notice};
use hemoscope::session::smear::{FrameView, SmearRules};
use hemoscope::session::{Event, KnownScale, Machine, MachineSettings, Phase, SmearEvent};
use hemoscope::ui::font::Role;
use hemoscope::ui::model::Screen;
use hemoscope::ui::presenter::{ScreenContext, ScreenSettings, counting_of};
use hemoscope::ui::scene::Element;
use hemoscope::ui::screen::compose;
use hemoscope::ui::wording;
use std::time::{Duration, Instant};

/// Nobody presses anything.
fn nobody(_: &Machine) -> Option<Action> {
    None
}

/// Row a: what made platelets vanish is refused whole, with the word for it.
#[test]
fn a_thick_dim_or_soft_fields_are_refused_and_say_why() {
    let cases: [(&str, desk::Worsen, &str); 3] = [
        ("thick", lay_four_over_each_other, "Too thick"),
        ("dim", dim, "Too dark"),
        ("soft", soften, "focus"),
    ];
    for (name, worsen, words) in cases {
        let data = tempfile::tempdir().unwrap();
        let technician = Technician::new(5, apart(3)).with_patience(14);
        let seen = run(technician.worsened(worsen), data.path(), &[], nobody);
        let rejected = seen.text.contains("3 fields rejected");
        assert!(seen.fields == 0 && rejected, "{name}: {}", seen.text);
        assert!(seen.showed(words), "{name}: {:?}", seen.lines);
        assert!(!seen.was_whole, "{name}");
    }
}

/// Three more fields of the same smear, multiplied: their absorptions add up.
fn lay_four_over_each_other(smear: &mut SimulatedSmear, place: usize, frame: &mut Frame) {
    for at in 3 * place..3 * place + 3 {
        let view = smear.view_at(5000.0 + 200.0 * at as f64, 3000.0);
        let other = smear.expose(&view, 0.0, 0).unwrap();
        for (level, other) in frame.rgb_mut().iter_mut().zip(other.rgb()) {
            // Against the glass, which stays as bright as it is.
            let glass = 225;
            *level = (u32::from(*level) * u32::from(*other) / glass).min(255) as u8;
        }
    }
}

fn dim(_: &mut SimulatedSmear, _: usize, frame: &mut Frame) {
    for level in frame.rgb_mut() {
        *level = (u32::from(*level) * 42 / 100) as u8;
    }
}

/// A Gaussian of 1/16 of a red cell, as three boxes each way.
fn soften(_: &mut SimulatedSmear, _: usize, frame: &mut Frame) {
    let sigma_px = 7.5 / UM_PER_PX / 16.0;
    // Three boxes of 2 r + 1 pixels have the variance r (r + 1).
    let radius = libm::round((libm::sqrt(1.0 + 4.0 * sigma_px * sigma_px) - 1.0) / 2.0) as usize;
    let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
    for _ in 0..3 {
        for (step, lines, length) in [(3, height, width), (3 * width, width, height)] {
            let across = if step == 3 { 3 * width } else { 3 };
            for line in 0..lines {
                for channel in 0..3 {
                    let start = line * across + channel;
                    box_blur(frame.rgb_mut(), start, step, length, radius);
                }
            }
        }
    }
}

fn box_blur(levels: &mut [u8], start: usize, step: usize, length: usize, radius: usize) {
    let line: Vec<u32> = (0..length)
        .map(|at| u32::from(levels[start + at * step]))
        .collect();
    for at in 0..length {
        let part = &line[at.saturating_sub(radius)..(at + radius + 1).min(length)];
        levels[start + at * step] = (part.iter().sum::<u32>() / part.len() as u32) as u8;
    }
}

/// An eyepiece leaves a round field in the frame: its rim is no darkness and no cell.
#[test]
fn a_round_rim_is_left_out_and_said() {
    let data = tempfile::tempdir().unwrap();
    let technician = Technician::new(15, apart(3)).worsened(look_through_an_eyepiece);
    let seen = run(technician, data.path(), &[], |machine| {
        (machine.smear().fields() == 3).then_some(Action::Stop)
    });
    assert_eq!(seen.fields, 3, "{}", seen.text);
    assert!(seen.showed("Dark rim: left out"), "{:?}", seen.lines);
    assert!(!seen.text.contains("rejected"), "{}", seen.text);
}

fn look_through_an_eyepiece(_: &mut SimulatedSmear, _: usize, frame: &mut Frame) {
    let (width_px, height_px) = (frame.width_px() as i32, frame.height_px() as i32);
    let radius_px = height_px / 2 - 4;
    for (at, pixel) in (0..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
        let (x_px, y_px) = (at % width_px - width_px / 2, at / width_px - height_px / 2);
        if x_px * x_px + y_px * y_px > radius_px * radius_px {
            pixel.copy_from_slice(&[12, 10, 9]);
        }
    }
}

/// Row b: a new device knows no scale, and each field that it takes is said and sent on.
#[test]
fn b_a_new_device_takes_fields_for_its_scale_and_asks_for_the_next() {
    let data = tempfile::tempdir().unwrap();
    let technician = Technician::new(6, apart(5)).without_scale();
    // The estimate itself takes its time.
    let mut taken = 0;
    let seen = run(technician, data.path(), &[], |machine| {
        taken = machine
            .smear()
            .taken_for_scale()
            .map_or(taken, |(taken, _)| taken);
        (taken == 4).then_some(Action::Stop)
    });
    assert_eq!(taken, 4);
    assert!(seen.showed("Taken 3 of 10"), "{:?}", seen.lines);
    // The technician goes to the next place only when sent there.
    assert!(
        seen.told.contains(&Instruction::NextField),
        "{:?}",
        seen.told
    );
}

/// Row c: moved by less than half a field, or back: in words, and with a way on.
#[test]
fn c_a_place_that_was_counted_before_is_said_and_left() {
    let (x_um, y_um) = (3000.0, 1000.0);
    let right = |fields: f64| (x_um + fields * FIELD_UM.0, y_um);
    // The third place shows more than half of the second.
    let places = vec![right(0.0), right(1.2), right(1.6), right(0.0), right(3.0)];
    let data = tempfile::tempdir().unwrap();
    let seen = run(Technician::new(7, places), data.path(), &[], nobody);
    assert!(
        seen.told.contains(&Instruction::CountedBefore),
        "{:?}",
        seen.told
    );
    assert!(seen.showed("Counted before"), "{:?}", seen.lines);
    // Neither of the two places that were counted before adds one.
    assert_eq!(seen.fields, 3, "{:?}", seen.told);
}

/// Row d: a second pass over the same places adds nothing, however long ago the first was.
#[test]
fn d_a_second_pass_over_the_same_places_adds_no_field() {
    let mut places = apart(8);
    places.extend(apart(8));
    let data = tempfile::tempdir().unwrap();
    let seen = run(Technician::new(8, places), data.path(), &[], nobody);
    assert_eq!(seen.fields, 8, "{:?}", seen.told);
}

/// Row e: the slide that still lies there is no field of the next smear.
#[test]
fn e_the_last_field_of_a_smear_is_not_the_first_of_the_next() {
    let data = tempfile::tempdir().unwrap();
    let technician = Technician::new(9, apart(2));
    let mut fields = Vec::new();
    let mut next_since = None;
    let seen = run(technician, data.path(), &[], |machine| {
        let now = Instant::now();
        let smear = machine.smear();
        match machine.phase() {
            Phase::Counting if smear.number() == 0 && smear.fields() == 2 => Some(Action::Confirm),
            Phase::FinishQuestion | Phase::Result if !machine.is_guarded(now) => {
                Some(Action::Confirm)
            }
            _ if smear.number() == 1 => {
                let since = *next_since.get_or_insert(now);
                fields.push((machine.instruction(), smear.fields()));
                (now - since > Duration::from_millis(900)).then_some(Action::Stop)
            }
            _ => None,
        }
    });
    assert!(
        fields.iter().all(|(_, fields)| *fields == 0),
        "{fields:?} {:?}",
        seen.told
    );
    let is_told = fields
        .iter()
        .any(|(told, _)| *told == Instruction::CountedBefore);
    assert!(is_told, "{:?}", seen.told);
}

/// Row f: a touch at the first field ends nothing, and the screen says what a button does.
#[test]
fn f_one_touch_at_the_first_field_is_asked_about() {
    let data = tempfile::tempdir().unwrap();
    let (mut presses, mut has_ended) = (0, false);
    let seen = run(Technician::new(10, apart(3)), data.path(), &[], |machine| {
        has_ended |= machine.phase() == Phase::Result;
        match (machine.phase(), presses) {
            (Phase::Counting, 0) => {
                presses += 1;
                Some(Action::Confirm)
            }
            // The finger is still there.
            (Phase::FinishQuestion, 1) => {
                presses += 1;
                Some(Action::Confirm)
            }
            (Phase::FinishQuestion, _) if !machine.is_guarded(Instant::now()) => {
                Some(Action::Cancel)
            }
            _ => None,
        }
    });
    assert!(
        seen.told.contains(&Instruction::ConfirmFinish),
        "{:?}",
        seen.told
    );
    assert!(seen.showed("Press once more"), "{:?}", seen.lines);
    assert!(seen.showed("Button 1: end smear"), "{:?}", seen.lines);
    assert!(!has_ended);
    assert_eq!(seen.fields, 3, "counting went on");
}

/// A machine with so many fields of normal blood.
fn counted(fields: u32, now: Instant) -> Machine {
    let mut machine = Machine::new(MachineSettings {
        rules: SmearRules::default(),
        target_fields: None,
        is_on_board: true,
    });
    drop(machine.step(Event::Opened(KnownScale::Given { um_per_px: 0.12 }), now));
    for field in 0..fields {
        let cell = Cell {
            best_class: Some(CellClass::Rbc),
            certain: true,
            bounds: BoundingBox {
                x0_q4: 100,
                y0_q4: 100,
                x1_q4: 1100,
                y1_q4: 1100,
            },
            confidence_e4: 9900,
            counted: true,
        };
        let event = SmearEvent::Counted {
            view: Box::new(FrameView {
                field: Some(u64::from(field)),
                is_analysed: true,
                cells: vec![cell],
                ..FrameView::default()
            }),
            tally: FieldTally {
                certain: PerClass::from([
                    (CellClass::Rbc, 193),
                    (CellClass::Plt, 7 + field % 2),
                    (CellClass::Wbc, u32::from(field % 4 == 0)),
                ]),
                uncertain: 0,
                area_q8: 1_000_000,
                has_clump: false,
            },
            truth: None,
        };
        drop(machine.step(Event::OfSmear { smear: 0, event }, now));
    }
    machine
}

/// Row g: the largest numbers are ratios with their level; no count could be read as one of blood.
#[test]
fn g_no_count_of_cells_looks_like_a_count_of_blood() {
    let now = Instant::now();
    let machine = counted(26, now);
    let settings = ScreenSettings::default();
    for size in ScreenSize::ALL {
        let counting = counting_of(&machine, &settings, ScreenContext::default());
        let scene = compose(&Screen::Counting(counting), size);
        let lines = scene.elements().iter().filter_map(|element| match element {
            Element::Text(line) => Some(line),
            _ => None,
        });
        let lines: Vec<_> = lines.collect();
        let largest = lines.iter().filter(|line| line.style.role == Role::Number);
        let largest: Vec<_> = largest.map(|line| line.text.as_str()).collect();
        // 195 and too few white cells of 5018 red ones.
        assert_eq!(largest, ["39", "--"], "{size}");
        let says = |words: &str| lines.iter().any(|line| line.text == words);
        for words in ["per 1000 RBC", "n 195 cells", "n 5018 cells"] {
            assert!(says(words), "{size}: no {words}");
        }
        for bare in ["195", "5018"] {
            assert!(!says(bare), "{size}: {bare} stands alone");
        }
    }
}

/// Row h: a scale that the cells do not fit withholds the result.
#[test]
fn h_a_scale_that_is_a_third_off_gives_no_result() {
    let data = tempfile::tempdir().unwrap();
    let scale = (UM_PER_PX * 0.63).to_string();
    let technician = Technician::new(12, apart(10)).with_patience(40);
    let seen = run(technician, data.path(), &["--um-per-px", &scale], nobody);
    assert!(!seen.was_whole, "{}", seen.text);
    assert!(seen.showed("check objective"), "{:?}", seen.lines);
    let shown = seen.screen.join("\n");
    assert!(!shown.contains("per 1000 RBC"), "{shown}");
}

/// Row i: a drawn slide says so on the screen, in the table and in the record.
#[test]
fn i_a_drawn_slide_is_never_taken_for_blood() {
    let data = tempfile::tempdir().unwrap();
    // No camera is named.
    let seen = run(Technician::new(13, apart(2)), data.path(), &[], nobody);
    assert!(seen.showed("SIMULATED"), "{:?}", seen.lines);
    assert!(seen.text.contains("SIMULATED"), "{}", seen.text);
    let folder = records_folder(data.path());
    let files = archive::list(&folder).unwrap();
    let smear = archive::read(1, &files[&1]).unwrap();
    assert!(smear.started.unwrap().is_simulated);
    let named = ["--camera", "v4l2"];
    let seen = run(Technician::new(13, apart(1)), data.path(), &named, nobody);
    assert!(!seen.showed("SIMULATED"), "{:?}", seen.lines);
}

/// Row j, as far as it is about what is kept: a program that was killed leaves its fields, and the
/// next start says so. They cannot be continued yet.
#[test]
fn j_what_a_killed_run_has_counted_is_kept_and_told() {
    let data = tempfile::tempdir().unwrap();
    let (recorder, notes) = Recorder::start(data.path().to_owned());
    assert_eq!(notes, Vec::<String>::new());
    recorder.begin(SmearStarted {
        format: RECORDS_FORMAT,
        counted_by: "a test".to_owned(),
        sample: "A0147-K".to_owned(),
        target_fields: None,
        is_simulated: false,
        count_scatter: PerClass::default(),
    });
    for field in 0..12 {
        recorder.field(FieldRecord {
            field: Some(field),
            outcome: FieldOutcome::Counted,
            certain: PerClass::from([(CellClass::Rbc, 30)]),
            uncertain: 0,
            area_q8: 1_000_000,
            has_clump: false,
            is_forced: false,
            um_per_px: Some(0.12),
            um_per_px_estimated: false,
            focus_score: 80,
            background_level: 210,
            lost_before: 0,
        });
    }
    // Without an end, as a power cut leaves it.
    recorder.close(Duration::from_secs(10));
    for told in [Some(12), None] {
        let recorder = RunRecorder::start(Some(data.path()));
        assert_eq!(recorder.interrupted_fields(), told);
        let said = recorder.interrupted_fields().map(|fields| {
            let notice = Notice::SmearInterrupted { fields };
            wording::notice(notice, Language::English).to_string()
        });
        let expected = told.map(|_| "Interrupted smear: 12 fields kept".to_owned());
        assert_eq!(said, expected, "once");
        recorder.close();
    }
    let files = archive::list(&records_folder(data.path())).unwrap();
    let smear = archive::read(1, &files[&1]).unwrap();
    assert_eq!(smear.state, SmearState::Interrupted);
    assert_ne!(smear.state, SmearState::Ended(EndReason::Finished));
    let kept = (smear.totals.fields, smear.totals.certain[CellClass::Rbc]);
    assert_eq!((kept, smear.faults.len()), ((12, 360), 0));
}

/// Row l: intervals hold the slide's ratio although its fields differ by more than chance.
#[test]
fn l_an_interval_holds_the_ratio_of_an_uneven_slide() {
    const SESSIONS: u32 = 600;
    const PLT_PER_FIELD: f64 = 5.0;
    let rules = CountRules::default();
    for (seed, index) in [(1, 1.3), (2, 2.0), (3, 3.0)] {
        let mut random = Random::new(seed);
        let mut held = 0;
        for _ in 0..SESSIONS {
            let mut smear = SmearTally::default();
            for _ in 0..random.within(15, 60) {
                let plt = draw_uneven(PLT_PER_FIELD, index, &mut random);
                let field = FieldTally {
                    certain: PerClass::from([(CellClass::Rbc, 100), (CellClass::Plt, plt)]),
                    uncertain: 0,
                    area_q8: 256,
                    has_clump: false,
                };
                smear.add(&field).unwrap();
            }
            let summary = smear.summary(&rules);
            let ratio = summary.class(CellClass::Plt).per_1000_rbc.unwrap();
            let interval = ratio.unwrap().interval();
            held += u32::from((interval.low..=interval.high).contains(&(10.0 * PLT_PER_FIELD)));
        }
        let share = f64::from(held) / f64::from(SESSIONS);
        assert!(share >= 0.93, "index {index}: {share}");
    }
}

/// A count whose variance is `index` times its mean: groups of logarithmic size, Poisson in number,
/// which is the negative binomial distribution.
fn draw_uneven(mean: f64, index: f64, random: &mut Random) -> u32 {
    let part = 1.0 - 1.0 / index;
    let groups = draw_poisson(mean * libm::log(index) / (index - 1.0), random);
    (0..groups).map(|_| draw_logarithmic(part, random)).sum()
}

fn draw_poisson(mean: f64, random: &mut Random) -> u32 {
    let limit = libm::exp(-mean);
    let mut product = random.unit();
    let mut count = 0;
    while product > limit {
        product *= random.unit();
        count += 1;
    }
    count
}

fn draw_logarithmic(part: f64, random: &mut Random) -> u32 {
    let point = random.unit();
    let mut probability = -part / libm::log(1.0 - part);
    let (mut sum, mut size) = (probability, 1);
    while sum < point && size < 1000 {
        probability *= part * f64::from(size) / f64::from(size + 1);
        sum += probability;
        size += 1;
    }
    size
}

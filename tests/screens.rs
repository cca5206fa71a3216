//! Screens against golden pictures, and rules that every screen has to keep.
//!
//! `HEMOSCOPE_BLESS=1 cargo test --test screens` writes the golden pictures anew.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use hemoscope::analysis::scale::ScaleEstimate;
use hemoscope::camera::Unavailable;
use hemoscope::cell::{BoundingBox, Cell, CellClass, PerClass};
use hemoscope::count::{Figure, Interval, TooFewCells};
use hemoscope::device::calendar::CivilTime;
use hemoscope::image::frame::Frame;
use hemoscope::language::{Language, TextId};
use hemoscope::panel::ScreenSize;
use hemoscope::quality::{Brightness, Density, Quality, RejectReason, Sharpness, Verdict};
use hemoscope::session::guidance::{Instruction, Notice, Warning};
use hemoscope::session::smear::{KnownScale, RunState};
use hemoscope::session::update_page::UpdatePage;
use hemoscope::ui::colour::contrast;
use hemoscope::ui::describe;
use hemoscope::ui::model::*;
use hemoscope::ui::overlay::annotated;
use hemoscope::ui::scene::{Element, Scene, TextLine};
use hemoscope::ui::screen::{LiveScreen, compose, render};
use hemoscope::update::{Notes, ProblemKind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A drawn field: background, red cells with pallor, white cells with a nucleus, platelets.
struct Field {
    frame: Frame,
    cells: Vec<Cell>,
}

/// Class, centre and diameter in pixels, certain, counted.
const CELLS: [(CellClass, i32, i32, i32, bool, bool); 24] = [
    (CellClass::Rbc, 70, 60, 62, true, true),
    (CellClass::Rbc, 150, 90, 58, true, true),
    (CellClass::Rbc, 195, 118, 60, true, true),
    (CellClass::Rbc, 250, 50, 60, true, true),
    (CellClass::Rbc, 90, 180, 64, true, true),
    (CellClass::Rbc, 40, 270, 60, true, true),
    (CellClass::Rbc, 170, 230, 60, false, true),
    (CellClass::Rbc, 260, 190, 58, true, true),
    (CellClass::Rbc, 560, 60, 60, true, true),
    (CellClass::Rbc, 600, 150, 62, true, true),
    (CellClass::Rbc, 550, 230, 60, true, true),
    (CellClass::Rbc, 500, 420, 58, true, true),
    (CellClass::Rbc, 585, 330, 60, true, true),
    (CellClass::Rbc, 90, 380, 60, true, true),
    (CellClass::Rbc, 180, 330, 62, true, true),
    (CellClass::Rbc, 200, 420, 60, true, true),
    (CellClass::Rbc, 290, 320, 60, true, true),
    (CellClass::Rbc, 635, 430, 60, true, false),
    (CellClass::Rbc, 330, 478, 60, true, false),
    (CellClass::Wbc, 400, 150, 118, true, true),
    (CellClass::Wbc, 410, 350, 104, false, true),
    (CellClass::Plt, 320, 60, 22, true, true),
    (CellClass::Plt, 30, 140, 24, true, true),
    (CellClass::Plt, 270, 420, 20, true, true),
];

const FIELD_SIZE: (i32, i32) = (640, 480);

fn field() -> Field {
    let (width, height) = FIELD_SIZE;
    let mut frame = Frame::filled(width as u32, height as u32, [238, 228, 222]).unwrap();
    for (class, x, y, diameter, ..) in CELLS {
        let colour_at = |share: i32| match class {
            CellClass::Rbc if share < 22 => [236, 190, 184],
            CellClass::Rbc => [214, 142, 140],
            CellClass::Wbc if share < 58 => [104, 70, 150],
            CellClass::Wbc => [196, 188, 222],
            CellClass::Plt => [148, 112, 170],
        };
        paint_disc(&mut frame, (x, y), diameter, colour_at);
    }
    let cells = CELLS
        .into_iter()
        .map(|(best_class, x, y, diameter, certain, counted)| Cell {
            best_class,
            certain,
            bounds: BoundingBox {
                x0_q4: (x - diameter / 2).max(0) * 16,
                y0_q4: (y - diameter / 2).max(0) * 16,
                x1_q4: (x + diameter / 2).min(width) * 16,
                y1_q4: (y + diameter / 2).min(height) * 16,
            },
            confidence_e4: if certain { 9500 } else { 4500 },
            counted,
        })
        .collect();
    Field { frame, cells }
}

/// Paints a disc; the colour depends on the share of the radius squared, 0 to 100.
fn paint_disc(
    frame: &mut Frame,
    (centre_x, centre_y): (i32, i32),
    diameter: i32,
    colour_at: impl Fn(i32) -> [u8; 3],
) {
    let (width, height) = FIELD_SIZE;
    let radius_squared = diameter * diameter / 4;
    for y in (centre_y - diameter).max(0)..(centre_y + diameter).min(height) {
        for x in (centre_x - diameter).max(0)..(centre_x + diameter).min(width) {
            let distance_squared = (x - centre_x).pow(2) + (y - centre_y).pow(2);
            if distance_squared < radius_squared {
                let at = (y * width + x) as usize * 3;
                let colour = colour_at(distance_squared * 100 / radius_squared);
                frame.rgb_mut()[at..at + 3].copy_from_slice(&colour);
            }
        }
    }
}

fn identity() -> Identity<'static> {
    Identity {
        sample: Some("HS-0042-K"),
        clock: Clock::NotSet,
    }
}

fn local_time() -> Clock {
    Clock::Set {
        time: CivilTime {
            year: 2026,
            month: 5,
            day: 31,
            hour: 14,
            minute: 5,
        },
        is_utc: false,
    }
}

fn utc() -> Clock {
    match local_time() {
        Clock::Set { time, .. } => Clock::Set { time, is_utc: true },
        Clock::NotSet => Clock::NotSet,
    }
}

fn by_class<T: Copy>(rbc: T, wbc: T, plt: T) -> PerClass<T> {
    PerClass::from_fn(|class| match class {
        CellClass::Rbc => rbc,
        CellClass::Wbc => wbc,
        CellClass::Plt => plt,
    })
}

type Outcome = Result<Figure, TooFewCells>;

fn count(count: u32, low: f64, high: f64) -> Outcome {
    Ok(Figure::of_count(count, Interval { low, high }))
}

fn ratio(value: f64, low: f64, high: f64, n: u32) -> Option<Outcome> {
    Some(Ok(Figure::of_ratio(value, Interval { low, high }, n)))
}

fn few(counted: u32) -> Outcome {
    Err(TooFewCells {
        class: None,
        counted,
        needed: 10,
    })
}

const USABLE: Quality = Quality {
    background_level: 220,
    brightness: Brightness::Good,
    clipped_permille: 0,
    focus_score: 86,
    coverage_permille: 300,
    density: Density::Good,
    verdict: Verdict::Usable,
};

fn calibrated(um_per_px: f64) -> KnownScale {
    KnownScale::Given { um_per_px }
}

fn estimated(um_per_px: f64, spread: f64) -> KnownScale {
    KnownScale::Estimated(ScaleEstimate {
        um_per_px,
        spread,
        cells: 180,
        frames: 10,
    })
}

/// Every reason why no frames come.
fn unavailable() -> [Unavailable; 7] {
    [
        Unavailable::NotConnected,
        Unavailable::Several { paths: Vec::new() },
        Unavailable::InUse,
        Unavailable::PermissionDenied,
        Unavailable::Unsuitable {
            reason: String::new(),
        },
        Unavailable::Silent { seconds: 10 },
        Unavailable::Failed {
            reason: String::new(),
        },
    ]
}

const BLURRED: Rejection = Rejection::Quality(RejectReason::Blurred);
const DARK: Rejection = Rejection::Quality(RejectReason::Underexposed);
const BRIGHT: Rejection = Rejection::Quality(RejectReason::Overexposed);
const NOT_A_SMEAR: Rejection = Rejection::Quality(RejectReason::NotASmear);

fn normal(field: &Field, language: Language) -> Counting<'_> {
    Counting {
        language,
        identity: identity(),
        run: RunState::Live,
        preview: Some(Preview::of_frame(&field.frame, &field.cells)),
        quality: Some(USABLE),
        scale: estimated(0.123, 0.065),
        counts: by_class(
            count(5012, 4874.0, 5153.0),
            count(31, 21.0, 44.0),
            count(181, 156.0, 209.0),
        ),
        uncertain: 14,
        per_1000_rbc: by_class(None, ratio(6.2, 4.2, 8.8, 31), ratio(36.1, 31.0, 41.8, 181)),
        fields: Fields {
            counted: 26,
            wanted: Some(40),
            rejected: RejectedCounts::from_iter([(BLURRED, 2), (DARK, 1)]),
            skipped_percent: Some(82),
        },
        over_dispersed: false,
        warning: None,
        notice: None,
        instruction: Instruction::NextField,
    }
}

fn too_few(field: &Field, language: Language) -> Counting<'_> {
    Counting {
        identity: Identity {
            clock: utc(),
            ..identity()
        },
        quality: Some(Quality {
            focus_score: 35,
            density: Density::Sparse,
            ..USABLE
        }),
        scale: calibrated(0.098),
        counts: by_class(count(164, 140.0, 191.0), few(1), few(4)),
        uncertain: 2,
        per_1000_rbc: by_class(None, Some(few(1)), Some(few(4))),
        fields: Fields {
            counted: 1,
            wanted: Some(40),
            rejected: RejectedCounts::from_iter([]),
            skipped_percent: Some(82),
        },
        ..normal(field, language)
    }
}

fn blurred(field: &Field, language: Language) -> Counting<'_> {
    Counting {
        quality: Some(Quality {
            focus_score: 12,
            verdict: Verdict::Rejected(RejectReason::Blurred),
            ..USABLE
        }),
        fields: Fields {
            counted: 26,
            wanted: None,
            rejected: RejectedCounts::from_iter([
                (BLURRED, 12),
                (NOT_A_SMEAR, 3),
                (Rejection::NoCells, 2),
                (DARK, 1),
            ]),
            skipped_percent: Some(82),
        },
        preview: Some(Preview {
            cells: &[],
            ..Preview::of_frame(&field.frame, &field.cells)
        }),
        instruction: Instruction::Focus,
        ..normal(field, language)
    }
}

fn warning(field: &Field, language: Language) -> Counting<'_> {
    Counting {
        run: RunState::Unfinished,
        quality: Some(Quality {
            brightness: Brightness::Bright,
            density: Density::Crowded,
            ..USABLE
        }),
        scale: KnownScale::Unknown,
        counts: by_class(
            count(124_312, 123_622.0, 125_005.0),
            count(10_312, 10_114.0, 10_513.0),
            count(4_488, 4_358.0, 4_621.0),
        ),
        uncertain: 8_214,
        per_1000_rbc: by_class(
            None,
            ratio(83.0, 81.4, 84.6, 10_312),
            ratio(236.1, 235.0, 237.2, 4_488),
        ),
        fields: Fields {
            counted: 412,
            wanted: Some(600),
            rejected: RejectedCounts::from_iter([(Rejection::NoCells, 31), (BRIGHT, 4)]),
            skipped_percent: Some(82),
        },
        over_dispersed: true,
        warning: Some(Warning::TooManyWhiteCells),
        instruction: Instruction::StartAgain,
        ..normal(field, language)
    }
}

fn finished(field: &Field, language: Language) -> Counting<'_> {
    Counting {
        run: RunState::Finished,
        identity: Identity {
            clock: local_time(),
            ..identity()
        },
        scale: calibrated(0.123),
        notice: Some(Notice::HoldToSwitchOff),
        fields: Fields {
            counted: 40,
            ..normal(field, language).fields
        },
        instruction: Instruction::Complete,
        ..normal(field, language)
    }
}

fn empty<'a>(field: &'a Field, language: Language) -> Counting<'a> {
    Counting {
        identity: Identity::default(),
        preview: None,
        quality: None,
        scale: KnownScale::Unknown,
        counts: PerClass::from_fn(|_| few(0)),
        uncertain: 0,
        per_1000_rbc: by_class(None, None, None),
        fields: Fields::default(),
        instruction: Instruction::Wait,
        ..normal(field, language)
    }
}

fn screens(field: &Field, language: Language) -> Vec<(&'static str, Screen<'_>)> {
    let counting = |model| Screen::Counting(Box::new(model));
    vec![
        ("normal", counting(normal(field, language))),
        ("too-few", counting(too_few(field, language))),
        ("blurred", counting(blurred(field, language))),
        ("warning", counting(warning(field, language))),
        ("finished", counting(finished(field, language))),
        ("empty", counting(empty(field, language))),
        (
            "starting",
            Screen::Starting(Starting {
                language,
                version: "0.1.0".to_owned(),
            }),
        ),
        (
            "no-camera",
            Screen::NoCamera(NoCamera {
                language,
                identity: identity(),
                camera: "v4l2:/dev/video0".to_owned(),
                unavailable: &Unavailable::NotConnected,
                notice: Some(Notice::HoldToSwitchOff),
            }),
        ),
        (
            "error",
            Screen::Failure(Failure {
                language,
                identity: identity(),
                what_happened: "The model file /var/lib/hemoscope/model.onnx does not have the \
                                content that its manifest promises: it was cut or changed."
                    .to_owned(),
                what_to_do: "Switch the device off, copy the model again from the card, and \
                             switch it on. The counts so far are kept."
                    .to_owned(),
                notice: Some(Notice::HoldToSwitchOff),
            }),
        ),
    ]
}

static NOTES: LazyLock<Notes> = LazyLock::new(|| Notes {
    en: "Platelets in clumps are marked; the light is judged anew; Spanish words corrected"
        .to_owned(),
    ..Notes::default()
});

/// Pages about an update, by name.
fn update_pages() -> Vec<(&'static str, UpdatePage<'static>)> {
    let (old, new) = ("0.2.0", "0.3.0");
    vec![
        ("update-copying", UpdatePage::Copying { percent: 45 }),
        ("update-checking", UpdatePage::Checking),
        (
            "update-offered",
            UpdatePage::Offered {
                running: old,
                offered: new,
                notes: &NOTES,
            },
        ),
        (
            "update-older",
            UpdatePage::Older {
                running: new,
                offered: old,
            },
        ),
        (
            "update-installing",
            UpdatePage::Installing {
                version: new,
                percent: 100,
            },
        ),
        ("update-ready", UpdatePage::Ready { version: new }),
        ("update-answered", UpdatePage::Answered),
        ("update-restarting", UpdatePage::Restarting),
        (
            "update-refused",
            UpdatePage::Refused(ProblemKind::NotGenuine),
        ),
        ("update-kept", UpdatePage::Confirmed { from: old, to: new }),
        (
            "update-rolled-back",
            UpdatePage::RolledBack {
                from: old,
                to: new,
                reason: "the camera that was there before gave no picture within 180 s",
            },
        ),
        ("update-recovery", UpdatePage::Recovery),
    ]
}

fn update_screen(page: UpdatePage<'_>, language: Language) -> Screen<'_> {
    Screen::Update(Update {
        language,
        identity: Identity {
            clock: utc(),
            ..identity()
        },
        page,
    })
}

/// Every screen in every language and size.
fn for_every_screen(mut check: impl FnMut(&str, &Screen<'_>, ScreenSize, Language)) {
    let field = field();
    for language in Language::ALL {
        let pages = update_pages().into_iter();
        let pages = pages.map(|(name, page)| (name, update_screen(page, language)));
        for (name, screen) in screens(&field, language).into_iter().chain(pages) {
            for size in ScreenSize::ALL {
                check(
                    &format!("{name}-{language}-{size}"),
                    &screen,
                    size,
                    language,
                );
            }
        }
    }
}

fn texts<'s>(scene: &'s Scene<'_>) -> Vec<&'s TextLine> {
    let lines = scene.elements().iter().filter_map(|element| match element {
        Element::Text(line) => Some(line),
        _ => None,
    });
    lines.collect()
}

/// The rectangle that a line's ink covers on the screen.
fn ink(scene: &Scene<'_>, line: &TextLine) -> Rectangle {
    scene
        .type_scale()
        .ink(line.style.role, &line.text)
        .map_or(Rectangle::zero(), |ink| ink.translate(line.baseline))
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_text_is_cut_or_leaves_its_place() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, _| {
        let scene = compose(screen, size);
        for line in texts(&scene) {
            let width_px = scene.type_scale().width_px(line.style.role, &line.text);
            if line.text.ends_with("...") || width_px > line.place.size.width {
                faults.push(format!("{name}: {:?} does not fit", line.text));
            }
        }
    });
    assert_none(faults);
}

#[test]
fn no_text_lies_over_another_or_off_the_screen() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, _| {
        let scene = compose(screen, size);
        let inks: Vec<_> = texts(&scene)
            .into_iter()
            .map(|line| (&line.text, ink(&scene, line)))
            .collect();
        let bounds = size.canvas().bounding_box();
        for (at, (text, area)) in inks.iter().enumerate() {
            if area.intersection(&bounds) != *area {
                faults.push(format!("{name}: {text:?} leaves the screen"));
            }
            for (other_text, other) in &inks[at + 1..] {
                if !area.intersection(other).is_zero_sized() {
                    faults.push(format!("{name}: {text:?} lies over {other_text:?}"));
                }
            }
        }
    });
    assert_none(faults);
}

#[test]
fn every_text_stands_off_from_the_ground_that_lies_under_it() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, _| {
        let scene = compose(screen, size);
        let mut grounds = Scene::new(scene.type_scale());
        for element in scene.elements() {
            if !matches!(element, Element::Text(_)) {
                grounds.push(element.clone());
            }
        }
        let mut canvas = size.canvas();
        grounds.draw(&mut canvas);
        for line in texts(&scene) {
            let ratio = contrast(line.style.colour, line.style.ground);
            if ratio < 4.5 {
                faults.push(format!("{name}: {:?} has contrast {ratio:.2}", line.text));
            }
            let under = ink(&scene, line).points();
            let other = under.filter(|point| canvas.pixel(*point) != Some(line.style.ground));
            let other = other.count();
            if other > 0 {
                faults.push(format!(
                    "{name}: {other} pixels under {:?} differ",
                    line.text
                ));
            }
        }
    });
    assert_none(faults);
}

#[test]
fn every_instruction_and_warning_fits_in_every_language() {
    let field = field();
    let unavailable = unavailable();
    let warnings = [
        Warning::TooManyWhiteCells,
        Warning::ManyUncertain,
        Warning::ScaleOutOfRange,
        Warning::NotSaved,
    ];
    let of_camera = unavailable.iter().map(Warning::CameraUnavailable);
    let warnings: Vec<_> = warnings.into_iter().chain(of_camera).collect();
    let mut faults = Vec::new();
    for (instruction, warning) in Instruction::ALL.iter().zip(warnings.iter().cycle()) {
        for language in Language::ALL {
            let model = Screen::Counting(Box::new(Counting {
                instruction: *instruction,
                warning: Some(*warning),
                ..normal(&field, language)
            }));
            for size in ScreenSize::ALL {
                let scene = compose(&model, size);
                for id in [TextId::from(*instruction), TextId::from(*warning)] {
                    let words = id.text_in(language);
                    if !texts(&scene).iter().any(|line| line.text == words) {
                        faults.push(format!("{id:?} is cut in {language} at {size}"));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_missing_camera_is_explained_in_every_language() {
    let mut faults = Vec::new();
    for unavailable in &unavailable() {
        for language in Language::ALL {
            let screen = Screen::NoCamera(NoCamera {
                language,
                identity: identity(),
                camera: "v4l2:/dev/video0".to_owned(),
                unavailable,
                notice: Some(Notice::HoldToSwitchOff),
            });
            let help = hemoscope::ui::wording::camera_help(unavailable);
            for size in ScreenSize::ALL {
                let scene = compose(&screen, size);
                let shown: Vec<_> = texts(&scene).iter().map(|line| line.text.clone()).collect();
                let shown = shown.join(" ");
                for id in [TextId::from(unavailable), help] {
                    if !shown.contains(id.text_in(language)) {
                        faults.push(format!("{id:?} is cut in {language} at {size}: {shown}"));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_notice_fits_in_every_language() {
    let field = field();
    let mut faults = Vec::new();
    for notice in Notice::ALL {
        for language in Language::ALL {
            let words = hemoscope::ui::wording::notice(notice, language);
            let model = Counting {
                notice: Some(notice),
                ..normal(&field, language)
            };
            let told = describe::of_counting(&model);
            let both = Counting {
                warning: Some(Warning::NotSaved),
                ..model.clone()
            };
            let shows = |model: Counting<'_>, size| {
                let scene = compose(&Screen::Counting(Box::new(model)), size);
                texts(&scene).iter().any(|line| *line.text == *words)
            };
            for size in ScreenSize::ALL {
                let is_told = told.iter().any(|line| **line == *words);
                if !shows(model.clone(), size) || !is_told {
                    faults.push(format!("{words} is cut in {language} at {size}"));
                }
                if shows(both.clone(), size) {
                    faults.push(format!("{words} hides a warning"));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn pages_about_an_update_show_all_that_they_say() {
    let mut faults = Vec::new();
    for language in Language::ALL {
        for (name, page) in update_pages() {
            let screen = update_screen(page, language);
            let said = describe::lines(&screen);
            for size in ScreenSize::ALL {
                let scene = compose(&screen, size);
                let shown: Vec<_> = texts(&scene).iter().map(|line| line.text.clone()).collect();
                let shown = shown.join(" ");
                let without_number = |line: &str| line.split(": ").last().unwrap().to_owned();
                for line in said.iter().map(|line| without_number(line)) {
                    if !shown.contains(&line) {
                        faults.push(format!("{name}-{language}-{size} lacks {line:?}"));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_reason_for_no_update_fits_in_every_language() {
    let mut faults = Vec::new();
    for problem in ProblemKind::ALL {
        for language in Language::ALL {
            let screen = update_screen(UpdatePage::Refused(problem), language);
            for size in ScreenSize::ALL {
                let scene = compose(&screen, size);
                let shown: Vec<_> = texts(&scene).iter().map(|line| line.text.clone()).collect();
                let shown = shown.join(" ");
                let help = hemoscope::ui::wording::update_help(problem);
                for id in [problem.into(), help, TextId::UpdateUnchanged] {
                    if !shown.contains(id.text_in(language)) {
                        faults.push(format!("{id:?} is cut in {language} at {size}: {shown}"));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_state_word_fits_in_every_language() {
    let field = field();
    let mut faults = Vec::new();
    let runs = [RunState::Live, RunState::Finished, RunState::Unfinished];
    let of_sharpness = |sharpness| match sharpness {
        Sharpness::Sharp => (90, Verdict::Usable),
        Sharpness::Soft => (30, Verdict::Usable),
        Sharpness::Blurred => (5, Verdict::Rejected(RejectReason::Blurred)),
    };
    // As many as the longest list has; the shorter ones start again.
    for (at, density) in Density::ALL.into_iter().enumerate() {
        let (focus_score, verdict) = of_sharpness(Sharpness::ALL[at % Sharpness::ALL.len()]);
        for language in Language::ALL {
            let model = Counting {
                run: runs[at % runs.len()],
                quality: Some(Quality {
                    focus_score,
                    verdict,
                    brightness: Brightness::ALL[at % Brightness::ALL.len()],
                    density,
                    ..USABLE
                }),
                over_dispersed: true,
                ..normal(&field, language)
            };
            for size in ScreenSize::ALL {
                let scene = compose(&Screen::Counting(Box::new(model.clone())), size);
                for line in texts(&scene) {
                    if line.text.ends_with("...") {
                        faults.push(format!("{language} {size}: {:?} is cut", line.text));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn the_research_sentence_stands_on_every_screen() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, language| {
        let sentence = TextId::ResearchUse.text_in(language);
        let scene = compose(screen, size);
        let drawn = texts(&scene).iter().any(|line| line.text == sentence);
        let told = describe::lines(screen).iter().any(|line| line == sentence);
        if !(drawn && told) {
            faults.push(name.to_owned());
        }
    });
    assert_none(faults);
}

#[test]
fn too_few_cells_show_words_and_no_number() {
    let field = field();
    for size in ScreenSize::ALL {
        let screen = Screen::Counting(Box::new(empty(&field, Language::English)));
        let scene = compose(&screen, size);
        let shown: Vec<&str> = texts(&scene)
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        let reasons = shown.iter().filter(|text| **text == "too few cells");
        assert_eq!(reasons.count(), 3, "{size}: {shown:?}");
        let number = hemoscope::ui::font::Role::Number;
        let numbers: Vec<&str> = texts(&scene)
            .iter()
            .filter(|line| line.style.role == number)
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(numbers, ["--"; 3], "{size}");
    }
}

#[test]
fn an_unfinished_run_never_looks_finished() {
    let field = field();
    for size in ScreenSize::ALL {
        let scenes = [RunState::Live, RunState::Unfinished].map(|run| {
            let model = Counting {
                run,
                ..finished(&field, Language::English)
            };
            compose(&Screen::Counting(Box::new(model)), size)
        });
        for scene in scenes {
            let says_result = texts(&scene).iter().any(|line| line.text == "Result");
            assert!(!says_result, "{size}");
        }
    }
}

#[test]
fn hostile_content_is_drawn_without_panic() {
    let field = field();
    let endless = Interval {
        low: f64::NAN,
        high: f64::INFINITY,
    };
    let huge = Figure::of_ratio(f64::MAX, endless, u32::MAX);
    let mut cells = field.cells.clone();
    cells[0].bounds = BoundingBox {
        x0_q4: i32::MAX,
        y0_q4: i32::MIN,
        x1_q4: i32::MIN,
        y1_q4: i32::MAX,
    };
    let sample = "血液\u{0}\n".repeat(300);
    let sliver = Frame::filled(8000, 1, [9, 9, 9]).unwrap();
    let model = Counting {
        identity: Identity {
            sample: Some(&sample),
            clock: Clock::NotSet,
        },
        preview: Some(Preview {
            image: &sliver,
            cells: &cells,
            frame_width_px: 0,
            frame_height_px: u32::MAX,
            number: Some(0),
        }),
        quality: Some(Quality {
            focus_score: 255,
            ..USABLE
        }),
        scale: estimated(f64::MAX, f64::INFINITY),
        counts: PerClass::from_fn(|_| Ok(huge)),
        uncertain: u64::MAX,
        per_1000_rbc: PerClass::from_fn(|_| Some(Ok(huge))),
        fields: Fields {
            counted: u32::MAX,
            wanted: Some(0),
            rejected: Rejection::ALL
                .map(|reason| (reason, u32::MAX))
                .into_iter()
                .collect(),
            skipped_percent: Some(u8::MAX),
        },
        ..normal(&field, Language::English)
    };
    let failure = Failure {
        language: Language::French,
        identity: model.identity,
        what_happened: "x".repeat(5000),
        what_to_do: String::new(),
        notice: Some(Notice::HoldToSwitchOff),
    };
    let notes = Notes {
        es: sample.clone(),
        ..Notes::default()
    };
    let page = |page| update_screen(page, Language::Spanish);
    for size in ScreenSize::ALL {
        let shown = [
            Screen::Counting(Box::new(model.clone())),
            Screen::Failure(failure.clone()),
            page(UpdatePage::Offered {
                running: &sample,
                offered: "",
                notes: &notes,
            }),
            page(UpdatePage::RolledBack {
                from: &sample,
                to: &sample,
                reason: &sample,
            }),
            page(UpdatePage::Copying { percent: u8::MAX }),
        ];
        for screen in shown {
            let scene = compose(&screen, size);
            for line in texts(&scene) {
                let width_px = scene.type_scale().width_px(line.style.role, &line.text);
                assert!(width_px <= line.place.size.width, "{size}: {:?}", line.text);
            }
            let canvas = render(&screen, size);
            assert_eq!((canvas.width_px(), canvas.height_px()), size.pixels());
        }
    }
}

#[test]
fn a_kept_screen_equals_one_drawn_anew() {
    let field = field();
    let other = Frame::filled(640, 480, [200, 190, 180]).unwrap();
    let mut faults = Vec::new();
    for size in ScreenSize::ALL {
        let mut live = LiveScreen::new(size);
        for language in [Language::English, Language::French] {
            let mut models = vec![
                normal(&field, language),
                normal(&field, language),
                too_few(&field, language),
                blurred(&field, language),
                warning(&field, language),
                normal(&field, language),
                empty(&field, language),
                finished(&field, language),
            ];
            let mut numbered = normal(&field, language);
            for (number, frame) in [(1, &field.frame), (1, &field.frame), (2, &other)] {
                numbered.preview = Some(Preview {
                    number: Some(number),
                    ..Preview::of_frame(frame, &field.cells)
                });
                models.push(numbered.clone());
            }
            for (at, model) in models.into_iter().enumerate() {
                live.show_counting(&model);
                let fresh = render(&Screen::Counting(Box::new(model)), size);
                if *live.canvas() != fresh {
                    faults.push(format!("{size} {language}: screen {at}"));
                }
            }
            let (_, notice) = screens(&field, language).swap_remove(8);
            live.show(&notice);
            if *live.canvas() != render(&notice, size) {
                faults.push(format!("{size} {language}: the notice"));
            }
        }
        let mut shown = normal(&field, Language::English);
        shown.preview = None;
        assert!(live.show_counting(&shown));
        assert!(!live.show_counting(&shown), "nothing changed");
    }
    assert_none(faults);
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn write_png(path: &Path, rgb: &[u8], (width_px, height_px): (u32, u32)) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let kind = image::ExtendedColorType::Rgb8;
    image::save_buffer(path, rgb, width_px, height_px, kind).unwrap();
}

/// `None` where the picture equals the golden one, else what to look at.
fn difference_from_golden(name: &str, rgb: &[u8], size_px: (u32, u32)) -> Option<String> {
    let path = golden_folder().join(format!("{name}.png"));
    if std::env::var_os("HEMOSCOPE_BLESS").is_some() {
        write_png(&path, rgb, size_px);
        return None;
    }
    let same = image::open(&path).is_ok_and(|golden| {
        let golden = golden.into_rgb8();
        golden.dimensions() == size_px && golden.as_raw().as_slice() == rgb
    });
    if same {
        return None;
    }
    let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    write_png(&seen, rgb, size_px);
    Some(format!(
        "{} differs from {}",
        seen.display(),
        path.display()
    ))
}

#[test]
fn annotated_frames_equal_their_golden_pictures() {
    let Field { frame, mut cells } = field();
    cells[5].counted = false;
    let mut faults = Vec::new();
    for language in Language::ALL {
        let picture = annotated(&frame, &cells, language).unwrap();
        let name = format!("overlay-{language}");
        faults.extend(difference_from_golden(
            &name,
            picture.rgb(),
            (picture.width_px(), picture.height_px()),
        ));
    }
    assert_none(faults);
}

#[test]
fn screens_equal_their_golden_pictures() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, language| {
        // The other languages are drawn by the same code; some screens show their letters.
        let is_shown_in_all = ["warning", "update-older", "update-refused"];
        let shown = language == Language::English
            || is_shown_in_all.iter().any(|start| name.starts_with(start));
        if shown {
            let canvas = render(screen, size);
            faults.extend(difference_from_golden(name, canvas.rgb(), size.pixels()));
        }
    });
    if !faults.is_empty() {
        faults.push("if that is intended: HEMOSCOPE_BLESS=1 cargo test --test screens".to_owned());
    }
    assert_none(faults);
}

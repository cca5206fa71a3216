//! Screens against golden images, and rules that every screen has to keep.
//!
//! `HEMOSCOPE_BLESS=1 cargo test --test screens` writes the golden images anew.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use hemoscope::analysis::scale::ScaleEstimate;
use hemoscope::assessment::{Effect, Finding};
use hemoscope::camera::Unavailable;
use hemoscope::cell::{BoundingBox, CellClass, PerClass};
use hemoscope::count::{Figure, Interval, Progress};
use hemoscope::image::frame::Frame;
use hemoscope::language::{Language, TextId};
use hemoscope::panel::ScreenSize;
use hemoscope::quality::{Brightness, Density, Quality, RejectReason, Sharpness, Verdict};
use hemoscope::session::guidance::{Instruction, Notice, Outlook, Warning};
use hemoscope::session::smear::{KnownScale, RunState};
use hemoscope::session::update_page::UpdatePage;
use hemoscope::ui::colour::contrast;
use hemoscope::ui::describe;
use hemoscope::ui::font::Role;
use hemoscope::ui::model::*;
use hemoscope::ui::overlay::annotated;
use hemoscope::ui::scene::{Element, Scene, TextLine};
use hemoscope::ui::screen::{LiveScreen, compose, render};
use hemoscope::update::{Notes, Problem, ProblemKind, UpdateState};
use std::path::{Path, PathBuf};

#[path = "screens/field.rs"]
mod field;
#[path = "screens/states.rs"]
mod states;

use field::FIELD;
use states::{STATES, UPDATES, USABLE, updating};

fn identity() -> Identity<'static> {
    Identity {
        sample: Some("HS-0042-K"),
        is_simulated: false,
        clock: Clock::NotSet,
    }
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

/// The counting screen of the state with this name.
fn counting(name: &str, language: Language) -> Counting<'static> {
    let mut states = STATES.iter();
    let state = states.find(|(known, _)| *known == name);
    state.unwrap().1.counting_screen(language)
}

fn normal(language: Language) -> Counting<'static> {
    counting("normal", language)
}

fn update_screen(page: UpdatePage<'_>, language: Language) -> Screen<'_> {
    Screen::Update(Update {
        language,
        identity: identity(),
        page,
    })
}

/// Every screen in every language and size.
fn for_every_screen(mut check: impl FnMut(&str, &Screen<'_>, ScreenSize, Language)) {
    for language in Language::ALL {
        for (name, state) in STATES.iter().chain(UPDATES.iter()) {
            let screen = state.screen(language);
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
    let unavailable = unavailable();
    let effect = Effect::Withhold;
    let findings = [
        Finding::WhiteCellsBeyondBlood {
            wbc: 1,
            rbc: 1,
            limit_per_1000: 1,
            effect,
        },
        Finding::WhiteCellsOfRedSize {
            percent: 1,
            cells: 1,
        },
        Finding::PlateletsBeyondBlood {
            plt: 1,
            rbc: 1,
            limit_per_1000: 1,
            effect,
        },
        Finding::ManyUncertain {
            uncertain: 1,
            cells: 1,
            limit_percent: 1,
            effect,
        },
        Finding::CellsOfWrongSize {
            percent: 1,
            cells: 1,
        },
        Finding::TwoScales {
            fields: 1,
            of_fields: 1,
        },
        Finding::UnsureRedCells {
            confidence_percent: 1,
            effect,
        },
        Finding::Crowded {
            covered_percent: 1,
            effect,
        },
        Finding::DarkRim {
            fields: 1,
            percent: 1,
        },
        Finding::FixedMarks {
            marks: 1,
            plt: 1,
            effect,
        },
        Finding::ColoursExchanged { fields: 1 },
        Finding::OneFieldHoldsMost {
            class: CellClass::Wbc,
            cells: 30,
            of_cells: 41,
            effect,
        },
        Finding::ColoursUnlikeTraining {
            distance_e2: 450,
            effect,
        },
        Finding::PlateletsClump { fields: 1, effect },
        Finding::FieldsForced {
            forced: 1,
            of_fields: 9,
        },
        Finding::ManyFieldsRefused {
            refused: 9,
            of_fields: 9,
        },
    ];
    let of_smear = findings.map(Warning::Smear);
    let others = [Warning::ScaleOutOfRange, Warning::NotSaved];
    let warnings = of_smear.into_iter().chain(others);
    let of_camera = unavailable.iter().map(Warning::CameraUnavailable);
    let warnings: Vec<_> = warnings.chain(of_camera).collect();
    let mut faults = Vec::new();
    for (instruction, warning) in Instruction::ALL.iter().zip(warnings.iter().cycle()) {
        for language in Language::ALL {
            let model = Screen::Counting(Counting {
                instruction: *instruction,
                warning: Some(*warning),
                ..normal(language)
            });
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
    let mut faults = Vec::new();
    for notice in Notice::ALL {
        for language in Language::ALL {
            let words = hemoscope::ui::wording::notice(notice, language);
            let model = Counting {
                notice: Some(notice),
                outlook: None,
                ..normal(language)
            };
            let told = describe::of_counting(&model);
            let both = Counting {
                warning: Some(Warning::NotSaved),
                ..model.clone()
            };
            let shows = |model: Counting<'_>, size| {
                let scene = compose(&Screen::Counting(model), size);
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
        for (name, state) in UPDATES.iter() {
            let screen = state.screen(language);
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
        let refused = UpdateState::Refused(Problem::new(problem, ""));
        let state = updating(refused);
        for language in Language::ALL {
            let screen = state.screen(language);
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
                is_overdispersed: true,
                ..normal(language)
            };
            for size in ScreenSize::ALL {
                let scene = compose(&Screen::Counting(model.clone()), size);
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

/// The texts of a counting screen, and those of them in the largest type.
fn words_of(state: &str, size: ScreenSize) -> (Vec<String>, Vec<String>) {
    let scene = compose(&Screen::Counting(counting(state, Language::English)), size);
    let lines = texts(&scene).into_iter();
    let is_number = |line: &&TextLine| line.style.role == Role::Number;
    let numbers = lines.clone().filter(is_number);
    (
        lines.map(|line| line.text.clone()).collect(),
        numbers.map(|line| line.text.clone()).collect(),
    )
}

#[test]
fn what_is_too_few_is_said_in_words_and_no_number_stands() {
    for size in ScreenSize::ALL {
        let (shown, numbers) = words_of("empty", size);
        let reasons = shown
            .iter()
            .filter(|text| *text == "too few fields: 0 of 10");
        assert_eq!(reasons.count(), 2, "{size}: {shown:?}");
        assert_eq!(numbers, ["--"; 2], "{size}");
        // Of platelets that clump there are at least so many.
        let (shown, numbers) = words_of("clumps", size);
        for part in ["too few WBC: 9 of 10", "n 9 cells", "at least"] {
            assert!(
                shown.iter().any(|text| text == part),
                "{size}: {part} in {shown:?}"
            );
        }
        assert_eq!(numbers, ["31", "--"], "{size}");
    }
}

#[test]
fn ratios_are_the_largest_numbers_and_no_count_stands_bare() {
    for size in ScreenSize::ALL {
        let (shown, numbers) = words_of("normal", size);
        assert_eq!(numbers, ["36", "6.2"], "{size}");
        let levels = shown.iter().filter(|text| *text == "per 1000 RBC");
        assert_eq!(levels.count(), 2, "{size}: {shown:?}");
        for part in [
            "n 181 cells",
            "n 5012 cells",
            "n 14 cells",
            "done",
            "of 100",
        ] {
            assert!(
                shown.iter().any(|text| text == part),
                "{size}: {part} in {shown:?}"
            );
        }
        let bare = shown.iter().filter(|text| text.parse::<u64>().is_ok());
        assert_eq!(bare.collect::<Vec<_>>(), ["36"], "{size}");
    }
}

#[test]
fn what_the_buttons_do_fits_in_every_language() {
    let hints = TextId::ALL
        .iter()
        .filter(|id| id.key().starts_with("hint."));
    let hints: Vec<_> = hints.copied().collect();
    assert!(hints.len() >= 6);
    let mut faults = Vec::new();
    for hint in hints {
        for language in Language::ALL {
            let model = Screen::Counting(Counting {
                button_hint: Some(hint),
                identity: Identity {
                    is_simulated: true,
                    ..identity()
                },
                ..normal(language)
            });
            for size in ScreenSize::ALL {
                let scene = compose(&model, size);
                for id in [hint, TextId::SimulatedSlide] {
                    let words = id.text_in(language);
                    if !texts(&scene).iter().any(|line| line.text == words) {
                        faults.push(format!("{words} is cut in {language} at {size}"));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_outlook_fits_in_every_language_and_goes_before_the_hint() {
    let classes = [CellClass::Plt, CellClass::Wbc];
    let lefts = classes.into_iter().flat_map(|class| {
        let done = classes.into_iter().find(|other| *other != class);
        [Some(388), None].map(|fields| Outlook::FieldsLeft {
            done,
            class,
            fields,
        })
    });
    let not_reached = Outlook::NotReached {
        class: CellClass::Rbc,
        progress: Progress {
            have: 9_999,
            need: 10_000,
            fields_left: Some(1),
        },
    };
    let others = [Outlook::AtMagnification { fields: 2_535 }, not_reached];
    let mut faults = Vec::new();
    for outlook in lefts.chain(others) {
        for language in Language::ALL {
            let words = hemoscope::ui::wording::outlook(outlook, language);
            let model = Counting {
                outlook: Some(outlook),
                notice: Some(Notice::HoldToSwitchOff),
                ..normal(language)
            };
            let told = describe::of_counting(&model);
            let is_told = told.iter().any(|line| **line == *words);
            for size in ScreenSize::ALL {
                let scene = compose(&Screen::Counting(model.clone()), size);
                if !is_told || !texts(&scene).iter().any(|line| *line.text == *words) {
                    faults.push(format!("{} is cut in {language} at {size}", &*words));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn an_unfinished_run_never_looks_finished() {
    for size in ScreenSize::ALL {
        let scenes = [RunState::Live, RunState::Unfinished].map(|run| {
            let model = Counting {
                run,
                ..counting("finished", Language::English)
            };
            compose(&Screen::Counting(model), size)
        });
        for scene in scenes {
            let says_result = texts(&scene).iter().any(|line| line.text == "Result");
            assert!(!says_result, "{size}");
        }
    }
}

#[test]
fn hostile_content_is_drawn_without_panic() {
    let endless = Interval {
        low: f64::NAN,
        high: f64::INFINITY,
    };
    let huge = Figure::per_1000_rbc(f64::MAX, endless, u32::MAX);
    let mut cells = FIELD.cells.clone();
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
            is_simulated: false,
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
        scale: KnownScale::Estimated(ScaleEstimate {
            um_per_px: f64::MAX,
            spread: f64::INFINITY,
            cells: usize::MAX,
            frames: usize::MAX,
        }),
        cells: PerClass::from_fn(|_| u32::MAX),
        uncertain: u32::MAX,
        per_1000_rbc: PerClass::from_fn(|_| Some(Ok(huge))),
        fields: Fields {
            counted: u32::MAX,
            target: Some(0),
            rejected: Rejection::ALL
                .map(|reason| (reason, u32::MAX))
                .into_iter()
                .collect(),
        },
        ..normal(Language::English)
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
            Screen::Counting(model.clone()),
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
    let other = Frame::filled(640, 480, [200, 190, 180]).unwrap();
    let mut faults = Vec::new();
    for size in ScreenSize::ALL {
        let mut live = LiveScreen::new(size);
        for language in [Language::English, Language::French] {
            let mut models = vec![
                normal(language),
                normal(language),
                counting("too-few", language),
                counting("blurred", language),
                counting("warning", language),
                normal(language),
                counting("empty", language),
                counting("finished", language),
            ];
            let mut numbered = normal(language);
            for (number, frame) in [(1, &FIELD.frame), (1, &FIELD.frame), (2, &other)] {
                numbered.preview = Some(Preview {
                    number: Some(number),
                    ..Preview::of_frame(frame, &FIELD.cells)
                });
                models.push(numbered.clone());
            }
            for (at, model) in models.into_iter().enumerate() {
                let screen = Screen::Counting(model);
                live.show(&screen);
                let fresh = render(&screen, size);
                if *live.canvas() != fresh {
                    faults.push(format!("{size} {language}: screen {at}"));
                }
            }
            let (_, state) = STATES.last().unwrap();
            let notice = state.screen(language);
            live.show(&notice);
            if *live.canvas() != render(&notice, size) {
                faults.push(format!("{size} {language}: the notice"));
            }
        }
        let mut shown = normal(Language::English);
        shown.preview = None;
        let shown = Screen::Counting(shown);
        assert!(live.show(&shown));
        assert!(!live.show(&shown), "nothing changed");
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

/// `None` where the image equals the golden one, else what to look at.
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
fn annotated_frames_equal_their_golden_images() {
    let frame = &FIELD.frame;
    let mut cells = FIELD.cells.clone();
    cells[5].counted = false;
    let mut faults = Vec::new();
    for language in Language::ALL {
        let image = annotated(frame, &cells, language).unwrap();
        let name = format!("overlay-{language}");
        faults.extend(difference_from_golden(
            &name,
            image.rgb(),
            (image.width_px(), image.height_px()),
        ));
    }
    assert_none(faults);
}

#[test]
fn screens_equal_their_golden_images() {
    let mut faults = Vec::new();
    for_every_screen(|name, screen, size, language| {
        // The other languages are drawn by the same code; some screens show their letters.
        let is_shown_in_all = ["warning", "clumps", "update-older", "update-refused"];
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

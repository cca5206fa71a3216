//! The device's main loop, from a camera to the last screen and the summary.

mod common;

use clap::Parser;
use common::{NOTICE, hemoscope, messages, program, slide_um_per_px, write_fields};
use hemoscope::board::BoardDescription;
use hemoscope::camera;
use hemoscope::camera::Unavailable;
use hemoscope::cli::arguments::{Arguments, Command};
use hemoscope::cli::run::prepare;
use hemoscope::input::Action;
use hemoscope::language::Language;
use hemoscope::panel::ScreenSize;
use hemoscope::record::archive::{self, SmearState};
use hemoscope::record::{Clock, EndReason, Timestamp, records_folder};
use hemoscope::runtime::IpcFiles;
use hemoscope::runtime::run::run_with;
use hemoscope::session::guidance::Notice;
use hemoscope::session::update_page::UpdatePage;
use hemoscope::session::{Machine, Phase, RunState};
use hemoscope::ui::model::{Failure, Identity, NoCamera, Screen, Update};
use hemoscope::ui::presenter::clock_of;
use hemoscope::ui::screen::render;
use hemoscope::update::{
    Answer, DeviceStatus, Notes, Offer, PROTOCOL_FORMAT, Published, UpdateState,
};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn text(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_simulated_run_ends_with_a_screen_a_summary_and_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    for size in ["320x240", "480x320", "800x480"] {
        let screen = folder.path().join(format!("{size}.png"));
        let output = hemoscope()
            .args([
                "run",
                "--camera",
                "simulated:12",
                "--fields",
                "6",
                "--size",
                size,
                "--panel",
            ])
            .arg(format!("png:{}", screen.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        let text = text(&output);
        for part in ["6 fields counted", "Truth of the simulated fields", NOTICE] {
            assert!(text.contains(part), "{part} missing in\n{text}");
        }
        let image = image::open(&screen).unwrap();
        assert_eq!(format!("{}x{}", image.width(), image.height()), size);
    }
}

#[test]
fn a_run_is_the_same_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let screen = format!("png:{}", folder.path().join("screen.png").display());
    let run = || {
        let output = hemoscope()
            .args([
                "run",
                "--camera",
                "simulated:13",
                "--fields",
                "8",
                "--panel",
                &screen,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        text(&output)
    };
    assert_eq!(run(), run());
}

#[test]
fn fields_without_numbers_are_told_apart_by_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let screen = format!("png:{}", folder.path().join("screen.png").display());
    let truth_of = |camera: &str| {
        let output = hemoscope()
            .args([
                "run", "--fields", "7", "--camera", camera, "--panel", &screen,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        let text = text(&output);
        for part in ["7 fields counted", "needed no counting"] {
            assert!(text.contains(part), "{part} missing in\n{text}");
        }
        let (_, truth) = text.split_once("Truth of the simulated fields").unwrap();
        // Without what was counted, which depends on the frame of the field that was looked at.
        let without_counted = truth
            .split('(')
            .map(|part| part.rsplit(')').next().unwrap());
        without_counted.collect::<String>()
    };
    // A smear of whose 21 pairs of fields none is taken to overlap by chance.
    let numbered = truth_of("simulated:22");
    assert!(numbered.contains("RBC"), "{numbered}");
    // The same true cells: no field was left out, and none was counted twice.
    assert_eq!(truth_of("simulated:22:unnumbered"), numbered);
}

#[test]
fn replayed_files_are_all_counted_and_the_scale_is_estimated() {
    let folder = tempfile::tempdir().unwrap();
    let fields = folder.path().join("fields");
    fs::create_dir(&fields).unwrap();
    write_fields(&fields, 14, 11);
    let screen = folder.path().join("screen.png");
    let output = hemoscope()
        .args(["run", "--camera"])
        .arg(format!("replay:{}", fields.display()))
        .arg("--panel")
        .arg(format!("png:{}", screen.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let text = text(&output);
    for part in ["11 fields counted", "estimated from"] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
}

#[test]
fn a_run_that_ends_early_says_that_its_numbers_are_no_result() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 15, 3);
    let output = hemoscope()
        .args([
            "run",
            "--fields",
            "9",
            "--um-per-px",
            &slide_um_per_px().to_string(),
        ])
        .args(["--camera", &format!("replay:{}", folder.path().display())])
        .args([
            "--panel",
            &format!("png:{}", folder.path().join("s.png").display()),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        messages(&output).contains("no result"),
        "{}",
        messages(&output)
    );
}

#[test]
fn a_damaged_file_among_replayed_ones_is_lost_visibly() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 16, 3);
    fs::write(folder.path().join("field-001b.png"), b"not an image").unwrap();
    let output = hemoscope()
        .args(["run", "--um-per-px", &slide_um_per_px().to_string()])
        .args(["--camera", &format!("replay:{}", folder.path().display())])
        .args([
            "--panel",
            &format!("png:{}", folder.path().join("screen.out").display()),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "something was not counted");
    let text = text(&output);
    for part in ["3 fields counted", "1 frames lost", "field-001b.png"] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
}

#[test]
fn sources_and_panels_that_are_none_are_refused_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let screen = format!("png:{}", folder.path().join("screen.png").display());
    let cases = [
        ("telescope", &*screen, "320x240", "simulated"),
        ("replay:/nowhere", &screen, "320x240", "/nowhere"),
        ("simulated:7", "hologram", "320x240", "png:FILE"),
        ("simulated:7", "terminal", "320x240", "png:FILE"),
        ("simulated:7", &screen, "1x1", "320x240"),
    ];
    let mut wrong = Vec::new();
    for (camera, panel, size, says) in cases {
        let arguments = ["--camera", camera, "--panel", panel, "--size", size];
        let output = hemoscope().arg("run").args(arguments).output().unwrap();
        let text = messages(&output);
        if output.status.success() || !text.contains(says) || text.contains("panicked") {
            wrong.push(format!("{arguments:?}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A description of a machine that runs the simulated slide, with these device tree names.
fn board(compatible: &str, data: &Path) -> String {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
    let data = data.display();
    format!(
        "format = 1\nname = \"bench\"\ntitle = \"A bench\"\ncompatible = [{compatible}]\n\
         [camera]\nsource = \"simulated:31\"\n[panel]\nkind = \"drm\"\n\
         [paths]\nmodel = \"{model}\"\ndata = \"{data}\"\n"
    )
}

#[test]
fn a_board_description_says_where_to_look_and_options_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.toml");
    let screen = format!("png:{}", folder.path().join("screen.png").display());
    fs::write(&file, board("", folder.path())).unwrap();
    let mut command = hemoscope();
    command.args(["run", "--fields", "2", "--panel", &screen, "--board"]);
    let output = command.arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    assert!(text(&output).contains("2 fields counted"));
}

#[test]
fn a_device_that_cannot_know_its_board_says_why_on_its_screen() {
    for (compatible, wrong) in [("\"nobody,nothing\"", ""), ("", "\n[pannel]\n")] {
        let folder = tempfile::tempdir().unwrap();
        let board = board(compatible, folder.path()) + wrong;
        let file = folder.path().join("board.toml");
        fs::write(&file, &board).unwrap();
        let refusal = BoardDescription::load_for_this_board(&file).unwrap_err();
        expect_screen(&board, folder.path(), false, |identity| {
            Screen::Failure(Failure {
                language: Language::English,
                identity,
                what_happened: refusal.to_string(),
                what_to_do: "Call service.".to_owned(),
                notice: Some(Notice::HoldToSwitchOff),
            })
        });
    }
}

/// How long a started program may take to show something.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// A device without a sample, at the present minute of UTC and at the one before: a screen that was
/// just drawn shows one of them.
fn identities(is_simulated: bool) -> [Identity<'static>; 2] {
    let now = Clock::start().stamp();
    [0, 60_000].map(|ago_ms| {
        let unix_ms = now.unix_ms.saturating_sub(ago_ms);
        Identity {
            sample: None,
            is_simulated,
            clock: clock_of(Timestamp { unix_ms, ..now }, 0),
        }
    })
}

/// Starts a device on a board and waits until its screen is the expected one.
fn expect_screen(
    board: &str,
    folder: &Path,
    is_simulated: bool,
    expected: impl for<'a> Fn(Identity<'a>) -> Screen<'a>,
) {
    let file = folder.join("board.toml");
    fs::write(&file, board).unwrap();
    let image = folder.join("screen.png");
    let mut device = program()
        .args(["run", "--size", "480x320", "--panel"])
        .arg(format!("png:{}", image.display()))
        .arg("--board")
        .arg(&file)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + SHOWN_WITHIN;
    let mut is_shown = false;
    while !is_shown && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        let shown = image::open(&image).map(|shown| shown.to_rgb8().into_raw());
        let is_expected = |shown: Vec<u8>| {
            identities(is_simulated)
                .into_iter()
                .any(|identity| shown == render(&expected(identity), ScreenSize::Medium).rgb())
        };
        is_shown = shown.is_ok_and(is_expected);
    }
    let is_running = device.try_wait().unwrap().is_none();
    device.kill().unwrap();
    device.wait().unwrap();
    assert!(is_shown, "see {}", image.display());
    assert!(is_running, "the device ended by itself");
}

#[test]
fn a_board_waits_for_its_camera_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let camera = "v4l2:/dev/there-is-no-such-camera";
    let board = board("", folder.path()).replace("simulated:31", camera);
    expect_screen(&board, folder.path(), false, |identity| {
        Screen::NoCamera(NoCamera {
            language: Language::English,
            identity,
            camera: camera.to_owned(),
            unavailable: &Unavailable::NotConnected,
            notice: Some(Notice::HoldToSwitchOff),
        })
    });
}

#[test]
fn a_board_shows_what_keeps_it_from_counting() {
    let folder = tempfile::tempdir().unwrap();
    let board = board("", folder.path()).replace("simulated:31", "simulated:three");
    let error = camera::open(
        "simulated:three",
        &camera::ControlSettings::default(),
        camera::OpenPolicy::Wait,
    );
    let what_happened = error.err().unwrap().to_string();
    expect_screen(&board, folder.path(), true, |identity| {
        Screen::Failure(Failure {
            language: Language::English,
            identity,
            what_happened: what_happened.clone(),
            what_to_do: "Switch the device off and on again.".to_owned(),
            notice: Some(Notice::HoldToSwitchOff),
        })
    });
}

/// Runs with an operator who sees the instrument as the screen does, with its records beside the
/// screen's file; returns what was written.
fn run_with_operator(
    camera: &str,
    screen: &Path,
    operator: impl FnMut(&Machine) -> Option<Action>,
) -> (anyhow::Result<bool>, String) {
    run_with_updater(camera, screen, &[], operator)
}

/// The files of an updater beside the screen's file.
fn ipc_files(screen: &Path) -> IpcFiles {
    IpcFiles {
        state: screen.with_file_name("state.json"),
        answer: screen.with_file_name("answer.json"),
        status: screen.with_file_name("status.json"),
    }
}

/// As [`run_with_operator`], with more arguments; on a board it has an updater.
fn run_with_updater(
    camera: &str,
    screen: &Path,
    more: &[&str],
    operator: impl FnMut(&Machine) -> Option<Action>,
) -> (anyhow::Result<bool>, String) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/smear-resnet");
    let panel = format!("png:{}", screen.display());
    let arguments = [
        "hemoscope",
        "run",
        "--camera",
        camera,
        "--panel",
        &panel,
        "--model",
        model.to_str().unwrap(),
        "--data",
        screen.parent().unwrap().to_str().unwrap(),
    ];
    let arguments = arguments.iter().chain(more);
    let Command::Run(arguments) = Arguments::parse_from(arguments).command else {
        panic!("these are the arguments of a run");
    };
    let mut out = Vec::new();
    let files = ipc_files(screen);
    let (settings, refusal) = prepare(&arguments).unwrap();
    let ended = run_with(&settings, refusal, files, &mut out, |_| Ok(operator));
    (ended, String::from_utf8(out).unwrap())
}

#[test]
fn one_button_finishes_a_smear_and_starts_the_next_one() {
    for camera in ["simulated:31", "simulated:31:unnumbered"] {
        let folder = tempfile::tempdir().unwrap();
        let screen = folder.path().join("screen.png");
        let target_fields = [3, 2];
        // Fields of each smear when it was finished.
        let mut finished = Vec::new();
        let mut shown_results = 0;
        let (ended, text) = run_with_operator(camera, &screen, |machine| {
            let smear = machine.smear();
            let next = match smear.state() {
                RunState::Live => {
                    // Once to be asked, and once to say yes; fields go on meanwhile.
                    let wanted = target_fields.get(smear.number() as usize)?;
                    if smear.fields() < *wanted || machine.is_guarded(Instant::now()) {
                        return None;
                    }
                    Action::Confirm
                }
                RunState::Finished => {
                    if finished.len() == smear.number() as usize {
                        finished.push(smear.fields());
                    }
                    // The result stays for some looks, and nothing is added to it.
                    assert_eq!(Some(&smear.fields()), finished.last());
                    shown_results += 1;
                    if shown_results % 5 != 0 {
                        return None;
                    }
                    match finished.len() {
                        1 => Action::Confirm,
                        _ => Action::Stop,
                    }
                }
                RunState::Unfinished => panic!("no smear is interrupted"),
            };
            Some(next)
        });
        assert!(ended.unwrap(), "{text}");
        let results: Vec<_> = text.match_indices("fields counted").collect();
        assert_eq!(results.len(), 2, "each result is written once:\n{text}");
        for fields in &finished {
            assert!(text.contains(&format!("{fields} fields counted")), "{text}");
        }
        assert!(screen.exists());
        let files = archive::list(&records_folder(folder.path())).unwrap();
        let kept: Vec<_> = files
            .iter()
            .map(|(smear, files)| {
                let smear = archive::read(*smear, files).unwrap();
                assert_eq!(smear.state, SmearState::Ended(EndReason::Finished));
                smear.totals.fields
            })
            .collect();
        let finished: Vec<_> = finished.into_iter().map(u64::from).collect();
        assert_eq!(kept, finished, "each smear is kept by itself");
    }
}

#[test]
fn a_button_pressed_before_the_first_field_finishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let screen = folder.path().join("screen.png");
    let mut presses = 0;
    let (ended, text) = run_with_operator("simulated:32", &screen, |machine| {
        let smear = machine.smear();
        assert_eq!(smear.state(), RunState::Live);
        presses += 1;
        match presses {
            _ if smear.fields() > 0 => Some(Action::Stop),
            1..=3 => Some(Action::Confirm),
            4 => Some(Action::StepBrightness),
            _ => None,
        }
    });
    let message = ended.unwrap_err().to_string();
    assert!(message.contains("no result"), "{message}");
    assert!(text.contains("fields counted"), "{text}");
}

/// The updater's side of the talk, and an operator who waits for a page before pressing.
struct Updater<'a> {
    files: IpcFiles,
    screen: &'a Path,
    looks: u32,
}

impl Updater<'_> {
    fn say(&self, content: UpdateState) {
        let told = Published {
            format: PROTOCOL_FORMAT,
            content,
        };
        let beside = self.files.state.with_extension("new");
        fs::write(&beside, serde_json::to_vec(&told).unwrap()).unwrap();
        fs::rename(beside, &self.files.state).unwrap();
    }

    /// What it was answered, which it takes away.
    fn answer(&self) -> Option<Answer> {
        let bytes = fs::read(&self.files.answer).ok()?;
        fs::remove_file(&self.files.answer).unwrap();
        let told: Published<Answer> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(told.format, PROTOCOL_FORMAT);
        Some(told.content)
    }

    fn status(&self) -> Option<DeviceStatus> {
        let bytes = fs::read(&self.files.status).ok()?;
        let told: Published<DeviceStatus> = serde_json::from_slice(&bytes).unwrap();
        Some(told.content)
    }

    fn is_shown(&self, page: UpdatePage<'_>) -> bool {
        let Ok(shown) = image::open(self.screen) else {
            return false;
        };
        let shown = shown.to_rgb8().into_raw();
        identities(true).into_iter().any(|identity| {
            let screen = Screen::Update(Update {
                language: Language::English,
                identity,
                page,
            });
            shown == render(&screen, ScreenSize::Small).rgb()
        })
    }

    /// A press now and then, as a finger does it.
    fn press(&mut self, action: Action) -> Option<Action> {
        self.looks += 1;
        self.looks.is_multiple_of(4).then_some(action)
    }
}

#[test]
fn an_update_is_offered_agreed_to_installed_and_restarted_into() {
    const MANY_LOOKS: u32 = 2000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.toml");
    fs::write(&file, board("", folder.path())).unwrap();
    let screen = folder.path().join("screen.png");
    let offer = Offer {
        sha256: "0123abcd".to_owned(),
        version: "0.1.0".to_owned(),
        running_version: "0.2.0".to_owned(),
        is_older: true,
        notes: Notes::default(),
    };
    let (running, offered, version) = ("0.2.0", "0.1.0", "0.1.0");
    let mut updater = Updater {
        files: ipc_files(&screen),
        screen: &screen,
        looks: 0,
    };
    updater.say(UpdateState::Offered(offer.clone()));
    let mut stage = "offered";
    let mut looks = 0;
    let more = ["--board", file.to_str().unwrap()];
    let (ended, text) = run_with_updater("simulated:33", &screen, &more, |machine| {
        let smear = machine.smear();
        looks += 1;
        assert!(looks < MANY_LOOKS, "nothing comes after {stage}");
        let installing = |percent| UpdateState::Installing {
            version: version.to_owned(),
            percent,
        };
        match stage {
            "offered" => {
                assert_eq!(smear.fields(), 0, "counted behind a question");
                let page = UpdatePage::Offered {
                    running,
                    offered,
                    notes: &offer.notes,
                };
                if updater.is_shown(UpdatePage::Older { running, offered }) {
                    stage = "agreed to once";
                }
                updater
                    .is_shown(page)
                    .then(|| updater.press(Action::Confirm))?
            }
            "agreed to once" => {
                let agreed = Answer::Install {
                    sha256: offer.sha256.clone(),
                    is_older_agreed: true,
                };
                match updater.answer() {
                    None => return updater.press(Action::Confirm),
                    answer => assert_eq!(answer, Some(agreed)),
                }
                updater.say(installing(10));
                stage = "installing";
                None
            }
            // Back to counting.
            "installing" if smear.fields() == 0 => updater.press(Action::Confirm),
            "installing" => {
                updater.say(installing(60));
                stage = "counting";
                None
            }
            "counting" => {
                assert_eq!(smear.state(), RunState::Live);
                let page = UpdatePage::Installing {
                    version,
                    percent: 60,
                };
                assert!(!updater.is_shown(page), "a smear is being counted");
                if smear.fields() < 2 || machine.is_guarded(Instant::now()) {
                    return None;
                }
                if machine.phase() == Phase::FinishQuestion {
                    stage = "finished";
                }
                Some(Action::Confirm)
            }
            "finished" => {
                assert_eq!(smear.state(), RunState::Finished);
                let status = updater.status().unwrap();
                assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
                assert!(status.camera.is_some() && status.is_data_readable);
                assert_eq!(status.display, None, "a file is no display");
                updater.say(UpdateState::ReadyToRestart {
                    version: version.to_owned(),
                });
                stage = "next smear";
                None
            }
            "next smear" if smear.state() == RunState::Finished => updater.press(Action::Confirm),
            "next smear" => match updater.answer() {
                None if updater.is_shown(UpdatePage::Ready { version }) => {
                    updater.press(Action::Confirm)
                }
                None => None,
                answer => {
                    assert_eq!(answer, Some(Answer::Restart));
                    stage = "restarting";
                    None
                }
            },
            "restarting" if updater.is_shown(UpdatePage::Restarting) => Some(Action::Stop),
            _ => None,
        }
    });
    assert_eq!(stage, "restarting", "{ended:?}");
    assert!(ended.is_err(), "the smear after the result was interrupted");
    assert!(text.contains("fields counted"), "{text}");
}

//! A run as a device lives it: power cuts, a service manager, a full stop.

mod common;

use common::{hemoscope, messages, program};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A run on the simulated slide that keeps its records.
fn run(folder: &Path, fields: Option<u32>) -> Command {
    let mut command = program();
    command.args(["run", "--camera", "simulated:41", "--panel"]);
    command.arg(format!("png:{}", folder.join("screen.png").display()));
    command.arg("--data").arg(folder.join("data"));
    if let Some(fields) = fields {
        command.args(["--fields", &fields.to_string()]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn records(folder: &Path, action: &str) -> Output {
    let mut command = hemoscope();
    command.arg("records").arg(folder.join("data")).arg(action);
    command.output().unwrap()
}

fn record_file(folder: &Path, smear: u32) -> PathBuf {
    folder.join(format!("data/records/{smear:08}-001.jsonl"))
}

/// Waits until a file of records has so many lines.
fn wait_for_lines(file: &Path, lines: usize, child: &mut Child) {
    while fs::read_to_string(file).map_or(0, |text| text.lines().count()) < lines {
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let status = Command::new("kill").args(["-s", name, &id]).status();
    assert!(status.unwrap().success());
}

#[test]
fn records_add_up_to_what_the_run_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), Some(5)).output().unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let printed = text(&output);
    assert!(printed.contains("smear 1 of the records in"), "{printed}");
    let verified = records(folder.path(), "verify");
    assert!(verified.status.success());
    let said = text(&verified);
    assert!(said.contains("all whole and in order; finished"), "{said}");
    let total = text(&records(folder.path(), "total"));
    let rows = |text: &str| -> Vec<String> {
        let is_row = |line: &&str| {
            ["RBC", "WBC", "PLT", "uncertain", "5 fields"]
                .iter()
                .any(|start| line.starts_with(start))
        };
        text.lines().filter(is_row).map(str::to_owned).collect()
    };
    // Each class has a row, and is told not to have reached its target.
    assert_eq!(rows(&total).len(), 8, "{total}");
    assert_eq!(rows(&total), rows(&printed));
    // One altered digit is found.
    let file = record_file(folder.path(), 1);
    let altered = fs::read_to_string(&file)
        .unwrap()
        .replacen("\"seq\":3", "\"seq\":4", 1);
    fs::write(&file, altered).unwrap();
    let verified = records(folder.path(), "verify");
    assert!(!verified.status.success());
    assert!(
        text(&verified).contains("line 4 is torn or altered"),
        "{}",
        text(&verified)
    );
}

#[test]
fn a_run_that_is_cut_off_is_interrupted_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = record_file(folder.path(), 1);
    let mut child = run(folder.path(), None).spawn().unwrap();
    wait_for_lines(&file, 4, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    // What a power cut may leave of the last line.
    let kept = fs::read(&file).unwrap();
    let kept = &kept[..kept.len() - 5];
    fs::write(&file, kept).unwrap();

    let output = run(folder.path(), Some(2)).output().unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let said = messages(&output);
    for part in ["was torn", "smear 1 was interrupted after"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let list = text(&records(folder.path(), "list"));
    let rows: Vec<&str> = list.lines().skip(1).collect();
    assert!(
        rows[0].contains("interrupted") && rows[1].contains("finished"),
        "{list}"
    );
    assert!(records(folder.path(), "verify").status.success());
    let side = format!("{}.torn-01", file.display());
    let repaired = fs::read(&file).unwrap();
    let side = fs::read(side).unwrap();
    let whole = kept.len() - side.len();
    assert_eq!(kept[..whole], repaired[..whole]);
    assert_eq!(kept[whole..], side);
}

#[test]
fn results_that_cannot_be_saved_are_counted_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the data folder should be.
    fs::write(folder.path().join("data"), "").unwrap();
    let output = run(folder.path(), Some(2)).output().unwrap();
    assert!(!output.status.success());
    let printed = text(&output);
    for part in ["2 fields counted", "NOT saved", "check the folder's path"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// The manager's end of its socket.
fn manager(folder: &Path) -> (UnixDatagram, PathBuf) {
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    (socket, path)
}

/// The next message; `None` when none has come for three seconds.
fn next_message(socket: &UnixDatagram) -> Option<String> {
    let mut bytes = [0; 4096];
    socket
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
}

#[test]
fn the_service_manager_is_told_and_a_stop_keeps_what_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, path) = manager(folder.path());
    let mut child = run(folder.path(), None)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "30000000")
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    while ![
        "READY=1",
        "WATCHDOG=1",
        "STATUS=2 fields counted; camera there",
    ]
    .iter()
    .all(|wanted| told.iter().any(|one: &String| one.trim() == *wanted))
    {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended: {told:?}"
        );
        told.extend(next_message(&socket));
    }
    assert_eq!(told[0].trim(), "READY=1");
    signal(&child, "TERM");
    while told.last().is_none_or(|last| last.trim() != "STOPPING=1") {
        told.extend(next_message(&socket));
        assert!(told.len() < 10_000);
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let list = text(&records(folder.path(), "list"));
    assert!(list.contains("stopped"), "{list}");
    assert!(records(folder.path(), "verify").status.success());
}

#[test]
fn the_selftest_says_what_passes_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let selftest = || {
        let mut command = hemoscope();
        command.args(["selftest", "--camera", "simulated:3", "--data"]);
        command.arg(folder.path());
        command
    };
    let output = selftest().arg("--json").output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let verdict = |part: &str| {
        let check = checks.iter().find(|check| check["part"] == part);
        check.unwrap_or_else(|| panic!("{part}"))["verdict"].clone()
    };
    for part in ["processor", "model", "camera", "controls"] {
        assert_eq!(verdict(part), "pass", "{part}: {report}");
    }
    assert_eq!(verdict("board"), "notice");
    // Slow is no failure; so it is in an emulator.
    assert_ne!(verdict("network"), "fail", "{report}");
    // Temperature and memory are those of the machine that runs this test.
    assert_eq!(output.status.success(), report["usable"] == true);

    let board = folder.path().join("board.toml");
    let pi = include_str!("../board/raspberry-pi-3/board.toml");
    let other = pi
        .replace("raspberrypi,", "nobody,")
        .replace("spidev0.0", "nothing0");
    fs::write(&board, other).unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
    let mut command = selftest();
    let output = command
        .args(["--model", model, "--board"])
        .arg(&board)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = text(&output);
    for part in [
        "FAIL    board",
        "nobody,3-model-b",
        "FAIL    panel",
        "/dev/nothing0",
        "can NOT be used",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

//! `hemoscope update` as RAUC, the image's units and an engineer call it.

mod common;

use common::{hemoscope, messages};
use hemoscope::record::Timestamp;
use hemoscope::update::boot::slots::Slot;
use hemoscope::update::folder::DiskFolder;
use hemoscope::update::history::{self, HISTORY_FORMAT, HistoryEvent, HistoryLine};
use std::fs;
use std::path::Path;

/// Runs `hemoscope update slots` on a file that plays the disk; what it printed, if it succeeded.
fn slots(disk: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = hemoscope()
        .args(["update", "slots"])
        .args(arguments)
        .arg("--disk")
        .arg(disk)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    if output.status.success() {
        Ok(said)
    } else {
        Err(messages(&output))
    }
}

#[test]
fn rauc_marks_the_slots_of_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::write(&disk, vec![0_u8; 1 << 20]).unwrap();
    let torn = slots(&disk, &["get-primary"]).unwrap_err();
    assert!(torn.contains("both copies"), "{torn}");
    let steps: [(&[&str], &str); 12] = [
        (&["get-state", "A"], "bad\n"),
        (&["set-state", "A", "good"], ""),
        (&["set-state", "B", "bad"], ""),
        (&["get-primary"], "A\n"),
        (&["get-state", "B"], "bad\n"),
        (&["set-primary", "B"], ""),
        (&["get-primary"], "B\n"),
        (&["get-state", "B"], "good\n"),
        (&["show"], "order: B, A; tries left: A 9, B 3\n"),
        (&["set-state", "B", "bad"], ""),
        (&["set-state", "A", "bad"], ""),
        (&["show"], "order: none; tries left: A 0, B 0\n"),
    ];
    for (arguments, expected) in steps {
        assert_eq!(
            slots(&disk, arguments).as_deref(),
            Ok(expected),
            "{arguments:?}"
        );
    }
    let none = slots(&disk, &["get-primary"]).unwrap_err();
    assert!(none.contains("no slot has tries left"), "{none}");
    let wrong = slots(&disk, &["get-state", "C"]).unwrap_err();
    assert!(wrong.contains("give A or B"), "{wrong}");
}

/// Runs `hemoscope update`; whether it succeeded, what it printed, and what it said.
fn update(arguments: &[&str]) -> (bool, String, String) {
    let output = hemoscope().arg("update").args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.success(), printed, messages(&output))
}

#[test]
fn the_history_is_printed_as_rows_or_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (is_done, printed, _) = update(&["history", "--folder", path]);
    assert!(is_done && printed == "no updates yet\n", "{printed}");
    let mut disk = DiskFolder::new(folder.path().to_owned());
    for (event, reason) in [
        (HistoryEvent::Installed, ""),
        (HistoryEvent::RolledBack, "it did not start"),
        (HistoryEvent::Seen, ""),
    ] {
        let line = HistoryLine {
            format: HISTORY_FORMAT,
            event,
            from: "1.0.0".to_owned(),
            to: "1.1.0".to_owned(),
            slot: Slot::B,
            sha256: "ab".to_owned(),
            reason: reason.to_owned(),
            boot_id: "a-boot".to_owned(),
            stamp: Timestamp {
                uptime_ms: 5,
                unix_ms: 1_767_229_260_000,
                clock_set: true,
            },
        };
        history::add(&mut disk, line).unwrap();
    }
    let (_, printed, _) = update(&["history", "--folder", path]);
    let expected = "2026-01-01 01:01 UTC  installed       1.0.0 -> 1.1.0, slot B\n\
                    2026-01-01 01:01 UTC  rolled back     1.0.0 -> 1.1.0, slot B: it did not start\n";
    assert_eq!(printed, expected);
    let (_, printed, _) = update(&["history", "--json", "--folder", path]);
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["event"], "rolled_back");
    assert_eq!(lines[1]["slot"], "B");
}

#[test]
fn what_needs_a_board_says_so_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for command in [
        vec!["serve"],
        vec!["install", "x.raucb"],
        vec!["install", "x.raucb", "--allow-downgrade"],
    ] {
        let (is_done, _, said) = update(&[command.as_slice(), &["--folder", path]].concat());
        assert!(
            !is_done && said.contains("run this on a board"),
            "{command:?}: {said}"
        );
    }
    let (is_done, printed, _) = update(&["status", "--folder", path]);
    assert!(
        !is_done && printed.contains("run this on a board"),
        "{printed}"
    );
    let (_, printed, _) = update(&["status", "--json", "--folder", path]);
    let status: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(status["version"].is_null() && status["pending"].is_null());
}

#[test]
fn a_file_that_is_no_bundle_is_refused_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.raucb");
    fs::write(&file, "a text").unwrap();
    let (is_done, _, said) = update(&["check", file.to_str().unwrap()]);
    assert!(
        !is_done && said.contains("is not an update bundle"),
        "{said}"
    );
}

#[test]
fn the_model_s_known_answer_is_written_by_the_program_itself() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");
    let (is_done, printed, said) = update(&["known-answer", "--model", model]);
    assert!(is_done, "{said}");
    let kept = fs::read_to_string(Path::new(model).join("known_answer.json")).unwrap();
    assert_eq!(printed, kept, "write it anew with `make known-answer`");
}

#[test]
fn the_old_names_of_commands_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (_, _, said) = update(&["install", "x.raucb", "--yes-older", "--folder", path]);
    assert!(said.contains("run this on a board"), "{said}");
    let (_, _, said) = update(&["prove", "--board", "none/board.toml", "--folder", path]);
    assert!(said.contains("none/board.toml"), "{said}");
}

#[test]
fn help_tells_every_command_an_engineer_needs() {
    let (is_done, printed, _) = update(&["--help"]);
    assert!(is_done);
    for command in [
        "status", "check", "install", "history", "serve", "confirm", "slots",
    ] {
        assert!(
            printed.contains(&format!("  {command} ")),
            "{command}:\n{printed}"
        );
    }
    assert!(!printed.contains("known-answer"), "{printed}");
}

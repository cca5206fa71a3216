//! `hemoscope update` as RAUC, the image's units and an engineer call it.

mod common;

use common::{hemoscope, messages};
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
    assert!(torn.contains("torn in both copies"), "{torn}");
    let steps: [(&[&str], &str); 12] = [
        (&["get-state", "A"], "bad\n"),
        (&["set-state", "A", "good"], ""),
        (&["set-state", "B", "bad"], ""),
        (&["get-primary"], "A\n"),
        (&["get-state", "B"], "bad\n"),
        (&["set-primary", "B"], ""),
        (&["get-primary"], "B\n"),
        (&["get-state", "B"], "good\n"),
        (&["show"], "order: B, A; attempts left: A 9, B 3\n"),
        (&["set-state", "B", "bad"], ""),
        (&["set-state", "A", "bad"], ""),
        (&["show"], "order: none; attempts left: A 0, B 0\n"),
    ];
    for (arguments, expected) in steps {
        assert_eq!(
            slots(&disk, arguments).as_deref(),
            Ok(expected),
            "{arguments:?}"
        );
    }
    let none = slots(&disk, &["get-primary"]).unwrap_err();
    assert!(none.contains("no slot has attempts left"), "{none}");
    let wrong = slots(&disk, &["get-state", "C"]).unwrap_err();
    assert!(wrong.contains("give A or B"), "{wrong}");
}

//! Each line of the report, from what a probe may find.

use super::probes;
use super::report::*;
use crate::board::BoardDescription;
use crate::network::{GoldenCaseResult, GoldenReport};
use crate::panel::PanelSpec;
use crate::record::Timestamp;
use std::path::PathBuf;

fn golden(different_values: usize) -> GoldenReport {
    GoldenReport {
        cases: vec![GoldenCaseResult {
            name: "one".to_owned(),
            values: 400,
            different_values,
            largest_difference: 3,
        }],
    }
}

fn captured(mean_light: u8, warnings: &[&str]) -> CameraFinding {
    CameraFinding {
        name: "v4l2:/dev/video0".to_owned(),
        format: "MJPG 640x480".to_owned(),
        took_ms: 40,
        mean_light,
        focus_score: 71,
        controls: vec!["exposure 10000 us".to_owned()],
        warnings: warnings
            .iter()
            .map(|warning| (*warning).to_owned())
            .collect(),
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn stamp(clock_set: bool) -> Timestamp {
    Timestamp {
        uptime_ms: 1,
        unix_ms: 86_400_000 * 3,
        clock_set,
    }
}

#[test]
fn every_finding_has_its_verdict_its_numbers_and_what_to_do() {
    use Verdict::{Fail, Notice, Pass};
    let text = include_str!("../../board/raspberry-pi-4/board.toml");
    let pi = BoardDescription::parse(text, "board.toml").unwrap();
    let no = |reason: &str| reason.to_owned();
    let dark = captured(9, &[]);
    let white = captured(254, &[]);
    let good = captured(180, &[]);
    let stubborn = captured(180, &["gain: the camera took 64 instead of 99"]);
    let cases: Vec<(Check, Verdict, &str)> = vec![
        (board(Some(&pi), None), Pass, "Raspberry Pi 4 Model B"),
        (
            board(Some(&pi), Some(no("another board"))),
            Fail,
            "another board",
        ),
        (board(None, None), Notice, "not described"),
        (
            processor("Cortex-A72", 4, Ok("neon")),
            Pass,
            "4 cores, kernel neon",
        ),
        (
            processor("Cortex-A72", 4, Err(no("no model"))),
            Fail,
            "Cortex-A72",
        ),
        (
            memory(Some((923, 700)), 200),
            Pass,
            "700 MB of 923 MB free, 200 MB wanted",
        ),
        (memory(Some((923, 300)), 200), Notice, "300 MB"),
        (memory(Some((923, 199)), 200), Fail, "199 MB"),
        (memory(None, 200), Notice, "does not say"),
        (temperature(Some(48_312)), Pass, "48 °C"),
        (temperature(Some(76_000)), Notice, "76 °C"),
        (temperature(Some(85_000)), Fail, "85 °C"),
        (temperature(None), Notice, "no sensor"),
        (
            model("m 1", Ok(&golden(0))),
            Pass,
            "1 golden frames, 400 values all equal",
        ),
        (model("m 1", Ok(&golden(7))), Fail, "7 of 400 values"),
        (model("m 1", Err(no("damaged"))), Fail, "m 1"),
        (network_time(Ok(230)), Pass, "230 ms"),
        (network_time(Ok(2_001)), Notice, "2001 ms"),
        (network_time(Err(no("why"))), Fail, "cannot run"),
        (
            camera(Ok(&good)).remove(0),
            Pass,
            "MJPG 640x480, a frame after 40 ms, mean light 180, focus 71",
        ),
        (camera(Ok(&good)).remove(1), Pass, "exposure 10000 us"),
        (camera(Ok(&dark)).remove(0), Notice, "mean light 9"),
        (camera(Ok(&white)).remove(0), Notice, "mean light 254"),
        (camera(Ok(&stubborn)).remove(1), Notice, "exposure 10000 us"),
        (
            camera(Err(no("is not connected"))).remove(0),
            Fail,
            "is not connected",
        ),
        (panel(None, &[], &[]), Notice, "not described"),
        (
            panel(
                Some(&PanelSpec::Drm { card: None }),
                &paths(&["/dev/dri/card0"]),
                &[],
            ),
            Pass,
            "card0",
        ),
        (
            panel(Some(&PanelSpec::Drm { card: None }), &[], &[]),
            Fail,
            "no /dev/dri/card*",
        ),
        (
            panel(
                Some(&PanelSpec::Spi),
                &paths(&["/dev/spidev0.0", "/dev/gpiochip0"]),
                &[],
            ),
            Pass,
            "spidev0.0",
        ),
        (
            panel(
                Some(&PanelSpec::Spi),
                &paths(&["/dev/gpiochip0"]),
                &paths(&["/dev/spidev0.0"]),
            ),
            Fail,
            "/dev/spidev0.0 missing",
        ),
        (
            fault_light(Some("ACT"), &texts(&["ACT", "PWR"])),
            Pass,
            "ACT",
        ),
        (
            fault_light(Some("ACT"), &texts(&["led0"])),
            Notice,
            "ACT missing; there are: led0",
        ),
        (
            fault_light(None, &[]),
            Notice,
            "none described; there are: none",
        ),
        (input(None, &[]), Notice, "none"),
        (input(None, &texts(&["kbd"])), Pass, "kbd"),
        (input(Some(&[]), &[]), Fail, "none"),
        (input(Some(&[]), &texts(&["kbd"])), Pass, "kbd"),
        (
            input(Some(&texts(&["gpio-keys"])), &texts(&["kbd", "gpio-keys"])),
            Pass,
            "gpio-keys",
        ),
        (
            input(Some(&texts(&["gpio-keys"])), &texts(&["kbd"])),
            Fail,
            "gpio-keys missing; there are: kbd",
        ),
        (data(None, Ok(0)), Notice, "no data folder"),
        (
            data(Some("/data"), Ok(9_000)),
            Pass,
            "/data can be written, 9000 MB free",
        ),
        (data(Some("/data"), Ok(499)), Notice, "499 MB"),
        (data(Some("/data"), Ok(49)), Fail, "49 MB"),
        (
            data(Some("/data"), Err(no("cannot be written"))),
            Fail,
            "/data: cannot be written",
        ),
        (clock(stamp(true)), Pass, "set, day 3"),
        (clock(stamp(false)), Notice, "not set, day 3"),
        (watchdog(Some("/dev/watchdog"), true), Pass, "/dev/watchdog"),
        (watchdog(None, true), Fail, "no /dev/watchdog"),
        (watchdog(None, false), Notice, "no /dev/watchdog"),
    ];
    let mut wrong = Vec::new();
    for (check, verdict, found) in cases {
        let is_advised = check.advice.is_some() == (verdict != Pass);
        if check.verdict != verdict || !check.found.contains(found) || !is_advised {
            wrong.push(check);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_device_is_usable_until_something_fails() {
    let mut report = Report {
        checks: vec![clock(stamp(true))],
    };
    assert!(report.is_usable() && report.table().contains("Everything passes."));
    report.checks.push(clock(stamp(false)));
    assert!(report.is_usable() && report.table().contains("1 to look at"));
    report.checks.push(watchdog(None, true));
    assert!(!report.is_usable());
    let table = report.table();
    for part in [
        "pass    clock",
        "FAIL    watchdog",
        "-> load the board's",
        "can NOT be used: 1 failed",
    ] {
        assert!(table.contains(part), "{part}:\n{table}");
    }
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    assert_eq!(json["usable"], false);
    assert_eq!(json["checks"][2]["verdict"], "fail");
    assert_eq!(json["checks"][0]["advice"], serde_json::Value::Null);
}

#[test]
fn memory_is_read_as_the_kernel_tells_it() {
    let text = "MemTotal:        945364 kB\nMemFree:  1 kB\nMemAvailable:    700000 kB\n";
    assert_eq!(probes::parse_memory_mb(text), Some((923, 683)));
    assert_eq!(probes::parse_memory_mb("MemTotal: 945364 kB\n"), None);
    assert_eq!(
        probes::parse_memory_mb("MemTotal: many kB\nMemAvailable: 1 kB"),
        None
    );
}

#[test]
fn a_folder_that_can_be_written_has_free_space() {
    let folder = tempfile::tempdir().unwrap();
    assert!(probes::free_mb(&folder.path().join("new")).is_ok());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(
        probes::free_mb(&file)
            .unwrap_err()
            .contains("cannot be written")
    );
}

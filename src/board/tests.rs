//! Every board's file parses; every mistake is refused with what is allowed.

use super::*;
use crate::panel::Controller;
use proptest::prelude::*;
use std::fs;

const GOOD: &str = r#"format = 1
name = "bench-1"
title = "A bench"
compatible = ["vendor,bench", "vendor,other"]
[camera]
source = "v4l2"
exposure_us = 10000
[panel]
kind = "spi"
rotation_degrees = 90
[panel.spi]
controller = "st7789"
device = "/dev/spidev0.0"
clock_hz = 32000000
gpio_chip = "/dev/gpiochip0"
data_command_line = 25
reset_line = 24
width_px = 320
height_px = 240
[input]
buttons = ["gpio-keys"]
[paths]
model = "/usr/share/hemoscope/models/smear-resnet"
data = "/data/hemoscope"
"#;

fn message(text: &str) -> String {
    match BoardDescription::parse(text, "b.toml") {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_description_is_read_whole() {
    let board = BoardDescription::parse(GOOD, "b.toml").unwrap();
    assert_eq!(board.camera.controls.exposure_us, Some(10_000));
    assert_eq!(board.camera.controls.gain, None);
    assert_eq!(board.panel.rotation_degrees, 90);
    let spi = board.panel.spi.as_ref().unwrap();
    assert_eq!(spi.controller, Controller::St7789);
    assert_eq!((spi.reset_line, spi.backlight_line), (Some(24), None));
    assert_eq!(board.input.buttons, ["gpio-keys"]);
    assert_eq!(board.limits, Limits::default());
}

#[test]
fn every_board_in_the_repository_is_described() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("board");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path().join("board.toml");
        if path.exists() {
            let board = BoardDescription::load(&path).unwrap_or_else(|error| panic!("{error}"));
            let lies_in = path.parent().unwrap().file_name().unwrap();
            assert_eq!(lies_in, &*board.name, "name and folder");
            assert!(!board.compatible.is_empty(), "{}", board.name);
            names.push(board.name);
        }
    }
    names.sort();
    let expected = [
        "qemu-aarch64",
        "raspberry-pi-3",
        "raspberry-pi-4",
        "raspberry-pi-zero-2-w",
    ];
    assert_eq!(names, expected);
}

#[test]
fn mistakes_are_refused_with_what_is_allowed() {
    let change = |from: &str, to: &str| GOOD.replacen(from, to, 1);
    let cases: [(&str, String, &[&str]); 21] = [
        ("format", change("format = 1", "format = 2"), &["`format` outside any table, line 1, cannot be 2", "from 1 to 1"]),
        ("no format", change("format = 1\n", ""), &["`format` outside any table is missing", "give a whole number"]),
        ("root typo", change("title", "titel"), &["unknown key `titel` outside any table, line 3", "`title`?"]),
        ("key typo", change("exposure_us", "exposure_ms"), &["unknown key `exposure_ms` in [camera], line 7", "`exposure_us`?"]),
        ("nested typo", change("clock_hz", "clok_hz"), &["unknown key `clok_hz` in [panel.spi], line 14", "`clock_hz`?"]),
        ("table typo", change("[paths]", "[path]"), &["unknown table [path], line 22", "[paths]?"]),
        ("nested table typo", change("[panel.spi]", "[panel.spl]"), &["unknown key `spl` in [panel], line 11"]),
        ("elsewhere", change("source = \"v4l2\"", "source = \"v4l2\"\nclock_hz = 3"), &["`clock_hz` in [panel.spi]?"]),
        ("type", change("= 10000", "= \"10 ms\""), &["`exposure_us` in [camera], line 7, is text", "a whole number from 100 to 10000000"]),
        ("range", change("= 10000", "= 1"), &["line 7, cannot be 1"]),
        ("rotation", change("= 90", "= 45"), &["cannot be 45; give 0 or 90 or 180 or 270"]),
        ("choice", change("\"st7789\"", "\"sh1106\""), &["cannot be \"sh1106\"; give \"ili9341\" or \"st7789\""]),
        ("no list", change("[\"gpio-keys\"]", "\"gpio-keys\""), &["`buttons` in [input], line 21, is text; give a list"]),
        ("twice", change("[\"gpio-keys\"]", "[\"a\", \"a\"]"), &["cannot be [\"a\", \"a\"]", "different texts"]),
        ("numbers", change("[\"gpio-keys\"]", "[1]"), &["is a list; give a list of 0 to 16"]),
        ("missing", change("data = \"/data/hemoscope\"\n", ""), &["`data` in [paths] is missing"]),
        ("no table", GOOD.replace("[paths]\nmodel = \"/usr/share/hemoscope/models/smear-resnet\"\ndata = \"/data/hemoscope\"\n", ""), &["`model` in [paths] is missing"]),
        ("wrong kind", change("kind = \"spi\"", "kind = \"drm\""), &["there is a [panel.spi]; take"]),
        ("line twice", change("reset_line = 24", "reset_line = 25"), &["name line 25; give each"]),
        ("relative", change("\"/data/hemoscope\"", "\"data\""), &["`data` cannot be \"data\"; give a path that begins with /"]),
        ("name", change("bench-1", "Bench 1"), &["`name` cannot be \"Bench 1\""]),
    ];
    let mut wrong = Vec::new();
    for (case, text, parts) in cases {
        let message = message(&text);
        if !message.starts_with("b.toml") || parts.iter().any(|part| !message.contains(part)) {
            wrong.push(format!("{case}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (before, _) = GOOD.split_once("[panel.spi]").unwrap();
    let (_, after) = GOOD.split_once("height_px = 240\n").unwrap();
    let without = message(&format!("{before}{after}"));
    assert!(
        without.contains("there is no [panel.spi]; add"),
        "{without}"
    );
}

#[test]
fn a_description_of_another_board_names_both() {
    let board = BoardDescription::parse(GOOD, "b.toml").unwrap();
    let found = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    let check = |found| board.check_compatible("b.toml", found);
    assert!(check(found(&["maker,x", "vendor,other"])).is_ok());
    let message = check(found(&["linux,dummy-virt"])).unwrap_err().to_string();
    for part in ["b.toml", "A bench", "vendor,bench", "linux,dummy-virt"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let none = check(Err(io::Error::from(io::ErrorKind::NotFound)));
    let message = none.unwrap_err().to_string();
    assert!(
        message.contains("does not say which board it is"),
        "{message}"
    );
    let text = GOOD.replace("[\"vendor,bench\", \"vendor,other\"]", "[]");
    let anywhere = BoardDescription::parse(&text, "b.toml").unwrap();
    let nothing = Err(io::Error::from(io::ErrorKind::NotFound));
    assert!(anywhere.check_compatible("b.toml", nothing).is_ok());
}

#[test]
fn the_device_tree_lists_names_between_zeros() {
    let names = parse_compatible(b"raspberrypi,4-model-b\0brcm,bcm2711\0");
    assert_eq!(names, ["raspberrypi,4-model-b", "brcm,bcm2711"]);
    assert!(parse_compatible(b"\0\0").is_empty());
    assert_eq!(parse_compatible(b"cut"), ["cut"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = BoardDescription::parse(&text, "any.toml");
    }

    #[test]
    fn no_changed_description_panics(at in 0..GOOD.len(), length in 0_usize..40, with in "[\\[\\]{}.=\"a-z0-9\n]{0,8}") {
        let end = (at + length).min(GOOD.len());
        let text = format!("{}{with}{}", &GOOD[..at], &GOOD[end..]);
        let _ = BoardDescription::parse(&text, "any.toml");
    }
}

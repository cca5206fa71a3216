//! What was found, judged: pure functions from findings to lines of the report.

use crate::board::BoardDescription;
use crate::network::GoldenReport;
use crate::panel::PanelSpec;
use crate::record::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A board slows its processor down from here on, in thousandths of a degree Celsius.
const TOO_HOT_MILLIDEGREES: i32 = 85_000;
/// A board above this gives the network one thread only.
const HOT_MILLIDEGREES: i32 = 75_000;
/// Less free space than this is none: a smear's records and their parts fit in it.
const LEAST_FREE_MB: u64 = 50;
/// Less free space than this is soon none.
const LITTLE_FREE_MB: u64 = 500;
/// Mean light of a frame (0 to 255) below which it is dark, and above which it is white.
const USUAL_LIGHT: std::ops::RangeInclusive<u8> = 40..=245;
/// A network that takes longer for a frame makes counting a patience test.
const SLOW_NETWORK_MS: u64 = 2_000;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The part works; nothing to do.
    Pass,
    /// The device works, but somebody should look at it.
    Notice,
    /// The device cannot be used like this.
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The part of the device, in one word such as `camera`.
    pub part: &'static str,
    /// Whether the device can be used with the part as it is.
    pub verdict: Verdict,
    /// What was found, with its numbers.
    pub found: String,
    /// What to do; there unless the part passes.
    pub advice: Option<String>,
}

impl Check {
    fn pass(part: &'static str, found: impl Into<String>) -> Self {
        Self {
            part,
            verdict: Verdict::Pass,
            found: found.into(),
            advice: None,
        }
    }

    fn notice(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            part,
            verdict: Verdict::Notice,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn fail(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::notice(part, found, advice)
        }
    }
}

/// Every check, in the order in which they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// At least one for each part that was tested.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether the device can be used.
    pub fn is_usable(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict != Verdict::Fail)
    }

    /// A line for each check, with what to do below it.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Pass => "pass",
                Verdict::Notice => "notice",
                Verdict::Fail => "FAIL",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{verdict:<8}{:<14}{}", check.part, check.found);
            if let Some(advice) = &check.advice {
                let _ = writeln!(text, "{:<22}-> {advice}", "");
            }
        }
        let count = |verdict| {
            self.checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count()
        };
        let (failed, noticed) = (count(Verdict::Fail), count(Verdict::Notice));
        let _ = match (failed, noticed) {
            (0, 0) => writeln!(text, "Everything passes."),
            (0, noticed) => writeln!(text, "The device can be used; {noticed} to look at."),
            (failed, _) => writeln!(text, "The device can NOT be used: {failed} failed."),
        };
        text
    }

    /// The report as one line of JSON.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            usable: bool,
            checks: &'a [Check],
        }
        let whole = Whole {
            usable: self.is_usable(),
            checks: &self.checks,
        };
        Ok(serde_json::to_string(&whole)? + "\n")
    }
}

/// Whether the description fits; `compatible` is the refusal, if any.
pub fn board(described: Option<&BoardDescription>, refusal: Option<String>) -> Check {
    match (described, refusal) {
        (_, Some(refusal)) => Check::fail(
            "board",
            refusal,
            "take the board.toml of this board, and test again",
        ),
        (Some(board), None) => Check::pass("board", board.title.clone()),
        (None, None) => Check::notice(
            "board",
            "not described",
            "give --board FILE to test what is wired to it",
        ),
    }
}

/// The processor and the kernel of the network's arithmetic.
pub fn processor(name: &str, cores: usize, kernel: Result<&str, String>) -> Check {
    match kernel {
        Ok(kernel) => Check::pass(
            "processor",
            format!("{name}, {cores} cores, kernel {kernel}"),
        ),
        Err(reason) => Check::fail("processor", format!("{name}, {cores} cores"), reason),
    }
}

/// Memory against the limit, in megabytes.
pub fn memory(found_mb: Option<(u64, u64)>, limit_mb: u64) -> Check {
    let Some((total_mb, available_mb)) = found_mb else {
        return Check::notice(
            "memory",
            "the system does not say",
            "check that /proc is mounted",
        );
    };
    let found = format!("{available_mb} MB of {total_mb} MB free, {limit_mb} MB wanted");
    match available_mb {
        free if free < limit_mb => Check::fail("memory", found, "stop other programs"),
        free if free < 2 * limit_mb => {
            Check::notice("memory", found, "see what else takes memory on this board")
        }
        _ => Check::pass("memory", found),
    }
}

/// The hottest sensor.
pub fn temperature(millidegrees: Option<i32>) -> Check {
    let Some(millidegrees) = millidegrees else {
        return Check::notice(
            "temperature",
            "no sensor",
            "feel the board: without a sensor it is taken for cool",
        );
    };
    let found = format!("{} °C", millidegrees / 1000);
    match millidegrees {
        hot if hot >= TOO_HOT_MILLIDEGREES => {
            Check::fail("temperature", found, "give the board a heat sink, or air")
        }
        hot if hot > HOT_MILLIDEGREES => Check::notice(
            "temperature",
            found,
            "the network runs on one thread until the board is cooler: give it air",
        ),
        _ => Check::pass("temperature", found),
    }
}

/// Whether the model gives on this processor what it gave where it was made.
pub fn model(name: &str, golden: Result<&GoldenReport, String>) -> Check {
    match golden {
        Err(reason) => Check::fail("model", name, reason),
        Ok(golden) => {
            let values: usize = golden.cases.iter().map(|case| case.values).sum();
            let different: usize = golden.cases.iter().map(|case| case.different_values).sum();
            let cases = golden.cases.len();
            if golden.is_equal() {
                let found = format!("{name}, {cases} golden frames, {values} values all equal");
                return Check::pass("model", found);
            }
            Check::fail(
                "model",
                format!("{name}, {different} of {values} values of {cases} golden frames differ"),
                "copy the model folder again, or try HEMOSCOPE_KERNEL=scalar",
            )
        }
    }
}

/// How long the network takes for a frame of 640x480, in milliseconds.
pub fn network_time(took_ms: Result<u64, String>) -> Check {
    match took_ms {
        Err(reason) => Check::fail("network", "cannot run", reason),
        Ok(slow) if slow > SLOW_NETWORK_MS => Check::notice(
            "network",
            format!("{slow} ms a frame of 640x480"),
            "counting will be slow: cool the board, and see `hemoscope bench`",
        ),
        Ok(took_ms) => Check::pass("network", format!("{took_ms} ms a frame of 640x480")),
    }
}

/// What a camera gave: its first good frame, and how it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraFinding {
    /// As the camera source names itself, such as `v4l2:/dev/video0`.
    pub name: String,
    /// Format and size.
    pub format: String,
    /// Wait for the first whole frame after the camera was opened, in milliseconds.
    pub took_ms: u64,
    /// Mean of all samples, 0 to 255.
    pub mean_light: u8,
    /// 0 to 100.
    pub focus_score: u8,
    /// Each control as it stands.
    pub controls: Vec<String>,
    /// What the camera did not take as asked.
    pub warnings: Vec<String>,
}

/// The camera and its controls.
pub fn camera(captured: Result<&CameraFinding, String>) -> Vec<Check> {
    let camera = match captured {
        Ok(camera) => camera,
        Err(reason) => {
            let advice = "check the cable, and see `hemoscope cameras`";
            return vec![Check::fail("camera", reason, advice)];
        }
    };
    let found = format!(
        "{}, {}, a frame after {} ms, mean light {}, focus {}",
        camera.name, camera.format, camera.took_ms, camera.mean_light, camera.focus_score
    );
    let of_frame = match camera.mean_light {
        usual if USUAL_LIGHT.contains(&usual) => Check::pass("camera", found),
        dark if dark < *USUAL_LIGHT.start() => Check::notice(
            "camera",
            found,
            "the image is dark: increase the illumination",
        ),
        _ => Check::notice(
            "camera",
            found,
            "the image is white: reduce the illumination",
        ),
    };
    let controls = match camera.controls.as_slice() {
        [] => "none that can be read".to_owned(),
        some => some.join(", "),
    };
    let of_controls = match camera.warnings.as_slice() {
        [] => Check::pass("controls", controls),
        some => Check::notice(
            "controls",
            controls,
            format!("{}; correct [camera] in board.toml", some.join("; ")),
        ),
    };
    vec![of_frame, of_controls]
}

/// The panel's device files.
pub fn panel(kind: Option<&PanelSpec>, found: &[PathBuf], missing: &[PathBuf]) -> Check {
    let names = |paths: &[PathBuf]| {
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(", ")
    };
    let Some(kind) = kind else {
        return Check::notice("panel", "not described", "give --board FILE to look for it");
    };
    if missing.is_empty() && !found.is_empty() {
        return Check::pass("panel", names(found));
    }
    let what = match missing {
        [] => "no /dev/dri/card*".to_owned(),
        missing => format!("{} missing", names(missing)),
    };
    Check::fail("panel", what, kind.remedy())
}

/// The light that a board describes for faults, against those there are.
pub fn fault_light(wanted: Option<&str>, found: &[String]) -> Check {
    let part = "fault light";
    match wanted {
        Some(name) if found.iter().any(|light| light == name) => Check::pass(part, name),
        Some(name) => Check::notice(
            part,
            format!("{name} missing; there are: {}", listed(found)),
            "correct fault_light in board.toml: without it nothing is seen of a fault of the display",
        ),
        None => Check::notice(
            part,
            format!("none described; there are: {}", listed(found)),
            "name one as fault_light in board.toml, to see a fault of the display",
        ),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        some => some.join(", "),
    }
}

/// The input devices there are, against those that are described.
pub fn input(wanted: Option<&[String]>, found: &[String]) -> Check {
    let all = listed(found);
    let Some(wanted) = wanted else {
        return match found {
            [] => Check::notice("input", all, "connect a keyboard or buttons"),
            _ => Check::pass("input", all),
        };
    };
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|name| !found.contains(name))
        .map(String::as_str)
        .collect();
    match (missing.as_slice(), found) {
        ([], []) => Check::fail("input", all, "connect a keyboard or buttons"),
        ([], _) => Check::pass("input", all),
        (missing, _) => Check::fail(
            "input",
            format!("{} missing; there are: {all}", missing.join(", ")),
            "connect it, or correct [input] in board.toml",
        ),
    }
}

/// The data folder: free megabytes once a file was written, kept and removed.
pub fn data(folder: Option<&str>, free_mb: Result<u64, String>) -> Check {
    let Some(folder) = folder else {
        return Check::notice(
            "data",
            "no data folder",
            "give --board FILE or --data DIR: nothing that is counted is kept without",
        );
    };
    match free_mb {
        Err(reason) => Check::fail("data", format!("{folder}: {reason}"), "check the card"),
        Ok(free_mb) => {
            let found = format!("{folder} can be written, {free_mb} MB free");
            match free_mb {
                none if none < LEAST_FREE_MB => {
                    Check::fail("data", found, "free some space, or put a larger card in")
                }
                little if little < LITTLE_FREE_MB => {
                    Check::notice("data", found, "free some space soon")
                }
                _ => Check::pass("data", found),
            }
        }
    }
}

/// Whether the clock has been set.
pub fn clock(stamp: Timestamp) -> Check {
    let days = stamp.unix_ms / 86_400_000;
    if stamp.clock_set {
        return Check::pass("clock", format!("set, day {days} since 1970"));
    }
    Check::notice(
        "clock",
        format!("not set, day {days} since 1970"),
        "records say so and carry the time since power came on; set the clock to have dates",
    )
}

/// The hardware watchdog, which a board needs and a desk does not.
pub fn watchdog(device: Option<&str>, is_board: bool) -> Check {
    const ADVICE: &str = "load the board's watchdog driver, so that a hang ends by itself";
    match (device, is_board) {
        (Some(device), _) => Check::pass("watchdog", device),
        (None, true) => Check::fail("watchdog", "no /dev/watchdog", ADVICE),
        (None, false) => Check::notice("watchdog", "no /dev/watchdog", ADVICE),
    }
}

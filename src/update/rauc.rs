//! The edge to RAUC's program.

use crate::device::files::read_line;
use crate::update::bundle::manifest::MAX_INFO_BYTES;
use crate::update::host::Installation;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::{env, process};

/// RAUC's program, and what ends it if it hangs (coreutils).
const PROGRAM: &str = "rauc";
const TIMEOUT: &str = "timeout";
/// What asks its service (systemd), and for what: RAUC's D-Bus interface has one operation.
const ASK: &str = "busctl";
const OPERATION: [&str; 5] = [
    "get-property",
    "de.pengutronix.rauc",
    "/",
    "de.pengutronix.rauc.Installer",
    "Operation",
];
/// Longer than a service takes to be started by a question.
const ANSWER_LIMIT_S: &str = "30";
/// Longer than a slow board takes to check a signature.
const INFO_LIMIT_S: &str = "120";
/// Longer than a slow card takes to be written.
const INSTALL_LIMIT_S: &str = "3600";
/// The longest line of RAUC's that is read.
const MAX_LINE_BYTES: u64 = 4096;
/// The most bytes of what it complains.
const MAX_COMPLAINT_BYTES: u64 = 4096;

fn rauc(limit_s: &str) -> Command {
    let mut command = Command::new(TIMEOUT);
    command
        .args([limit_s, PROGRAM])
        // English, and every letter of the notes as it is: RAUC turns others into question marks.
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

fn cannot_run(error: &io::Error) -> String {
    format!("{PROGRAM} cannot be run ({error}); install the package rauc")
}

/// RAUC's description of a bundle as JSON, once it has found its signature right. Without a
/// keyring, the system's configuration holds.
///
/// # Errors
/// RAUC refuses the bundle, or cannot be run.
pub fn info(bundle: &Path, keyring: Option<&Path>) -> Result<String, String> {
    let configuration = keyring.map(Configuration::write).transpose();
    let configuration = configuration
        .map_err(|error| format!("a configuration for {PROGRAM} cannot be written ({error})"))?;
    let mut command = rauc(INFO_LIMIT_S);
    if let Some(configuration) = &configuration {
        command.arg(configuration.option());
    }
    let child = command
        .args(["info", "--output-format=json-2"])
        .arg(bundle)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| cannot_run(&error))?;
    let stdout = child
        .stdout
        .take()
        .map(|out| out.take(MAX_INFO_BYTES as u64 + 1));
    let mut text = String::new();
    let read = stdout.map_or(Ok(0), |mut out| out.read_to_string(&mut text));
    let complaint = complaint(&mut child);
    let status = child.wait().map_err(|error| cannot_run(&error))?;
    if !status.success() && complaint.contains("output format") {
        return Err(format!(
            "this {PROGRAM} is too old to describe a bundle; install 1.13 or later"
        ));
    }
    if !status.success() {
        return Err(format!("{PROGRAM} reports: {complaint}"));
    }
    read.map_err(|error| format!("{PROGRAM}'s answer cannot be read ({error})"))?;
    Ok(text)
}

/// Whether RAUC's service is at work.
///
/// # Errors
/// It does not answer.
pub fn is_busy() -> Result<bool, String> {
    let output = Command::new(TIMEOUT)
        .args([ANSWER_LIMIT_S, ASK])
        .args(OPERATION)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{ASK} cannot be run ({error}); install the package systemd"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{PROGRAM}'s service does not answer: {}",
            said.trim()
        ));
    }
    Ok(output.stdout.trim_ascii() != b"s \"idle\"")
}

/// The last line that a program wrote to its standard error.
fn complaint(child: &mut Child) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What it says beyond that is of no use to anybody.
        let _ = stderr.take(MAX_COMPLAINT_BYTES).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let plain = last
        .unwrap_or("nothing")
        .chars()
        .filter(|c| !c.is_control());
    plain.collect::<String>().trim().to_owned()
}

/// A configuration of RAUC for this call, which takes a keyring as the boards do.
struct Configuration(PathBuf);

impl Configuration {
    fn write(keyring: &Path) -> io::Result<Self> {
        let keyring = fs::canonicalize(keyring)?;
        let path = env::temp_dir().join(format!("hemoscope-rauc-{}.conf", process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let configuration = Self(path);
        writeln!(
            file,
            "[system]\ncompatible=hemoscope\nbootloader=noop\n\n[keyring]\npath={}\n\
             check-purpose=codesign\nuse-bundle-signing-time=true",
            keyring.display()
        )?;
        Ok(configuration)
    }

    fn option(&self) -> OsString {
        let mut option = OsString::from("--conf=");
        option.push(&self.0);
        option
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // It is one small file in a folder that is emptied at every start.
        let _ = fs::remove_file(&self.0);
    }
}

/// `rauc install` at work.
pub struct RaucInstallation {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it said last: where it fails, that is why.
    last: String,
}

impl RaucInstallation {
    /// Begins to write a bundle into the slot that does not run.
    ///
    /// # Errors
    /// RAUC cannot be run.
    pub fn start(bundle: &Path) -> Result<Self, String> {
        let child = rauc(INSTALL_LIMIT_S)
            .arg("install")
            .arg(bundle)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.map_err(|error| cannot_run(&error))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(format!("{PROGRAM} has no output"));
        };
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
            last: "nothing".to_owned(),
        })
    }
}

impl Installation for RaucInstallation {
    fn next_line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        if read_line(&mut self.lines, MAX_LINE_BYTES, &mut bytes).unwrap_or(0) == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let line: String = text.chars().filter(|c| !c.is_control()).collect();
        if !line.trim().is_empty() {
            line.trim().clone_into(&mut self.last);
        }
        Some(line)
    }

    fn finish(mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|error| cannot_run(&error))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{PROGRAM} reports: {}", self.last))
    }
}

/// The percentage of a line that `rauc install` prints, such as ` 46% Copying image to rootfs.1`.
pub fn parse_progress(line: &str) -> Option<u8> {
    let (digits, _) = line.trim_start().split_once('%')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number
        .then(|| digits.parse().ok())?
        .filter(|&percent| percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_lines_of_rauc() {
        let cases = [
            ("  0% Installing", Some(0)),
            (" 46% Copying image to rootfs.1", Some(46)),
            ("100% Installing done.", Some(100)),
            ("101% no", None),
            ("installing", None),
            ("x50% no", None),
            ("% no", None),
            ("+5% no", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_progress(line), expected, "{line:?}");
        }
    }
}

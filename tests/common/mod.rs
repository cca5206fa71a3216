//! What several integration tests share: the program, and fields of the simulated slide as files.

#![allow(unused, reason = "every test file takes its own share of these")]

use assert_cmd::Command;
use assert_cmd::cargo::CommandCargoExt;
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::image::frame::Frame;
use hemoscope::image::png::write_frame;
use std::fs;
use std::path::{Path, PathBuf};

pub use hemoscope::RESEARCH_USE_NOTICE as NOTICE;

/// The program, started where the repository's models are, and waited for.
pub fn hemoscope() -> Command {
    Command::from_std(program())
}

/// The program, started where the repository's models are; in an emulator where the test runs in one.
pub fn program() -> std::process::Command {
    let mut command = std::process::Command::cargo_bin("hemoscope").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The pixel size of [`slide`]'s fields.
pub fn slide_um_per_px() -> f64 {
    SimulatedSlideSettings::default().um_per_px
}

/// A simulated slide like the demo's.
pub fn slide(seed: u64) -> SimulatedSlide {
    SimulatedSlide::new(seed, SimulatedSlideSettings::default()).unwrap()
}

/// Writes fields 0 to `count` of a slide as PNG files, and returns their paths.
pub fn write_fields(folder: &Path, seed: u64, count: u64) -> Vec<PathBuf> {
    let slide = slide(seed);
    (0..count)
        .map(|index| {
            let path = folder.join(format!("field-{index:03}.png"));
            write_frame(&path, &slide.field(index).0).unwrap();
            path
        })
        .collect()
}

/// A field written as JPEG, since some faults only JPEG can have.
pub fn jpeg_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 92)
        .encode(
            frame.rgb(),
            frame.width_px(),
            frame.height_px(),
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    bytes
}

/// Standard error of a finished command as text.
pub fn messages(output: &std::process::Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output as lines of JSON.
pub fn records(output: &std::process::Output) -> Vec<serde_json::Value> {
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

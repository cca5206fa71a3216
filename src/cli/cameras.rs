//! `hemoscope cameras`: which cameras there are, and what would be taken of each.

use crate::camera::v4l2::{
    CameraNode, Driver, Kernel, PixelFormat, Refused, StreamPreferences, select_format,
};
use crate::cli::output::print;
use anyhow::Result;
use std::fmt::Write as _;

/// Lists the kernel's cameras; `Ok(false)` if none of them can be used.
///
/// # Errors
/// Standard output cannot be written.
pub fn run() -> Result<bool> {
    let nodes = Kernel.nodes();
    let (text, usable) = describe(&nodes);
    print(&text)?;
    Ok(usable)
}

/// The list as text, and whether any camera can be used.
fn describe(nodes: &[CameraNode]) -> (String, bool) {
    if nodes.is_empty() {
        let text = "no camera is connected, or this user may not see it (group video)\n";
        return (text.to_owned(), false);
    }
    let mut text = String::new();
    let mut usable = false;
    let mut line = |indent: usize, words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:indent$}{words}", "");
    };
    for node in nodes {
        line(0, format!("v4l2:{}", node.path.display()));
        line(2, format!("{} ({})", node.card, node.driver));
        for format in &node.formats {
            let sizes = format.sizes.len();
            let verdict = match PixelFormat::of(format.name) {
                Ok(_) if sizes == 0 => Refused::Sizes.to_string(),
                Ok(_) => format!("can be decoded, {sizes} sizes"),
                Err(reason) => reason.to_string(),
            };
            line(4, format!("{} {verdict}", format.name));
        }
        for offered in &node.controls {
            let control = offered.control;
            let [value, least, most] =
                [offered.value, offered.min, offered.max].map(|value| control.in_words(value));
            let range = match least == most {
                true => String::new(),
                false => format!(", from {least} to {most}"),
            };
            line(4, format!("{control}: {value}{range}"));
        }
        match select_format(&node.formats, &StreamPreferences::default()) {
            Ok(choice) => {
                usable = true;
                line(2, format!("taken: {choice}"));
            }
            Err(_) => line(
                2,
                "not taken: none of its formats can be decoded".to_owned(),
            ),
        }
    }
    (text, usable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::v4l2::{Control, ControlRange, FourCc, OfferedFormat, OfferedSize};

    fn node(names: &[&[u8; 4]]) -> CameraNode {
        CameraNode {
            path: "/dev/video3".into(),
            card: "Microscope camera".into(),
            driver: "uvcvideo".into(),
            formats: names
                .iter()
                .map(|name| OfferedFormat {
                    name: FourCc(**name),
                    sizes: vec![OfferedSize {
                        width_px: 640,
                        height_px: 480,
                        rate_mhz: 30_000,
                    }],
                })
                .collect(),
            controls: vec![
                ControlRange {
                    control: Control::Exposure,
                    min: 1,
                    max: 5000,
                    step: 1,
                    value: 157,
                },
                ControlRange {
                    control: Control::WhiteBalanceAuto,
                    min: 0,
                    max: 1,
                    step: 1,
                    value: 1,
                },
            ],
        }
    }

    #[test]
    fn every_format_has_its_verdict_and_every_camera_its_choice() {
        let (text, usable) = describe(&[node(&[b"MJPG", b"GREY"])]);
        assert!(usable);
        for expected in [
            "v4l2:/dev/video3",
            "Microscope camera (uvcvideo)",
            "MJPG can be decoded, 1 sizes",
            "GREY has no colour",
            "exposure: 15700 us, from 100 us to 500000 us",
            "automatic white balance: on, from off to on",
            "taken: MJPG 640x480 at 30.0 fps",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let (text, usable) = describe(&[node(&[b"GREY"])]);
        assert!(!usable && text.contains("not taken"), "{text}");
        assert!(!describe(&[]).1);
    }
}

//! Which of a camera's formats to take, and why not the others.

use crate::camera::ControlSettings;
use std::fmt;

/// Four characters that name a pixel format (Linux media documentation, V4L2 pixel formats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{}", byte.escape_ascii())?;
        }
        Ok(())
    }
}

/// A pixel format that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// One JPEG image a frame.
    Mjpg,
    /// Uncompressed, two bytes a pixel: Y0 U Y1 V.
    Yuyv,
}

impl PixelFormat {
    /// The format of that name.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn of(name: FourCc) -> Result<Self, Refused> {
        match &name.0 {
            b"MJPG" | b"JPEG" => Ok(Self::Mjpg),
            b"YUYV" => Ok(Self::Yuyv),
            b"GREY" | b"Y10 " | b"Y12 " | b"Y16 " => Err(Refused::Grey),
            b"pBAA" | b"BA81" | b"GBRG" | b"GRBG" | b"RGGB" | b"pRAA" | b"BG10" | b"RG10" => {
                Err(Refused::Raw)
            }
            b"H264" | b"HEVC" | b"MPG4" | b"VP80" | b"VP90" => Err(Refused::Video),
            _ => Err(Refused::Unknown),
        }
    }

    /// The name that the kernel knows it by.
    pub fn name(self) -> FourCc {
        match self {
            Self::Mjpg => FourCc(*b"MJPG"),
            Self::Yuyv => FourCc(*b"YUYV"),
        }
    }
}

/// Why a format is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It carries no colour.
    Grey,
    /// It is the sensor's raw data.
    Raw,
    /// It compresses over time.
    Video,
    /// No decoder knows it.
    Unknown,
    /// Every size is outside the limits of a frame.
    Sizes,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Grey => "has no colour, and without colour cells cannot be told apart by class",
            Self::Raw => "is the sensor's raw data, which this program does not develop",
            Self::Video => "compresses over time, so that a frame is not an image of its own",
            Self::Unknown => "is not one that this program decodes",
            Self::Sizes => "comes in no size within the limits of a frame",
        })
    }
}

/// A size that a camera offers in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedSize {
    /// Width, in pixels.
    pub width_px: u32,
    /// Height, in pixels.
    pub height_px: u32,
    /// The fastest rate, in thousandths of a frame a second; 0 where the camera does not say.
    pub rate_mhz: u32,
}

/// A format that a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedFormat {
    /// The pixel format.
    pub name: FourCc,
    /// Its sizes; of a continuous range, the usual ones. Empty where the camera names none.
    pub sizes: Vec<OfferedSize>,
}

/// What the device would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPreferences {
    /// The least width that is wanted, in pixels; a smaller one only where none is larger.
    pub width_px: u32,
    /// The least height that is wanted, in pixels; a smaller one only where none is larger.
    pub height_px: u32,
    /// Below this rate, in thousandths of a frame a second, focusing by the screen is a torment.
    pub min_rate_mhz: u32,
    /// The values to set the camera's controls to.
    pub controls: ControlSettings,
}

impl Default for StreamPreferences {
    fn default() -> Self {
        Self {
            width_px: 640,
            height_px: 480,
            min_rate_mhz: 10_000,
            controls: ControlSettings::default(),
        }
    }
}

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The pixel format to stream.
    pub format: PixelFormat,
    /// The size to stream, with its rate.
    pub size: OfferedSize,
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OfferedSize {
            width_px,
            height_px,
            rate_mhz,
        } = self.size;
        write!(formatter, "{} {width_px}x{height_px}", self.format.name())?;
        match rate_mhz {
            0 => Ok(()),
            rate => write!(formatter, " at {}.{} fps", rate / 1000, rate % 1000 / 100),
        }
    }
}

/// Takes the best of the formats that can be decoded.
///
/// The size wanted, or the next larger one, or else the largest there is; then a rate that is fast
/// enough; then YUYV before MJPG, since compression takes from platelets what the network needs;
/// then the faster one.
///
/// # Errors
/// No format can be taken: each with its reason, none where the camera offers none.
pub fn select_format(
    offered: &[OfferedFormat],
    preferences: &StreamPreferences,
) -> Result<Choice, Vec<(FourCc, Refused)>> {
    let mut refused = Vec::new();
    let mut best: Option<Choice> = None;
    for one in offered {
        let format = match PixelFormat::of(one.name) {
            Ok(format) => format,
            Err(reason) => {
                refused.push((one.name, reason));
                continue;
            }
        };
        let mut sizes = one
            .sizes
            .iter()
            .filter(|size| is_within_limits(size))
            .peekable();
        if sizes.peek().is_none() {
            refused.push((one.name, Refused::Sizes));
        }
        for &size in sizes {
            let choice = Choice { format, size };
            if best.is_none_or(|best| score(&choice, preferences) > score(&best, preferences)) {
                best = Some(choice);
            }
        }
    }
    best.ok_or(refused)
}

fn is_within_limits(size: &OfferedSize) -> bool {
    crate::image::frame::Frame::check_size(size.width_px, size.height_px).is_ok()
}

/// Larger is better, the first difference decides.
fn score(choice: &Choice, preferences: &StreamPreferences) -> (bool, i64, bool, bool, u32) {
    let size = &choice.size;
    let covers = size.width_px >= preferences.width_px && size.height_px >= preferences.height_px;
    let pixels = i64::from(size.width_px) * i64::from(size.height_px);
    let is_fast = size.rate_mhz == 0 || size.rate_mhz >= preferences.min_rate_mhz;
    (
        covers,
        if covers { -pixels } else { pixels },
        is_fast,
        choice.format == PixelFormat::Yuyv,
        size.rate_mhz,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(name: &[u8; 4], sizes: &[(u32, u32, u32)]) -> OfferedFormat {
        OfferedFormat {
            name: FourCc(*name),
            sizes: sizes
                .iter()
                .map(|&(width_px, height_px, rate_mhz)| OfferedSize {
                    width_px,
                    height_px,
                    rate_mhz,
                })
                .collect(),
        }
    }

    #[test]
    fn the_best_format_is_taken() {
        let cases = [
            (
                "uncompressed where it is fast enough",
                vec![
                    format(b"MJPG", &[(640, 480, 30_000)]),
                    format(b"YUYV", &[(640, 480, 15_000)]),
                ],
                "YUYV 640x480 at 15.0 fps",
            ),
            (
                "compressed where uncompressed is slow",
                vec![
                    format(b"YUYV", &[(640, 480, 5_000)]),
                    format(b"MJPG", &[(640, 480, 25_000)]),
                ],
                "MJPG 640x480 at 25.0 fps",
            ),
            (
                "the next larger size, not the largest",
                vec![format(
                    b"MJPG",
                    &[(320, 240, 30_000), (1920, 1080, 30_000), (800, 600, 30_000)],
                )],
                "MJPG 800x600 at 30.0 fps",
            ),
            (
                "the largest where all are too small",
                vec![format(b"YUYV", &[(160, 120, 30_000), (320, 240, 12_500)])],
                "YUYV 320x240 at 12.5 fps",
            ),
            (
                "an unknown rate is taken for fast enough",
                vec![
                    format(b"GREY", &[(640, 480, 60_000)]),
                    format(b"YUYV", &[(640, 480, 0)]),
                ],
                "YUYV 640x480",
            ),
        ];
        for (name, offered, expected) in cases {
            let choice = select_format(&offered, &StreamPreferences::default()).unwrap();
            assert_eq!(choice.to_string(), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_with_its_reason() {
        let offered = [
            format(b"GREY", &[(640, 480, 30_000)]),
            format(b"RGGB", &[(640, 480, 30_000)]),
            format(b"H264", &[(640, 480, 30_000)]),
            format(b"\0abc", &[(640, 480, 30_000)]),
            format(b"YUYV", &[(20_000, 20_000, 1_000)]),
        ];
        let refused = select_format(&offered, &StreamPreferences::default()).unwrap_err();
        let reasons: Vec<Refused> = refused.iter().map(|one| one.1).collect();
        let expected = [
            Refused::Grey,
            Refused::Raw,
            Refused::Video,
            Refused::Unknown,
            Refused::Sizes,
        ];
        assert_eq!(reasons, expected);
        assert_eq!(refused[3].0.to_string(), "\\x00abc");
        assert_eq!(
            select_format(&[], &StreamPreferences::default()),
            Err(vec![])
        );
    }
}

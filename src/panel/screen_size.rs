//! The sizes of the device's screen.

use crate::image::canvas::Canvas;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The sizes that the screen has a layout for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScreenSize {
    /// 320x240 pixels, about 2.8 inches across.
    #[default]
    Small,
    /// 480x320 pixels, about 3.5 inches across.
    Medium,
    /// 800x480 pixels, about 5 inches across.
    Large,
}

/// A size without a layout.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("there is no screen layout for {given:?}; choose 320x240, 480x320 or 800x480")]
pub struct UnknownScreenSize {
    /// The text that names no known size.
    pub given: String,
}

impl ScreenSize {
    /// Every size.
    pub const ALL: [ScreenSize; 3] = [ScreenSize::Small, ScreenSize::Medium, ScreenSize::Large];

    /// The size that covers most of a display when each of its pixels becomes a square of whole
    /// pixels; of equals the larger one. The smallest where none fits.
    pub fn for_display((width_px, height_px): (u32, u32)) -> Self {
        let covered = |size: &Self| {
            let (width, height) = size.pixels();
            let factor = u64::from((width_px / width).min(height_px / height));
            u64::from(width) * u64::from(height) * factor * factor
        };
        // The last of equals is the largest.
        let best = Self::ALL.into_iter().max_by_key(covered);
        best.filter(|size| covered(size) > 0).unwrap_or_default()
    }

    /// Width and height in pixels.
    pub fn pixels(self) -> (u32, u32) {
        match self {
            ScreenSize::Small => (320, 240),
            ScreenSize::Medium => (480, 320),
            ScreenSize::Large => (800, 480),
        }
    }

    /// A black canvas of this size.
    pub fn canvas(self) -> Canvas {
        let (width_px, height_px) = self.pixels();
        Canvas::black(width_px, height_px)
    }
}

impl fmt::Display for ScreenSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width_px, height_px) = self.pixels();
        formatter.pad(&format!("{width_px}x{height_px}"))
    }
}

impl FromStr for ScreenSize {
    type Err = UnknownScreenSize;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        ScreenSize::ALL
            .into_iter()
            .find(|size| size.to_string() == given)
            .ok_or_else(|| UnknownScreenSize {
                given: given.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_gets_the_layout_that_covers_most_of_it() {
        use ScreenSize::{Large, Medium, Small};
        let cases = [
            ((320, 240), Small),
            ((480, 320), Medium),
            ((640, 480), Small),
            ((800, 480), Large),
            ((1024, 600), Large),
            ((1024, 768), Small),
            ((1280, 720), Small),
            ((1280, 800), Small),
            ((960, 640), Medium),
            ((1920, 1080), Large),
            ((480, 800), Medium),
            ((240, 320), Small),
            ((0, 0), Small),
            ((u32::MAX, u32::MAX), Small),
        ];
        for (display_px, expected) in cases {
            let size = ScreenSize::for_display(display_px);
            assert_eq!(size, expected, "{display_px:?}");
        }
    }

    #[test]
    fn sizes_are_found_by_name() {
        for size in ScreenSize::ALL {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        let error = "640x480".parse::<ScreenSize>().unwrap_err();
        assert!(error.to_string().contains("320x240"), "{error}");
    }
}

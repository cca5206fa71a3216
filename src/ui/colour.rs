//! The colours of the screen, and how well they stand off from each other.
//!
//! The class colours are from the palette of Okabe and Ito, which people with the common forms
//! of colour blindness can tell apart ("Color Universal Design", 2008). Shape and word always
//! say the same as the colour.

use crate::cell::CellClass;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};

/// The screen's ground: dark, since eyes move between it and the microscope.
pub const GROUND: Rgb888 = Rgb888::new(0x0a, 0x0e, 0x13);
/// The ground of cards that lie on the screen.
pub const CARD: Rgb888 = Rgb888::new(0x17, 0x1e, 0x27);
/// Lines between parts, and the empty part of bars.
pub const RULE: Rgb888 = Rgb888::new(0x37, 0x42, 0x50);
/// Numbers and words that matter.
pub const TEXT: Rgb888 = Rgb888::new(0xf4, 0xf6, 0xf8);
/// Labels and side information.
pub const LABEL: Rgb888 = Rgb888::new(0xab, 0xb6, 0xc2);
/// Text on a bright ground, and the dark edge of marks on an image.
pub const INK: Rgb888 = Rgb888::new(0x0a, 0x0e, 0x13);
/// The ground of the warning line.
pub const WARNING_GROUND: Rgb888 = Rgb888::new(0x3d, 0x2c, 0x00);

/// Okabe-Ito orange: something to put right.
pub const ORANGE: Rgb888 = Rgb888::new(0xe6, 0x9f, 0x00);
/// Okabe-Ito sky blue: go on.
pub const SKY_BLUE: Rgb888 = Rgb888::new(0x56, 0xb4, 0xe9);
/// Okabe-Ito bluish green: good.
pub const GREEN: Rgb888 = Rgb888::new(0x00, 0x9e, 0x73);
/// Okabe-Ito yellow: warnings.
pub const YELLOW: Rgb888 = Rgb888::new(0xf0, 0xe4, 0x42);
/// Okabe-Ito vermilion: wrong.
pub const VERMILION: Rgb888 = Rgb888::new(0xd5, 0x5e, 0x00);
/// White: uncertain cells.
pub const WHITE: Rgb888 = Rgb888::new(0xff, 0xff, 0xff);

/// The colour of a class; `None` is an uncertain cell.
pub fn of_class(class: Option<CellClass>) -> Rgb888 {
    match class {
        Some(CellClass::Rbc) => VERMILION,
        Some(CellClass::Wbc) => SKY_BLUE,
        Some(CellClass::Plt) => YELLOW,
        None => WHITE,
    }
}

/// Contrast ratio of two colours, 1.0 (same) to 21.0 (black on white), as WCAG 2.2 defines it.
/// Normal text needs 4.5 at least, shapes 3.0.
pub fn contrast(a: Rgb888, b: Rgb888) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance, 0.0 to 1.0, as WCAG 2.2 defines it.
fn luminance(colour: Rgb888) -> f64 {
    let linear = |channel: u8| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            libm::pow((share + 0.055) / 1.055, 2.4)
        }
    };
    0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_agrees_with_published_values() {
        let cases = [
            ("black on white", Rgb888::BLACK, Rgb888::WHITE, 21.0),
            ("same", ORANGE, ORANGE, 1.0),
            (
                "#767676 on white",
                Rgb888::new(0x76, 0x76, 0x76),
                Rgb888::WHITE,
                4.54,
            ),
            ("red on white", Rgb888::RED, Rgb888::WHITE, 4.0),
        ];
        for (name, a, b, expected) in cases {
            let got = contrast(a, b);
            assert!((got - expected).abs() < 0.01, "{name}: {got}");
            assert_eq!(got, contrast(b, a), "{name}, turned round");
        }
    }

    #[test]
    fn class_colours_stand_off_from_the_grounds_they_lie_on() {
        let classes = CellClass::ALL.map(Some).into_iter().chain([None]);
        for class in classes {
            for ground in [GROUND, CARD, INK] {
                let got = contrast(of_class(class), ground);
                assert!(got >= 3.0, "{class:?} on {ground:?}: {got:.2}");
            }
        }
    }
}

//! A cheap assessment of a frame before the network sees it: light, focus, density, and whether it
//! can be a stained smear at all.
//!
//! It works on a reduced copy in integers. Only gross faults are rejected: a frame that merely
//! looks unusual goes on to the network. Cells darken green most under every usual stain, so green
//! separates cells from glass.

mod focus;
mod measures;
mod reduced;
mod settings;

pub use settings::QualitySettings;

use crate::image::frame::Frame;
use crate::image::histogram::{BACKGROUND_PERMILLE, Histogram};
use measures::{ClassMeans, Stains};
use reduced::ReducedView;
use std::fmt;

/// The light of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brightness {
    /// The background is below [`QualitySettings::dark_level`].
    Dark,
    /// Neither dark nor bright.
    Good,
    /// The background is too bright, or too many pixels are fully white.
    Bright,
}

impl Brightness {
    /// Every brightness.
    pub const ALL: [Brightness; 3] = [Brightness::Dark, Brightness::Good, Brightness::Bright];
}

/// How much of a frame is covered by cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// Nothing is covered, or no edge could be a cell.
    Empty,
    /// Less is covered than [`QualitySettings::sparse_permille`].
    Sparse,
    /// Between sparse and crowded.
    Good,
    /// More is covered than [`QualitySettings::crowded_permille`].
    Crowded,
}

impl Density {
    /// Every density.
    pub const ALL: [Density; 4] = [
        Density::Empty,
        Density::Sparse,
        Density::Good,
        Density::Crowded,
    ];
}

/// How sharp a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharpness {
    /// In focus.
    Sharp,
    /// Usable, but the focus can be better.
    Soft,
    /// Too blurred to be counted.
    Blurred,
}

impl Sharpness {
    /// Every sharpness.
    pub const ALL: [Sharpness; 3] = [Sharpness::Sharp, Sharpness::Soft, Sharpness::Blurred];
}

/// The focus score from which a frame is sharp rather than soft.
const SHARP_FROM: u8 = 60;

/// Why a frame is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Less light than [`QualitySettings::dark_level`] on the background.
    Underexposed,
    /// More light than [`QualitySettings::bright_level`], or too many white pixels.
    Overexposed,
    /// Light, but no edge that could be a cell: an empty field.
    NoContrast,
    /// Edges are softer than a Gaussian of about 1/20 of a red cell leaves them.
    Blurred,
    /// Cells that hardly differ from the glass: platelets drown first.
    LowContrast,
    /// Nuclei that are red where they have to be blue: red and blue come in the wrong order.
    ColoursExchanged,
    /// Colours or texture that no stained smear has.
    NotASmear,
    /// So much is covered that cells lie over one another, and some are missed.
    TooThick,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [RejectReason; 8] = [
        RejectReason::Underexposed,
        RejectReason::Overexposed,
        RejectReason::NoContrast,
        RejectReason::Blurred,
        RejectReason::LowContrast,
        RejectReason::ColoursExchanged,
        RejectReason::NotASmear,
        RejectReason::TooThick,
    ];
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            RejectReason::Underexposed => "the frame is too dark; give more light or expose longer",
            RejectReason::Overexposed => "the frame is too bright; dim the lamp or expose shorter",
            RejectReason::NoContrast => "the field is empty; move the slide to where cells lie",
            RejectReason::Blurred => {
                "the frame is out of focus; turn the focus until edges are sharp"
            }
            RejectReason::LowContrast => {
                "cells hardly stand out; check the stain, and close the condenser's aperture"
            }
            RejectReason::ColoursExchanged => {
                "red and blue are exchanged; check the pixel format of the camera or the file"
            }
            RejectReason::NotASmear => {
                "this does not look like a stained smear; check what is shown"
            }
            RejectReason::TooThick => {
                "cells lie over one another; move towards the feathered edge of the smear"
            }
        })
    }
}

/// Whether a frame may be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The frame may be counted.
    Usable,
    /// The frame is not counted, for this reason.
    Rejected(RejectReason),
}

/// What one frame looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Level of the empty background in green, 0..=255.
    pub background_level: u8,
    /// The light as a category.
    pub brightness: Brightness,
    /// Fully white pixels, in thousandths.
    pub clipped_permille: u16,
    /// 0 (blurred, or nothing but noise) to 100. The camera's noise is taken out: 50 stands for
    /// edges as soft as a Gaussian of 1/24 of a red cell leaves them, whatever the noise.
    pub focus_score: u8,
    /// Area darker than the background, in thousandths.
    pub coverage_permille: u16,
    /// [`Quality::coverage_permille`] as a category.
    pub density: Density,
    /// Whether the frame may be counted.
    pub verdict: Verdict,
}

impl Quality {
    /// Of a frame that nobody has looked at: nothing in it may be counted.
    pub const NOTHING_SEEN: Self = Self {
        background_level: 0,
        brightness: Brightness::Dark,
        clipped_permille: 0,
        focus_score: 0,
        coverage_permille: 0,
        density: Density::Empty,
        verdict: Verdict::Rejected(RejectReason::Underexposed),
    };

    /// The word for the focus.
    pub fn sharpness(&self) -> Sharpness {
        match self.focus_score {
            _ if self.verdict == Verdict::Rejected(RejectReason::Blurred) => Sharpness::Blurred,
            0..SHARP_FROM => Sharpness::Soft,
            SHARP_FROM.. => Sharpness::Sharp,
        }
    }
}

/// Judges frames one after another; keeps its buffers, so that frames of one size cost no
/// allocation.
#[derive(Debug)]
pub struct FrameAssessor {
    settings: QualitySettings,
    view: ReducedView,
}

impl FrameAssessor {
    /// An assessor that draws the lines where `settings` say.
    pub fn new(settings: QualitySettings) -> Self {
        Self {
            settings,
            view: ReducedView::default(),
        }
    }

    /// Assesses a frame. `rbc_diameter_px` is the size of a red cell in this frame; without it the
    /// assessment assumes cells as large as they can be (four to the shorter side), and measures
    /// the focus against the size of the dark parts.
    pub fn assess(&mut self, frame: &Frame, rbc_diameter_px: Option<u32>) -> Quality {
        let Self { settings, view } = self;
        view.take(frame, rbc_diameter_px);
        let green = view.green_histogram();
        let [red_level, blue_level] = view.red_and_blue_percentiles(BACKGROUND_PERMILLE);
        let background_level = green.percentile(BACKGROUND_PERMILLE);
        let background = [red_level, background_level, blue_level];
        let clipped_permille = view.clipped_permille();
        let coverage_permille = covered_permille(&green, background_level, settings);
        let dark_level = green.otsu_level();
        let texture_permille = view.texture_permille(dark_level);
        let edges = view.edges(texture_permille);
        let classes = view.class_means(dark_level);
        let brightness = brightness(&green, background, clipped_permille, settings);
        let reason = light_fault(brightness)
            .or_else(|| texture_fault(texture_permille, &classes, settings))
            .or_else(|| {
                edges
                    .are_too_weak(settings)
                    .then_some(RejectReason::NoContrast)
            })
            .or_else(|| {
                let fault = colour_fault(&classes, background, settings)?;
                Some(if edges.are_faint(settings) {
                    RejectReason::NoContrast
                } else {
                    fault
                })
            })
            .or_else(|| edges.are_blurred(settings).then_some(RejectReason::Blurred))
            .or_else(|| {
                (coverage_permille > settings.crowded_permille).then_some(RejectReason::TooThick)
            })
            .or_else(|| contrast_fault(&classes, settings))
            .or_else(|| order_fault(&view.stains(&green, dark_level), &classes));
        Quality {
            background_level,
            brightness,
            clipped_permille,
            focus_score: edges.focus_score,
            coverage_permille,
            density: density(coverage_permille, reason, settings),
            verdict: reason.map_or(Verdict::Usable, Verdict::Rejected),
        }
    }
}

/// Assesses a single frame, as [`FrameAssessor::assess`] does.
pub fn assess(frame: &Frame, rbc_diameter_px: Option<u32>, settings: &QualitySettings) -> Quality {
    FrameAssessor::new(*settings).assess(frame, rbc_diameter_px)
}

fn brightness(
    green: &Histogram,
    background: [u8; 3],
    clipped_permille: u16,
    settings: &QualitySettings,
) -> Brightness {
    const DARKEST_TWENTIETH_PERMILLE: u32 = 50;
    let brightest = background.into_iter().max().unwrap_or(0);
    if brightest < settings.dark_level {
        Brightness::Dark
    } else if background[1] > settings.bright_level
        || clipped_permille > settings.max_clipped_permille
        || green.percentile(DARKEST_TWENTIETH_PERMILLE) > settings.white_level
    {
        Brightness::Bright
    } else {
        Brightness::Good
    }
}

fn density(coverage: u16, reason: Option<RejectReason>, settings: &QualitySettings) -> Density {
    if reason == Some(RejectReason::NoContrast) || coverage == 0 {
        Density::Empty
    } else if coverage < settings.sparse_permille {
        Density::Sparse
    } else if coverage > settings.crowded_permille {
        Density::Crowded
    } else {
        Density::Good
    }
}

fn light_fault(brightness: Brightness) -> Option<RejectReason> {
    match brightness {
        Brightness::Dark => Some(RejectReason::Underexposed),
        Brightness::Bright => Some(RejectReason::Overexposed),
        Brightness::Good => None,
    }
}

fn contrast_fault(classes: &ClassMeans, settings: &QualitySettings) -> Option<RejectReason> {
    let is_low = classes.distance() < u32::from(settings.min_contrast_levels);
    is_low.then_some(RejectReason::LowContrast)
}

/// Nuclei and platelets let more blue than red through, whatever the stain, and differ in that
/// from red cells. Where the deepest stain lets clearly more red through, and red cells do not
/// half as much, the channels are exchanged.
fn order_fault(stains: &Stains, classes: &ClassMeans) -> Option<RejectReason> {
    /// Of 161 photographed frames none has more than 30.
    const LEAST_PERMILLE: i32 = 60;
    /// Nuclei let less green through than this share of what red cells do.
    const DEEP_PERMILLE: i32 = 750;
    let [deep, pale] = [stains.deepest, stains.palest].map(|levels| classes.passed_by(levels));
    let [deep_red, pale_red] = [deep, pale].map(|passed| passed[0] - passed[2]);
    let is_deep = deep[1] * 1000 < pale[1] * DEEP_PERMILLE;
    (is_deep && deep_red > LEAST_PERMILLE && 2 * pale_red < deep_red)
        .then_some(RejectReason::ColoursExchanged)
}

fn covered_permille(green: &Histogram, background: u8, settings: &QualitySettings) -> u16 {
    let depth = u32::from(background) * u32::from(settings.cover_depth_permille) / 1000;
    let first_bright = u32::from(background).saturating_sub(depth) as u8;
    1000 - green.permille_from(first_bright) as u16
}

/// Dark and bright must differ by this many levels before their texture or colour says anything.
const MIN_CLASS_DISTANCE: u32 = 14;

/// Noise and print change between dark and bright far more often than cells do.
fn texture_fault(
    texture_permille: usize,
    classes: &ClassMeans,
    settings: &QualitySettings,
) -> Option<RejectReason> {
    let is_textured = texture_permille > usize::from(settings.max_texture_permille);
    (classes.distance() >= MIN_CLASS_DISTANCE && is_textured).then_some(RejectReason::NotASmear)
}

/// Stain takes more green than red or blue from nearly colourless light.
fn colour_fault(
    classes: &ClassMeans,
    background: [u8; 3],
    settings: &QualitySettings,
) -> Option<RejectReason> {
    let brightest = u32::from(background.into_iter().max().unwrap_or(0)).max(1);
    let dimmest = u32::from(background.into_iter().min().unwrap_or(0));
    let tint_permille = (brightest - dimmest) * 1000 / brightest;
    let [red, green, blue] = classes.passed_permille();
    let stain_permille = red.max(blue) - green;
    let tinted = tint_permille > u32::from(settings.max_background_tint_permille);
    let unstained = stain_permille < i32::from(settings.min_stain_permille);
    (tinted || unstained).then_some(RejectReason::NotASmear)
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::reference::box_blur;
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;

    const RBC_PX: u32 = 48;
    const GLASS: [u8; 3] = [222, 214, 200];
    const RED_CELL: [u8; 3] = [200, 130, 140];

    /// A field of round cells, edges blurred by a box of `2 * blur_px + 1` pixels.
    fn smear_field(glass: [u8; 3], cell: [u8; 3], blur_px: usize) -> Frame {
        let (width_px, height_px) = (320, 240);
        let mut frame = Frame::filled(width_px, height_px, glass).unwrap();
        let radius_squared = (RBC_PX as i32 / 2).pow(2);
        for (x, y) in (0..width_px as i32).flat_map(|x| (0..height_px as i32).map(move |y| (x, y)))
        {
            let (dx, dy) = (x % 64 - 32, y % 64 - 32);
            if dx * dx + dy * dy < radius_squared {
                let at = (y as usize * width_px as usize + x as usize) * 3;
                frame.rgb_mut()[at..at + 3].copy_from_slice(&cell);
            }
        }
        for channel in 0..3 {
            let plane: Vec<u16> = frame
                .rgb()
                .iter()
                .skip(channel)
                .step_by(3)
                .map(|&v| v.into())
                .collect();
            let blurred = box_blur(&plane, width_px as usize, height_px as usize, blur_px);
            for (pixel, value) in frame.rgb_mut().chunks_exact_mut(3).zip(blurred) {
                pixel[channel] = value as u8;
            }
        }
        frame
    }

    /// Fills a frame by a function of place and a pseudo-random number.
    fn drawn(colour: impl Fn(u32, u32, u32) -> [u32; 3]) -> Frame {
        let mut frame = Frame::filled(320, 240, [0; 3]).unwrap();
        let mut random = Random::new(1);
        for (number, pixel) in (0..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
            let grain = (random.bits() >> 40) as u32;
            let values = colour(number % 320, number / 320, grain);
            pixel.copy_from_slice(&values.map(|value| value.min(255) as u8));
        }
        frame
    }

    fn scales() -> [Option<u32>; 2] {
        [Some(RBC_PX), None]
    }

    #[test]
    fn stained_smears_of_many_looks_are_usable() {
        let cases = [
            ("usual", GLASS, RED_CELL),
            ("pale", [235, 232, 230], [225, 198, 212]),
            ("dim lamp", [124, 118, 110], [108, 68, 76]),
            ("yellow light", [240, 210, 130], [215, 130, 90]),
            ("blue light", [170, 190, 230], [140, 110, 180]),
            ("purple stain", [220, 220, 220], [130, 90, 170]),
            ("brownish stain", [225, 215, 195], [190, 140, 110]),
            ("bright glass", [252, 248, 244], [240, 180, 190]),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .flat_map(|case| scales().map(|rbc_px| (case, rbc_px)))
            .map(|((name, glass, cell), rbc_px)| {
                let frame = smear_field(*glass, *cell, 1);
                (
                    name,
                    rbc_px,
                    assess(&frame, rbc_px, &QualitySettings::default()),
                )
            })
            .filter(|(_, _, quality)| quality.verdict != Verdict::Usable)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn gross_faults_are_rejected_for_their_reason() {
        let stained = |grain: u32| [200 + grain % 8, 190 + grain % 8, 180 + grain % 8];
        let cases = [
            (
                "black",
                drawn(|_, _, grain| [grain % 12; 3]),
                RejectReason::Underexposed,
            ),
            (
                "white",
                drawn(|_, _, grain| [250 + grain % 6; 3]),
                RejectReason::Overexposed,
            ),
            (
                "one colour",
                drawn(|_, _, _| [180, 170, 160]),
                RejectReason::NoContrast,
            ),
            (
                "empty, with sensor noise",
                drawn(|_, _, grain| stained(grain)),
                RejectReason::NoContrast,
            ),
            (
                "empty, darker to one side",
                drawn(|x, _, grain| stained(grain).map(|value| value - x / 9)),
                RejectReason::NoContrast,
            ),
            (
                "colour noise",
                drawn(|_, _, grain| [grain % 256, grain / 256 % 256, grain / 3 % 256]),
                RejectReason::NotASmear,
            ),
            (
                "print",
                drawn(|x, y, grain| {
                    [if y % 12 < 8 && x % 300 > 9 && grain % 3 == 0 {
                        20
                    } else {
                        240
                    }; 3]
                }),
                RejectReason::NotASmear,
            ),
            (
                "a fifth of its light",
                smear_field([44, 42, 40], [40, 26, 28], 1),
                RejectReason::Underexposed,
            ),
            (
                "white glass",
                smear_field([255, 255, 255], [240, 180, 190], 1),
                RejectReason::Overexposed,
            ),
            (
                "a quarter of its contrast",
                smear_field(GLASS, [216, 193, 185], 1),
                RejectReason::LowContrast,
            ),
            (
                "grey cells",
                smear_field([220; 3], [140; 3], 1),
                RejectReason::NotASmear,
            ),
            (
                "green cells",
                smear_field([220; 3], [100, 180, 90], 1),
                RejectReason::NotASmear,
            ),
            (
                "cells in red light",
                smear_field([230, 80, 60], [200, 30, 40], 1),
                RejectReason::NotASmear,
            ),
            (
                "blurred by a sixth of a cell",
                smear_field(GLASS, RED_CELL, 14),
                RejectReason::Blurred,
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .flat_map(|case| scales().map(|rbc_px| (case, rbc_px)))
            .map(|((name, frame, reason), rbc_px)| {
                (
                    name,
                    rbc_px,
                    reason,
                    assess(frame, rbc_px, &QualitySettings::default()),
                )
            })
            .filter(|(_, _, reason, quality)| quality.verdict != Verdict::Rejected(**reason))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// A nucleus on every cell of the first row of a field.
    fn with_nuclei(mut frame: Frame, nucleus: [u8; 3]) -> Frame {
        for (at, pixel) in (0_i32..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
            let (dx, dy) = (at % 320 % 64 - 32, at / 320 - 32);
            if dx * dx + dy * dy < 15 * 15 {
                pixel.copy_from_slice(&nucleus);
            }
        }
        frame
    }

    #[test]
    fn exchanged_channels_show_in_nuclei_and_not_in_red_cells() {
        let nucleus = [98, 56, 140];
        let field = |cell| smear_field(GLASS, cell, 1);
        let exchanged = |mut frame: Frame| {
            frame
                .rgb_mut()
                .chunks_exact_mut(3)
                .for_each(|pixel| pixel.swap(0, 2));
            frame
        };
        let pink = [200, 150, 175];
        let crowded_deep = [190, 100, 110];
        let cases = [
            ("with nuclei", with_nuclei(field(pink), nucleus), false),
            (
                "exchanged",
                exchanged(with_nuclei(field(pink), nucleus)),
                true,
            ),
            ("no nuclei", field(RED_CELL), false),
            (
                "red cells over one another",
                with_nuclei(field(RED_CELL), crowded_deep),
                false,
            ),
        ];
        for (name, frame, is_exchanged) in cases {
            for rbc_px in scales() {
                let verdict = assess(&frame, rbc_px, &QualitySettings::default()).verdict;
                let refused = Verdict::Rejected(RejectReason::ColoursExchanged);
                assert_eq!(
                    verdict == refused,
                    is_exchanged,
                    "{name} {rbc_px:?}: {verdict:?}"
                );
            }
        }
    }

    #[test]
    fn the_focus_score_falls_as_the_blur_grows() {
        let scores = [0, 2, 4, 8, 14].map(|blur_px| {
            let frame = smear_field(GLASS, RED_CELL, blur_px);
            assess(&frame, Some(RBC_PX), &QualitySettings::default()).focus_score
        });
        assert!(
            scores.is_sorted_by(|sharper, softer| sharper > softer),
            "{scores:?}"
        );
        assert_eq!(scores[0], 100);
    }

    #[test]
    fn light_and_density_are_named() {
        let quality = |frame: &Frame| assess(frame, Some(RBC_PX), &QualitySettings::default());
        let field = quality(&smear_field(GLASS, RED_CELL, 1));
        assert_eq!(
            (field.background_level, field.brightness),
            (214, Brightness::Good)
        );
        assert_eq!(field.density, Density::Good);
        // A circle of 48 pixels in every square of 64: pi / 4 (48 / 64)² = 0.442.
        let true_share = 442;
        assert!(
            field.coverage_permille.abs_diff(true_share) < 40,
            "{field:?}"
        );
        let dark = quality(&smear_field([90, 86, 80], [78, 50, 55], 1));
        assert_eq!(dark.brightness, Brightness::Dark);
        let bright = quality(&smear_field([255; 3], [240, 180, 190], 1));
        assert_eq!(bright.brightness, Brightness::Bright);
        assert!(bright.clipped_permille > 400, "{bright:?}");
        let empty = quality(&Frame::filled(320, 240, GLASS).unwrap());
        assert_eq!(
            (empty.density, empty.coverage_permille),
            (Density::Empty, 0)
        );
    }

    #[test]
    fn every_size_is_judged_without_panic() {
        for (width_px, height_px) in [(1, 1), (2, 900), (900, 1), (3, 3), (17, 5)] {
            let frame = Frame::filled(width_px, height_px, GLASS).unwrap();
            for rbc_px in [None, Some(0), Some(1), Some(40), Some(u32::MAX)] {
                let quality = assess(&frame, rbc_px, &QualitySettings::default());
                assert_eq!(quality.verdict, Verdict::Rejected(RejectReason::NoContrast));
            }
        }
    }

    /// A frame of stripes, squares and noise in any mixture.
    fn any_frame() -> impl Strategy<Value = Frame> {
        let side = || prop_oneof![1_u32..8, 8_u32..130];
        let colour = any::<[u8; 3]>();
        (
            side(),
            side(),
            colour,
            any::<[u8; 3]>(),
            1_u32..40,
            0_u32..256,
            any::<u64>(),
        )
            .prop_map(|(width_px, height_px, one, other, period, noise, seed)| {
                let mut frame = Frame::filled(width_px, height_px, [0; 3]).unwrap();
                let mut random = Random::new(seed);
                for (number, pixel) in (0..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
                    let (x, y) = (number % width_px, number / width_px);
                    let colour = if (x / period + y / period) % 2 == 0 {
                        one
                    } else {
                        other
                    };
                    let grain = (u32::from(random.byte()) * noise / 256) as u8;
                    pixel.copy_from_slice(&colour.map(|value| value.saturating_add(grain)));
                }
                frame
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn every_value_is_that_of_the_plain_assessment(
            frame in any_frame(), other in any_frame(), rbc_px in prop::option::of(0_u32..700)
        ) {
            let settings = QualitySettings::default();
            let mut kept = FrameAssessor::new(settings);
            kept.assess(&other, rbc_px);
            let expected = reference::assess(&frame, rbc_px, &settings);
            prop_assert_eq!(kept.assess(&frame, rbc_px), expected);
        }
    }

    #[test]
    fn smears_are_judged_as_by_the_plain_form() {
        let settings = QualitySettings::default();
        let frames = [0, 1, 4, 14].map(|blur_px| smear_field(GLASS, RED_CELL, blur_px));
        for frame in frames {
            for rbc_px in [
                None,
                Some(20),
                Some(RBC_PX),
                Some(100),
                Some(140),
                Some(200),
            ] {
                let expected = reference::assess(&frame, rbc_px, &settings);
                assert_eq!(assess(&frame, rbc_px, &settings), expected, "{rbc_px:?}");
            }
        }
    }
}

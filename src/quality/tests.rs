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
    for (x, y) in (0..width_px as i32).flat_map(|x| (0..height_px as i32).map(move |y| (x, y))) {
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

/// The left part of one frame and the rest of another of the same size.
fn side_by_side(left: &Frame, right: &Frame, left_px: usize) -> Frame {
    let mut frame = right.clone();
    let row_bytes = frame.width_px() as usize * 3;
    let rows = frame.rgb_mut().chunks_exact_mut(row_bytes);
    for (row, left) in rows.zip(left.rgb().chunks_exact(row_bytes)) {
        row[..left_px * 3].copy_from_slice(&left[..left_px * 3]);
    }
    frame
}

#[test]
fn a_frame_that_is_sharp_in_part_only_is_refused() {
    let sharp = smear_field(GLASS, RED_CELL, 1);
    let blurred = |radius_px| smear_field(GLASS, RED_CELL, radius_px);
    let empty = Frame::filled(320, 240, GLASS).unwrap();
    // What the left so many pixels are.
    let cases = [
        ("all sharp", &sharp, 160, None),
        (
            "half by 1/12 of a cell",
            &blurred(7),
            160,
            Some(RejectReason::PartlyBlurred),
        ),
        (
            "half by 1/6",
            &blurred(14),
            160,
            Some(RejectReason::PartlyBlurred),
        ),
        (
            "half all but dissolved",
            &blurred(30),
            160,
            Some(RejectReason::PartlyBlurred),
        ),
        ("all by 1/6", &blurred(14), 320, Some(RejectReason::Blurred)),
        ("half without cells", &empty, 160, None),
    ];
    for (name, left, left_px, reason) in cases {
        let frame = side_by_side(left, &sharp, left_px);
        for rbc_px in scales() {
            let verdict = assess(&frame, rbc_px, &QualitySettings::default()).verdict;
            let expected = reason.map_or(Verdict::Usable, Verdict::Rejected);
            assert_eq!(verdict, expected, "{name}, {rbc_px:?}");
        }
    }
}

/// Means of so many pixels in a row, one after the other along `step`.
fn moved(frame: &Frame, step: (usize, usize), pixels: usize) -> Frame {
    let (width_px, height_px) = (frame.width_px() as usize, frame.height_px() as usize);
    let mut moved = frame.clone();
    for (at, pixel) in moved.rgb_mut().chunks_exact_mut(3).enumerate() {
        for (channel, value) in pixel.iter_mut().enumerate() {
            let sum: usize = (0..pixels)
                .map(|of| {
                    let x_px = (at % width_px + of * step.0).min(width_px - 1);
                    let y_px = (at / width_px + of * step.1).min(height_px - 1);
                    usize::from(frame.pixel(x_px as u32, y_px as u32)[channel])
                })
                .sum();
            *value = (sum / pixels) as u8;
        }
    }
    moved
}

#[test]
fn movement_during_the_exposure_is_told_from_defocus() {
    let still = smear_field(GLASS, RED_CELL, 1);
    for step in [(1, 0), (0, 1), (1, 1)] {
        // More than a quarter of a red cell; a diagonal step is longer.
        let far = if step == (1, 1) { 10 } else { 13 };
        for (pixels, expected) in [
            (2, Verdict::Usable),
            (far, Verdict::Rejected(RejectReason::MovedDuringExposure)),
        ] {
            let frame = moved(&still, step, pixels);
            let quality = assess(&frame, Some(RBC_PX), &QualitySettings::default());
            assert_eq!(quality.verdict, expected, "{step:?} {pixels}");
        }
    }
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
    let half = side_by_side(&frames[3], &frames[0], 130);
    for frame in frames.into_iter().chain([half]) {
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

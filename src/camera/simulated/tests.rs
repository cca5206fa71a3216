use super::layout::{FieldLayout, MIN_VISIBLE_PX};
use super::placed_cell::MAX_RED_OVERLAP;
use super::*;
use crate::camera::FrameSource;
use crate::cell::{CellClass, PerClass, SUBPIXELS};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

fn slide(seed: u64) -> SimulatedSlide {
    SimulatedSlide::new(seed, SimulatedSlideSettings::default()).unwrap()
}

fn small_settings() -> SimulatedSlideSettings {
    SimulatedSlideSettings {
        width_px: 160,
        height_px: 120,
        red_cells_per_field: 3.0,
        white_cells_per_field: 0.5,
        platelets_per_field: 1.0,
        ..SimulatedSlideSettings::default()
    }
}

fn small_slide(seed: u64) -> SimulatedSlide {
    SimulatedSlide::new(seed, small_settings()).unwrap()
}

fn digest(frame: &Frame) -> String {
    crate::hex::encode(Sha256::digest(frame.rgb()))
}

#[test]
fn a_field_has_the_same_bytes_on_every_machine() {
    let (frame, _) = small_slide(7).field(3);
    assert_eq!(
        digest(&frame),
        "3d1aa0c3a33397f60a9607f5a898b4537caf3bf468f6eb518f916829c5bab304"
    );
}

#[test]
fn fields_are_random_access_and_differ() {
    let seen: BTreeSet<String> = [(1, 0), (1, 1), (1, 2), (2, 0), (3, 0)]
        .map(|(seed, index)| digest(&small_slide(seed).field(index).0))
        .into();
    assert_eq!(seen.len(), 5);
    let slide = small_slide(1);
    let first = slide.field(2);
    slide.field(0);
    assert_eq!(slide.field(2), first);
}

#[test]
fn truth_boxes_lie_in_the_frame_and_are_no_slivers() {
    let slide = slide(5);
    let settings = slide.settings();
    let (width_q4, height_q4) = (
        settings.width_px as i32 * SUBPIXELS,
        settings.height_px as i32 * SUBPIXELS,
    );
    for index in 0..20 {
        let truth = FieldLayout::new(5, index, settings).truth(settings);
        for (class, bounds) in truth.cells {
            let inside = bounds.x0_q4 >= 0
                && bounds.y0_q4 >= 0
                && bounds.x1_q4 <= width_q4
                && bounds.y1_q4 <= height_q4;
            let shortest = bounds.width_q4().min(bounds.height_q4());
            assert!(
                inside && shortest >= MIN_VISIBLE_PX * SUBPIXELS,
                "field {index}: {class} {bounds:?}"
            );
        }
    }
}

#[test]
fn truth_boxes_stand_where_the_image_is_dark() {
    let settings = SimulatedSlideSettings {
        debris_per_field: 0.0,
        platelets_per_field: 0.0,
        red_cell_clumping: 0.0,
        vignetting: 0.0,
        uneven_light: 0.0,
        focus_error_um: 0.0,
        ..SimulatedSlideSettings::default()
    };
    let slide = SimulatedSlide::new(9, settings).unwrap();
    let (frame, truth) = slide.field(0);
    let boxes: Vec<[f64; 4]> = truth
        .cells
        .iter()
        .map(|(_, bounds)| bounds.corners_px())
        .collect();
    let in_a_box = |x: f64, y: f64| {
        boxes.iter().any(|[x0, y0, x1, y1]| {
            (x0 - 3.0..x1 + 3.0).contains(&x) && (y0 - 3.0..y1 + 3.0).contains(&y)
        })
    };
    let background = slide.look.background[1] * 0.93;
    for y in (0..frame.height_px()).step_by(7) {
        for x in (0..frame.width_px()).step_by(7) {
            let is_dark = f64::from(frame.pixel(x, y)[1]) < background;
            assert!(
                !is_dark || in_a_box(f64::from(x), f64::from(y)),
                "dark at {x}, {y} where no cell is"
            );
        }
    }
    let cells = boxes.iter().filter(|[x0, y0, x1, y1]| {
        let (x, y) = (x0 + 0.5 * (x1 - x0), y0 + 0.15 * (y1 - y0));
        f64::from(frame.pixel(x as u32, y as u32)[1]) < background
    });
    assert!(
        cells.count() * 10 >= boxes.len() * 9,
        "cells without colour"
    );
}

#[test]
fn counts_come_near_the_requested_means() {
    let fields = 60;
    let slide = slide(11);
    let settings = slide.settings();
    let (width_um, height_um) = (640.0 * settings.um_per_px, 480.0 * settings.um_per_px);
    let mut inside = PerClass::<f64>::default();
    for index in 0..fields {
        for cell in FieldLayout::new(11, index, settings).cells {
            let centre = cell.centre;
            let is_inside =
                (0.0..width_um).contains(&centre.x_um) && (0.0..height_um).contains(&centre.y_um);
            inside[cell.class()] += f64::from(u8::from(is_inside));
        }
    }
    let means = [
        (CellClass::Rbc, settings.red_cells_per_field),
        (CellClass::Wbc, settings.white_cells_per_field),
        (CellClass::Plt, settings.platelets_per_field),
    ];
    for (class, mean) in means {
        let expected = mean * fields as f64;
        let off = inside[class] - expected;
        // Three standard deviations, and a tenth for the cells that found no room.
        let allowed = 3.0 * expected.sqrt() + 0.1 * expected;
        assert!(off.abs() <= allowed, "{class}: {off} from {expected}");
    }
}

#[test]
fn no_cell_hides_another() {
    for clumping in [0.0, 0.3, 1.0] {
        let settings = SimulatedSlideSettings {
            red_cell_clumping: clumping,
            red_cells_per_field: 45.0,
            ..SimulatedSlideSettings::default()
        };
        for index in 0..6 {
            let cells = FieldLayout::new(2, index, &settings).cells;
            for (place, cell) in cells.iter().enumerate() {
                for other in &cells[..place] {
                    let both_red = cell.class() == CellClass::Rbc && other.class() == cell.class();
                    let most = if both_red { MAX_RED_OVERLAP } else { 0.05 };
                    assert!(
                        cell.overlap(other) <= most,
                        "clumping {clumping}, field {index}: {} on {}",
                        cell.class(),
                        other.class()
                    );
                }
            }
        }
    }
}

#[test]
fn clumping_brings_overlaps() {
    let overlaps = |clumping: f64| -> usize {
        let settings = SimulatedSlideSettings {
            red_cell_clumping: clumping,
            red_cells_per_field: 15.0,
            ..SimulatedSlideSettings::default()
        };
        let cells = FieldLayout::new(4, 0, &settings).cells;
        let pairs = cells.iter().enumerate();
        pairs
            .map(|(place, cell)| {
                let before = &cells[..place];
                before
                    .iter()
                    .filter(|other| cell.overlap(other) > 0.03)
                    .count()
            })
            .sum()
    };
    assert_eq!(overlaps(0.0), 0);
    assert!(overlaps(0.8) >= 5, "{}", overlaps(0.8));
}

#[test]
fn defocus_takes_contrast_away() {
    let contrast = |focus_error_um: f64| -> i64 {
        let settings = SimulatedSlideSettings {
            focus_error_um,
            ..small_settings()
        };
        let (frame, _) = SimulatedSlide::new(3, settings).unwrap().field(0);
        let rows = (0..frame.height_px()).map(|y| frame.row(y));
        rows.map(|row| {
            row.windows(4)
                .map(|pixels| i64::from(pixels[0].abs_diff(pixels[3])).pow(2))
                .sum::<i64>()
        })
        .sum()
    };
    let [sharp, soft, lost] = [0.0, 1.0, 5.0].map(contrast);
    assert!(sharp > soft && soft > lost, "{sharp} {soft} {lost}");
}

#[test]
fn the_camera_dwells_moves_and_ends() {
    let motion = StageMotion {
        dwell_frames: 3,
        moving_frames: 2,
        fields: Some(2),
    };
    let mut camera = SimulatedCamera::new(small_slide(7), motion);
    assert_eq!(camera.name(), "simulated:7");
    assert_eq!(camera.um_per_px(), Some(small_settings().um_per_px));
    let mut frames = Vec::new();
    while let Some(frame) = camera.next_frame().unwrap() {
        frames.push(frame);
        assert!(frames.len() < 20, "the slide does not end");
    }
    let fields: Vec<Option<u64>> = frames.iter().map(|frame| frame.field).collect();
    let (one, two) = (Some(0), Some(1));
    assert_eq!(fields, [one, one, one, None, None, two, two, two]);
    for (place, frame) in frames.iter().enumerate() {
        assert_eq!(frame.sequence, place as u64);
        assert_eq!(frame.truth.is_some(), frame.field.is_some(), "{place}");
    }
    assert_eq!(frames[0].truth, frames[2].truth);
    assert_ne!(frames[0].frame, frames[1].frame, "the noise stands still");
    let (frame, truth) = small_slide(7).field(1);
    assert_eq!(
        (&frames[5].frame, frames[5].truth.as_ref()),
        (&frame, Some(&truth))
    );
}

#[test]
fn an_endless_slide_goes_on() {
    let motion = StageMotion {
        dwell_frames: 0,
        moving_frames: 0,
        fields: None,
    };
    let mut camera = SimulatedCamera::new(small_slide(7), motion);
    for index in 0..4 {
        let frame = camera.next_frame().unwrap().unwrap();
        assert_eq!(frame.field, Some(index));
    }
}

#[test]
fn specifications_are_read() {
    let cases = [
        ("simulated", Some(1)),
        ("simulated:0", Some(0)),
        ("simulated:42", Some(42)),
        ("simulated:", None),
        ("simulated:-1", None),
        ("simulated:seven", None),
        ("simulated7", None),
        ("replay:7", None),
    ];
    for (spec, seed) in cases {
        let read = SimulatedCamera::from_spec(spec).map(|camera| camera.slide().seed());
        assert_eq!(read.as_ref().ok(), seed.as_ref(), "{spec}");
        if let Err(error) = read {
            assert!(error.to_string().contains("simulated:7"), "{error}");
        }
    }
}

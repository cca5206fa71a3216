//! Motion, rest and overlap on simulated fields.

use super::*;
use crate::camera::simulated::{
    SimulatedCamera, SimulatedSlide, SimulatedSlideSettings, StageMotion,
};
use crate::camera::{CapturedFrame, FieldTruth, FrameSource};
use std::collections::BTreeSet;

const FRAME_PX: (u32, u32) = (640, 480);

fn noisy() -> SimulatedSlideSettings {
    SimulatedSlideSettings {
        full_well_electrons: 1000.0,
        read_noise_levels: 3.0,
        ..SimulatedSlideSettings::default()
    }
}

/// A field of four frames' size, to be looked at through a window.
fn large_field(seed: u64) -> Frame {
    let settings = SimulatedSlideSettings {
        width_px: 2 * FRAME_PX.0,
        height_px: 2 * FRAME_PX.1,
        red_cells_per_field: 120.0,
        white_cells_per_field: 3.0,
        platelets_per_field: 12.0,
        ..SimulatedSlideSettings::default()
    };
    SimulatedSlide::new(seed, settings).unwrap().field(0).0
}

fn window(large: &Frame, left: u32, top: u32) -> Frame {
    let mut rgb = Vec::new();
    for y in top..top + FRAME_PX.1 {
        rgb.extend_from_slice(&large.row(y)[left as usize * 3..][..FRAME_PX.0 as usize * 3]);
    }
    Frame::new(FRAME_PX.0, FRAME_PX.1, rgb).unwrap()
}

/// Shows a frame until the stage is seen at rest.
fn rest_on(watch: &mut StageWatch, frame: &Frame, settled: &BTreeSet<u64>) -> u64 {
    let states = [0; 3].map(|_| watch.observe(frame, |field| settled.contains(&field)));
    match states[2] {
        StageState::Resting { field } => field,
        StageState::Moving => panic!("the stage moves under a frame that stays the same"),
    }
}

#[test]
fn one_pixel_is_rest_and_five_are_motion() {
    let large = large_field(11);
    for (shift_px, expected) in [(0, true), (1, true), (5, false), (40, false), (640, false)] {
        let mut watch = StageWatch::default();
        watch.observe(&window(&large, 0, 0), |_| false);
        let state = watch.observe(&window(&large, shift_px, 0), |_| false);
        assert_eq!(state != StageState::Moving, expected, "{shift_px} px");
    }
}

#[test]
fn a_stage_that_creeps_is_not_counted_again_before_the_field_has_left() {
    let large = large_field(12);
    let mut watch = StageWatch::default();
    let mut first_of_next = None;
    for shift_px in 0..=FRAME_PX.0 {
        let state = watch.observe(&window(&large, shift_px, 0), |field| field == 0);
        match state {
            StageState::Moving | StageState::Resting { field: 0 } => {
                assert_eq!(first_of_next, None, "at {shift_px} px");
            }
            StageState::Resting { field: 1 } => first_of_next = first_of_next.or(Some(shift_px)),
            StageState::Resting { field } => panic!("field {field} at {shift_px} px"),
        }
    }
    let first_of_next = first_of_next.expect("another field in the end");
    assert!(first_of_next > FRAME_PX.0 * 85 / 100, "{first_of_next}");
}

#[test]
fn brighter_light_is_no_motion_and_a_black_frame_no_fault() {
    let mut watch = StageWatch::default();
    let frame = window(&large_field(13), 0, 0);
    let mut brighter = frame.clone();
    let levels = brighter.rgb_mut().iter_mut();
    levels.for_each(|level| *level = level.saturating_sub(6));
    watch.observe(&frame, |_| false);
    assert_ne!(watch.observe(&brighter, |_| false), StageState::Moving);
    let black = Frame::filled(3, 1, [0; 3]).unwrap();
    watch.observe(&black, |_| false);
    assert_ne!(watch.observe(&black, |_| false), StageState::Moving);
}

#[test]
fn a_field_that_overlaps_a_counted_one_is_that_field() {
    let mut wrong = Vec::new();
    for seed in [21, 22] {
        let large = large_field(seed);
        let first = window(&large, 0, 0);
        // Shares of the field that stay in view: 0.99, 0.75, 0.49, 0.30, 0.19, 0.24, 0.25, 0.11.
        for (left, top) in [
            (4, 4),
            (160, 4),
            (324, 0),
            (450, 3),
            (516, 0),
            (4, 364),
            (322, 243),
            (444, 303),
        ] {
            let mut watch = StageWatch::default();
            let field = rest_on(&mut watch, &first, &BTreeSet::new());
            let settled = BTreeSet::from([field]);
            let again = rest_on(&mut watch, &window(&large, left, top), &settled);
            if again != field {
                wrong.push(format!("seed {seed}: {left},{top}"));
            }
        }
        // Nothing in common.
        let mut watch = StageWatch::default();
        let field = rest_on(&mut watch, &first, &BTreeSet::new());
        let settled = BTreeSet::from([field]);
        let other = rest_on(&mut watch, &window(&large, 640, 480), &settled);
        if other == field {
            wrong.push(format!("seed {seed}: another field"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn unrelated_fields_are_told_apart() {
    let mut same = Vec::new();
    let mut correlation = Correlation::default();
    for seed in 1..=3 {
        let slide = SimulatedSlide::new(seed, noisy()).unwrap();
        let details: Vec<Detail> = (0..16)
            .map(|index| {
                let mut grid = LumaGrid::default();
                grid.observe(&slide.field(index).0);
                let mut detail = Detail::default();
                detail.of(&grid);
                detail
            })
            .collect();
        for (place, first) in details.iter().enumerate() {
            for (other, second) in details[..place].iter().enumerate() {
                if correlation.overlap(first, second) {
                    same.push((seed, place, other));
                }
            }
        }
    }
    assert!(same.is_empty(), "{same:?}");
}

#[test]
fn a_field_left_without_a_good_frame_is_tried_again_under_another_number() {
    let large = large_field(31);
    let [first, second] = [(0, 0), (640, 480)].map(|(left, top)| window(&large, left, top));
    let mut watch = StageWatch::default();
    let none = BTreeSet::new();
    assert_eq!(rest_on(&mut watch, &first, &none), 0);
    // A nudge keeps the number while the field waits for a good frame.
    assert_eq!(rest_on(&mut watch, &window(&large, 30, 0), &none), 0);
    let settled = BTreeSet::from([1]);
    assert_eq!(rest_on(&mut watch, &second, &none), 1);
    assert_eq!(rest_on(&mut watch, &first, &settled), 2);
    assert_eq!(rest_on(&mut watch, &second, &settled), 1, "counted before");
}

/// What a run counts when the first frame of every rest that is not settled is good.
fn counted_fields(mut camera: SimulatedCamera) -> Vec<FieldTruth> {
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    let mut counted = Vec::new();
    let mut captured = CapturedFrame::default();
    while camera.next_frame_into(&mut captured).unwrap() {
        assert_eq!(captured.field, None);
        if let StageState::Resting { field } =
            watch.observe(&captured.frame, |f| settled.contains(&f))
            && settled.insert(field)
        {
            let truth = captured
                .truth
                .as_ref()
                .filter(|truth| !truth.cells.is_empty());
            counted.push(truth.expect("counted while the stage moved").clone());
        }
    }
    counted
}

#[test]
fn every_rest_is_counted_exactly_once() {
    const FIELDS: u64 = 12;
    let motions = [
        (SimulatedSlideSettings::default(), 6, 2),
        (SimulatedSlideSettings::default(), 2, 1),
        (noisy(), 4, 3),
        (noisy(), 3, 0),
    ];
    let mut wrong = Vec::new();
    for seed in [1, 7, 40] {
        for (settings, dwell_frames, moving_frames) in &motions {
            let slide = SimulatedSlide::new(seed, settings.clone()).unwrap();
            let truths: Vec<_> = (0..FIELDS).map(|index| slide.truth(index)).collect();
            let motion = StageMotion {
                dwell_frames: *dwell_frames,
                moving_frames: *moving_frames,
                fields: Some(FIELDS),
            };
            let camera = SimulatedCamera::new(slide, motion).without_field_numbers();
            let counted = counted_fields(camera);
            let places: Vec<_> = counted
                .iter()
                .map(|truth| truths.iter().position(|known| known == truth))
                .collect();
            let expected: Vec<_> = (0..FIELDS as usize).map(Some).collect();
            if places != expected {
                wrong.push(format!("seed {seed}, {motion:?}: {places:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_slide_has_fields_of_its_own() {
    let frame = window(&large_field(14), 0, 0);
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    assert_eq!(rest_on(&mut watch, &frame, &settled), 0);
    settled.insert(0);
    assert_eq!(rest_on(&mut watch, &frame, &settled), 0);
    watch.forget_fields();
    assert_eq!(rest_on(&mut watch, &frame, &settled), 1);
}

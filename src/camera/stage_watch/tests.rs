//! Motion, rest and overlap on simulated fields.

use super::*;
use crate::camera::simulated::{
    SimulatedCamera, SimulatedSlide, SimulatedSlideSettings, StageMotion,
};
use crate::camera::{CapturedFrame, FieldTruth, FrameSource};
use crate::registration::Overlap;
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
fn a_stage_that_creeps_is_counted_again_only_where_it_is_new() {
    let large = large_field(12);
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    let mut first_new_part = None;
    for shift_px in 0..=FRAME_PX.0 {
        let frame = window(&large, shift_px, 0);
        let state = watch.observe(&frame, |field| settled.contains(&field));
        let StageState::Resting { field } = state else {
            continue;
        };
        if !settled.insert(field) {
            continue;
        }
        match watch.accept_new_part(&frame).0 {
            Placement::CountedBefore => {}
            Placement::New => assert!(shift_px < 2, "all new at {shift_px} px"),
            Placement::Overlaps(older) => {
                let shift_px = shift_px as i32;
                let is_first = |overlap: &Overlap| (overlap.dx_px + shift_px).abs() <= 4;
                if first_new_part.is_none() {
                    assert!(older.iter().any(is_first), "{older:?} at {shift_px} px");
                }
                first_new_part = first_new_part.or(Some(shift_px));
            }
        }
    }
    let first_new_part = first_new_part.expect("a new part in the end");
    assert!((316..340).contains(&first_new_part), "{first_new_part}");
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
fn of_a_field_that_overlaps_a_counted_one_the_new_part_is_left() {
    let mut wrong = Vec::new();
    for seed in [21, 22] {
        let large = large_field(seed);
        let first = window(&large, 0, 0);
        // Shares of the field that stay in view: 0.99, 0.75, 0.48, 0.30, 0.19, 0.24, 0.25, 0.11.
        for (left, top) in [
            (4, 4),
            (160, 4),
            (332, 0),
            (450, 3),
            (516, 0),
            (4, 364),
            (322, 243),
            (444, 303),
        ] {
            let mut watch = StageWatch::default();
            rest_on(&mut watch, &first, &BTreeSet::new());
            assert_eq!(watch.accept_new_part(&first).0, Placement::New);
            let other = window(&large, left, top);
            rest_on(&mut watch, &other, &BTreeSet::from([0]));
            let placement = watch.accept_new_part(&other).0;
            let is_near = |overlap: &Overlap| {
                (overlap.dx_px + left as i32).abs() <= 4 && (overlap.dy_px + top as i32).abs() <= 4
            };
            let is_right = match placement {
                Placement::New => false,
                Placement::Overlaps(older) => left > 320 || older.iter().any(is_near),
                Placement::CountedBefore => left <= 160 && top < 10,
            };
            if !is_right {
                wrong.push(format!("seed {seed}: {left},{top}: {placement:?}"));
            }
        }
        let mut watch = StageWatch::default();
        rest_on(&mut watch, &first, &BTreeSet::new());
        watch.accept_new_part(&first);
        let apart = watch.accept_new_part(&window(&large, 640, 480)).0;
        if apart != Placement::New {
            wrong.push(format!("seed {seed}: nothing in common: {apart:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
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
    assert_eq!(rest_on(&mut watch, &second, &none), 1);
    let settled = BTreeSet::from([1]);
    assert_eq!(watch.accept_new_part(&second).0, Placement::New);
    assert_eq!(rest_on(&mut watch, &first, &settled), 2);
    assert_eq!(watch.accept_new_part(&first).0, Placement::New);
    let settled = BTreeSet::from([1, 2]);
    assert_eq!(rest_on(&mut watch, &second, &settled), 3);
    assert_eq!(watch.accept_new_part(&second).0, Placement::CountedBefore);
}

#[test]
fn a_field_that_was_not_counted_after_all_is_new_again() {
    let frame = window(&large_field(32), 0, 0);
    let mut watch = StageWatch::default();
    rest_on(&mut watch, &frame, &BTreeSet::new());
    let (_, ticket) = watch.accept_new_part(&frame);
    assert_eq!(watch.accept_new_part(&frame).0, Placement::CountedBefore);
    watch.withdraw(ticket.unwrap());
    assert_eq!(watch.accept_new_part(&frame).0, Placement::New);
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
            && watch.accept_new_part(&captured.frame).0 != Placement::CountedBefore
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
fn another_slide_has_fields_of_its_own_once_the_last_one_is_gone() {
    let large = large_field(14);
    let [frame, other] = [(0, 0), (640, 480)].map(|(left, top)| window(&large, left, top));
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    rest_on(&mut watch, &other, &settled);
    watch.accept_new_part(&other);
    settled.insert(0);
    assert_eq!(rest_on(&mut watch, &frame, &settled), 1);
    watch.accept_new_part(&frame);
    settled.insert(1);
    assert_eq!(rest_on(&mut watch, &frame, &settled), 1);
    watch.forget_fields();
    assert_eq!(rest_on(&mut watch, &frame, &settled), 2);
    let still_there = watch.accept_new_part(&frame).0;
    assert_eq!(still_there, Placement::CountedBefore);
    assert_eq!(watch.accept_new_part(&other).0, Placement::New);
}

//! Hands over the smear: what a run would count of it, against the truth.

use super::*;
use crate::camera::stage_watch::{StageState, StageWatch};
use crate::registration::Placement;
use std::collections::BTreeSet;

fn camera(hand: Hand, seed: u64) -> HandCamera {
    let settings = SmearSettings::normal((320, 240), 0.24);
    HandCamera::new(SimulatedSmear::new(seed, settings).unwrap(), hand, seed)
}

/// What a hand has brought to the count.
#[derive(Default)]
struct Seen {
    /// Where something new was accepted.
    accepted: Vec<View>,
    counted_before: usize,
    /// Part of each accepted field that is left out, in thousandths.
    left_out_permille: Vec<u32>,
}

/// Plays a run: takes every rest once, leaves out what was counted before, and asks for the next.
fn play(mut camera: HandCamera) -> (Seen, HandCamera) {
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    let mut seen = Seen::default();
    let mut captured = CapturedFrame::default();
    while camera.next_frame_into(&mut captured).unwrap() {
        let state = watch.observe(&captured.frame, |field| settled.contains(&field));
        let StageState::Resting { field } = state else {
            camera.advise(Advice::Stay);
            continue;
        };
        if settled.insert(field) {
            match watch.accept_new_part(&captured.frame).0 {
                Placement::CountedBefore => seen.counted_before += 1,
                Placement::New => {
                    seen.accepted.push(camera.view());
                    seen.left_out_permille.push(0);
                }
                Placement::Overlaps(older) => {
                    seen.accepted.push(camera.view());
                    seen.left_out_permille.push(older.share_permille());
                }
            }
        }
        camera.advise(Advice::MoveOn);
    }
    (seen, camera)
}

#[test]
fn a_careful_hand_has_every_field_accepted_and_little_left_out() {
    let (seen, _) = play(camera(Hand::Careful, 3).with_stops(24, 40));
    assert_eq!((seen.accepted.len(), seen.counted_before), (24, 0));
    let left_out: u32 = seen.left_out_permille.iter().sum();
    assert!(left_out < 24 * 20, "{:?}", seen.left_out_permille);
}

#[test]
fn a_retracing_hand_has_each_place_counted_once() {
    let (seen, _) = play(camera(Hand::Retracing, 4).with_stops(24, 40));
    assert_eq!(seen.accepted.len(), 8);
    // The turn rests on one place twice in a row.
    assert!(seen.counted_before >= 14, "{}", seen.counted_before);
}

#[test]
fn a_hasty_hand_counts_the_area_that_it_has_seen() {
    let (seen, mut camera) = play(camera(Hand::Hasty, 5).with_stops(42, 40));
    let cells = |camera: &mut HandCamera, views: &[View]| {
        let tally = camera.smear().tally(views);
        tally.values().sum::<u64>() as f64
    };
    let once = cells(&mut camera, &seen.accepted);
    let new_parts = seen.accepted.iter().zip(&seen.left_out_permille);
    let counted: f64 = new_parts
        .map(|(view, left_out)| {
            let all = cells(&mut camera, &[*view]);
            all * f64::from(1000 - left_out) / 1000.0
        })
        .sum();
    assert!(seen.counted_before >= 5, "{}", seen.counted_before);
    // By area, since only the whole program knows each cell: cells lie at random.
    assert!((counted / once - 1.0).abs() < 0.06, "{counted} of {once}");
}

#[test]
fn specifications_with_a_hand_are_read() {
    let cases = [
        ("simulated:7:careful", Some("simulated:7:careful")),
        ("simulated:shaky", Some("simulated:1:shaky")),
        ("simulated:7", None),
        ("simulated:7:unnumbered", None),
        ("v4l2:/dev/video0", None),
    ];
    for (spec, expected) in cases {
        let camera = HandCamera::from_spec(spec).unwrap();
        let name = camera.map(|camera| camera.name());
        assert_eq!(name.as_deref(), expected, "{spec}");
    }
    let error = HandCamera::from_spec("simulated:x:hasty").unwrap_err();
    assert!(error.to_string().contains("simulated:7:hasty"), "{error}");
}

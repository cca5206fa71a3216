//! A smear from its events.

use super::*;
use crate::cell::{BoundingBox, CellClass};

fn view(field: u64) -> Box<FrameView> {
    Box::new(FrameView {
        field: Some(field),
        ..FrameView::default()
    })
}

fn tally(rbc: u32) -> FieldTally {
    FieldTally {
        certain: PerClass::from([(CellClass::Rbc, rbc)]),
        uncertain: 0,
        area_q8: 1_000_000,
        has_clump: false,
    }
}

fn counted(rbc: u32) -> SmearEvent {
    let cell = Cell {
        best_class: Some(CellClass::Rbc),
        certain: true,
        bounds: BoundingBox {
            x0_q4: 0,
            y0_q4: 0,
            x1_q4: 16,
            y1_q4: 16,
        },
        confidence_e4: 9000,
        counted: true,
    };
    let mut view = view(rbc.into());
    view.is_analysed = true;
    view.cells.push(cell);
    SmearEvent::Counted {
        view,
        tally: tally(rbc),
        truth: Some(tally(rbc + 1)),
    }
}

fn rejected(reason: RejectReason) -> SmearEvent {
    SmearEvent::Rejected {
        view: view(0),
        reason,
    }
}

fn smear(target_fields: Option<u32>) -> Smear {
    Smear::new(SmearRules::default(), target_fields, KnownScale::Unknown)
}

#[test]
fn smears_end_as_they_should() {
    use RunState::{Finished, Live, Unfinished};
    fn go_on(_: &mut Smear) {}
    type Case = (&'static str, Option<u32>, u32, fn(&mut Smear), RunState);
    let cases: [Case; 8] = [
        ("nothing yet", Some(2), 0, go_on, Live),
        ("one of two", Some(2), 1, go_on, Live),
        ("two of two", Some(2), 2, go_on, Finished),
        ("done", None, 1, Smear::finish, Finished),
        (
            "nothing to be done with",
            None,
            0,
            Smear::finish,
            Unfinished,
        ),
        ("done too early", Some(2), 1, Smear::finish, Unfinished),
        ("stopped", None, 1, Smear::stop, Unfinished),
        (
            "stopped when it was done",
            Some(1),
            1,
            Smear::stop,
            Finished,
        ),
    ];
    for (name, target_fields, fields, end, state) in cases {
        let mut smear = smear(target_fields);
        for rbc in 0..fields {
            smear.step(counted(rbc + 5));
        }
        end(&mut smear);
        assert_eq!(smear.state(), state, "{name}");
    }
}

#[test]
fn each_settled_field_gives_one_line_at_the_scale_it_was_counted_at() {
    let mut smear = smear(Some(2));
    let mut lines = Vec::new();
    let events = [
        SmearEvent::Frames(FrameTally::default()),
        SmearEvent::Preview(view(0)),
        rejected(RejectReason::Blurred),
        SmearEvent::ScaleKnown(KnownScale::Given { um_per_px: 0.1 }),
        counted(40),
        SmearEvent::NoCells(view(0)),
        SmearEvent::Unscaled(view(0)),
        counted(50),
        // The smear has ended.
        counted(99),
    ];
    for event in events {
        let record = smear.step(event).record;
        lines.extend(record.map(|line| {
            let rbc = line.certain[CellClass::Rbc];
            (line.outcome, rbc, line.um_per_px)
        }));
    }
    let expected = [
        (FieldOutcome::Blurred, 0, None),
        (FieldOutcome::Counted, 40, Some(0.1)),
        (FieldOutcome::NoCells, 0, Some(0.1)),
        (FieldOutcome::Unscaled, 0, Some(0.1)),
        (FieldOutcome::Counted, 50, Some(0.1)),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_ended_smear_takes_no_more() {
    let mut smear = smear(Some(1));
    smear.step(counted(5));
    smear.step(counted(7));
    smear.step(rejected(RejectReason::Blurred));
    assert_eq!(smear.fields(), 1);
    assert_eq!(smear.rejected(), &RejectedFields::default());
}

#[test]
fn the_next_smear_starts_empty_at_the_same_microscope() {
    let scale = KnownScale::Given { um_per_px: 0.1 };
    let mut smear = smear(None);
    smear.step(SmearEvent::ScaleKnown(scale));
    assert!(!smear.can_finish());
    smear.step(counted(5));
    smear.step(rejected(RejectReason::Blurred));
    assert!(smear.can_finish());
    smear.finish();
    assert!(!smear.can_finish());
    assert!(smear.step(counted(7)).view.is_some(), "the view comes back");
    let number = smear.view_number();
    assert!(smear.start_next().is_some());
    assert_eq!(smear.state(), RunState::Live);
    assert_eq!((smear.fields(), smear.rejected().fields()), (0, 0));
    assert_eq!(smear.summary().class(CellClass::Rbc).counted, 0);
    assert_eq!((smear.scale(), smear.truth()), (scale, None));
    assert_eq!(smear.number(), 1);
    assert!(smear.latest().is_none() && smear.view_number() > number);
    smear.step(counted(3));
    assert_eq!(smear.fields(), 1);
}

#[test]
fn every_field_that_was_not_counted_is_kept_with_its_reason() {
    let mut smear = smear(None);
    smear.step(rejected(RejectReason::Blurred));
    smear.step(rejected(RejectReason::Underexposed));
    smear.step(rejected(RejectReason::Blurred));
    smear.step(SmearEvent::NoCells(view(0)));
    smear.step(SmearEvent::Unscaled(view(0)));
    smear.step(SmearEvent::FrameLost("cable".to_owned()));
    let rejected = smear.rejected();
    let by_reason = [(RejectReason::Blurred, 2), (RejectReason::Underexposed, 1)];
    assert_eq!(rejected.by_reason, by_reason);
    assert_eq!(rejected.fields(), 5);
    assert_eq!(rejected.last_lost.as_deref(), Some("cable"));
    assert!(smear.scale_not_found());
    smear.step(SmearEvent::ScaleKnown(KnownScale::Given { um_per_px: 0.1 }));
    assert!(!smear.scale_not_found());
}

#[test]
fn the_truth_is_added_up_beside_the_counts() {
    let mut smear = smear(None);
    smear.step(counted(5));
    smear.step(counted(7));
    let rbc = CellClass::Rbc;
    assert_eq!(smear.summary().class(rbc).counted, 12);
    assert_eq!(smear.truth().map(|truth| truth.class(rbc)), Some(14));
}

#[test]
fn a_counted_field_stays_on_the_screen_until_the_stage_leaves_it() {
    let mut smear = smear(None);
    assert!(smear.step(SmearEvent::Preview(view(5))).view.is_none());
    assert!(smear.step(counted(5)).view.is_some(), "the preview's box");
    let number = smear.view_number();
    let back = smear.step(SmearEvent::Preview(view(5))).view;
    assert!(back.is_some_and(|view| view.cells.is_empty()));
    assert_eq!(smear.view_number(), number);
    assert_eq!(smear.latest().map(|view| view.cells.len()), Some(1));
    let moving = Box::new(FrameView::default());
    assert!(smear.step(SmearEvent::Preview(moving)).view.is_some());
    assert_ne!(smear.view_number(), number);
    assert_eq!(smear.latest().map(|view| view.cells.len()), Some(0));
}

#[test]
fn a_preview_that_comes_late_hides_no_counted_field() {
    let numbered = |frame_number, field| {
        Box::new(FrameView {
            frame_number,
            field,
            is_analysed: field.is_some(),
            ..FrameView::default()
        })
    };
    let mut smear = smear(None);
    let SmearEvent::Counted { tally, truth, .. } = counted(5) else {
        unreachable!("a counted field");
    };
    let view = numbered(9, Some(5));
    smear.step(SmearEvent::Counted { view, tally, truth });
    // Seen while the stage still moved, and taken in after the field.
    let late = smear.step(SmearEvent::Preview(numbered(7, None))).view;
    assert!(late.is_some_and(|view| view.frame_number == 7));
    assert_eq!(smear.latest().and_then(|view| view.field), Some(5));
    smear.step(SmearEvent::Preview(numbered(10, None)));
    assert_eq!(smear.latest().and_then(|view| view.field), None);
}

#[test]
fn a_field_without_cells_is_not_taken_for_one_that_is_being_counted() {
    let mut smear = smear(None);
    let cells_found = |smear: &Smear| smear.latest().and_then(FrameView::cells_found);
    smear.step(SmearEvent::Preview(view(5)));
    assert_eq!(cells_found(&smear), None);
    let mut empty = view(5);
    empty.is_analysed = true;
    smear.step(SmearEvent::NoCells(empty));
    smear.step(SmearEvent::Preview(view(5)));
    assert_eq!(cells_found(&smear), Some(0), "while the stage rests");
    smear.step(SmearEvent::Preview(view(6)));
    assert_eq!(cells_found(&smear), None);
}

#[test]
fn the_summary_is_that_of_the_smear_so_far() {
    let mut smear = smear(None);
    let rbc = CellClass::Rbc;
    assert_eq!(smear.summary().class(rbc).counted, 0);
    smear.step(counted(50));
    assert_eq!(smear.summary().class(rbc).counted, 50);
}

#[test]
fn skipped_frames_are_a_share_of_all() {
    let cases = [
        ((0, 0, 0, 0), None),
        ((1, 0, 0, 0), Some(0)),
        ((0, 3, 0, 0), Some(100)),
        ((2, 1, 4, 1), Some(75)),
        ((1, 1, 1, 0), Some(66)),
    ];
    for ((counted, moving, unchanged, unusable), expected) in cases {
        let frames = FrameTally {
            counted,
            moving,
            unchanged,
            unusable,
        };
        assert_eq!(frames.skipped_percent(), expected, "{frames:?}");
    }
}

//! Fields that the operator forces or takes out again.

use super::bench::*;
use crate::assessment::Finding;
use crate::cell::CellClass;
use crate::input::Action;
use crate::quality::{Quality, RejectReason, Verdict};
use crate::session::guidance::Instruction;
use crate::session::smear::{FieldStanding, FrameView};
use crate::session::{Event, KnownScale, Phase, SmearEvent};

fn show(bench: &mut Bench, view: FrameView) {
    let event = SmearEvent::Preview(Box::new(view));
    bench.step(Event::OfSmear { smear: 0, event });
}

fn refused(reason: RejectReason) -> FrameView {
    FrameView {
        field: Some(77),
        quality: Quality {
            verdict: Verdict::Rejected(reason),
            ..Quality::NOTHING_SEEN
        },
        ..FrameView::default()
    }
}

#[test]
fn the_last_field_can_be_taken_out_once() {
    let mut bench = Bench::open(None);
    assert_eq!(bench.press(Action::Cancel), [], "nothing was counted");
    bench.count(40);
    let before = bench.machine.smear().summary().clone();
    let assessed = *bench.machine.smear().assessment();
    bench.count(50);
    let undone = bench.press(Action::Cancel);
    let expected = [Seen::RecordUndone(Some(50)), Seen::ForgetField(50)];
    assert_eq!(undone, expected);
    assert_eq!(bench.machine.smear().summary(), &before);
    assert_eq!(bench.machine.smear().assessment(), &assessed);
    assert_eq!(bench.machine.instruction(), Instruction::FieldUndone);
    let shown = bench.machine.smear().latest().unwrap();
    assert!(shown.cells.is_empty(), "cells that count no more");
    assert_eq!(bench.press(Action::Cancel), [], "the one before stays");
    bench.count(60);
    let smear = bench.machine.smear();
    assert_eq!(smear.summary().class(CellClass::Rbc).counted, 100);
}

#[test]
fn a_smear_without_its_only_field_is_empty_and_a_result_keeps_all() {
    let mut bench = Bench::open(None);
    bench.count(40);
    bench.press(Action::Cancel);
    assert_eq!(bench.phase(), Phase::Empty);
    bench.count(50);
    bench.finish();
    assert_eq!(bench.phase(), Phase::Result);
    assert_eq!(bench.machine.instruction(), Instruction::TooFewCells);
    assert_eq!(bench.press(Action::Cancel), []);
    assert_eq!(bench.machine.smear().fields(), 1);
}

#[test]
fn a_field_is_forced_where_that_is_a_matter_of_judgement_only() {
    let force = |bench: &mut Bench| bench.press(Action::StepBrightness);
    for reason in RejectReason::ALL {
        let mut bench = Bench::open(None);
        show(&mut bench, refused(reason));
        let is_judged = matches!(
            reason,
            RejectReason::Blurred
                | RejectReason::PartlyBlurred
                | RejectReason::TooThick
                | RejectReason::LowContrast
        );
        let expected = match is_judged {
            true => Seen::ForceField(77),
            false => Seen::StepBrightness,
        };
        assert_eq!(force(&mut bench), [expected], "{reason:?}");
    }
    let blurred = refused(RejectReason::Blurred);
    let never = [
        FrameView {
            field: None,
            ..blurred.clone()
        },
        FrameView {
            standing: FieldStanding::CountedBefore,
            ..blurred.clone()
        },
        FrameView {
            is_analysed: true,
            ..blurred.clone()
        },
    ];
    for view in never {
        let mut bench = Bench::open(None);
        show(&mut bench, view);
        assert_eq!(force(&mut bench), [Seen::StepBrightness]);
    }
    let mut unscaled = Bench::new(None, true);
    unscaled.step(Event::Opened(KnownScale::Unknown));
    show(&mut unscaled, blurred);
    assert_eq!(force(&mut unscaled), [Seen::StepBrightness]);
}

#[test]
fn a_result_with_forced_fields_says_so_until_they_are_undone() {
    let mut bench = Bench::open(None);
    bench.count(40);
    let SmearEvent::Counted {
        mut view,
        tally,
        truth,
    } = counted(50)
    else {
        unreachable!("a counted field");
    };
    view.is_forced = true;
    let event = SmearEvent::Counted { view, tally, truth };
    bench.step(Event::OfSmear { smear: 0, event });
    let ids = |bench: &Bench| {
        let findings = bench.machine.smear().assessment().findings();
        findings.map(Finding::id).collect::<Vec<_>>()
    };
    assert!(ids(&bench).contains(&"fields_forced"), "{:?}", ids(&bench));
    bench.press(Action::Cancel);
    assert!(!ids(&bench).contains(&"fields_forced"));
}

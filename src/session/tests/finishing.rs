//! How a smear is finished: by itself at its targets or limit, or by a press that is asked about.

use super::bench::*;
use crate::cell::{CellClass, PerClass};
use crate::count::{FieldTally, SmearLimits};
use crate::input::Action;
use crate::record::EndReason;
use crate::session::guidance::Instruction;
use crate::session::machine::FINISH_QUESTION_LIMIT;
use crate::session::smear::FrameView;
use crate::session::{Event, KnownScale, Phase, RunState, SmearEvent};
use std::time::Duration;

/// A field of which ten reach every target.
fn rich_field() -> Event {
    let certain = PerClass::from([
        (CellClass::Rbc, 200),
        (CellClass::Wbc, 12),
        (CellClass::Plt, 12),
    ]);
    let event = SmearEvent::Counted {
        view: Box::<FrameView>::default(),
        tally: FieldTally {
            certain,
            uncertain: 0,
            area_q8: 1_000_000,
            has_clump: false,
        },
        truth: None,
    };
    Event::OfSmear { smear: 0, event }
}

#[test]
fn one_touch_ends_no_smear() {
    for answer in [None, Some(Action::StepBrightness), Some(Action::Cancel)] {
        let mut bench = Bench::open(None);
        bench.count(5);
        assert_eq!(bench.press(Action::Confirm), []);
        assert_eq!(bench.phase(), Phase::FinishQuestion);
        assert_eq!(bench.machine.instruction(), Instruction::ConfirmFinish);
        // The same touch once more is no answer.
        bench.press(Action::Confirm);
        assert_eq!(bench.phase(), Phase::FinishQuestion);
        bench.count(6);
        assert_eq!(bench.machine.smear().fields(), 2, "counting goes on");
        bench.wait_ms(1000);
        match answer {
            Some(action) => assert_eq!(bench.press(action), []),
            None => drop(bench.wait_ms(FINISH_QUESTION_LIMIT.as_millis() as u64)),
        }
        assert_eq!(bench.phase(), Phase::Counting, "{answer:?}");
        assert_eq!(bench.machine.smear().state(), RunState::Live);
    }
}

#[test]
fn a_smear_that_has_all_its_cells_is_finished_by_itself() {
    let mut bench = Bench::open(None);
    for field in 0..10 {
        assert_ne!(bench.phase(), Phase::Result, "at {field}");
        let seen = bench.step(rich_field());
        let ends = seen.contains(&Seen::RecordEnd(EndReason::Finished));
        assert_eq!(ends, field == 9, "{seen:?}");
    }
    assert_eq!(bench.phase(), Phase::Result);
    // Whoever was about to press has not seen the result yet.
    assert_eq!(bench.press(Action::Confirm), []);
    bench.wait_ms(1000);
    bench.press(Action::Confirm);
    assert_eq!(bench.phase(), Phase::Empty);
}

#[test]
fn a_smear_is_finished_at_its_limit_of_fields_or_time() {
    let limits = SmearLimits::default();
    let mut bench = Bench::open(None);
    for _ in 0..limits.fields {
        assert_ne!(bench.phase(), Phase::Result);
        bench.count(5);
    }
    assert_eq!(bench.phase(), Phase::Result);
    let mut bench = Bench::open(None);
    // Waiting without a field is no counting.
    bench.now += Duration::from_secs(7200);
    bench.step(Event::Tick);
    bench.count(5);
    bench.now += Duration::from_secs(60 * u64::from(limits.minutes) - 1);
    bench.step(Event::Tick);
    assert_eq!(bench.phase(), Phase::Counting);
    bench.wait_ms(2000);
    assert_eq!(bench.phase(), Phase::Result);
}

#[test]
fn files_are_counted_to_their_end_and_a_press_is_not_asked_about_then() {
    let mut bench = Bench::new(None, false);
    bench.machine.count_to_the_end_of_the_source();
    bench.step(Event::Opened(KnownScale::Given { um_per_px: 0.1 }));
    for _ in 0..12 {
        bench.step(rich_field());
    }
    assert_eq!(bench.phase(), Phase::Counting);
    assert_eq!(bench.machine.instruction(), Instruction::FinishAtTargets);
    bench.press(Action::Confirm);
    assert_eq!(bench.phase(), Phase::Result);
}

//! The instrument from outside: events in, effects and phases out.

mod bench;
mod drawing;
mod fields;
mod finishing;
mod guidance;
mod properties;
mod updates;

use super::machine::FAULT_HOLD;
use super::*;
use crate::camera::Unavailable;
use crate::input::Action;
use crate::record::EndReason;
use bench::{Bench, Seen};

#[test]
fn one_button_finishes_a_smear_and_starts_the_next_one() {
    let mut bench = Bench::open(None);
    assert_eq!(bench.press(Action::Confirm), [], "there is no field yet");
    bench.count(40);
    assert_eq!(bench.phase(), Phase::Counting);
    let finished = bench.finish();
    let expected = [
        Seen::RecordEnd(EndReason::Finished),
        Seen::Publish,
        Seen::SuspendCapture,
    ];
    assert_eq!(finished, expected);
    assert_eq!(bench.phase(), Phase::Result);
    assert_eq!(bench.machine.smear().state(), RunState::Finished);
    // What was under way when the button was pressed.
    assert_eq!(bench.count(50), [Seen::Discard]);
    assert_eq!(bench.machine.smear().fields(), 1);
    let next = bench.press(Action::Confirm);
    let expected = [
        Seen::Discard,
        Seen::StartSmear(1),
        Seen::RecordStart,
        Seen::ResumeCapture,
    ];
    assert_eq!(next, expected);
    assert_eq!(bench.phase(), Phase::Empty);
    // A frame of the last smear that comes late.
    let late = bench.count_for(0, 70);
    assert_eq!(late, [Seen::Discard]);
    assert_eq!(bench.machine.smear().fields(), 0);
    bench.count(60);
    assert_eq!(bench.machine.smear().fields(), 1);
}

#[test]
fn a_run_of_a_given_number_of_fields_ends_by_itself() {
    let mut bench = Bench::open(Some(2));
    bench.count(40);
    assert_eq!(bench.press(Action::Confirm), [], "the number was given");
    let ended = bench.count(41);
    let expected = [
        Seen::Discard,
        Seen::RecordField(41),
        Seen::RecordEnd(EndReason::Finished),
        Seen::SuspendCapture,
    ];
    assert_eq!(ended, expected);
    assert_eq!(bench.phase(), Phase::Ended);
    assert_eq!(bench.count(42), [Seen::Discard]);
    assert!(
        !bench.machine.is_published(),
        "the summary is still to come"
    );
}

#[test]
fn a_source_that_ends_finishes_what_was_left_to_it() {
    for (target_fields, fields, state) in [
        (None, 1, RunState::Finished),
        (None, 0, RunState::Unfinished),
        (Some(2), 1, RunState::Unfinished),
    ] {
        let mut bench = Bench::open(target_fields);
        for _ in 0..fields {
            bench.count(30);
        }
        bench.step(Event::SourceEnded);
        assert_eq!(bench.phase(), Phase::Ended);
        assert_eq!(bench.machine.smear().state(), state, "{fields} fields");
    }
}

#[test]
fn each_smear_is_ended_once_however_it_ends() {
    type MakeEvent = fn() -> Event;
    let ends: [(&str, MakeEvent); 4] = [
        ("stop", || Event::Button(Action::Stop)),
        ("switch off", || Event::Button(Action::ShutDown)),
        ("fault", || Event::Failed),
        ("source", || Event::SourceEnded),
    ];
    for (name, end) in ends {
        let mut bench = Bench::open(None);
        bench.count(30);
        let mut seen = bench.step(end());
        seen.extend(bench.step(end()));
        seen.extend(bench.press(Action::Stop));
        let ended = seen.iter().filter(|one| matches!(one, Seen::RecordEnd(_)));
        assert_eq!(ended.count(), 1, "{name}: {seen:?}");
        let off = seen.iter().filter(|one| **one == Seen::SwitchOff).count();
        assert_eq!(off, usize::from(name == "switch off"), "{name}");
    }
}

#[test]
fn what_belongs_to_the_device_is_told_in_every_phase() {
    let mut bench = Bench::open(None);
    bench.step(Event::CameraUnavailable(Unavailable::NotConnected));
    bench.step(Event::NotSaved("no space".to_owned()));
    bench.step(Event::CameraNote("gain held".to_owned()));
    bench.count(5);
    bench.finish();
    bench.press(Action::Confirm);
    let machine = &bench.machine;
    assert_eq!(machine.smear().number(), 1);
    let unavailable = machine.camera_unavailable();
    assert_eq!(unavailable, Some(&Unavailable::NotConnected));
    assert_eq!(machine.not_saved(), Some("no space"));
    assert_eq!(machine.camera_notes(), ["gain held"]);
    bench.step(Event::CameraBack);
    bench.step(Event::Saved);
    assert_eq!(bench.machine.camera_unavailable(), None);
    assert_eq!(bench.machine.not_saved(), None);
}

#[test]
fn cancel_ends_a_run_on_a_desk_only() {
    let mut bench = Bench::open(None);
    bench.press(Action::Cancel);
    assert_eq!(bench.phase(), Phase::Empty);
    let mut bench = Bench::on_desk();
    bench.press(Action::Cancel);
    assert_eq!(bench.phase(), Phase::Ended);
}

#[test]
fn a_fault_is_shown_until_it_is_seen_or_for_a_minute() {
    let fault = || {
        let mut bench = Bench::new(None, true);
        bench.step(Event::Failed);
        bench.wait_ms(1000);
        assert_eq!(bench.phase(), Phase::Fault);
        bench
    };
    let mut bench = fault();
    bench.wait_ms(FAULT_HOLD.as_millis() as u64 - 2000);
    assert_eq!(bench.phase(), Phase::Fault);
    bench.wait_ms(2000);
    assert_eq!(bench.phase(), Phase::Ended);
    let mut bench = fault();
    assert_eq!(bench.press(Action::StepBrightness), [Seen::StepBrightness]);
    bench.press(Action::Confirm);
    assert_eq!(bench.phase(), Phase::Ended);
    let mut bench = fault();
    assert_eq!(bench.press(Action::ShutDown), [Seen::SwitchOff]);
    assert_eq!(bench.phase(), Phase::SwitchedOff);
}

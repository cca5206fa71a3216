//! Any row of events: every phase is reached, and none is without a way on.

use super::bench::*;
use crate::camera::Unavailable;
use crate::input::Action;
use crate::quality::RejectReason;
use crate::session::smear::FrameView;
use crate::session::{Event, KnownScale, Phase, SmearEvent};
use crate::update::UpdateState;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Mutex;

/// The rows that are tried; each has up to [`MAX_STEPS`] steps.
const ROWS: u32 = 2000;
const MAX_STEPS: usize = 60;

/// One step of a row: an event, or time that passes.
#[derive(Debug, Clone)]
enum Step {
    Event(Event),
    Wait(u64),
}

fn action() -> impl Strategy<Value = Action> {
    // The two that end the run come seldom, so that rows grow long.
    prop_oneof![
        20 => Just(Action::Confirm),
        10 => Just(Action::StepBrightness),
        10 => Just(Action::Cancel),
        1 => Just(Action::ShutDown),
        1 => Just(Action::Stop),
    ]
}

fn smear_event() -> impl Strategy<Value = SmearEvent> {
    let view = || Box::<FrameView>::default();
    prop_oneof![
        4 => (0..90u32).prop_map(counted),
        1 => Just(SmearEvent::Preview(view())),
        1 => Just(SmearEvent::NoCells(view())),
        1 => Just(SmearEvent::Unscaled(view())),
        1 => Just(SmearEvent::Rejected { view: view(), reason: RejectReason::Blurred }),
        1 => Just(SmearEvent::FrameLost("cable".to_owned())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let every = every_update_state();
    prop_oneof![
        8 => (0..3u32, smear_event())
            .prop_map(|(smear, event)| Step::Event(Event::OfSmear { smear, event })),
        8 => action().prop_map(|action| Step::Event(Event::Button(action))),
        6 => (0..every.len() + 1).prop_map(move |at| {
            let state = every.get(at).cloned();
            Step::Event(Event::Update(state.unwrap_or(UpdateState::Idle)))
        }),
        8 => prop_oneof![Just(100), Just(900), Just(6000), Just(70_000)].prop_map(Step::Wait),
        1 => Just(Step::Event(Event::CameraUnavailable(Unavailable::InUse))),
        1 => Just(Step::Event(Event::CameraBack)),
        1 => Just(Step::Event(Event::NotSaved("full".to_owned()))),
        1 => Just(Step::Event(Event::Saved)),
        1 => prop_oneof![Just(Event::Failed), Just(Event::SourceEnded)].prop_map(Step::Event),
    ]
}

/// What leads on from a phase: the first of these that does.
fn ways_on() -> Vec<Step> {
    let event = |event| Step::Event(event);
    vec![
        event(Event::Opened(KnownScale::Unknown)),
        event(Event::OfSmear {
            smear: 0,
            event: counted(5),
        }),
        Step::Wait(1000),
        event(Event::Button(Action::Confirm)),
        // An older version is asked about twice, and no press is taken too soon.
        Step::Wait(1000),
        event(Event::Button(Action::Cancel)),
        Step::Wait(70_000),
    ]
}

fn take(bench: &mut Bench, step: Step) -> Vec<Seen> {
    match step {
        Step::Event(event) => bench.step(event),
        Step::Wait(ms) => bench.wait_ms(ms),
    }
}

/// Whether frames are looked at, and what the effects have said of it.
fn check_capture(bench: &Bench, seen: &[Seen], is_suspended: &mut bool) {
    for one in seen {
        match one {
            Seen::SuspendCapture => *is_suspended = true,
            Seen::ResumeCapture => *is_suspended = false,
            _ => {}
        }
    }
    assert_eq!(*is_suspended, !bench.phase().looks_at_frames());
}

#[test]
fn any_row_of_events_keeps_what_is_promised() {
    let reached = Mutex::new(HashSet::new());
    let config = ProptestConfig {
        cases: ROWS,
        ..ProptestConfig::default()
    };
    let rows = (
        any::<bool>(),
        proptest::option::of(1..3u32),
        proptest::collection::vec(step(), 0..MAX_STEPS),
    );
    proptest!(config, |((is_on_board, target_fields, steps) in rows)| {
        let mut bench = Bench::new(target_fields, is_on_board);
        let mut is_suspended = true;
        let (mut started, mut ended) = (0, 0);
        let first = Step::Event(Event::Opened(KnownScale::Given { um_per_px: 0.1 }));
        // Some rows begin before the device is open.
        let steps = steps.into_iter();
        let steps = if is_on_board { steps.chain(Some(first)).collect::<Vec<_>>() } else {
            Some(first).into_iter().chain(steps).collect()
        };
        for step in steps {
            reached.lock().unwrap().insert(bench.phase());
            let was_over = bench.phase().is_over();
            let seen = take(&mut bench, step);
            check_capture(&bench, &seen, &mut is_suspended);
            started += seen.iter().filter(|one| **one == Seen::RecordStart).count();
            ended += seen.iter().filter(|one| matches!(one, Seen::RecordEnd(_))).count();
            prop_assert!(started == ended || started == ended + 1, "a smear is ended once");
            prop_assert!(!was_over || bench.phase().is_over(), "what is over stays so");
            prop_assert_eq!(bench.phase().is_update(), bench.page().is_some());
        }
        reached.lock().unwrap().insert(bench.phase());
        if bench.phase().is_over() {
            prop_assert_eq!(started, ended, "nothing is left open");
        } else {
            // On the device, the way on is a field, a button or time.
            let phase = bench.phase();
            let leads_on = |step: Step| {
                take(&mut bench, step);
                bench.phase() != phase
            };
            prop_assert!(ways_on().into_iter().any(leads_on), "{:?} leads nowhere", phase);
        }
    });
    let reached = reached.into_inner().unwrap();
    let missed: Vec<_> = Phase::ALL
        .iter()
        .filter(|phase| !reached.contains(phase))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

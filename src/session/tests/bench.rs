//! A machine with its time, and its effects in a form that can be compared.

use super::super::*;
use crate::cell::{BoundingBox, Cell, CellClass, PerClass};
use crate::count::FieldTally;
use crate::input::Action;
use crate::record::EndReason;
use crate::session::smear::{FrameView, SmearRules};
use crate::session::update_page::UpdatePage;
use crate::update::{
    Answer, Notes, Offer, Outcome, Problem, ProblemKind, UpdateResult, UpdateState,
};
use std::time::{Duration, Instant};

/// Time between two ticks, as in a run.
const TICK: Duration = Duration::from_millis(100);

/// An effect without its boxes; of a field's record, its red cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    RecordStart,
    RecordField(u32),
    RecordUndone(Option<u64>),
    RecordEnd(EndReason),
    Publish,
    StartSmear(u32),
    ForceField(u64),
    ForgetField(u64),
    SuspendCapture,
    ResumeCapture,
    Discard,
    AnswerUpdater(Answer),
    StepBrightness,
    SwitchOff,
}

pub struct Bench {
    pub machine: Machine,
    pub now: Instant,
    /// Whether the updater's file can be written.
    pub can_answer: bool,
}

impl Bench {
    pub fn new(target_fields: Option<u32>, is_on_board: bool) -> Self {
        Self {
            machine: Machine::new(MachineSettings {
                rules: SmearRules::default(),
                target_fields,
                is_on_board,
            }),
            now: Instant::now(),
            can_answer: true,
        }
    }

    /// On a board, with an empty smear on the stage.
    pub fn open(target_fields: Option<u32>) -> Self {
        let mut bench = Self::new(target_fields, true);
        let opened = bench.step(Event::Opened(KnownScale::Given { um_per_px: 0.1 }));
        assert_eq!(opened, [Seen::RecordStart, Seen::ResumeCapture]);
        bench
    }

    pub fn on_desk() -> Self {
        let mut bench = Self::new(None, false);
        bench.step(Event::Opened(KnownScale::Unknown));
        bench
    }

    /// A machine in a phase, by the shortest way there.
    pub fn in_phase(phase: Phase) -> Self {
        let mut bench = match phase {
            Phase::Starting => Self::new(None, true),
            _ => Self::open(None),
        };
        match phase {
            Phase::Starting | Phase::Empty => {}
            Phase::Counting => {
                bench.count(5);
                bench.count(5);
            }
            Phase::FinishQuestion => {
                bench.count(5);
                bench.press(Action::Confirm);
                bench.wait_ms(1000);
            }
            Phase::Result => {
                bench.count(5);
                bench.finish();
            }
            Phase::UpdateProgress => bench.say(copying(3)),
            Phase::UpdateQuestion => bench.say(offered(false)),
            Phase::UpdateNews => bench.say(refused()),
            Phase::UpdateAnswered => {
                bench.say(offered(false));
                bench.press(Action::Confirm);
            }
            Phase::Fault => {
                bench.step(Event::Failed);
            }
            Phase::Ended => {
                bench.press(Action::Stop);
            }
            Phase::SwitchedOff => {
                bench.press(Action::ShutDown);
            }
        }
        assert_eq!(bench.phase(), phase);
        bench
    }

    pub fn phase(&self) -> Phase {
        self.machine.phase()
    }

    pub fn page(&self) -> Option<UpdatePage<'_>> {
        self.machine.update_page()
    }

    /// Takes one event in, and carries out what is asked of the updater's file.
    pub fn step(&mut self, event: Event) -> Vec<Seen> {
        let mut seen = Vec::new();
        for effect in self.machine.step(event, self.now) {
            seen.push(match effect {
                Effect::RecordStart => Seen::RecordStart,
                Effect::RecordField(record) => Seen::RecordField(record.certain[CellClass::Rbc]),
                Effect::RecordUndone(undone) => Seen::RecordUndone(undone.field),
                Effect::ForceField(field) => Seen::ForceField(field),
                Effect::ForgetField(field) => Seen::ForgetField(field),
                Effect::RecordEnd(reason) => Seen::RecordEnd(reason),
                Effect::Publish => Seen::Publish,
                Effect::StartSmear(number) => Seen::StartSmear(number),
                Effect::SuspendCapture => Seen::SuspendCapture,
                Effect::ResumeCapture => Seen::ResumeCapture,
                Effect::Discard(_) => Seen::Discard,
                Effect::AnswerUpdater(answer) => Seen::AnswerUpdater(answer),
                Effect::StepBrightness => Seen::StepBrightness,
                Effect::SwitchOff => Seen::SwitchOff,
            });
        }
        let answer = seen.iter().find_map(|one| match one {
            Seen::AnswerUpdater(answer) => Some(answer.clone()),
            _ => None,
        });
        if let Some(answer) = answer {
            let is_written = self.can_answer;
            seen.extend(self.step(Event::AnswerWritten { answer, is_written }));
        }
        seen
    }

    pub fn press(&mut self, action: Action) -> Vec<Seen> {
        self.step(Event::Button(action))
    }

    /// Finishes the smear: the button is pressed, and once more when that is asked. A second passes
    /// before each press.
    pub fn finish(&mut self) -> Vec<Seen> {
        self.press(Action::Confirm);
        self.wait_ms(1000);
        let finished = self.press(Action::Confirm);
        self.wait_ms(1000);
        finished
    }

    /// A field with so many red cells is counted for the present smear.
    pub fn count(&mut self, rbc: u32) -> Vec<Seen> {
        self.count_for(self.machine.smear().number(), rbc)
    }

    pub fn count_for(&mut self, smear: u32, rbc: u32) -> Vec<Seen> {
        let event = counted(rbc);
        // A view is on the screen before its field is counted.
        let view = Box::<FrameView>::default();
        if self.machine.smear().latest().is_none() && smear == self.machine.smear().number() {
            let event = SmearEvent::Preview(view);
            self.step(Event::OfSmear { smear, event });
        }
        self.step(Event::OfSmear { smear, event })
    }

    /// The updater says something, and a second passes.
    pub fn say(&mut self, state: UpdateState) {
        self.step(Event::Update(state));
        self.wait_ms(1000);
    }

    /// Time passes, with a tick as often as in a run; the first is at once.
    pub fn wait_ms(&mut self, ms: u64) -> Vec<Seen> {
        let mut seen = Vec::new();
        for _ in 0..=ms / TICK.as_millis() as u64 {
            seen.extend(self.step(Event::Tick));
            self.now += TICK;
        }
        seen
    }
}

pub fn counted(rbc: u32) -> SmearEvent {
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
    let view = Box::new(FrameView {
        field: Some(rbc.into()),
        is_analysed: true,
        cells: vec![cell],
        ..FrameView::default()
    });
    SmearEvent::Counted {
        view,
        tally: FieldTally {
            certain: PerClass::from([(CellClass::Rbc, rbc)]),
            uncertain: 0,
            area_q8: 1_000_000,
            has_clump: false,
        },
        truth: None,
    }
}

pub fn offered(is_older: bool) -> UpdateState {
    UpdateState::Offered(Offer {
        sha256: "ab".to_owned(),
        version: "0.3.0".to_owned(),
        running_version: "0.2.0".to_owned(),
        is_older,
        notes: Notes::default(),
    })
}

pub fn copying(percent: u8) -> UpdateState {
    UpdateState::Copying { percent }
}

pub fn installing(percent: u8) -> UpdateState {
    UpdateState::Installing {
        version: "0.3.0".to_owned(),
        percent,
    }
}

pub fn ready() -> UpdateState {
    UpdateState::ReadyToRestart {
        version: "0.3.0".to_owned(),
    }
}

pub fn refused() -> UpdateState {
    UpdateState::Refused(Problem {
        kind: ProblemKind::NotGenuine,
        text: "signed by nobody".to_owned(),
    })
}

pub fn ended(outcome: Outcome) -> UpdateState {
    UpdateState::Ended(UpdateResult {
        from: "0.2.0".to_owned(),
        to: "0.3.0".to_owned(),
        outcome,
        reason: "it did not start".to_owned(),
    })
}

pub fn every_update_state() -> Vec<UpdateState> {
    vec![
        copying(3),
        UpdateState::Checking,
        offered(false),
        offered(true),
        installing(4),
        ready(),
        refused(),
        ended(Outcome::Confirmed),
        ended(Outcome::RolledBack),
        UpdateState::Recovery,
    ]
}

//! The loop of the main thread: what happened goes into the instrument, and what it asks for is
//! done.

use crate::camera::Advice;
use crate::input::Action;
use crate::runtime::channels::{CaptureOrders, Shared};
use crate::runtime::console::Console;
use crate::session::guidance::Instruction;
use crate::session::{Effect, Event, Machine, SmearEvent};
use anyhow::Result;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at buttons, preview and updater.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The main thread's side of capture and analysis.
pub(super) struct Threads<'a> {
    pub(super) shared: &'a Shared,
    pub(super) orders: CaptureOrders,
    pub(super) events: Receiver<Event>,
}

impl Threads<'_> {
    /// Takes no more events: threads that wait to send one find nobody there.
    pub(super) fn hang_up(&mut self) {
        (_, self.events) = sync_channel(0);
    }
}

/// Runs the instrument until its run is over, or until its threads have ended.
///
/// # Errors
/// A panel that broke, or results that cannot be written out.
pub(super) fn main_loop<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
) -> Result<()> {
    loop {
        let until = Instant::now() + TICK;
        let are_running = take_events(machine, console, threads, until)?;
        if let Some(view) = threads.shared.take_preview() {
            let event = SmearEvent::Preview(view);
            let smear = machine.smear().number();
            let event = Event::OfSmear { smear, event };
            carry_out(machine, console, threads, event)?;
        }
        look_around(machine, console, threads)?;
        threads.orders.send();
        console.draw(machine)?;
        let advice = advice_of(machine.instruction());
        threads.shared.advise(advice);
        console.notify_running(machine, &threads.shared.heartbeats);
        if machine.phase().is_over() || !are_running {
            return Ok(());
        }
    }
}

/// What an instruction means for the hand that moves the slide.
fn advice_of(instruction: Instruction) -> Advice {
    match instruction {
        Instruction::NextField
        | Instruction::LeaveEmptyField
        | Instruction::CountedBefore
        | Instruction::FieldUndone
        | Instruction::SetScale => Advice::MoveOn,
        Instruction::Focus | Instruction::LevelSlide => Advice::TurnFocus,
        Instruction::FindThinnerArea => Advice::Thinner,
        Instruction::FindCells => Advice::Denser,
        Instruction::Wait
        | Instruction::HoldStill
        | Instruction::WaitForCount
        | Instruction::LetSlideRest
        | Instruction::KeepStill
        | Instruction::CentreField
        | Instruction::IncreaseIllumination
        | Instruction::ReduceIllumination
        | Instruction::CheckStain
        | Instruction::RaiseContrast
        | Instruction::CheckCameraFormat
        | Instruction::CheckCamera
        | Instruction::ConfirmFinish
        | Instruction::FinishAtTargets
        | Instruction::FinishAtLimit
        | Instruction::Complete
        | Instruction::Withheld
        | Instruction::TooFewCells
        | Instruction::StartAgain => Advice::Stay,
    }
}

/// Shows what stopped the device until the operator has seen it; there are no other threads.
///
/// # Errors
/// A panel that broke.
pub(super) fn fault_loop<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
) -> Result<()> {
    while !machine.phase().is_over() {
        look_around(machine, console, threads)?;
        console.draw(machine)?;
        console.notify_fault();
        thread::sleep(TICK);
    }
    Ok(())
}

/// Takes in what capture and analysis tell, until a moment or the end of the run; `false` once
/// both threads have ended.
fn take_events<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
    until: Instant,
) -> Result<bool> {
    while !machine.phase().is_over() {
        let left = until.saturating_duration_since(Instant::now());
        match threads.events.recv_timeout(left) {
            Ok(event) => carry_out(machine, console, threads, event)?,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
        if left.is_zero() {
            break;
        }
    }
    Ok(true)
}

/// Asks disk, updater, buttons and clock what is new.
pub(super) fn look_around<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
) -> Result<()> {
    if let Some(event) = console.recorder.poll_failure() {
        carry_out(machine, console, threads, event)?;
    }
    while !machine.phase().is_over()
        && let Some(action) = console.next_action(machine)
    {
        carry_out(machine, console, threads, Event::Button(action))?;
    }
    if let Some(state) = console.poll_updater(machine) {
        carry_out(machine, console, threads, Event::Update(state))?;
    }
    carry_out(machine, console, threads, Event::Tick)
}

/// Has the instrument take an event in, and does what it asks for.
pub(super) fn carry_out<A: FnMut(&Machine) -> Option<Action>>(
    machine: &mut Machine,
    console: &mut Console<'_, A>,
    threads: &mut Threads<'_>,
    event: Event,
) -> Result<()> {
    for effect in machine.step(event, Instant::now()) {
        match effect {
            Effect::RecordStart => console.record_start(),
            Effect::RecordField(record) => console.recorder.field(record),
            Effect::RecordUndone(undone) => console.recorder.undone(undone.field),
            Effect::RecordEnd(reason) => {
                let assessment = machine.smear().assessment();
                console.recorder.end(reason, assessment);
            }
            Effect::Publish => console.publish(machine)?,
            Effect::StartSmear(number) => threads.orders.start_smear(number),
            Effect::ForceField(field) => threads.orders.force_field(field),
            Effect::ForgetField(field) => threads.orders.forget_field(field),
            Effect::SuspendCapture => threads.orders.suspend(true),
            Effect::ResumeCapture => threads.orders.suspend(false),
            Effect::Discard(view) => threads.shared.views.give_back(view),
            Effect::StepBrightness => console.display.step_brightness(),
            Effect::SwitchOff => console.switches_off = true,
            Effect::AnswerUpdater(answer) => {
                let is_written = console.answer_updater(&answer);
                let event = Event::AnswerWritten { answer, is_written };
                carry_out(machine, console, threads, event)?;
            }
        }
    }
    Ok(())
}

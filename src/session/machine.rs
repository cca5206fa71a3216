//! The instrument as a state machine: what happened goes in, what is to be done comes out.
//!
//! No clock, thread or device: time is handed in, and whoever calls carries out the effects.
//! `docs/instrument.md` shows every phase with every event; a test draws it from this code.

use super::guidance::{Instruction, Notice};
use super::guide::Guide;
use super::phase::{ButtonRole, Phase, button_role};
use super::smear::{CountedField, FrameView, KnownScale, RunState, Smear, SmearEvent, SmearRules};
use super::update_page::UpdatePage;
use super::update_prompt::{INPUT_GUARD, PageKind, SmearStage, UpdatePrompt};
use crate::assessment::TrainingColours;
use crate::camera::Unavailable;
use crate::cell::PerClass;
use crate::input::Action;
use crate::record::{EndReason, FieldRecord};
use crate::update::{Answer, UpdateState};
use std::time::{Duration, Instant};

/// How long a device shows what stopped it, unless a page about an update takes the screen: an
/// update may be what helps.
pub const FAULT_HOLD: Duration = Duration::from_secs(60);
/// How long it is asked whether a smear is done; without an answer it goes on.
pub const FINISH_QUESTION_LIMIT: Duration = Duration::from_secs(5);
/// Notes on the camera that are kept: one for each of its controls, twice.
const MAX_CAMERA_NOTES: usize = 20;
/// The most effects of one event.
const MAX_EFFECTS: usize = 6;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Camera, network and screen are there: the first smear begins.
    Opened(KnownScale),
    /// Something stopped the device.
    Failed,
    /// Something about a smear, by its number.
    OfSmear {
        /// Its number; an event of an earlier smear changes nothing.
        smear: u32,
        /// What happened to it.
        event: SmearEvent,
    },
    /// The camera has given its first frame.
    CameraStarted,
    /// The camera gives no frames, for this reason; it is tried again.
    CameraUnavailable(Unavailable),
    /// The camera gives frames again.
    CameraBack,
    /// Something about how the camera is set.
    CameraNote(String),
    /// The source has no more frames.
    SourceEnded,
    /// What is counted cannot be kept at the moment, for this reason.
    NotSaved(String),
    /// What is counted is kept again.
    Saved,
    /// A button, a key, or the wish of the system to end.
    Button(Action),
    /// The updater says something.
    Update(UpdateState),
    /// The updater's file was written, or could not be.
    AnswerWritten {
        /// What was to be written.
        answer: Answer,
        /// False where it could not be; a question to install or restart stays.
        is_written: bool,
    },
    /// Time goes on: ten times a second.
    Tick,
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Write down that a smear begins.
    RecordStart,
    /// Write down what became of a field.
    RecordField(FieldRecord),
    /// Write down that the last counted field was taken out.
    RecordUndone(CountedField),
    /// Write down how the smear ended.
    RecordEnd(EndReason),
    /// Give the figures of the finished smear to whoever waits for them.
    Publish,
    /// Capture for the smear of this number from now on.
    StartSmear(u32),
    /// Count this field although its frames are refused.
    ForceField(u64),
    /// This field is not counted: its place is new again.
    ForgetField(u64),
    /// Look at no frames for now.
    SuspendCapture,
    /// Look at frames again.
    ResumeCapture,
    /// This view is not shown any more, and can be filled again.
    Discard(Box<FrameView>),
    /// Write this for the updater, and say what came of it.
    AnswerUpdater(Answer),
    /// The next level of the screen's light.
    StepBrightness,
    /// Switch the device off, once everything is kept.
    SwitchOff,
}

/// What one event asks to be done, in this order. Holds its effects in place, so that no event
/// takes memory.
#[derive(Debug, Default)]
pub struct Effects {
    list: [Option<Effect>; MAX_EFFECTS],
    len: usize,
}

impl Effects {
    fn push(&mut self, effect: Effect) {
        // No event has more: the property test of this folder sees every one of them.
        debug_assert!(self.len < MAX_EFFECTS, "too many effects before {effect:?}");
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Some(effect);
            self.len += 1;
        }
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Effect>, MAX_EFFECTS>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().flatten()
    }
}

/// What an instrument is told once.
#[derive(Debug, Clone, Copy)]
pub struct MachineSettings {
    /// When figures may be shown.
    pub rules: SmearRules,
    /// Fields of the only smear; `None` leaves it to the operator, and smears follow one another.
    pub target_fields: Option<u32>,
    /// On a board there is no desk to return to: Cancel ends nothing.
    pub is_on_board: bool,
}

/// What lies beneath a page about an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    /// A smear takes fields.
    Smear,
    Result,
    /// Until this time; `None` before the first look at the time.
    Fault {
        until: Option<Instant>,
    },
    Over {
        switches_off: bool,
    },
}

/// The instrument.
#[derive(Debug)]
pub struct Machine {
    settings: MachineSettings,
    stage: Stage,
    smear: Smear,
    /// When the smear's first field was counted.
    smear_since: Option<Instant>,
    is_time_up: bool,
    /// The source comes to an end by itself, and the smear with it.
    has_source_end: bool,
    guide: Guide,
    /// When it was asked whether the smear is done, while it is.
    finish_asked: Option<Instant>,
    /// When the result came on the screen.
    result_since: Option<Instant>,
    prompt: UpdatePrompt,
    has_camera_started: bool,
    camera_unavailable: Option<Unavailable>,
    camera_notes: Vec<String>,
    not_saved: Option<String>,
    is_published: bool,
}

impl Machine {
    /// Before anything is open.
    pub fn new(settings: MachineSettings) -> Self {
        Self {
            stage: Stage::Starting,
            smear: Smear::new(settings.rules, settings.target_fields, KnownScale::Unknown),
            settings,
            smear_since: None,
            is_time_up: false,
            has_source_end: false,
            guide: Guide::default(),
            finish_asked: None,
            result_since: None,
            prompt: UpdatePrompt::default(),
            has_camera_started: false,
            camera_unavailable: None,
            camera_notes: Vec::new(),
            not_saved: None,
            is_published: false,
        }
    }

    /// How far the network's own errors scatter, by class, as its manifest says. To be told before
    /// [`Event::Opened`], with which the first smear begins.
    pub fn set_count_scatter(&mut self, scatter: PerClass<f64>) {
        self.settings.rules.counts.count_scatter = scatter;
    }

    /// The source numbers its fields and comes to an end by itself, as files do: a smear is counted
    /// to that end, or until the operator finishes it. To be told before [`Event::Opened`].
    pub fn count_to_the_end_of_the_source(&mut self) {
        self.has_source_end = true;
    }

    /// The colours of the cells that the model was trained on, where its manifest says. To be told
    /// before [`Event::Opened`].
    pub fn set_training_colours(&mut self, colours: Option<TrainingColours>) {
        self.settings.rules.limits.training_colours = colours;
    }

    /// Takes one event in; gives what is to be done, in that order. Events that do not fit the
    /// phase change nothing.
    pub fn step(&mut self, event: Event, now: Instant) -> Effects {
        let mut effects = Effects::default();
        let looked_at_frames = self.phase().looks_at_frames();
        match event {
            Event::Opened(scale) => self.open(scale, &mut effects),
            Event::Failed => self.fail(&mut effects),
            Event::OfSmear { smear, event } => {
                self.take_of_smear(smear, event, &mut effects);
                if self.smear.fields() > 0 {
                    self.smear_since.get_or_insert(now);
                }
            }
            Event::CameraStarted => self.has_camera_started = true,
            Event::CameraUnavailable(why) => self.camera_unavailable = Some(why),
            Event::CameraBack => self.camera_unavailable = None,
            Event::CameraNote(note) => {
                if self.camera_notes.len() < MAX_CAMERA_NOTES {
                    self.camera_notes.push(note);
                }
            }
            Event::SourceEnded => {
                if self.stage == Stage::Smear {
                    self.smear.finish();
                }
            }
            Event::NotSaved(reason) => self.not_saved = Some(reason),
            Event::Saved => self.not_saved = None,
            Event::Button(action) => self.press(action, now, &mut effects),
            Event::Update(state) => self.prompt.take(state),
            Event::AnswerWritten { answer, is_written } => {
                self.prompt.answer_written(&answer, is_written, now);
            }
            Event::Tick => self.tick(now),
        }
        self.settle(looked_at_frames, now, &mut effects);
        self.guide.see(self.wanted_instruction(), now);
        effects
    }

    fn open(&mut self, scale: KnownScale, effects: &mut Effects) {
        if self.stage == Stage::Starting {
            self.smear = Smear::new(self.settings.rules, self.settings.target_fields, scale);
            self.stage = Stage::Smear;
            effects.push(Effect::RecordStart);
        }
    }

    fn fail(&mut self, effects: &mut Effects) {
        match self.stage {
            Stage::Starting => {}
            Stage::Smear => self.stop_smear(effects),
            Stage::Result => {}
            Stage::Fault { .. } | Stage::Over { .. } => return,
        }
        self.stage = Stage::Fault { until: None };
    }

    fn take_of_smear(&mut self, smear: u32, event: SmearEvent, effects: &mut Effects) {
        if smear != self.smear.number() || self.stage != Stage::Smear {
            // Of a smear that is over.
            let view = event.into_view();
            view.into_iter()
                .for_each(|view| effects.push(Effect::Discard(view)));
            return;
        }
        let taken = self.smear.step(event);
        if let Some(view) = taken.view {
            effects.push(Effect::Discard(view));
        }
        if let Some(record) = taken.record {
            effects.push(Effect::RecordField(record));
        }
    }

    fn press(&mut self, action: Action, now: Instant, effects: &mut Effects) {
        let phase = self.phase();
        let is_answer = matches!(
            action,
            Action::Confirm | Action::StepBrightness | Action::Cancel
        );
        if is_answer && self.is_guarded(now) {
            return;
        }
        match button_role(phase, action) {
            ButtonRole::None => {}
            ButtonRole::AskToFinish if self.settings.target_fields.is_some() => {}
            ButtonRole::AskToFinish if self.is_done() => self.finish_smear(now, effects),
            ButtonRole::AskToFinish => self.finish_asked = Some(now),
            ButtonRole::FinishSmear => self.finish_smear(now, effects),
            ButtonRole::GoOn => self.finish_asked = None,
            ButtonRole::ForceField => match self.smear.forcible_field() {
                Some(field) => effects.push(Effect::ForceField(field)),
                None => effects.push(Effect::StepBrightness),
            },
            ButtonRole::UndoField => self.undo_field(effects),
            ButtonRole::StartSmear => self.start_smear(effects),
            ButtonRole::StepBrightness => effects.push(Effect::StepBrightness),
            ButtonRole::AcceptUpdate => {
                let answer = self.prompt.accept(now);
                answer
                    .into_iter()
                    .for_each(|answer| effects.push(Effect::AnswerUpdater(answer)));
            }
            ButtonRole::DismissUpdate => {
                let answer = self.prompt.decline();
                answer
                    .into_iter()
                    .for_each(|answer| effects.push(Effect::AnswerUpdater(answer)));
            }
            ButtonRole::EndOnDesk if self.settings.is_on_board => {}
            ButtonRole::AcknowledgeFault | ButtonRole::EndOnDesk | ButtonRole::End => {
                self.end(false, effects);
            }
            ButtonRole::SwitchOff => self.end(true, effects),
        }
    }

    fn finish_smear(&mut self, now: Instant, effects: &mut Effects) {
        self.smear.finish();
        self.stage = Stage::Result;
        self.finish_asked = None;
        self.result_since = Some(now);
        self.is_published = true;
        effects.push(Effect::RecordEnd(end_reason(self.smear.state())));
        effects.push(Effect::Publish);
    }

    fn undo_field(&mut self, effects: &mut Effects) {
        let Some(undone) = self.smear.undo_last() else {
            return;
        };
        if self.smear.fields() == 0 {
            self.smear_since = None;
        }
        effects.push(Effect::RecordUndone(undone));
        if let Some(field) = undone.field {
            effects.push(Effect::ForgetField(field));
        }
    }

    fn start_smear(&mut self, effects: &mut Effects) {
        if let Some(view) = self.smear.start_next() {
            effects.push(Effect::Discard(view));
        }
        self.stage = Stage::Smear;
        self.smear_since = None;
        self.is_time_up = false;
        self.result_since = None;
        self.is_published = false;
        effects.push(Effect::StartSmear(self.smear.number()));
        effects.push(Effect::RecordStart);
    }

    fn tick(&mut self, now: Instant) {
        let limit = Duration::from_secs(60 * u64::from(self.settings.rules.length.minutes));
        self.is_time_up = self
            .smear_since
            .is_some_and(|since| now.saturating_duration_since(since) >= limit);
        let is_old =
            |asked: &mut Instant| now.saturating_duration_since(*asked) >= FINISH_QUESTION_LIMIT;
        self.finish_asked.take_if(is_old);
        let stage = self.smear_stage();
        self.prompt.tick(stage, now);
        let is_page_open = self.prompt.open_page().is_some();
        if let Stage::Fault { until } = &mut self.stage {
            if is_page_open || until.is_none() {
                *until = Some(now + FAULT_HOLD);
            }
            if until.is_some_and(|until| now >= until) {
                self.stage = Stage::Over {
                    switches_off: false,
                };
            }
        }
    }

    fn end(&mut self, switches_off: bool, effects: &mut Effects) {
        if self.stage == Stage::Smear {
            self.stop_smear(effects);
        }
        self.stage = Stage::Over { switches_off };
        if switches_off {
            effects.push(Effect::SwitchOff);
        }
    }

    fn stop_smear(&mut self, effects: &mut Effects) {
        self.smear.stop();
        effects.push(Effect::RecordEnd(end_reason(self.smear.state())));
    }

    /// What follows from where the event has led: a smear at its targets or limit is done, one that
    /// has come to its end ends the run, and frames are looked at in some phases only.
    fn settle(&mut self, looked_at_frames: bool, now: Instant, effects: &mut Effects) {
        if self.stage == Stage::Smear && !self.has_source_end && self.is_done() {
            self.finish_smear(now, effects);
        }
        if self.stage == Stage::Smear && self.smear.state() != RunState::Live {
            effects.push(Effect::RecordEnd(end_reason(self.smear.state())));
            self.stage = Stage::Over {
                switches_off: false,
            };
        }
        match (looked_at_frames, self.phase().looks_at_frames()) {
            (true, false) => effects.push(Effect::SuspendCapture),
            (false, true) => effects.push(Effect::ResumeCapture),
            (true, true) | (false, false) => {}
        }
    }

    fn smear_stage(&self) -> SmearStage {
        SmearStage {
            is_counting: self.stage == Stage::Smear && self.smear.fields() > 0,
            has_result: self.stage == Stage::Result,
        }
    }

    /// What the instrument is doing now.
    pub fn phase(&self) -> Phase {
        let is_covered = match self.stage {
            Stage::Starting | Stage::Over { .. } => None,
            Stage::Smear | Stage::Result | Stage::Fault { .. } => self.prompt.open_page(),
        };
        match (is_covered, self.stage) {
            (Some(PageKind::Progress), _) => Phase::UpdateProgress,
            (Some(PageKind::Question), _) => Phase::UpdateQuestion,
            (Some(PageKind::News), _) => Phase::UpdateNews,
            (Some(PageKind::Answered), _) => Phase::UpdateAnswered,
            (None, Stage::Starting) => Phase::Starting,
            (None, Stage::Smear) if self.smear.fields() == 0 => Phase::Empty,
            (None, Stage::Smear) if self.finish_asked.is_some() => Phase::FinishQuestion,
            (None, Stage::Smear) => Phase::Counting,
            (None, Stage::Result) => Phase::Result,
            (None, Stage::Fault { .. }) => Phase::Fault,
            (None, Stage::Over { switches_off: true }) => Phase::SwitchedOff,
            (None, Stage::Over { .. }) => Phase::Ended,
        }
    }

    /// What a button asks for now.
    pub fn button_role(&self, action: Action) -> ButtonRole {
        button_role(self.phase(), action)
    }

    /// The smear on the stage, or the one whose result is on the screen.
    pub fn smear(&self) -> &Smear {
        &self.smear
    }

    /// Whether a press was meant for what was on the screen before, and does nothing.
    pub fn is_guarded(&self, now: Instant) -> bool {
        let is_new = |since: Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) < INPUT_GUARD)
        };
        match self.phase() {
            Phase::FinishQuestion => is_new(self.finish_asked),
            Phase::Result => is_new(self.result_since),
            Phase::UpdateAnswered => false,
            phase => phase.is_update() && self.prompt.is_guarded(now),
        }
    }

    /// Whether the smear has all that was asked of it, or has reached a limit.
    fn is_done(&self) -> bool {
        self.smear.can_finish() && (self.smear.summary().is_done() || self.is_at_limit())
    }

    /// Whether the smear has reached a limit, so that the operator should finish it.
    fn is_at_limit(&self) -> bool {
        self.is_time_up || self.smear.fields() >= self.settings.rules.length.fields
    }

    /// The one thing to do next.
    pub fn instruction(&self) -> Instruction {
        self.guide
            .told(self.wanted_instruction(), self.smear.latest())
    }

    /// The one thing to do next, however long it has been so.
    fn wanted_instruction(&self) -> Instruction {
        let smear = &self.smear;
        match smear.state() {
            RunState::Finished if smear.assessment().hides_figures() => {
                return Instruction::Withheld;
            }
            RunState::Finished if smear.summary().has_figure() => return Instruction::Complete,
            RunState::Finished => return Instruction::TooFewCells,
            RunState::Unfinished => return Instruction::StartAgain,
            RunState::Live => {}
        }
        if self.finish_asked.is_some() {
            return Instruction::ConfirmFinish;
        }
        if self.camera_unavailable.is_some() {
            return Instruction::CheckCamera;
        }
        if smear.can_finish() {
            if smear.summary().is_done() {
                return Instruction::FinishAtTargets;
            }
            if self.is_at_limit() {
                return Instruction::FinishAtLimit;
            }
        }
        let Some(latest) = smear.latest() else {
            return Instruction::Wait;
        };
        match Instruction::for_frame(&latest.quality, latest.standing, latest.cells_found()) {
            Instruction::NextField if smear.scale_not_found() => Instruction::SetScale,
            told => told,
        }
    }

    /// The page about an update that has the screen.
    pub fn update_page(&self) -> Option<UpdatePage<'_>> {
        self.phase().is_update().then(|| self.prompt.page())?
    }

    /// The line that tells of an update while no page does.
    pub fn update_notice(&self) -> Option<Notice> {
        self.prompt.notice()
    }

    /// Whether the camera has given a frame.
    pub fn has_camera_started(&self) -> bool {
        self.has_camera_started
    }

    /// Why the camera gives no frames, while it gives none.
    pub fn camera_unavailable(&self) -> Option<&Unavailable> {
        self.camera_unavailable.as_ref()
    }

    /// What there is to know about how the camera is set, the first of it where it is too much.
    pub fn camera_notes(&self) -> &[String] {
        &self.camera_notes
    }

    /// Why what is counted cannot be kept at the moment.
    pub fn not_saved(&self) -> Option<&str> {
        self.not_saved.as_deref()
    }

    /// Whether the figures of the smear have been given to whoever waits for them.
    pub fn is_published(&self) -> bool {
        self.is_published
    }
}

fn end_reason(state: RunState) -> EndReason {
    match state {
        RunState::Finished => EndReason::Finished,
        RunState::Live | RunState::Unfinished => EndReason::Stopped,
    }
}

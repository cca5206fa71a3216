//! What the instrument is doing, and what each button means then: one table.

use crate::input::Action;

/// What the instrument is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Camera, network and screen are being opened.
    Starting,
    /// A smear is on the stage, and no field of it is counted yet.
    Empty,
    /// Fields are being added to a smear.
    Counting,
    /// The same, while it is asked whether the smear is done.
    FinishQuestion,
    /// The operator finished a smear, and its figures stay on the screen.
    Result,
    /// A page tells how far an update has come; nothing is counted.
    UpdateProgress,
    /// A page asks about an update; nothing is counted.
    UpdateQuestion,
    /// A page tells how an update ended, or why it was refused; nothing is counted.
    UpdateNews,
    /// The updater was answered and has not begun yet; nothing is counted.
    UpdateAnswered,
    /// Something stopped the device; the screen says what.
    Fault,
    /// The run is over.
    Ended,
    /// The run is over, and the device is to be switched off.
    SwitchedOff,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 12] = [
        Self::Starting,
        Self::Empty,
        Self::Counting,
        Self::FinishQuestion,
        Self::Result,
        Self::UpdateProgress,
        Self::UpdateQuestion,
        Self::UpdateNews,
        Self::UpdateAnswered,
        Self::Fault,
        Self::Ended,
        Self::SwitchedOff,
    ];

    /// Whether the run is over: nothing leads on from here.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::SwitchedOff)
    }

    /// Whether a page about an update has the screen.
    pub fn is_update(self) -> bool {
        matches!(
            self,
            Self::UpdateProgress | Self::UpdateQuestion | Self::UpdateNews | Self::UpdateAnswered
        )
    }

    /// Whether frames are looked at.
    pub fn looks_at_frames(self) -> bool {
        matches!(self, Self::Empty | Self::Counting | Self::FinishQuestion)
    }
}

/// What a button asks for in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonRole {
    /// Nothing.
    None,
    /// It is asked whether the smear is done; at its targets or limit it is. Where the number of
    /// its fields was given, nothing.
    AskToFinish,
    /// The smear is done.
    FinishSmear,
    /// The smear goes on.
    GoOn,
    /// The next smear begins.
    StartSmear,
    /// A field that was refused by a gate of judgement is counted anyway; where there is none, the
    /// next level of the screen's light.
    ForceField,
    /// The last counted field is taken out again.
    UndoField,
    /// The next level of the screen's light.
    StepBrightness,
    /// Yes to the question about an update.
    AcceptUpdate,
    /// No to it, or what is told has been seen; the page goes.
    DismissUpdate,
    /// What stopped the device has been seen.
    AcknowledgeFault,
    /// The program ends where it runs on a desk; nothing on a board.
    EndOnDesk,
    /// The program ends.
    End,
    /// The device switches off.
    SwitchOff,
}

/// What a button asks for in a phase: the one table of all buttons.
pub const fn button_role(phase: Phase, action: Action) -> ButtonRole {
    use Action::{Cancel, Confirm, ShutDown, StepBrightness, Stop};
    match (phase, action) {
        (Phase::Ended | Phase::SwitchedOff, _) => ButtonRole::None,
        (_, Stop) => ButtonRole::End,
        (_, ShutDown) => ButtonRole::SwitchOff,

        (Phase::Starting, Confirm) => ButtonRole::None,
        (Phase::Starting, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::Starting, Cancel) => ButtonRole::EndOnDesk,

        (Phase::Empty, Confirm) => ButtonRole::None,
        (Phase::Empty, StepBrightness) => ButtonRole::ForceField,
        (Phase::Empty, Cancel) => ButtonRole::EndOnDesk,

        (Phase::Counting, Confirm) => ButtonRole::AskToFinish,
        (Phase::Counting, StepBrightness) => ButtonRole::ForceField,
        (Phase::Counting, Cancel) => ButtonRole::UndoField,

        (Phase::FinishQuestion, Confirm) => ButtonRole::FinishSmear,
        (Phase::FinishQuestion, StepBrightness) => ButtonRole::GoOn,
        (Phase::FinishQuestion, Cancel) => ButtonRole::GoOn,

        (Phase::Result, Confirm) => ButtonRole::StartSmear,
        (Phase::Result, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::Result, Cancel) => ButtonRole::EndOnDesk,

        (Phase::UpdateProgress, Confirm) => ButtonRole::DismissUpdate,
        (Phase::UpdateProgress, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::UpdateProgress, Cancel) => ButtonRole::DismissUpdate,

        (Phase::UpdateQuestion, Confirm) => ButtonRole::AcceptUpdate,
        (Phase::UpdateQuestion, StepBrightness) => ButtonRole::DismissUpdate,
        (Phase::UpdateQuestion, Cancel) => ButtonRole::DismissUpdate,

        (Phase::UpdateNews, Confirm) => ButtonRole::DismissUpdate,
        (Phase::UpdateNews, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::UpdateNews, Cancel) => ButtonRole::DismissUpdate,

        (Phase::UpdateAnswered, Confirm) => ButtonRole::None,
        (Phase::UpdateAnswered, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::UpdateAnswered, Cancel) => ButtonRole::None,

        (Phase::Fault, Confirm) => ButtonRole::AcknowledgeFault,
        (Phase::Fault, StepBrightness) => ButtonRole::StepBrightness,
        (Phase::Fault, Cancel) => ButtonRole::AcknowledgeFault,
    }
}

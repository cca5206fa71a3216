//! The words of what the screen shows: which text stands for a state, a warning or a notice.

use super::line::{Line, line};
use super::model::{
    Brightness, CameraTrouble, Clock, Density, Instruction, Notice, Rejection, RunState, Sharpness,
    UpdateTrouble, Warning,
};
use crate::language::{Language, TextId};

impl From<RunState> for TextId {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Live => TextId::RunLive,
            RunState::Paused => TextId::RunPaused,
            RunState::Finished => TextId::RunFinished,
            RunState::Unfinished => TextId::RunUnfinished,
        }
    }
}

impl From<Sharpness> for TextId {
    fn from(sharpness: Sharpness) -> Self {
        match sharpness {
            Sharpness::Sharp => TextId::FocusSharp,
            Sharpness::Soft => TextId::FocusSoft,
            Sharpness::Blurred => TextId::FocusBlurred,
        }
    }
}

impl From<Brightness> for TextId {
    fn from(brightness: Brightness) -> Self {
        match brightness {
            Brightness::Dark => TextId::IlluminationDark,
            Brightness::Good => TextId::IlluminationGood,
            Brightness::Bright => TextId::IlluminationBright,
        }
    }
}

impl From<Density> for TextId {
    fn from(density: Density) -> Self {
        match density {
            Density::Empty => TextId::DensityEmpty,
            Density::Sparse => TextId::DensitySparse,
            Density::Good => TextId::DensityGood,
            Density::Crowded => TextId::DensityCrowded,
        }
    }
}

impl From<Rejection> for TextId {
    fn from(reason: Rejection) -> Self {
        match reason {
            Rejection::Blurred => TextId::RejectedBlurred,
            Rejection::TooDark => TextId::RejectedDark,
            Rejection::TooBright => TextId::RejectedBright,
            Rejection::Empty => TextId::RejectedEmpty,
            Rejection::Crowded => TextId::RejectedCrowded,
            Rejection::NotASmear => TextId::RejectedNotASmear,
            Rejection::BrokenFrame => TextId::RejectedBroken,
        }
    }
}

impl From<Warning> for TextId {
    fn from(warning: Warning) -> Self {
        match warning {
            Warning::TooManyWhiteCells => TextId::WarningTooManyWbc,
            Warning::ManyUncertain => TextId::WarningManyUncertain,
            Warning::ScaleOutOfRange => TextId::WarningScale,
            Warning::NotASmear => TextId::WarningNotASmear,
            Warning::Camera(trouble) => trouble.into(),
            Warning::NotSaved => TextId::WarningNotSaved,
        }
    }
}

/// What happened.
impl From<CameraTrouble> for TextId {
    fn from(trouble: CameraTrouble) -> Self {
        match trouble {
            CameraTrouble::NotConnected => TextId::CameraNotConnected,
            CameraTrouble::Several => TextId::CameraSeveral,
            CameraTrouble::InUse => TextId::CameraInUse,
            CameraTrouble::PermissionDenied => TextId::CameraPermissionDenied,
            CameraTrouble::Unsuitable => TextId::CameraUnsuitable,
            CameraTrouble::Silent => TextId::CameraSilent,
            CameraTrouble::Failed => TextId::CameraFailed,
        }
    }
}

/// What happened.
impl From<UpdateTrouble> for TextId {
    fn from(trouble: UpdateTrouble) -> Self {
        match trouble {
            UpdateTrouble::Several => TextId::ProblemSeveral,
            UpdateTrouble::Unreadable => TextId::ProblemUnreadable,
            UpdateTrouble::NotGenuine => TextId::ProblemNotGenuine,
            UpdateTrouble::OtherBoard => TextId::ProblemOtherBoard,
            UpdateTrouble::NoRoom => TextId::ProblemNoRoom,
            UpdateTrouble::LowBattery => TextId::ProblemLowBattery,
            UpdateTrouble::CardPulled => TextId::ProblemCardPulled,
            UpdateTrouble::InstallFailed => TextId::ProblemInstallFailed,
        }
    }
}

/// What to do about an update.
pub fn update_help(trouble: UpdateTrouble) -> TextId {
    match trouble {
        UpdateTrouble::Several => TextId::HelpLeaveOneUpdate,
        UpdateTrouble::Unreadable => TextId::HelpCopyUpdate,
        UpdateTrouble::NotGenuine => TextId::HelpGetUpdateAgain,
        UpdateTrouble::OtherBoard => TextId::HelpOwnUpdate,
        UpdateTrouble::NoRoom => TextId::HelpCallService,
        UpdateTrouble::LowBattery => TextId::HelpConnectPower,
        UpdateTrouble::CardPulled => TextId::HelpInsertAgain,
        UpdateTrouble::InstallFailed => TextId::HelpInsertOnceMore,
    }
}

/// A notice, with its percents.
pub fn notice(notice: Notice, language: Language) -> Line {
    let (words, percent) = match notice {
        Notice::HoldToSwitchOff => (TextId::NoticeHoldToSwitchOff, None),
        Notice::UpdateCopying { percent } => (TextId::NoticeUpdateCopying, Some(percent)),
        Notice::UpdateChecking => (TextId::NoticeUpdateChecking, None),
        Notice::UpdateWaits => (TextId::NoticeUpdateWaits, None),
        Notice::UpdateInstalling { percent } => (TextId::NoticeUpdateInstalling, Some(percent)),
        Notice::UpdateReady => (TextId::NoticeUpdateReady, None),
        Notice::UpdateNews => (TextId::NoticeUpdateNews, None),
        Notice::Recovery => (TextId::NoticeRecovery, None),
        Notice::CardRepaired => (TextId::NoticeStorageRepaired, None),
    };
    let words = words.text_in(language);
    match (percent, words.split_once("{percent}")) {
        (Some(percent), Some((before, after))) => line!("{before}{}{after}", percent.min(100)),
        _ => words.into(),
    }
}

/// An error's name.
pub fn error_title(number: Option<u16>, language: Language) -> String {
    let error = TextId::Error.text_in(language);
    match number {
        Some(number) => format!("{error} E-{number:02}"),
        None => error.to_owned(),
    }
}

/// What to do about a camera.
pub fn camera_help(trouble: CameraTrouble) -> TextId {
    match trouble {
        CameraTrouble::NotConnected => TextId::HelpConnectCamera,
        CameraTrouble::Several => TextId::HelpLeaveOneCamera,
        CameraTrouble::InUse => TextId::HelpRestartDevice,
        CameraTrouble::PermissionDenied => TextId::HelpCallService,
        CameraTrouble::Unsuitable => TextId::HelpOtherCamera,
        CameraTrouble::Silent | CameraTrouble::Failed => TextId::HelpReconnectCamera,
    }
}

impl From<Instruction> for TextId {
    fn from(instruction: Instruction) -> Self {
        match instruction {
            Instruction::Wait => TextId::InstructionWait,
            Instruction::HoldStill => TextId::InstructionHoldStill,
            Instruction::NextField => TextId::InstructionNextField,
            Instruction::FocusSlide => TextId::InstructionFocus,
            Instruction::RaiseLight => TextId::InstructionIncreaseIllumination,
            Instruction::LowerLight => TextId::InstructionReduceIllumination,
            Instruction::FindThinnerArea => TextId::InstructionFindThinnerArea,
            Instruction::FindCells => TextId::InstructionFindCells,
            Instruction::CheckStain => TextId::InstructionCheckStain,
            Instruction::SetScale => TextId::InstructionSetScale,
            Instruction::CheckCamera => TextId::InstructionCheckCamera,
            Instruction::Resume => TextId::InstructionResume,
            Instruction::RunComplete => TextId::InstructionComplete,
            Instruction::StartAgain => TextId::InstructionStartAgain,
        }
    }
}

/// The date and time as `2026-05-31 14:05`, with `UTC` where it is not local time, or the words for
/// a clock that is not set.
pub fn clock(clock: Clock, language: Language) -> Line {
    match clock {
        Clock::NotSet => TextId::ClockNotSet.text_in(language).into(),
        Clock::Set { time, is_utc } => {
            let zone = if is_utc { " UTC" } else { "" };
            line!("{time}{zone}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::calendar::CivilTime;
    use crate::ui::font::TypeScale;

    #[test]
    fn the_fonts_can_show_every_text() {
        let mut faults = Vec::new();
        for id in TextId::ALL {
            for language in Language::ALL {
                let characters = id.text_in(language).chars();
                let unknown: String = characters
                    .filter(|c| !TypeScale::Compact.knows(*c))
                    .collect();
                if !unknown.is_empty() {
                    faults.push(format!("{} in {language}: no {unknown:?}", id.key()));
                }
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn an_unset_clock_shows_no_date() {
        assert_eq!(clock(Clock::NotSet, Language::English), "clock not set");
        let set = |is_utc| Clock::Set {
            time: CivilTime {
                year: 2026,
                month: 5,
                day: 3,
                hour: 4,
                minute: 7,
            },
            is_utc,
        };
        assert_eq!(clock(set(false), Language::French), "2026-05-03 04:07");
        assert_eq!(clock(set(true), Language::French), "2026-05-03 04:07 UTC");
    }
}

//! The words of what the screen shows: which text stands for a state, a warning or a notice.

use super::fixed_string::{FixedString, fixed_format};
use super::model::{Clock, Counting, Identity};
use crate::assessment::Finding;
use crate::camera::Unavailable;
use crate::count::{Level, Progress, TooFew};
use crate::language::{Language, TextId};
use crate::quality::{Brightness, Density, Sharpness};
use crate::session::guidance::{Instruction, Notice, Outlook, Warning};
use crate::session::smear::RunState;
use crate::update::ProblemKind;

impl From<RunState> for TextId {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Live => TextId::RunLive,
            RunState::Finished => TextId::RunFinished,
            RunState::Unfinished => TextId::RunUnfinished,
        }
    }
}

/// What a number is of.
impl From<Level> for TextId {
    fn from(level: Level) -> Self {
        match level {
            Level::Counted => TextId::CountsCells,
            Level::Per1000Rbc => TextId::CountsPer1000Rbc,
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

/// The word for where a smear stands, once its assessment is known.
pub fn run_state(run: RunState, is_withheld: bool) -> TextId {
    match run {
        RunState::Finished if is_withheld => TextId::RunWithheld,
        run => run.into(),
    }
}

impl From<Finding> for TextId {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::WhiteCellsBeyondBlood { .. } => TextId::WarningWhiteCells,
            Finding::WhiteCellsOfRedSize { .. } | Finding::UnsureWhiteCells { .. } => {
                TextId::WarningDoubtfulWhiteCells
            }
            Finding::PlateletsBeyondBlood { .. } => TextId::WarningPlatelets,
            Finding::ManyUncertain { .. } => TextId::WarningManyUncertain,
            Finding::CellsOfWrongSize { .. } => TextId::WarningCellSize,
            Finding::TwoScales { .. } => TextId::WarningTwoScales,
            Finding::UnsureRedCells { .. } | Finding::DarkWithoutCells { .. } => {
                TextId::WarningUnsure
            }
            Finding::Crowded { .. } => TextId::WarningCrowded,
            Finding::DarkRim { .. } => TextId::WarningDarkRim,
            Finding::FixedMarks { .. } => TextId::WarningFixedMarks,
            Finding::ColoursExchanged { .. } => TextId::InstructionCheckCameraFormat,
            Finding::OneFieldHoldsMost { .. } => TextId::WarningOneField,
            Finding::ColoursUnlikeTraining { .. } => TextId::WarningColours,
            Finding::PlateletsClump { .. } => TextId::WarningClumps,
            Finding::FieldsForced { .. } => TextId::WarningForced,
            Finding::ManyFieldsRefused { .. } => TextId::WarningManyRefused,
            Finding::Overdispersed { .. } => TextId::CountsOverdispersed,
        }
    }
}

impl From<Warning<'_>> for TextId {
    fn from(warning: Warning<'_>) -> Self {
        match warning {
            Warning::Smear(finding) => finding.into(),
            Warning::ScaleOutOfRange => TextId::WarningScale,
            Warning::CameraUnavailable(unavailable) => unavailable.into(),
            Warning::NotSaved => TextId::WarningNotSaved,
        }
    }
}

/// What happened.
impl From<&Unavailable> for TextId {
    fn from(unavailable: &Unavailable) -> Self {
        match unavailable {
            Unavailable::NotConnected => TextId::CameraNotConnected,
            Unavailable::Several { .. } => TextId::CameraSeveral,
            Unavailable::InUse => TextId::CameraInUse,
            Unavailable::PermissionDenied => TextId::CameraPermissionDenied,
            Unavailable::Unsuitable { .. } => TextId::CameraUnsuitable,
            Unavailable::Silent { .. } => TextId::CameraSilent,
            Unavailable::BadFrames { .. } => TextId::CameraBadFrames,
            Unavailable::Failed { .. } => TextId::CameraFailed,
        }
    }
}

/// What happened.
impl From<ProblemKind> for TextId {
    fn from(problem: ProblemKind) -> Self {
        match problem {
            ProblemKind::Several => TextId::ProblemSeveral,
            ProblemKind::Unreadable => TextId::ProblemUnreadable,
            ProblemKind::NotGenuine => TextId::ProblemNotGenuine,
            ProblemKind::OtherBoard => TextId::ProblemOtherBoard,
            ProblemKind::NoRoom => TextId::ProblemNoRoom,
            ProblemKind::LowBattery => TextId::ProblemLowBattery,
            ProblemKind::CardPulled => TextId::ProblemCardPulled,
            ProblemKind::InstallFailed => TextId::ProblemInstallFailed,
        }
    }
}

/// Why there is no figure: `too few WBC: 9 of 10`.
pub fn too_few(few: TooFew, language: Language) -> FixedString {
    let of = TextId::CountsOf.text_in(language);
    match few {
        TooFew::Fields { counted, needed } => {
            let words = TextId::CountsTooFewFields.text_in(language);
            fixed_format!("{words}: {counted} {of} {needed}")
        }
        TooFew::Cells {
            class,
            counted,
            needed,
        } => {
            let words = TextId::CountsTooFewCells.text_in(language);
            fixed_format!("{words} {class}: {counted} {of} {needed}")
        }
    }
}

/// What to do about an update.
pub fn update_help(problem: ProblemKind) -> TextId {
    match problem {
        ProblemKind::Several => TextId::HelpLeaveOneUpdate,
        ProblemKind::Unreadable => TextId::HelpCopyUpdate,
        ProblemKind::NotGenuine => TextId::HelpGetUpdateAgain,
        ProblemKind::OtherBoard => TextId::HelpOwnUpdate,
        ProblemKind::NoRoom => TextId::HelpCallService,
        ProblemKind::LowBattery => TextId::HelpConnectPower,
        ProblemKind::CardPulled => TextId::HelpInsertAgain,
        ProblemKind::InstallFailed => TextId::HelpInsertOnceMore,
    }
}

/// A notice, with its number.
pub fn notice(notice: Notice, language: Language) -> FixedString {
    let (words, percent) = match notice {
        Notice::HoldToSwitchOff => (TextId::NoticeHoldToSwitchOff, None),
        Notice::UpdateCopying { percent } => (TextId::NoticeUpdateCopying, Some(percent)),
        Notice::UpdateChecking => (TextId::NoticeUpdateChecking, None),
        Notice::UpdateWaits => (TextId::NoticeUpdateWaits, None),
        Notice::UpdateInstalling { percent } => (TextId::NoticeUpdateInstalling, Some(percent)),
        Notice::UpdateReady => (TextId::NoticeUpdateReady, None),
        Notice::UpdateNews => (TextId::NoticeUpdateNews, None),
        Notice::Recovery => (TextId::NoticeRecovery, None),
        Notice::StorageRepaired => (TextId::NoticeStorageRepaired, None),
        Notice::SmearInterrupted { fields } => {
            let words = TextId::NoticeSmearInterrupted.text_in(language);
            return with_number(words, fields);
        }
    };
    let words = words.text_in(language);
    match (percent, words.split_once("{percent}")) {
        (Some(percent), Some((before, after))) => {
            fixed_format!("{before}{}{after}", percent.min(100))
        }
        _ => words.into(),
    }
}

/// Which sample it is; a drawn slide is none.
pub fn sample(identity: &Identity<'_>, language: Language) -> FixedString {
    match identity.sample {
        _ if identity.is_simulated => TextId::SimulatedSlide.text_in(language).into(),
        Some(sample) => sample.into(),
        None => TextId::NoSample.text_in(language).into(),
    }
}

/// What stands above the instruction where nothing warns: the notice, or else, in turns, the outlook
/// and what the buttons do, which go before how to switch off.
pub fn message(counting: &Counting<'_>) -> Option<FixedString> {
    let language = counting.language;
    let can_hint = matches!(counting.notice, None | Some(Notice::HoldToSwitchOff));
    if let Some(hint) = counting.button_hint.filter(|_| can_hint) {
        return Some(hint.text_in(language).into());
    }
    match (counting.notice, counting.outlook) {
        (None | Some(Notice::HoldToSwitchOff), Some(told)) => Some(outlook(told, language)),
        (told, _) => told.map(|told| notice(told, language)),
    }
}

/// How far counting is from its targets.
pub fn outlook(outlook: Outlook, language: Language) -> FixedString {
    let words = |id: TextId| id.text_in(language);
    match outlook {
        Outlook::TakenForScale { taken, of } => {
            let (verb, between) = (words(TextId::OutlookTaken), words(TextId::CountsOf));
            fixed_format!("{verb} {taken} {between} {of}")
        }
        Outlook::AtMagnification { fields } => {
            with_number(words(TextId::OutlookAtMagnification), fields)
        }
        Outlook::FieldsLeft {
            done,
            class,
            fields,
        } => {
            let done = done.map_or_else(FixedString::new, |done| {
                fixed_format!("{done} {}. ", words(TextId::CountsDone))
            });
            let left = match fields {
                Some(fields) => with_number(words(TextId::OutlookFieldsLeft), fields),
                None => words(TextId::OutlookNoneSeen).into(),
            };
            fixed_format!("{}{class}: {}", &*done, &*left)
        }
        Outlook::NotReached {
            class,
            progress: Progress { have, need, .. },
        } => {
            let (not_reached, of) = (words(TextId::OutlookNotReached), words(TextId::CountsOf));
            fixed_format!("{class} {not_reached} ({have} {of} {need})")
        }
    }
}

/// A text with a number in the place of `{number}`.
fn with_number(words: &str, number: u32) -> FixedString {
    match words.split_once("{number}") {
        Some((before, after)) => fixed_format!("{before}{number}{after}"),
        None => words.into(),
    }
}

/// What to do about a camera.
pub fn camera_help(unavailable: &Unavailable) -> TextId {
    match unavailable {
        Unavailable::NotConnected => TextId::HelpConnectCamera,
        Unavailable::Several { .. } => TextId::HelpLeaveOneCamera,
        Unavailable::InUse => TextId::HelpRestartDevice,
        Unavailable::PermissionDenied => TextId::HelpCallService,
        Unavailable::Unsuitable { .. } => TextId::HelpOtherCamera,
        Unavailable::BadFrames { .. } => TextId::InstructionWait,
        Unavailable::Silent { .. } | Unavailable::Failed { .. } => TextId::HelpReconnectCamera,
    }
}

impl From<Instruction> for TextId {
    fn from(instruction: Instruction) -> Self {
        match instruction {
            Instruction::Wait => TextId::InstructionWait,
            Instruction::HoldStill => TextId::InstructionHoldStill,
            Instruction::WaitForCount => TextId::InstructionWaitForCount,
            Instruction::LetSlideRest => TextId::InstructionLetSlideRest,
            Instruction::NextField => TextId::InstructionNextField,
            Instruction::LeaveEmptyField => TextId::InstructionLeaveEmptyField,
            Instruction::CountedBefore => TextId::InstructionCountedBefore,
            Instruction::FieldUndone => TextId::InstructionFieldUndone,
            Instruction::Focus => TextId::InstructionFocus,
            Instruction::KeepStill => TextId::InstructionKeepStill,
            Instruction::LevelSlide => TextId::InstructionLevelSlide,
            Instruction::CentreField => TextId::InstructionCentreField,
            Instruction::IncreaseIllumination => TextId::InstructionIncreaseIllumination,
            Instruction::ReduceIllumination => TextId::InstructionReduceIllumination,
            Instruction::FindThinnerArea => TextId::InstructionFindThinnerArea,
            Instruction::FindCells => TextId::InstructionFindCells,
            Instruction::CheckStain => TextId::InstructionCheckStain,
            Instruction::RaiseContrast => TextId::InstructionRaiseContrast,
            Instruction::CheckCameraFormat => TextId::InstructionCheckCameraFormat,
            Instruction::SetScale => TextId::InstructionSetScale,
            Instruction::CheckCamera => TextId::InstructionCheckCamera,
            Instruction::ConfirmFinish => TextId::InstructionConfirmFinish,
            Instruction::FinishAtTargets => TextId::InstructionFinishAtTargets,
            Instruction::FinishAtLimit => TextId::InstructionFinishAtLimit,
            Instruction::Complete => TextId::InstructionComplete,
            Instruction::Withheld => TextId::InstructionWithheld,
            Instruction::TooFewCells => TextId::InstructionTooFewCells,
            Instruction::StartAgain => TextId::InstructionStartAgain,
        }
    }
}

/// The date and time as `2026-05-31 14:05`, with `UTC` where it is not local time, or the words for
/// a clock that is not set.
pub fn clock(clock: Clock, language: Language) -> FixedString {
    match clock {
        Clock::NotSet => TextId::ClockNotSet.text_in(language).into(),
        Clock::Set { time, is_utc } => {
            let zone = if is_utc { " UTC" } else { "" };
            fixed_format!("{time}{zone}")
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

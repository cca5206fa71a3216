//! The languages of the screen, and every text it shows.
//!
//! The texts of a language stand in one file, `language/CODE.toml`, which is compiled in. A new
//! language is such a file and a line in the list of [`Language`]s.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::OnceLock;

macro_rules! languages {
    ($($(#[$attribute:meta])* $language:ident = $code:literal,)+) => {
        /// A language of the screen; in files it is its code of ISO 639-1.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Language {
            $(
                #[doc = concat!("Its texts are in `language/", $code, ".toml`.")]
                $(#[$attribute])* #[serde(rename = $code)] $language,
            )+
        }

        impl Language {
            /// The code of every language, two letters of ISO 639-1.
            pub const CODES: [&'static str; [$($code),+].len()] = [$($code),+];
            /// Every language, in the same order.
            pub const ALL: [Language; Language::CODES.len()] = [$(Language::$language),+];
            const SOURCES: [&'static str; Language::CODES.len()] =
                [$(include_str!(concat!("language/", $code, ".toml"))),+];
        }
    };
}

languages! {
    #[default]
    English = "en",
    Spanish = "es",
    French = "fr",
}

impl Language {
    /// The two letters of ISO 639-1.
    pub fn code(self) -> &'static str {
        Self::CODES[self as usize]
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.code())
    }
}

macro_rules! texts {
    ($($id:ident = $key:literal,)+) => {
        /// A text of the screen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum TextId {
            $(#[doc = concat!("`", $key, "` of the catalogues.")] $id,)+
        }

        impl TextId {
            /// Every text.
            pub const ALL: &'static [TextId] = &[$(TextId::$id,)+];
            const KEYS: &'static [&'static str] = &[$($key,)+];
        }
    };
}

texts! {
    DecimalMark = "format.decimal_mark",
    ResearchUse = "general.research_use",
    NoSample = "general.no_sample",
    SimulatedSlide = "general.simulated_slide",
    ClockNotSet = "general.clock_not_set",
    RunLive = "run.live",
    RunFinished = "run.finished",
    RunUnfinished = "run.unfinished",
    RunWithheld = "run.withheld",
    CountsSoFar = "counts.so_far",
    CountsResult = "counts.result",
    CountsNoResult = "counts.no_result",
    CountsWithheld = "counts.withheld",
    CountsInterval = "counts.interval",
    CountsAtLeast = "counts.at_least",
    CountsCells = "counts.cells",
    CountsDone = "counts.done",
    CountsOf = "counts.of",
    CountsTooFewCells = "counts.too_few_cells",
    CountsTooFewFields = "counts.too_few_fields",
    CountsUncertain = "counts.uncertain",
    CountsPer1000Rbc = "counts.per_1000_rbc",
    CountsOverdispersed = "counts.overdispersed",
    Focus = "focus.label",
    FocusSharp = "focus.sharp",
    FocusSoft = "focus.soft",
    FocusBlurred = "focus.blurred",
    Illumination = "illumination.label",
    IlluminationDark = "illumination.dark",
    IlluminationGood = "illumination.good",
    IlluminationBright = "illumination.bright",
    Density = "density.label",
    DensityEmpty = "density.empty",
    DensitySparse = "density.sparse",
    DensityGood = "density.good",
    DensityCrowded = "density.crowded",
    ScaleUnit = "scale.unit",
    ScaleCalibrated = "scale.calibrated",
    ScaleEstimated = "scale.estimated",
    ScaleUnknown = "scale.unknown",
    PreviewNone = "preview.none",
    Fields = "fields.label",
    Rejected = "rejected.label",
    RejectedBlurred = "rejected.blurred",
    RejectedMoved = "rejected.moved",
    RejectedPartlyBlurred = "rejected.partly_blurred",
    RejectedRim = "rejected.rim",
    RejectedDark = "rejected.dark",
    RejectedBright = "rejected.bright",
    RejectedEmpty = "rejected.empty",
    RejectedLowContrast = "rejected.low_contrast",
    RejectedColours = "rejected.colours",
    RejectedNotASmear = "rejected.not_a_smear",
    RejectedThick = "rejected.thick",
    RejectedUnscaled = "rejected.unscaled",
    RejectedDamaged = "rejected.damaged",
    RejectedOther = "rejected.other",
    WarningWhiteCells = "warning.white_cells",
    WarningDoubtfulWhiteCells = "warning.doubtful_white_cells",
    WarningPlatelets = "warning.platelets",
    WarningCellSize = "warning.cell_size",
    WarningTwoScales = "warning.two_scales",
    WarningUnsure = "warning.unsure",
    WarningCrowded = "warning.crowded",
    WarningFixedMarks = "warning.fixed_marks",
    WarningOneField = "warning.one_field",
    WarningColours = "warning.colours",
    WarningDarkRim = "warning.dark_rim",
    WarningClumps = "warning.clumps",
    WarningForced = "warning.forced",
    WarningManyRefused = "warning.many_refused",
    WarningManyUncertain = "warning.many_uncertain",
    WarningScale = "warning.scale",
    WarningNotSaved = "warning.not_saved",
    OutlookTaken = "outlook.taken",
    OutlookAtMagnification = "outlook.at_magnification",
    OutlookFieldsLeft = "outlook.fields_left",
    OutlookNoneSeen = "outlook.none_seen",
    OutlookNotReached = "outlook.not_reached",
    HintForce = "hint.force",
    HintFinishOrForce = "hint.finish_or_force",
    HintFinishOrUndo = "hint.finish_or_undo",
    HintFinish = "hint.finish",
    HintFinishOrGoOn = "hint.finish_or_go_on",
    HintNextSmear = "hint.next_smear",
    InstructionWait = "instruction.wait",
    InstructionHoldStill = "instruction.hold_still",
    InstructionWaitForCount = "instruction.wait_for_count",
    InstructionLetSlideRest = "instruction.let_slide_rest",
    InstructionNextField = "instruction.next_field",
    InstructionLeaveEmptyField = "instruction.leave_empty_field",
    InstructionCountedBefore = "instruction.counted_before",
    InstructionFieldUndone = "instruction.field_undone",
    InstructionFocus = "instruction.focus",
    InstructionKeepStill = "instruction.keep_still",
    InstructionLevelSlide = "instruction.level_slide",
    InstructionCentreField = "instruction.centre_field",
    InstructionIncreaseIllumination = "instruction.increase_illumination",
    InstructionReduceIllumination = "instruction.reduce_illumination",
    InstructionFindThinnerArea = "instruction.find_thinner_area",
    InstructionFindCells = "instruction.find_cells",
    InstructionCheckStain = "instruction.check_stain",
    InstructionRaiseContrast = "instruction.raise_contrast",
    InstructionCheckCameraFormat = "instruction.check_camera_format",
    InstructionSetScale = "instruction.set_scale",
    InstructionCheckCamera = "instruction.check_camera",
    InstructionConfirmFinish = "instruction.confirm_finish",
    InstructionFinishAtTargets = "instruction.finish_at_targets",
    InstructionFinishAtLimit = "instruction.finish_at_limit",
    InstructionComplete = "instruction.complete",
    InstructionWithheld = "instruction.withheld",
    InstructionTooFewCells = "instruction.too_few_cells",
    InstructionStartAgain = "instruction.start_again",
    StartLoading = "start.loading",
    StartTagline = "start.tagline",
    CameraNone = "camera.none",
    CameraNotConnected = "camera.not_connected",
    CameraSeveral = "camera.several",
    CameraInUse = "camera.in_use",
    CameraPermissionDenied = "camera.permission_denied",
    CameraUnsuitable = "camera.unsuitable",
    CameraSilent = "camera.silent",
    CameraBadFrames = "camera.bad_frames",
    CameraFailed = "camera.failed",
    HelpConnectCamera = "help.connect_camera",
    HelpLeaveOneCamera = "help.leave_one_camera",
    HelpOtherCamera = "help.other_camera",
    HelpReconnectCamera = "help.reconnect_camera",
    HelpRestartDevice = "help.restart_device",
    HelpCallService = "help.call_service",
    HelpLeaveOneUpdate = "help.leave_one_update",
    HelpCopyUpdate = "help.copy_update",
    HelpGetUpdateAgain = "help.get_update_again",
    HelpOwnUpdate = "help.own_update",
    HelpConnectPower = "help.connect_power",
    HelpInsertAgain = "help.insert_again",
    HelpInsertOnceMore = "help.insert_once_more",
    UpdateLabel = "update.label",
    UpdateTitle = "update.title",
    UpdateInstall = "update.install",
    UpdateOlder = "update.older",
    UpdateInstalling = "update.installing",
    UpdateRestart = "update.restart",
    UpdateRestarting = "update.restarting",
    UpdateRefused = "update.refused",
    UpdateDone = "update.done",
    UpdateRolledBack = "update.rolled_back",
    VersionInstalled = "version.installed",
    VersionOnCard = "version.on_card",
    VersionBefore = "version.before",
    VersionNow = "version.now",
    VersionNew = "version.new",
    VersionFailed = "version.failed",
    UpdateIsCopied = "update_text.is_copied",
    UpdateLeaveCard = "update_text.leave_card",
    UpdateIsVerified = "update_text.is_verified",
    UpdateCardFree = "update_text.card_free",
    UpdateIsOlder = "update_text.is_older",
    UpdateOlderLoses = "update_text.older_loses",
    UpdateIsInstalled = "update_text.is_installed",
    UpdateStartsNext = "update_text.starts_next",
    UpdateFallsBack = "update_text.falls_back",
    UpdateMoment = "update_text.moment",
    UpdateRestarts = "update_text.restarts",
    UpdateUnchanged = "update_text.unchanged",
    UpdateStays = "update_text.stays",
    UpdateFailed = "update_text.failed",
    ProblemSeveral = "update_problem.several",
    ProblemUnreadable = "update_problem.unreadable",
    ProblemNotGenuine = "update_problem.not_genuine",
    ProblemOtherBoard = "update_problem.other_board",
    ProblemNoRoom = "update_problem.no_room",
    ProblemLowBattery = "update_problem.low_battery",
    ProblemCardPulled = "update_problem.card_pulled",
    ProblemInstallFailed = "update_problem.install_failed",
    Recovery = "recovery.title",
    RecoveryHappened = "recovery.happened",
    RecoveryHelp = "recovery.help",
    ButtonBackToCounting = "button.back_to_counting",
    ButtonInstall = "button.install",
    ButtonInstallOlder = "button.install_older",
    ButtonNotNow = "button.not_now",
    ButtonRestart = "button.restart",
    ButtonLater = "button.later",
    ButtonOk = "button.ok",
    ButtonTryAgain = "button.try_again",
    ButtonCountHere = "button.count_here",
    NoticeHoldToSwitchOff = "notice.hold_to_switch_off",
    NoticeUpdateCopying = "notice.update_copying",
    NoticeUpdateChecking = "notice.update_checking",
    NoticeUpdateWaits = "notice.update_waits",
    NoticeUpdateInstalling = "notice.update_installing",
    NoticeUpdateReady = "notice.update_ready",
    NoticeUpdateNews = "notice.update_news",
    NoticeRecovery = "notice.recovery",
    NoticeSmearInterrupted = "notice.smear_interrupted",
    NoticeStorageRepaired = "notice.storage_repaired",
    Error = "error.label",
    ErrorWhatHappened = "error.what_happened",
    ErrorWhatToDo = "error.what_to_do",
}

/// The texts of one language, in the order of [`TextId::ALL`].
type Catalogue = Vec<String>;

static CATALOGUES: [OnceLock<Catalogue>; Language::ALL.len()] =
    [const { OnceLock::new() }; Language::ALL.len()];

impl TextId {
    /// Table and key in a catalogue, such as `camera.in_use`.
    pub fn key(self) -> &'static str {
        Self::KEYS[self as usize]
    }

    /// The text in a language. The first text asked for reads the whole catalogue; afterwards
    /// nothing is allocated.
    pub fn text_in(self, language: Language) -> &'static str {
        let catalogue = CATALOGUES[language as usize]
            .get_or_init(|| read_catalogue(Language::SOURCES[language as usize]));
        &catalogue[self as usize]
    }
}

/// A text that a catalogue lacks is its key: a test keeps that from happening.
fn read_catalogue(source: &str) -> Catalogue {
    let tables: toml::Table = source.parse().unwrap_or_default();
    let text_of = |id: &TextId| text(&tables, id.key()).unwrap_or(id.key()).to_owned();
    TextId::ALL.iter().map(text_of).collect()
}

fn text<'t>(tables: &'t toml::Table, key: &str) -> Option<&'t str> {
    let (table, name) = key.split_once('.')?;
    tables.get(table)?.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Table and key of everything in a catalogue.
    fn keys_of(source: &str) -> BTreeSet<String> {
        let tables: toml::Table = source.parse().unwrap();
        let keys = tables.iter().flat_map(|(table, keys)| {
            let keys = keys.as_table().unwrap().keys();
            keys.map(move |key| format!("{table}.{key}"))
        });
        keys.collect()
    }

    /// The placeholders of a text, such as `{percent}`.
    fn placeholders(text: &str) -> Vec<&str> {
        let starts = text.split('{').skip(1);
        starts.map(|rest| rest.split('}').next().unwrap()).collect()
    }

    #[test]
    fn every_catalogue_has_every_text_and_no_other() {
        let known: BTreeSet<String> = TextId::KEYS.iter().map(|&key| key.to_owned()).collect();
        assert_eq!(known.len(), TextId::ALL.len(), "two texts have one key");
        for (code, source) in Language::CODES.iter().zip(Language::SOURCES) {
            let found = keys_of(source);
            let missing: Vec<_> = known.difference(&found).collect();
            let unknown: Vec<_> = found.difference(&known).collect();
            assert!(
                missing.is_empty() && unknown.is_empty(),
                "src/language/{code}.toml lacks {missing:?} and must not have {unknown:?}"
            );
        }
    }

    #[test]
    fn texts_are_filled_unpadded_and_have_the_same_placeholders() {
        let mut faults = Vec::new();
        for id in TextId::ALL {
            let expected = placeholders(id.text_in(Language::English));
            for language in Language::ALL {
                let text = id.text_in(language);
                if text.trim() != text || text.is_empty() || text == id.key() {
                    faults.push(format!("{} in {language}: {text:?}", id.key()));
                }
                let found = placeholders(text);
                if found != expected {
                    faults.push(format!("{} in {language} has {found:?}", id.key()));
                }
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn the_english_research_sentence_is_the_agreed_one() {
        assert_eq!(
            TextId::ResearchUse.text_in(Language::English),
            crate::RESEARCH_USE_NOTICE
        );
    }

    #[test]
    fn a_damaged_catalogue_shows_keys() {
        assert_eq!(read_catalogue("x = ")[0], TextId::ALL[0].key());
    }
}

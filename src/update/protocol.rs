//! The files between updater and screen. Each is JSON, at most [`MAX_TALK_BYTES`] long, and put in
//! place whole (written beside, then renamed).

use serde::{Deserialize, Serialize};

/// The format of every file here.
pub const TALK_FORMAT: u32 = 1;
/// The most bytes of such a file.
pub const MAX_TALK_BYTES: u64 = 64 * 1024;
/// [`Told`] with an [`UpdateState`], written by the updater.
pub const STATE_FILE: &str = "/run/hemoscope-update/state.json";
/// [`Told`] with an [`Answer`], written by the program into its own runtime folder.
pub const ANSWER_FILE: &str = "/run/hemoscope/update-answer.json";
/// [`Told`] with [`DeviceFacts`], written by the program into its own runtime folder.
pub const DEVICE_FACTS_FILE: &str = "/run/hemoscope/device-facts.json";

/// A file's content with its format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told<T> {
    /// [`TALK_FORMAT`].
    pub format: u32,
    #[serde(flatten)]
    pub content: T,
}

/// Where an update stands, as the screen shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum UpdateState {
    /// No card, or one that has nothing for this device.
    #[default]
    Idle,
    /// The card's bundle is being copied to the device; the card must stay in.
    Copying { percent: u8 },
    /// The copy's hash and signature are being checked; the card is not needed any more.
    Checking,
    /// Everything is right with it: the operator decides.
    Offered(Offer),
    /// It is being written into the slot that does not run; counting goes on.
    Installing { version: String, percent: u8 },
    /// It is written, and begins to run at the next start.
    ReadyToRestart { version: String },
    /// The card's bundle is not for this device, or something failed; nothing has changed.
    Refused(Problem),
    /// How the update before this start ended; shown until the operator has seen it.
    Ended(UpdateResult),
    /// Both systems failed to start, and the factory's runs: it takes a bundle, or tries again.
    Recovery,
}

/// A bundle that may be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Lower-case hexadecimal digits; the answer has to repeat them.
    pub sha256: String,
    pub version: String,
    pub running_version: String,
    /// Installing it takes a second consent.
    pub is_older: bool,
    pub notes: Notes,
}

/// Release notes, at most a few lines each; empty for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    pub en: String,
    pub es: String,
    pub fr: String,
}

/// Why a bundle was not taken. The kind is for the screen's words, the text for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// One English sentence: what, of what, and what to do.
    pub text: String,
}

impl Problem {
    /// A problem of a kind, with one English sentence.
    pub fn new(kind: ProblemKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }
}

/// The kinds of problems that an operator can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Several bundles are on the card.
    Several,
    /// The card or its bundle cannot be read, or is no bundle.
    Unreadable,
    /// It was not signed by the maker, or changed since.
    NotGenuine,
    /// It is for another board.
    OtherBoard,
    /// The data partition has no room for it.
    NoRoom,
    /// The battery is too low.
    LowBattery,
    /// The card was pulled while it was still needed.
    CardPulled,
    /// Writing the slot failed.
    InstallFailed,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [ProblemKind; 8] = [
        ProblemKind::Several,
        ProblemKind::Unreadable,
        ProblemKind::NotGenuine,
        ProblemKind::OtherBoard,
        ProblemKind::NoRoom,
        ProblemKind::LowBattery,
        ProblemKind::CardPulled,
        ProblemKind::InstallFailed,
    ];
}

/// How an update ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateResult {
    pub from: String,
    pub to: String,
    pub outcome: Outcome,
    /// Why the new version was given up, one English sentence; empty where it was not.
    pub reason: String,
}

/// Whether the new version stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has proved itself.
    Kept,
    /// It did not, and the version before it runs again.
    RolledBack,
}

/// What the operator answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// Install the offer with this hash. `is_older_agreed` is the second consent.
    Install {
        sha256: String,
        is_older_agreed: bool,
    },
    /// Not now: the offer with this hash is not shown again until the card is put in anew.
    Later { sha256: String },
    /// Restart into what was installed.
    Restart,
    /// The result, or the refusal, has been seen.
    Seen,
    /// In recovery: try the installed systems once more.
    TryAgain,
}

/// What the program found when it started, for the proof of a new version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The program's version.
    pub version: String,
    /// Name of the camera that has given a frame in this start; `None` while none has.
    pub camera: Option<String>,
    /// The display that shows the screen, such as `drm`; `None` for none.
    pub display: Option<String>,
    /// Whether the records can be written and are of a format that this version reads.
    pub is_data_readable: bool,
}

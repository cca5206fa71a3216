//! What updater and program publish for each other, one file each way. Each is JSON, at most
//! [`MAX_PUBLISHED_BYTES`] long, and put in place whole (written beside, then renamed).

use serde::{Deserialize, Serialize};

/// The format of every file here.
pub const PROTOCOL_FORMAT: u32 = 1;
/// The most bytes of such a file.
pub const MAX_PUBLISHED_BYTES: u64 = 64 * 1024;
/// [`Published`] with an [`UpdateState`], written by the updater.
pub const STATE_FILE: &str = "/run/hemoscope-update/state.json";
/// [`Published`] with an [`Answer`], written by the program into its own runtime folder.
pub const ANSWER_FILE: &str = "/run/hemoscope/update-answer.json";
/// [`Published`] with [`DeviceStatus`], written by the program into its own runtime folder.
pub const DEVICE_STATUS_FILE: &str = "/run/hemoscope/device-facts.json";

/// The content of such a file, with its format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published<T> {
    /// [`PROTOCOL_FORMAT`].
    pub format: u32,
    /// What the file says, beside its format.
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
    Copying {
        /// How much is copied, 0 to 100.
        percent: u8,
    },
    /// The copy's hash and signature are being checked; the card is not needed any more.
    Checking,
    /// It passed every check: the operator decides.
    Offered(Offer),
    /// It is being written into the slot that does not run; counting goes on.
    Installing {
        /// The version that is written.
        version: String,
        /// How much is written, 0 to 100.
        percent: u8,
    },
    /// It is written, and begins to run at the next start.
    ReadyToRestart {
        /// The version that begins to run.
        version: String,
    },
    /// The card's bundle is not for this device, or something failed; nothing has changed.
    Refused(Problem),
    /// How the update before this start ended; shown until the operator has seen it.
    Ended(UpdateResult),
    /// Both systems failed to start, and the factory system runs: it takes a bundle, or tries again.
    Recovery,
}

/// A bundle that may be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Lower-case hexadecimal digits; the answer has to repeat them.
    pub sha256: String,
    /// The version in the bundle.
    pub version: String,
    /// The version that runs now.
    pub running_version: String,
    /// Installing it takes a second consent.
    pub is_older: bool,
    /// Release notes in each language.
    pub notes: Notes,
}

/// Release notes, at most a few lines each; empty for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// In English.
    pub en: String,
    /// In Spanish.
    pub es: String,
    /// In French.
    pub fr: String,
}

/// Why a bundle was not taken. The kind is for the screen's words, the text for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of problem it is, for the screen.
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
    /// It was not signed by the maker, or was changed afterwards.
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
    /// The version that ran before it.
    pub from: String,
    /// The version that it was to install.
    pub to: String,
    /// Whether the new version stayed.
    pub outcome: Outcome,
    /// Why the new version was rolled back, one English sentence; empty where it was not.
    pub reason: String,
}

/// Whether the new version was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passed its trial.
    #[serde(rename = "kept")]
    Confirmed,
    /// It did not, and the previous version runs again.
    RolledBack,
}

/// The operator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// Install the offer with this hash.
    Install {
        /// The hash of the offer that was shown.
        sha256: String,
        /// The second consent: whether the operator agreed to an older version.
        is_older_agreed: bool,
    },
    /// Not now: the offer with this hash is not shown again until the card is put in anew.
    Later {
        /// The hash of the offer that was shown.
        sha256: String,
    },
    /// Restart into what was installed.
    Restart,
    /// The result, or the refusal, has been seen.
    Seen,
    /// In recovery: try the installed systems once more.
    TryAgain,
}

/// What the program has found on the device, for the boot check of a new version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The program's version.
    pub version: String,
    /// Name of the camera that has given a frame in this start; `None` while none has.
    pub camera: Option<String>,
    /// The display that shows the screen, such as `drm`; `None` for none.
    pub display: Option<String>,
    /// Whether the records can be written and are of a format that this version reads.
    pub is_data_readable: bool,
}

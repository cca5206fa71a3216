//! The arguments of `hemoscope update`.

use crate::update::boot::slots::Slot;
use crate::update::folder::UPDATE_FOLDER;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `hemoscope update`.
#[derive(Debug, Args)]
pub struct UpdateArguments {
    /// The updater's own folder.
    #[arg(long, global = true, value_name = "DIR", default_value = UPDATE_FOLDER)]
    pub folder: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: UpdateCommand,
}

/// What to do about updates.
#[derive(Debug, Subcommand)]
pub enum UpdateCommand {
    /// Prints what runs, what starts next, and what is pending.
    Status(JsonArguments),
    /// Checks a bundle: its signature, every block and, on a board, whether it is for that board.
    Check(CheckArguments),
    /// Installs a bundle into the inactive slot; it starts at the next restart.
    Install(InstallArguments),
    /// Prints what became of each update.
    History(JsonArguments),
    /// Runs the updater: waits for cards with bundles and asks the operator.
    Serve,
    /// After a start: confirms a new version or rolls it back, and marks the running slot as good.
    #[command(alias = "prove")]
    Confirm(ConfirmArguments),
    /// Prints or changes the boot state of the two slots; RAUC calls this.
    Slots(SlotsArguments),
    /// Prints the result of the built-in frame, for the model's known_answer.json.
    #[command(hide = true)]
    KnownAnswer(ModelArguments),
}

/// A command that prints something.
#[derive(Debug, Args)]
pub struct JsonArguments {
    /// Writes JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// The model, where it is the only thing that a command is told.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// Folder of the model, with manifest.toml.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
}

/// `hemoscope update check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The bundle.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Certificates to trust, instead of those of this device.
    #[arg(long, value_name = "PEM")]
    pub keyring: Option<PathBuf>,
}

/// `hemoscope update install`.
#[derive(Debug, Args)]
pub struct InstallArguments {
    /// The bundle.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Installs it even if it is older than the running version.
    #[arg(long, alias = "yes-older")]
    pub allow_downgrade: bool,
}

/// `hemoscope update confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArguments {
    /// The model to check after the start.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Description of the board, board.toml.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/usr/share/hemoscope/board.toml"
    )]
    pub board: PathBuf,
}

/// `hemoscope update slots`.
#[derive(Debug, Args)]
pub struct SlotsArguments {
    /// A disk or its image, instead of the disk of the running system.
    #[arg(long, global = true, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// What to do with the boot state.
    #[command(subcommand)]
    pub command: SlotsCommand,
}

/// What to do with the boot state. All but the first are RAUC's.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum SlotsCommand {
    /// Prints the order of the slots and the tries that each has left.
    Show,
    /// Prints the slot that is started next.
    GetPrimary,
    /// Makes a slot start next, on trial with three tries.
    SetPrimary {
        /// A or B.
        slot: Slot,
    },
    /// Prints `good` where a slot may be started, else `bad`.
    GetState {
        /// A or B.
        slot: Slot,
    },
    /// Marks a slot as good, with nine tries, or as bad: it is not started.
    SetState {
        /// A or B.
        slot: Slot,
        /// What the slot is marked as.
        mark: SlotMark,
    },
    /// Prints the slot that runs.
    GetCurrent,
}

/// What a slot is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SlotMark {
    /// The slot may be started and gets nine tries.
    Good,
    /// The slot is not started.
    Bad,
}

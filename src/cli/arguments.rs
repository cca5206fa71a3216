//! The command line.

use crate::RESEARCH_USE_NOTICE;
use crate::cli::bench::Stage;
use crate::update::boot::slots::Slot;
use crate::update::folder::UPDATE_FOLDER;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const ABOUT: &str = "Counts red cells, white cells and platelets in a stained blood smear";

/// What the command line asks for.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, long_about = format!("{ABOUT}.\n\n{RESEARCH_USE_NOTICE}"))]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What hemoscope can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Counts the cells in image files.
    Count(CountArguments),
    /// Runs the device: camera, counting, live screen.
    Run(RunArguments),
    /// Tests every part of the device against the hardware that is there.
    Selftest(SelftestArguments),
    /// Reads back what `hemoscope run --data` has written.
    Records(RecordsArguments),
    /// Lists the cameras there are, what would be taken of each, and why.
    #[cfg(target_os = "linux")]
    Cameras,
    /// Prints the configuration with every key explained, or checks a file.
    Config(ConfigArguments),
    /// Times each stage from camera to screen on this processor.
    Bench(BenchArguments),
    /// Keeps the device's system up to date: checks and installs update bundles, and tells how
    /// that went.
    Update(UpdateArguments),
}

/// Options that several commands share.
#[derive(Debug, Args)]
pub struct SharedArguments {
    /// Configuration file; without it the defaults hold (see `hemoscope config --print`).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the model, with manifest.toml.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Width of a pixel on the slide in micrometres; without it, it is estimated from red cells.
    #[arg(long, value_name = "F", value_parser = parse_um_per_px)]
    pub um_per_px: Option<f64>,
}

/// `hemoscope count`.
#[derive(Debug, Args)]
pub struct CountArguments {
    /// Image files, folders, or `-` for a list of paths on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Writes one line of JSON for each frame, in the order of the input, instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Keeps every candidate from a heat of 0.01 on under its best class, for scoring.
    #[arg(long)]
    pub all_cells: bool,
    /// Writes each frame with its cells drawn in: circle RBC, square WBC, triangle PLT.
    #[arg(long, value_name = "DIR")]
    pub overlay: Option<PathBuf>,
    /// Frames counted at once; without it, one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Runs the model's plain float form instead of the quantized one: slow, for comparison.
    #[arg(long)]
    pub plain: bool,
}

/// `hemoscope run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Description of the board, board.toml: camera, screen, model and data folder as they are on
    /// it. It stands above the configuration, and the options of this command above it.
    #[arg(long, value_name = "FILE")]
    pub board: Option<PathBuf>,
    /// Where frames come from: `v4l2` or `v4l2:PATH` (see `hemoscope cameras`), `replay:PATH`, `simulated[:SEED]`, or `simulated:SEED:unnumbered`,
    /// where only the picture tells fields apart.
    #[arg(long, value_name = "SOURCE")]
    pub camera: Option<String>,
    /// Where the screen is shown: `terminal`, `png:FILE`, `drm` for a display (or `drm:/dev/dri/card0`), `spi` for the board's small panel; may be given several times.
    #[arg(long, value_name = "PANEL")]
    pub panel: Vec<String>,
    /// Size of the screen: 320x240, 480x320 or 800x480.
    #[arg(long, value_name = "WxH")]
    pub size: Option<String>,
    /// Folder that what is counted is written into, field by field, so that it survives a power
    /// cut (see `hemoscope records`).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Ends after this many counted fields; without it, the first button (Enter in a terminal) ends
    /// each smear and starts the next one, until the source ends or on q.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub fields: Option<u32>,
}

/// `hemoscope selftest`.
#[derive(Debug, Args)]
pub struct SelftestArguments {
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Description of the board, board.toml: what has to be there.
    #[arg(long, value_name = "FILE")]
    pub board: Option<PathBuf>,
    /// Where frames come from, as for `hemoscope run`.
    #[arg(long, value_name = "SOURCE")]
    pub camera: Option<String>,
    /// Folder that what is counted would be written into.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Writes one line of JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `hemoscope records`.
#[derive(Debug, Args)]
pub struct RecordsArguments {
    /// The data folder, as given to `hemoscope run --data`.
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// What to do with the records.
    #[arg(value_enum, default_value_t = RecordsAction::List)]
    pub action: RecordsAction,
    /// This smear only, by its number.
    #[arg(long, value_name = "N")]
    pub smear: Option<u64>,
    /// Configuration file, whose rules the totals follow.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordsAction {
    /// One line for each smear.
    List,
    /// Checks every line; fails where one is torn, altered or missing.
    Verify,
    /// The table of each smear, as its run printed it.
    Total,
}

/// `hemoscope config`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ConfigArguments {
    /// Prints a configuration with every key, its default, range and meaning.
    #[arg(long)]
    pub print: bool,
    /// Checks a configuration file.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// `hemoscope bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Frames that are timed.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub frames: u32,
    /// Threads of the network.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=2))]
    pub threads: u16,
    /// A JPEG or PNG file to take instead of the built-in simulated frame of 640x480.
    #[arg(long, value_name = "FILE")]
    pub frame: Option<PathBuf>,
    /// Size of the screen that is drawn: 320x240, 480x320 or 800x480.
    #[arg(long, value_name = "WxH")]
    pub size: Option<String>,
    /// Times this stage only; may be given several times.
    #[arg(long, value_name = "STAGE", value_enum)]
    pub stage: Vec<Stage>,
    /// Writes one line of JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `hemoscope update`.
#[derive(Debug, Args)]
pub struct UpdateArguments {
    /// The updater's own folder.
    #[arg(long, global = true, value_name = "DIR", default_value = UPDATE_FOLDER)]
    pub folder: PathBuf,
    #[command(subcommand)]
    pub command: UpdateCommand,
}

/// What to do about updates.
#[derive(Debug, Subcommand)]
pub enum UpdateCommand {
    /// Prints what runs, what is started next, and what is under way.
    Status(JsonArguments),
    /// Checks a bundle: its signature, every block, and on a board whether it is for that.
    Check(CheckArguments),
    /// Installs a bundle into the slot that does not run; it runs after a restart.
    Install(InstallArguments),
    /// Prints what became of each update.
    History(JsonArguments),
    /// Waits for cards with bundles, and asks the operator: the device's updater.
    Serve,
    /// After a start: confirms a new version or rolls it back, and marks the running slot as good.
    #[command(alias = "prove")]
    Confirm(ConfirmArguments),
    /// Reads or marks the boot state of the two slots; RAUC calls this.
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
    /// Certificates of the makers to be trusted, instead of those of this device.
    #[arg(long, value_name = "PEM")]
    pub keyring: Option<PathBuf>,
}

/// `hemoscope update install`.
#[derive(Debug, Args)]
pub struct InstallArguments {
    /// The bundle.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Installs it even where an older version would take the place of a newer one.
    #[arg(long)]
    pub yes_older: bool,
}

/// `hemoscope update confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArguments {
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
    /// A disk, or a file that plays one, instead of the disk of the running system.
    #[arg(long, global = true, value_name = "FILE")]
    pub disk: Option<PathBuf>,
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
    /// Has a slot started next, on trial with three tries.
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
        mark: SlotMark,
    },
    /// Prints the slot that runs.
    GetCurrent,
}

/// What a slot is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SlotMark {
    Good,
    Bad,
}

/// The widest range that any microscope with a camera has, in micrometres a pixel.
const UM_PER_PX_RANGE: std::ops::RangeInclusive<f64> = 0.005..=5.0;

fn parse_um_per_px(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "not a number; give micrometres a pixel, such as 0.0725".to_owned())?;
    if UM_PER_PX_RANGE.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (UM_PER_PX_RANGE.start(), UM_PER_PX_RANGE.end());
    Err(format!("outside {low} to {high} micrometres a pixel"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn scales_that_are_none_are_refused() {
        let cases = [
            ("0.0725", true),
            ("1", true),
            ("0", false),
            ("-0.1", false),
            ("NaN", false),
            ("inf", false),
            ("0,07", false),
            ("", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(parse_um_per_px(text).is_ok(), accepted, "{text:?}");
        }
    }
}

//! The command line: its commands, and the options that several of them share. The arguments of a
//! command stand beside it.

use crate::RESEARCH_USE_NOTICE;
use crate::cli::bench::BenchArguments;
use crate::cli::config::ConfigArguments;
use crate::cli::count::CountArguments;
use crate::cli::records::RecordsArguments;
use crate::cli::run::RunArguments;
use crate::cli::self_test::SelftestArguments;
use crate::cli::update::UpdateArguments;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// What the exit code says, for scripts.
const EXIT_CODES: &str = "Exit code: 0 done; 1 done with findings (some inputs not counted, a check \
                          failed); 2 could not run";

const ABOUT: &str = "Counts red cells, white cells and platelets in a stained blood smear";

/// What the command line asks for.
#[derive(Debug, Parser)]
#[command(
    version,
    about = ABOUT,
    long_about = format!("{ABOUT}.\n\n{RESEARCH_USE_NOTICE}"),
    after_help = EXIT_CODES
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
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
    /// Checks and installs firmware updates, and shows what became of them.
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

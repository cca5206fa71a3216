//! The command line and its commands, whose arguments stand beside each.

use crate::RESEARCH_USE_NOTICE;
use crate::cli::bench::BenchArguments;
use crate::cli::config::ConfigArguments;
use crate::cli::count::CountArguments;
use crate::cli::records::RecordsArguments;
use crate::cli::run::RunArguments;
use crate::cli::self_test::SelftestArguments;
use crate::cli::update::UpdateArguments;
use clap::{Parser, Subcommand};

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
    /// The command to run.
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

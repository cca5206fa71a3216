//! Arguments to a run to an exit code; everything else is in the library.

use clap::Parser;
use hemoscope::cli::{self, arguments::Arguments};
use hemoscope::service;
use std::process::ExitCode;

/// Done, with findings: some inputs were not counted, or a check failed.
const FINDINGS: u8 = 1;
/// The command could not run, or not to its end. Arguments that are none end with it too.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    service::log::start();
    match cli::run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FINDINGS),
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::from(FAILED)
        }
    }
}

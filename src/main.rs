//! Arguments to a run to an exit code; everything else is in the library.

use clap::Parser;
use hemoscope::cli::{self, arguments::Arguments};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("hemoscope: {}", cli::message_of(&error));
            ExitCode::from(1)
        }
    }
}

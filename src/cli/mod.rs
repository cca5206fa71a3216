//! The program's commands, put together from the library's parts; nothing depends on this.

pub mod arguments;
pub mod bench;
#[cfg(target_os = "linux")]
pub mod cameras;
pub mod config;
pub mod count;
pub mod input_paths;
pub mod ordered_workers;
pub mod output;
pub mod records;
pub mod run;
pub mod self_test;
pub mod settings;
pub mod update;

pub use crate::runtime::message_of;

use anyhow::Result;
use arguments::{Arguments, Command};

/// Runs one command; `Ok(false)` when it ended but something was not done.
///
/// # Errors
/// What kept the command from running; its text is for the operator.
pub fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.command {
        Command::Count(arguments) => count::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Selftest(arguments) => self_test::run(arguments),
        Command::Records(arguments) => records::run(arguments),
        #[cfg(target_os = "linux")]
        Command::Cameras => cameras::run(),
        Command::Config(arguments) => config::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Update(arguments) => update::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::path::Path;

    #[test]
    fn a_cause_is_told_once() {
        let missing = Path::new("/there/is/no/such/file");
        let error = anyhow::Error::from(crate::config::Config::load(missing).unwrap_err());
        assert_eq!(message_of(&error), error.to_string());
        assert!(format!("{error:#}").len() > error.to_string().len());
        let error = std::fs::read(missing).context("the card").unwrap_err();
        assert_eq!(message_of(&error), format!("{error:#}"));
    }
}

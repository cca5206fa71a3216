//! The program's commands, put together from the library's parts; nothing depends on this.

pub mod arguments;
pub mod bench;
#[cfg(target_os = "linux")]
pub mod cameras;
pub mod config;
pub mod count;
pub mod input_paths;
pub mod output;
pub mod records;
pub mod run;
pub mod self_test;
pub mod settings;
pub mod shared_arguments;
pub mod update;

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

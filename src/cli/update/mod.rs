//! `hemoscope update`: what keeps the device's system up to date.

mod arguments;
mod commands;
mod confirm;
mod slots;

use crate::analysis::known_answer;
use crate::cli::output::print;
use crate::cli::settings::model_location;
use crate::config::ModelConfig;
use crate::network::Network;
use anyhow::Result;

pub use arguments::*;

/// Runs one of the commands; `Ok(false)` when it ended but something was not done.
///
/// # Errors
/// What kept the command from running; its text is for the operator.
pub fn run(arguments: &UpdateArguments) -> Result<bool> {
    let folder = &arguments.folder;
    match &arguments.command {
        UpdateCommand::Status(arguments) => commands::status(arguments, folder),
        UpdateCommand::Check(arguments) => Ok(commands::check(arguments)),
        UpdateCommand::Install(arguments) => commands::install(arguments, folder),
        UpdateCommand::History(arguments) => commands::history(arguments, folder),
        UpdateCommand::Serve => commands::serve(folder),
        UpdateCommand::Confirm(arguments) => confirm::run(arguments, folder),
        UpdateCommand::Slots(arguments) => slots::run(arguments),
        UpdateCommand::KnownAnswer(arguments) => {
            let model = model_location(&ModelConfig::default().folder, arguments.model.as_ref());
            let network = Network::load(&model.folder()?)?;
            let answer = serde_json::to_string(&known_answer::count(network)?)?;
            print(&(answer + "\n"))?;
            Ok(true)
        }
    }
}

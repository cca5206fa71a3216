//! `hemoscope update`: what keeps the device's system up to date.

mod commands;
mod device;
mod prove;
mod slots;

use crate::analysis::known_answer;
use crate::cli::arguments::{ModelArguments, SharedArguments, UpdateArguments, UpdateCommand};
use crate::network::Network;
use crate::runtime::settings::Setup;
use anyhow::{Context, Result};
use std::io::{self, Write};

/// Runs one of the commands; `Ok(false)` when it ended but something was not done.
///
/// # Errors
/// What kept the command from running; its text is for the operator.
pub fn run(arguments: &UpdateArguments) -> Result<bool> {
    let folder = &arguments.folder;
    match &arguments.command {
        UpdateCommand::Status(arguments) => commands::status(arguments, folder),
        UpdateCommand::Check(arguments) => commands::check(arguments),
        UpdateCommand::Install(arguments) => commands::install(arguments, folder),
        UpdateCommand::History(arguments) => commands::history(arguments, folder),
        UpdateCommand::Serve => commands::serve(folder),
        UpdateCommand::Prove(arguments) => prove::run(arguments, folder),
        UpdateCommand::Slots(arguments) => slots::run(arguments),
        UpdateCommand::KnownAnswer(arguments) => {
            let setup = default_setup(arguments)?;
            let network = Network::load(&setup.model_folder()?)?;
            let answer = serde_json::to_string(&known_answer::count(&setup, network)?)?;
            writeln!(io::stdout(), "{answer}").context("standard output cannot be written")?;
            Ok(true)
        }
    }
}

/// The default configuration, whatever the device is set to.
fn default_setup(arguments: &ModelArguments) -> Result<Setup> {
    Setup::load(&SharedArguments {
        config: None,
        model: arguments.model.clone(),
        um_per_px: None,
    })
}

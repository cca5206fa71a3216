//! `hemoscope update`: what keeps the device's system up to date.

mod slots;

use super::arguments::{UpdateArguments, UpdateCommand};
use anyhow::Result;

/// Runs one of the commands; `Ok(false)` when it ended but something was not done.
///
/// # Errors
/// What kept the command from running; its text is for the operator.
pub fn run(arguments: &UpdateArguments) -> Result<bool> {
    match &arguments.command {
        UpdateCommand::Slots(arguments) => slots::run(arguments),
    }
}

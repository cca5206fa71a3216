//! `hemoscope config`: the documented defaults, and a check of a file.

use crate::cli::arguments::ConfigArguments;
use crate::config::Config;
use anyhow::{Context, Result};
use std::io::{self, Write};

/// Prints the defaults, or checks a file and says so.
///
/// # Errors
/// A configuration with a mistake, or a standard output that cannot be written.
pub fn run(arguments: &ConfigArguments) -> Result<bool> {
    let text = match &arguments.check {
        Some(path) => {
            Config::load(path)?;
            format!("{}: no mistake found\n", path.display())
        }
        None => Config::documented_toml(),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("standard output cannot be written")?;
    Ok(true)
}

//! `hemoscope config`: the documented defaults, and a check of a file.

use crate::cli::output::print;
use crate::config::{Config, ConfigError};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// `hemoscope config`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ConfigArguments {
    /// Prints a configuration with every key, its default, range and meaning.
    #[arg(long)]
    pub print: bool,
    /// Checks a configuration file.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// Prints the defaults, or checks a file and says what it found; `Ok(false)` for a mistake.
///
/// # Errors
/// A file that cannot be read, or a standard output that cannot be written.
pub fn run(arguments: &ConfigArguments) -> Result<bool> {
    let Some(path) = &arguments.check else {
        print(&Config::documented_toml())?;
        return Ok(true);
    };
    match Config::load(path) {
        Ok(_) => {
            print(&format!("{}: no mistake found\n", path.display()))?;
            Ok(true)
        }
        Err(error @ ConfigError::Unreadable { .. }) => Err(error.into()),
        Err(mistake) => {
            log::error!("{mistake}");
            Ok(false)
        }
    }
}

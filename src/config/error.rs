//! Why a settings file or a board description was refused.

use std::io;
use thiserror::Error;

/// The largest settings file, in bytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024;

/// Why a settings file was refused. Every message names the file (`name`), and the line where
/// there is one (from 1).
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is missing or cannot be read.
    #[error("{name} cannot be read: {cause}; check the path{hint}")]
    Unreadable {
        name: String,
        cause: io::Error,
        /// What else may help, after a comma; empty for nothing.
        hint: &'static str,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error(
        "{name} is larger than {MAX_FILE_BYTES} bytes, which no settings file is; check the path"
    )]
    TooLarge { name: String },
    /// The file is no text.
    #[error("{name}, line {line}: not UTF-8 text; save the file as UTF-8, or check the path")]
    NotUtf8 { name: String, line: usize },
    /// The file is no TOML.
    #[error("{name}, line {line}: {message}; correct the line (the file is TOML)")]
    Syntax {
        name: String,
        line: usize,
        message: String,
    },
    /// A table that does not exist.
    #[error("{name}: unknown table [{table}], line {line}; did you mean [{nearest}]?")]
    UnknownTable {
        name: String,
        table: String,
        line: usize,
        nearest: &'static str,
    },
    /// A key that does not exist where it stands.
    #[error("{name}: unknown key `{key}` {place}, line {line}; did you mean {suggestion}?")]
    UnknownKey {
        name: String,
        key: String,
        /// `in [table]`, or `outside any table`.
        place: String,
        line: usize,
        /// The nearest known key, with its table where that is another one.
        suggestion: String,
    },
    /// A key that must be given.
    #[error("{name}: `{key}` {place} is missing; give {expected}")]
    MissingKey {
        name: String,
        key: &'static str,
        place: String,
        expected: String,
    },
    /// A name that stands for a table, with something else in it.
    #[error("{name}: `{table}` is a table, line {line}; write [{table}] and its keys below")]
    NotATable {
        name: String,
        table: &'static str,
        line: usize,
    },
    /// A value of the wrong type.
    #[error("{name}: `{key}` {place}, line {line}, is {found}; give {expected}")]
    WrongType {
        name: String,
        key: &'static str,
        place: String,
        line: usize,
        found: &'static str,
        expected: String,
    },
    /// A value that the key does not allow.
    #[error("{name}: `{key}` {place}, line {line}, cannot be {value}; give {expected}")]
    NotAllowed {
        name: String,
        key: &'static str,
        place: String,
        line: usize,
        value: String,
        expected: String,
    },
    /// No brightness would be accepted.
    #[error(
        "{name}: dark_below ({dark_below}) must be less than bright_above ({bright_above}) in \
         [quality], or no frame passes; lower the first or raise the second"
    )]
    NoBrightnessLeft {
        name: String,
        dark_below: f64,
        bright_above: f64,
    },
}

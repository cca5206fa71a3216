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
        /// The file, as messages name it.
        name: String,
        /// Why it cannot be read.
        cause: io::Error,
        /// What else may help, after a comma; empty for nothing.
        hint: &'static str,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error(
        "{name} is larger than {MAX_FILE_BYTES} bytes, which no settings file is; check the path"
    )]
    TooLarge {
        /// The file, as messages name it.
        name: String,
    },
    /// The file is no text.
    #[error("{name}, line {line}: not UTF-8 text; save the file as UTF-8, or check the path")]
    NotUtf8 {
        /// The file, as messages name it.
        name: String,
        /// The line of the first byte that is not UTF-8, from 1.
        line: usize,
    },
    /// The file is no TOML.
    #[error("{name}, line {line}: {message}; correct the line (the file is TOML)")]
    Syntax {
        /// The file, as messages name it.
        name: String,
        /// Where it stands, from 1.
        line: usize,
        /// What the TOML parser says about it.
        message: String,
    },
    /// A table that does not exist.
    #[error("{name}: unknown table [{table}], line {line}; did you mean [{nearest}]?")]
    UnknownTable {
        /// The file, as messages name it.
        name: String,
        /// The name as it was written.
        table: String,
        /// Where it stands, from 1.
        line: usize,
        /// The known table with the most similar name.
        nearest: &'static str,
    },
    /// A key that does not exist where it stands.
    #[error("{name}: unknown key `{key}` {place}, line {line}; did you mean {suggestion}?")]
    UnknownKey {
        /// The file, as messages name it.
        name: String,
        /// The name as it was written.
        key: String,
        /// `in [table]`, or `outside any table`.
        place: String,
        /// Where it stands, from 1.
        line: usize,
        /// The nearest known key, with its table where that is another one.
        suggestion: String,
    },
    /// A key that must be given.
    #[error("{name}: `{key}` {place} is missing; give {expected}")]
    MissingKey {
        /// The file, as messages name it.
        name: String,
        /// The name of the key.
        key: &'static str,
        /// `in [table]`, or `outside any table`.
        place: String,
        /// Type and range that the key takes, in words.
        expected: String,
    },
    /// A name that stands for a table, with something else in it.
    #[error("{name}: `{table}` is a table, line {line}; write [{table}] and its keys below")]
    NotATable {
        /// The file, as messages name it.
        name: String,
        /// The name of the table.
        table: &'static str,
        /// Where it stands, from 1.
        line: usize,
    },
    /// A value of the wrong type.
    #[error("{name}: `{key}` {place}, line {line}, is {found}; give {expected}")]
    WrongType {
        /// The file, as messages name it.
        name: String,
        /// The name of the key.
        key: &'static str,
        /// `in [table]`, or `outside any table`.
        place: String,
        /// Where it stands, from 1.
        line: usize,
        /// The type that was found, with its article.
        found: &'static str,
        /// Type and range that the key takes, in words.
        expected: String,
    },
    /// A value that the key does not allow.
    #[error("{name}: `{key}` {place}, line {line}, cannot be {value}; give {expected}")]
    NotAllowed {
        /// The file, as messages name it.
        name: String,
        /// The name of the key.
        key: &'static str,
        /// `in [table]`, or `outside any table`.
        place: String,
        /// Where it stands, from 1.
        line: usize,
        /// The value as it was written, shortened where it is long.
        value: String,
        /// Type and range that the key takes, in words.
        expected: String,
    },
    /// No brightness would be accepted.
    #[error(
        "{name}: dark_below ({dark_below}) must be less than bright_above ({bright_above}) in \
         [quality], or no frame passes; lower the first or raise the second"
    )]
    NoBrightnessLeft {
        /// The file, as messages name it.
        name: String,
        /// The level of the background below which a frame is too dark, 0 to 255.
        dark_below: f64,
        /// The level of the background above which a frame is too bright, 0 to 255.
        bright_above: f64,
    },
}

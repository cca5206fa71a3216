//! Why records cannot be written or read.

use super::layout::{MAX_PARTS, MAX_SIDE_FILES};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why records cannot be written or read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The system refused something.
    #[error("{} cannot be {doing}: {cause}; {}", .path.display(), advice(.cause))]
    Io {
        /// What could not be done, as in "cannot be written".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Stands in the message, so it is no source of its own.
        cause: io::Error,
    },
    /// Another process writes there.
    #[error(
        "{} is used by another hemoscope; stop that one, or give another folder with --data",
        .path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Numbers of files end.
    #[error("smear {smear} has more than {MAX_PARTS} files of records; start another smear")]
    TooManyParts {
        /// The smear's number.
        smear: u64,
    },
    /// A newer version has written here.
    #[error(
        "the records in {} are of format {found}, and this version knows {known}; update to a \
         newer version, or give another folder",
        .path.display()
    )]
    NewerFormat {
        /// The folder of the records.
        path: PathBuf,
        /// The format that the records are in.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// The file of the format holds something else.
    #[error(
        "{} names no format of this version ({reason}); write its format there, or give another \
         folder",
        .path.display()
    )]
    UnknownFormat {
        /// The file that should name the format.
        path: PathBuf,
        /// What it holds instead.
        reason: String,
    },
    /// Numbers of places for the quarantine end.
    #[error("more than {MAX_SIDE_FILES} torn ends lie beside {}; move them away", .path.display())]
    TooManySideFiles {
        /// The file, or folder of older records, that was to be moved aside.
        path: PathBuf,
    },
}

impl RecordError {
    pub(super) fn of(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            cause,
        }
    }

    /// Whether there was only no room: what is kept can be read, and written again later.
    pub(super) fn is_lack_of_room(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Io { cause, .. } => {
                matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge)
            }
            _ => false,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => "free some space, or put a larger card in",
        ReadOnlyFilesystem => "take off the card's write protection, or put another card in",
        PermissionDenied => "give this user the folder",
        NotFound | NotADirectory | AlreadyExists => {
            "check the folder's path, and that its card is in"
        }
        _ => "check the card",
    }
}

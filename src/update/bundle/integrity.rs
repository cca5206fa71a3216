//! Whether a file of the updater's folder is a bundle, and as it was signed.

use crate::update::bundle::manifest::Manifest;
use crate::update::bundle::verity::{self, VerityError};
use crate::update::folder::Folder;
use crate::update::protocol::{Problem, ProblemKind};
use std::io::{self, Read, Seek};

/// The first bytes of a squashfs, with which a bundle begins.
const BUNDLE_MAGIC: &[u8; 4] = b"hsqs";

/// Checks that a file begins as a bundle does, before RAUC looks at it.
///
/// # Errors
/// It does not, or cannot be read.
pub fn check_bundle(folder: &impl Folder, name: &str) -> Result<(), Problem> {
    let not_a_bundle = |reason: String| {
        let text =
            format!("the file is not an update bundle ({reason}); copy it to the card again");
        Problem::new(ProblemKind::Unreadable, text)
    };
    let mut start = [0; BUNDLE_MAGIC.len()];
    let opened = folder
        .open(name)
        .map_err(|error| not_a_bundle(error.to_string()))?;
    let mut file = opened.ok_or_else(|| not_a_bundle("it no longer exists".to_owned()))?;
    file.read_exact(&mut start)
        .map_err(|error| not_a_bundle(error.to_string()))?;
    if start != *BUNDLE_MAGIC {
        return Err(not_a_bundle("it does not start like one".to_owned()));
    }
    Ok(())
}

/// Checks every block of a bundle against its signed manifest.
///
/// # Errors
/// A block was changed, or the file cannot be read.
pub fn check_blocks(folder: &impl Folder, name: &str, manifest: &Manifest) -> Result<(), Problem> {
    let checked = match folder.open(name) {
        Ok(Some(mut file)) => file
            .seek(io::SeekFrom::End(0))
            .map_err(VerityError::Read)
            .and_then(|bytes| verity::check(file, bytes, &manifest.verity)),
        Ok(None) => Err(VerityError::Read(io::ErrorKind::NotFound.into())),
        Err(error) => Err(VerityError::Read(error)),
    };
    checked.map_err(|error| {
        let kind = match error {
            VerityError::Read(_) => ProblemKind::Unreadable,
            _ => ProblemKind::NotGenuine,
        };
        let text = format!(
            "the bundle was changed after it was signed: {error}; copy it to the card again"
        );
        Problem::new(kind, text)
    })
}

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
    let no_bundle = |reason: String| {
        let text = format!("the file is no update bundle ({reason}); copy it to the card again");
        Problem::new(ProblemKind::Unreadable, text)
    };
    let mut start = [0; BUNDLE_MAGIC.len()];
    let opened = folder
        .open(name)
        .map_err(|error| no_bundle(error.to_string()))?;
    let mut file = opened.ok_or_else(|| no_bundle("it is gone".to_owned()))?;
    file.read_exact(&mut start)
        .map_err(|error| no_bundle(error.to_string()))?;
    if start != *BUNDLE_MAGIC {
        return Err(no_bundle("it does not begin as one".to_owned()));
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
        let text =
            format!("the bundle is not as it was signed: {error}; copy it to the card again");
        Problem::new(kind, text)
    })
}

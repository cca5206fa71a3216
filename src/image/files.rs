//! The image files that a path stands for: itself, or all below a folder, by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Images that one path may stand for at most.
pub const MAX_IMAGES: usize = 10_000_000;
/// Folders within folders at most; a link that leads back to itself ends here.
const MAX_DEPTH: usize = 32;
/// What a file in a folder must be called to be taken for an image.
const IMAGE_ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Why a path stands for no image.
#[derive(Debug, Error)]
pub enum ListError {
    /// A folder cannot be listed.
    #[error("{path}: cannot be read: {cause}; check the name and the rights", path = path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// No PNG or JPEG file lies in the folder or below it.
    #[error(
        "{path}: no image in this folder; PNG and JPEG files are looked for, in folders below too",
        path = path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Folders are nested too deep, perhaps by a link to a folder above.
    #[error("{path}: folders lie more than {MAX_DEPTH} deep; name a folder further down", path = path.display())]
    TooDeep {
        /// The folder that is too deep.
        path: PathBuf,
    },
    /// More images than are listed at a time.
    #[error("{path}: more than {MAX_IMAGES} images below it; name a part of them at a time", path = path.display())]
    TooMany {
        /// The folder at which the limit was reached.
        path: PathBuf,
    },
}

/// A folder stands for the images in it and in the folders below, sorted by name; anything else
/// stands for itself.
///
/// # Errors
/// A folder that cannot be read, is too deep, or holds no image.
pub fn list(path: &Path) -> Result<Vec<PathBuf>, ListError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut images = Vec::new();
    list_folder(path, 0, &mut images)?;
    if images.is_empty() {
        return Err(ListError::EmptyFolder {
            path: path.to_path_buf(),
        });
    }
    Ok(images)
}

fn list_folder(folder: &Path, depth: usize, images: &mut Vec<PathBuf>) -> Result<(), ListError> {
    if depth > MAX_DEPTH {
        return Err(ListError::TooDeep {
            path: folder.to_path_buf(),
        });
    }
    let unreadable = |cause| ListError::Unreadable {
        path: folder.to_path_buf(),
        cause,
    };
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            list_folder(&path, depth + 1, images)?;
        } else if has_image_ending(&path) {
            images.push(path);
        }
        if images.len() > MAX_IMAGES {
            return Err(ListError::TooMany {
                path: folder.to_path_buf(),
            });
        }
    }
    Ok(())
}

/// Names that other systems leave beside images on a card, such as `._slide.jpg`.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn has_image_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        IMAGE_ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lists_its_images_by_name_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.PNG", "a.jpg", "._a.jpg", "notes.txt", "deeper/c.jpeg"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let names: Vec<_> = list(folder.path())
            .unwrap()
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            ["a.jpg", "b.PNG", "deeper/c.jpeg"].map(PathBuf::from)
        );
    }

    #[test]
    fn a_folder_without_images_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), b"").unwrap();
        let error = list(folder.path()).unwrap_err();
        assert!(matches!(error, ListError::EmptyFolder { .. }), "{error}");
    }
}

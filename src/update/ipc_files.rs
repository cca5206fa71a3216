//! Reading and writing the files between updater and screen.

use crate::device::files;
use crate::update::protocol::{MAX_PUBLISHED_BYTES, PROTOCOL_FORMAT, Published};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::Path;

/// Reads what was published; `None` where nothing is there.
///
/// # Errors
/// It is too long, malformed or of another format.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match files::open_plain(path, MAX_PUBLISHED_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    files::read_into(file, MAX_PUBLISHED_BYTES, &mut bytes)?;
    let published: Published<T> = serde_json::from_slice(&bytes)?;
    if published.format != PROTOCOL_FORMAT {
        let text = format!("it is of format {}", published.format);
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(published.content))
}

/// Reads what was published, and removes the file whatever it holds.
///
/// # Errors
/// As [`read`].
pub fn take<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let content = read(path);
    if !matches!(content, Ok(None)) {
        fs::remove_file(path)?;
    }
    content
}

/// Publishes something: the file is put in place whole.
///
/// # Errors
/// It cannot be written.
pub fn publish(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let published = Published {
        format: PROTOCOL_FORMAT,
        content,
    };
    files::replace(path, &serde_json::to_vec(&published)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::protocol::{Answer, UpdateState};
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_published_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.json");
        assert_eq!(take::<Answer>(&path).unwrap(), None);
        publish(&path, &Answer::Restart).unwrap();
        assert_eq!(read(&path).unwrap(), Some(Answer::Restart));
        assert_eq!(take(&path).unwrap(), Some(Answer::Restart));
        assert_eq!(take::<Answer>(&path).unwrap(), None);
        publish(&path, &UpdateState::Copying { percent: 3 }).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"format":1,"state":"copying","percent":3}"#);
    }

    #[test]
    fn what_is_not_an_answer_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.json");
        let secret = folder.path().join("secret");
        fs::write(&secret, r#"{"format":1,"answer":"restart"}"#).unwrap();
        let long = " ".repeat(MAX_PUBLISHED_BYTES as usize + 1);
        for text in ["", "{", r#"{"format":2,"answer":"restart"}"#, "[1]", &long] {
            fs::write(&path, text).unwrap();
            assert!(take::<Answer>(&path).is_err(), "{text:.20}");
            assert!(!path.exists());
        }
        symlink(&secret, &path).unwrap();
        assert!(take::<Answer>(&path).is_err());
        assert!(secret.exists() && !path.exists());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("answer.json");
            fs::write(&path, bytes).unwrap();
            prop_assert!(take::<Answer>(&path).is_err());
        }
    }
}

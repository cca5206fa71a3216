//! Reading and writing the files between updater and screen.

use crate::device::files;
use crate::update::protocol::{MAX_TALK_BYTES, TALK_FORMAT, Told};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::Path;

/// Reads what was told; `None` where nothing is there.
///
/// # Errors
/// It is too long, malformed or of another format.
pub fn hear<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match files::open_plain(path, MAX_TALK_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    files::read_into(file, MAX_TALK_BYTES, &mut bytes)?;
    let told: Told<T> = serde_json::from_slice(&bytes)?;
    if told.format != TALK_FORMAT {
        let text = format!("it is of format {}", told.format);
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(told.content))
}

/// Reads what was told and takes it away, whatever it is.
///
/// # Errors
/// As [`hear`].
pub fn hear_once<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let heard = hear(path);
    if !matches!(heard, Ok(None)) {
        fs::remove_file(path)?;
    }
    heard
}

/// Tells something: the file is put in place whole.
///
/// # Errors
/// It cannot be written.
pub fn tell(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let told = Told {
        format: TALK_FORMAT,
        content,
    };
    files::replace(path, &serde_json::to_vec(&told)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::protocol::{Answer, UpdateState};
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_told_is_heard_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.json");
        assert_eq!(hear_once::<Answer>(&path).unwrap(), None);
        tell(&path, &Answer::Restart).unwrap();
        assert_eq!(hear(&path).unwrap(), Some(Answer::Restart));
        assert_eq!(hear_once(&path).unwrap(), Some(Answer::Restart));
        assert_eq!(hear_once::<Answer>(&path).unwrap(), None);
        tell(&path, &UpdateState::Copying { percent: 3 }).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"format":1,"state":"copying","percent":3}"#);
    }

    #[test]
    fn what_is_no_answer_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.json");
        let secret = folder.path().join("secret");
        fs::write(&secret, r#"{"format":1,"answer":"restart"}"#).unwrap();
        let long = " ".repeat(MAX_TALK_BYTES as usize + 1);
        for text in ["", "{", r#"{"format":2,"answer":"restart"}"#, "[1]", &long] {
            fs::write(&path, text).unwrap();
            assert!(hear_once::<Answer>(&path).is_err(), "{text:.20}");
            assert!(!path.exists());
        }
        symlink(&secret, &path).unwrap();
        assert!(hear_once::<Answer>(&path).is_err());
        assert!(secret.exists() && !path.exists());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("answer.json");
            fs::write(&path, bytes).unwrap();
            prop_assert!(hear_once::<Answer>(&path).is_err());
        }
    }
}

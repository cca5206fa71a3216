//! The images that a command was given: files, folders and lists on standard input.

use crate::device::files::read_line;
use crate::image::files::{self, ListError};
use std::io::BufRead;
use std::path::PathBuf;
use thiserror::Error;

/// The longest line of a list, in bytes.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Why an input names no image.
#[derive(Debug, Error)]
pub enum InputError {
    /// A file or folder that cannot be listed.
    #[error(transparent)]
    List(#[from] ListError),
    /// A line of the list on standard input that cannot be read, is too long or is not UTF-8.
    #[error("the list on standard input, line {line}: {reason}")]
    BadLine {
        /// The line in the list, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Expands one argument: a folder becomes its images by name, anything else stays as given.
///
/// # Errors
/// As [`files::list`].
pub fn expand(path: &std::path::Path) -> Result<Vec<PathBuf>, InputError> {
    Ok(files::list(path)?)
}

/// Reads paths, one a line, as they come; empty lines are passed over.
pub struct PathLines<R> {
    reader: R,
    line: usize,
}

impl<R: BufRead> PathLines<R> {
    /// Starts at the reader's place.
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0 }
    }

    fn read_line(&mut self) -> Result<Option<String>, InputError> {
        self.line += 1;
        let bad = |reason: String| InputError::BadLine {
            line: self.line,
            reason,
        };
        let mut bytes = Vec::new();
        read_line(&mut self.reader, MAX_LINE_BYTES, &mut bytes)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() as u64 == MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
            return Err(bad(format!("longer than {MAX_LINE_BYTES} bytes: no path")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| bad("not UTF-8; give each path in UTF-8".to_owned()))?;
        Ok(Some(text))
    }
}

impl<R: BufRead> Iterator for PathLines<R> {
    type Item = Result<PathBuf, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line().transpose()? {
                Err(error) => return Some(Err(error)),
                Ok(line) => {
                    let path = line.trim_end_matches(['\n', '\r']);
                    if !path.is_empty() {
                        return Some(Ok(PathBuf::from(path)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_give_paths_and_name_the_faulty_line() {
        let list = PathLines::new(&b"a.png\r\n\n b c.jpg\nlast.png"[..]);
        let paths: Vec<_> = list.map(Result::unwrap).collect();
        assert_eq!(paths, ["a.png", " b c.jpg", "last.png"].map(PathBuf::from));

        let mut list = PathLines::new(&b"a.png\n\xff\xfe\nb.png\n"[..]);
        assert!(list.next().unwrap().is_ok());
        let error = list.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(list.next().unwrap().unwrap(), PathBuf::from("b.png"));

        let endless = vec![b'x'; MAX_LINE_BYTES as usize + 10];
        let error = PathLines::new(&endless[..]).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
    }
}

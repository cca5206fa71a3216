//! A line of text in memory of fixed size, so that drawing numbers allocates nothing.

use std::fmt;
use std::ops::Deref;

/// Bytes of text that a line holds: more than fits on the widest screen in the smallest type.
const MAX_BYTES: usize = 512;

/// A short text. What does not fit is left out, and [`FixedString::is_cut`] says so.
#[derive(Clone)]
pub struct FixedString {
    bytes: [u8; MAX_BYTES],
    length: usize,
    is_cut: bool,
}

impl FixedString {
    /// No text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; MAX_BYTES],
            length: 0,
            is_cut: false,
        }
    }

    /// The text of `format_args!`.
    pub fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut line = Self::new();
        // The line itself never fails; a value that cannot be written ends the text.
        let _ = fmt::Write::write_fmt(&mut line, arguments);
        line
    }

    /// Adds a character where there is room.
    pub fn push(&mut self, character: char) {
        let end = self.length + character.len_utf8();
        match self.bytes.get_mut(self.length..end) {
            Some(room) if !self.is_cut => {
                character.encode_utf8(room);
                self.length = end;
            }
            _ => self.is_cut = true,
        }
    }

    /// Adds a text as far as there is room.
    pub fn push_str(&mut self, text: &str) {
        match self.bytes.get_mut(self.length..self.length + text.len()) {
            Some(room) if !self.is_cut => {
                room.copy_from_slice(text.as_bytes());
                self.length += text.len();
            }
            _ => text.chars().for_each(|character| self.push(character)),
        }
    }

    /// Shortens the text to `length` bytes, which must be the start of a character.
    pub fn truncate(&mut self, length: usize) {
        debug_assert!(self.is_char_boundary(length));
        self.is_cut |= length < self.length;
        self.length = self.length.min(length);
    }

    /// Whether something did not fit or was taken off.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl Default for FixedString {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for FixedString {
    type Target = str;

    fn deref(&self) -> &str {
        // Only whole characters are ever put in.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl From<&str> for FixedString {
    fn from(text: &str) -> Self {
        let mut line = Self::new();
        line.push_str(text);
        line
    }
}

impl fmt::Write for FixedString {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl fmt::Display for FixedString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}

impl PartialEq<&str> for FixedString {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Debug for FixedString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

/// A [`FixedString`] written as `format!` writes a `String`.
macro_rules! fixed_format {
    ($($part:tt)*) => {
        $crate::ui::fixed_string::FixedString::of(format_args!($($part)*))
    };
}
pub(super) use fixed_format;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_up_to_the_last_whole_character() {
        let short = FixedString::of(format_args!("{} ±{}", 12, "é"));
        assert_eq!((&*short, short.is_cut()), ("12 ±é", false));
        let long = FixedString::from("x".repeat(MAX_BYTES - 1).as_str());
        let mut full = long.clone();
        full.push('é');
        assert_eq!((full.len(), full.is_cut()), (MAX_BYTES - 1, true));
        full.push('x');
        assert_eq!(full.len(), MAX_BYTES - 1, "nothing goes behind a gap");
        let mut wide = long;
        wide.push_str("xyz");
        assert_eq!((wide.len(), wide.is_cut()), (MAX_BYTES, true));
        wide.truncate(3);
        assert_eq!(&*wide, "xxx");
    }
}

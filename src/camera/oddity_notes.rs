//! Tells of images that are odd although no pixel of them is in doubt: each kind once, since a
//! camera that makes such images makes all of them so.

use crate::decode::Oddities;
use std::fmt::Display;
use std::mem;

/// What was told, and what is still to be said.
#[derive(Debug, Default)]
pub(super) struct OddityNotes {
    has_told_stray_bytes: bool,
    has_told_missing_end: bool,
    notes: Vec<String>,
}

impl OddityNotes {
    /// Looks at what was odd about an image; `image` stands for it in the note.
    pub(super) fn see(&mut self, image: impl Display, oddities: Oddities) {
        let is_new = oddities.stray_bytes > 0 && !self.has_told_stray_bytes
            || oddities.lacks_end && !self.has_told_missing_end;
        if is_new {
            self.has_told_stray_bytes |= oddities.stray_bytes > 0;
            self.has_told_missing_end |= oddities.lacks_end;
            self.notes.push(format!(
                "{image} has {oddities}; every pixel is as it was coded, and more of this kind \
                 are not told"
            ));
        }
    }

    /// What there is to say.
    pub(super) fn drain(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once() {
        let mut notes = OddityNotes::default();
        let seen = [(0, false), (2, false), (5, false), (0, true), (1, true)];
        let told: Vec<usize> = seen
            .into_iter()
            .map(|(stray_bytes, lacks_end)| {
                let oddities = Oddities {
                    stray_bytes,
                    lacks_end,
                };
                notes.see("frame 3", oddities);
                notes.drain().len()
            })
            .collect();
        assert_eq!(told, [0, 1, 0, 1, 0]);
    }
}

//! Which pixel format a camera is opened in, where it keeps sending bad frames in one of them.

use super::driver::CameraNode;
use super::select_format::{
    Choice, FourCc, OfferedFormat, PixelFormat, Refused, StreamPreferences, select_format,
};
use std::mem;
use std::path::PathBuf;

/// Bad frames in a row after which another format is tried. A cable that is touched spoils two or
/// three; a third of a second of bad ones at the usual rate is no accident.
const BAD_FRAMES: u32 = 10;
/// Changes of format for one camera: each of two formats gets a second chance, then the last one
/// stays, and the run says that its frames are lost.
const MAX_CHANGES: u32 = 3;

/// What a camera is to be opened in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    pub choice: Choice,
    /// What there is instead of that format.
    pub other: Option<PixelFormat>,
}

/// The trials of one camera. They outlive its reopening, and start anew with another camera.
#[derive(Debug, Default)]
pub(super) struct FormatTrial {
    camera: Option<(PathBuf, String)>,
    /// The format that was left last.
    left: Option<PixelFormat>,
    changes: u32,
    bad_in_a_row: u32,
}

impl FormatTrial {
    /// Chooses for a camera that is opened: the best format but the one that was left last, where
    /// there is another; and what there would be instead of it.
    ///
    /// # Errors
    /// As [`select_format`].
    pub(super) fn choose(
        &mut self,
        node: &CameraNode,
        preferences: &StreamPreferences,
    ) -> Result<Chosen, Vec<(FourCc, Refused)>> {
        let is_same = self
            .camera
            .as_ref()
            .is_some_and(|(path, card)| *path == node.path && *card == node.card);
        if !is_same {
            *self = Self {
                camera: Some((node.path.clone(), node.card.clone())),
                ..Self::default()
            };
        }
        self.bad_in_a_row = 0;
        let best = select_format(&node.formats, preferences)?;
        let without = |format| {
            let is_other = |one: &&OfferedFormat| PixelFormat::of(one.name) != Ok(format);
            let others: Vec<_> = node.formats.iter().filter(is_other).cloned().collect();
            select_format(&others, preferences).ok()
        };
        let choice = self.left.and_then(without).unwrap_or(best);
        let other = without(choice.format).map(|choice| choice.format);
        Ok(Chosen { choice, other })
    }

    /// A frame was good.
    pub(super) fn good(&mut self) {
        self.bad_in_a_row = 0;
    }

    /// The camera could not be opened as it was chosen: the best format is good enough again.
    pub(super) fn could_not_open(&mut self) {
        self.left = None;
    }

    /// A frame in this format was bad, and the camera has another. The number of bad frames in a
    /// row, where it is to be opened in that one.
    pub(super) fn bad(&mut self, format: PixelFormat) -> Option<u32> {
        self.bad_in_a_row += 1;
        if self.bad_in_a_row < BAD_FRAMES || self.changes >= MAX_CHANGES {
            return None;
        }
        self.changes += 1;
        self.left = Some(format);
        Some(mem::take(&mut self.bad_in_a_row))
    }
}

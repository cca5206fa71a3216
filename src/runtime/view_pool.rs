//! The small images that the screen shows: taken once, filled again and again.

use crate::detect::MAX_CELLS;
use crate::image::frame::Frame;
use crate::image::preview::{fitted_size_px, resize_into};
use crate::quality::Quality;
use crate::session::smear::{FieldStanding, FrameView};
use std::sync::{Mutex, PoisonError};

/// The small images that no thread has at present.
#[derive(Debug)]
pub struct ViewPool {
    #[expect(clippy::vec_box, reason = "views are handed on in their boxes")]
    idle: Mutex<Vec<Box<FrameView>>>,
    /// The room that the screen has for an image.
    room_px: (u32, u32),
    /// How many there are.
    views: usize,
}

impl ViewPool {
    /// Takes the memory of so many views, for a screen that has this room for an image.
    ///
    /// # Panics
    /// Where the room is none for a frame; those of all screens are.
    #[allow(clippy::expect_used, reason = "every screen has room for an image")]
    pub fn new(views: usize, room_px: (u32, u32)) -> Self {
        let view = || {
            let image = Frame::filled(room_px.0, room_px.1, [0; 3]).expect("room for an image");
            Box::new(FrameView {
                image,
                cells: Vec::with_capacity(MAX_CELLS),
                ..FrameView::default()
            })
        };
        Self {
            idle: Mutex::new((0..views).map(|_| view()).collect()),
            room_px,
            views,
        }
    }

    /// A view of a frame, without cells.
    pub fn view(&self, frame: &Frame, field: Option<u64>, quality: Quality) -> Box<FrameView> {
        // There is always one left where as many were taken as can be in use.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = idle.pop().unwrap_or_default();
        drop(idle);
        let frame_px = (frame.width_px(), frame.height_px());
        let image_px = fitted_size_px(frame_px.0, frame_px.1, self.room_px);
        // A size within that of the screen is one that a frame can have.
        let _ = resize_into(frame, image_px, &mut view.image);
        view.frame_px = frame_px;
        view.field = field;
        view.standing = FieldStanding::Open;
        view.quality = quality;
        view.is_analysed = false;
        view.cells.clear();
        view.is_forced = false;
        view.rbc_diameter_q4 = 0;
        view.unexplained_permille = 0;
        view
    }

    /// Takes back a view that is no longer shown.
    pub fn give_back(&self, view: Box<FrameView>) {
        // A thread that failed leaves a whole list behind.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.views {
            idle.push(view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_filled_again_in_their_own_memory() {
        let pool = ViewPool::new(1, (160, 120));
        let frame = Frame::filled(1600, 1200, [9, 8, 7]).unwrap();
        let mut view = pool.view(&frame, Some(3), Quality::NOTHING_SEEN);
        view.is_analysed = true;
        assert_eq!(view.frame_px, (1600, 1200));
        assert_eq!(view.image, Frame::filled(160, 120, [9, 8, 7]).unwrap());
        let place = view.image.rgb().as_ptr();
        pool.give_back(view);
        let square = Frame::filled(50, 50, [1; 3]).unwrap();
        let view = pool.view(&square, None, Quality::NOTHING_SEEN);
        assert_eq!((view.image.width_px(), view.field), (120, None));
        assert_eq!(view.cells_found(), None);
        assert_eq!(view.image.rgb().as_ptr(), place);
    }
}

//! The small images that the screen shows: taken once, filled again and again.

use crate::assessment::FieldColours;
use crate::cell::SUBPIXELS;
use crate::detect::MAX_CELLS;
use crate::image::frame::Frame;
use crate::image::hatch::hatch;
use crate::image::preview::{fitted_size_px, resize_into};
use crate::quality::Quality;
use crate::registration::Overlaps;
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
        view.frame_number = 0;
        view.field = field;
        view.standing = FieldStanding::Open;
        view.quality = quality;
        view.is_analysed = false;
        view.cells.clear();
        view.is_forced = false;
        view.rbc_diameter_q4 = 0;
        view.unexplained_permille = 0;
        view.colours = FieldColours::default();
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

/// Hatches what older fields have counted of the frame that a view shows.
pub fn hatch_older(view: &mut FrameView, older: &Overlaps) {
    let (frame_width_px, frame_height_px) = view.frame_px;
    let (width_px, height_px) = (view.image.width_px(), view.image.height_px());
    // Parts are clipped to the frame, so both sides stay far within 64 bits.
    let scaled = |side_q4: i32, image_px: u32, frame_px: u32| {
        let side_px = u64::from((side_q4 / SUBPIXELS).unsigned_abs());
        (side_px * u64::from(image_px) / u64::from(frame_px.max(1))) as u32
    };
    for part in older.rectangles() {
        let column = |side_q4| scaled(side_q4, width_px, frame_width_px);
        let row = |side_q4| scaled(side_q4, height_px, frame_height_px);
        let columns = column(part.x0_q4)..column(part.x1_q4);
        let rows = row(part.y0_q4)..row(part.y1_q4);
        hatch(&mut view.image, columns, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::Overlap;

    #[test]
    fn what_older_fields_have_counted_is_hatched_at_the_size_of_the_view() {
        let pool = ViewPool::new(1, (160, 120));
        let frame = Frame::filled(640, 480, [90; 3]).unwrap();
        let mut view = pool.view(&frame, Some(1), Quality::NOTHING_SEEN);
        let mut older = Overlaps::new((640, 480));
        older.add(Overlap {
            dx_px: 480,
            dy_px: 0,
            agreement_permille: 990,
        });
        hatch_older(&mut view, &older);
        let changed = |column: usize| {
            let rows = 0..120;
            rows.filter(|y| view.image.row(*y)[column * 3] != 90)
                .count()
        };
        assert!((0..120).all(|column| changed(column) == 0));
        assert!((120..160).all(|column| changed(column) == 40));
    }

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

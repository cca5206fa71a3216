//! What goes round between the threads of a run, so that no frame needs memory of its own.
//!
//! ```text
//! frames: capture -> analysis -> capture      views: capture, analysis -> main -> capture, analysis
//! ```

use crate::camera::CapturedFrame;
use crate::detect::MAX_CELLS;
use crate::image::frame::Frame;
use crate::image::preview::{fitted_size_px, resize_into};
use crate::quality::Quality;
use crate::service::Heartbeats;
use crate::session::smear::{Event, FrameTally, FrameView};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whole frames in a run: one being captured, one waiting, one being analysed.
pub const FRAMES: usize = 3;
/// Results that may wait for the main thread.
pub const RESULTS_WAITING: usize = 4;
/// Small pictures in a run: the results that wait, one being made by each thread, one in the
/// preview's slot, one of a field that is not settled, and the one on the screen.
const VIEWS: usize = RESULTS_WAITING + 6;
/// Settled fields remembered. Frames of older ones no longer come.
const SETTLED_FIELDS: usize = 64;

/// One frame of a field at rest, on its way to be counted.
#[derive(Debug)]
pub struct FieldFrame {
    pub captured: Box<CapturedFrame>,
    pub field: u64,
    /// The smear that it belongs to: one more than the one before.
    pub smear: u32,
    /// What became of the frames before it that were not sent.
    pub frames: FrameTally,
}

/// What happened, on its way to the main thread.
#[derive(Debug)]
pub struct SmearEvent {
    /// The smear that it belongs to.
    pub smear: u32,
    pub event: Event,
}

/// The small pictures that no thread has at present.
#[derive(Debug)]
pub struct ViewPool {
    #[expect(clippy::vec_box, reason = "views are handed on in their boxes")]
    idle: Mutex<Vec<Box<FrameView>>>,
    /// The room that the screen has for a picture.
    room_px: (u32, u32),
}

impl ViewPool {
    /// Takes the memory of all views for a screen that has this room for a picture.
    ///
    /// # Panics
    /// Where the room is none for a frame; those of all screens are.
    pub fn new(room_px: (u32, u32)) -> Self {
        let view = || {
            let picture = Frame::filled(room_px.0, room_px.1, [0; 3]).expect("room for a picture");
            Box::new(FrameView {
                picture,
                cells: Vec::with_capacity(MAX_CELLS),
                ..FrameView::default()
            })
        };
        Self {
            idle: Mutex::new((0..VIEWS).map(|_| view()).collect()),
            room_px,
        }
    }

    /// A view of a frame, without cells.
    pub fn view(&self, frame: &Frame, field: Option<u64>, quality: Quality) -> Box<FrameView> {
        // There is always one left: see VIEWS.
        let mut view = locked(&self.idle).pop().unwrap_or_default();
        let frame_px = (frame.width_px(), frame.height_px());
        let picture_px = fitted_size_px(frame_px.0, frame_px.1, self.room_px);
        // A size within that of the screen is one that a frame can have.
        let _ = resize_into(frame, picture_px, &mut view.picture);
        view.frame_px = frame_px;
        view.field = field;
        view.quality = quality;
        view.cells.clear();
        view
    }

    /// Takes back a view that is no longer shown.
    pub fn give_back(&self, view: Box<FrameView>) {
        let mut idle = locked(&self.idle);
        if idle.len() < VIEWS {
            idle.push(view);
        }
    }
}

/// What the threads of a run share.
#[derive(Debug)]
pub struct Shared {
    pub views: ViewPool,
    pub heartbeats: Heartbeats,
    preview: Mutex<Option<Box<FrameView>>>,
    settled: Mutex<SettledFields>,
    captured: Mutex<FrameTally>,
    /// Frames sent to be counted and not looked at yet.
    under_way: AtomicUsize,
    /// The counted field on the screen plus one, or zero.
    on_screen: AtomicU64,
    /// Zero while it is not known.
    rbc_diameter_px: AtomicU32,
    /// The smear on the stage.
    smear: AtomicU32,
    /// Its result is on the screen, and no frame of it is counted any more.
    has_result: AtomicBool,
    /// Something else has the screen, and nothing is counted meanwhile.
    is_held: AtomicBool,
    /// The camera has given a frame.
    has_camera: AtomicBool,
    stop: AtomicBool,
}

/// The last fields that need no more frames.
#[derive(Debug)]
struct SettledFields {
    /// Numbers plus one; zero for none.
    fields: [u64; SETTLED_FIELDS],
    next: usize,
}

impl Shared {
    /// Before the first frame, for a screen that has this room for a picture.
    pub fn new(room_px: (u32, u32)) -> Self {
        Self {
            views: ViewPool::new(room_px),
            heartbeats: Heartbeats::default(),
            preview: Mutex::new(None),
            settled: Mutex::new(SettledFields {
                fields: [0; SETTLED_FIELDS],
                next: 0,
            }),
            captured: Mutex::new(FrameTally::default()),
            under_way: AtomicUsize::new(0),
            on_screen: AtomicU64::new(0),
            rbc_diameter_px: AtomicU32::new(0),
            smear: AtomicU32::new(0),
            has_result: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            has_camera: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    /// Whether a field needs no more frames.
    pub fn is_settled(&self, field: u64) -> bool {
        locked(&self.settled).fields.contains(&(field + 1))
    }

    /// No more frames of this field are needed.
    pub fn settle(&self, field: u64) {
        let mut settled = locked(&self.settled);
        let at = settled.next;
        settled.fields[at] = field + 1;
        settled.next = (at + 1) % SETTLED_FIELDS;
    }

    /// Whether the run is over.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Ends the run.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// The number of the smear on the stage.
    pub fn smear(&self) -> u32 {
        self.smear.load(Ordering::Acquire)
    }

    /// Whether the smear's result is on the screen.
    pub fn has_result(&self) -> bool {
        self.has_result.load(Ordering::Acquire)
    }

    /// No more frames of this smear are counted.
    pub fn finish_smear(&self) {
        self.has_result.store(true, Ordering::Release);
    }

    /// Frames are counted again, for the next smear.
    pub fn start_next_smear(&self) {
        self.smear.fetch_add(1, Ordering::AcqRel);
        self.has_result.store(false, Ordering::Release);
    }

    /// Whether no frame is looked at for now: a result is on the screen, or the counting is held.
    pub fn is_resting(&self) -> bool {
        self.has_result() || self.is_held.load(Ordering::Acquire)
    }

    /// Holds the counting, or lets it go on.
    pub fn hold(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Release);
    }

    /// Whether the camera has given a frame.
    pub fn has_camera(&self) -> bool {
        self.has_camera.load(Ordering::Acquire)
    }

    /// The camera has given a frame.
    pub fn frame_seen(&self) {
        self.has_camera.store(true, Ordering::Release);
    }

    /// Whether a preview of a frame would be shown: the last one was taken, and the field is not
    /// on the screen with its cells.
    pub fn wants_preview(&self, field: Option<u64>) -> bool {
        let on_screen = self.on_screen.load(Ordering::Acquire);
        let is_shown = field.is_some_and(|field| field + 1 == on_screen);
        !is_shown && locked(&self.preview).is_none()
    }

    /// Shows a preview.
    pub fn show(&self, view: Box<FrameView>) {
        let old = locked(&self.preview).replace(view);
        if let Some(old) = old {
            self.views.give_back(old);
        }
    }

    /// The preview that was not taken yet.
    pub fn take_preview(&self) -> Option<Box<FrameView>> {
        locked(&self.preview).take()
    }

    /// Tells the other threads what the screen shows.
    pub fn set_on_screen(&self, latest: Option<&FrameView>) {
        let counted = latest.filter(|view| !view.cells.is_empty());
        let field = counted.and_then(|view| view.field);
        let number = field.map_or(0, |field| field + 1);
        self.on_screen.store(number, Ordering::Release);
    }

    /// Diameter of a red cell in pixels, where known.
    pub fn rbc_diameter_px(&self) -> Option<u32> {
        let diameter_px = self.rbc_diameter_px.load(Ordering::Acquire);
        (diameter_px > 0).then_some(diameter_px)
    }

    /// Tells the other threads how large a red cell is.
    pub fn set_rbc_diameter_px(&self, diameter_px: Option<u32>) {
        let diameter_px = diameter_px.unwrap_or(0);
        self.rbc_diameter_px.store(diameter_px, Ordering::Release);
    }

    /// A frame was sent to be counted.
    pub fn frame_sent(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    /// A frame that was sent has been looked at.
    pub fn frame_done(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a frame that was sent has not been looked at yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// What became of the frames that capture did not send, once it has ended.
    pub fn captured(&self) -> FrameTally {
        *locked(&self.captured)
    }

    /// Leaves behind what became of the frames that were not sent.
    pub fn set_captured(&self, frames: FrameTally) {
        *locked(&self.captured) = frames;
    }
}

/// A thread that failed leaves whole values behind: each is put in by one assignment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_filled_again_in_their_own_memory() {
        let pool = ViewPool::new((160, 120));
        let frame = Frame::filled(1600, 1200, [9, 8, 7]).unwrap();
        let view = pool.view(&frame, Some(3), Quality::NOTHING_SEEN);
        assert_eq!(view.frame_px, (1600, 1200));
        assert_eq!(view.picture, Frame::filled(160, 120, [9, 8, 7]).unwrap());
        let place = view.picture.rgb().as_ptr();
        pool.give_back(view);
        let square = Frame::filled(50, 50, [1; 3]).unwrap();
        let view = pool.view(&square, None, Quality::NOTHING_SEEN);
        assert_eq!((view.picture.width_px(), view.field), (120, None));
        assert_eq!(view.picture.rgb().as_ptr(), place);
    }

    #[test]
    fn fields_are_settled_one_by_one() {
        let shared = Shared::new((160, 120));
        assert!(!shared.is_settled(0));
        for field in [0, 5, 4] {
            shared.settle(field);
        }
        let settled = [0, 1, 4, 5, 6].map(|field| shared.is_settled(field));
        assert_eq!(settled, [true, false, true, true, false]);
    }

    #[test]
    fn a_counted_field_on_the_screen_wants_no_preview() {
        let shared = Shared::new((160, 120));
        let frame = Frame::filled(8, 8, [1; 3]).unwrap();
        let mut view = shared.views.view(&frame, Some(7), Quality::NOTHING_SEEN);
        shared.set_on_screen(Some(&view));
        assert!(shared.wants_preview(Some(7)), "no cells yet");
        view.cells.push(crate::cell::Cell {
            best_class: crate::cell::CellClass::Rbc,
            certain: true,
            bounds: crate::cell::BoundingBox {
                x0_q4: 0,
                y0_q4: 0,
                x1_q4: 16,
                y1_q4: 16,
            },
            confidence_e4: 9000,
            counted: true,
        });
        shared.set_on_screen(Some(&view));
        assert!(!shared.wants_preview(Some(7)));
        assert!(shared.wants_preview(Some(8)) && shared.wants_preview(None));
        shared.show(view);
        assert!(!shared.wants_preview(None), "the last one was not taken");
    }
}

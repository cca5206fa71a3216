//! What goes round between the threads of a run, so that no frame needs memory of its own.
//!
//! ```text
//!            frames, in their boxes                 events, with views
//! capture <------------------------> analysis --------------------------> main
//!    |  ^                                                                  ^ |
//!    |  +------------- orders: which smear, whether to look at frames -----|-+
//!    +------------------ events, and the preview's slot -------------------+
//! ```
//!
//! All channels are bounded. The threads share a wish to stop, heartbeats, the preview's slot, the
//! pool of views and what the screen asks of the operator, nothing else.

use crate::camera::{Advice, CapturedFrame};
use crate::quality::Quality;
use crate::registration::Overlaps;
use crate::runtime::view_pool::ViewPool;
use crate::service::Heartbeats;
use crate::session::smear::{FrameTally, FrameView};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whole frames in a run: one being captured, one waiting, one being analysed.
pub const FRAMES: usize = 3;
/// Events that may wait for the main thread.
pub const EVENTS_WAITING: usize = 4;
/// Small images in a run: the events that wait, one being made by each thread, one in the
/// preview's slot, one of a field that is not settled, and the one on the screen.
const VIEWS: usize = EVENTS_WAITING + 6;
/// Settled fields remembered. Frames of older ones no longer come.
const SETTLED_FIELDS: usize = 64;

/// One frame of a field at rest, on its way to be counted.
#[derive(Debug)]
pub struct FieldFrame {
    /// The frame, in a box that goes back to capture.
    pub captured: Box<CapturedFrame>,
    /// Its place among the frames that were looked at.
    pub number: u64,
    /// The field that it shows, by number: the same for all frames of one place.
    pub field: u64,
    /// As it was assessed when it was captured.
    pub quality: Quality,
    /// The fields that have counted a part of it, which is left out.
    pub older: Overlaps,
    /// It is to be counted although it was refused.
    pub is_forced: bool,
    /// The smear that it belongs to: one more than the one before.
    pub smear: u32,
    /// What became of the frames before it that were not sent.
    pub frames: FrameTally,
}

/// What capture sends to analysis.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "few wait at a time, and a box for each frame would take memory in a run"
)]
pub enum ToAnalysis {
    /// A frame to count.
    Frame(FieldFrame),
    /// No more frames come; what became of those that were not sent.
    Ended(FrameTally),
}

/// A frame that was looked at, on its way back to be filled again.
#[derive(Debug)]
pub struct ReturnedFrame {
    /// The frame, whose content is no longer needed.
    pub captured: Box<CapturedFrame>,
    /// The field that it showed, by number.
    pub field: u64,
    /// The field needs no more frames.
    pub is_settled: bool,
    /// The field goes to the screen with what was found in it.
    pub is_analysed: bool,
    /// Diameter of a red cell in pixels, where the scale is known by now.
    pub rbc_diameter_px: Option<u32>,
}

/// What capture is to do: the whole of it, so that the last order is the only one that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureOrder {
    /// The number of the smear on the stage.
    pub smear: u32,
    /// No frame is looked at for now.
    pub is_suspended: bool,
    /// The field that is to be counted although it was refused.
    pub forced: Option<u64>,
    /// The last field that was taken out of the counts: its place is new again.
    pub forgotten: Option<u64>,
}

/// The main thread's end of the orders to capture.
#[derive(Debug)]
pub struct CaptureOrders {
    channel: SyncSender<CaptureOrder>,
    order: CaptureOrder,
    /// Capture was busy when it was given.
    is_unsent: bool,
}

impl CaptureOrders {
    /// Both ends; capture rests at first.
    pub fn channel() -> (Self, Receiver<CaptureOrder>) {
        let (channel, orders) = sync_channel(1);
        let own = Self {
            channel,
            order: CaptureOrder {
                smear: 0,
                is_suspended: true,
                forced: None,
                forgotten: None,
            },
            is_unsent: false,
        };
        (own, orders)
    }

    /// What capture was told last.
    pub fn last(&self) -> CaptureOrder {
        self.order
    }

    /// Frames belong to this smear from now on.
    pub fn start_smear(&mut self, smear: u32) {
        self.order.smear = smear;
        self.order.forced = None;
        self.order.forgotten = None;
        self.is_unsent = true;
        self.send();
    }

    /// This field is counted although it was refused.
    pub fn force_field(&mut self, field: u64) {
        self.order.forced = Some(field);
        self.is_unsent = true;
        self.send();
    }

    /// This field is not counted after all. Where capture is so busy that it misses one of two such
    /// orders, that place counts as counted before, and is left out.
    pub fn forget_field(&mut self, field: u64) {
        self.order.forgotten = Some(field);
        self.is_unsent = true;
        self.send();
    }

    /// No frame is looked at, or frames are again.
    pub fn suspend(&mut self, is_suspended: bool) {
        self.order.is_suspended = is_suspended;
        self.is_unsent = true;
        self.send();
    }

    /// Sends what could not be sent before; never waits, since a camera may hang in its driver.
    pub fn send(&mut self) {
        if self.is_unsent {
            let sent = self.channel.try_send(self.order);
            self.is_unsent = matches!(sent, Err(TrySendError::Full(_)));
        }
    }
}

/// The last fields that need no more frames.
#[derive(Debug)]
pub struct SettledFields {
    /// Numbers plus one; zero for none.
    fields: [u64; SETTLED_FIELDS],
    next: usize,
}

impl Default for SettledFields {
    fn default() -> Self {
        Self {
            fields: [0; SETTLED_FIELDS],
            next: 0,
        }
    }
}

impl SettledFields {
    /// Whether a field needs no more frames.
    pub fn contains(&self, field: u64) -> bool {
        self.fields.contains(&(field + 1))
    }

    /// No more frames of this field are needed.
    pub fn insert(&mut self, field: u64) {
        if !self.contains(field) {
            self.fields[self.next] = field + 1;
            self.next = (self.next + 1) % SETTLED_FIELDS;
        }
    }
}

/// What the threads of a run share.
#[derive(Debug)]
pub struct Shared {
    /// Views that are free to be filled.
    pub views: ViewPool,
    /// When each loop last went round, for the watchdog.
    pub heartbeats: Heartbeats,
    preview: Mutex<Option<Box<FrameView>>>,
    advice: Mutex<Advice>,
    stop: AtomicBool,
}

impl Shared {
    /// Before the first frame, for a screen that has this room for an image.
    pub fn new(room_px: (u32, u32)) -> Self {
        Self {
            views: ViewPool::new(VIEWS, room_px),
            heartbeats: Heartbeats::default(),
            preview: Mutex::new(None),
            advice: Mutex::new(Advice::default()),
            stop: AtomicBool::new(false),
        }
    }

    /// Whether the run is over.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Ends the run.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// What the screen asks of whoever moves the slide.
    pub fn advice(&self) -> Advice {
        *self.advice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The screen asks for this now.
    pub fn advise(&self, advice: Advice) {
        *self.advice.lock().unwrap_or_else(PoisonError::into_inner) = advice;
    }

    /// Whether the last preview was taken.
    pub fn wants_preview(&self) -> bool {
        self.preview_slot().is_none()
    }

    /// Shows a preview.
    pub fn show(&self, view: Box<FrameView>) {
        let old = self.preview_slot().replace(view);
        if let Some(old) = old {
            self.views.give_back(old);
        }
    }

    /// The preview that was not taken yet.
    pub fn take_preview(&self) -> Option<Box<FrameView>> {
        self.preview_slot().take()
    }

    /// A thread that failed leaves a whole preview behind: it is put in by one assignment.
    fn preview_slot(&self) -> MutexGuard<'_, Option<Box<FrameView>>> {
        self.preview.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_settled_one_by_one() {
        let mut settled = SettledFields::default();
        assert!(!settled.contains(0));
        for field in [0, 5, 4, 5] {
            settled.insert(field);
        }
        let known = [0, 1, 4, 5, 6].map(|field| settled.contains(field));
        assert_eq!(known, [true, false, true, true, false]);
        for field in 100..100 + SETTLED_FIELDS as u64 {
            settled.insert(field);
        }
        assert!(!settled.contains(5), "long ago");
    }

    #[test]
    fn a_busy_capture_gets_the_last_order() {
        let (mut orders, capture) = CaptureOrders::channel();
        orders.suspend(false);
        orders.start_smear(1);
        orders.suspend(true);
        let first = capture.recv().unwrap();
        assert_eq!((first.smear, first.is_suspended), (0, false));
        assert!(capture.try_recv().is_err(), "the others wait");
        orders.send();
        let last = capture.recv().unwrap();
        assert_eq!((last.smear, last.is_suspended), (1, true));
        orders.send();
        assert!(capture.try_recv().is_err(), "once");
    }

    #[test]
    fn a_preview_that_was_not_taken_gives_its_place_to_none() {
        let shared = Shared::new((160, 120));
        assert!(shared.wants_preview());
        shared.show(Box::default());
        assert!(!shared.wants_preview());
        assert!(shared.take_preview().is_some());
        assert!(shared.wants_preview());
    }
}

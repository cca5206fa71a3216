//! The thread that owns the camera.

use crate::camera::stage_watch::{StageState, StageWatch};
use crate::camera::{CameraError, CapturedFrame, FrameSource, Unavailable};
use crate::preprocess::tone::LampBalance;
use crate::quality::rim::RimCutter;
use crate::quality::{FrameAssessor, Quality, Verdict};
use crate::registration::{Overlaps, Placement, Ticket};
use crate::runtime::channels::{
    CaptureOrder, FRAMES, FieldFrame, ReturnedFrame, SettledFields, Shared, ToAnalysis,
};
use crate::runtime::main_loop::TICK;
use crate::runtime::view_pool::hatch_older;
use crate::service::Beat;
use crate::session::forcing::may_be_forced;
use crate::session::smear::{FieldStanding, FrameTally};
use crate::session::{Event, SmearEvent};
use anyhow::{Result, bail};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// Frames in a row that the camera may lose before the run gives up.
const MAX_LOST_IN_A_ROW: u32 = 100;
/// Accepted fields whose places can be made new again: more than can be on their way.
const REMEMBERED: usize = 8;
/// Time after which a capture that waits for a frame to come back shows that it is alive.
const WAITING: Duration = Duration::from_millis(250);

/// Capture's ends of the channels.
pub struct CaptureEnds {
    pub frames: SyncSender<ToAnalysis>,
    pub returned: Receiver<ReturnedFrame>,
    pub orders: Receiver<CaptureOrder>,
    pub events: SyncSender<Event>,
}

/// Owns the camera until it ends or the run does.
pub struct Capture<'a> {
    source: Box<dyn FrameSource>,
    /// Decides what a frame shows where the source does not know.
    watch: Option<StageWatch>,
    assessor: FrameAssessor,
    rim_cutter: RimCutter,
    shared: &'a Shared,
    ends: CaptureEnds,
    order: CaptureOrder,
    /// Frames that nobody has.
    #[expect(clippy::vec_box, reason = "frames are handed on in their boxes")]
    spare: Vec<Box<CapturedFrame>>,
    /// Frames that analysis has.
    in_flight: usize,
    settled: SettledFields,
    /// The field that was left out last, since more than half of it was counted before.
    counted_before: Option<u64>,
    /// The last field that was accepted before analysis has settled it.
    accepted: Option<(u64, Ticket)>,
    /// The last accepted fields, the newest last.
    remembered: [Option<(u64, Ticket)>; REMEMBERED],
    /// The field that is on the screen with what was found in it.
    shown: Option<u64>,
    /// As analysis has told it last.
    rbc_diameter_px: Option<u32>,
    tally: FrameTally,
    /// Frames that were looked at.
    frames_seen: u64,
    last_sent: Option<u64>,
    unavailable: Option<Unavailable>,
    has_started: bool,
    lost_in_a_row: u32,
}

/// What became of the wish for a frame.
enum Next {
    Frame,
    /// The camera is away, or the frame is lost; the next may be good.
    Nothing,
    /// No more frames come, or nobody wants them.
    End,
}

impl<'a> Capture<'a> {
    /// Before the first frame. `rbc_diameter_px` where the scale is known from the start.
    pub fn new(
        source: Box<dyn FrameSource>,
        assessor: FrameAssessor,
        shared: &'a Shared,
        ends: CaptureEnds,
        order: CaptureOrder,
        rbc_diameter_px: Option<u32>,
    ) -> Self {
        Self {
            watch: (!source.knows_fields()).then(StageWatch::default),
            source,
            assessor,
            rim_cutter: RimCutter::default(),
            shared,
            ends,
            order,
            spare: (0..FRAMES).map(|_| Box::default()).collect(),
            in_flight: 0,
            settled: SettledFields::default(),
            counted_before: None,
            accepted: None,
            remembered: [None; REMEMBERED],
            shown: None,
            rbc_diameter_px,
            tally: FrameTally::default(),
            frames_seen: 0,
            last_sent: None,
            unavailable: None,
            has_started: false,
            lost_in_a_row: 0,
        }
    }

    /// Captures until the camera ends or the run does.
    ///
    /// # Errors
    /// A camera that broke for good.
    pub fn run(mut self) -> Result<()> {
        let captured = self.capture();
        self.shared.heartbeats.end(Beat::Capture);
        if captured.is_ok() {
            // Nobody takes it where the run is over.
            let _ = self.ends.frames.send(ToAnalysis::Ended(self.tally));
        }
        captured
    }

    fn capture(&mut self) -> Result<()> {
        while !self.shared.is_stopped() {
            self.shared.heartbeats.beat(Beat::Capture);
            self.take_returned();
            if !self.take_orders() {
                continue;
            }
            let Some(mut captured) = self.spare.pop() else {
                if !self.wait_for_returned() {
                    break;
                }
                continue;
            };
            match self.next_frame(&mut captured)? {
                Next::Frame if !self.order.is_suspended => {
                    if !self.look_at(captured) {
                        break;
                    }
                }
                Next::Frame | Next::Nothing => self.spare.push(captured),
                Next::End => break,
            }
        }
        Ok(())
    }

    /// Takes orders; tells whether the camera is to be asked for a frame. A source that waits is
    /// not while nothing is looked at; a camera does not wait, and its frames are taken and left.
    fn take_orders(&mut self) -> bool {
        while let Ok(order) = self.ends.orders.try_recv() {
            self.obey(order);
        }
        let waits = self.order.is_suspended && self.watch.is_none();
        if waits && let Ok(order) = self.ends.orders.recv_timeout(TICK) {
            self.obey(order);
        }
        !waits
    }

    fn obey(&mut self, order: CaptureOrder) {
        if order.smear != self.order.smear {
            self.tally = FrameTally::default();
            self.last_sent = None;
            self.shown = None;
            self.accepted = None;
            self.remembered = [None; REMEMBERED];
            if let Some(watch) = &mut self.watch {
                watch.forget_fields();
            }
        }
        if order.forgotten != self.order.forgotten {
            self.forget_field(order.forgotten);
        }
        self.order = order;
    }

    /// The place of a field that was accepted is new again, once the slide has left it.
    fn forget_field(&mut self, field: Option<u64>) {
        let mut remembered = self.remembered.iter_mut();
        let is_it = |one: &&mut Option<(u64, Ticket)>| one.is_some_and(|(of, _)| Some(of) == field);
        if let Some((_, ticket)) = remembered.find(is_it).and_then(Option::take)
            && let Some(watch) = &mut self.watch
        {
            watch.withdraw(ticket);
        }
    }

    fn take_returned(&mut self) {
        while let Ok(returned) = self.ends.returned.try_recv() {
            self.take_back(returned);
        }
    }

    /// Waits a moment for a frame to come back; `false` where none can.
    fn wait_for_returned(&mut self) -> bool {
        match self.ends.returned.recv_timeout(WAITING) {
            Ok(returned) => {
                self.take_back(returned);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn take_back(&mut self, returned: ReturnedFrame) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.rbc_diameter_px = returned.rbc_diameter_px;
        let accepted = self.accepted.take_if(|(field, _)| *field == returned.field);
        if returned.is_settled {
            self.settled.insert(returned.field);
        } else if let (Some(watch), Some((_, ticket))) = (&mut self.watch, accepted) {
            watch.withdraw(ticket);
        }
        if returned.is_analysed {
            self.shown = Some(returned.field);
        }
        self.spare.push(returned.captured);
    }

    /// Asks the camera for a frame, and tells what there is to tell of it.
    fn next_frame(&mut self, captured: &mut CapturedFrame) -> Result<Next> {
        self.source.advise(self.shared.advice());
        let given = self.source.next_frame_into(captured);
        let notes = self.source.drain_warnings();
        if !notes
            .into_iter()
            .all(|note| self.tell(Event::CameraNote(note)))
        {
            return Ok(Next::End);
        }
        let is_heard = match given {
            Ok(false) => return Ok(Next::End),
            Ok(true) => {
                self.lost_in_a_row = 0;
                let is_back = self.unavailable.take().is_some();
                let is_first = !std::mem::replace(&mut self.has_started, true);
                let is_heard = (!is_back || self.tell(Event::CameraBack))
                    && (!is_first || self.tell(Event::CameraStarted));
                return Ok(if is_heard { Next::Frame } else { Next::End });
            }
            Err(error @ CameraError::BadFrame { .. }) => {
                self.lost_in_a_row += 1;
                if self.lost_in_a_row > MAX_LOST_IN_A_ROW {
                    let lost = self.lost_in_a_row;
                    bail!("{error}; {lost} frames in a row were lost: check the camera");
                }
                self.tell_of_smear(SmearEvent::FrameLost(error.to_string()))
            }
            // Said once for each reason: a camera may be away for hours.
            Err(CameraError::Unavailable { unavailable, .. }) => {
                let is_known = self.unavailable.as_ref() == Some(&unavailable);
                is_known || {
                    self.unavailable = Some(unavailable.clone());
                    self.tell(Event::CameraUnavailable(unavailable))
                }
            }
            Err(error) => return Err(error.into()),
        };
        Ok(if is_heard { Next::Nothing } else { Next::End })
    }

    /// Shows the frame, sends it to be counted, or passes it over; `false` where nobody is there.
    fn look_at(&mut self, mut captured: Box<CapturedFrame>) -> bool {
        self.frames_seen += 1;
        let rim = self.rim_cutter.cut(&mut captured.frame);
        let field = self.field_of(&captured);
        let wants_preview = self.wants_preview(field);
        let wanted = self.wanted(field);
        if !wants_preview && wanted.is_none() {
            self.spare.push(captured);
            return true;
        }
        LampBalance::default().apply(&mut captured.frame);
        let quality = self
            .assessor
            .assess(&captured.frame, self.rbc_diameter_px)
            .beside(rim);
        let new_part = wanted.and_then(|field| {
            let is_forced = self.order.forced == Some(field) && may_be_forced(quality.verdict);
            let is_usable = is_forced || quality.verdict == Verdict::Usable;
            let older = self.accept_new_part(&captured, field, is_usable)?;
            Some((field, older, is_forced))
        });
        if wants_preview {
            let mut view = self.shared.views.view(&captured.frame, field, quality);
            view.frame_number = self.frames_seen;
            view.standing = self.standing(field);
            if let Some((_, older, _)) = &new_part {
                hatch_older(&mut view, older);
            }
            self.shared.show(view);
            self.shown = None;
        }
        match new_part {
            Some((field, older, is_forced)) => {
                self.send(captured, field, quality, (older, is_forced))
            }
            None => {
                self.spare.push(captured);
                true
            }
        }
    }

    /// The fields that have counted a part of a frame that is good enough to be counted; `None`
    /// where that is more than half of it, and the field needs no more frames.
    fn accept_new_part(
        &mut self,
        captured: &CapturedFrame,
        field: u64,
        is_usable: bool,
    ) -> Option<Overlaps> {
        let Some(watch) = self.watch.as_mut().filter(|_| is_usable) else {
            return Some(Overlaps::default());
        };
        let (placement, ticket) = watch.accept_new_part(&captured.frame);
        self.accepted = ticket.map(|ticket| (field, ticket));
        if self.accepted.is_some() {
            self.remembered.rotate_left(1);
            self.remembered[REMEMBERED - 1] = self.accepted;
        }
        match placement {
            Placement::New => Some(Overlaps::default()),
            Placement::Overlaps(older) => Some(older),
            Placement::CountedBefore => {
                self.counted_before = Some(field);
                self.settled.insert(field);
                self.tally.unchanged += 1;
                None
            }
        }
    }

    fn standing(&self, field: Option<u64>) -> FieldStanding {
        match field {
            Some(field) if self.counted_before == Some(field) => FieldStanding::CountedBefore,
            Some(field) if self.settled.contains(field) => FieldStanding::Taken,
            _ => FieldStanding::Open,
        }
    }

    fn send(
        &mut self,
        captured: Box<CapturedFrame>,
        field: u64,
        quality: Quality,
        (older, is_forced): (Overlaps, bool),
    ) -> bool {
        self.last_sent = Some(field);
        let frame = FieldFrame {
            captured,
            number: self.frames_seen,
            field,
            quality,
            older,
            is_forced,
            smear: self.order.smear,
            frames: self.tally,
        };
        if self.ends.frames.send(ToAnalysis::Frame(frame)).is_err() {
            return false;
        }
        self.in_flight += 1;
        // While the scale is not known, the frame that makes it known decides how the next one is
        // assessed; a source that waits is asked after it, so that a run is the same every time.
        while self.watch.is_none()
            && self.rbc_diameter_px.is_none()
            && self.in_flight > 0
            && !self.shared.is_stopped()
        {
            self.shared.heartbeats.beat(Beat::Capture);
            if !self.wait_for_returned() {
                return false;
            }
        }
        true
    }

    /// Tells the main thread; `false` where it is gone.
    fn tell(&self, event: Event) -> bool {
        self.ends.events.send(event).is_ok()
    }

    fn tell_of_smear(&self, event: SmearEvent) -> bool {
        let smear = self.order.smear;
        self.tell(Event::OfSmear { smear, event })
    }

    /// The field that the frame shows at rest.
    fn field_of(&mut self, captured: &CapturedFrame) -> Option<u64> {
        let Some(watch) = &mut self.watch else {
            return captured.field;
        };
        match watch.observe(&captured.frame, |field| self.settled.contains(field)) {
            StageState::Moving => None,
            StageState::Resting { field } => Some(field),
        }
    }

    /// Whether a preview would be shown: the last one was taken, and the field is not on the screen
    /// with what was found in it.
    fn wants_preview(&self, field: Option<u64>) -> bool {
        let is_shown = field.is_some() && field == self.shown;
        !is_shown && self.shared.wants_preview()
    }

    /// The field, where another frame of it has to be looked at; others are tallied.
    fn wanted(&mut self, field: Option<u64>) -> Option<u64> {
        let Some(field) = field else {
            self.tally.moving += 1;
            return None;
        };
        // A camera does not wait: one frame of a rest at a time is enough to look at.
        let is_looked_at =
            self.watch.is_some() && self.last_sent == Some(field) && self.in_flight > 0;
        if is_looked_at || self.settled.contains(field) {
            self.tally.unchanged += 1;
            return None;
        }
        Some(field)
    }
}

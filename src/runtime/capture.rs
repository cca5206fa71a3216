//! The thread that owns the camera.

use crate::camera::stage_watch::{StageState, StageWatch};
use crate::camera::{CameraError, CapturedFrame, FrameSource};
use crate::quality::FrameAssessor;
use crate::runtime::channels::{FieldFrame, Shared, SmearEvent};
use crate::runtime::run::TICK;
use crate::service::Beat;
use crate::session::smear::{Event, FrameTally};
use anyhow::{Result, bail};
use std::sync::mpsc::{Receiver, SendError, SyncSender};
use std::thread;

/// Frames in a row that the camera may lose before the run gives up.
const MAX_LOST_IN_A_ROW: u32 = 100;

/// Owns the camera until it ends or the run does.
pub(super) struct Capture<'a> {
    pub(super) source: Box<dyn FrameSource>,
    /// Decides what a frame shows where the source does not know.
    pub(super) watch: Option<StageWatch>,
    pub(super) shared: &'a Shared,
    pub(super) assessor: FrameAssessor,
    pub(super) frames: SyncSender<FieldFrame>,
    pub(super) idle: Receiver<Box<CapturedFrame>>,
    pub(super) lost: SyncSender<SmearEvent>,
    pub(super) tally: FrameTally,
    pub(super) smear: u32,
    pub(super) last_sent: Option<u64>,
}

impl Capture<'_> {
    pub(super) fn run(mut self) -> Result<()> {
        let captured = self.capture();
        self.shared.heartbeats.end(Beat::Capture);
        self.shared.set_captured(self.tally);
        captured
    }

    fn capture(&mut self) -> Result<()> {
        let mut lost_in_a_row = 0;
        let mut away = None;
        let Ok(mut captured) = self.idle.recv() else {
            return Ok(());
        };
        while !self.shared.is_stopped() {
            self.shared.heartbeats.beat(Beat::Capture);
            if self.waits() {
                continue;
            }
            let given = self.source.next_frame_into(&mut captured);
            let mut notices = self.source.drain_warnings().into_iter();
            if notices.any(|notice| self.say(Event::CameraNotice(notice)).is_err()) {
                break;
            }
            match given {
                Ok(true) => {
                    lost_in_a_row = 0;
                    if away.take().is_some() && self.say(Event::CameraBack).is_err() {
                        break;
                    }
                }
                Ok(false) => break,
                Err(error @ CameraError::BadFrame { .. }) => {
                    lost_in_a_row += 1;
                    if lost_in_a_row > MAX_LOST_IN_A_ROW {
                        bail!(
                            "{error}; {lost_in_a_row} frames in a row were lost: check the camera"
                        );
                    }
                    if self.say(Event::FrameLost(error.to_string())).is_err() {
                        break;
                    }
                    continue;
                }
                Err(CameraError::Unavailable { unavailable, .. }) => {
                    // Said once for each reason: a camera may be away for hours.
                    if away.as_ref() != Some(&unavailable) {
                        away = Some(unavailable.clone());
                        if self.say(Event::CameraUnavailable(unavailable)).is_err() {
                            break;
                        }
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            self.shared.frame_seen();
            if self.shared.is_resting() {
                continue;
            }
            self.follow_smear();
            let field = self.field_of(&captured);
            self.preview(&captured, field);
            let Some(field) = self.wanted(field) else {
                continue;
            };
            self.last_sent = Some(field);
            self.shared.frame_sent();
            let frame = FieldFrame {
                captured,
                field,
                smear: self.smear,
                frames: self.tally,
            };
            if self.frames.send(frame).is_err() {
                break;
            }
            captured = match self.idle.recv() {
                Ok(idle) => idle,
                Err(_) => break,
            };
        }
        Ok(())
    }

    fn say(&self, event: Event) -> Result<(), SendError<SmearEvent>> {
        self.lost.send(SmearEvent {
            smear: self.smear,
            event,
        })
    }

    /// Waits a moment while a result or a question is on the screen, where the source waits too. A
    /// camera does not: its frames are taken and left.
    fn waits(&self) -> bool {
        let waits = self.watch.is_none() && self.shared.is_resting();
        if waits {
            thread::sleep(TICK);
        }
        waits
    }

    /// Forgets the last smear when the next one is on the stage.
    fn follow_smear(&mut self) {
        let smear = self.shared.smear();
        if smear == self.smear {
            return;
        }
        self.smear = smear;
        self.tally = FrameTally::default();
        self.last_sent = None;
        if let Some(watch) = &mut self.watch {
            watch.forget_fields();
        }
    }

    /// The field that the frame shows at rest.
    fn field_of(&mut self, captured: &CapturedFrame) -> Option<u64> {
        let Some(watch) = &mut self.watch else {
            return captured.field;
        };
        let shared = self.shared;
        match watch.observe(&captured.frame, |field| shared.is_settled(field)) {
            StageState::Moving => None,
            StageState::Resting { field } => Some(field),
        }
    }

    fn preview(&mut self, captured: &CapturedFrame, field: Option<u64>) {
        if self.shared.wants_preview(field) {
            let diameter_px = self.shared.rbc_diameter_px();
            let quality = self.assessor.assess(&captured.frame, diameter_px);
            let view = self.shared.views.view(&captured.frame, field, quality);
            self.shared.show(view);
        }
    }

    /// The field, where another frame of it has to be looked at; others are tallied.
    fn wanted(&mut self, field: Option<u64>) -> Option<u64> {
        let Some(field) = field else {
            self.tally.moving += 1;
            return None;
        };
        // A camera does not wait: one frame of a rest at a time is enough to look at.
        let is_waiting =
            self.watch.is_some() && self.last_sent == Some(field) && self.shared.is_under_way();
        if is_waiting || self.shared.is_settled(field) {
            self.tally.unchanged += 1;
            return None;
        }
        Some(field)
    }
}

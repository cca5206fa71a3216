//! A camera over the continuous simulated smear, which a hand moves as the screen asks.
//!
//! It does not say which field it shows, as no real camera does. Every frame carries its truth.

mod path;

pub use path::Hand;

use crate::camera::frame_pace::FramePace;
use crate::camera::simulated::{SimulatedSmear, SmearSettings, View};
use crate::camera::{Advice, CameraError, CapturedFrame, FrameSource};
use crate::random::Random;
use std::time::Duration;

/// The word that a specification of a simulated camera starts with.
const KIND: &str = "simulated";
/// Frames of 640x480 at 0.12 µm, as of a small camera on a x100 objective.
const FRAME_PX: (u32, u32) = (640, 480);
const UM_PER_PX: f64 = 0.12;
/// Frames on the way from one place to the next.
const MOVING_FRAMES: u32 = 3;
/// Frames before a hand obeys: what the screen says first is still about the last place.
const REACTION_FRAMES: u32 = 8;
/// Frames after which a hand moves on whatever the screen says.
const PATIENCE_FRAMES: u32 = 250;
/// How far the focus is turned at a time, in micrometres.
const FOCUS_STEP_UM: f64 = 0.5;

/// What the hand is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Motion {
    Resting { frames: u32 },
    Moving { frames: u32, from_um: (f64, f64) },
}

/// The camera with the hand that moves the slide under it.
#[derive(Debug)]
pub struct HandCamera {
    smear: SimulatedSmear,
    hand: Hand,
    random: Random,
    stop: u64,
    stops: Option<u64>,
    patience_frames: u32,
    /// The left upper corner of the place that the hand has chosen.
    place_um: (f64, f64),
    /// How far the slide has moved there by itself.
    crept_um: (f64, f64),
    motion: Motion,
    focus_um: f64,
    advice: Advice,
    view: View,
    sequence: u64,
    pace: FramePace,
}

impl HandCamera {
    /// A camera at the first place of a hand; the seed decides what else is left to chance.
    pub fn new(smear: SimulatedSmear, hand: Hand, seed: u64) -> Self {
        let view = smear.view_at(0.0, 0.0);
        let mut camera = Self {
            smear,
            hand,
            random: Random::new(seed),
            stop: 0,
            stops: None,
            patience_frames: PATIENCE_FRAMES,
            place_um: (0.0, 0.0),
            crept_um: (0.0, 0.0),
            motion: Motion::Resting { frames: 0 },
            focus_um: 0.0,
            advice: Advice::default(),
            view,
            sequence: 0,
            pace: FramePace::default(),
        };
        camera.place_um = camera.next_place_um();
        camera
    }

    /// The camera that `simulated:SEED:HAND` names, over normal blood; `None` for a specification
    /// that names no hand.
    ///
    /// # Errors
    /// [`CameraError::CannotOpen`] with the reason where the seed is no number.
    pub fn from_spec(spec: &str) -> Result<Option<Self>, CameraError> {
        let Some((front, hand)) = spec.rsplit_once(':') else {
            return Ok(None);
        };
        let (Some(seed), Some(hand)) = (front.strip_prefix(KIND), Hand::named(hand)) else {
            return Ok(None);
        };
        let cannot_open = |reason: String| CameraError::CannotOpen {
            camera: spec.to_owned(),
            reason,
        };
        let seed = match seed {
            "" => 1,
            _ => seed.trim_start_matches(':').parse().map_err(|_| {
                cannot_open(format!(
                    "the seed of a simulated smear is a whole number; try {KIND}:7:{}",
                    hand.name()
                ))
            })?,
        };
        let smear = SimulatedSmear::new(seed, SmearSettings::normal(FRAME_PX, UM_PER_PX))
            .map_err(|error| cannot_open(error.to_string()))?;
        Ok(Some(Self::new(smear, hand, seed)))
    }

    /// Gives at most one frame every `interval` (at most 10 s), as a real camera would.
    pub fn with_frame_interval(mut self, interval: Duration) -> Self {
        self.pace = FramePace::every(interval);
        self
    }

    /// Ends after so many places, each left after at most `patience_frames`.
    pub fn with_stops(mut self, stops: u64, patience_frames: u32) -> Self {
        self.stops = Some(stops);
        self.patience_frames = patience_frames.max(1);
        self
    }

    /// The smear under the camera.
    pub fn smear(&mut self) -> &mut SimulatedSmear {
        &mut self.smear
    }

    /// What the last frame shows.
    pub fn view(&self) -> View {
        self.view
    }

    fn next_place_um(&mut self) -> (f64, f64) {
        let slide = &self.smear.settings().slide;
        let side_um = |side_px: u32| f64::from(side_px) * slide.um_per_px;
        let field_um = (side_um(slide.width_px), side_um(slide.height_px));
        self.hand.stop_um(self.stop, field_um, &mut self.random)
    }

    /// Leaves the place where that was asked for, or patience has ended.
    fn act(&mut self, rested_frames: u32) {
        let hears = rested_frames >= REACTION_FRAMES;
        let is_sent_on = matches!(
            self.advice,
            Advice::MoveOn | Advice::Thinner | Advice::Denser
        );
        if rested_frames >= self.patience_frames || (hears && is_sent_on) {
            self.stop += 1;
            let from_um = (
                self.place_um.0 + self.crept_um.0,
                self.place_um.1 + self.crept_um.1,
            );
            self.place_um = self.next_place_um();
            self.crept_um = (0.0, 0.0);
            self.advice = Advice::Stay;
            self.motion = Motion::Moving { frames: 0, from_um };
        } else if hears && self.advice == Advice::TurnFocus {
            self.focus_um += FOCUS_STEP_UM;
        }
    }

    /// Where the slide is for the next frame.
    fn step_um(&mut self) -> (f64, f64) {
        match self.motion {
            Motion::Moving { frames, from_um } => {
                let part = f64::from(frames + 1) / f64::from(MOVING_FRAMES + 1);
                self.motion = match frames + 1 < MOVING_FRAMES {
                    true => Motion::Moving {
                        frames: frames + 1,
                        from_um,
                    },
                    false => Motion::Resting { frames: 0 },
                };
                let between = |from: f64, to: f64| from + (to - from) * part;
                (
                    between(from_um.0, self.place_um.0),
                    between(from_um.1, self.place_um.1),
                )
            }
            Motion::Resting { frames } => {
                self.motion = Motion::Resting { frames: frames + 1 };
                let um_per_px = self.smear.settings().slide.um_per_px;
                let (right_px, down_px) = self.hand.unrest_px(&mut self.random);
                let moved = (
                    self.crept_um.0 + right_px * um_per_px,
                    self.crept_um.1 + down_px * um_per_px,
                );
                if self.hand.creeps() {
                    self.crept_um = moved;
                }
                (self.place_um.0 + moved.0, self.place_um.1 + moved.1)
            }
        }
    }
}

impl FrameSource for HandCamera {
    fn name(&self) -> String {
        format!("{KIND}:{}:{}", self.smear.seed(), self.hand.name())
    }

    fn um_per_px(&self) -> Option<f64> {
        Some(self.smear.settings().slide.um_per_px)
    }

    fn advise(&mut self, advice: Advice) {
        self.advice = advice;
    }

    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError> {
        if let Motion::Resting { frames } = self.motion {
            self.act(frames);
        }
        if self.stops.is_some_and(|stops| self.stop >= stops) {
            return Ok(false);
        }
        self.pace.wait_for_turn();
        let (x_um, y_um) = self.step_um();
        self.view = self.smear.view_at(x_um, y_um);
        let exposed = self.smear.expose_into(
            &self.view,
            self.focus_um,
            self.sequence,
            &mut captured.frame,
        );
        exposed.map_err(|error| CameraError::CannotOpen {
            camera: self.name(),
            reason: error.to_string(),
        })?;
        captured.sequence = self.sequence;
        captured.name = None;
        captured.field = None;
        captured.truth = Some(self.smear.truth(&self.view));
        self.sequence += 1;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;

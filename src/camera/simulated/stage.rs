//! The simulated camera on a stage that moves from field to field.

use super::random::derive;
use super::{Field, SimulatedSlide, SimulatedSlideSettings, optics};
use crate::camera::frame_pace::FramePace;
use crate::camera::{CameraError, CapturedFrame, FrameSource};
use std::sync::Arc;
use std::time::Duration;

/// The seed of `simulated` without a number.
const DEFAULT_SEED: u64 = 1;
/// The word that a camera specification starts with.
const KIND: &str = "simulated";
/// Ends a specification of a camera that does not know which field it shows.
const UNNUMBERED: &str = ":unnumbered";
/// Fields kept laid out: the one in view and the one that the stage moves to.
const KEPT_FIELDS: usize = 2;
/// The share of the frame's width over which motion smears one exposure.
const SMEAR_SHARE: usize = 12;

/// How the stage moves under the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageMotion {
    /// Frames that show one field at rest; 0 counts as 1.
    pub dwell_frames: u32,
    /// Frames between two fields, blurred by the motion.
    pub moving_frames: u32,
    /// Fields on the slide; `None` for an endless slide.
    pub fields: Option<u64>,
}

impl Default for StageMotion {
    fn default() -> Self {
        Self {
            dwell_frames: 6,
            moving_frames: 2,
            fields: None,
        }
    }
}

/// Where the stage is when a frame is taken.
enum StagePlace {
    Resting { field: u64, exposure: u64 },
    Moving { from_field: u64, step: u32 },
    AfterTheLast,
}

impl StageMotion {
    fn place(&self, sequence: u64) -> StagePlace {
        let dwell = u64::from(self.dwell_frames.max(1));
        let period = dwell + u64::from(self.moving_frames);
        let (field, phase) = (sequence / period, sequence % period);
        let is_moving = phase >= dwell;
        let nearest_needed = field + u64::from(is_moving);
        if self.fields.is_some_and(|fields| nearest_needed >= fields) {
            return StagePlace::AfterTheLast;
        }
        if is_moving {
            return StagePlace::Moving {
                from_field: field,
                step: (phase - dwell) as u32,
            };
        }
        StagePlace::Resting {
            field,
            exposure: phase,
        }
    }
}

/// A camera that looks at a [`SimulatedSlide`].
#[derive(Debug)]
pub struct SimulatedCamera {
    slide: SimulatedSlide,
    motion: StageMotion,
    next_sequence: u64,
    laid_out: Vec<Arc<Field>>,
    numbers_fields: bool,
    pace: FramePace,
}

impl SimulatedCamera {
    /// A camera at the slide's first field, that gives frames as fast as they are asked for.
    pub fn new(slide: SimulatedSlide, motion: StageMotion) -> Self {
        Self {
            slide,
            motion,
            next_sequence: 0,
            laid_out: Vec::new(),
            numbers_fields: true,
            pace: FramePace::default(),
        }
    }

    /// The camera that `simulated`, `simulated:SEED` or `simulated:SEED:unnumbered` names, with
    /// the default slide and motion.
    ///
    /// # Errors
    /// [`CameraError::CannotOpen`] with the reason for anything else.
    pub fn from_spec(spec: &str) -> Result<Self, CameraError> {
        let unavailable = |reason: String| CameraError::CannotOpen {
            camera: spec.to_owned(),
            reason,
        };
        let (numbered, numbers_fields) = match spec.strip_suffix(UNNUMBERED) {
            Some(rest) => (rest, false),
            None => (spec, true),
        };
        let seed = parse_seed(numbered).ok_or_else(|| {
            unavailable(format!(
                "a simulated slide is written {KIND}, {KIND}:SEED or {KIND}:SEED{UNNUMBERED} with \
                 a whole number from 0 to {} as SEED; try {KIND}:7",
                u64::MAX
            ))
        })?;
        let slide = SimulatedSlide::new(seed, SimulatedSlideSettings::default())
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(Self {
            numbers_fields,
            ..Self::new(slide, StageMotion::default())
        })
    }

    /// Does not tell which field a frame shows, as no real camera does.
    pub fn without_field_numbers(mut self) -> Self {
        self.numbers_fields = false;
        self
    }

    /// Gives at most one frame every `interval` (at most 10 s), as a real camera would.
    pub fn with_frame_interval(mut self, interval: Duration) -> Self {
        self.pace = FramePace::every(interval);
        self
    }

    /// The slide under the camera.
    pub fn slide(&self) -> &SimulatedSlide {
        &self.slide
    }

    /// A field, laid out once for all of its frames.
    fn field(&mut self, index: u64) -> Arc<Field> {
        if let Some(field) = self.laid_out.iter().find(|field| field.index == index) {
            return Arc::clone(field);
        }
        if self.laid_out.len() == KEPT_FIELDS {
            self.laid_out.remove(0);
        }
        let field = Arc::new(self.slide.lay_field(index));
        self.laid_out.push(Arc::clone(&field));
        field
    }

    fn take_resting(&mut self, index: u64, exposure: u64, captured: &mut CapturedFrame) {
        let field = self.field(index);
        self.slide.expose(&field, exposure, &mut captured.frame);
        captured.field = self.numbers_fields.then_some(index);
        let truth = captured.truth.get_or_insert_default();
        truth.cells.clone_from(&field.truth.cells);
    }

    fn take_moving(&mut self, from_field: u64, step: u32, captured: &mut CapturedFrame) {
        let (from, to) = (self.field(from_field), self.field(from_field + 1));
        let travelled = f64::from(step + 1) / f64::from(self.motion.moving_frames + 1);
        let smear_px = from.light.width_px / SMEAR_SHARE;
        let light = optics::travel(&from.light, &to.light, travelled, smear_px);
        let noise_seed = derive(!self.slide.seed, captured.sequence);
        self.slide.develop(&light, noise_seed, &mut captured.frame);
        captured.field = None;
        captured.truth = None;
    }
}

/// The seed in `simulated[:SEED]`.
fn parse_seed(spec: &str) -> Option<u64> {
    match spec.strip_prefix(KIND)? {
        "" => Some(DEFAULT_SEED),
        rest => rest.strip_prefix(':')?.parse().ok(),
    }
}

impl FrameSource for SimulatedCamera {
    fn name(&self) -> String {
        format!("{KIND}:{}", self.slide.seed)
    }

    fn um_per_px(&self) -> Option<f64> {
        Some(self.slide.settings.um_per_px)
    }

    fn knows_fields(&self) -> bool {
        self.numbers_fields
    }

    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError> {
        let place = self.motion.place(self.next_sequence);
        if matches!(place, StagePlace::AfterTheLast) {
            return Ok(false);
        }
        self.pace.wait_for_turn();
        captured.sequence = self.next_sequence;
        captured.name = None;
        self.next_sequence += 1;
        match place {
            StagePlace::Resting { field, exposure } => self.take_resting(field, exposure, captured),
            StagePlace::Moving { from_field, step } => self.take_moving(from_field, step, captured),
            StagePlace::AfterTheLast => {}
        }
        Ok(true)
    }
}

//! Where frames come from: what every source does, one file for each kind of source, and the
//! opening of the one that is named.

mod controls;
mod frame_pace;
pub mod hand;
mod oddity_notes;
pub mod replay;
pub mod simulated;
mod source;
pub mod stage_watch;
mod unavailable;
#[cfg(target_os = "linux")]
pub mod v4l2;

pub use controls::ControlSettings;
pub use source::{Advice, CameraError, CapturedFrame, FieldTruth, FrameSource};
pub use unavailable::Unavailable;

use std::path::PathBuf;
use std::time::Duration;

/// The simulated camera gives 25 frames a second, as a small real one does.
const SIMULATED_INTERVAL: Duration = Duration::from_millis(40);

/// What to do about a V4L2 camera that cannot be opened at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenPolicy {
    /// Say so and give up, as a command on the desk does.
    Require,
    /// Wait for it and say so on the screen, as a device does.
    Wait,
}

/// Whether a specification names a drawn slide, which holds no blood.
pub fn is_simulated(spec: &str) -> bool {
    spec.starts_with("simulated")
}

/// Opens the source that a specification names: `v4l2` for the only camera there is, `v4l2:PATH` for
/// one of several, `replay:PATH`, `simulated`, `simulated:SEED`, `simulated:SEED:unnumbered`, or
/// `simulated:SEED:HAND` for a continuous smear that a hand moves.
/// `controls` are for V4L2 cameras; other sources have none.
///
/// # Errors
/// [`CameraError::CannotOpen`] with the reason, or with what can be named.
pub fn open(
    spec: &str,
    controls: &ControlSettings,
    open_policy: OpenPolicy,
) -> Result<Box<dyn FrameSource>, CameraError> {
    if let Some(path) = spec.strip_prefix("replay:") {
        let paths = [PathBuf::from(path)];
        return Ok(Box::new(replay::ReplayCamera::open(&paths, false)?));
    }
    if let Some(camera) = hand::HandCamera::from_spec(spec)? {
        return Ok(Box::new(camera.with_frame_interval(SIMULATED_INTERVAL)));
    }
    if is_simulated(spec) {
        let camera = simulated::SimulatedCamera::from_spec(spec)?;
        return Ok(Box::new(camera.with_frame_interval(SIMULATED_INTERVAL)));
    }
    #[cfg(target_os = "linux")]
    if let Some(selector) = v4l2::CameraSelector::from_spec(spec) {
        let preferences = v4l2::StreamPreferences {
            controls: *controls,
            ..v4l2::StreamPreferences::default()
        };
        let mut camera = v4l2::V4l2Camera::new(v4l2::Kernel, selector, preferences);
        if open_policy == OpenPolicy::Require {
            camera.open()?;
        }
        return Ok(Box::new(camera));
    }
    Err(CameraError::CannotOpen {
        camera: spec.to_owned(),
        reason: "no such source; name v4l2, v4l2:PATH, replay:PATH, simulated or simulated:SEED"
            .to_owned(),
    })
}

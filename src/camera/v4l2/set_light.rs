//! Lets a camera that streams follow a plan for its light: set, let frames pass, measure.

use super::driver::{CaptureDevice, Dequeued};
use super::light::LightPlan;
use std::io;
use std::time::{Duration, Instant};

/// The longest that it takes; nothing is shown meanwhile.
pub(super) const LIMIT: Duration = Duration::from_secs(3);
/// Frames that may still be lit as before a control was set: those in the driver's buffers, and one
/// that the sensor has begun.
const STALE_FRAMES: u32 = 4;
/// Bad frames after which the light is left as it is.
const MAX_BAD_FRAMES: u32 = 3;

/// The frames that were not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub frames: u64,
    /// The driver's number of the last one.
    pub last_sequence: Option<u32>,
}

/// Runs the plan to its end, or until it is too late or the camera refuses. `measure` tells the
/// colour of the background from a frame's bytes, where they are good.
///
/// # Errors
/// The camera has gone.
pub(super) fn run(
    plan: &mut LightPlan,
    device: &mut dyn CaptureDevice,
    mut measure: impl FnMut(&[u8]) -> Option<[u8; 3]>,
    frame_limit: Duration,
    until: Instant,
) -> io::Result<Passed> {
    let mut passed = Passed::default();
    let (mut stale, mut bad) = (STALE_FRAMES, 0);
    while Instant::now() < until && bad < MAX_BAD_FRAMES {
        let mut background = None;
        let mut take = |bytes: &[u8], is_damaged: bool| {
            if stale == 0 && !is_damaged {
                background = measure(bytes);
            }
        };
        let Dequeued::Frame { sequence } = device.dequeue(frame_limit, &mut take)? else {
            break;
        };
        passed.frames += 1;
        passed.last_sequence = Some(sequence);
        if stale > 0 {
            stale -= 1;
            continue;
        }
        let Some(background) = background else {
            bad += 1;
            continue;
        };
        let Some((control, value)) = plan.step(background) else {
            return Ok(passed);
        };
        match device.set_control(control, value) {
            Ok(()) => stale = STALE_FRAMES,
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Err(error),
            Err(_) => break,
        }
    }
    if let Some((control, value)) = plan.stop() {
        match device.set_control(control, value) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Err(error),
            // Whatever it refuses stands as it was.
            _ => {}
        }
    }
    Ok(passed)
}

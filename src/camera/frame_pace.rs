//! How fast a camera made of memory gives its frames.

use std::time::{Duration, Instant};

/// The longest time between two frames.
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// Lets frames come no faster than a real camera's. By default they come at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct FramePace {
    interval: Duration,
    last_frame: Option<Instant>,
}

impl FramePace {
    /// At most one frame every `interval`, which is at most 10 s.
    pub fn every(interval: Duration) -> Self {
        Self {
            interval: interval.min(MAX_INTERVAL),
            last_frame: None,
        }
    }

    /// Waits until the next frame is due.
    pub fn wait_for_turn(&mut self) {
        if self.interval.is_zero() {
            return;
        }
        if let Some(last_frame) = self.last_frame {
            std::thread::sleep(self.interval.saturating_sub(last_frame.elapsed()));
        }
        self.last_frame = Some(Instant::now());
    }
}

//! Whether every loop of a run still goes round.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Stands for a loop that has come to its end.
const ENDED: u64 = u64::MAX;

/// A loop that must go round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Input, results and screen.
    Main,
    /// The camera: a frame, a lost one, or that it is known to be away and said so.
    Capture,
    /// The network: a frame, or none to look at.
    Analysis,
}

impl Beat {
    /// Every loop.
    pub const ALL: [Beat; 3] = [Beat::Main, Beat::Capture, Beat::Analysis];
}

/// When each loop last went round.
#[derive(Debug)]
pub struct Heartbeats {
    started: Instant,
    /// Milliseconds since the start, or [`ENDED`].
    last_ms: [AtomicU64; 3],
}

/// How long ago each loop went round, in the order of [`Beat::ALL`]; `None` for one that ended.
pub type BeatAges = [Option<Duration>; 3];

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last_ms: Default::default(),
        }
    }
}

impl Heartbeats {
    /// A loop went round.
    pub fn beat(&self, beat: Beat) {
        self.last_ms[beat as usize].store(self.now_ms(), Ordering::Release);
    }

    /// A loop has come to its end; nothing more is asked of it.
    pub fn end(&self, beat: Beat) {
        self.last_ms[beat as usize].store(ENDED, Ordering::Release);
    }

    /// How the loops are now.
    pub fn ages(&self) -> BeatAges {
        Beat::ALL.map(|beat| {
            let last_ms = self.last_ms[beat as usize].load(Ordering::Acquire);
            let ago_ms = self.now_ms().saturating_sub(last_ms);
            (last_ms != ENDED).then(|| Duration::from_millis(ago_ms))
        })
    }

    fn now_ms(&self) -> u64 {
        // Half a billion years pass before it is too long.
        self.started.elapsed().as_millis() as u64
    }
}

/// Whether every loop that has not ended went round within `limit`. Two of three are not enough:
/// a device that draws but sees nothing looks alive and counts nothing.
pub fn is_alive(ages: &BeatAges, limit: Duration) -> bool {
    ages.iter().flatten().all(|ago| *ago <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hung_loop_is_enough_to_be_dead() {
        let limit = Duration::from_secs(10);
        let cases = [
            ("all go round", [Some(0), Some(1), Some(2)], true),
            ("just in time", [Some(10), Some(10), Some(10)], true),
            ("the main loop hangs", [Some(11), Some(0), Some(0)], false),
            ("the camera hangs", [Some(0), Some(11), Some(0)], false),
            ("the network hangs", [Some(0), Some(0), Some(11)], false),
            ("all hang", [Some(60), Some(60), Some(60)], false),
            ("the source has ended", [Some(0), None, Some(0)], true),
            ("all frames are counted", [Some(0), None, None], true),
            ("ended, and the screen hangs", [Some(11), None, None], false),
        ];
        for (name, ago_s, expected) in cases {
            let ages = ago_s.map(|ago_s| ago_s.map(Duration::from_secs));
            assert_eq!(is_alive(&ages, limit), expected, "{name}");
        }
    }

    #[test]
    fn each_loop_beats_for_itself() {
        let heartbeats = Heartbeats {
            started: Instant::now() - Duration::from_secs(60),
            last_ms: Default::default(),
        };
        let limit = Duration::from_secs(30);
        for (silent, others) in [
            (Beat::Main, [Beat::Capture, Beat::Analysis]),
            (Beat::Capture, [Beat::Main, Beat::Analysis]),
            (Beat::Analysis, [Beat::Main, Beat::Capture]),
        ] {
            heartbeats
                .last_ms
                .iter()
                .for_each(|last_ms| last_ms.store(0, Ordering::Relaxed));
            others.iter().for_each(|beat| heartbeats.beat(*beat));
            assert!(!is_alive(&heartbeats.ages(), limit), "{silent:?}");
            heartbeats.beat(silent);
            assert!(is_alive(&heartbeats.ages(), limit), "{silent:?}");
        }
        heartbeats.last_ms[1].store(0, Ordering::Relaxed);
        heartbeats.end(Beat::Capture);
        assert!(is_alive(&heartbeats.ages(), limit));
    }
}

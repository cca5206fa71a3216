//! When something was recorded, on boards that may not know the time.

use super::files::read_kernel_text;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Another identity at every boot (random(4)).
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// Seconds since boot, with a fraction (proc_uptime(5)).
const UPTIME_FILE: &str = "/proc/uptime";
/// 2026-01-01T00:00:00Z. A clock that says an earlier time has not been set: boards without a
/// battery start in the past.
const SET_FROM_UNIX_MS: u64 = 1_767_225_600_000;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Milliseconds since the board booted; never goes back within one boot.
    pub uptime_ms: u64,
    /// The wall clock, in milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: u64,
    /// Whether the wall clock had been set.
    pub clock_set: bool,
}

/// Whether a wall clock that says so has been set.
pub fn is_set(unix_ms: u64) -> bool {
    unix_ms >= SET_FROM_UNIX_MS
}

/// The board's clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    boot_id: String,
    started: Instant,
    uptime_at_start: Duration,
}

impl Clock {
    /// Reads which boot this is, and how long ago it was.
    pub fn start() -> Self {
        let boot_id = read_kernel_text(BOOT_ID_FILE).ok();
        let uptime = read_kernel_text(UPTIME_FILE).ok();
        Self {
            boot_id: boot_id.map_or_else(|| "unknown".to_owned(), |id| id.trim().to_owned()),
            started: Instant::now(),
            uptime_at_start: uptime.as_deref().and_then(parse_uptime).unwrap_or_default(),
        }
    }

    /// Another text at every boot; `unknown` where the system does not say.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Now.
    pub fn stamp(&self) -> Timestamp {
        let uptime = self.uptime_at_start + self.started.elapsed();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_ms = milliseconds(since_1970.unwrap_or_default());
        Timestamp {
            uptime_ms: milliseconds(uptime),
            unix_ms,
            clock_set: is_set(unix_ms),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn parse_uptime(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_are_read_and_nonsense_is_not() {
        let cases = [
            ("350735.47 234388.90\n", Some(350_735_470)),
            ("0.5", Some(500)),
            ("", None),
            ("-1 2", None),
            ("inf", None),
        ];
        for (text, expected) in cases {
            let uptime_ms = parse_uptime(text).map(milliseconds);
            assert_eq!(uptime_ms, expected, "{text:?}");
        }
    }

    #[test]
    fn a_clock_in_the_past_has_not_been_set() {
        assert!(!is_set(0));
        assert!(!is_set(SET_FROM_UNIX_MS - 1));
        assert!(is_set(SET_FROM_UNIX_MS));
    }

    #[test]
    fn time_goes_on() {
        let clock = Clock::start();
        let first = clock.stamp();
        assert!(clock.stamp().uptime_ms >= first.uptime_ms);
        assert!(!clock.boot_id().is_empty());
    }
}

//! The board's health: how hot its processor is, and how many threads that leaves the network.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Where Linux lists its temperature sensors.
const THERMAL_FOLDER: &str = "/sys/class/thermal";
/// Sensors looked at, at most.
const MAX_SENSORS: usize = 32;
/// Time between two looks: a board warms up over minutes.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// A board above this temperature is hot, in thousandths of a degree Celsius: boards slow their
/// processor down from 80 or 85 °C, and the slower clock would cost more than the second thread
/// gains.
const HOT_ABOVE_MILLIDEGREES: i32 = 75_000;
/// A hot board stays hot until it is below this.
const COOL_BELOW_MILLIDEGREES: i32 = 65_000;
/// Threads beyond which the network gains nothing.
const MAX_THREADS: usize = 2;
/// Two threads for the network leave one core for the camera, the screen and the system.
const CORES_FOR_TWO: usize = 3;

/// How many threads the network is wanted to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThreadsWanted {
    /// What the board's cores and temperature allow.
    #[default]
    Auto,
    /// This many, always.
    Fixed(u8),
}

/// Threads for the network on a board with so many cores.
pub fn network_threads(wanted: ThreadsWanted, cores: usize, is_hot: bool) -> usize {
    match wanted {
        ThreadsWanted::Fixed(threads) => usize::from(threads).clamp(1, MAX_THREADS),
        ThreadsWanted::Auto if cores >= CORES_FOR_TWO && !is_hot => MAX_THREADS,
        ThreadsWanted::Auto => 1,
    }
}

/// Whether a board is hot, which depends on whether it was, so that it does not change to and fro.
/// A board without a sensor counts as cool.
pub fn is_hot(was_hot: bool, millidegrees: Option<i32>) -> bool {
    match millidegrees {
        Some(now) if was_hot => now >= COOL_BELOW_MILLIDEGREES,
        Some(now) => now > HOT_ABOVE_MILLIDEGREES,
        None => false,
    }
}

/// Decides about the network's threads while a run goes on.
#[derive(Debug)]
pub struct ThreadPolicy {
    wanted: ThreadsWanted,
    cores: usize,
    sensors: TemperatureSensors,
    is_hot: bool,
    threads: Option<usize>,
    next_poll: Option<Instant>,
}

impl ThreadPolicy {
    /// For this board.
    pub fn new(wanted: ThreadsWanted) -> Self {
        Self {
            wanted,
            cores: thread::available_parallelism().map_or(1, usize::from),
            sensors: TemperatureSensors::list(Path::new(THERMAL_FOLDER)),
            is_hot: false,
            threads: None,
            next_poll: None,
        }
    }

    /// The number of threads from now on, where it is another one than before.
    pub fn poll(&mut self, now: Instant) -> Option<usize> {
        if self.next_poll.is_some_and(|next| now < next) {
            return None;
        }
        self.next_poll = Some(now + POLL_INTERVAL);
        self.is_hot = is_hot(self.is_hot, self.sensors.highest_millidegrees());
        let threads = network_threads(self.wanted, self.cores, self.is_hot);
        (self.threads.replace(threads) != Some(threads)).then_some(threads)
    }
}

/// The temperature of the hottest sensor, in thousandths of a degree Celsius; `None` where there is
/// none.
pub fn temperature_millidegrees() -> Option<i32> {
    TemperatureSensors::list(Path::new(THERMAL_FOLDER)).highest_millidegrees()
}

/// The files of the board's temperature sensors.
#[derive(Debug)]
struct TemperatureSensors {
    files: Vec<PathBuf>,
}

impl TemperatureSensors {
    /// The sensors below a folder; none where there is no such folder.
    fn list(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_zone = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("thermal_zone"))
        };
        let zones = entries.map(|entry| entry.path()).filter(is_zone);
        Self {
            files: zones
                .map(|zone| zone.join("temp"))
                .take(MAX_SENSORS)
                .collect(),
        }
    }

    /// The hottest of those that can be read.
    fn highest_millidegrees(&self) -> Option<i32> {
        self.files
            .iter()
            .filter_map(|file| read_millidegrees(file))
            .max()
    }
}

fn read_millidegrees(file: &Path) -> Option<i32> {
    let mut bytes = [0; 16];
    let length = File::open(file).ok()?.read(&mut bytes).ok()?;
    parse_millidegrees(&bytes[..length])
}

/// A sensor's text. Broken sensors give absurd values, which are left out.
fn parse_millidegrees(text: &[u8]) -> Option<i32> {
    const POSSIBLE: std::ops::RangeInclusive<i32> = -50_000..=200_000;
    let value = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    POSSIBLE.contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_follow_the_wish_the_cores_and_the_heat() {
        use ThreadsWanted::{Auto, Fixed};
        let cases = [
            (Auto, 1, false, 1),
            (Auto, 2, false, 1),
            (Auto, 3, false, 2),
            (Auto, 4, false, 2),
            (Auto, 4, true, 1),
            (Auto, 64, false, 2),
            (Fixed(1), 4, false, 1),
            (Fixed(2), 4, true, 2),
            (Fixed(2), 1, false, 2),
            (Fixed(0), 4, false, 1),
            (Fixed(9), 4, false, 2),
        ];
        for (wanted, cores, is_hot, expected) in cases {
            let got = network_threads(wanted, cores, is_hot);
            assert_eq!(got, expected, "{wanted:?}, {cores} cores, hot {is_hot}");
        }
    }

    #[test]
    fn a_board_stays_hot_until_it_is_well_below() {
        let cases = [
            (false, Some(40_000), false),
            (false, Some(70_000), false),
            (false, Some(75_000), false),
            (false, Some(75_001), true),
            (true, Some(70_000), true),
            (true, Some(65_000), true),
            (true, Some(64_999), false),
            (true, None, false),
            (false, None, false),
        ];
        for (was_hot, millidegrees, expected) in cases {
            assert_eq!(
                is_hot(was_hot, millidegrees),
                expected,
                "{was_hot}, {millidegrees:?}"
            );
        }
    }

    #[test]
    fn the_hottest_sensor_counts_and_broken_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let sensors = [
            ("thermal_zone0", "48312\n"),
            ("thermal_zone1", "61000\n"),
            ("thermal_zone2", "-274000\n"),
            ("thermal_zone3", "broken\n"),
            ("cooling_device0", "90000\n"),
        ];
        for (name, text) in sensors {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("temp"), text).unwrap();
        }
        fs::create_dir(folder.path().join("thermal_zone4")).unwrap();
        let found = TemperatureSensors::list(folder.path());
        assert_eq!(found.files.len(), 5);
        assert_eq!(found.highest_millidegrees(), Some(61_000));
        let none = TemperatureSensors::list(&folder.path().join("missing"));
        assert_eq!(none.highest_millidegrees(), None);
    }

    #[test]
    fn the_number_of_threads_is_told_once() {
        let mut policy = ThreadPolicy::new(ThreadsWanted::Fixed(2));
        let start = Instant::now();
        assert_eq!(policy.poll(start), Some(2));
        assert_eq!(policy.poll(start), None);
        assert_eq!(policy.poll(start + 2 * POLL_INTERVAL), None, "the same");
    }
}

//! What was timed, as a table or as one line of JSON.

use crate::device::files;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Bytes in a megabyte.
const BYTES_PER_MB: f64 = 1e6;

/// How long one stage took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct StageTimes {
    pub(super) name: &'static str,
    pub(super) fastest_ms: f64,
    pub(super) median_ms: f64,
    pub(super) p99_ms: f64,
}

/// Memory of this process as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Memory {
    pub(super) resident_mb: f64,
    pub(super) peak_resident_mb: f64,
}

/// Everything that is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub(super) version: &'static str,
    pub(super) model: String,
    pub(super) kernel: String,
    pub(super) threads: u16,
    pub(super) frames: u32,
    pub(super) frame_width_px: u32,
    pub(super) frame_height_px: u32,
    pub(super) network_width_px: u32,
    pub(super) network_height_px: u32,
    pub(super) cells: usize,
    pub(super) stages: Vec<StageTimes>,
    /// One frame after another through the stages that were timed.
    pub(super) frames_per_second: f64,
    /// `None` where the system does not tell.
    pub(super) memory: Option<Memory>,
    /// Of the network for one frame.
    pub(super) multiply_accumulates: Option<u64>,
    /// What the cores that run it could do with this kernel's own instruction, measured;
    /// `None` where the kernel has none of its own.
    pub(super) peak_macs_per_second: Option<f64>,
    /// The share of that which the network reaches.
    pub(super) peak_share: Option<f64>,
}

impl StageTimes {
    pub(super) fn new(name: &'static str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |permille: usize| {
            // The nearest rank: the smallest time that so many are not above.
            let rank = (times.len() * permille).div_ceil(1000).max(1);
            times
                .get(rank - 1)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            name,
            fastest_ms: at(0),
            median_ms: at(500),
            p99_ms: at(990),
        }
    }
}

impl Memory {
    pub(super) fn of_this_process() -> Option<Self> {
        Self::from_status(&files::read_kernel_text("/proc/self/status").ok()?)
    }

    /// Reads `VmRSS` and `VmHWM` (proc_pid_status(5)).
    fn from_status(status: &str) -> Option<Self> {
        let megabytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kib: f64 = line.strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024.0 / BYTES_PER_MB)
        };
        Some(Self {
            resident_mb: megabytes("VmRSS:")?,
            peak_resident_mb: megabytes("VmHWM:")?,
        })
    }
}

impl Report {
    /// A table for people, one line a stage.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "hemoscope {}, model {}, kernel {}, threads {}\n\
             {} frames of {}x{} px, shown to the network at {}x{} px; {} cells in each\n",
            self.version,
            self.model,
            self.kernel,
            self.threads,
            self.frames,
            self.frame_width_px,
            self.frame_height_px,
            self.network_width_px,
            self.network_height_px,
            self.cells,
        );
        let _ = writeln!(text, "{:<10}{:>12}{:>12}", "stage", "median ms", "p99 ms");
        for stage in &self.stages {
            let StageTimes {
                name,
                median_ms,
                p99_ms,
                ..
            } = stage;
            let _ = writeln!(text, "{name:<10}{median_ms:>12.3}{p99_ms:>12.3}");
        }
        let _ = writeln!(
            text,
            "\n{:.1} frames a second, one after another",
            self.frames_per_second
        );
        let _ = match self.memory {
            Some(memory) => writeln!(
                text,
                "{:.1} MB resident, {:.1} MB at the most",
                memory.resident_mb, memory.peak_resident_mb
            ),
            None => writeln!(
                text,
                "memory: this system does not tell (/proc/self/status)"
            ),
        };
        let _ = match (self.peak_share, self.peak_macs_per_second) {
            (Some(share), Some(peak)) => writeln!(
                text,
                "the network reaches {:.0} % of the measured peak of {}, {:.0} billion \
                 multiply-accumulates a second",
                100.0 * share,
                self.kernel,
                peak / 1e9
            ),
            _ => writeln!(
                text,
                "share of the processor's peak: not known for the kernel {}, or not timed",
                self.kernel
            ),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let cases: [(u64, f64, f64); 4] = [
            (1, 1.0, 1.0),
            (2, 1.0, 2.0),
            (100, 50.0, 99.0),
            (1000, 500.0, 990.0),
        ];
        for (count, median_ms, p99_ms) in cases {
            let found = StageTimes::new("network", times(count));
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(near(found.fastest_ms, 1.0), "{count}: {found:?}");
            assert!(near(found.median_ms, median_ms), "{count}: {found:?}");
            assert!(near(found.p99_ms, p99_ms), "{count}: {found:?}");
        }
    }

    #[test]
    fn memory_is_read_from_the_status_file() {
        let status = "Name:\tx\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\nThreads:\t1\n";
        let memory = Memory::from_status(status).unwrap();
        assert_eq!(memory.resident_mb, 10.24);
        assert_eq!(memory.peak_resident_mb, 20.48);
        for broken in ["", "VmRSS:\t1 kB\n", "VmRSS:\tx kB\nVmHWM:\t1 kB\n"] {
            assert_eq!(Memory::from_status(broken), None, "{broken:?}");
        }
    }
}

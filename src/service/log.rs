//! What the program logs, on standard error: with its priority where the journal reads that
//! (sd-daemon(3)), so that `journalctl -p err` finds it, and as plain lines elsewhere.

use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::fs::fstat;
use std::env;
use std::io::{self, Write};

/// Set by the service manager to the device and inode of the journal's stream (systemd.exec(5)).
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";
/// What every line begins with.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Has everything that the program itself logs, from [`Level::Info`] on, written to standard
/// error. Only the first call has an effect.
pub fn start() {
    let journal = env::var(JOURNAL_VARIABLE).ok();
    let stderr = fstat(io::stderr()).ok();
    let is_journal = stderr.is_some_and(|stderr| {
        journal.is_some_and(|journal| journal == format!("{}:{}", stderr.st_dev, stderr.st_ino))
    });
    if log::set_boxed_logger(Box::new(LogWriter { is_journal })).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

struct LogWriter {
    /// Whether the journal reads standard error.
    is_journal: bool,
}

impl Log for LogWriter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries log what is of no use to an operator.
        metadata.target().split("::").next() == Some(NAME)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            // There is nowhere else to say that standard error cannot be written.
            let _ =
                io::stderr().write_all(lines(record.level(), &text, self.is_journal).as_bytes());
        }
    }

    fn flush(&self) {}
}

fn lines(level: Level, text: &str, is_journal: bool) -> String {
    if !is_journal {
        return format!("{NAME}: {text}\n");
    }
    // As syslog(3) numbers them. Each line is an entry of its own.
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| match number {
            0 => format!("<{priority}>{NAME}: {line}\n"),
            _ => format!("<{priority}>{line}\n"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gets_priorities_and_a_terminal_does_not() {
        let cases = [
            (Level::Error, "a", true, "<3>hemoscope: a\n"),
            (Level::Warn, "a\nb\n", true, "<4>hemoscope: a\n<4>b\n"),
            (Level::Info, "<2>a", true, "<6>hemoscope: <2>a\n"),
            (Level::Error, "a\nb", false, "hemoscope: a\nb\n"),
        ];
        for (level, text, is_journal, expected) in cases {
            assert_eq!(lines(level, text, is_journal), expected);
        }
    }

    #[test]
    fn only_the_program_itself_is_heard() {
        let writer = LogWriter { is_journal: false };
        for (target, is_enabled) in [
            ("hemoscope", true),
            ("hemoscope::service::log", true),
            ("hemoscope_other", false),
            ("drm::control", false),
        ] {
            let metadata = Metadata::builder()
                .target(target)
                .level(Level::Info)
                .build();
            assert_eq!(writer.enabled(&metadata), is_enabled, "{target}");
        }
    }
}

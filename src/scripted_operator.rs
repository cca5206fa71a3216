//! A scripted operator: a text file says when which button is pressed.
//!
//! One step stands on a line, and is taken once the one before it was:
//!
//! ```text
//! # Count twelve fields, look at the result, and end.
//! at 12 fields press first
//! at question press first
//! at result press second
//! at 90 s key q
//! ```
//!
//! A step waits for a state of the instrument (`empty`, `counting`, `question`, `result`, `fault`), for
//! a number of counted fields of this smear, or for a time since the start. A press that would be
//! taken for one of the page before waits until it is not.

use crate::input::Action;
use crate::session::{Machine, Phase};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The most steps of a script.
const MAX_STEPS: usize = 10_000;
/// The largest script that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The longest time that a step waits for: a week.
const MAX_SECONDS: f64 = 604_800.0;

/// Why a script cannot be followed.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("script {path:?} cannot be read; check its name", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is larger than any script.
    #[error(
        "script {path:?} has more than {MAX_BYTES} bytes or {MAX_STEPS} steps: split it",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is no step.
    #[error(
        "script, line {line}: `{text}` is no step; write `at WHEN press first`, second, third or \
         hold, or `at WHEN key q`, where WHEN is empty, counting, question, result, fault, `12 fields` or \
         `3.5 s`"
    )]
    NoStep {
        /// Its number, from one.
        line: usize,
        /// What it says.
        text: String,
    },
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Phase(Phase),
    Fields(u32),
    After(Duration),
}

/// One thing that the operator does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    when: When,
    action: Action,
}

/// The steps that are left.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    steps: VecDeque<Step>,
    start: Option<Instant>,
}

impl Script {
    /// Reads a script from a file.
    ///
    /// # Errors
    /// [`ScriptError`], with the line that is no step.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let unreadable = |source| ScriptError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let too_large = || ScriptError::TooLarge {
            path: path.to_owned(),
        };
        if path.metadata().map_err(unreadable)?.len() > MAX_BYTES {
            return Err(too_large());
        }
        let script = Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)?;
        if script.steps.len() > MAX_STEPS {
            return Err(too_large());
        }
        Ok(script)
    }

    /// Reads a script from its text.
    ///
    /// # Errors
    /// [`ScriptError::NoStep`] for the first line that is none.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let lines = text.lines().enumerate().filter_map(|(at, line)| {
            let text = line.split_once('#').map_or(line, |(step, _)| step).trim();
            (!text.is_empty()).then_some((at + 1, text))
        });
        let steps = lines.map(|(line, text)| {
            step_of(text).ok_or_else(|| ScriptError::NoStep {
                line,
                text: text.chars().take(80).collect(),
            })
        });
        Ok(Self {
            steps: steps.collect::<Result<_, _>>()?,
            start: None,
        })
    }

    /// Steps that are left.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether every step was taken.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The action of the next step, once what it waits for is there. Time counts from the first
    /// call.
    pub fn next_action(&mut self, machine: &Machine, now: Instant) -> Option<Action> {
        self.start.get_or_insert(now);
        if machine.is_guarded(now) {
            return None;
        }
        let fields = machine.smear().fields();
        self.next_action_at(machine.phase(), fields, now)
    }

    fn next_action_at(&mut self, phase: Phase, fields: u32, now: Instant) -> Option<Action> {
        let start = *self.start.get_or_insert(now);
        let step = self.steps.front()?;
        let is_due = match step.when {
            When::Phase(wanted) => phase == wanted,
            When::Fields(wanted) => phase == Phase::Counting && fields >= wanted,
            When::After(wanted) => now.saturating_duration_since(start) >= wanted,
        };
        if !is_due {
            return None;
        }
        self.steps.pop_front().map(|step| step.action)
    }
}

fn step_of(text: &str) -> Option<Step> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (when, act) = match words.as_slice() {
        ["at", number, unit, act @ ..] if matches!(*unit, "s" | "fields") => {
            let when = match *unit {
                "s" => When::After(seconds(number)?),
                _ => When::Fields(number.parse().ok()?),
            };
            (when, act)
        }
        ["at", state, act @ ..] => (When::Phase(phase(state)?), act),
        _ => return None,
    };
    let action = match act {
        ["press", "first"] => Action::Confirm,
        ["press", "second"] => Action::StepBrightness,
        ["press", "third"] => Action::Cancel,
        ["press", "hold"] => Action::ShutDown,
        ["key", "q"] => Action::Stop,
        _ => return None,
    };
    Some(Step { when, action })
}

fn phase(name: &str) -> Option<Phase> {
    match name {
        "empty" => Some(Phase::Empty),
        "counting" => Some(Phase::Counting),
        "question" => Some(Phase::FinishQuestion),
        "result" => Some(Phase::Result),
        "fault" => Some(Phase::Fault),
        _ => None,
    }
}

fn seconds(number: &str) -> Option<Duration> {
    let seconds: f64 = number.parse().ok()?;
    let is_sensible = (0.0..=MAX_SECONDS).contains(&seconds);
    is_sensible.then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_in_order_each_once_it_is_due() {
        let text = "# two smears\n\nat 3 fields press first # the first ends\nat result press \
                    second\nat result press first\n at 2.5 s key q\n";
        let mut script = Script::parse(text).unwrap();
        let start = Instant::now();
        let looks = [
            (Phase::Empty, 0, 0, None),
            (Phase::Counting, 2, 100, None),
            (Phase::Counting, 3, 200, Some(Action::Confirm)),
            (Phase::Counting, 3, 300, None),
            (Phase::Result, 3, 400, Some(Action::StepBrightness)),
            (Phase::Result, 3, 500, Some(Action::Confirm)),
            (Phase::Empty, 0, 2499, None),
            (Phase::Empty, 0, 2500, Some(Action::Stop)),
            (Phase::Empty, 0, 9000, None),
        ];
        for (phase, fields, after_ms, expected) in looks {
            let now = start + Duration::from_millis(after_ms);
            let action = script.next_action_at(phase, fields, now);
            assert_eq!(action, expected, "{phase:?} {fields} at {after_ms} ms");
        }
        assert!(script.is_empty());
    }

    #[test]
    fn a_line_that_is_no_step_is_named() {
        let cases = [
            "press first",
            "at counting",
            "at midnight press first",
            "at -1 s press first",
            "at NaN s press first",
            "at 1e9 s press first",
            "at 1.5 fields press first",
            "at counting press fourth",
            "at counting key x",
            "at counting press first twice",
        ];
        for text in cases {
            let error = Script::parse(&format!("at empty press second\n{text}\n")).unwrap_err();
            let told = error.to_string();
            assert!(told.contains("line 2") && told.contains(text), "{told}");
        }
        assert!(Script::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_script_that_is_not_there_is_named() {
        let error = Script::load(Path::new("/nowhere/day.script")).unwrap_err();
        assert!(error.to_string().contains("day.script"), "{error}");
    }
}

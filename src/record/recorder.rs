//! Records in a thread of their own: a slow card holds nobody up, and a full one loses nothing
//! that fits the queue.

use super::entry::{
    AssessmentRecord, EndReason, Event, FieldOutcome, FieldRecord, SmearStarted, Totals,
};
use super::error::RecordError;
use super::format::{self, records_folder};
use super::journal::{Disk, Journal, MAX_FILE_BYTES, RealDisk};
use crate::device::clock::{Clock, Timestamp};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Settled fields that wait for the disk at most: hours of counting.
const MAX_WAITING_FIELDS: usize = 4096;
/// Time between two tries to write.
const RETRY: Duration = Duration::from_secs(2);
/// How long a start waits for the folder: longer than a card takes, shorter than a user.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Keeps what a run counts.
pub struct Recorder {
    shared: Arc<Shared>,
    clock: Clock,
    thread: Option<JoinHandle<()>>,
}

/// How a recorder was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSummary {
    /// Number of the last smear.
    pub smear: u64,
    /// Lines that were not kept, for the reason below.
    pub unsaved: usize,
    /// Why the last lines were not kept; `None` where all were.
    pub reason: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Timestamp, Event)>,
    waiting_fields: usize,
    /// Fields for which there was no place, since the last one that had one.
    lost: u32,
    /// The last counted field had no place.
    is_last_counted_lost: bool,
    is_open: bool,
    is_closing: bool,
    is_gone: bool,
    /// Why nothing can be written at the moment.
    failure: Option<String>,
    /// Only room is lacking.
    lacks_room: bool,
    /// Another one whenever `failure` is.
    failure_number: u64,
    notes: Vec<String>,
    smear: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn fail(&mut self, failure: Option<String>) {
        if self.failure != failure {
            self.failure = failure;
            self.failure_number += 1;
        }
    }
}

impl Recorder {
    /// Opens the records of a data folder, which is made if it is not there, brings them to the
    /// format of this version, and closes the smear that a power cut may have left. What there is
    /// to say about that comes with it. A folder that cannot be opened is tried again: see
    /// [`Recorder::failure`].
    pub fn start(data: PathBuf) -> (Self, Vec<String>) {
        let folder = records_folder(&data);
        let prepare = move || format::open(&data);
        Self::start_on(RealDisk, folder, prepare, MAX_FILE_BYTES, RETRY)
    }

    pub(super) fn start_on(
        disk: impl Disk + 'static,
        folder: PathBuf,
        prepare: impl Fn() -> Result<Vec<String>, RecordError> + Send + 'static,
        max_file_bytes: u64,
        retry: Duration,
    ) -> (Self, Vec<String>) {
        let clock = Clock::start();
        let shared = Arc::new(Shared::default());
        shared.lock().waiting.reserve(MAX_WAITING_FIELDS);
        let journal = Journal::new(disk, folder, clock.boot_id(), max_file_bytes);
        let thread = {
            let (shared, clock) = (Arc::clone(&shared), clock.clone());
            thread::spawn(move || write_queue(journal, prepare, &clock, &shared, retry))
        };
        let until = Instant::now() + START_LIMIT;
        let mut state = shared.lock();
        while !state.is_open && state.failure.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.fail(Some("the disk does not answer; check the card".to_owned()));
                break;
            }
            state = shared.wait(state, left);
        }
        let notes = std::mem::take(&mut state.notes);
        drop(state);
        let recorder = Self {
            shared,
            clock,
            thread: Some(thread),
        };
        (recorder, notes)
    }

    /// A smear begins.
    pub fn begin(&self, smear: SmearStarted) {
        self.push(Event::SmearStarted(smear));
    }

    /// A field was settled.
    pub fn field(&self, mut field: FieldRecord) {
        let mut state = self.shared.lock();
        let has_room = state.waiting_fields < MAX_WAITING_FIELDS;
        if field.outcome == FieldOutcome::Counted {
            state.is_last_counted_lost = !has_room;
        }
        if !has_room {
            state.lost = state.lost.saturating_add(1);
            return;
        }
        field.lost_before = std::mem::take(&mut state.lost);
        state.waiting_fields += 1;
        state
            .waiting
            .push_back((self.clock.stamp(), Event::Field(field)));
        self.shared.changed.notify_all();
    }

    /// The last counted field, whose number this is, was taken out. One that was lost is in no sum.
    pub fn undone(&self, field: Option<u64>) {
        if !self.shared.lock().is_last_counted_lost {
            self.push(Event::FieldUndone { field });
        }
    }

    /// The smear has ended; its figures are worth what `assessment` says. Its totals are those of
    /// its lines.
    pub fn end(&self, ending: EndReason, assessment: AssessmentRecord) {
        let mut state = self.shared.lock();
        let totals = Totals {
            lost: u64::from(std::mem::take(&mut state.lost)),
            ..Totals::default()
        };
        drop(state);
        self.push(Event::SmearEnded {
            ending,
            totals,
            assessment: Some(assessment),
        });
    }

    fn push(&self, event: Event) {
        let mut state = self.shared.lock();
        state.waiting.push_back((self.clock.stamp(), event));
        self.shared.changed.notify_all();
    }

    /// Why nothing can be written at the moment, where it is another answer than the last time;
    /// `known` remembers which that was.
    pub fn failure(&self, known: &mut u64) -> Option<Option<String>> {
        let state = self.shared.lock();
        if state.failure_number == *known {
            return None;
        }
        *known = state.failure_number;
        Some(state.failure.clone())
    }

    /// Whether what is kept can be read, and written but for a lack of room.
    pub fn is_usable(&self) -> bool {
        let state = self.shared.lock();
        match state.failure {
            Some(_) => state.lacks_room,
            None => state.is_open,
        }
    }

    /// Waits until everything is kept, no longer than `limit`.
    pub fn close(mut self, limit: Duration) -> RecordSummary {
        let until = Instant::now() + limit;
        let mut state = self.shared.lock();
        state.is_closing = true;
        self.shared.changed.notify_all();
        while !state.is_gone {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.wait(state, left);
        }
        let closed = RecordSummary {
            smear: state.smear,
            unsaved: state.waiting.len(),
            reason: state.failure.clone(),
        };
        let is_gone = state.is_gone;
        drop(state);
        // A thread that hangs on its disk is left to the end of the program.
        if let Some(thread) = self.thread.take_if(|_| is_gone) {
            let _ = thread.join();
        }
        closed
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
    }
}

/// Writes what waits, one after the other, until there is no more to come.
fn write_queue<D: Disk>(
    mut journal: Journal<D>,
    prepare: impl Fn() -> Result<Vec<String>, RecordError>,
    clock: &Clock,
    shared: &Shared,
    retry: Duration,
) {
    loop {
        let is_last_try = shared.lock().is_closing;
        let opened = prepare().and_then(|mut notes| {
            notes.extend(journal.open(clock.stamp())?);
            Ok(notes)
        });
        match opened {
            Ok(notes) => {
                let mut state = shared.lock();
                state.notes.extend(notes);
                state.is_open = true;
                state.fail(None);
                shared.changed.notify_all();
                break;
            }
            Err(error) => {
                report_failure(shared, &error, retry);
                if is_last_try {
                    return finish(shared);
                }
            }
        }
    }
    let mut state = shared.lock();
    loop {
        let Some((stamp, mut event)) = state.waiting.front().cloned() else {
            if state.is_closing {
                drop(state);
                return finish(shared);
            }
            state = shared.wait(state, RETRY);
            continue;
        };
        let is_last_try = state.is_closing;
        drop(state);
        if let Event::SmearEnded { totals, .. } = &mut event {
            let lost = totals.lost;
            *totals = journal.totals();
            totals.lost += lost;
        }
        let written = journal.write(stamp, &event);
        if let Err(error) = written {
            report_failure(shared, &error, retry);
            if is_last_try {
                return finish(shared);
            }
            state = shared.lock();
            continue;
        }
        state = shared.lock();
        state.waiting.pop_front();
        if matches!(event, Event::Field(_)) {
            state.waiting_fields -= 1;
        }
        state.smear = journal.smear();
        state.fail(None);
    }
}

/// Says why, and waits before the next try, as long as the run goes on.
fn report_failure(shared: &Shared, error: &RecordError, retry: Duration) {
    let mut state = shared.lock();
    state.lacks_room = error.is_lack_of_room();
    state.fail(Some(error.to_string()));
    shared.changed.notify_all();
    let until = Instant::now() + retry;
    while !state.is_closing {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        state = shared.wait(state, left);
    }
}

fn finish(shared: &Shared) {
    shared.lock().is_gone = true;
    shared.changed.notify_all();
}

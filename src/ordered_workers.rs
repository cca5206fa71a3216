//! Several workers over a stream of jobs, with the results in the order of the jobs.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Results that may wait for an earlier one, for each worker: memory stays bounded when one
/// job takes long.
const WAITING_PER_WORKER: u64 = 8;

/// The jobs and how many have been taken. Apart from [`State`], since the next job may be a line
/// that somebody has yet to type, and results must be handed out meanwhile.
struct Jobs<J> {
    jobs: J,
    taken: u64,
}

struct State<T> {
    handed_out: u64,
    working: usize,
    stopped: bool,
    done: BTreeMap<u64, T>,
}

struct Shared<J, T> {
    jobs: Mutex<Jobs<J>>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<J: Iterator, T> Shared<J, T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, once few enough results wait for their turn.
    fn take_job(&self, window: u64) -> Option<(u64, J::Item)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        while jobs.taken >= state.handed_out + window && !state.stopped {
            state = self.wait(state);
        }
        if state.stopped {
            return None;
        }
        drop(state);
        let job = jobs.jobs.next()?;
        let index = jobs.taken;
        jobs.taken += 1;
        Some((index, job))
    }

    fn work(&self, window: u64, mut job_done: impl FnMut(J::Item) -> T) {
        // Counts itself out even where a job panics, so that nobody waits for ever.
        let _leaving = Leaving(self);
        while let Some((index, job)) = self.take_job(window) {
            let result = job_done(job);
            self.lock().done.insert(index, result);
            self.changed.notify_all();
        }
    }

    /// The next result in order, or `None` when all are handed out.
    fn next_result(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let wanted = state.handed_out;
            if let Some(result) = state.done.remove(&wanted) {
                state.handed_out += 1;
                self.changed.notify_all();
                return Some(result);
            }
            if state.working == 0 {
                return None;
            }
            state = self.wait(state);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

struct Leaving<'a, J: Iterator, T>(&'a Shared<J, T>);

impl<J: Iterator, T> Drop for Leaving<'_, J, T> {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
        self.0.changed.notify_all();
    }
}

/// Runs every job on one of the workers and hands the results to `receive` in the order of the
/// jobs. `receive` returns `false` to stop early: jobs under way finish, no new one starts.
pub fn in_order<J, W, T>(
    jobs: J,
    workers: Vec<W>,
    work: impl Fn(&mut W, J::Item) -> T + Sync,
    mut receive: impl FnMut(T) -> bool,
) where
    J: Iterator + Send,
    J::Item: Send,
    W: Send,
    T: Send,
{
    let window = WAITING_PER_WORKER * workers.len() as u64;
    let shared = Shared {
        jobs: Mutex::new(Jobs { jobs, taken: 0 }),
        state: Mutex::new(State {
            handed_out: 0,
            working: workers.len(),
            stopped: false,
            done: BTreeMap::new(),
        }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for mut worker in workers {
            let (shared, work) = (&shared, &work);
            scope.spawn(move || shared.work(window, |job| work(&mut worker, job)));
        }
        while let Some(result) = shared.next_result() {
            if !receive(result) {
                shared.stop();
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for workers in [1, 2, 5] {
            let mut results = Vec::new();
            in_order(
                0..100_u64,
                vec![(); workers],
                |(), job| {
                    thread::sleep(Duration::from_micros((job * 37) % 11 * 100));
                    job * 2
                },
                |result| {
                    results.push(result);
                    true
                },
            );
            let expected: Vec<_> = (0..100).map(|job| job * 2).collect();
            assert_eq!(results, expected, "{workers} workers");
        }
    }

    #[test]
    fn a_slow_first_job_holds_the_others_back() {
        let started = AtomicU64::new(0);
        in_order(
            0..1000_u64,
            vec![(); 2],
            |(), job| {
                started.fetch_max(job, Ordering::Relaxed);
                if job == 0 {
                    thread::sleep(Duration::from_millis(60));
                    assert!(started.load(Ordering::Relaxed) <= 2 * WAITING_PER_WORKER);
                }
            },
            |()| true,
        );
        assert_eq!(started.load(Ordering::Relaxed), 999);
    }

    #[test]
    fn stopping_early_ends_an_endless_stream() {
        let mut received = 0;
        in_order(
            0_u64..,
            vec![(); 3],
            |(), job| job,
            |_| {
                received += 1;
                received < 10
            },
        );
        assert_eq!(received, 10);
    }
}

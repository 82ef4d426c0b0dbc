//! Jobs in, results out in the order of the jobs, on many threads.
//!
//! ```text
//! produce, one thread --jobs--> work, n threads --results--> collect, the calling thread, in order
//!        ^---------- at most JOBS_MAX jobs between the two ends -----------'
//! ```
//!
//! The window between the ends bounds everything: the queue of jobs, the results that wait for an earlier
//! one, and what both hold in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Jobs that are produced and not yet collected.
const JOBS_MAX: u64 = 64;

/// Runs the pipeline until `produce` returns and everything is collected, or until `collect` fails.
///
/// `produce` hands each job to the function that it is given, and ends when that answers
/// [`ControlFlow::Break`]. `start` makes what one worker keeps between jobs. A panic in any of them ends the
/// pipeline and goes on in the calling thread.
pub(super) fn run<J: Send, S, R: Send>(
    threads: usize,
    produce: impl FnOnce(&mut dyn FnMut(J) -> ControlFlow<()>) + Send,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> R + Sync,
    mut collect: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let window = Window::default();
    let (job_sender, jobs) = channel::<(u64, J)>();
    let (result_sender, results) = channel::<(u64, R)>();
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        let (window, jobs, start, work) = (&window, &jobs, &start, &work);
        scope.spawn(move || {
            let _guard = StopOnPanic(window);
            let mut index = 0;
            produce(&mut |job| {
                if !window.wait_for_room(index) || job_sender.send((index, job)).is_err() {
                    return ControlFlow::Break(());
                }
                index += 1;
                ControlFlow::Continue(())
            });
        });
        for _ in 0..threads.max(1) {
            let result_sender = result_sender.clone();
            scope.spawn(move || {
                let _guard = StopOnPanic(window);
                let mut state = start();
                while let Some((index, job)) = next_job(jobs) {
                    if result_sender.send((index, work(&mut state, job))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(result_sender);
        let _guard = StopOnPanic(window);
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (index, result) in results {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&next) {
                if let Err(error) = collect(result) {
                    window.stop();
                    return Err(error);
                }
                next += 1;
                window.collected(next);
            }
        }
        Ok(())
    })
}

/// The next job; `None` when there will be none. The lock is held while waiting: one worker waits for the
/// job, the others wait for that worker.
fn next_job<J>(jobs: &Mutex<Receiver<(u64, J)>>) -> Option<(u64, J)> {
    lock(jobs).recv().ok()
}

/// How far collection is, for the producer to keep near it.
#[derive(Debug, Default)]
struct Window {
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    collected: u64,
    stopped: bool,
}

impl Window {
    /// Waits until job `index` may be produced; `false`: none is wanted any more.
    fn wait_for_room(&self, index: u64) -> bool {
        let full = |progress: &mut Progress| !progress.stopped && index - progress.collected >= JOBS_MAX;
        let progress = self.moved.wait_while(lock(&self.progress), full).unwrap_or_else(PoisonError::into_inner);
        !progress.stopped
    }

    fn collected(&self, count: u64) {
        lock(&self.progress).collected = count;
        self.moved.notify_all();
    }

    fn stop(&self) {
        lock(&self.progress).stopped = true;
        self.moved.notify_all();
    }
}

/// Without it a panic in one thread would leave the producer waiting for a result that never comes.
struct StopOnPanic<'a>(&'a Window);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// What these locks guard is valid after any panic: a number, a flag, a queue's end.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn produce(count: u64) -> impl FnOnce(&mut dyn FnMut(u64) -> ControlFlow<()>) + Send {
        move |send| {
            for job in 0..count {
                if send(job).is_break() {
                    break;
                }
            }
        }
    }

    #[test]
    fn results_come_in_the_order_of_jobs() {
        let mut seen = Vec::new();
        run(
            4,
            produce(1000),
            || (),
            |(), job| job * 2,
            |result| {
                seen.push(result);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, (0..1000).map(|job| job * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_ends_it() {
        let mut collected = 0;
        let result = run(
            3,
            produce(u64::MAX),
            || (),
            |(), job| job,
            |job| {
                collected += 1;
                if job == 10 { Err(io::Error::other("full")) } else { Ok(()) }
            },
        );
        assert!(result.is_err());
        assert_eq!(collected, 11);
    }

    #[test]
    fn a_panic_of_a_worker_ends_it_and_goes_on() {
        let ended = catch_unwind(|| {
            run(2, produce(u64::MAX), || (), |(), job| assert_ne!(job, 100, "on purpose"), |()| Ok(()))
        });
        assert!(ended.is_err());
    }
}

//! Threads that read from the tables for whoever asked, so that asking does not wait.

use super::core::locked;
use super::desk::Job;
use super::error::StoreError;
use super::pace::Pace;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The queue that the threads work on, bounded.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: Mutex<Queue>,
    came: Condvar,
    depth_max: usize,
    pace: Pace,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    over: bool,
}

impl Readers {
    /// Starts so many threads on a queue of so many reads, for tables that are slower than `read_at_once`.
    pub(crate) fn start(
        threads: usize,
        depth_max: usize,
        read_at_once: Duration,
        dir: &Path,
    ) -> Result<(Arc<Self>, Vec<JoinHandle<()>>), StoreError> {
        let pace = Pace::new(read_at_once);
        let readers = Arc::new(Self { queue: Mutex::default(), came: Condvar::new(), depth_max, pace });
        let mut handles = Vec::with_capacity(threads);
        for number in 0..threads {
            let queue = Arc::clone(&readers);
            let thread = std::thread::Builder::new().name(format!("store-read-{number}"));
            match thread.spawn(move || queue.serve()) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    readers.close();
                    return Err(StoreError::disk("start a thread for", dir)(error));
                }
            }
        }
        Ok((readers, handles))
    }

    /// Puts a read into the queue; `false` when there is no room, and then the caller reads for itself.
    pub(crate) fn ask(&self, job: Job) -> bool {
        let mut queue = locked(&self.queue);
        if queue.over || queue.jobs.len() >= self.depth_max {
            return false;
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.came.notify_one();
        true
    }

    /// How long the tables take lately.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Has the threads end once the queue is empty.
    pub(crate) fn close(&self) {
        locked(&self.queue).over = true;
        self.came.notify_all();
    }

    fn serve(&self) {
        while let Some(job) = self.next() {
            job.run();
        }
    }

    fn next(&self) -> Option<Job> {
        let queue = locked(&self.queue);
        let mut queue = self
            .came
            .wait_while(queue, |queue| queue.jobs.is_empty() && !queue.over)
            .unwrap_or_else(PoisonError::into_inner);
        queue.jobs.pop_front()
    }
}

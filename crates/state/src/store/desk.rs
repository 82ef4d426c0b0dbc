//! The reads of one view that take their time: tickets, and who waits for them.
//!
//! What was read for a view is kept until the view is dropped: once a ticket is complete, the same read is ready, whatever
//! the cache forgets meanwhile.

use super::core::locked;
use super::readers::Readers;
use super::view::{Moment, view_error};
use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use motet_types::{Location, Read, Ticket, Value, ViewError};
use std::fmt;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// Locks over the reads of a view.
const SHARDS: u64 = 16;
/// Values that a view keeps in each shard; beyond, reads wait on the thread that asks.
const KEPT_MAX: usize = 1 << 16;

/// Where views leave reads for the threads, and find the answers.
#[derive(Debug)]
pub(crate) struct Desk {
    readers: Arc<Readers>,
    answers: Arc<Answers>,
}

/// One read for one view.
#[derive(Debug)]
pub(crate) struct Job {
    moment: Arc<Moment>,
    readers: Arc<Readers>,
    answers: Arc<Answers>,
    location: Location,
}

struct Answers {
    shards: Vec<Mutex<Shard>>,
    hasher: DefaultHashBuilder,
    /// Source of ticket numbers.
    issued: AtomicU64,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("issued", &self.issued).finish_non_exhaustive()
    }
}

/// Invariant: a location is in at most one of `done` and `under_way`, and the tickets in `under_way` are those in `waiting`.
#[derive(Debug, Default)]
struct Shard {
    done: HashMap<Location, Result<Value, ViewError>>,
    under_way: HashMap<Location, Ticket>,
    waiting: HashMap<Ticket, Vec<Waker>>,
}

impl Desk {
    pub(crate) fn new(readers: Arc<Readers>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let answers = Answers { shards, hasher: DefaultHashBuilder::default(), issued: AtomicU64::new(0) };
        Self { readers, answers: Arc::new(answers) }
    }

    /// The answer if it is there, else a ticket; reads on the calling thread while the tables are quick, and when the queue
    /// is full.
    pub(crate) fn read(&self, moment: &Arc<Moment>, location: Location) -> Result<Read, ViewError> {
        let asked = if self.readers.pace().is_quick() { Err(Full) } else { self.ask(moment, location) };
        match asked {
            Ok(answer) => answer,
            Err(Full) => {
                let value = self.readers.pace().of(|| moment.value(location));
                value.map(Read::Ready).map_err(|error| view_error(location, &error))
            }
        }
    }

    /// Leaves a read for the threads, unless the tables are quick or the queue is full.
    pub(crate) fn prefetch(&self, moment: &Arc<Moment>, location: Location) {
        if !self.readers.pace().is_quick() {
            // A hint: whether it was taken makes no difference.
            let _ = self.ask(moment, location);
        }
    }

    fn ask(&self, moment: &Arc<Moment>, location: Location) -> Result<Result<Read, ViewError>, Full> {
        let (number, mut shard) = self.answers.shard_of(&location);
        if let Some(answer) = shard.done.get(&location) {
            return Ok(answer.clone().map(Read::Ready));
        }
        if let Some(ticket) = shard.under_way.get(&location) {
            return Ok(Ok(Read::Pending(*ticket)));
        }
        let (readers, answers) = (Arc::clone(&self.readers), Arc::clone(&self.answers));
        let job = Job { moment: Arc::clone(moment), readers, answers, location };
        // The lock is held, so the answer comes after the ticket is known.
        if shard.done.len() >= KEPT_MAX || !self.readers.ask(job) {
            return Err(Full);
        }
        let ticket = Ticket(self.answers.issued.fetch_add(1, Ordering::Relaxed) * SHARDS + number);
        shard.under_way.insert(location, ticket);
        shard.waiting.insert(ticket, Vec::new());
        Ok(Ok(Read::Pending(ticket)))
    }

    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        match self.answers.shard(ticket.0 % SHARDS).waiting.get_mut(&ticket) {
            Some(wakers) => {
                if !wakers.iter().any(|other| other.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    pub(crate) fn is_ready(&self, ticket: Ticket) -> bool {
        !self.answers.shard(ticket.0 % SHARDS).waiting.contains_key(&ticket)
    }
}

/// There is no room for another read.
struct Full;

impl Job {
    /// Reads, leaves the answer and wakes whoever waits for it.
    pub(crate) fn run(self) {
        // An engine that panics on damaged files must not leave anybody waiting.
        let read = catch_unwind(AssertUnwindSafe(|| self.readers.pace().of(|| self.moment.value(self.location))));
        let answer = match read {
            Ok(read) => read.map_err(|error| view_error(self.location, &error)),
            Err(_) => Err(ViewError::new(self.location, "the read panicked")),
        };
        let (_, mut shard) = self.answers.shard_of(&self.location);
        shard.done.insert(self.location, answer);
        let ticket = shard.under_way.remove(&self.location);
        let wakers = ticket.and_then(|ticket| shard.waiting.remove(&ticket)).unwrap_or_default();
        drop(shard);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Answers {
    fn shard_of(&self, location: &Location) -> (u64, MutexGuard<'_, Shard>) {
        let number = (self.hasher.hash_one(location) >> 40) % SHARDS;
        (number, self.shard(number))
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, Shard> {
        locked(&self.shards[number as usize])
    }
}

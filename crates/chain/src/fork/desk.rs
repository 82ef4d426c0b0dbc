//! Questions to a remote node under way, and who waits for the answers.
//!
//! ```text
//! read --> known? --> answer
//!            \------> ticket, queue --> a thread takes up to a batch --> remote node --> known, file --> wakers
//! ```

use super::cache::Cache;
use super::error::ForkError;
use super::questions::{At, Found, calls_for, found_in, hash_in, header_call};
use super::remote::{RemoteError, RemoteNode};
use super::{CacheIdentity, TICKET};
use alloy_primitives::map::{B256Map, HashMap};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY};
use motet_types::{Location, Read, Ticket, Value, ViewError};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// Threads that ask. One waits for the node while the other reads its answers.
const THREADS: usize = 2;
/// Most locations in a batch; an account takes three calls. Public nodes take about a hundred.
const BATCH_LOCATIONS: usize = 32;
/// Most locations that wait to be asked for. Hints beyond are dropped; who needs the answer waits for room.
const QUEUE_MAX: usize = 1 << 16;
/// Most answers in memory; beyond, it begins anew, and asks again.
const KNOWN_MAX: usize = 1 << 22;
/// Most bytes of code in memory. No code is dropped, as local accounts refer to it.
const CODE_BYTES_MAX: usize = 1 << 30;
/// Most failures that nobody asked for again.
const FAILED_MAX: usize = 1 << 16;
/// How often a node that does not answer is asked again, and how long to wait before.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// See the module's description. Dropping it ends its threads.
pub(super) struct Desk {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    remote: Arc<dyn RemoteNode>,
    number: u64,
    hash: B256,
    /// Whether the node knows blocks by their heights alone. Relaxed: who misses it asks once too often.
    by_number: AtomicBool,
    state: Mutex<State>,
    /// Something was queued, or it is the end. Who waits here takes what is queued.
    queued: Condvar,
    /// It is the end.
    stopped: Condvar,
    cache: Mutex<Option<Cache>>,
}

/// A question under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    ticket: Ticket,
    /// Whether somebody reads the location, and it is not a hint alone.
    is_read: bool,
}

/// Invariant: a location is in at most one of `known`, `failed` and `under_way`; the tickets in `under_way` are those in
/// `waiting`; what is in `queue` is under way.
#[derive(Default)]
struct State {
    known: HashMap<Location, Value>,
    codes: B256Map<Bytes>,
    code_bytes: usize,
    failed: HashMap<Location, ViewError>,
    under_way: HashMap<Location, UnderWay>,
    waiting: HashMap<Ticket, Vec<Waker>>,
    queue: VecDeque<Location>,
    issued: u64,
    asked: u64,
    is_stopped: bool,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("remote", &self.shared.remote).finish_non_exhaustive()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.state().is_stopped = true;
        self.shared.queued.notify_all();
        self.shared.stopped.notify_all();
        for thread in self.threads.drain(..) {
            // It catches its panics.
            let _ = thread.join();
        }
    }
}

impl Desk {
    /// Reads the file, and starts to answer.
    pub(super) fn start(
        remote: Arc<dyn RemoteNode>,
        number: u64,
        hash: B256,
        cache: Option<&Path>,
    ) -> Result<Self, ForkError> {
        let mut state = State::default();
        let cache = match cache {
            None => None,
            Some(path) => {
                let (cache, found) = Cache::open(path, CacheIdentity { number, hash })?;
                for answer in found {
                    state.keep(answer);
                }
                Some(cache)
            }
        };
        let shared = Shared {
            remote,
            number,
            hash,
            by_number: AtomicBool::new(false),
            state: Mutex::new(state),
            queued: Condvar::new(),
            stopped: Condvar::new(),
            cache: Mutex::new(cache),
        };
        let mut desk = Self { shared: Arc::new(shared), threads: Vec::with_capacity(THREADS) };
        for n in 0..THREADS {
            let shared = Arc::clone(&desk.shared);
            let thread = thread::Builder::new().name(format!("fork-{n}")).spawn(move || shared.answer());
            desk.threads.push(thread.map_err(ForkError::Thread)?);
        }
        Ok(desk)
    }

    /// Whether nothing is under way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.shared.state().under_way.is_empty()
    }

    /// How many locations were asked for so far.
    pub(super) fn question_count(&self) -> u64 {
        self.shared.state().asked
    }

    /// Whether the code is one of the remote state.
    pub(super) fn has_code(&self, hash: &B256) -> bool {
        self.shared.state().codes.contains_key(hash)
    }

    pub(super) fn read(&self, location: Location) -> Result<Read, ViewError> {
        self.shared.state().read(location, &self.shared.queued)
    }

    pub(super) fn value(&self, location: Location) -> Result<Value, ForkError> {
        loop {
            match self.read(location)? {
                Read::Ready(value) => return Ok(value),
                Read::Pending(ticket) => {
                    let waker = Waker::from(Arc::new(Unpark(thread::current())));
                    while self.poll(ticket, &waker) == Poll::Pending {
                        thread::park();
                    }
                }
            }
        }
    }

    pub(super) fn prefetch(&self, locations: &[Location]) {
        let mut state = self.shared.state();
        for location in locations {
            if state.queue.len() >= QUEUE_MAX {
                break;
            }
            // A hint: what it comes to is for the read to say.
            let is_answered = state.known.contains_key(location) || state.failed.contains_key(location);
            if !matches!(location, Location::Code(_)) && !is_answered {
                state.ask(*location, &self.shared.queued);
            }
        }
    }

    pub(super) fn poll(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        match self.shared.state().waiting.get_mut(&ticket) {
            Some(wakers) => {
                if !wakers.iter().any(|other| other.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    pub(super) fn is_ready(&self, ticket: Ticket) -> bool {
        !self.shared.state().waiting.contains_key(&ticket)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl State {
    fn read(&mut self, location: Location, queued: &Condvar) -> Result<Read, ViewError> {
        if let Location::Code(hash) = location {
            return match self.codes.get(&hash) {
                Some(code) => Ok(Read::Ready(Value::Code(code.clone()))),
                None if hash == KECCAK256_EMPTY => Ok(Read::Ready(Value::Code(Bytes::new()))),
                None => Err(ViewError::new(location, "no account with this code was read from the remote node")),
            };
        }
        if let Some(value) = self.known.get(&location) {
            return Ok(Read::Ready(value.clone()));
        }
        // It is told once; who asks again has it asked again.
        if let Some(error) = self.failed.remove(&location) {
            return Err(error);
        }
        let under_way = self.ask(location, queued);
        under_way.is_read = true;
        Ok(Read::Pending(under_way.ticket))
    }

    /// The question for a location that is neither known nor a code.
    fn ask(&mut self, location: Location, queued: &Condvar) -> &mut UnderWay {
        self.under_way.entry(location).or_insert_with(|| {
            let ticket = Ticket(self.issued | TICKET);
            self.issued = self.issued.wrapping_add(1) & !TICKET;
            self.waiting.insert(ticket, Vec::new());
            self.queue.push_back(location);
            queued.notify_one();
            UnderWay { ticket, is_read: false }
        })
    }

    fn keep(&mut self, found: Found) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        match found {
            Found::Account(address, account, code) => {
                if let Some(account) = account.filter(|_| !code.is_empty()) {
                    let bytes = code.len();
                    if self.codes.insert(account.code_hash, code).is_none() {
                        self.code_bytes = self.code_bytes.saturating_add(bytes);
                    }
                }
                self.known.insert(Location::Account(address), Value::Account(account));
            }
            Found::Slot(address, slot, value) => {
                self.known.insert(Location::Slot(address, slot), Value::Slot(value));
            }
            Found::BlockHash(number, hash) => {
                self.known.insert(Location::BlockHash(number), Value::BlockHash(hash));
            }
        }
    }

    /// Ends a question. The answer is who waits for it.
    fn end(&mut self, location: Location, answer: Result<Found, String>) -> Vec<Waker> {
        let under_way = self.under_way.remove(&location);
        match answer {
            Ok(_) if self.code_bytes > CODE_BYTES_MAX => {
                self.fail(location, format!("more than {CODE_BYTES_MAX} bytes of code were read from the remote node"));
            }
            Ok(found) => self.keep(found),
            // Whoever reads it later is not to be told what was then.
            Err(_) if under_way.is_some_and(|under_way| !under_way.is_read) => {}
            Err(reason) => self.fail(location, reason),
        }
        under_way.and_then(|under_way| self.waiting.remove(&under_way.ticket)).unwrap_or_default()
    }

    fn fail(&mut self, location: Location, reason: String) {
        if self.failed.len() >= FAILED_MAX {
            self.failed.clear();
        }
        self.failed.insert(location, ViewError::new(location, reason));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is half done where anything panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until the end.
    fn answer(&self) {
        while let Some(locations) = self.next_batch() {
            let asked = catch_unwind(AssertUnwindSafe(|| self.ask(&locations)));
            let answers = asked.unwrap_or_else(|_| Err("the question panicked".to_owned()));
            let answers: Vec<Result<Found, String>> = match answers {
                Ok(answers) => answers,
                Err(reason) => locations.iter().map(|_| Err(reason.clone())).collect(),
            };
            let kept: Vec<Found> = answers.iter().flatten().cloned().collect();
            let mut wakers = Vec::new();
            let mut state = self.state();
            for (location, answer) in locations.into_iter().zip(answers) {
                wakers.extend(state.end(location, answer));
            }
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.as_mut().is_some_and(|cache| cache.add(&kept).is_err()) {
                // A full disk costs time at the next start, and nothing now.
                *cache = None;
            }
        }
    }

    /// Waits for something to ask. `None`: it is the end.
    fn next_batch(&self) -> Option<Vec<Location>> {
        let mut state = self.state();
        loop {
            if state.is_stopped {
                // Nobody may be left waiting.
                let left: Vec<Location> = state.queue.drain(..).collect();
                for location in left {
                    let wakers = state.end(location, Err("the fork is closed".to_owned()));
                    wakers.into_iter().for_each(Waker::wake);
                }
                return None;
            }
            if !state.queue.is_empty() {
                let count = state.queue.len().min(BATCH_LOCATIONS);
                state.asked = state.asked.saturating_add(count as u64);
                return Some(state.queue.drain(..count).collect());
            }
            state = self.queued.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for locations after the block of this hash. Where the node refuses, by its height, as long as it is that block.
    fn ask(&self, locations: &[Location]) -> Result<Vec<Result<Found, String>>, String> {
        if self.by_number.load(Ordering::Relaxed) {
            return self.ask_at(locations, At::Number(self.number));
        }
        let found = self.ask_at(locations, At::Hash(self.hash))?;
        let is_answered = |found: &[Result<Found, String>]| {
            let mut of_states = found.iter().zip(locations).filter(|(_, location)| !is_block_hash(location)).peekable();
            of_states.peek().is_none() || of_states.any(|(found, _)| found.is_ok())
        };
        if is_answered(&found) {
            return Ok(found);
        }
        let found = self.ask_at(locations, At::Number(self.number))?;
        // Otherwise it is not the name of the block that it refuses.
        if is_answered(&found) {
            self.by_number.store(true, Ordering::Relaxed);
        }
        Ok(found)
    }

    fn ask_at(&self, locations: &[Location], at: At) -> Result<Vec<Result<Found, String>>, String> {
        let mut questions: Vec<_> = locations.iter().map(|location| calls_for(*location, at)).collect();
        // What is asked for by height is of this chain only as long as the block is.
        let is_checked = matches!(at, At::Number(_)) || locations.iter().any(is_block_hash);
        questions.extend(is_checked.then(|| vec![header_call(self.number)]));
        let calls = questions.concat();
        let answers = self.batch(&calls).map_err(|error| error.to_string())?;
        if answers.len() != calls.len() {
            let (found, wanted) = (answers.len(), calls.len());
            return Err(format!("{}: {found} answers to {wanted} calls", self.remote.name()));
        }
        let mut rest = answers.as_slice();
        if let Some((check, before)) = rest.split_last().filter(|_| is_checked) {
            let hash = hash_in(self.number, check).map_err(|what| format!("{}: {what}", self.remote.name()))?;
            if hash != self.hash {
                let (name, number, wanted) = (self.remote.name(), self.number, self.hash);
                return Err(format!("{name}: its block {number} is {hash} by now, and no longer {wanted}"));
            }
            rest = before;
        }
        let mut found = Vec::with_capacity(locations.len());
        for (location, calls) in locations.iter().zip(&questions) {
            let (own, others) = rest.split_at_checked(calls.len()).unwrap_or((rest, &[]));
            rest = others;
            let answer = found_in(*location, own);
            found.push(answer.map_err(|what| format!("{}: {what}", self.remote.name())));
        }
        Ok(found)
    }

    fn batch(&self, calls: &[super::RemoteCall]) -> Result<Vec<Result<serde_json::Value, String>>, RemoteError> {
        for pause in PAUSES {
            match self.remote.batch(calls) {
                Ok(answers) => return Ok(answers),
                Err(error) => {
                    let state = self.state();
                    let is_running = |state: &mut State| !state.is_stopped;
                    let waited = self.stopped.wait_timeout_while(state, pause, is_running);
                    if waited.unwrap_or_else(PoisonError::into_inner).0.is_stopped {
                        return Err(error);
                    }
                }
            }
        }
        self.remote.batch(calls)
    }
}

fn is_block_hash(location: &Location) -> bool {
    matches!(location, Location::BlockHash(_))
}

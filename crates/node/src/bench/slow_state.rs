//! A parent state whose first read of each location takes time, as on a disk.

use alloy_primitives::Address;
use motet_types::{Location, Read, StateView, Ticket, ViewError};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

/// Locks over the locations that were touched.
const SHARDS: usize = 64;

/// How slow a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slowness {
    /// From the start of a read to its end.
    pub(crate) latency: Duration,
    /// Reads that are under way at a time; others queue.
    pub(crate) queue_depth: usize,
}

/// A state in memory behind a device with a latency and a queue.
///
/// The end of a read is computed when it is asked for: it starts at once if one of the device's places is free, else
/// when the next one is, and takes the latency. A location that was read stays near. Blocking reads spin until their end, so
/// that who waits for each waits for no more than the latency.
#[derive(Debug)]
pub(crate) struct SlowState<'a, V> {
    inner: &'a V,
    slowness: Slowness,
    /// Whether reads answer `Pending`; else they block.
    pends: bool,
    touched: Vec<Mutex<HashMap<Location, u64>>>,
    /// When each place of the device is free again, in nanoseconds of `clock`.
    places: Mutex<BinaryHeap<Reverse<u64>>>,
    reads: AtomicU64,
    alarm: &'a Alarm,
    clock: fn() -> u64,
}

impl<'a, V: StateView> SlowState<'a, V> {
    pub(crate) fn new(inner: &'a V, slowness: Slowness, pends: bool, alarm: &'a Alarm, clock: fn() -> u64) -> Self {
        Self {
            inner,
            slowness,
            pends,
            touched: (0..SHARDS).map(|_| Mutex::default()).collect(),
            places: Mutex::new((0..slowness.queue_depth).map(|_| Reverse(0)).collect()),
            reads: AtomicU64::new(0),
            alarm,
            clock,
        }
    }

    /// Reads that went to the device.
    pub(crate) fn cold_reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// When a location is near: now, if it was read before.
    fn near_at(&self, location: Location) -> u64 {
        let shard = std::hash::BuildHasher::hash_one(
            &std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default(),
            location,
        );
        let mut touched = locked(&self.touched[shard as usize % SHARDS]);
        if let Some(near_at) = touched.get(&location) {
            return *near_at;
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut places = locked(&self.places);
        let free_at = places.pop().map_or(0, |Reverse(free_at)| free_at);
        let near_at = free_at.max((self.clock)()) + self.slowness.latency.as_nanos() as u64;
        places.push(Reverse(near_at));
        drop(places);
        touched.insert(location, near_at);
        near_at
    }
}

impl<V: StateView> StateView for SlowState<'_, V> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        if !matches!(location, Location::BlockHash(_)) {
            let near_at = self.near_at(location);
            if self.pends && (self.clock)() < near_at {
                return Ok(Read::Pending(Ticket(near_at)));
            }
            while (self.clock)() < near_at {
                std::hint::spin_loop();
            }
        }
        self.inner.read(location)
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.inner.has_storage(address)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        if (self.clock)() >= ticket.0 {
            return Poll::Ready(());
        }
        self.alarm.set(ticket.0, waker.clone());
        Poll::Pending
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        (self.clock)() >= ticket.0
    }

    fn prefetch(&self, locations: &[Location]) {
        for location in locations {
            self.near_at(*location);
        }
    }

    fn may_pend(&self) -> bool {
        self.pends
    }
}

/// A thread that wakes others at given times.
#[derive(Debug)]
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    due: Mutex<Due>,
    changed: Condvar,
    over: AtomicBool,
}

/// Wakers by time; the number keeps those of one time apart.
#[derive(Debug, Default)]
struct Due {
    next: u64,
    times: BinaryHeap<Reverse<(u64, u64)>>,
    wakers: HashMap<u64, Waker>,
}

impl Alarm {
    pub(crate) fn new(clock: fn() -> u64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let rings = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("bench-alarm".to_owned()).spawn(move || rings.ring(clock))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn set(&self, at: u64, waker: Waker) {
        let mut due = locked(&self.shared.due);
        let number = due.next;
        due.next += 1;
        let first = due.times.peek().is_none_or(|Reverse((first, _))| at < *first);
        due.times.push(Reverse((at, number)));
        due.wakers.insert(number, waker);
        drop(due);
        if first {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(locked(&self.shared.due));
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ring(&self, clock: fn() -> u64) {
        let mut ringing = Vec::new();
        let mut due = locked(&self.due);
        while !self.over.load(Ordering::SeqCst) {
            let now = clock();
            while let Some(Reverse((at, number))) = due.times.peek().copied() {
                if at > now {
                    break;
                }
                due.times.pop();
                ringing.extend(due.wakers.remove(&number));
            }
            if !ringing.is_empty() {
                drop(due);
                ringing.drain(..).for_each(Waker::wake);
                due = locked(&self.due);
                continue;
            }
            due = match due.times.peek() {
                Some(Reverse((at, _))) => {
                    let patience = Duration::from_nanos(at.saturating_sub(clock()));
                    self.changed.wait_timeout(due, patience).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

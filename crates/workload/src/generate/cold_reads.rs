//! Counts what a block asks the parent state for.

use alloy_primitives::Address;
use motet_types::{Location, Read, StateView, Ticket, ViewError};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A view that remembers which locations were read through it.
///
/// Locations read per transaction, each counted once a block, say how much a workload depends on slow
/// storage: `counted.location_count() / tx_count` after an execution over this view. Execute in order,
/// since speculation may read more than the block needs.
#[derive(Debug)]
pub struct ColdReads<V> {
    inner: V,
    seen: Mutex<BTreeSet<Location>>,
}

impl<V: StateView> ColdReads<V> {
    /// Counts reads of `inner`.
    pub fn new(inner: V) -> Self {
        Self { inner, seen: Mutex::new(BTreeSet::new()) }
    }

    /// How many distinct accounts and slots were read. Code and ancestor hashes count for nothing:
    /// nodes keep them in memory.
    pub fn location_count(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|location| matches!(location, Location::Account(_) | Location::Slot(..))).count()
    }
}

impl<V: StateView> StateView for ColdReads<V> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(location);
        self.inner.read(location)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.inner.poll_ticket(ticket, waker)
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.inner.has_storage(address)
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        self.inner.is_ready(ticket)
    }

    fn prefetch(&self, locations: &[Location]) {
        self.inner.prefetch(locations);
    }

    fn may_pend(&self) -> bool {
        self.inner.may_pend()
    }
}

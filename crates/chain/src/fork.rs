//! A chain that starts where another one stands: state of a remote node, read when it is needed.
//!
//! ```text
//! read at height h --> touched by a local block up to h? -- yes --> the local store
//!                                                        \- no ---> known? --> batches of questions to the remote node
//! ```
//!
//! The remote state is that after one block, and never changes; so every answer is kept, in memory and in a file. The first
//! local block has the remote block's number and environment. Its state root is that of nothing: roots of a fork are over
//! what local blocks changed alone, as the rest is not here. So the fork's blocks are nobody else's.

mod block;
mod cache;
mod desk;
mod error;
mod questions;
mod remote;
mod touches;
mod whole;

use crate::chain_error::ChainError;
use alloy_primitives::B256;
use desk::Desk;
use motet_state::store::Store;
use motet_types::{Location, Read, Ticket, Value, ViewError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use touches::{Lookup, Touches};

pub use block::RemoteBlock;
pub use error::ForkError;
pub use remote::{RemoteCall, RemoteError, RemoteNode};
pub(crate) use whole::complete;

/// Tickets of a fork have this bit; those of the store never come so far.
const TICKET: u64 = 1 << 63;

/// A remote state, and which of it local blocks have changed. See the module's description.
#[derive(Debug)]
pub struct Fork {
    desk: Desk,
    first: u64,
    touches: Mutex<Touches>,
}

impl Fork {
    /// The state after a block of a remote node. What it answers is kept in a file of its own.
    ///
    /// # Errors
    /// When the file is another block's or cannot be used, and when threads cannot be started.
    pub fn new(remote: Arc<dyn RemoteNode>, block: &RemoteBlock, cache: Option<&Path>) -> Result<Arc<Self>, ForkError> {
        let desk = Desk::start(remote, block.number, block.hash, cache)?;
        Ok(Arc::new(Self { desk, first: block.number, touches: Mutex::new(Touches::new(block.number)) }))
    }

    /// How many questions the remote node was asked so far.
    pub fn question_count(&self) -> u64 {
        self.desk.question_count()
    }

    /// Takes in what the canonical chain has become.
    pub(crate) fn follow(&self, store: &Store, head: u64) -> Result<(), ChainError> {
        self.touches.lock().unwrap_or_else(PoisonError::into_inner).follow(store, head)
    }

    /// The fork as it is seen from a height of the chain that is canonical now.
    pub(crate) fn at(self: &Arc<Self>, height: u64) -> ForkAt {
        let lookup = self.touches.lock().unwrap_or_else(PoisonError::into_inner).lookup();
        ForkAt { fork: Arc::clone(self), lookup, height }
    }
}

/// A fork as it is seen from a height.
#[derive(Clone, Debug)]
pub(crate) struct ForkAt {
    fork: Arc<Fork>,
    lookup: Arc<Lookup>,
    height: u64,
}

impl ForkAt {
    /// Whether it is the remote node that knows a location, and not the local store.
    pub(crate) fn is_remote(&self, location: &Location) -> bool {
        match location {
            Location::Account(address) => !self.lookup.has_account(address, self.height),
            Location::Slot(address, slot) => !self.lookup.has_slot(address, slot, self.height),
            Location::Code(hash) => self.fork.desk.has_code(hash),
            Location::BlockHash(number) => *number < self.fork.first,
        }
    }

    pub(crate) fn read(&self, location: Location) -> Result<Read, ViewError> {
        self.fork.desk.read(location)
    }

    /// As [`ForkAt::read`], waiting for the answer.
    pub(crate) fn value(&self, location: Location) -> Result<Value, ForkError> {
        self.fork.desk.value(location)
    }

    pub(crate) fn prefetch(&self, locations: &[Location]) {
        self.fork.desk.prefetch(locations);
    }

    /// Whether this fork gave out the ticket.
    pub(crate) fn is_own(ticket: Ticket) -> bool {
        ticket.0 & TICKET != 0
    }

    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.fork.desk.poll(ticket, waker)
    }

    pub(crate) fn is_ready(&self, ticket: Ticket) -> bool {
        self.fork.desk.is_ready(ticket)
    }
}

/// Which remote block a cache is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CacheIdentity {
    number: u64,
    hash: B256,
}

#[cfg(test)]
mod tests;

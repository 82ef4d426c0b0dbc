//! The view of the parent state, ready for storage that takes its time.
//!
//! A read answers [`Read::Ready`] or [`Read::Pending`]; a pending read completes in the background and
//! wakes whoever asked. Memory-resident states are always ready.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use std::fmt;
use std::task::{Poll, Waker};

/// One thing that the parent state can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// Balance, nonce and code hash of an account.
    Account(Address),
    /// A storage slot.
    Slot(Address, U256),
    /// Code by its keccak-256.
    Code(B256),
    /// Hash of an ancestor by block number.
    BlockHash(u64),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => write!(f, "account {address}"),
            Self::Slot(address, slot) => write!(f, "account {address} slot {slot:#x}"),
            Self::Code(hash) => write!(f, "code {hash}"),
            Self::BlockHash(number) => write!(f, "hash of block {number}"),
        }
    }
}

/// An account as the parent state holds it, without its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Wei.
    pub balance: U256,
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// keccak-256 of the code; [`KECCAK256_EMPTY`] when there is none.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Empty as EIP-161 defines it: no balance, no nonce, no code.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// What a [`Location`] holds. The variant matches the location's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `None`: the account does not exist.
    Account(Option<Account>),
    /// Zero where nothing is stored.
    Slot(U256),
    /// The code itself.
    Code(Bytes),
    /// Hash of an ancestor.
    BlockHash(B256),
}

/// Names one read under way in a [`StateView`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The value.
    Ready(Value),
    /// The read is under way; once the ticket completes, the same read is ready.
    Pending(Ticket),
}

/// A read that the view cannot answer: data is missing or the store failed.
///
/// It says nothing about the block: a speculative execution may ask for what the block never needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parent state: {location}: {reason}")]
pub struct ViewError {
    /// What was asked for.
    pub location: Location,
    /// Why there is no answer, in words.
    pub reason: String,
}

impl ViewError {
    /// An unanswerable read.
    pub fn new(location: Location, reason: impl Into<String>) -> Self {
        Self { location, reason: reason.into() }
    }
}

/// The state after the parent block, read by location.
///
/// Invariants, kept by implementations: the same location always gives the same value while a block
/// executes; a [`Read::Ready`] carries the variant that matches the location; a pending ticket
/// completes, with success or with an error that the next read returns.
///
/// `read` is called from many threads at once, possibly for locations that the block does not need.
pub trait StateView: Sync {
    /// Reads one location.
    ///
    /// # Errors
    /// When the view has no answer.
    fn read(&self, location: Location) -> Result<Read, ViewError>;

    /// Whether any slot of an account of the parent state is not zero: for EIP-7610, by which no contract is
    /// created where storage is.
    ///
    /// It is asked once per contract creation. The default, `false`, is right for every state in which an
    /// account without code and nonce has no storage, as on all public chains since EIP-161. It never waits:
    /// a view that would have to look far keeps the default.
    ///
    /// # Errors
    /// When the view has no answer.
    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        let _ = address;
        Ok(false)
    }

    /// Whether a pending read is complete; if not, `waker` is woken once it is. Several transactions may wait for one
    /// ticket: every waker that was handed in is woken, not the last one alone.
    ///
    /// Views that never answer [`Read::Pending`] keep the default.
    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        let _ = (ticket, waker);
        Poll::Ready(())
    }

    /// Whether a pending read is known to be complete. It is asked often and should be cheap; nobody is woken on its
    /// account. The default, `false`, has workers rely on wakers alone, which costs a wake-up for each read.
    fn is_ready(&self, ticket: Ticket) -> bool {
        let _ = ticket;
        false
    }

    /// Says that these locations will be read soon. A hint: it may be ignored, and never fails.
    fn prefetch(&self, locations: &[Location]) {
        let _ = locations;
    }

    /// Whether reads can be pending; always the same answer. When `false`, execution keeps to the path without suspension.
    fn may_pend(&self) -> bool {
        false
    }
}

impl<V: StateView + ?Sized> StateView for &V {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        (**self).read(location)
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        (**self).has_storage(address)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        (**self).poll_ticket(ticket, waker)
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        (**self).is_ready(ticket)
    }

    fn prefetch(&self, locations: &[Location]) {
        (**self).prefetch(locations);
    }

    fn may_pend(&self) -> bool {
        (**self).may_pend()
    }
}

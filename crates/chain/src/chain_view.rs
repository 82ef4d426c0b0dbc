//! The state after a block that the store does not have yet, or does not have as its own.
//!
//! ```text
//! read --> changes of blocks above the base, newest first --> the store's state at the base
//!                                                         \-> a remote node's, where the chain is a fork and left it alone
//! ```

use crate::chain_error::ChainError;
use crate::fork::ForkAt;
use alloy_primitives::{Address, B256, U256, keccak256};
use motet_state::store::{StoreError, StoredState};
use motet_state::trie::{AccountChange, HashedDiff, SlotChange};
use motet_types::{AccountDiff, BlockHashes, Location, Read, StateDiff, StateView, Ticket, Value, ViewError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// The store's state at some block, with the changes of blocks above it.
///
/// Blocks above are few: those on their way through the pipeline, or those of a side chain. So each read asks them one by
/// one.
#[derive(Clone, Debug)]
pub struct ChainView {
    base: StoredState,
    /// Oldest first.
    above: Vec<Arc<StateDiff>>,
    /// Hashes of ancestors that the base does not know: of the blocks above it, and of the first block's parent.
    hashes: BlockHashes,
    /// What is not in the base where the chain is a fork.
    fork: Option<ForkAt>,
}

impl ChainView {
    /// The store's own state.
    pub(crate) fn new(base: StoredState) -> Self {
        Self { base, above: Vec::new(), hashes: BlockHashes::new(), fork: None }
    }

    /// With the next block on top.
    pub(crate) fn push(&mut self, number: u64, hash: B256, diff: Arc<StateDiff>) {
        self.above.push(diff);
        self.hashes.insert(number, hash);
    }

    /// Height of the block in the store that this is the state of, or above which it is.
    pub(crate) fn base_height(&self) -> u64 {
        self.base.height()
    }

    /// With the state of a remote node below.
    pub(crate) fn with_fork(mut self, fork: ForkAt) -> Self {
        self.fork = Some(fork);
        self
    }

    /// The fork, if it is the one that knows a location.
    fn fork_for(&self, location: &Location) -> Option<&ForkAt> {
        self.fork.as_ref().filter(|fork| fork.is_remote(location))
    }

    /// Whether a remote node is below the store.
    pub(crate) fn is_fork(&self) -> bool {
        self.fork.is_some()
    }

    /// Whether a remote node alone knows a location.
    pub(crate) fn is_remote(&self, location: Location) -> bool {
        self.fork_for(&location).is_some() && self.in_blocks(location).is_none()
    }

    /// With changes that were made to the state behind the block.
    pub(crate) fn with_changes(mut self, changes: Arc<StateDiff>) -> Self {
        self.above.push(changes);
        self
    }

    /// With the hash of an ancestor that the store does not have.
    pub(crate) fn with_hash(mut self, number: u64, hash: B256) -> Self {
        self.hashes.insert(number, hash);
        self
    }

    /// What a block above the base says of a location; `None`: nothing does.
    fn in_blocks(&self, location: Location) -> Option<Value> {
        match location {
            Location::Account(address) => self.changes(address).next().map(|change| Value::Account(change.account)),
            Location::Slot(address, slot) => self.changes(address).find_map(|change| {
                let value = match change.storage.get(&slot) {
                    Some(value) if change.account.is_some() => Some(*value),
                    _ if is_emptied(change) => Some(U256::ZERO),
                    _ => None,
                };
                value.map(Value::Slot)
            }),
            Location::Code(hash) => {
                self.above.iter().rev().find_map(|diff| diff.codes.get(&hash)).cloned().map(Value::Code)
            }
            Location::BlockHash(number) => self.hashes.get(&number).copied().map(Value::BlockHash),
        }
    }

    /// What blocks above the base did to an account, newest first.
    fn changes(&self, address: Address) -> impl Iterator<Item = &AccountDiff> {
        self.above.iter().rev().filter_map(move |diff| diff.accounts.get(&address))
    }

    /// The value of a location, waiting where need be.
    ///
    /// # Errors
    /// When the store fails, or a remote node does not answer.
    pub fn value(&self, location: Location) -> Result<Value, ChainError> {
        match (self.in_blocks(location), self.fork_for(&location)) {
            (Some(value), _) => Ok(value),
            (None, Some(fork)) => Ok(fork.value(location)?),
            (None, None) => Ok(self.base.value(location)?),
        }
    }

    /// The value of a location as far as the store and the blocks above it go: what the trie is made of.
    pub(crate) fn own_value(&self, location: Location) -> Result<Value, StoreError> {
        self.in_blocks(location).map_or_else(|| self.base.value(location), Ok)
    }

    /// All slots of an account that are not zero, by the hash of their number. Where the chain is a fork, those of the store.
    ///
    /// # Errors
    /// When the store fails.
    pub fn storage(&self, address: Address) -> Result<BTreeMap<B256, U256>, StoreError> {
        let mut changes: Vec<&AccountDiff> = Vec::new();
        let mut emptied = false;
        for change in self.changes(address) {
            changes.push(change);
            emptied = is_emptied(change);
            if emptied {
                break;
            }
        }
        let mut slots = if emptied { BTreeMap::new() } else { self.base.storage(address)? };
        for change in changes.into_iter().rev().filter(|change| change.account.is_some()) {
            slots.extend(change.storage.iter().map(|(slot, value)| (slot_key(*slot), *value)));
        }
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }

    /// The change that takes a change of this state back, made from what the state holds.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn reverse_of(&self, diff: &StateDiff) -> Result<HashedDiff, StoreError> {
        let mut accounts = Vec::with_capacity(diff.accounts.len());
        for (address, change) in &diff.accounts {
            let Value::Account(account) = self.own_value(Location::Account(*address))? else { continue };
            let mut slots = Vec::with_capacity(change.storage.len());
            // What the change put where nothing was goes with the wipe.
            let wiped = is_emptied(change);
            if wiped {
                slots.extend(self.storage(*address)?.into_iter().map(|(key, value)| SlotChange { key, value }));
            } else {
                for slot in change.storage.keys() {
                    let Value::Slot(value) = self.own_value(Location::Slot(*address, *slot))? else { continue };
                    slots.push(SlotChange { key: slot_key(*slot), value });
                }
            }
            accounts.push(AccountChange { key: keccak256(address), account, wiped, slots });
        }
        Ok(HashedDiff::new(accounts))
    }
}

/// Whether nothing of the storage before a change is left after it.
fn is_emptied(change: &AccountDiff) -> bool {
    change.wiped || change.account.is_none()
}

fn slot_key(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

impl StateView for ChainView {
    #[inline]
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        match self.in_blocks(location) {
            Some(value) => Ok(Read::Ready(value)),
            None => match self.fork_for(&location) {
                Some(fork) => fork.read(location),
                None => self.base.read(location),
            },
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        if self.changes(address).next().is_none() {
            return self.base.has_storage(address);
        }
        let slots = self.storage(address);
        slots
            .map(|slots| !slots.is_empty())
            .map_err(|error| ViewError::new(Location::Account(address), error.to_string()))
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        match self.fork.as_ref().filter(|_| ForkAt::is_own(ticket)) {
            Some(fork) => fork.poll(ticket, waker),
            None => self.base.poll_ticket(ticket, waker),
        }
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        match self.fork.as_ref().filter(|_| ForkAt::is_own(ticket)) {
            Some(fork) => fork.is_ready(ticket),
            None => self.base.is_ready(ticket),
        }
    }

    fn prefetch(&self, locations: &[Location]) {
        if self.above.is_empty() && self.fork.is_none() {
            return self.base.prefetch(locations);
        }
        let below = locations.iter().copied().filter(|location| self.in_blocks(*location).is_none());
        let (remote, below): (Vec<Location>, Vec<Location>) =
            below.partition(|location| self.fork_for(location).is_some());
        self.base.prefetch(&below);
        if let Some(fork) = &self.fork {
            fork.prefetch(&remote);
        }
    }

    fn may_pend(&self) -> bool {
        self.fork.is_some() || self.base.may_pend()
    }
}

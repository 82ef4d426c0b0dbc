//! The state that a transaction of an executed block found, without executing those before it.
//!
//! ```text
//! read by transaction n --> the block's record, changes at indices up to n --> the state before the block
//! ```
//!
//! The record was made when the block was executed, so it is right; what it does not name, the block did not change.

use crate::list_index::ListIndex;
use crate::parent::{Parent, info};
use crate::stop::Stop;
use crate::vm::{AccountInfo, Bytecode, Database, HashMemo, VmDb};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, Location, Read, StateView, Ticket, TxIndex, Value, ViewError};
use std::task::{Poll, Waker};

/// The state before transaction `tx`.
#[derive(Debug)]
pub(super) struct StateBefore<'a, V: ?Sized> {
    parent: Parent<'a, V>,
    record: &'a ListIndex<'a>,
    tx: TxIndex,
    hashes: HashMemo,
}

impl<'a, V: StateView + ?Sized> StateBefore<'a, V> {
    pub(super) fn new(parent: Parent<'a, V>, record: &'a ListIndex<'a>, tx: TxIndex) -> Self {
        Self { parent, record, tx, hashes: HashMemo::default() }
    }

    /// An account given what the parent state holds, and its code where the block changed it.
    fn account(&self, address: Address, parent: Option<Account>) -> (Option<Account>, Option<Bytecode>) {
        match self.record.account(self.tx, address) {
            Ok(listed) => listed.before(self.tx, parent),
            Err(_) => (parent, None),
        }
    }

    /// An account as the transaction finds it.
    pub(super) fn known(&self, address: Address) -> Result<Option<Account>, Stop> {
        Ok(self.account(address, self.parent.account(address)?).0)
    }

    /// What the block made of a slot; `None`: nothing.
    fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        let listed = self.record.account(self.tx, address).ok()?;
        match listed.slot(self.tx, slot) {
            Ok(value) => value,
            // The block never looked at it.
            Err(_) => listed.is_wiped(self.tx).then_some(U256::ZERO),
        }
    }

    /// Whether there is storage where nothing else is. EIP-7610.
    fn holds_storage(&self, address: Address) -> Result<bool, ViewError> {
        let is_wiped = self.record.account(self.tx, address).is_ok_and(|listed| listed.is_wiped(self.tx));
        Ok(!is_wiped && self.parent.view.has_storage(address)?)
    }
}

impl<V: StateView + ?Sized> Database for StateBefore<'_, V> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let (account, code) = self.account(address, self.parent.account(address)?);
        Ok(account.map(|account| {
            let is_codeless = account.code_hash == KECCAK256_EMPTY;
            info(account, code.or_else(|| is_codeless.then(Bytecode::default)))
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Stop> {
        // Code that the block deployed goes along with its account.
        self.parent.code(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        match self.slot(address, slot) {
            Some(value) => Ok(value),
            None => self.parent.slot(address, slot),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        self.parent.block_hash(number)
    }
}

impl<V: StateView + ?Sized> VmDb for StateBefore<'_, V> {
    const OBSERVES: bool = false;

    fn hash_memo(&mut self) -> &mut HashMemo {
        &mut self.hashes
    }

    fn has_storage(&mut self, address: Address) -> Result<bool, Stop> {
        Ok(self.holds_storage(address)?)
    }
}

/// For calls that are to run in the middle of a block.
impl<V: StateView + ?Sized> StateView for StateBefore<'_, V> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        match location {
            Location::Account(address) => Ok(match self.parent.view.read(location)? {
                Read::Ready(Value::Account(parent)) => Read::Ready(Value::Account(self.account(address, parent).0)),
                other => other,
            }),
            Location::Slot(address, slot) => match self.slot(address, slot) {
                Some(value) => Ok(Read::Ready(Value::Slot(value))),
                None => self.parent.view.read(location),
            },
            Location::Code(hash) => match self.record.code(hash) {
                Some(code) => Ok(Read::Ready(Value::Code(code))),
                None => self.parent.view.read(location),
            },
            Location::BlockHash(_) => self.parent.view.read(location),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.holds_storage(address)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.parent.view.poll_ticket(ticket, waker)
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        self.parent.view.is_ready(ticket)
    }

    fn may_pend(&self) -> bool {
        self.parent.view.may_pend()
    }
}

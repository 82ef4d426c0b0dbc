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
use motet_types::{Account, StateView, TxIndex};
use revm::DatabaseRef;

/// The state before transaction `tx`, as the EVM reads it.
#[derive(Debug)]
pub(crate) struct StateBefore<'a, V: ?Sized> {
    parent: Parent<'a, V>,
    record: &'a ListIndex<'a>,
    tx: TxIndex,
    hashes: HashMemo,
}

impl<'a, V: StateView + ?Sized> StateBefore<'a, V> {
    pub(crate) fn new(parent: Parent<'a, V>, record: &'a ListIndex<'a>, tx: TxIndex) -> Self {
        Self { parent, record, tx, hashes: HashMemo::default() }
    }

    /// An account, and its code where the block changed it.
    pub(crate) fn account(&self, address: Address) -> Result<(Option<Account>, Option<Bytecode>), Stop> {
        let before = self.parent.account(address)?;
        Ok(match self.record.account(self.tx, address) {
            Ok(listed) => listed.before(self.tx, before),
            Err(_) => (before, None),
        })
    }
}

impl<V: StateView + ?Sized> DatabaseRef for StateBefore<'_, V> {
    type Error = Stop;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let (account, code) = self.account(address)?;
        Ok(account.map(|account| {
            let empty = account.code_hash == KECCAK256_EMPTY;
            info(account, code.or_else(|| empty.then(Bytecode::default)))
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Stop> {
        // Code that the block deployed goes along with its account.
        self.parent.code(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Stop> {
        if let Ok(listed) = self.record.account(self.tx, address) {
            if let Ok(Some(value)) = listed.slot(self.tx, slot) {
                return Ok(value);
            }
            if listed.is_wiped(self.tx) {
                return Ok(U256::ZERO);
            }
        }
        self.parent.slot(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Stop> {
        self.parent.block_hash(number)
    }
}

impl<V: StateView + ?Sized> Database for StateBefore<'_, V> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Stop> {
        self.code_by_hash_ref(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        self.block_hash_ref(number)
    }
}

impl<V: StateView + ?Sized> VmDb for StateBefore<'_, V> {
    const OBSERVES: bool = false;

    fn hash_memo(&mut self) -> &mut HashMemo {
        &mut self.hashes
    }

    fn has_storage(&mut self, address: Address) -> Result<bool, Stop> {
        let wiped = self.record.account(self.tx, address).is_ok_and(|listed| listed.is_wiped(self.tx));
        Ok(!wiped && self.parent.view.has_storage(address)?)
    }
}

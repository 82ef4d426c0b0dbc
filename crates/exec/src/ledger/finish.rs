//! From the ledger to the diff and the record, in parts.

use super::{Entry, Ledger, SlotEntry};
use crate::vm::Bytecode;
use alloy_eip7928::{AccountChanges, BalanceChange, CodeChange, NonceChange, SlotChanges, StorageChange};
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_types::{AccountDiff, BlockRecord, LifecycleEvent, StateDiff, StorageWipe};

/// A whole ledger, to be finished in parts.
#[derive(Debug)]
pub(crate) struct LedgerParts {
    /// Ascending by address: every address of a part is below those of the next.
    pub(crate) parts: Vec<LedgerPart>,
    /// Code that the block deployed, by hash.
    pub(crate) deployed: B256Map<Bytecode>,
    pub(crate) wipes: Vec<StorageWipe>,
    pub(crate) lifecycle: Vec<LifecycleEvent>,
}

/// Some of the accounts of a ledger.
#[derive(Debug)]
pub(crate) struct LedgerPart(AddressMap<Entry>);

/// What some of the accounts come to, ascending by address.
#[derive(Debug, Default)]
pub(crate) struct PartDone {
    accounts: Vec<(Address, AccountDiff)>,
    codes: Vec<(B256, Bytes)>,
    list: Vec<AccountChanges>,
}

impl LedgerPart {
    pub(super) fn new(accounts: AddressMap<Entry>) -> Self {
        Self(accounts)
    }

    /// The difference to the parent state, and the list. `deployed` is the code of the whole block.
    pub(crate) fn finish(self, deployed: &B256Map<Bytecode>) -> PartDone {
        let mut done = PartDone { list: Vec::with_capacity(self.0.len()), ..PartDone::default() };
        for (address, entry) in self.0 {
            if let Some(change) = entry.diff() {
                let hash = entry.code_hash();
                if entry.parent.is_none_or(|parent| parent.code_hash != hash)
                    && let Some(code) = deployed.get(&hash)
                {
                    done.codes.push((hash, code.original_bytes()));
                }
                done.accounts.push((address, change));
            }
            if entry.accessed {
                done.list.push(entry.into_list(address, deployed));
            }
        }
        done.accounts.sort_unstable_by_key(|account| account.0);
        done.list.sort_unstable_by_key(|account| account.address);
        done
    }
}

impl Ledger {
    /// The difference to the parent state so far.
    pub(crate) fn diff(&self) -> StateDiff {
        let mut diff = StateDiff::default();
        for (address, entry) in self.accounts.iter() {
            let Some(change) = entry.diff() else { continue };
            let hash = entry.code_hash();
            if entry.parent.is_none_or(|parent| parent.code_hash != hash)
                && let Some(code) = self.deployed.get(&hash)
            {
                diff.codes.insert(hash, code.original_bytes());
            }
            diff.accounts.insert(*address, change);
        }
        diff
    }
}

/// Puts the parts of a ledger together, in their order.
pub(crate) fn joined(
    parts: impl Iterator<Item = PartDone>,
    wipes: Vec<StorageWipe>,
    lifecycle: Vec<LifecycleEvent>,
) -> (StateDiff, BlockRecord) {
    let mut whole = PartDone::default();
    for mut part in parts {
        whole.accounts.append(&mut part.accounts);
        whole.codes.append(&mut part.codes);
        whole.list.append(&mut part.list);
    }
    let diff = StateDiff { accounts: whole.accounts.into_iter().collect(), codes: whole.codes.into_iter().collect() };
    (diff, BlockRecord { list: whole.list, wipes, lifecycle })
}

impl Entry {
    fn diff(&self) -> Option<AccountDiff> {
        let Some(account) = self.current else {
            return self.parent.map(|_| AccountDiff { account: None, wiped: true, ..AccountDiff::default() });
        };
        let changed = |slot: &&(&U256, &SlotEntry)| {
            if self.wiped { !slot.1.current.is_zero() } else { slot.1.current != slot.1.parent }
        };
        let storage = self.slots.iter().filter(|slot| changed(&slot)).map(|(key, slot)| (*key, slot.current)).collect();
        let change = AccountDiff { account: Some(account), wiped: self.wiped, storage };
        (self.current != self.parent || self.wiped || !change.storage.is_empty()).then_some(change)
    }

    fn into_list(self, address: Address, deployed: &B256Map<Bytecode>) -> AccountChanges {
        let mut reads = Vec::new();
        let mut changes = Vec::new();
        for (slot, entry) in self.slots {
            if !entry.accessed {
                continue;
            }
            if entry.changes.is_empty() {
                reads.push(slot);
            } else {
                let of_slot =
                    entry.changes.into_iter().map(|(index, value)| StorageChange::new(index, value)).collect();
                changes.push(SlotChanges::new(slot, of_slot));
            }
        }
        reads.sort_unstable();
        changes.sort_unstable_by_key(|change| change.slot);
        let code = |hash: B256| deployed.get(&hash).map_or_else(Bytes::new, Bytecode::original_bytes);
        AccountChanges {
            address,
            storage_changes: changes,
            storage_reads: reads,
            balance_changes: self.balances.into_iter().map(|(index, value)| BalanceChange::new(index, value)).collect(),
            nonce_changes: self.nonces.into_iter().map(|(index, value)| NonceChange::new(index, value)).collect(),
            code_changes: self.codes.into_iter().map(|(index, hash)| CodeChange::new(index, code(hash))).collect(),
        }
    }
}

//! What several blocks do to the accounts of one part of the key space, in the order of the hashed keys.
//!
//! The changes of an account come one after the other, oldest block first: so the value that a block overwrote is the one
//! that the block before left, only the first has to be looked up, and only the last goes into the tables. Parts know
//! nothing of each other, so several threads work on them.

use super::apply::Lookup;
use super::engine::Write;
use super::error::StoreError;
use super::layer::Layer;
use super::reverse::ReverseAccount;
use super::tables::{put_account_row, put_slot_row};
use alloy_primitives::map::{AddressSet, B256Map};
use alloy_primitives::{Address, B256, U256};
use motet_types::{Account, AccountDiff, Location, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one block does to one account.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// keccak(address).
    pub(crate) hash: B256,
    /// Index of the block among those of the batch.
    pub(crate) layer: usize,
    pub(crate) address: Address,
    pub(crate) diff: &'a AccountDiff,
    /// Hashes of the diff's slots, in its order.
    pub(crate) slots: &'a [B256],
}

impl Change<'_> {
    fn is_gone(&self) -> bool {
        self.diff.account.is_none()
    }

    /// The value that a slot of the diff has after it.
    fn after(&self, value: U256) -> U256 {
        if self.is_gone() { U256::ZERO } else { value }
    }
}

/// The changes of accounts whose hashes start with the same byte, and what they come to.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
    pub(crate) changes: Vec<Change<'a>>,
    /// What each block overwrote, by hash.
    pub(crate) reverse: Vec<Vec<ReverseAccount>>,
    /// Rows of accounts, ascending.
    pub(crate) account_rows: Vec<Write>,
    /// Rows of slots, ascending.
    pub(crate) slot_rows: Vec<Write>,
    /// Accounts of which a block wiped slots that were there.
    pub(crate) wiped: AddressSet,
}

/// One account on its way through the blocks.
#[derive(Default)]
struct Course {
    /// The account as the last block left it; `None` before the first one.
    account: Option<Option<Account>>,
    slots: B256Map<U256>,
}

impl Part<'_> {
    /// Computes everything that follows from the changes.
    pub(crate) fn run(&mut self, layers: &[Arc<Layer>], lookup: &Lookup<'_>) -> Result<(), StoreError> {
        // Blocks came in their order, which a stable sort keeps.
        self.changes.sort_by_key(|change| change.hash);
        self.reverse.resize_with(layers.len(), Vec::new);
        let Self { changes, reverse, account_rows, slot_rows, wiped } = self;
        account_rows.reserve(changes.len());
        for changes in changes.chunk_by(|a, b| a.hash == b.hash) {
            let mut course = Course::default();
            for change in changes {
                let before = match layers[change.layer].reverse.get().and_then(|diff| diff.account(&change.hash)) {
                    // A batch that failed may be in the tables all the same: what they hold is not what was before.
                    Some(before) => before.clone(),
                    None => course.before(change, lookup)?,
                };
                if course.apply(change, &before) {
                    wiped.insert(change.address);
                }
                reverse[change.layer].push(before);
            }
            let Some(last) = changes.last() else { continue };
            put_account_row(account_rows, &last.hash, last.diff.account.as_ref());
            let mut slots: Vec<(B256, U256)> = course.slots.into_iter().collect();
            slots.sort_unstable_by_key(|(slot, _)| *slot);
            for (slot, value) in slots {
                put_slot_row(slot_rows, &last.hash, &slot, value);
            }
        }
        Ok(())
    }

    /// Brings what the tables have taken to the cache, but for slots that may have been wiped afterwards.
    pub(crate) fn update_cache(&self, lookup: &Lookup<'_>) {
        for changes in self.changes.chunk_by(|a, b| a.hash == b.hash) {
            let Some(last) = changes.last() else { continue };
            lookup.cache.update(Location::Account(last.address), Value::Account(last.diff.account));
            if self.wiped.contains(&last.address) {
                continue;
            }
            for change in changes {
                for (slot, value) in &change.diff.storage {
                    lookup.cache.update(Location::Slot(change.address, *slot), Value::Slot(change.after(*value)));
                }
            }
        }
    }
}

impl Course {
    /// What a change overwrites.
    fn before(&self, change: &Change<'_>, lookup: &Lookup<'_>) -> Result<ReverseAccount, StoreError> {
        let Change { hash, address, diff, .. } = change;
        let account = match self.account {
            Some(account) => account,
            None => lookup.account(*address, hash)?,
        };
        // Where all storage goes the slots before are found in the tables, not through the change.
        let mut all = BTreeMap::new();
        if diff.wiped || change.is_gone() {
            all = lookup.slots_of(*hash)?;
            all.extend(self.slots.iter().map(|(slot, value)| (*slot, *value)));
            all.retain(|_, value| !value.is_zero());
        }
        let mut slots = Vec::with_capacity(diff.storage.len() + all.len());
        for (slot, slot_hash) in diff.storage.keys().zip(change.slots) {
            if all.contains_key(slot_hash) {
                continue;
            }
            let value = match self.slots.get(slot_hash) {
                Some(value) => *value,
                None => lookup.slot(*address, *slot, hash, slot_hash)?,
            };
            slots.push((*slot_hash, value));
        }
        slots.extend(all);
        slots.sort_unstable_by_key(|(slot, _)| *slot);
        Ok(ReverseAccount { hash: *hash, account, slots })
    }

    /// Takes the change; says whether it wiped slots that were there.
    fn apply(&mut self, change: &Change<'_>, before: &ReverseAccount) -> bool {
        self.account = Some(change.diff.account);
        let wipes = (change.diff.wiped || change.is_gone()) && !before.slots.is_empty();
        if wipes {
            self.slots.extend(before.slots.iter().map(|(slot, _)| (*slot, U256::ZERO)));
        }
        for (value, slot) in change.diff.storage.values().zip(change.slots) {
            self.slots.insert(*slot, change.after(*value));
        }
        wipes
    }
}

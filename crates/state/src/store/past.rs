//! What blocks overwrote between an older state and a view.

use super::engine::Table;
use super::error::StoreError;
use super::reverse::ReverseDiff;
use super::tables::{Tables, account_of, at_height, malformed, slot_key, slot_of};
use crate::trie::{AccountChange, HashedDiff, SlotChange};
use alloy_primitives::{B256, U256};
use motet_types::Account;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The way from a view back to an older state.
#[derive(Debug)]
pub(crate) enum PastDiffs {
    /// The reverse diffs of the blocks between, ascending.
    Recent(Vec<Arc<ReverseDiff>>),
    /// The heights between, of which an archive knows each value by key.
    Archive(RangeInclusive<u64>),
}

impl PastDiffs {
    /// The account in the older state, if a block between changed it.
    pub(crate) fn account(&self, tables: &Tables, account: &B256) -> Result<Option<Option<Account>>, StoreError> {
        match self {
            Self::Recent(diffs) => Ok(diffs.iter().find_map(|diff| diff.account(account)).map(|before| before.account)),
            Self::Archive(heights) => first_of(tables, Table::AccountHistory, account.as_slice(), heights, account_of),
        }
    }

    /// The slot in the older state, if a block between changed it.
    pub(crate) fn slot(&self, tables: &Tables, account: &B256, slot: &B256) -> Result<Option<U256>, StoreError> {
        match self {
            Self::Recent(diffs) => {
                Ok(diffs.iter().filter_map(|diff| diff.account(account)).find_map(|before| before.slot(slot)))
            }
            Self::Archive(heights) => {
                let value = first_of(tables, Table::SlotHistory, &slot_key(account, slot), heights, slot_of)?;
                Ok(value.map(Option::unwrap_or_default))
            }
        }
    }

    /// Takes the storage of an account back to the older state.
    pub(crate) fn storage(
        &self,
        tables: &Tables,
        account: &B256,
        slots: &mut BTreeMap<B256, U256>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Recent(diffs) => {
                for before in diffs.iter().rev().filter_map(|diff| diff.account(account)) {
                    slots.extend(before.slots.iter().copied());
                }
            }
            Self::Archive(heights) => {
                // By slot, then height: the first entry of a slot in the range is its value then.
                let mut last = None;
                for row in tables.rows_with_prefix(Table::SlotHistory, account.to_vec()) {
                    let (key, payload) = row?;
                    let (slot, height) = slot_and_height(&key).ok_or_else(|| malformed(Table::SlotHistory, &key))?;
                    if heights.contains(&height) && last != Some(slot) {
                        last = Some(slot);
                        slots.insert(slot, value_of(Table::SlotHistory, &key, &payload, slot_of)?.unwrap_or_default());
                    }
                }
            }
        }
        Ok(())
    }
}

/// What blocks of a range of heights overwrote in an archive, as the one change that takes them all back. All rows of the archive
/// are looked at, and the keys that changed are in memory at a time.
pub(crate) fn archived_change(tables: &Tables, heights: &RangeInclusive<u64>) -> Result<HashedDiff, StoreError> {
    // By key, then height: the first entry of a key in the range is its value then.
    let mut accounts: BTreeMap<B256, AccountChange> = BTreeMap::new();
    for row in tables.rows_from(Table::AccountHistory, vec![0]) {
        let (key, payload) = row?;
        let (hash, height) = account_and_height(&key).ok_or_else(|| malformed(Table::AccountHistory, &key))?;
        if !heights.contains(&height) {
            continue;
        }
        match accounts.entry(hash) {
            Entry::Vacant(entry) => {
                let account = value_of(Table::AccountHistory, &key, &payload, account_of)?;
                entry.insert(AccountChange { key: hash, wiped: account.is_none(), account, slots: Vec::new() });
            }
            // It was gone between: of its storage now nothing was there then, and all that was then is listed.
            Entry::Occupied(mut entry) => entry.get_mut().wiped |= payload.is_empty(),
        }
    }
    for row in tables.rows_from(Table::SlotHistory, vec![0]) {
        let (key, payload) = row?;
        let parts = account_and_slot(&key).ok_or_else(|| malformed(Table::SlotHistory, &key))?;
        let (hash, (slot, height)) = parts;
        if !heights.contains(&height) {
            continue;
        }
        // With a slot its account is always listed.
        let change = accounts.get_mut(&hash).ok_or_else(|| malformed(Table::SlotHistory, &key))?;
        if change.account.is_some() && change.slots.last().is_none_or(|last| last.key != slot) {
            let value = value_of(Table::SlotHistory, &key, &payload, slot_of)?.unwrap_or_default();
            change.slots.push(SlotChange { key: slot, value });
        }
    }
    Ok(HashedDiff::new(accounts.into_values()))
}

fn account_and_height(key: &[u8]) -> Option<(B256, u64)> {
    let (hash, height) = key.split_first_chunk::<32>()?;
    Some((hash.into(), u64::from_be_bytes(height.try_into().ok()?)))
}

fn account_and_slot(key: &[u8]) -> Option<(B256, (B256, u64))> {
    let (hash, _) = key.split_first_chunk::<32>()?;
    Some((hash.into(), slot_and_height(key)?))
}

fn slot_and_height(key: &[u8]) -> Option<(B256, u64)> {
    let rest = key.get(32..)?;
    let (slot, height) = rest.split_first_chunk::<32>()?;
    Some((slot.into(), u64::from_be_bytes(height.try_into().ok()?)))
}

/// The value that the first change of a key in a range of heights overwrote; empty payloads are absent values.
fn first_of<T>(
    tables: &Tables,
    table: Table,
    key: &[u8],
    heights: &RangeInclusive<u64>,
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<Option<T>>, StoreError> {
    let Some(row) = tables.rows_from(table, at_height(key, *heights.start())).next() else { return Ok(None) };
    let (found, payload) = row?;
    let height = found.strip_prefix(key).and_then(|height| height.try_into().ok()).map(u64::from_be_bytes);
    if !height.is_some_and(|height| heights.contains(&height)) {
        return Ok(None);
    }
    value_of(table, &found, &payload, decode).map(Some)
}

fn value_of<T>(
    table: Table,
    key: &[u8],
    payload: &[u8],
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    if payload.is_empty() {
        return Ok(None);
    }
    decode(payload).map(Some).ok_or_else(|| malformed(table, key))
}

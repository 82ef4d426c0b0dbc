//! A block that is in the store, as it was before it was committed.
//!
//! What a block wrote follows from its record, which names every account and slot, and from the states before and after it.

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use crate::encoding::{Results, committed, decode_receipts, decode_record};
use crate::lookup;
use crate::side_blocks::SideBlock;
use alloy_primitives::map::AddressSet;
use alloy_primitives::{Address, KECCAK256_EMPTY, keccak256};
use motet_state::store::{Store, StoreError};
use motet_types::{Account, AccountDiff, BlockRecord, ChainSpec, Location, StateDiff, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The canonical block at a height as a side block.
pub(crate) fn recall(store: &Store, spec: &ChainSpec, height: u64) -> Result<SideBlock, ChainError> {
    let wrong = |part, what| ChainError::Part { height, part, what };
    let block: ChainBlock = lookup::canonical_block(store, spec, height)?.ok_or(wrong("header", "absent"))?;
    let receipts = store.receipts(height)?.ok_or(wrong("receipts", "absent"))?;
    let receipts = decode_receipts(&receipts).ok_or(wrong("receipts", "encoding"))?;
    let record = store.record(height)?.ok_or(wrong("record", "absent"))?;
    let record = decode_record(&record).ok_or(wrong("record", "encoding"))?;
    let diff = match height.checked_sub(1) {
        Some(before) => diff_of(&record, &view_at(store, before)?, &view_at(store, height)?)?,
        None => return Err(wrong("record", "the first block has none")),
    };
    let committed = committed(&block, Results::new(&receipts, &record), Arc::new(diff));
    Ok(SideBlock { block: Arc::new(block), committed })
}

fn view_at(store: &Store, height: u64) -> Result<ChainView, StoreError> {
    Ok(ChainView::new(store.state_at(height)?))
}

/// The change that a block with this record made, from the states before and after it.
pub(crate) fn diff_of(record: &BlockRecord, before: &ChainView, after: &ChainView) -> Result<StateDiff, StoreError> {
    let wiped: AddressSet = record.wipes.iter().map(|wipe| wipe.address).collect();
    let mut addresses: BTreeSet<Address> = record.list.iter().map(|account| account.address).collect();
    addresses.extend(wiped.iter().chain(record.lifecycle.iter().map(|event| &event.address)));
    let mut diff = StateDiff::default();
    let mut listed = record.list.iter().peekable();
    for address in addresses {
        let listed = listed.next_if(|account| account.address == address);
        let location = Location::Account(address);
        let (Value::Account(account), Value::Account(account_before)) =
            (after.own_value(location)?, before.own_value(location)?)
        else {
            continue;
        };
        let mut change = AccountDiff { account, wiped: wiped.contains(&address), ..AccountDiff::default() };
        for slot in listed.iter().flat_map(|account| &account.storage_changes) {
            let location = Location::Slot(address, slot.slot);
            let (Value::Slot(value), Value::Slot(value_before)) =
                (after.own_value(location)?, before.own_value(location)?)
            else {
                continue;
            };
            let is_new = if change.wiped { !value.is_zero() } else { value != value_before };
            if is_new && account.is_some() {
                change.storage.insert(slot.slot, value);
            }
        }
        for code in listed.iter().flat_map(|account| &account.code_changes) {
            let hash = keccak256(&code.new_code);
            if account.is_some_and(|account| account.code_hash == hash) && !code.new_code.is_empty() {
                diff.codes.insert(hash, code.new_code.clone());
            }
        }
        // A block of a fork brings along the code of an account that was the remote node's before.
        if let (None, Some(Account { code_hash, .. })) = (account_before, account)
            && code_hash != KECCAK256_EMPTY
            && !diff.codes.contains_key(&code_hash)
            && let Value::Code(code) = after.own_value(Location::Code(code_hash))?
        {
            diff.codes.insert(code_hash, code);
        }
        if account != account_before || change.wiped || !change.storage.is_empty() {
            diff.accounts.insert(address, change);
        }
    }
    Ok(diff)
}

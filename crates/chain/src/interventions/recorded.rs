//! Interventions in the record of the block that starts with them.

use super::{account_of, slot_of};
use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges, StorageChange,
};
use alloy_primitives::Address;
use motet_types::{AccountDiff, BlockRecord, Lifecycle, LifecycleEvent, StateDiff, StorageWipe};

/// The index of what happens before the transactions. EIP-7928.
const BEFORE: BlockAccessIndex = BlockAccessIndex(0);

/// Enters changes into the record of the block that was executed on `base` with them, as the first thing that happened in it.
///
/// What the system calls of the same index made of a location comes later and stands.
///
/// # Errors
/// When the state cannot be read.
pub fn enter(base: &ChainView, changes: &StateDiff, record: &mut BlockRecord) -> Result<(), ChainError> {
    for (address, change) in &changes.accounts {
        let at = match record.list.binary_search_by(|listed| listed.address.cmp(address)) {
            Ok(at) => at,
            Err(at) => {
                record.list.insert(at, AccountChanges::new(*address));
                at
            }
        };
        if let Some(listed) = record.list.get_mut(at) {
            enter_account(base, changes, change, listed)?;
        }
        enter_life(base, *address, change, record)?;
    }
    record.wipes.sort_unstable();
    record.wipes.dedup();
    record.lifecycle.sort_unstable();
    Ok(())
}

fn enter_account(
    base: &ChainView,
    changes: &StateDiff,
    change: &AccountDiff,
    listed: &mut AccountChanges,
) -> Result<(), ChainError> {
    let before = account_of(base, listed.address)?.unwrap_or_default();
    let after = change.account.unwrap_or_default();
    let is_first = |index: Option<BlockAccessIndex>| index != Some(BEFORE);
    if before.balance != after.balance && is_first(listed.balance_changes.first().map(|first| first.block_access_index))
    {
        let entered = BalanceChange { block_access_index: BEFORE, post_balance: after.balance };
        listed.balance_changes.insert(0, entered);
    }
    if before.nonce != after.nonce && is_first(listed.nonce_changes.first().map(|first| first.block_access_index)) {
        listed.nonce_changes.insert(0, NonceChange { block_access_index: BEFORE, new_nonce: after.nonce });
    }
    if before.code_hash != after.code_hash
        && is_first(listed.code_changes.first().map(|first| first.block_access_index))
    {
        let new_code = changes.codes.get(&after.code_hash).cloned().unwrap_or_default();
        listed.code_changes.insert(0, CodeChange { block_access_index: BEFORE, new_code });
    }
    for (slot, value) in &change.storage {
        if !change.wiped && slot_of(base, listed.address, *slot)? == *value {
            continue;
        }
        listed.storage_reads.retain(|read| read != slot);
        let entered = StorageChange { block_access_index: BEFORE, new_value: *value };
        match listed.storage_changes.binary_search_by(|changed| changed.slot.cmp(slot)) {
            Err(at) => listed.storage_changes.insert(at, SlotChanges { slot: *slot, changes: vec![entered] }),
            Ok(at) => {
                let Some(changed) = listed.storage_changes.get_mut(at) else { continue };
                if is_first(changed.changes.first().map(|first| first.block_access_index)) {
                    changed.changes.insert(0, entered);
                }
            }
        }
    }
    Ok(())
}

fn enter_life(
    base: &ChainView,
    address: Address,
    change: &AccountDiff,
    record: &mut BlockRecord,
) -> Result<(), ChainError> {
    let existed = account_of(base, address)?.is_some();
    if change.wiped && existed {
        record.wipes.push(StorageWipe { address, index: BEFORE });
    }
    let event = match (existed, change.account.is_some()) {
        (false, true) => Lifecycle::Created,
        (true, false) => Lifecycle::Deleted,
        _ => return Ok(()),
    };
    record.lifecycle.push(LifecycleEvent { address, index: BEFORE, event });
    Ok(())
}

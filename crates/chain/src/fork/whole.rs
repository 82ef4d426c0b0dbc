//! What a block of a fork has listed, whole in its change of the state.
//!
//! A location is local from the first block on whose record lists a change of it. Execution leaves out of its difference
//! what ends as it began, and codes that were there before. Here they come in, so that the store has all that is read from
//! it from then on.

use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use crate::interventions::account_of;
use alloy_eip7928::AccountChanges;
use alloy_primitives::{KECCAK256_EMPTY, U256};
use motet_types::{AccountDiff, BlockRecord, Location, StateDiff, Value};

/// Whether anything of the account was changed, and not only read.
pub(super) fn is_changed(listed: &AccountChanges) -> bool {
    !listed.storage_changes.is_empty()
        || !listed.balance_changes.is_empty()
        || !listed.nonce_changes.is_empty()
        || !listed.code_changes.is_empty()
}

/// Adds what a block's record lists as changed to its difference, as far as only the remote node has it. `base` is the
/// state before the block.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn complete(base: &ChainView, record: &BlockRecord, diff: &mut StateDiff) -> Result<(), ChainError> {
    for listed in record.list.iter().filter(|listed| is_changed(listed)) {
        complete_account(base, listed, diff)?;
    }
    Ok(())
}

fn complete_account(base: &ChainView, listed: &AccountChanges, diff: &mut StateDiff) -> Result<(), ChainError> {
    let address = listed.address;
    let is_remote = base.is_remote(Location::Account(address));
    let change = diff.accounts.get(&address);
    let account = match change {
        Some(change) => change.account,
        None => account_of(base, address)?,
    };
    let Some(account) = account else { return Ok(()) };
    // What is zero in the end needs no place in the store.
    let missing = |slot: U256, value: U256| {
        !value.is_zero()
            && change.is_none_or(|change| !change.wiped && !change.storage.contains_key(&slot))
            && base.is_remote(Location::Slot(address, slot))
    };
    let slots = listed.storage_changes.iter().filter_map(|slot| Some((slot.slot, slot.changes.last()?.new_value)));
    let slots: Vec<(U256, U256)> = slots.filter(|(slot, value)| missing(*slot, *value)).collect();
    if is_remote
        && account.code_hash != KECCAK256_EMPTY
        && !diff.codes.contains_key(&account.code_hash)
        && let Value::Code(code) = base.value(Location::Code(account.code_hash))?
    {
        diff.codes.insert(account.code_hash, code);
    }
    if is_remote || !slots.is_empty() {
        let unchanged = AccountDiff { account: Some(account), ..AccountDiff::default() };
        diff.accounts.entry(address).or_insert(unchanged).storage.extend(slots);
    }
    Ok(())
}

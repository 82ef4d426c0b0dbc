//! Two changes as one.

use super::{account_of, slot_of};
use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use motet_types::{AccountDiff, StateDiff};

/// The change that leads from `base` over `changes` to what a block made of it: first these, then the block's own.
///
/// What comes out as it was in `base` is no change.
///
/// # Errors
/// When the state cannot be read.
pub fn merged(base: &ChainView, changes: &StateDiff, block: StateDiff) -> Result<StateDiff, ChainError> {
    let mut merged = block;
    for (hash, code) in &changes.codes {
        merged.codes.entry(*hash).or_insert_with(|| code.clone());
    }
    for (address, change) in &changes.accounts {
        let before = account_of(base, *address)?;
        let both = match merged.accounts.remove(address) {
            None => change.clone(),
            Some(later) => one_after_the_other(change, later),
        };
        let mut both = AccountDiff { wiped: both.wiped && before.is_some(), ..both };
        for (slot, value) in std::mem::take(&mut both.storage) {
            let value_before = match both.wiped {
                true => Default::default(),
                false => slot_of(base, *address, slot)?,
            };
            if value != value_before && both.account.is_some() {
                both.storage.insert(slot, value);
            }
        }
        if both.account != before || both.wiped || !both.storage.is_empty() {
            merged.accounts.insert(*address, both);
        }
    }
    Ok(merged)
}

fn one_after_the_other(first: &AccountDiff, later: AccountDiff) -> AccountDiff {
    if later.wiped || later.account.is_none() || first.account.is_none() {
        return AccountDiff { wiped: true, ..later };
    }
    let mut storage = first.storage.clone();
    storage.extend(later.storage);
    AccountDiff { account: later.account, wiped: first.wiped, storage }
}

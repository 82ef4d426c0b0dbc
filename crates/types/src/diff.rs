//! What a block changes in the state, in one sorted value.

use crate::view::Account;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;

/// The change that a block (or one transaction) makes to the state, from parent to post-state.
///
/// Sorted by key, so that equal changes are equal values. It holds only what differs: an account is
/// listed when it is created, changed, deleted or its storage changes; a slot when its value after
/// differs from its value before, or when the storage was wiped and it holds a value again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Changed accounts.
    pub accounts: BTreeMap<Address, AccountDiff>,
    /// Code that accounts came to have, by hash.
    pub codes: BTreeMap<B256, Bytes>,
}

/// The change of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountDiff {
    /// The account after, `None` when it does not exist any more.
    pub account: Option<Account>,
    /// Whether all storage from before is gone. `storage` then holds all that there is.
    pub wiped: bool,
    /// Changed slots with their values after.
    pub storage: BTreeMap<U256, U256>,
}

impl StateDiff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

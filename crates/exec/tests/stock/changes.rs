//! The change of a block in words that revm's bundle and our diff share.

use crate::stock::ViewDb;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use motet_types::{Account, StateDiff, StateView};
use revm::database::BundleState;
use revm::state::AccountInfo;
use std::collections::BTreeMap;

/// One account's change, in words that a bundle and a [`StateDiff`] share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The account after; `None` when it does not exist.
    pub account: Option<Account>,
    /// Whether storage from before is gone. Only said of accounts that can have had storage.
    pub wiped: bool,
    /// Slots whose value differs from the one before; all non-zero slots where `wiped`.
    pub storage: BTreeMap<U256, U256>,
}

fn plain(info: &AccountInfo) -> Account {
    Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
}

/// Whether an account can have storage: contracts can; so could accounts before EIP-158 whose creation
/// failed, none of which is in our files.
fn may_have_storage(account: Option<Account>) -> bool {
    account.is_some_and(|account| account.code_hash != KECCAK256_EMPTY || account.nonce != 0)
}

/// The changes that revm's bundle says.
///
/// A bundle also lists accounts that are as they were before the block (touched, or created and destroyed
/// within it): they are left out, as in a [`StateDiff`].
pub(crate) fn bundle_changes(bundle: &BundleState) -> BTreeMap<Address, Change> {
    let mut changes = BTreeMap::new();
    for (address, account) in &bundle.state {
        let (before, after) = (account.original_info.as_ref().map(plain), account.info.as_ref().map(plain));
        let wiped = account.was_destroyed() && may_have_storage(before);
        let fresh = account.was_destroyed() || before.is_none();
        let storage: BTreeMap<U256, U256> = account
            .storage
            .iter()
            .filter(|(_, slot)| {
                let start = if fresh { U256::ZERO } else { slot.previous_or_original_value };
                slot.present_value != start
            })
            .map(|(key, slot)| (*key, slot.present_value))
            .collect();
        if before != after || wiped || !storage.is_empty() {
            changes.insert(*address, Change { account: after, wiped, storage });
        }
    }
    changes
}

/// The changes that our diff says.
pub(crate) fn diff_changes<V: StateView>(diff: &StateDiff, parent: &V) -> BTreeMap<Address, Change> {
    let mut parent = ViewDb(parent);
    diff.accounts
        .iter()
        .map(|(address, change)| {
            let before = revm::Database::basic(&mut parent, *address).expect("execution read it").as_ref().map(plain);
            let wiped = change.wiped && may_have_storage(before);
            (*address, Change { account: change.account, wiped, storage: change.storage.clone() })
        })
        .collect()
}

/// Codes that accounts of a bundle came to have, by hash: those that a [`StateDiff`] lists.
pub(crate) fn bundle_codes(bundle: &BundleState) -> BTreeMap<B256, Bytes> {
    let mut codes = BTreeMap::new();
    for account in bundle.state.values() {
        let Some(info) = &account.info else { continue };
        let before = account.original_info.as_ref().map(|info| info.code_hash);
        if info.code_hash != KECCAK256_EMPTY && before != Some(info.code_hash) {
            let code = bundle.contracts.get(&info.code_hash).expect("a bundle carries the codes that it sets");
            codes.insert(info.code_hash, code.original_bytes());
        }
    }
    codes
}

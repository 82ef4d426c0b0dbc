//! Changes of the state by hashed keys, sorted as the tries are.

use super::account::trimmed;
use super::crew::Crew;
use super::split::LeafChange;
use alloy_primitives::{Address, B256, U256};
use alloy_rlp::Encodable;
use motet_types::{Account, AccountDiff, StateDiff};
use std::convert::Infallible;

/// Keys that one thread hashes at a time.
const HASH_CHUNK: usize = 2048;

/// A slot's value after a change; zero: the slot is not stored any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// keccak-256 of the slot's number.
    pub key: B256,
    /// The value after.
    pub value: U256,
}

impl LeafChange for SlotChange {
    fn key(&self) -> &B256 {
        &self.key
    }

    fn push_value(&self, value: &mut Vec<u8>) -> bool {
        trimmed(&self.value.to_be_bytes::<32>()).encode(value);
        !self.value.is_zero()
    }
}

/// The change of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// keccak-256 of the address.
    pub key: B256,
    /// The account after; `None` when it does not exist any more, nor its storage.
    pub account: Option<Account>,
    /// Whether all storage from before goes, before `slots` are set.
    pub wiped: bool,
    /// Changed slots.
    pub slots: Vec<SlotChange>,
}

/// A change of the state, by hashed keys.
///
/// Invariant: accounts, and slots of each, are sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedDiff {
    accounts: Vec<AccountChange>,
}

impl HashedDiff {
    /// From changes in any order. Of changes of the same key the last one counts.
    pub fn new(accounts: impl IntoIterator<Item = AccountChange>) -> Self {
        let mut accounts: Vec<AccountChange> = accounts.into_iter().collect();
        sort_last_wins(&mut accounts, |account| account.key);
        for account in &mut accounts {
            sort_last_wins(&mut account.slots, |slot| slot.key);
        }
        Self { accounts }
    }

    /// From changes that are sorted as the invariant says.
    pub(super) fn sorted(accounts: Vec<AccountChange>) -> Self {
        Self { accounts }
    }

    /// Hashes the keys of a block's or transaction's change.
    pub fn of_diff(diff: &StateDiff, crew: &Crew) -> Self {
        let accounts = diff.accounts.iter().map(|(address, change)| (*address, change));
        Self::hashed(accounts.collect(), crew)
    }

    /// The changed accounts.
    pub fn accounts(&self) -> &[AccountChange] {
        &self.accounts
    }

    fn hashed(changes: Vec<(Address, &AccountDiff)>, crew: &Crew) -> Self {
        let slots: Vec<[u8; 32]> =
            changes.iter().flat_map(|(_, change)| change.storage.keys()).map(|slot| slot.to_be_bytes()).collect();
        let mut keys: Vec<&[u8]> = changes.iter().map(|(address, _)| address.as_slice()).collect();
        keys.extend(slots.iter().map(|slot| slot.as_slice()));
        let hashes = hash_keys(&keys, crew);
        let (account_keys, mut slot_keys) = hashes.split_at(changes.len());
        let mut accounts: Vec<AccountChange> = Vec::with_capacity(changes.len());
        for ((_, change), key) in changes.iter().zip(account_keys) {
            let (keys, after) = slot_keys.split_at(change.storage.len());
            slot_keys = after;
            let slots = keys.iter().zip(change.storage.values());
            let mut slots: Vec<SlotChange> =
                slots.map(|(key, value)| SlotChange { key: *key, value: *value }).collect();
            slots.sort_unstable_by_key(|slot| slot.key);
            accounts.push(AccountChange { key: *key, account: change.account, wiped: change.wiped, slots });
        }
        accounts.sort_unstable_by_key(|account| account.key);
        Self { accounts }
    }
}

pub(super) fn sort_last_wins<T>(changes: &mut Vec<T>, key: impl Fn(&T) -> B256) {
    changes.sort_by_key(&key);
    changes.reverse();
    changes.dedup_by_key(|change| key(change));
    changes.reverse();
}

/// keccak-256 of each key, in order.
pub(super) fn hash_keys(keys: &[&[u8]], crew: &Crew) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; keys.len()];
    let chunks = keys.chunks(HASH_CHUNK).zip(hashes.chunks_mut(HASH_CHUNK)).collect();
    let Ok(()) = crew.each(keys.len(), chunks, |(keys, hashes): (&[&[u8]], &mut [B256])| {
        hashes.copy_from_slice(&crew.keccak().hash_all(keys));
        Ok::<(), Infallible>(())
    });
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_changes_of_one_key_the_last_counts() {
        let change = |key, nonce| AccountChange {
            key: B256::repeat_byte(key),
            account: Some(Account { nonce, ..Account::default() }),
            wiped: false,
            slots: Vec::new(),
        };
        let diff = HashedDiff::new([change(2, 1), change(1, 2), change(2, 3)]);
        assert_eq!(diff.accounts(), [change(1, 2), change(2, 3)]);
    }
}

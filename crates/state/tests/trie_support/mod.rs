//! The state as sorted maps, its root by alloy-trie, and random histories of it.

// Each test binary uses a part of it.
#![allow(dead_code)]

use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::root::{state_root, storage_root};
use motet_state::trie::{AccountChange, HashedDiff, SlotChange};
use motet_types::Account;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Seeds that a test runs: `MOTET_SEEDS` many, or `default`.
pub(crate) fn seeds(default: u64) -> std::ops::Range<u64> {
    let count = std::env::var("MOTET_SEEDS").ok().and_then(|count| count.parse().ok());
    0..count.unwrap_or(default)
}

/// Slots of an account by hashed key, none of them zero.
pub(crate) type Slots = BTreeMap<B256, U256>;

/// All accounts by hashed address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<B256, (Account, Slots)>,
}

impl Model {
    /// The root by alloy-trie, from scratch.
    pub(crate) fn root(&self) -> B256 {
        state_root(self.accounts.iter().map(|(key, (account, slots))| {
            let storage_root = storage_root(slots.iter().map(|(key, value)| (*key, *value)));
            let Account { nonce, balance, code_hash } = *account;
            (*key, alloy_trie::TrieAccount { nonce, balance, storage_root, code_hash })
        }))
    }

    /// Makes the change; gives the reverse change.
    pub(crate) fn apply(&mut self, diff: &HashedDiff) -> HashedDiff {
        let mut reverse = Vec::new();
        for change in diff.accounts() {
            let before = self.accounts.remove(&change.key);
            let slots_before = before.as_ref().map(|(_, slots)| slots.clone()).unwrap_or_default();
            if let Some(account) = change.account {
                let mut slots = if change.wiped { Slots::new() } else { slots_before.clone() };
                for SlotChange { key, value } in &change.slots {
                    match value.is_zero() {
                        true => slots.remove(key),
                        false => slots.insert(*key, *value),
                    };
                }
                self.accounts.insert(change.key, (account, slots));
            }
            let slots_after = self.accounts.get(&change.key).map(|(_, slots)| slots.clone()).unwrap_or_default();
            let changed = slots_before.keys().chain(slots_after.keys());
            let changed = changed.filter(|key| slots_before.get(*key) != slots_after.get(*key));
            let slots = changed
                .map(|key| SlotChange { key: *key, value: slots_before.get(key).copied().unwrap_or_default() })
                .collect();
            let account = before.map(|(account, _)| account);
            reverse.push(AccountChange { key: change.key, account, wiped: account.is_none(), slots });
        }
        HashedDiff::new(reverse)
    }
}

/// What keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Spread as hashes are.
    Spread,
    /// Sharing prefixes of all lengths, up to 63 nibbles.
    Clustered,
}

/// Makes changes.
pub(crate) struct History {
    rng: StdRng,
    account_keys: Vec<B256>,
    slot_keys: Vec<B256>,
    pub(crate) changes_max: usize,
    pub(crate) slots_max: usize,
    /// Of accounts that are changed, the share that goes.
    pub(crate) deletions: f64,
}

impl History {
    pub(crate) fn new(seed: u64, keys: Keys, account_count: usize, slot_count: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let account_keys = pool(&mut rng, keys, account_count);
        let slot_keys = pool(&mut rng, keys, slot_count);
        Self { rng, account_keys, slot_keys, changes_max: 12, slots_max: 8, deletions: 0.4 }
    }

    pub(crate) fn account_keys(&self) -> &[B256] {
        &self.account_keys
    }

    pub(crate) fn slot_keys(&self) -> &[B256] {
        &self.slot_keys
    }

    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// A change of some accounts of the pool, existing or not.
    pub(crate) fn diff(&mut self) -> HashedDiff {
        let count = self.rng.random_range(1..=self.changes_max);
        HashedDiff::new((0..count).map(|_| self.change()).collect::<Vec<_>>())
    }

    fn change(&mut self) -> AccountChange {
        let rng = &mut self.rng;
        let key = self.account_keys[rng.random_range(0..self.account_keys.len())];
        if rng.random_bool(self.deletions) {
            return AccountChange { key, account: None, wiped: true, slots: Vec::new() };
        }
        let code_hash = if rng.random_bool(0.5) { Account::default().code_hash } else { keccak256(key) };
        let balance = U256::from(rng.random::<u128>()) >> rng.random_range(0..128);
        let account = Account { nonce: rng.random::<u64>() >> rng.random_range(0..64), balance, code_hash };
        let slot_count = if rng.random_bool(0.5) { rng.random_range(0..=self.slots_max) } else { 0 };
        let slots = (0..slot_count)
            .map(|_| {
                let key = self.slot_keys[rng.random_range(0..self.slot_keys.len())];
                let value = match rng.random_range(0..6) {
                    0 | 1 => U256::ZERO,
                    2 | 3 => U256::from(rng.random_range(1..128u8)),
                    4 => U256::from(rng.random::<u64>()),
                    _ => U256::from_be_bytes(rng.random::<[u8; 32]>()),
                };
                SlotChange { key, value }
            })
            .collect();
        AccountChange { key, account: Some(account), wiped: rng.random_bool(0.15), slots }
    }
}

/// Keys to choose from.
pub(crate) fn pool(rng: &mut StdRng, keys: Keys, count: usize) -> Vec<B256> {
    let mut pool: Vec<B256> = Vec::with_capacity(count);
    while pool.len() < count {
        let mut key = B256::from(rng.random::<[u8; 32]>());
        if keys == Keys::Clustered && !pool.is_empty() {
            let base = pool[rng.random_range(0..pool.len())];
            let depth = if rng.random_bool(0.3) { rng.random_range(56..64) } else { rng.random_range(0..64usize) };
            let mixed = if depth % 2 == 1 { base[depth / 2] & 0xf0 | key[depth / 2] & 0x0f } else { key[depth / 2] };
            key[depth / 2] = mixed;
            key[..depth / 2].copy_from_slice(&base[..depth / 2]);
        }
        pool.push(key);
    }
    pool
}

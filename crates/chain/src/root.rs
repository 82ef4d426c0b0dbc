//! The state root of a state in memory.
//!
//! The account trie is cut at its second nibble into 256 buckets by the first byte of keccak(address).
//! A change recomputes the storage roots of the accounts that it touches, then the buckets that hold them,
//! then the 256 buckets' own trie:
//!
//! ```text
//! keccak(address) = 3f..   bucket 3f: a branch -> its hash is kept and enters the top as it is
//!                   40..   bucket 40: a leaf, or leaves that share the third nibble -> they enter the top
//! ```
//!
//! Only a branch can be kept by its hash: the path of a lone leaf, or of an extension, grows together with
//! the nibbles above it.

use alloy_primitives::{Address, B256, keccak256};
use alloy_trie::root::storage_root_unhashed;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use motet_types::{MemoryAccount, MemoryState, StateDiff};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nibbles of the path to a bucket.
const BUCKET_NIBBLES: usize = 2;
/// One bucket for each first byte.
const BUCKETS: usize = 256;

/// The root of the state trie, computed from nothing.
pub fn state_root(state: &MemoryState) -> B256 {
    let accounts = state.accounts().map(|(address, account)| {
        let leaf = leaf(account, account_storage_root(account));
        (keccak256(address), leaf)
    });
    alloy_trie::root::state_root_unsorted(accounts)
}

/// A state that keeps what its root is made of, so that the root after a small change is cheap.
///
/// A clone shares the buckets; a change copies only those that it touches. The state itself is copied
/// whole.
///
/// Invariant: `buckets` holds one leaf for each account of `state`, with the storage root that the
/// account's storage gives.
#[derive(Clone, Debug)]
pub struct RootCalculator {
    state: MemoryState,
    buckets: Vec<Arc<Bucket>>,
}

/// The accounts whose hashed addresses share the first byte.
#[derive(Clone, Debug, Default)]
struct Bucket {
    leaves: BTreeMap<B256, TrieAccount>,
    /// The hash of the bucket's root node where that is a branch, once computed after the last change.
    branch: Option<B256>,
}

impl RootCalculator {
    /// Hashes a whole state.
    pub fn new(state: MemoryState) -> Self {
        let mut buckets: Vec<Bucket> = std::iter::repeat_with(Bucket::default).take(BUCKETS).collect();
        for (address, account) in state.accounts() {
            let hashed = keccak256(address);
            buckets[usize::from(hashed[0])].leaves.insert(hashed, leaf(account, account_storage_root(account)));
        }
        Self { state, buckets: buckets.into_iter().map(Arc::new).collect() }
    }

    /// The state.
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    /// The state alone.
    pub fn into_state(self) -> MemoryState {
        self.state
    }

    /// Adds the hash of an ancestor, as BLOCKHASH may ask for it. The root does not cover it.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.state.insert_block_hash(number, hash);
    }

    /// Applies a change. Whether accounts whose fields and storage stay as they are appear in it makes no
    /// difference.
    pub fn apply(&mut self, diff: &StateDiff) {
        self.state.apply(diff);
        for (address, change) in &diff.accounts {
            let hashed = keccak256(address);
            let bucket = &mut self.buckets[usize::from(hashed[0])];
            let before = bucket.leaves.get(&hashed);
            let Some(account) = self.state.account(address) else {
                if before.is_some() {
                    let bucket = Arc::make_mut(bucket);
                    bucket.leaves.remove(&hashed);
                    bucket.branch = None;
                }
                continue;
            };
            let storage_root = match before {
                Some(before) if change.storage.is_empty() && !change.wiped => before.storage_root,
                _ => account_storage_root(account),
            };
            let after = leaf(account, storage_root);
            if before != Some(&after) {
                let bucket = Arc::make_mut(bucket);
                bucket.leaves.insert(hashed, after);
                bucket.branch = None;
            }
        }
    }

    /// The root of the state trie.
    pub fn root(&mut self) -> B256 {
        let mut top = HashBuilder::default();
        for (byte, bucket) in self.buckets.iter_mut().enumerate() {
            if bucket.is_branch() {
                let hash = match bucket.branch {
                    Some(hash) => hash,
                    None => Arc::make_mut(bucket).hash_branch(),
                };
                top.add_branch(Nibbles::unpack([byte as u8]), hash, false);
            } else {
                for (hashed, account) in &bucket.leaves {
                    top.add_leaf(Nibbles::unpack(hashed), &alloy_rlp::encode(account));
                }
            }
        }
        top.root()
    }

    /// The storage root of an account, if the account exists.
    pub fn storage_root(&self, address: &Address) -> Option<B256> {
        let hashed = keccak256(address);
        self.buckets[usize::from(hashed[0])].leaves.get(&hashed).map(|leaf| leaf.storage_root)
    }
}

impl Bucket {
    /// Whether the node at the bucket's path is a branch: its leaves part at the very next nibble. They are
    /// sorted, so the first and the last tell.
    fn is_branch(&self) -> bool {
        let next_nibble = |hashed: &B256| hashed[BUCKET_NIBBLES / 2] >> 4;
        match (self.leaves.first_key_value(), self.leaves.last_key_value()) {
            (Some((first, _)), Some((last, _))) => next_nibble(first) != next_nibble(last),
            _ => false,
        }
    }

    /// Hashes the bucket's branch. A branch over account leaves is longer than a hash, so its parent
    /// refers to it by hash.
    fn hash_branch(&mut self) -> B256 {
        let mut builder = HashBuilder::default();
        for (hashed, account) in &self.leaves {
            builder.add_leaf(Nibbles::unpack(&hashed[BUCKET_NIBBLES / 2..]), &alloy_rlp::encode(account));
        }
        let hash = builder.root();
        self.branch = Some(hash);
        hash
    }
}

fn leaf(account: &MemoryAccount, storage_root: B256) -> TrieAccount {
    let MemoryAccount { account, .. } = account;
    TrieAccount { nonce: account.nonce, balance: account.balance, storage_root, code_hash: account.code_hash }
}

fn account_storage_root(account: &MemoryAccount) -> B256 {
    if account.storage.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    storage_root_unhashed(account.storage.iter().map(|(slot, value)| (B256::from(*slot), *value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, U256};
    use motet_types::{AccountDiff, view::Account};
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    fn account(balance: u64) -> AccountDiff {
        let account = Account { balance: U256::from(balance), ..Account::default() };
        AccountDiff { account: Some(account), ..AccountDiff::default() }
    }

    /// Addresses whose hashes all start with `byte`.
    fn addresses_of_bucket(byte: u8, count: usize) -> Vec<Address> {
        (0u64..)
            .map(|n| Address::left_padding_from(&n.to_be_bytes()))
            .filter(|address| keccak256(address)[0] == byte)
            .take(count)
            .collect()
    }

    #[test]
    fn an_empty_state_has_the_empty_root() {
        assert_eq!(state_root(&MemoryState::new()), EMPTY_ROOT_HASH);
        assert_eq!(RootCalculator::new(MemoryState::new()).root(), EMPTY_ROOT_HASH);
    }

    #[test]
    fn random_changes_give_the_root_that_a_rebuild_gives() {
        for seed in 0..40 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let population = [2, 5, 40, 1500][seed as usize % 4];
            let mut roots = RootCalculator::new(MemoryState::new());
            for step in 0..30 {
                let mut diff = StateDiff::default();
                for _ in 0..rng.random_range(1..=population.min(60)) {
                    let address = Address::left_padding_from(&rng.random_range(0..population as u64).to_be_bytes());
                    let mut change = account(rng.random_range(0..3));
                    match rng.random_range(0..6) {
                        0 => change.account = None,
                        1 => change.wiped = true,
                        2 | 3 => {
                            for _ in 0..rng.random_range(0..4) {
                                let slot = U256::from(rng.random_range(0..6));
                                change.storage.insert(slot, U256::from(rng.random_range(0..3)));
                            }
                        }
                        _ => {}
                    }
                    diff.accounts.insert(address, change);
                }
                roots.apply(&diff);
                assert_eq!(roots.root(), state_root(roots.state()), "seed {seed}, step {step}");
            }
        }
    }

    #[test]
    fn a_state_in_a_single_bucket_has_the_right_root_at_every_size() {
        let mut roots = RootCalculator::new(MemoryState::new());
        for address in addresses_of_bucket(0x5a, 20) {
            let diff = StateDiff { accounts: [(address, account(1))].into(), ..StateDiff::default() };
            roots.apply(&diff);
            assert_eq!(roots.root(), state_root(roots.state()));
        }
    }

    #[test]
    fn a_clone_keeps_its_own_root() {
        let mut state = MemoryState::new();
        for n in 0..100 {
            state.insert_account(Address::with_last_byte(n), U256::from(n), 0, Bytes::new(), []);
        }
        let mut before = RootCalculator::new(state);
        let root = before.root();
        let mut after = before.clone();
        let accounts = [(Address::with_last_byte(7), account(1000))].into();
        after.apply(&StateDiff { accounts, ..StateDiff::default() });
        assert_ne!(after.root(), root);
        assert_eq!(before.root(), root);
        assert_eq!(after.storage_root(&Address::with_last_byte(7)), Some(EMPTY_ROOT_HASH));
        assert_eq!(after.storage_root(&Address::with_last_byte(200)), None);
    }

    #[test]
    fn storage_is_part_of_the_root() {
        let mut state = MemoryState::new();
        let slots = [(U256::from(1), U256::from(2)), (U256::from(3), U256::ZERO)];
        state.insert_account(Address::ZERO, U256::ZERO, 0, Bytes::new(), slots);
        let roots = RootCalculator::new(state);
        let only = storage_root_unhashed([(B256::with_last_byte(1), U256::from(2))]);
        assert_eq!(roots.storage_root(&Address::ZERO), Some(only));
        assert_ne!(only, EMPTY_ROOT_HASH);
    }
}

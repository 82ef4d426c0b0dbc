//! A state held in memory: the simplest [`StateView`], and what tests and replays run on.

use crate::block::BlockHashes;
use crate::diff::StateDiff;
use crate::view::{Account, Location, Read, StateView, Value, ViewError};
use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};

/// Accounts, storage, code and ancestor hashes, all resident.
///
/// An absent address does not exist, an absent slot is zero. Absent code and absent ancestor hashes are
/// errors, never empty answers.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    accounts: AddressMap<MemoryAccount>,
    codes: B256Map<Bytes>,
    block_hashes: BlockHashes,
}

/// One account of a [`MemoryState`]. Invariant: no slot in `storage` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryAccount {
    /// Balance, nonce, code hash.
    pub account: Account,
    /// Non-zero slots.
    pub storage: HashMap<U256, U256>,
}

impl MemoryState {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an account with its code and storage; replaces what was there.
    pub fn insert_account(
        &mut self,
        address: Address,
        balance: U256,
        nonce: u64,
        code: Bytes,
        storage: impl IntoIterator<Item = (U256, U256)>,
    ) {
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
        if !code.is_empty() {
            self.codes.insert(code_hash, code);
        }
        let storage = storage.into_iter().filter(|(_, value)| !value.is_zero()).collect();
        self.accounts.insert(address, MemoryAccount { account: Account { balance, nonce, code_hash }, storage });
    }

    /// Adds code that accounts refer to by hash.
    pub fn insert_code(&mut self, code: Bytes) -> B256 {
        let hash = keccak256(&code);
        self.codes.insert(hash, code);
        hash
    }

    /// Sets the hash of an ancestor block.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// An account, if it exists.
    pub fn account(&self, address: &Address) -> Option<&MemoryAccount> {
        self.accounts.get(address)
    }

    /// Code by hash, if known.
    pub fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.codes.get(hash)
    }

    /// All accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &MemoryAccount)> {
        self.accounts.iter()
    }

    /// Whether no account exists.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Applies the change of a block.
    pub fn apply(&mut self, diff: &StateDiff) {
        for (hash, code) in &diff.codes {
            self.codes.insert(*hash, code.clone());
        }
        for (address, change) in &diff.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(address);
                continue;
            };
            let entry = self.accounts.entry(*address).or_default();
            entry.account = account;
            if change.wiped {
                entry.storage.clear();
            }
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    entry.storage.remove(slot);
                } else {
                    entry.storage.insert(*slot, *value);
                }
            }
        }
    }
}

impl StateView for MemoryState {
    #[inline]
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let value = match location {
            Location::Account(address) => Value::Account(self.accounts.get(&address).map(|entry| entry.account)),
            Location::Slot(address, slot) => Value::Slot(
                self.accounts.get(&address).and_then(|entry| entry.storage.get(&slot)).copied().unwrap_or_default(),
            ),
            Location::Code(KECCAK256_EMPTY) => Value::Code(Bytes::new()),
            Location::Code(hash) => match self.codes.get(&hash) {
                Some(code) => Value::Code(code.clone()),
                None => return Err(ViewError::new(location, "the code is not in this state")),
            },
            Location::BlockHash(number) => match self.block_hashes.get(&number) {
                Some(hash) => Value::BlockHash(*hash),
                None => return Err(ViewError::new(location, "the hash of this ancestor is not known")),
            },
        };
        Ok(Read::Ready(value))
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        Ok(self.accounts.get(&address).is_some_and(|account| !account.storage.is_empty()))
    }
}

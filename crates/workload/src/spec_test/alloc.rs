//! The accounts of a state, as fixtures list them.

use super::error::FieldError;
use super::json::Node;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use motet_types::MemoryState;
use std::collections::BTreeMap;

/// A whole state: every account with all its storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestAlloc {
    /// Accounts by address.
    pub accounts: BTreeMap<Address, TestAccount>,
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestAccount {
    /// Wei.
    pub balance: U256,
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Code; empty for none.
    pub code: Bytes,
    /// Slots as the fixture lists them; a listed zero is the same as an absent slot.
    pub storage: BTreeMap<U256, U256>,
}

impl TestAlloc {
    pub(super) fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let mut accounts = BTreeMap::new();
        for (_, account) in node.entries()? {
            accounts.insert(account.key_address()?, TestAccount::parse(&account)?);
        }
        Ok(Self { accounts })
    }

    /// The state in memory, ready to execute on.
    pub fn to_memory_state(&self) -> MemoryState {
        let mut state = MemoryState::new();
        for (address, account) in &self.accounts {
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
            state.insert_account(*address, account.balance, account.nonce, account.code.clone(), storage);
        }
        state
    }

    /// Root of the state's trie.
    pub fn state_root(&self) -> B256 {
        state_root_unhashed(self.accounts.iter().map(|(address, account)| (*address, account.to_trie_account())))
    }
}

impl From<&TestAlloc> for MemoryState {
    fn from(alloc: &TestAlloc) -> Self {
        alloc.to_memory_state()
    }
}

impl TestAccount {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let mut storage = BTreeMap::new();
        for (_, value) in node.field("storage")?.entries()? {
            storage.insert(value.key_u256()?, value.u256()?);
        }
        Ok(Self {
            balance: node.field("balance")?.u256()?,
            nonce: node.field("nonce")?.u64()?,
            code: node.field("code")?.bytes()?,
            storage,
        })
    }

    fn to_trie_account(&self) -> TrieAccount {
        let slots = self.storage.iter().filter(|(_, value)| !value.is_zero());
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value))),
            code_hash: if self.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&self.code) },
        }
    }
}

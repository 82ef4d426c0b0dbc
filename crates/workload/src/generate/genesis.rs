//! The state before the first generated block.

use super::artifact::Contract;
use alloy_genesis::GenesisAccount as FileAccount;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_types::MemoryState;
use std::collections::BTreeMap;

/// The pre-state while it is put together.
///
/// Scenes may write to it until the last block is generated: whatever a transaction turns out to need
/// (an allowance, a position, an open game) is put here as if it had always been there.
#[derive(Clone, Debug, Default)]
pub(super) struct Genesis {
    accounts: BTreeMap<Address, GenesisAccount>,
    /// Whether nothing is put into it any more: the blocks are drawn again, and it has what they need.
    is_closed: bool,
}

#[derive(Clone, Debug, Default)]
struct GenesisAccount {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: HashMap<U256, U256>,
}

impl Genesis {
    /// A pre-state that nothing is put into.
    pub(super) fn closed() -> Self {
        Self { accounts: BTreeMap::new(), is_closed: true }
    }

    /// The account that something is to be put into.
    fn account(&mut self, address: Address) -> Option<&mut GenesisAccount> {
        (!self.is_closed).then(|| self.accounts.entry(address).or_default())
    }

    /// Puts an account without code.
    pub(super) fn fund(&mut self, address: Address, balance: U256, nonce: u64) {
        if let Some(account) = self.account(address) {
            account.balance = balance;
            account.nonce = nonce;
        }
    }

    /// Puts code at an address, with the nonce that creation gives (EIP-161).
    pub(super) fn place_code(&mut self, address: Address, code: Bytes) {
        if let Some(account) = self.account(address) {
            account.code = code;
            account.nonce = 1;
        }
    }

    /// Puts the `position`-th instance of a contract; the address follows from the two.
    pub(super) fn place(&mut self, name: &str, position: usize, contract: Contract<'_>) -> Address {
        let address = Address::from_word(keccak256(format!("motet {name} {position}")));
        self.place_code(address, contract.runtime());
        address
    }

    /// Sets a slot.
    pub(super) fn set(&mut self, address: Address, slot: U256, value: U256) {
        if let Some(account) = self.account(address) {
            account.storage.insert(slot, value);
        }
    }

    /// Adds to a slot.
    pub(super) fn add(&mut self, address: Address, slot: U256, amount: U256) {
        if let Some(account) = self.account(address) {
            *account.storage.entry(slot).or_default() += amount;
        }
    }

    /// The state as a genesis file has it.
    pub(super) fn into_alloc(self) -> BTreeMap<Address, FileAccount> {
        let to_file = |(address, account): (Address, GenesisAccount)| {
            let GenesisAccount { balance, nonce, code, storage } = account;
            let storage: BTreeMap<B256, B256> = storage
                .into_iter()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (slot.into(), value.into()))
                .collect();
            let file = FileAccount {
                balance,
                nonce: Some(nonce),
                code: (!code.is_empty()).then_some(code),
                storage: (!storage.is_empty()).then_some(storage),
                ..FileAccount::default()
            };
            (address, file)
        };
        self.accounts.into_iter().map(to_file).collect()
    }

    /// The state as it stands.
    pub(super) fn into_state(self) -> MemoryState {
        let mut state = MemoryState::new();
        for (address, account) in self.accounts {
            state.insert_account(address, account.balance, account.nonce, account.code, account.storage);
        }
        state
    }
}

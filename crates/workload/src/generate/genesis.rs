//! The state before the first generated block.

use super::artifact::Contract;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use motet_types::MemoryState;
use std::collections::BTreeMap;

/// The pre-state while it is put together.
///
/// Scenes may write to it until the last block is generated: whatever a transaction turns out to need
/// (an allowance, a position, an open game) is put here as if it had always been there.
#[derive(Clone, Debug, Default)]
pub(super) struct Genesis {
    accounts: BTreeMap<Address, GenesisAccount>,
}

#[derive(Clone, Debug, Default)]
struct GenesisAccount {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: HashMap<U256, U256>,
}

impl Genesis {
    /// Puts an account without code.
    pub(super) fn fund(&mut self, address: Address, balance: U256, nonce: u64) {
        let account = self.accounts.entry(address).or_default();
        account.balance = balance;
        account.nonce = nonce;
    }

    /// Puts code at an address, with the nonce that creation gives (EIP-161).
    pub(super) fn place_code(&mut self, address: Address, code: Bytes) {
        let account = self.accounts.entry(address).or_default();
        account.code = code;
        account.nonce = 1;
    }

    /// Puts the `position`-th instance of a contract; the address follows from the two.
    pub(super) fn place(&mut self, name: &str, position: usize, contract: Contract<'_>) -> Address {
        let address = Address::from_word(keccak256(format!("motet {name} {position}")));
        self.place_code(address, contract.runtime());
        address
    }

    /// Sets a slot.
    pub(super) fn set(&mut self, address: Address, slot: U256, value: U256) {
        self.accounts.entry(address).or_default().storage.insert(slot, value);
    }

    /// Adds to a slot.
    pub(super) fn add(&mut self, address: Address, slot: U256, amount: U256) {
        *self.accounts.entry(address).or_default().storage.entry(slot).or_default() += amount;
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

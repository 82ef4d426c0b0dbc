//! What the state says of a sender.

use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, Fork, Location, Value};

/// How the code of an account begins that delegates to a contract, and how long it is. EIP-7702.
const DELEGATION: ([u8; 3], usize) = ([0xef, 0x01, 0x00], 23);

/// A sender's account, as far as its transactions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purse {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
    /// Whether it may send transactions that it signs: it has no code, or only a delegation. EIP-3607, EIP-7702.
    pub(crate) may_send: bool,
}

impl Default for Purse {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY, may_send: true }
    }
}

impl Purse {
    /// Reads an account, and its code where it has any.
    pub(crate) fn read(view: &ChainView, address: Address, fork: Fork) -> Result<Self, ChainError> {
        let Value::Account(Some(account)) = view.value(Location::Account(address))? else {
            return Ok(Self::default());
        };
        let Account { nonce, balance, code_hash } = account;
        let may_send = code_hash == KECCAK256_EMPTY
            || (fork >= Fork::Prague
                && matches!(view.value(Location::Code(code_hash))?, Value::Code(code) if is_delegation(&code)));
        Ok(Self { nonce, balance, code_hash, may_send })
    }

    /// Whether it runs a contract's code: then anybody's call may take its money, and with it what its transactions rest on.
    /// EIP-7702.
    pub(crate) fn is_delegated(&self) -> bool {
        self.may_send && self.code_hash != KECCAK256_EMPTY
    }
}

fn is_delegation(code: &[u8]) -> bool {
    let (prefix, bytes) = DELEGATION;
    code.len() == bytes && code.starts_with(&prefix)
}

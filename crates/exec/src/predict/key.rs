//! What is thought to behave alike: calls of the same code, or of the same account, whose inputs begin alike.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};
use motet_types::Transaction;

/// Gas of a transaction that does nothing. Yellow Paper, G_transaction.
const PLAIN_GAS: u64 = 21_000;

/// The first bytes of an input, four of a Solidity call, fewer where there are fewer; and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Selector(u64);

/// The code of the recipient and the selector; or the recipient itself, where accounts with the same code do not do
/// the same: a pool trades the tokens that its own storage names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallKey {
    of: B256,
    selector: Selector,
}

impl CallKey {
    /// All calls of a code with a selector.
    pub(super) fn of_code(code: B256, selector: Selector) -> Self {
        Self { of: code, selector }
    }

    /// Those of one account.
    pub(super) fn of_account(account: Address, selector: Selector) -> Self {
        // No hash begins with twelve zero bytes: the two kinds are told apart.
        Self { of: account.into_word(), selector }
    }
}

impl Selector {
    pub(super) fn of(input: &[u8]) -> Self {
        let first = &input[..input.len().min(4)];
        let bytes = first.iter().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte));
        Self(bytes << 8 | first.len() as u64)
    }
}

/// Whom a transaction calls, if it may run code there. Who pays only, says so by a gas limit that allows nothing else.
pub(super) fn callee(tx: &Transaction) -> Option<(Address, Selector)> {
    let to = tx.to()?;
    (!tx.input().is_empty() || tx.gas_limit() > PLAIN_GAS).then(|| (to, Selector::of(tx.input())))
}

//! What [`Engine::Auto`] chooses for a block, by what is known before it runs.

use super::{BlockInput, Engine, own_list};
use crate::predict::Foresight;
use alloy_consensus::Transaction as _;
use motet_types::Transaction;

/// Gas that calls of contracts may use: below this sum a block is over before other workers pay.
const CONTRACT_GAS_MIN: u64 = 1_750_000;
/// The same per transaction: below this a block is mostly plain payments, which cost less to execute than to share.
const CONTRACT_GAS_PER_TX_MIN: u64 = 12_000;
/// A gas limit says little beyond this: wallets ask for far more than they use.
const CONTRACT_GAS_COUNTED_MAX: u64 = 1_000_000;
/// Gas of a transaction that does nothing. Yellow Paper, G_transaction.
const PLAIN_GAS: u64 = 21_000;

/// Gas that a transaction may spend on executing code, as far as it can be told before it runs.
fn contract_gas(tx: &Transaction) -> u64 {
    if tx.input().is_empty() {
        return 0;
    }
    tx.gas_limit().min(CONTRACT_GAS_COUNTED_MAX).saturating_sub(PLAIN_GAS)
}

/// Why a block needs but one worker, if that can be told at once.
pub(super) fn nothing_to_share(input: &BlockInput<'_>, workers: usize) -> Option<&'static str> {
    if workers < 2 {
        return Some("one worker");
    }
    (input.block.tx_count() < 2).then_some("fewer than two transactions")
}

/// The engine for a block of several transactions on several workers, by what is known before it runs.
pub(super) fn choose(input: &BlockInput<'_>, foresight: &mut Foresight<'_>) -> (Engine, &'static str) {
    let transactions = input.block.transactions();
    let asks = |(tx, envelope): (usize, &Transaction)| {
        foresight.gas(tx).map_or_else(|| contract_gas(envelope), |gas| gas.saturating_sub(PLAIN_GAS))
    };
    let asked = transactions.iter().enumerate().map(asks).fold(0, u64::saturating_add);
    // A block that was made elsewhere says what it used; its word costs time if it is false.
    let work = match input.block.header().gas_used {
        0 => asked,
        used => asked.min(used.saturating_sub(PLAIN_GAS * transactions.len() as u64)),
    };
    if work < CONTRACT_GAS_MIN {
        return (Engine::Sequential, "too little contract work to share");
    }
    if work / (transactions.len() as u64) < CONTRACT_GAS_PER_TX_MIN {
        return (Engine::Sequential, "mostly plain transfers");
    }
    if input.record.is_some() || own_list(input).is_some() {
        return (Engine::Listed, "");
    }
    if foresight.is_chain(input, work.saturating_add(PLAIN_GAS * transactions.len() as u64)) {
        return (Engine::Sequential, "predicted to be one chain of short transactions");
    }
    (Engine::Optimistic, "")
}

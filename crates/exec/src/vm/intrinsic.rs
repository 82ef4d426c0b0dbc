//! What a transaction pays before it starts.

use super::env::spec_id;
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_primitives::Address;
use motet_types::{BlockRules, Fork, Transaction};
use revm::context_interface::cfg::gas::calculate_initial_tx_gas;
use revm::context_interface::cfg::gas_params::Eip2780TxInfo;

/// Gas that a transaction's limit must cover whatever it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Charged before the first instruction. Yellow Paper, g_0; EIP-2930, EIP-3860, EIP-7702.
    pub initial: u64,
    /// Charged at least, whatever is executed; zero before Prague. EIP-7623.
    pub floor: u64,
}

/// The intrinsic gas of a transaction under the rules of its block.
pub fn intrinsic_gas(tx: &Transaction, sender: Address, rules: &BlockRules) -> IntrinsicGas {
    let (mut accounts, mut slots) = (0, 0);
    if let Some(list) = tx.access_list().filter(|_| tx.ty() != 0) {
        accounts = list.len() as u64;
        slots = list.iter().map(|item| item.storage_keys.len() as u64).sum();
    }
    let authorizations = tx.authorization_list().map_or(0, |list| list.len() as u64);
    let eip2780 = rules
        .is_active(Fork::Amsterdam)
        .then(|| Eip2780TxInfo { value: tx.value(), is_self_transfer: tx.to() == Some(sender) });
    let spec = spec_id(rules.fork);
    let gas = calculate_initial_tx_gas(spec, tx.input(), tx.is_create(), accounts, slots, authorizations, eip2780);
    let floor = if rules.is_active(Fork::Prague) { gas.floor_gas } else { 0 };
    IntrinsicGas { initial: gas.initial_regular_gas.saturating_add(gas.initial_state_gas), floor }
}

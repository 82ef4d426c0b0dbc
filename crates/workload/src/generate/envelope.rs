//! From a call to a signed transaction.

use super::GenerateOptions;
use super::error::GenerateError;
use super::world::{Call, World};
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::TxKind;
use motet_types::{Fork, Transaction};

/// Wei in a gwei.
const GWEI: u64 = 1_000_000_000;
/// Fees that people offer, in wei per gas: far above the base fee, so that they stay valid when the
/// caller raises it.
const MAX_FEE: u128 = 50 * GWEI as u128;
/// Tips, in wei per gas.
const TIP: (u64, u64) = (GWEI / 10, 3 * GWEI);

/// Gas by which a limit grows per byte of new state from Amsterdam on. EIP-8037, cost_per_state_byte.
const GAS_PER_STATE_BYTE: u64 = 1530;

/// Gives a call its nonce, fees, envelope and signature.
///
/// Eight in ten are EIP-1559 transactions; the rest is half legacy, half EIP-2930 with the slots that
/// the call names.
pub(super) fn seal_call(
    call: Call,
    options: &GenerateOptions,
    world: &mut World,
) -> Result<Transaction, GenerateError> {
    let chain_id = options.chain_id;
    let Call { sender, to, value, input, gas_limit, state_bytes, slots } = call;
    let gas_limit =
        if options.fork >= Fork::Amsterdam { gas_limit + state_bytes * GAS_PER_STATE_BYTE } else { gas_limit };
    let nonce = world.accounts.use_nonce(sender);
    let tip = u128::from(world.dice.between(TIP.0, TIP.1));
    match world.dice.below(10) {
        0..8 => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: MAX_FEE,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: AccessList::default(),
                input,
            };
            sign(tx, sender, world).map(EthereumTxEnvelope::Eip1559)
        }
        8 => {
            let chain_id = Some(chain_id);
            let tx = TxLegacy { chain_id, nonce, gas_price: tip + u128::from(GWEI), gas_limit, to, value, input };
            sign(tx, sender, world).map(EthereumTxEnvelope::Legacy)
        }
        _ => {
            let item = match to {
                TxKind::Call(address) if !slots.is_empty() => vec![AccessListItem { address, storage_keys: slots }],
                _ => Vec::new(),
            };
            let gas_price = tip + u128::from(GWEI);
            let access_list = AccessList(item);
            let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            sign(tx, sender, world).map(EthereumTxEnvelope::Eip2930)
        }
    }
}

fn sign<T>(tx: T, sender: usize, world: &World) -> Result<alloy_consensus::Signed<T>, GenerateError>
where
    T: SignableTransaction<alloy_primitives::Signature>,
{
    let signature = world.accounts.sign(sender, tx.signature_hash())?;
    Ok(tx.into_signed(signature))
}

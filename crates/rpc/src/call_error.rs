//! What the caller of a call is told that did not run, or did not succeed, in the words of geth: tools look for them.

use crate::error::RpcError;
use crate::server::timed_out;
use alloy_primitives::{Address, Bytes};
use motet_exec::call::{CallBlock, CallEnd, CallError, CallOutcome, CallTx};
use motet_exec::trace::revert_reason;
use motet_types::TxError;

/// Codes of a simulation. execution-apis, eth_simulateV1.
mod code {
    pub(super) const NONCE_TOO_LOW: i32 = -38010;
    pub(super) const NONCE_TOO_HIGH: i32 = -38011;
    pub(super) const FEE_CAP_TOO_LOW: i32 = -38012;
    pub(super) const INTRINSIC_GAS: i32 = -38013;
    pub(super) const FUNDS: i32 = -38014;
    pub(super) const SENDER_HAS_CODE: i32 = -38024;
    pub(super) const INIT_CODE_SIZE: i32 = -38025;
}

/// A call that may not run.
pub(crate) fn refused(error: CallError, tx: &CallTx, block: &CallBlock) -> RpcError {
    match error {
        CallError::View(error) => RpcError::internal(error.to_string()),
        CallError::TimedOut => timed_out(),
        CallError::Invalid(error) => {
            let words = refusal(&error, tx, block);
            RpcError::server(format!("err: {words} (supplied gas {})", tx.gas_limit))
        }
    }
}

/// As [`refused`], with the codes of a simulation.
pub(crate) fn refused_in_simulation(error: CallError, tx: &CallTx, block: &CallBlock) -> RpcError {
    let code = match &error {
        CallError::View(_) => None,
        CallError::TimedOut => return timed_out(),
        CallError::Invalid(error) => simulation_code(error),
    };
    let refused = refused(error, tx, block);
    RpcError { code: code.unwrap_or(crate::error::INTERNAL), ..refused }
}

fn simulation_code(error: &TxError) -> Option<i32> {
    Some(match error {
        TxError::NonceTooLow { .. } => code::NONCE_TOO_LOW,
        TxError::NonceTooHigh { .. } => code::NONCE_TOO_HIGH,
        TxError::GasPriceLessThanBaseFee => code::FEE_CAP_TOO_LOW,
        TxError::IntrinsicGasTooLow { .. } | TxError::FloorGasTooLow { .. } => code::INTRINSIC_GAS,
        TxError::LackOfFunds { .. } => code::FUNDS,
        TxError::SenderHasCode => code::SENDER_HAS_CODE,
        TxError::InitCodeTooLarge => code::INIT_CODE_SIZE,
        _ => return None,
    })
}

/// Why a call may not run.
pub(crate) fn refusal(error: &TxError, tx: &CallTx, block: &CallBlock) -> String {
    let from = checksum(tx.from);
    let cap = tx.max_fee_per_gas;
    match error {
        TxError::NonceTooLow { tx, state } => format!("nonce too low: address {from}, tx: {tx} state: {state}"),
        TxError::NonceTooHigh { tx, state } => format!("nonce too high: address {from}, tx: {tx} state: {state}"),
        TxError::NonceOverflow => format!("nonce has max value: address {from}, nonce: {}", tx.nonce),
        TxError::SenderHasCode => format!("sender not an eoa: address {from}"),
        TxError::GasLimitAboveCap { gas_limit, cap } => {
            format!("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")
        }
        TxError::PriorityFeeGreaterThanMaxFee => {
            let tip = tx.max_priority_fee_per_gas.unwrap_or_default();
            format!(
                "max priority fee per gas higher than max fee per gas: address {from}, maxPriorityFeePerGas: {tip}, \
                 maxFeePerGas: {cap}"
            )
        }
        TxError::GasPriceLessThanBaseFee => format!(
            "max fee per gas less than block base fee: address {from}, maxFeePerGas: {cap}, baseFee: {}",
            block.base_fee
        ),
        TxError::BlobGasPriceGreaterThanMax => format!(
            "max fee per blob gas less than block blob gas fee: address {from} blobGasFeeCap: {}",
            tx.max_fee_per_blob_gas
        ),
        TxError::LackOfFunds { balance, needed } => {
            format!("insufficient funds for gas * price + value: address {from} have {balance} want {needed}")
        }
        TxError::PaymentOverflow => format!("address {from} required balance exceeds 256 bits"),
        TxError::IntrinsicGasTooLow { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        TxError::FloorGasTooLow { floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {floor}")
        }
        TxError::InitCodeTooLarge => format!("max initcode size exceeded: code size {}", tx.input.len()),
        TxError::TypeNotSupported(_) => "transaction type not supported".to_owned(),
        TxError::EmptyBlobs => "blob transaction missing blob hashes".to_owned(),
        TxError::BlobCreateTransaction => "blob transaction of type create".to_owned(),
        TxError::SetCodeCreateTransaction => {
            format!("EIP-7702 transaction cannot be used to create contract (sender {from})")
        }
        TxError::EmptyAuthorizationList => format!("EIP-7702 transaction with empty auth list (sender {from})"),
        error => error.to_string(),
    }
}

fn checksum(address: Address) -> String {
    address.to_checksum(None)
}

/// What a call returned, where it succeeded.
///
/// # Errors
/// When it did not.
pub(crate) fn output(outcome: CallOutcome) -> Result<Bytes, RpcError> {
    match outcome.end {
        CallEnd::Success(_) => Ok(outcome.output),
        CallEnd::Revert => Err(reverted(&outcome.output)),
        CallEnd::Halt(reason) => Err(RpcError::server(reason)),
    }
}

/// A call that reverted.
pub(crate) fn reverted(output: &Bytes) -> RpcError {
    let message = match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    };
    RpcError::reverted(message, output)
}

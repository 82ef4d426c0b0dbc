//! The least gas with which a call succeeds, by bisection.
//!
//! The steps are geth's, and so is by default where it stops: an estimate that is a little too high is as good, and costs
//! half the executions. So the results are geth's as well.

use crate::call_args::CallArgs;
use crate::call_error::{refusal, reverted};
use crate::context::RpcLimits;
use crate::error::RpcError;
use crate::server::timed_out;
use alloy_primitives::U256;
use motet_exec::call::{CallChecks, CallEnd, CallError, CallOutcome, CallSession, CallTx};
use motet_types::{Fork, TxError};
use std::time::{Duration, Instant};

/// Gas of a transfer. Yellow Paper, G_transaction.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value is given on top. Yellow Paper, G_callstipend.
const STIPEND: u64 = 2_300;
/// Cap on a transaction's gas from Osaka on. EIP-7825.
const TX_GAS_MAX: u64 = 1 << 24;
/// Gas of one blob. EIP-4844, GAS_PER_BLOB.
const BLOB_GAS: u64 = 1 << 17;
/// How long the search goes on: what was found until then is enough gas, if more than needed.
const SEARCH_TIME: Duration = Duration::from_secs(5);

/// The least gas with which a call succeeds, give or take.
///
/// # Errors
/// When no gas is enough.
pub(crate) fn estimate(session: &mut CallSession<'_>, args: &CallArgs, limits: &RpcLimits) -> Result<u64, RpcError> {
    let tx = args.tx(u64::MAX);
    let mut high = highest(session, args, &tx)?.min(limits.call_gas_max);
    let transfers = match tx.to.to() {
        Some(to) if tx.input.is_empty() => session.code(*to).map_err(internal)?.is_empty(),
        _ => false,
    };
    if transfers && let Ok(Tried::Succeeded(_)) = attempt(session, &tx, TRANSFER_GAS) {
        return Ok(TRANSFER_GAS);
    }
    let outcome = match attempt(session, &tx, high)? {
        Tried::Succeeded(outcome) => outcome,
        Tried::Failed(Some(outcome)) => return Err(failure(outcome, high)),
        Tried::Failed(None) => return Err(out_of_gas(high)),
    };
    let started = Instant::now();
    // With less than it used it cannot succeed.
    let mut low = outcome.gas_used.saturating_sub(1);
    // It needs what it used before refunds; each call inside keeps a 64th back (EIP-150).
    let likely = u128::from(outcome.gas_peak.saturating_add(STIPEND)) * 64 / 63;
    if let Ok(likely) = u64::try_from(likely)
        && likely < high
    {
        match attempt(session, &tx, likely)? {
            Tried::Succeeded(_) => high = likely,
            Tried::Failed(_) => low = likely,
        }
    }
    while low.saturating_add(1) < high {
        let is_near = u128::from(high - low) * 1000 < u128::from(high) * u128::from(limits.estimate_error_per_mille);
        if is_near || started.elapsed() > SEARCH_TIME {
            break;
        }
        // Most calls need little more than they use.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2)).max(low.saturating_add(1));
        match attempt(session, &tx, middle)? {
            Tried::Succeeded(_) => high = middle,
            Tried::Failed(_) => low = middle,
        }
    }
    Ok(high)
}

/// The most gas that the block and the sender's funds allow.
fn highest(session: &mut CallSession<'_>, args: &CallArgs, tx: &CallTx) -> Result<u64, RpcError> {
    let block = session.block();
    let mut high = args.0.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(block.gas_limit);
    if block.rules.is_active(Fork::Osaka) {
        high = high.min(TX_GAS_MAX);
    }
    if tx.max_fee_per_gas == 0 {
        return Ok(high);
    }
    let balance = session.account(tx.from).map_err(internal)?.unwrap_or_default().balance;
    let available = balance
        .checked_sub(tx.value)
        .filter(|left| !left.is_zero())
        .ok_or_else(|| RpcError::server("insufficient funds for transfer"))?;
    let blob_gas = U256::from(tx.blob_hashes.len()).saturating_mul(U256::from(BLOB_GAS));
    let blob_fee = blob_gas.saturating_mul(U256::from(tx.max_fee_per_blob_gas));
    let available = match blob_fee.is_zero() {
        true => available,
        false => available
            .checked_sub(blob_fee)
            .filter(|left| !left.is_zero())
            .ok_or_else(|| RpcError::server("insufficient funds for gas * price + value"))?,
    };
    let affordable = available / U256::from(tx.max_fee_per_gas);
    Ok(u64::try_from(affordable).map_or(high, |affordable| high.min(affordable)))
}

/// A call that was tried with some gas.
enum Tried {
    Succeeded(CallOutcome),
    /// `None`: it did not even begin.
    Failed(Option<CallOutcome>),
}

fn attempt(session: &mut CallSession<'_>, tx: &CallTx, gas_limit: u64) -> Result<Tried, RpcError> {
    let tx = CallTx { gas_limit, ..tx.clone() };
    match session.try_call(&tx, CallChecks::NONE) {
        Ok(outcome) if outcome.end.is_success() => Ok(Tried::Succeeded(outcome)),
        Ok(outcome) => Ok(Tried::Failed(Some(outcome))),
        Err(CallError::Invalid(TxError::IntrinsicGasTooLow { .. } | TxError::FloorGasTooLow { .. })) => {
            Ok(Tried::Failed(None))
        }
        Err(CallError::Invalid(error)) => Err(RpcError::server(refusal(&error, &tx, session.block()))),
        Err(CallError::View(error)) => Err(internal(error)),
        Err(CallError::TimedOut) => Err(timed_out()),
    }
}

/// What is said of a call that fails with all the gas that there is.
fn failure(outcome: CallOutcome, high: u64) -> RpcError {
    match outcome.end {
        CallEnd::Revert => reverted(&outcome.output),
        CallEnd::Halt(reason) if reason != "out of gas" => RpcError::server(reason),
        _ => out_of_gas(high),
    }
}

fn out_of_gas(high: u64) -> RpcError {
    RpcError::server(format!("gas required exceeds allowance ({high})"))
}

fn internal(error: motet_types::ViewError) -> RpcError {
    RpcError::internal(error.to_string())
}

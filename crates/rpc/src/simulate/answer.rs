//! Simulated blocks as they are answered with.

use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::{Header, Log};
use motet_exec::call::{CallEnd, CallOutcome};
use serde::Serialize;
use serde_json::Value;

/// A call that failed otherwise than by reverting. execution-apis, eth_simulateV1.
const VM_ERROR: i32 = -32015;

/// A block as nodes serve it, with what became of its calls.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatedBlock {
    #[serde(flatten)]
    pub(super) header: Header,
    pub(super) uncles: Vec<B256>,
    pub(super) transactions: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withdrawals: Option<Withdrawals>,
    pub(super) calls: Vec<SimulatedCall>,
}

/// What became of a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimulatedCall {
    return_data: Bytes,
    pub(super) logs: Vec<Log>,
    gas_used: U64,
    max_used_gas: U64,
    status: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// Why a call failed.
#[derive(Debug, Serialize)]
struct Failure {
    message: String,
    code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl SimulatedCall {
    pub(super) fn new(outcome: &CallOutcome, logs: Vec<Log>) -> Self {
        let error = match &outcome.end {
            CallEnd::Success(_) => None,
            CallEnd::Revert => {
                let error = crate::call_error::reverted(&outcome.output);
                Some(Failure { message: error.message, code: error.code, data: error.data })
            }
            CallEnd::Halt(reason) => Some(Failure { message: reason.clone(), code: VM_ERROR, data: None }),
        };
        Self {
            // What a call reverted with is in its error.
            return_data: if error.is_none() { outcome.output.clone() } else { Bytes::new() },
            logs,
            gas_used: U64::from(outcome.gas_used),
            max_used_gas: U64::from(outcome.gas_peak),
            status: U64::from(u8::from(error.is_none())),
            error,
        }
    }
}

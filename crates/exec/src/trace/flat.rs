//! The tree of calls as a list, each with its address in the tree: geth's `flatCallTracer`, after Parity.

use super::TxPlace;
use super::frame::{Frame, FrameKind};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Serialize;

/// What of the list is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlatConfig {
    /// Errors in Parity's words.
    pub(super) convert_parity_errors: bool,
    /// Calls of precompiled contracts, too.
    pub(super) include_precompiles: bool,
}

/// One entry of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlatFrame {
    action: FlatAction,
    block_hash: Option<B256>,
    block_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<FlatResult>,
    subtraces: usize,
    trace_address: Vec<usize>,
    transaction_hash: Option<B256>,
    transaction_position: u64,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlatAction {
    /// The contract that destroyed itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<U256>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlatResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_used: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Bytes>,
}

/// The tree below `root` as a list, a frame before those that it called.
pub(super) fn flattened(root: Frame, config: FlatConfig, place: &TxPlace) -> Vec<FlatFrame> {
    let mut list = Vec::new();
    // Frames that are still to be listed, the next one last.
    let mut waiting = vec![(root, Vec::new())];
    while let Some((mut frame, trace_address)) = waiting.pop() {
        let mut calls = std::mem::take(&mut frame.calls);
        if !config.include_precompiles {
            calls.retain(|call| {
                let is_plain = matches!(call.kind, FrameKind::Call | FrameKind::StaticCall);
                !(is_plain && call.circumstances.is_precompile)
            });
        }
        let subtraces = calls.len();
        for (position, call) in calls.into_iter().enumerate().rev() {
            let mut address = Vec::with_capacity(trace_address.len() + 1);
            address.extend_from_slice(&trace_address);
            address.push(position);
            waiting.push((call, address));
        }
        list.push(entry(frame, subtraces, trace_address, config, place));
    }
    list
}

fn entry(frame: Frame, subtraces: usize, trace_address: Vec<usize>, config: FlatConfig, place: &TxPlace) -> FlatFrame {
    // The output of a revert says why; that of other failures says nothing.
    let has_result = frame.error.as_ref().is_none_or(|error| error == "execution reverted");
    let error = match config.convert_parity_errors {
        true => frame.error.as_deref().map(parity_error),
        false => frame.error.clone(),
    };
    let (kind, action, result) = parts(frame);
    FlatFrame {
        action,
        block_hash: place.block_hash,
        block_number: place.block_number,
        error,
        result: result.filter(|_| has_result),
        subtraces,
        trace_address,
        transaction_hash: place.tx_hash,
        transaction_position: place.tx_index,
        kind,
    }
}

fn parts(frame: Frame) -> (&'static str, FlatAction, Option<FlatResult>) {
    let Frame { from, gas, gas_used, to, input, output, value, kind, .. } = frame;
    let output = Some(output.unwrap_or_default());
    let common = FlatAction { from: Some(from), gas, value: Some(value.unwrap_or_default()), ..FlatAction::default() };
    match kind {
        FrameKind::SelfDestruct => {
            let action =
                FlatAction { address: Some(from), balance: value, refund_address: to, ..FlatAction::default() };
            ("suicide", action, None)
        }
        FrameKind::Create | FrameKind::Create2 => {
            let action = FlatAction { init: Some(input), creation_method: Some(kind.name_small()), ..common };
            ("create", action, Some(FlatResult { address: to, code: output, gas_used, output: None }))
        }
        _ => {
            let action = FlatAction { input: Some(input), to, call_type: Some(kind.name_small()), ..common };
            ("call", action, Some(FlatResult { gas_used, output, ..FlatResult::default() }))
        }
    }
}

/// An error in Parity's words, as far as it had its own.
fn parity_error(error: &str) -> String {
    let words = match error {
        "contract creation code storage out of gas" | "gas uint64 overflow" | "max code size exceeded" => "Out of gas",
        "invalid jump destination" => "Bad jump destination",
        "execution reverted" => "Reverted",
        "return data out of bounds" => "Out of bounds",
        "stack limit reached 1024 (1023)" => "Out of stack",
        "precompiled failed" | "invalid input length" => "Built-in failed",
        other if other.starts_with("out of gas") => "Out of gas",
        other if other.starts_with("invalid opcode:") => "Bad instruction",
        other if other.starts_with("stack underflow") => "Stack underflow",
        other => other,
    };
    words.to_owned()
}

//! Receipts beside those that a fixture lists.
//!
//! The header's receipts root is what a block is judged by. The list only tells where a receipt that does
//! not fit the root is wrong: some releases list receipts that do not fit their own headers.

use alloy_consensus::{Eip658Value, ReceiptEnvelope};
use motet_workload::spec_test::ExpectedReceipt;

/// The first value that is not as listed; `None` when all are.
pub(super) fn first_difference(expected: &[ExpectedReceipt], found: &[ReceiptEnvelope]) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!("receipts: expected {}, found {}", expected.len(), found.len()));
    }
    expected.iter().zip(found).enumerate().find_map(|(pos, (expected, found))| {
        let what = receipt(expected, found)?;
        Some(format!("receipts[{pos}].{what}"))
    })
}

fn receipt(expected: &ExpectedReceipt, found: &ReceiptEnvelope) -> Option<String> {
    let status = found.as_receipt().map_or(Eip658Value::Eip658(found.status()), |receipt| receipt.status);
    let gas = found.cumulative_gas_used();
    if expected.cumulative_gas_used != gas {
        return Some(format!("cumulative_gas_used: expected {}, found {gas}", expected.cumulative_gas_used));
    }
    if expected.status != status {
        return Some(format!("status: expected {:?}, found {status:?}", expected.status));
    }
    if expected.logs.len() != found.logs().len() {
        return Some(format!("logs.length: expected {}, found {}", expected.logs.len(), found.logs().len()));
    }
    let mut logs = expected.logs.iter().zip(found.logs()).enumerate();
    logs.find(|(_, (expected, found))| expected != found)
        .map(|(log, (expected, found))| format!("logs[{log}]: expected {expected:?}, found {found:?}"))
}

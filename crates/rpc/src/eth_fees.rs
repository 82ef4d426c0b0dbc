//! What gas costs, and did cost.

mod history;
mod oracle;

use crate::methods::{MethodSet, Methods};
use alloy_primitives::{U128, U256};

/// `eth_gasPrice`, `eth_feeHistory` and the like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthFees;

impl MethodSet for EthFees {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_gasPrice", |ctx, _| {
            let base_fee = ctx.next_base_fee().or_else(|| ctx.head().base_fee()).unwrap_or(0);
            Ok(U256::from(oracle::tip(ctx)?) + U256::from(base_fee))
        });
        methods.add("eth_maxPriorityFeePerGas", |ctx, _| Ok(U128::from(oracle::tip(ctx)?)));
        methods.add("eth_blobBaseFee", |ctx, _| {
            let head = ctx.head();
            // As geth has it: nothing where there are no blobs yet.
            Ok(U128::from(head.blob_base_fee(ctx.blob_params(&head)).unwrap_or(0)))
        });
        methods.add("eth_feeHistory", history::fee_history);
    }
}

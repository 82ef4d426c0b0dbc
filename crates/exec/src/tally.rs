//! Gas admission and receipts, in the order of the block.

use crate::bloom::BloomMemo;
use crate::executor::BlockInput;
use crate::vm::Executed;
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _};
use alloy_eips::eip7685::Requests;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{B256, Bloom};
use motet_types::{BlockOutcome, Fork, GasUsed, TxError, TxIndex};

/// Least gas of a transaction. Yellow Paper, G_transaction.
const TX_GAS_MIN: u64 = 21_000;
/// The same from Amsterdam on: less than any there is. EIP-2780.
const TX_GAS_MIN_AMSTERDAM: u64 = 4_500;

/// Gas and receipts of the transactions so far.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    input: &'a BlockInput<'a>,
    gas: GasUsed,
    logs_bloom: Bloom,
    receipts: Vec<ReceiptEnvelope>,
    blooms: BloomMemo,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(input: &'a BlockInput<'a>) -> Self {
        let receipts = Vec::with_capacity(input.block.tx_count());
        Self { input, gas: GasUsed::default(), logs_bloom: Bloom::ZERO, receipts, blooms: BloomMemo::default() }
    }

    /// How many transactions are in.
    pub(crate) fn tx_count(&self) -> usize {
        self.receipts.len()
    }

    pub(crate) fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// Whether the gas that is left admits transaction `index`.
    ///
    /// Yellow Paper, section 6: the gas limit must fit what is left. Amsterdam has two dimensions, each
    /// with the block's gas limit as its budget (EIP-8037): the regular one counts the limit up to the
    /// per-transaction cap (EIP-7825), the state one all of it.
    pub(crate) fn admit(&self, index: TxIndex) -> Result<(), TxError> {
        let tx = &self.input.block.transactions()[index.pos()];
        let block_limit = self.input.block.header().gas_limit;
        let limit = tx.gas_limit();
        if self.input.rules.is_active(Fork::Amsterdam) {
            fits(limit.min(MAX_TX_GAS_LIMIT_OSAKA), block_limit.saturating_sub(self.gas.regular))?;
            fits(limit, block_limit.saturating_sub(self.gas.state))?;
        } else {
            fits(limit, block_limit.saturating_sub(self.gas.cumulative))?;
        }
        if let (Some(blob_gas), Some(params)) = (tx.blob_gas_used(), &self.input.rules.blob) {
            let available = params.max_blob_gas_per_block().saturating_sub(self.gas.blob);
            if blob_gas > available {
                return Err(TxError::BlockBlobGasExceeded { blob_gas, available });
            }
        }
        Ok(())
    }

    /// Gas that is left, in the dimension that has less of it. Before Amsterdam all gas is regular.
    pub(crate) fn available(&self) -> u64 {
        let limit = self.input.block.header().gas_limit;
        limit.saturating_sub(self.gas.regular.max(self.gas.state))
    }

    /// Whether no transaction fits any more.
    pub(crate) fn is_full(&self) -> bool {
        let is_amsterdam = self.input.rules.is_active(Fork::Amsterdam);
        self.available() < if is_amsterdam { TX_GAS_MIN_AMSTERDAM } else { TX_GAS_MIN }
    }

    /// Adds the receipt of the next transaction. `bloom` is that of its logs, where it is known already;
    /// `state_root` is what a receipt carries before Byzantium.
    pub(crate) fn receipt(
        &mut self,
        index: TxIndex,
        executed: &mut Executed,
        bloom: Option<Bloom>,
        state_root: Option<B256>,
    ) {
        let tx = &self.input.block.transactions()[index.pos()];
        let gas = *executed.result.gas();
        self.gas.cumulative += gas.tx_gas_used();
        if self.input.rules.is_active(Fork::Amsterdam) {
            self.gas.regular += gas.block_regular_gas_used();
            self.gas.state += gas.block_state_gas_used();
            self.gas.header = self.gas.regular.max(self.gas.state);
        } else {
            self.gas.regular = self.gas.cumulative;
            self.gas.header = self.gas.cumulative;
        }
        self.gas.blob += tx.blob_gas_used().unwrap_or_default();
        let status = if self.input.rules.is_active(Fork::Byzantium) {
            Eip658Value::Eip658(executed.result.is_success())
        } else {
            Eip658Value::PostState(state_root.unwrap_or_default())
        };
        let logs = executed.take_logs();
        let logs_bloom = bloom.unwrap_or_else(|| self.blooms.bloom(&logs));
        let receipt = Receipt { status, cumulative_gas_used: self.gas.cumulative, logs };
        let receipt = ReceiptWithBloom { receipt, logs_bloom };
        self.logs_bloom |= logs_bloom;
        self.receipts.push(ReceiptEnvelope::from_typed(tx.tx_type(), receipt));
    }

    /// The outcome of the block, but for what is made of the ledger and the root of its receipts.
    pub(crate) fn finish(self, requests: Requests, system_calls_skipped: u32) -> BlockOutcome {
        BlockOutcome {
            receipts: self.receipts,
            gas: self.gas,
            logs_bloom: self.logs_bloom,
            requests,
            system_calls_skipped,
            ..BlockOutcome::default()
        }
    }
}

fn fits(gas_limit: u64, available: u64) -> Result<(), TxError> {
    if gas_limit > available { Err(TxError::BlockGasExceeded { gas_limit, available }) } else { Ok(()) }
}

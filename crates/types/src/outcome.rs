//! What executing a block gives back.

use crate::diff::StateDiff;
use crate::record::BlockRecord;
use alloy_consensus::{ReceiptEnvelope, constants::EMPTY_ROOT_HASH};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bloom};

/// Gas that the block's transactions used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GasUsed {
    /// Gas in the sense of the header's `gas_used`: the cumulative gas of the last receipt before
    /// Amsterdam, the larger of the two dimensions from then on (EIP-8037).
    pub header: u64,
    /// Sum over transactions of gas after refunds, as receipts count it.
    pub cumulative: u64,
    /// Amsterdam's regular dimension (before refunds, EIP-7778); equal to `cumulative` before.
    pub regular: u64,
    /// Amsterdam's state dimension (EIP-8037); zero before.
    pub state: u64,
    /// Blob gas (EIP-4844).
    pub blob: u64,
}

/// The outcome of one block. Equal for every engine, worker count and schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutcome {
    /// One receipt per transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Root of the receipts trie.
    pub receipts_root: B256,
    /// Gas used.
    pub gas: GasUsed,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// EIP-7685 requests, from Prague on.
    pub requests: Requests,
    /// The change of the state.
    pub diff: StateDiff,
    /// Who read and wrote what.
    pub record: BlockRecord,
    /// System calls left out because their contract is absent and the caller allowed it.
    pub system_calls_skipped: u32,
}

impl Default for BlockOutcome {
    /// The outcome of nothing: the root is that of no receipts.
    fn default() -> Self {
        Self {
            receipts: Vec::new(),
            receipts_root: EMPTY_ROOT_HASH,
            gas: GasUsed::default(),
            logs_bloom: Bloom::ZERO,
            requests: Requests::default(),
            diff: StateDiff::default(),
            record: BlockRecord::default(),
            system_calls_skipped: 0,
        }
    }
}

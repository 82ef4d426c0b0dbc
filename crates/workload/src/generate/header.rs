//! Headers of generated blocks: everything that can be known without execution.

use super::dice::seeded_hash;
use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes};
use motet_types::{Fork, Transaction};

/// Time of the first block: the first second of 2026, in the age of Osaka.
pub(super) const START_SECONDS: u64 = 1_767_225_600;
/// Seconds between blocks. EIP-3675, slot time.
pub(super) const SLOT_SECONDS: u64 = 12;
/// Wei per gas. Below 8 the rules of EIP-1559 never lower it, and a block that stays below half of its
/// gas limit never raises it: 7 is the base fee of every block here, whatever its gas turns out to be.
pub(super) const BASE_FEE: u64 = 7;
/// Gas limit of blocks that need no more.
const GAS_LIMIT_USUAL: u64 = 60_000_000;

/// What the headers of one run share.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderTemplate {
    pub(super) seed: u64,
    pub(super) fork: Fork,
    pub(super) beneficiary: Address,
    /// The same for all blocks, since EIP-1559 lets it move by a thousandth only.
    pub(super) gas_limit: u64,
}

/// A gas limit that keeps every block below half of it.
///
/// `blocks`: the sum of the transactions' gas limits of each block.
pub(super) fn gas_limit_for(blocks: impl Iterator<Item = u64>) -> u64 {
    const MILLION: u64 = 1_000_000;
    let most = blocks.max().unwrap_or(0);
    (2 * most).next_multiple_of(MILLION).max(GAS_LIMIT_USUAL)
}

impl HeaderTemplate {
    /// The header of block `number` over these transactions.
    ///
    /// State root, receipts root, logs bloom, gas used and, from Amsterdam on, the hash of the access
    /// list are left zero: only execution knows them.
    pub(super) fn header(&self, number: u64, parent_hash: B256, txs: &[Transaction]) -> Header {
        let since = |fork: Fork| self.fork >= fork;
        Header {
            parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.beneficiary,
            state_root: B256::ZERO,
            transactions_root: calculate_transaction_root(txs),
            receipts_root: B256::ZERO,
            number,
            gas_limit: self.gas_limit,
            gas_used: 0,
            timestamp: START_SECONDS + (number - 1) * SLOT_SECONDS,
            extra_data: Bytes::from_static(b"motet"),
            mix_hash: seeded_hash(self.seed, "motet randao", number),
            base_fee_per_gas: Some(BASE_FEE),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(seeded_hash(self.seed, "motet beacon root", number)),
            requests_hash: since(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
            block_access_list_hash: since(Fork::Amsterdam).then_some(B256::ZERO),
            slot_number: since(Fork::Amsterdam).then_some(number),
            ..Header::default()
        }
    }
}

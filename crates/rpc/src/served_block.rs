//! A block as it is served: with its senders and receipts, each found when somebody asks for it first.

use crate::error::RpcError;
use alloy_consensus::ReceiptEnvelope;
use alloy_consensus::transaction::SignerRecoverable as _;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, Log};
use alloy_rlp::Encodable as _;
use motet_chain::{ChainBlock, ChainReader};
use motet_types::{Transaction, impersonated_sender};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use std::sync::{Arc, OnceLock};

/// Transactions below which waking other threads costs more than it saves.
const SHARED_MIN: usize = 8;

/// A canonical block with what answers need beside it.
#[derive(Debug)]
pub struct ServedBlock {
    block: Arc<ChainBlock>,
    senders: Box<[OnceLock<Address>]>,
    receipts: OnceLock<Receipts>,
    rlp_bytes: OnceLock<usize>,
}

/// The receipts of a block.
#[derive(Clone, Debug)]
pub struct Receipts {
    receipts: Arc<Vec<ReceiptEnvelope>>,
    /// Position in the block of each receipt's first log.
    first_logs: Box<[u64]>,
}

impl Receipts {
    /// Receipts of all transactions of a block, in order.
    pub fn new(receipts: Arc<Vec<ReceiptEnvelope>>) -> Self {
        let mut next = 0;
        let first_logs = receipts
            .iter()
            .map(|receipt| {
                let first = next;
                next += receipt.logs().len() as u64;
                first
            })
            .collect();
        Self { receipts, first_logs }
    }

    /// The receipts.
    pub fn all(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// Gas that a transaction used.
    pub fn gas_used(&self, index: usize) -> u64 {
        let cumulative = |index: usize| self.receipts.get(index).map_or(0, ReceiptEnvelope::cumulative_gas_used);
        let before = index.checked_sub(1).map_or(0, cumulative);
        cumulative(index).saturating_sub(before)
    }

    /// Position in the block of each receipt's first log, or of the next one where it has none.
    pub fn first_logs(&self) -> &[u64] {
        &self.first_logs
    }

    /// Position in the block of a receipt's first log.
    pub fn first_log(&self, index: usize) -> u64 {
        self.first_logs.get(index).copied().unwrap_or(0)
    }

    /// All logs, each with the positions of its transaction and of itself.
    pub fn logs(&self) -> impl Iterator<Item = (usize, u64, &Log)> {
        self.receipts.iter().zip(&self.first_logs).enumerate().flat_map(|(index, (receipt, first))| {
            receipt.logs().iter().zip(*first..).map(move |(log, at)| (index, at, log))
        })
    }
}

impl ServedBlock {
    /// A block of which nothing else is known yet.
    pub fn new(block: Arc<ChainBlock>) -> Self {
        let senders = block.block().body.transactions.iter().map(|_| OnceLock::new()).collect();
        Self { block, senders, receipts: OnceLock::new(), rlp_bytes: OnceLock::new() }
    }

    /// With receipts that are known.
    #[must_use]
    pub fn with_receipts(self, receipts: Arc<Vec<ReceiptEnvelope>>) -> Self {
        // It is this thread's alone, so that nobody was faster.
        let _ = self.receipts.set(Receipts::new(receipts));
        self
    }

    /// The block.
    pub fn block(&self) -> &Arc<ChainBlock> {
        &self.block
    }

    /// Its transactions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.block.block().body.transactions
    }

    /// Bytes of the block's RLP.
    pub fn rlp_bytes(&self) -> usize {
        *self.rlp_bytes.get_or_init(|| self.block.block().length())
    }

    /// Wei that each gas costs at least.
    pub fn base_fee(&self) -> Option<u64> {
        self.block.block().header.base_fee_per_gas
    }

    /// Wei that each blob gas costs; `None` before Cancun.
    pub fn blob_base_fee(&self, blob: Option<BlobParams>) -> Option<u128> {
        Some(blob?.calc_blob_fee(self.block.block().header.excess_blob_gas?))
    }

    /// Who sent a transaction.
    ///
    /// # Errors
    /// When its signature gives nobody, which no transaction of a chain's does.
    pub fn sender(&self, index: usize) -> Result<Address, RpcError> {
        let unknown = || RpcError::internal(format!("transaction {index} has no sender"));
        let (place, transaction) = self.senders.get(index).zip(self.transactions().get(index)).ok_or_else(unknown)?;
        if let Some(sender) = place.get() {
            return Ok(*sender);
        }
        // A development chain has transactions that nobody signed.
        let sender = impersonated_sender(transaction.signature())
            .or_else(|| transaction.recover_signer_unchecked().ok())
            .ok_or_else(unknown)?;
        Ok(*place.get_or_init(|| sender))
    }

    /// Finds the senders of all transactions, on several threads.
    ///
    /// # Errors
    /// As [`ServedBlock::sender`].
    pub fn find_senders(&self) -> Result<(), RpcError> {
        let missing: Vec<usize> =
            self.senders.iter().enumerate().filter(|(_, sender)| sender.get().is_none()).map(|(at, _)| at).collect();
        if missing.len() < SHARED_MIN {
            return missing.into_iter().try_for_each(|index| self.sender(index).map(drop));
        }
        missing.into_par_iter().try_for_each(|index| self.sender(index).map(drop))
    }

    /// The receipts; `None`: the block left the chain meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub fn receipts(&self, reader: &ChainReader) -> Result<Option<&Receipts>, RpcError> {
        if let Some(receipts) = self.receipts.get() {
            return Ok(Some(receipts));
        }
        let number = self.block.number();
        let Some(receipts) = reader.receipts(number)? else { return Ok(None) };
        // They are stored by height: what was found is this block's if it still stands there.
        if reader.canonical_hash(number)? != Some(self.block.hash()) || receipts.len() != self.transactions().len() {
            return Ok(None);
        }
        Ok(Some(self.receipts.get_or_init(|| Receipts::new(Arc::new(receipts)))))
    }
}

//! Blocks of the chain, and what is known of them.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::encoding::{StoredHeader, decode_body, decode_header};
use alloy_consensus::ReceiptEnvelope;
use alloy_primitives::B256;
use motet_state::store::Store;
use motet_types::{Block, BlockRecord, ChainSpec};
use std::sync::Arc;

impl Chain {
    /// A block by its hash, on the canonical chain or beside it.
    ///
    /// # Errors
    /// When the store fails or is damaged; here and below.
    pub fn block(&self, hash: &B256) -> Result<Option<Arc<ChainBlock>>, ChainError> {
        if self.head().hash() == *hash {
            return Ok(Some(Arc::clone(self.head())));
        }
        if let Some(side) = self.side.get(hash) {
            return Ok(Some(Arc::clone(&side.block)));
        }
        match self.store.height_of(*hash)? {
            Some(height) => self.canonical_block(height),
            None => Ok(None),
        }
    }

    /// The block of the canonical chain at a height.
    ///
    /// # Errors
    /// See [`Chain::block`].
    pub fn canonical_block(&self, number: u64) -> Result<Option<Arc<ChainBlock>>, ChainError> {
        if self.head().number() == number {
            return Ok(Some(Arc::clone(self.head())));
        }
        Ok(canonical_block(&self.store, &self.spec, number)?.map(Arc::new))
    }

    /// Hash of the canonical block at a height.
    ///
    /// # Errors
    /// See [`Chain::block`].
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        self.reader.canonical_hash(number)
    }

    /// Receipts of the canonical block at a height.
    ///
    /// # Errors
    /// See [`Chain::block`].
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<ReceiptEnvelope>>, ChainError> {
        self.reader.receipts(number)
    }

    /// The record of the canonical block at a height: who read and wrote what.
    ///
    /// # Errors
    /// See [`Chain::block`].
    pub fn record(&self, number: u64) -> Result<Option<BlockRecord>, ChainError> {
        self.reader.record(number)
    }

    /// Height and position of a transaction of the canonical chain.
    ///
    /// # Errors
    /// See [`Chain::block`].
    pub fn transaction(&self, hash: B256) -> Result<Option<(u64, u32)>, ChainError> {
        self.reader.transaction(hash)
    }
}

/// The block of the canonical chain at a height, from the store.
pub(crate) fn canonical_block(store: &Store, spec: &ChainSpec, height: u64) -> Result<Option<ChainBlock>, ChainError> {
    let Some((hash, header)) = store.header(height)? else { return Ok(None) };
    let wrong = |part, what| ChainError::Part { height, part, what };
    let StoredHeader { header, total_difficulty } = decode_header(&header).ok_or(wrong("header", "encoding"))?;
    if header.number != height || header.hash_slow() != hash {
        return Err(wrong("header", "that of another block"));
    }
    let body = store.body(height)?.ok_or(wrong("body", "absent"))?;
    let body = decode_body(&body).ok_or(wrong("body", "encoding"))?;
    let before = total_difficulty.saturating_sub(header.difficulty);
    let fork = spec.fork_at(header.number, header.timestamp, Some(before));
    Ok(Some(ChainBlock::new(hash, Block { header, body }, total_difficulty, fork)))
}

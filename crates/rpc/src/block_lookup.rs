//! From what a request calls a block to the block, and to the state after it.

use crate::block_arg::{BlockArg, BlockTag};
use crate::block_json::{FoundTransaction, pending_json, transaction_json};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::served_block::ServedBlock;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::B256;
use motet_chain::{ChainBlock, ChainView};
use std::cmp::Ordering;
use std::sync::Arc;

/// How often a lookup is done again when the head moves to another branch meanwhile.
const TRIES: usize = 8;

impl RpcContext {
    /// The canonical block that a request names; `None`: there is none.
    ///
    /// The pending block is the head, as far as a block is concerned: the next one is not known before it is made.
    ///
    /// # Errors
    /// When a tag has no block, and when the store fails.
    pub fn block(&self, at: BlockArg) -> Result<Option<Arc<ServedBlock>>, RpcError> {
        let chosen = |hash: Option<B256>, name| hash.ok_or_else(|| RpcError::no_such_tag(name));
        match at {
            BlockArg::Number(number) => self.block_at(number),
            BlockArg::Hash { hash, .. } => self.block_of(&hash),
            BlockArg::Tag(BlockTag::Latest | BlockTag::Pending) => Ok(Some(self.head())),
            BlockArg::Tag(BlockTag::Earliest) => Ok(Some(self.served(self.reader().genesis()))),
            BlockArg::Tag(BlockTag::Safe) => self.block_of(&chosen(self.fork_choice.safe(self.reader()), "safe")?),
            BlockArg::Tag(BlockTag::Finalized) => {
                self.block_of(&chosen(self.fork_choice.finalized(self.reader()), "finalized")?)
            }
        }
    }

    /// The block that a request names, which must be there.
    ///
    /// # Errors
    /// As [`RpcContext::block`]; also when there is none.
    pub fn known_block(&self, at: BlockArg) -> Result<Arc<ServedBlock>, RpcError> {
        self.block(at)?.ok_or_else(|| match at {
            BlockArg::Hash { .. } => RpcError::server("header for hash not found"),
            _ => RpcError::server("header not found"),
        })
    }

    /// The state that a request names: that after a block. At the head, and at what comes after it, it is what the next block
    /// starts from.
    ///
    /// # Errors
    /// As [`RpcContext::known_block`]; also when the history does not reach so far.
    pub fn state(&self, at: BlockArg) -> Result<(Arc<ChainBlock>, ChainView), RpcError> {
        if let BlockArg::Tag(BlockTag::Latest | BlockTag::Pending) = at {
            return Ok(self.reader().head_with_state()?);
        }
        for _ in 0..TRIES {
            let block = self.known_block(at)?;
            if let Some(view) = self.reader().state_of(block.block())? {
                return Ok((Arc::clone(block.block()), view));
            }
        }
        Err(RpcError::server("header not found"))
    }

    /// The head.
    pub fn head(&self) -> Arc<ServedBlock> {
        self.served(&self.reader().head())
    }

    /// The canonical block at a height.
    ///
    /// # Errors
    /// When the store fails.
    pub fn block_at(&self, number: u64) -> Result<Option<Arc<ServedBlock>>, RpcError> {
        let head = self.reader().head();
        if number == head.number() {
            return Ok(Some(self.served(&head)));
        }
        if number > head.number() || number < self.reader().genesis().number() {
            return Ok(None);
        }
        let Some(hash) = self.reader().canonical_hash(number)? else { return Ok(None) };
        if let Some(block) = self.blocks.get(&hash) {
            return Ok(Some(block));
        }
        let block = self.reader().canonical_block(number)?;
        Ok(block.map(|block| self.blocks.insert(ServedBlock::new(block))))
    }

    /// The block that the store has at a height, for who goes through many blocks: what is not held is not held afterwards.
    /// `None` also while the head is moving to another branch.
    pub(crate) fn block_passing(&self, number: u64) -> Result<Option<Arc<ServedBlock>>, RpcError> {
        let Some(hash) = self.reader().canonical_hash(number)? else { return Ok(None) };
        if let Some(block) = self.blocks.get(&hash) {
            return Ok(Some(block));
        }
        let block = self.reader().canonical_block(number)?.filter(|block| block.hash() == hash);
        Ok(block.map(|block| Arc::new(ServedBlock::new(block))))
    }

    /// Whether the store is not on its way to another head right now.
    pub(crate) fn is_store_at_head(&self) -> bool {
        let head = self.reader().head().hash();
        self.reader().store().head().is_some_and(|stored| stored.hash == head)
    }

    /// Hash of the canonical block at a height.
    pub(crate) fn canonical_hash(&self, number: u64) -> Result<Option<B256>, RpcError> {
        let head = self.reader().head();
        match number.cmp(&head.number()) {
            Ordering::Equal => Ok(Some(head.hash())),
            Ordering::Greater => Ok(None),
            Ordering::Less => Ok(self.reader().canonical_hash(number)?),
        }
    }

    /// The canonical block with a hash.
    ///
    /// # Errors
    /// When the store fails.
    pub fn block_of(&self, hash: &B256) -> Result<Option<Arc<ServedBlock>>, RpcError> {
        let head = self.reader().head();
        if head.hash() == *hash {
            return Ok(Some(self.served(&head)));
        }
        let Some(number) = self.reader().store().height_of(*hash).map_err(RpcError::store)? else { return Ok(None) };
        // The chain may have left it between the two looks.
        Ok(self.block_at(number)?.filter(|block| block.block().hash() == *hash))
    }

    /// A transaction of the canonical chain: its block, and its position there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn transaction(&self, hash: B256) -> Result<Option<(Arc<ServedBlock>, usize)>, RpcError> {
        for _ in 0..TRIES {
            let Some((number, index)) = self.reader().transaction(hash)? else { return Ok(None) };
            let Some(block) = self.block_at(number)? else { continue };
            let index = index as usize;
            // The chain may have left it between the two looks.
            if block.transactions().get(index).is_some_and(|found| *found.tx_hash() == hash) {
                return Ok(Some((block, index)));
            }
        }
        Ok(None)
    }

    /// A transaction of the chain, or of the pool; `None`: it is nowhere.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn found_transaction(&self, hash: &B256) -> Result<Option<FoundTransaction>, RpcError> {
        if let Some((block, index)) = self.transaction(*hash)? {
            return Ok(Some(FoundTransaction::Mined(Box::new(transaction_json(&block, index)?))));
        }
        let waiting = self.live.pool().get(hash);
        Ok(waiting.map(|waiting| FoundTransaction::Pending(Box::new(pending_json(waiting.tx.clone(), waiting.sender)))))
    }

    /// Blob parameters of a block.
    pub(crate) fn blob_params(&self, block: &ServedBlock) -> Option<BlobParams> {
        self.reader().spec().blob_params(block.block().fork())
    }

    fn served(&self, block: &Arc<ChainBlock>) -> Arc<ServedBlock> {
        self.blocks.get(&block.hash()).unwrap_or_else(|| self.blocks.insert(ServedBlock::new(Arc::clone(block))))
    }
}

//! A block into the chain: validated, executed, its root compared, durable.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::{ChainError, ImportError, ImportFault};
use crate::chain_view::ChainView;
use crate::execution::{ExecFailure, Execute};
use crate::stages;
use crate::validate::{decode_block, validate_state_root};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::B256;
use motet_state::trie::StateTrie;
use motet_types::{Block, StateDiff};
use std::sync::Arc;

/// What an import gives back.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The block on the chain.
    pub block: Arc<ChainBlock>,
    /// Whether the block is the head now.
    pub is_head: bool,
    /// Whether it was on the chain already, and was not executed again.
    pub was_known: bool,
}

impl From<ExecFailure> for ImportFault {
    fn from(failure: ExecFailure) -> Self {
        match failure {
            ExecFailure::Invalid(error) => Self::Invalid(error),
            ExecFailure::View(error) => Self::View(error),
        }
    }
}

impl Chain {
    /// Decodes and imports a block. See [`Chain::import`].
    ///
    /// # Errors
    /// As [`Chain::import`]; also when the bytes are no block.
    pub fn import_rlp(
        &mut self,
        rlp: &[u8],
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
    ) -> Result<Accepted, ImportError> {
        let block = decode_block(rlp).map_err(|error| {
            let number = self.head().number().saturating_add(1);
            ImportError { number, hash: B256::ZERO, reason: error.into() }
        })?;
        self.import(block, access_list, executor)
    }

    /// Validates a block, has it executed, checks the outcome and the state root, and keeps it. When it returns with the
    /// block as head, the block survives a crash.
    ///
    /// `access_list` is the EIP-7928 list that came with the block, if one did. The checks run from cheap to dear, in the
    /// order of [`crate::MemoryChain::import`]. Nothing is kept of a block that fails one.
    ///
    /// # Errors
    /// Either the block is invalid, or this chain cannot judge or keep it: see [`ImportFault`].
    pub fn import(
        &mut self,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
    ) -> Result<Accepted, ImportError> {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        let imported = self.import_block(hash, block, access_list, executor);
        imported.map_err(|reason| ImportError { number, hash, reason })
    }

    fn import_block(
        &mut self,
        hash: B256,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
    ) -> Result<Accepted, ImportFault> {
        self.check_usable()?;
        let parent_hash = block.header.parent_hash;
        let is_next = parent_hash == self.head().hash();
        // What stands on the head is not canonical yet, so the store need not be asked for it.
        let known = match is_next {
            true => self.side.get(&hash).map(|side| Arc::clone(&side.block)),
            false => self.block(&hash)?,
        };
        if let Some(block) = known {
            let is_head = self.head().hash() == hash;
            return Ok(Accepted { block, is_head, was_known: true });
        }
        match is_next {
            true => self.import_on_head(hash, block, access_list, executor),
            false => self.import_beside(hash, block, access_list, executor),
        }
    }

    fn import_on_head(
        &mut self,
        hash: B256,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
    ) -> Result<Accepted, ImportFault> {
        let prepared = stages::prepare(hash, block, access_list, &self.tail, &self.spec, &self.threads)?;
        let view = self.state();
        let executed = self.execute_on(prepared, &self.head().as_parent(), &view, &self.trie, executor)?;
        stages::judge(&executed)?;
        let diff = Arc::clone(&executed.diff);
        let computed = self.trie_mut()?.update(&diff)?;
        if let Err(error) = validate_state_root(executed.block.header(), computed) {
            self.undo(&view, &diff)?;
            return Err(error.into());
        }
        let (block, mut committed) = executed.finish();
        let nodes = self.take_nodes()?;
        committed.nodes = nodes.clone();
        if let Err(error) = self.store.commit(committed) {
            if let Some(nodes) = nodes {
                self.trie_mut()?.return_batch(Arc::unwrap_or_clone(nodes));
            }
            self.undo(&view, &diff)?;
            return Err(error.into());
        }
        drop(view);
        self.tail.push(Arc::clone(&block));
        self.trim()?;
        Ok(Accepted { block, is_head: true, was_known: false })
    }

    /// Takes a change of the head's state out of the trie again.
    fn undo(&mut self, head: &ChainView, diff: &StateDiff) -> Result<(), ChainError> {
        let root = self.head().block().header.state_root;
        let undone = self.trie_mut().and_then(|trie| undo(trie, head, diff, root));
        undone.inspect_err(|error| self.broken = Some(error.to_string()))
    }
}

/// Takes a change out of a trie again that was made to the state of `before`, which has this root.
pub(crate) fn undo(trie: &mut StateTrie, before: &ChainView, diff: &StateDiff, root: B256) -> Result<(), ChainError> {
    let reverse = before.reverse_of(diff)?;
    let found = trie.update_hashed(&reverse)?;
    match found == root {
        true => Ok(()),
        false => Err(ChainError::MustReopen { reason: format!("a change could not be undone: {found} is not {root}") }),
    }
}

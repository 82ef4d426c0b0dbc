//! A block of the chain, executed once more on the state before it.

use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use alloy_consensus::Transaction as _;
use motet_chain::{ChainBlock, ChainView};
use motet_exec::{BlockExecutor, BlockInput, Engine, Execution};
use motet_types::{BlockRecord, BlockRules, RecoveredBlock, StateView};
use std::sync::Arc;

/// A block with all that executing it needs.
#[derive(Debug)]
pub(crate) struct Reexecution {
    pub(crate) block: Arc<ChainBlock>,
    pub(crate) parent: Arc<ChainBlock>,
    /// The state before it.
    pub(crate) before: ChainView,
    /// Who read and wrote what when it was executed first.
    pub(crate) record: BlockRecord,
    recovered: RecoveredBlock,
    rules: BlockRules,
}

impl Reexecution {
    /// The block that a request names.
    ///
    /// # Errors
    /// When there is no such block, none before it, or the history does not reach so far.
    pub(crate) fn find(context: &RpcContext, at: BlockArg) -> Result<Self, RpcError> {
        let served = context.known_block(at)?;
        let block = Arc::clone(served.block());
        let number = block.number();
        let below = number.checked_sub(1).filter(|_| number > context.reader().genesis().number());
        let below = below.ok_or_else(|| RpcError::server("the first block has no state before it"))?;
        let parent = context
            .reader()
            .canonical_block(below)?
            .filter(|parent| parent.hash() == block.block().header.parent_hash)
            .ok_or_else(|| RpcError::server("header not found"))?;
        let before = context.reader().state_of(&parent)?.ok_or_else(|| RpcError::server("header not found"))?;
        let record = context
            .reader()
            .record(number)?
            .ok_or_else(|| RpcError::server(format!("the record of block {number} is not kept")))?;
        served.find_senders()?;
        let senders = (0..served.transactions().len()).map(|index| served.sender(index));
        let senders = senders.collect::<Result<Vec<_>, _>>()?;
        let authorities = served.transactions().iter().map(|transaction| {
            let list = transaction.authorization_list().unwrap_or_default();
            list.iter().map(|signed| signed.recover_authority().ok()).collect()
        });
        let recovered = RecoveredBlock::new(block.block().clone(), senders, authorities.collect());
        let header = &block.block().header;
        let rules = context.reader().spec().rules_at(number, header.timestamp, Some(parent.total_difficulty()));
        Ok(Self { block, parent, before, record, recovered, rules })
    }

    /// Executes it.
    ///
    /// # Errors
    /// When it cannot be executed on this state alone, as a block of a development chain whose state was changed by hand.
    pub(crate) fn execute(
        &self,
        executor: &BlockExecutor,
        engine: Engine,
        view: &dyn StateView,
    ) -> Result<Execution, RpcError> {
        let input = BlockInput::new(&self.recovered, &self.rules).with_record(&self.record);
        let execution = executor.execute(engine, &input, view, None);
        execution.map_err(|error| RpcError::server(format!("block {}: {error}", self.block.number())))
    }
}

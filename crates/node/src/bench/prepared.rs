//! Blocks with what every run of them is given and compared with.

use super::contender::Given;
use crate::replay::bench::{fault, input_of, reference};
use crate::verdict::Verdict;
use motet_exec::{BlockExecutor, ExecutorConfig};
use motet_types::BlockOutcome;
use motet_workload::block_file::ReplayBlock;

/// A block that can be executed.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) block: ReplayBlock,
    /// The sequential outcome.
    pub(crate) reference: BlockOutcome,
    /// Its access list in RLP.
    list: Vec<u8>,
}

/// Something that is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

impl Prepared {
    /// Executes a block once in order.
    ///
    /// # Errors
    /// When it is invalid, its file incomplete, or its own access list not what it does.
    pub(crate) fn new(mut block: ReplayBlock) -> Result<Self, Fault> {
        let in_order = BlockExecutor::new(ExecutorConfig { workers: 1, ..ExecutorConfig::default() });
        let bad = |block: &ReplayBlock, what: String| Fault {
            verdict: Verdict::BadInput,
            text: format!("{}: {what}", block.source.display()),
        };
        let reference = reference(&in_order, &mut block).map_err(|error| bad(&block, fault(&block, &error)))?;
        if block.block.access_list.as_ref().is_some_and(|list| *list != reference.record.list) {
            return Err(bad(&block, "access_list: it does not say what the block does".to_owned()));
        }
        let list = alloy_rlp::encode(&reference.record.list);
        Ok(Self { block, reference, list })
    }

    /// What a contender gets; `state` is the block's own, or something in front of it.
    pub(super) fn given<'a, V>(&'a self, state: &'a V) -> Given<'a, V> {
        Given { input: input_of(&self.block), state, reference: &self.reference, list: &self.list }
    }
}

//! A block built on the head, in one pass.
//!
//! ```text
//! open_block --> choose --> execute (once, what cannot stand is left out) --> state root          --> commit --> head
//!  header         pool        receipts, diff, record, requests                transactions root
//! ```

use super::choose::{Chosen, choose};
use super::header::open_block;
use super::request::{BuildRequest, BuildSource, SealError, SealTimes, Sealed};
use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::{ChainError, ImportFault};
use crate::chain_view::ChainView;
use crate::encoding::{Results, committed};
use crate::execution::Execute;
use crate::fork::complete as complete_diff;
use crate::head_change::HeadBlock;
use crate::interventions::{enter, merged};
use crate::pool::Pool;
use crate::stages::{Listeners, Prepared};
use crate::validate::BlockError;
use alloy_consensus::Header;
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_eip7928::compute_block_access_list_hash;
use alloy_primitives::B256;
use motet_types::access_list::{ITEM_COST, list_items};
use motet_types::{
    Block, BlockOutcome, BlockRules, Fork, ListFormError, RecoveredBlock, StateDiff, Transaction, TxError, TxIndex,
};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// Transactions below which a thread for their root costs more than it saves.
const SHARED_MIN: usize = 64;

impl From<ImportFault> for SealError {
    fn from(fault: ImportFault) -> Self {
        match fault {
            ImportFault::Invalid(error) => Self::Block(error),
            ImportFault::View(error) => Self::View(error),
            ImportFault::Chain(error) => Self::Chain(error),
            // These are about blocks that are imported.
            other => Self::Chain(ChainError::MustReopen { reason: other.to_string() }),
        }
    }
}

impl Chain {
    /// Builds a block on the head, and makes it the head where that is asked for. `times.publish_ns` is when it was done.
    pub(crate) fn seal(
        &mut self,
        mut request: BuildRequest,
        pool: &Pool,
        executor: &mut dyn Execute,
        clock: fn() -> u64,
    ) -> Result<Sealed, SealError> {
        self.check_usable()?;
        let mut times = SealTimes::default();
        let mut lap = clock();
        let mut took = |ns: &mut u64| {
            let now = clock();
            *ns = now.saturating_sub(std::mem::replace(&mut lap, now));
        };
        let parent = Arc::clone(self.head());
        if let Some(asked) = request.parent.filter(|asked| *asked != parent.hash()) {
            return Err(SealError::OtherHead { asked, head: parent.hash() });
        }
        let (block, rules) = open_block(&parent, &request, &self.spec)?;
        let source = std::mem::take(&mut request.transactions);
        let (is_exact, is_pool) = (matches!(source, BuildSource::Exactly(_)), matches!(source, BuildSource::Pool));
        let chosen = choose(source, pool, &block, &rules)?;
        took(&mut times.choose_ns);

        let base = self.state();
        let mut left_out = chosen.left_out;
        let chosen = Chosen { left_out: Vec::new(), ..chosen };
        let ran = self.run(&parent, block, chosen, &base, &request, &rules, executor)?;
        let Ran { mut block, mut outcome, diff, out } = ran;
        if let Some((tx, error)) = out.first().filter(|_| is_exact) {
            return Err(SealError::Transaction { tx: tx.pos(), error: error.clone() });
        }
        left_out.extend(take_out(&mut block, &out));
        if request.unless_empty && block.block.body.transactions.is_empty() {
            if is_pool {
                pool.drop_invalid(&left_out);
            }
            return Err(SealError::Empty);
        }
        // Changes from outside are no part of what the transactions may touch.
        check_items(&outcome, &block.block.header, &rules)?;
        let mut diff = match &request.changes {
            None => diff,
            Some(changes) => {
                enter(&base, changes, &mut outcome.record)?;
                Arc::new(merged(&base, changes, Arc::unwrap_or_clone(diff))?)
            }
        };
        if base.is_fork() {
            complete_diff(&base, &outcome.record, Arc::make_mut(&mut diff))?;
        }
        took(&mut times.execute_ns);

        complete(&mut block.block.header, &outcome, &rules);
        let transactions = &block.block.body.transactions;
        let (root, (transactions_root, results)) = beside(
            transactions.len() >= SHARED_MIN,
            || self.root_of(&diff, request.is_kept),
            || (calculate_transaction_root(transactions), Results::of(&outcome)),
        )?;
        let root = root?;
        let RecoveredBlock { mut block, senders, .. } = block;
        block.header.state_root = root;
        block.header.transactions_root = transactions_root;
        let total_difficulty = parent.total_difficulty().saturating_add(block.header.difficulty);
        let block = Arc::new(ChainBlock::new(block.header.hash_slow(), block, total_difficulty, rules.fork));
        took(&mut times.root_ns);

        let receipts = Arc::new(std::mem::take(&mut outcome.receipts));
        if request.is_kept {
            let committed = committed(&block, results, Arc::clone(&diff));
            let head =
                HeadBlock { block: Arc::clone(&block), receipts: Arc::clone(&receipts), diff: Arc::clone(&diff) };
            // No panic any more: what fails from here on is undone.
            self.broken = None;
            self.commit_on_head(head, committed, base)?;
            if is_pool {
                pool.drop_invalid(&left_out);
            }
        }
        took(&mut times.commit_ns);
        times.publish_ns = clock();
        Ok(Sealed {
            block,
            senders: Arc::new(senders),
            receipts,
            gas: outcome.gas,
            requests: outcome.requests,
            record: Arc::new(outcome.record),
            diff,
            left_out,
            report: executor.report().cloned(),
            times,
        })
    }

    /// Executes what was chosen.
    #[allow(clippy::too_many_arguments)]
    fn run(
        &self,
        parent: &ChainBlock,
        mut block: Block,
        chosen: Chosen,
        base: &ChainView,
        request: &BuildRequest,
        rules: &BlockRules,
        executor: &mut dyn Execute,
    ) -> Result<Ran, SealError> {
        block.body.transactions = chosen.transactions;
        let total_difficulty = parent.total_difficulty().saturating_add(block.header.difficulty);
        let block = RecoveredBlock::new(block, chosen.senders, chosen.authorities);
        // Nothing on the way asks for the hash, which is not known yet.
        let prepared = Prepared { hash: B256::ZERO, block, rules: rules.clone(), total_difficulty };
        let mut out = Vec::new();
        let listeners = Listeners { left_out: Some(&mut out), ..Listeners::default() };
        let view = match &request.changes {
            Some(changes) => base.clone().with_changes(Arc::clone(changes)),
            None => base.clone(),
        };
        let executed = self.execute_heard(prepared, &parent.as_parent(), &view, &self.trie, listeners, executor)?;
        let (block, outcome, diff) = executed.into_parts();
        Ok(Ran { block, outcome, diff, out })
    }

    /// The state root after a change of the head's state, which stays in the trie where the block is kept.
    fn root_of(&mut self, diff: &StateDiff, is_kept: bool) -> Result<B256, ChainError> {
        if !is_kept {
            return Ok(self.trie.overlay(self.threads.crew())?.update(diff)?);
        }
        // A panic from here to the commit leaves a trie that is ahead of the store.
        self.broken = Some("sealing a block ended in a panic".to_owned());
        let root = self.trie_mut().and_then(|trie| Ok(trie.update(diff)?));
        root.inspect_err(|error| self.broken = Some(error.to_string()))
    }
}

/// An executed block that lacks its roots.
struct Ran {
    block: RecoveredBlock,
    outcome: BlockOutcome,
    diff: Arc<StateDiff>,
    /// By position among those that were tried.
    out: Vec<(TxIndex, TxError)>,
}

/// Takes transactions out of a block that are not in its outcome.
fn take_out(block: &mut RecoveredBlock, out: &[(TxIndex, TxError)]) -> Vec<(B256, TxError)> {
    if out.is_empty() {
        return Vec::new();
    }
    let mut taken = Vec::with_capacity(out.len());
    let mut out = out.iter().peekable();
    let is_out: Vec<bool> = block
        .block
        .body
        .transactions
        .iter()
        .enumerate()
        .map(|(pos, tx)| {
            let found = out.next_if(|(tx, _)| tx.pos() == pos);
            taken.extend(found.map(|(_, error)| (*tx.tx_hash(), error.clone())));
            found.is_some()
        })
        .collect();
    fn keep<T>(items: &mut Vec<T>, is_out: &[bool]) {
        let mut at = is_out.iter();
        items.retain(|_| !at.next().is_some_and(|is_out| *is_out));
    }
    keep::<Transaction>(&mut block.block.body.transactions, &is_out);
    keep(&mut block.senders, &is_out);
    keep(&mut block.authorities, &is_out);
    taken
}

/// Checks that no more was touched than the gas limit allows. EIP-7928.
fn check_items(outcome: &BlockOutcome, header: &Header, rules: &BlockRules) -> Result<(), BlockError> {
    let (items, max) = (list_items(&outcome.record.list), header.gas_limit / ITEM_COST);
    match rules.is_active(Fork::Amsterdam) && items > max {
        true => Err(BlockError::AccessListForm(ListFormError::TooLong { items, max })),
        false => Ok(()),
    }
}

/// Puts into a header what execution gave.
fn complete(header: &mut Header, outcome: &BlockOutcome, rules: &BlockRules) {
    header.gas_used = outcome.gas.header;
    header.logs_bloom = outcome.logs_bloom;
    header.receipts_root = outcome.receipts_root;
    if rules.is_active(Fork::Cancun) {
        header.blob_gas_used = Some(outcome.gas.blob);
    }
    if rules.is_active(Fork::Prague) {
        header.requests_hash = Some(outcome.requests.requests_hash());
    }
    if rules.is_active(Fork::Amsterdam) {
        header.block_access_list_hash = Some(compute_block_access_list_hash(&outcome.record.list));
    }
}

/// Does two things, on two threads where that pays.
fn beside<A, B: Send>(
    is_shared: bool,
    here: impl FnOnce() -> A,
    there: impl FnOnce() -> B + Send,
) -> Result<(A, B), ChainError> {
    if !is_shared {
        return Ok((here(), there()));
    }
    thread::scope(|scope| {
        let there = thread::Builder::new().name("seal".to_owned()).spawn_scoped(scope, there);
        let there = there.map_err(ChainError::Thread)?;
        let here = here();
        Ok((here, there.join().unwrap_or_else(|panic| resume_unwind(panic))))
    })
}

//! The stages, each with what it keeps between blocks. None of them knows of threads.

use super::plan::{CommitProgress, ImportPlan, ImportReport, StageTime};
use super::{Incoming, OnCommit};
use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::{ChainError, ImportError, ImportFault};
use crate::chain_view::ChainView;
use crate::execution::Execute;
use crate::import::undo;
use crate::side_blocks::SideBlocks;
use crate::stages::{self, Executed, Listeners, Prepared};
use crate::tail::Tail;
use crate::threads::Threads;
use crate::validate::{ParentHeader, validate_state_root};
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use motet_state::store::{CommittedBlock, Store};
use motet_state::trie::{NodeBatch, StateTrie};
use motet_types::{Block, ChainSpec, Fork, StateDiff};
use std::collections::VecDeque;
use std::sync::Arc;

/// What passes from stage to stage: a block, or why there will be no more.
pub(super) type Passed<T> = Result<T, Box<ImportError>>;

/// A prepared block with its parent's header.
pub(super) struct Ready {
    prepared: Prepared,
    parent: Arc<ChainBlock>,
}

/// An executed block.
pub(super) type Done = Box<Executed>;

/// A block whose root was checked.
pub(super) struct Rooted {
    executed: Executed,
    nodes: Option<Arc<NodeBatch>>,
}

/// The stages of one run.
pub(super) struct Stages<'a> {
    pub(super) preparing: Preparing<'a>,
    pub(super) executing: Executing<'a>,
    pub(super) rooting: Rooting<'a>,
    pub(super) committing: Committing<'a>,
}

/// Notes how long steps take.
#[derive(Clone, Copy)]
struct Meter {
    clock: fn() -> u64,
    cpu_clock: Option<fn() -> u64>,
    time: StageTime,
}

impl Meter {
    fn new(plan: &ImportPlan<'_>) -> Self {
        let cpu_clock = (!plan.overlap).then_some(plan.cpu_clock);
        Self { clock: plan.clock, cpu_clock, time: StageTime::default() }
    }

    fn now(&self) -> (u64, u64) {
        ((self.clock)(), self.cpu_clock.map_or(0, |clock| clock()))
    }

    fn note(&mut self, (start, cpu_start): (u64, u64)) {
        let (end, cpu_end) = self.now();
        self.time.busy_ns += end.saturating_sub(start);
        self.time.cpu_ns += cpu_end.saturating_sub(cpu_start);
    }
}

/// Whether the receipts of a block carry state roots, so that its execution needs the trie after its parent.
fn needs_the_trie(block: &Block, spec: &ChainSpec, parent_total_difficulty: U256) -> bool {
    let Header { number, timestamp, .. } = block.header;
    !block.body.transactions.is_empty()
        && spec.fork_at(number, timestamp, Some(parent_total_difficulty)) < Fork::Byzantium
}

/// Whether a block can take part in a run: it stands on the last block, is not known, and needs nothing but the flat
/// state to be executed.
fn can_follow(block: &Block, last: &ChainBlock, spec: &ChainSpec, side: &SideBlocks) -> bool {
    block.header.parent_hash == last.hash()
        && !needs_the_trie(block, spec, last.total_difficulty())
        && (side.is_empty() || side.get(&block.header.hash_slow()).is_none())
}

/// Whether a run over blocks can begin with this one.
pub(super) fn takes(chain: &Chain, block: &Block) -> bool {
    can_follow(block, chain.head(), &chain.spec, &chain.side)
}

fn failed(number: u64, hash: B256, reason: impl Into<ImportFault>) -> Box<ImportError> {
    Box::new(ImportError { number, hash, reason: reason.into() })
}

impl<'a> Stages<'a> {
    pub(super) fn of(
        chain: &'a mut Chain,
        executor: &'a mut (dyn Execute + Send),
        plan: &ImportPlan<'_>,
        on_commit: &'a mut OnCommit<'_>,
    ) -> Result<Self, ChainError> {
        let first = chain.genesis.block().header.clone();
        let root = chain.head().block().header.state_root;
        let Chain { spec, store, trie, is_paged, node_cache_bytes, threads, tail, side, .. } = chain;
        let (spec, store, threads, side) = (&*spec, &**store, &*threads, &*side);
        let trie = Arc::get_mut(trie).ok_or_else(Chain::trie_in_use)?;
        let meter = Meter::new(plan);
        let above = || Above {
            store,
            first_parent: first.number.checked_sub(1).map(|n| (n, first.parent_hash)),
            blocks: VecDeque::new(),
        };
        Ok(Self {
            preparing: Preparing { spec, threads, side, tail: tail.clone(), meter },
            executing: Executing { above: above(), executor, meter },
            rooting: Rooting {
                above: above(),
                trie,
                root,
                is_paged: *is_paged,
                node_cache_bytes: *node_cache_bytes,
                meter,
            },
            committing: Committing {
                store,
                tail: tail.clone(),
                group: Vec::new(),
                blocks: Vec::new(),
                bytes: 0,
                group_blocks: plan.group_blocks.max(1),
                group_bytes: plan.group_bytes,
                on_commit,
                report: ImportReport::default(),
                meter,
            },
        })
    }

    /// Ends the run: the trie goes back to where the store stands. Gives the last blocks there.
    pub(super) fn close(self, report: &mut ImportReport) -> (Tail, Result<(), ChainError>) {
        let Self { preparing, executing, mut rooting, committing } = self;
        let run = committing.report;
        report.blocks += run.blocks;
        report.transactions += run.transactions;
        report.gas = report.gas.saturating_add(run.gas);
        report.commits += run.commits;
        let stages = [
            (&mut report.prepare, preparing.meter),
            (&mut report.execute, executing.meter),
            (&mut report.root, rooting.meter),
            (&mut report.commit, committing.meter),
        ];
        for (sum, meter) in stages {
            sum.busy_ns += meter.time.busy_ns;
            sum.cpu_ns += meter.time.cpu_ns;
        }
        (committing.tail, rooting.retreat())
    }
}

/// Headers, bodies, senders.
pub(super) struct Preparing<'a> {
    spec: &'a ChainSpec,
    threads: &'a Threads,
    side: &'a SideBlocks,
    /// Up to the last block that was prepared.
    tail: Tail,
    meter: Meter,
}

impl Preparing<'_> {
    /// Whether a block can be the next one.
    pub(super) fn takes(&self, block: &Block) -> bool {
        can_follow(block, self.tail.head(), self.spec, self.side)
    }

    /// Number and hash of the last block.
    pub(super) fn head(&self) -> (u64, B256) {
        (self.tail.head().number(), self.tail.head().hash())
    }

    pub(super) fn step(&mut self, (block, list): Incoming) -> Passed<Ready> {
        let start = self.meter.now();
        let (number, hash) = (block.header.number, block.header.hash_slow());
        let parent = Arc::clone(self.tail.head());
        let prepared = stages::prepare(hash, block, list, &self.tail, self.spec, self.threads);
        let prepared = prepared.map_err(|error| failed(number, hash, error))?;
        self.tail.push(Arc::new(prepared.to_ancestor()));
        self.meter.note(start);
        Ok(Ready { prepared, parent })
    }
}

/// A block that the store may not have yet.
struct AboveBlock {
    number: u64,
    hash: B256,
    diff: Arc<StateDiff>,
    /// The root before it.
    root_before: B256,
    nodes: Option<Arc<NodeBatch>>,
}

/// Blocks above the store's head, for a stage that is ahead of the commits.
struct Above<'a> {
    store: &'a Store,
    /// The parent of the chain's first block, if that is not at zero.
    first_parent: Option<(u64, B256)>,
    /// Oldest first.
    blocks: VecDeque<AboveBlock>,
}

impl Above<'_> {
    /// Forgets what the store has by now.
    fn retire(&mut self) {
        let height = self.store.head().map_or(0, |head| head.height);
        while self.blocks.front().is_some_and(|block| block.number <= height) {
            self.blocks.pop_front();
        }
    }

    /// The state after the last block.
    fn view(&mut self) -> ChainView {
        // The base first: what is committed after that is in both, and the same.
        let base = self.store.state();
        let height = base.height();
        while self.blocks.front().is_some_and(|block| block.number <= height) {
            self.blocks.pop_front();
        }
        let mut view = ChainView::new(base);
        if let Some((number, hash)) = self.first_parent {
            view = view.with_hash(number, hash);
        }
        for block in &self.blocks {
            view.push(block.number, block.hash, Arc::clone(&block.diff));
        }
        view
    }
}

/// Execution.
pub(super) struct Executing<'a> {
    above: Above<'a>,
    executor: &'a mut (dyn Execute + Send),
    meter: Meter,
}

impl Executing<'_> {
    pub(super) fn step(&mut self, ready: Ready) -> Passed<Done> {
        let start = self.meter.now();
        let Ready { prepared, parent } = ready;
        let (number, hash) = (prepared.block.header().number, prepared.hash);
        let parent: ParentHeader<'_> = parent.as_parent();
        let view = self.above.view();
        let executed = stages::execute(prepared, &parent, &view, Listeners::default(), self.executor);
        drop(view);
        let executed = executed.map_err(|error| failed(number, hash, error))?;
        let diff = Arc::clone(&executed.diff);
        // Roots and nodes are the next stage's.
        self.above.blocks.push_back(AboveBlock { number, hash, diff, root_before: B256::ZERO, nodes: None });
        self.meter.note(start);
        Ok(Box::new(executed))
    }
}

/// Outcomes and state roots.
pub(super) struct Rooting<'a> {
    above: Above<'a>,
    trie: &'a mut StateTrie,
    /// Of the trie now.
    root: B256,
    is_paged: bool,
    node_cache_bytes: usize,
    meter: Meter,
}

impl Rooting<'_> {
    pub(super) fn step(&mut self, executed: Done) -> Passed<Rooted> {
        let start = self.meter.now();
        let (number, hash) = (executed.block.header().number, executed.hash);
        let rooted = self.root(*executed).map_err(|reason| failed(number, hash, reason));
        self.meter.note(start);
        rooted
    }

    fn root(&mut self, executed: Executed) -> Result<Rooted, ImportFault> {
        stages::judge(&executed)?;
        let diff = Arc::clone(&executed.diff);
        let (number, hash, root_before) = (executed.block.header().number, executed.hash, self.root);
        let computed = self.trie.update(&diff)?;
        // From here on the way back is known, also where the root is wrong.
        self.above.retire();
        self.above.blocks.push_back(AboveBlock { number, hash, diff, root_before, nodes: None });
        self.root = computed;
        validate_state_root(executed.block.header(), computed)?;
        let nodes = if self.is_paged { Some(Arc::new(self.trie.take_batch()?)) } else { None };
        if let Some(last) = self.above.blocks.back_mut() {
            last.nodes.clone_from(&nodes);
        }
        Ok(Rooted { executed, nodes })
    }

    /// Whether more nodes are in memory than there should be, and the store should get those that it lacks.
    pub(super) fn wants_trim(&self) -> bool {
        self.is_paged && self.trie.node_bytes() > self.node_cache_bytes
    }

    /// Lets nodes go, if the store has everything.
    pub(super) fn trim_if_committed(&mut self) -> Passed<()> {
        self.above.retire();
        if self.above.blocks.is_empty() && self.wants_trim() {
            let head = self.above.store.head().unwrap_or_default();
            self.trie.trim().map_err(|error| failed(head.height, head.hash, error))?;
        }
        Ok(())
    }

    /// Takes out of the trie what the store did not get.
    fn retreat(&mut self) -> Result<(), ChainError> {
        self.above.retire();
        for block in &mut self.above.blocks {
            if let Some(nodes) = block.nodes.take() {
                self.trie.return_batch(Arc::unwrap_or_clone(nodes));
            }
        }
        while let Some(last) = self.above.blocks.pop_back() {
            let before = self.above.view();
            undo(self.trie, &before, &last.diff, last.root_before)?;
        }
        Ok(())
    }
}

/// Encoding and commits.
pub(super) struct Committing<'a> {
    store: &'a Store,
    /// Up to the last block that was committed.
    tail: Tail,
    group: Vec<CommittedBlock>,
    blocks: Vec<Arc<ChainBlock>>,
    bytes: usize,
    group_blocks: usize,
    group_bytes: usize,
    on_commit: &'a mut OnCommit<'a>,
    report: ImportReport,
    meter: Meter,
}

impl Committing<'_> {
    /// Adds a block to those that are committed at once.
    pub(super) fn take(&mut self, rooted: Rooted) {
        let start = self.meter.now();
        let Rooted { executed, nodes } = rooted;
        let (block, mut committed) = executed.finish();
        self.bytes += [&committed.header, &committed.body, &committed.receipts, &committed.record]
            .iter()
            .map(|part| part.len())
            .sum::<usize>();
        self.bytes += nodes.as_ref().map_or(0, |nodes| nodes.bytes());
        committed.nodes = nodes;
        self.group.push(committed);
        self.blocks.push(block);
        self.meter.note(start);
    }

    pub(super) fn is_full(&self) -> bool {
        self.group.len() >= self.group_blocks || self.bytes >= self.group_bytes
    }

    /// Commits the blocks that were taken.
    pub(super) fn commit(&mut self) -> Passed<()> {
        let Some((number, hash)) = self.blocks.first().map(|first| (first.number(), first.hash())) else {
            return Ok(());
        };
        let start = self.meter.now();
        let group = std::mem::take(&mut self.group);
        let blocks = std::mem::take(&mut self.blocks);
        self.bytes = 0;
        self.store.commit_many(group).map_err(|error| failed(number, hash, error))?;
        let mut progress = CommitProgress::default();
        for block in blocks {
            progress.add(&block);
            self.tail.push(block);
        }
        self.report.committed(&progress);
        self.meter.note(start);
        (self.on_commit)(&progress);
        Ok(())
    }
}

//! Many blocks in a row, with the stages of neighbours overlapped.
//!
//! ```text
//! the caller          thread "execute"       thread "root"            thread "commit"
//! prepare n+3 --depth--> execute n+2 --depth--> judge, root n+1 --group--> encode, commit n, and what else waits
//!                        over the store's state
//!                        and the changes of n+1, n
//! ```
//!
//! The stages are those of [`Chain::import`], called with the same values; so the results are the same.
//!
//! # Why it ends, and in which state
//!
//! There are three queues and nothing else that is shared: each has one sender, one receiver and a bound, and what passes
//! through is owned by one stage at a time. Besides, a stage only reads the store.
//!
//! - *Order.* Every queue is first in, first out, and each stage takes one block at a time. So blocks come to the last stage in
//!   their order, whatever the threads do.
//! - *A block fails.* The stage passes the error on in the block's place and ends. Stages before it find the queue to it
//!   gone and end; those after it finish what came before. So the first error in the order of the blocks is the one that is
//!   reported, everything before it is committed, and nothing of it or after it.
//! - *A commit fails.* Nothing of its group is committed. The trie has blocks that the store has not: it goes back, by what the
//!   states before them say, once all stages have ended.
//! - *A stage panics.* Its ends of the queues go, so its neighbours end; the panic goes on in the caller, and the chain has to be
//!   opened again.
//! - *No cycle.* A stage waits for a queue to its right to have room, or for the one to its left to have something; the last
//!   one waits for the disk alone. The one wait against the direction, that of the root for the commit when the cache of
//!   a paged trie is full, is for an answer that the last stage gives before it waits for anything else, or not at all.
//!
//! A block that cannot take part stops the pipeline, is imported alone when everything before it is in, and the pipeline goes
//! on behind it: one that does not stand on the last, and one before Byzantium with transactions, whose receipts need the
//! trie after its parent.

mod plan;
mod stage;

pub use plan::{CommitProgress, ImportPlan, ImportReport, ImportStopped, StageTime};

use crate::chain::Chain;
use crate::chain_error::{ChainError, ImportError, ImportFault};
use crate::execution::Execute;
use alloy_eip7928::BlockAccessList;
use motet_types::Block;
use stage::{Committing, Executing, Passed, Preparing, Rooted, Rooting, Stages};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// A block with the access list that came with it.
pub type Incoming = (Block, Option<BlockAccessList>);

/// Told of each commit, on the thread that commits.
pub type OnCommit<'a> = dyn FnMut(&CommitProgress) + Send + 'a;

/// What goes into the queue to the last stage.
enum ToCommit {
    Block(Passed<Box<Rooted>>),
    /// Commit what came so far, then say so.
    Barrier(SyncSender<()>),
}

/// Why a run over a row of blocks ended.
enum Ended {
    /// There are no more, or the caller wants no more.
    Through,
    /// This one cannot take part.
    Apart(Box<Incoming>),
}

impl Chain {
    /// Imports blocks in their order until there are no more, one is not imported, or the plan says stop; several are committed
    /// at once, and with [`ImportPlan::overlap`] different blocks are in different stages at the same time.
    ///
    /// Blocks that are on the chain already are passed over.
    ///
    /// # Errors
    /// As [`Chain::import`], for the first block in order that is not imported. All before it are on the chain.
    pub fn import_all(
        &mut self,
        blocks: impl IntoIterator<Item = Incoming>,
        executor: &mut (dyn Execute + Send),
        plan: &ImportPlan<'_>,
        on_commit: &mut OnCommit<'_>,
    ) -> Result<ImportReport, Box<ImportStopped>> {
        let mut report = ImportReport::default();
        let mut blocks = blocks.into_iter();
        let imported = self.import_rows(&mut blocks, executor, plan, on_commit, &mut report);
        match imported {
            Ok(()) => Ok(report),
            Err(error) => Err(Box::new(ImportStopped { report, error: *error })),
        }
    }

    fn import_rows(
        &mut self,
        blocks: &mut dyn Iterator<Item = Incoming>,
        executor: &mut (dyn Execute + Send),
        plan: &ImportPlan<'_>,
        on_commit: &mut OnCommit<'_>,
        report: &mut ImportReport,
    ) -> Result<(), Box<ImportError>> {
        let mut held: Option<Incoming> = None;
        loop {
            if plan.is_stopped() {
                report.was_stopped = true;
                return Ok(());
            }
            let Some((block, list)) = held.take().or_else(|| blocks.next()) else { return Ok(()) };
            if !stage::takes(self, &block) {
                let accepted = self.import(block, list, executor)?;
                report.apart(&accepted);
                if !accepted.was_known {
                    on_commit(&CommitProgress::of(&accepted.block));
                }
                continue;
            }
            let mut row = std::iter::once((block, list)).chain(&mut *blocks);
            match self.import_row(&mut row, executor, plan, on_commit, report)? {
                Ended::Through => {
                    report.was_stopped = plan.is_stopped();
                    return Ok(());
                }
                Ended::Apart(incoming) => held = Some(*incoming),
            }
        }
    }

    fn import_row(
        &mut self,
        blocks: &mut dyn Iterator<Item = Incoming>,
        executor: &mut (dyn Execute + Send),
        plan: &ImportPlan<'_>,
        on_commit: &mut OnCommit<'_>,
        report: &mut ImportReport,
    ) -> Result<Ended, Box<ImportError>> {
        let at_head = |chain: &Self, reason: ImportFault| {
            let head = chain.head();
            Box::new(ImportError { number: head.number(), hash: head.hash(), reason })
        };
        if let Err(error) = self.check_usable() {
            return Err(at_head(self, error.into()));
        }
        // Whatever happens in between, a chain whose stages did not end in order is not used again.
        self.broken = Some("an import ended in a panic".to_owned());
        let mut stages = match Stages::of(self, executor, plan, on_commit) {
            Ok(stages) => stages,
            Err(error) => return Err(at_head(self, error.into())),
        };
        let ended = match plan.overlap {
            true => overlapped(&mut stages, blocks, plan),
            false => in_turn(&mut stages, blocks, plan),
        };
        let (tail, retreated) = stages.close(report);
        self.tail = tail;
        self.broken = retreated.as_ref().err().map(ToString::to_string);
        self.publish();
        // The first failure is what matters to the caller; one of going back shows at the next import.
        let ended = ended?;
        match retreated.and_then(|()| self.trim()) {
            Ok(()) => Ok(ended),
            Err(error) => Err(at_head(self, error.into())),
        }
    }
}

/// All stages on this thread, one block after the other.
fn in_turn(
    stages: &mut Stages<'_>,
    blocks: &mut dyn Iterator<Item = Incoming>,
    plan: &ImportPlan<'_>,
) -> Result<Ended, Box<ImportError>> {
    let Stages { preparing, executing, rooting, committing } = stages;
    let mut failed = None;
    let mut ended = Ended::Through;
    for incoming in blocks {
        if !preparing.takes(&incoming.0) {
            ended = Ended::Apart(Box::new(incoming));
            break;
        }
        let rooted =
            preparing.step(incoming).and_then(|block| executing.step(block)).and_then(|block| rooting.step(block));
        match rooted {
            Ok(rooted) => committing.take(rooted),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        if committing.is_full() || rooting.wants_trim() {
            committing.commit()?;
        }
        rooting.trim_if_committed()?;
        if plan.is_stopped() {
            break;
        }
    }
    committing.commit()?;
    failed.map_or(Ok(ended), Err)
}

/// Each stage on a thread of its own; see the module's description.
fn overlapped(
    stages: &mut Stages<'_>,
    blocks: &mut dyn Iterator<Item = Incoming>,
    plan: &ImportPlan<'_>,
) -> Result<Ended, Box<ImportError>> {
    let Stages { preparing, executing, rooting, committing } = stages;
    let head = preparing.head();
    let no_thread = |source| {
        let reason = ChainError::Thread(source).into();
        Box::new(ImportError { number: head.0, hash: head.1, reason })
    };
    thread::scope(|scope| {
        let (to_execute, prepared) = sync_channel(plan.depth.max(1));
        let (to_root, executed) = sync_channel(plan.depth.max(1));
        let (to_commit, rooted) = sync_channel(plan.group_blocks.max(1));
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        let commit =
            named("commit").spawn_scoped(scope, move || serve_commit(committing, rooted)).map_err(no_thread)?;
        let root =
            named("root").spawn_scoped(scope, move || serve_root(rooting, executed, to_commit)).map_err(no_thread)?;
        let execute = named("execute")
            .spawn_scoped(scope, move || serve_execute(executing, prepared, to_root))
            .map_err(no_thread)?;
        let ended = feed(preparing, blocks, plan, to_execute);
        // From left to right: a stage ends when those to its left have.
        let joined = [execute.join(), root.join()];
        let committed = commit.join();
        if let Some(panic) = joined.into_iter().find_map(Result::err) {
            resume_unwind(panic);
        }
        committed.unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(ended)
    })
}

/// The first stage, on the caller's thread.
fn feed(
    preparing: &mut Preparing<'_>,
    blocks: &mut dyn Iterator<Item = Incoming>,
    plan: &ImportPlan<'_>,
    to: SyncSender<Passed<stage::Ready>>,
) -> Ended {
    for incoming in blocks {
        if !preparing.takes(&incoming.0) {
            return Ended::Apart(Box::new(incoming));
        }
        let passed = preparing.step(incoming);
        let failed = passed.is_err();
        if to.send(passed).is_err() || failed || plan.is_stopped() {
            break;
        }
    }
    Ended::Through
}

fn serve_execute(
    executing: &mut Executing<'_>,
    from: Receiver<Passed<stage::Ready>>,
    to: SyncSender<Passed<stage::Done>>,
) {
    for passed in from {
        let passed = passed.and_then(|block| executing.step(block));
        let failed = passed.is_err();
        if to.send(passed).is_err() || failed {
            return;
        }
    }
}

fn serve_root(rooting: &mut Rooting<'_>, from: Receiver<Passed<stage::Done>>, to: SyncSender<ToCommit>) {
    for passed in from {
        let passed = passed.and_then(|block| rooting.step(block)).map(Box::new);
        let failed = passed.is_err();
        if to.send(ToCommit::Block(passed)).is_err() || failed {
            return;
        }
        if rooting.wants_trim() {
            let (answer, answered) = sync_channel(1);
            // Without an answer the last stage has ended, and knows why.
            if to.send(ToCommit::Barrier(answer)).is_err() || answered.recv().is_err() {
                return;
            }
            if let Err(error) = rooting.trim_if_committed() {
                // Nobody listens any more if this fails.
                let _ = to.send(ToCommit::Block(Err(error)));
                return;
            }
        }
    }
}

/// The last stage: gathers what waits, up to a bound, and commits it at once.
fn serve_commit(committing: &mut Committing<'_>, from: Receiver<ToCommit>) -> Result<(), Box<ImportError>> {
    while let Ok(first) = from.recv() {
        let mut next = Ok(first);
        let mut answers = Vec::new();
        let mut failed = None;
        loop {
            match next {
                Ok(ToCommit::Block(Ok(rooted))) => committing.take(*rooted),
                Ok(ToCommit::Block(Err(error))) => failed = Some(error),
                Ok(ToCommit::Barrier(answer)) => answers.push(answer),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            if failed.is_some() || !answers.is_empty() || committing.is_full() {
                break;
            }
            next = from.try_recv();
        }
        committing.commit()?;
        if let Some(error) = failed {
            return Err(error);
        }
        for answer in answers {
            // It has room for this one answer; who asked may have ended.
            let _ = answer.send(());
        }
    }
    Ok(())
}

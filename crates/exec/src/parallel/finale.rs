//! The end of a block: what is left once its transactions are in, shared between the workers.
//!
//! One worker closes the block. What then remains is many small jobs that know nothing of each other: the branch
//! nodes of the receipts trie, parts of the diff and of the list, emptying the memory. Every worker takes jobs until
//! none is left.

use crate::in_order::Ended;
use crate::ledger::{LedgerPart, PartDone, joined};
use crate::mv_memory::MvMemory;
use crate::receipt_trie;
use crate::sync::{AtomicU32, Condvar, Mutex, Ordering};
use alloy_primitives::B256;
use motet_types::BlockOutcome;
use std::sync::Arc;

/// Where workers meet when the transactions are in.
#[derive(Debug, Default)]
pub(super) struct Finale {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum Stage {
    /// The block is not closed yet.
    #[default]
    Before,
    /// There are jobs.
    Open(Arc<Remains>),
    /// The block has failed.
    Void,
}

/// What remains to be done for a closed block.
#[derive(Debug)]
pub(super) struct Remains {
    ended: Ended,
    parts: Vec<Mutex<Option<LedgerPart>>>,
    /// Pieces of the receipts trie, those with the longest receipts first: one can be longer than all others.
    pieces: Vec<usize>,
    next: AtomicU32,
    done: Mutex<Done>,
}

/// Results with their numbers.
#[derive(Debug, Default)]
struct Done {
    /// Nanoseconds that the jobs took, all together.
    took_ns: u64,
    parts: Vec<(usize, PartDone)>,
    branches: Vec<(usize, Vec<Option<B256>>)>,
}

impl Finale {
    /// Gives the workers their jobs.
    pub(super) fn open(&self, ended: Ended) {
        self.enter(Stage::Open(Arc::new(Remains::new(ended))));
    }

    /// Sends the workers home.
    pub(super) fn void(&self) {
        self.enter(Stage::Void);
    }

    fn enter(&self, next: Stage) {
        let mut stage = self.stage.lock();
        if let Stage::Before = *stage {
            *stage = next;
        }
        drop(stage);
        self.changed.notify_all();
    }

    /// Waits until the block is closed, and does jobs until none is left.
    pub(super) fn help(&self, memory: Option<&MvMemory>, clock: fn() -> u64) {
        let mut stage = self.stage.lock();
        let remains = loop {
            match &*stage {
                Stage::Before => stage = self.changed.wait(stage),
                Stage::Open(remains) => break Arc::clone(remains),
                Stage::Void => return,
            }
        };
        drop(stage);
        let began = clock();
        remains.help(memory);
        let took_ns = clock().saturating_sub(began);
        remains.done.lock().took_ns += took_ns;
    }

    /// The outcome, once every worker has gone, and the nanoseconds that the jobs took; `None` when there is none.
    pub(super) fn outcome(self) -> Option<(BlockOutcome, u64)> {
        match self.stage.into_inner() {
            Stage::Open(remains) => Arc::into_inner(remains).map(Remains::outcome),
            Stage::Before | Stage::Void => None,
        }
    }
}

impl Remains {
    fn new(mut ended: Ended) -> Self {
        let parts = ended.ledger.parts.drain(..).map(|part| Mutex::new(Some(part))).collect();
        let pieces = receipt_trie::pieces_by_size(&ended.outcome.receipts);
        Self { ended, parts, pieces, next: AtomicU32::new(0), done: Mutex::default() }
    }

    fn help(&self, memory: Option<&MvMemory>) {
        let mut mine = Done::default();
        loop {
            let job = self.next.fetch_add(1, Ordering::SeqCst) as usize;
            if let Some(piece) = self.pieces.get(job) {
                mine.branches.push((*piece, receipt_trie::branches(&self.ended.outcome.receipts, *piece)));
                continue;
            }
            let job = job - self.pieces.len();
            if let Some(part) = self.parts.get(job) {
                let part = part.lock().take();
                mine.parts.extend(part.map(|part| (job, part.finish(&self.ended.ledger.deployed))));
                continue;
            }
            let job = job - self.parts.len();
            match memory {
                Some(memory) if job < MvMemory::PARTS => memory.empty_part(job),
                _ => break,
            }
        }
        let mut done = self.done.lock();
        done.parts.append(&mut mine.parts);
        done.branches.append(&mut mine.branches);
    }

    fn outcome(self) -> (BlockOutcome, u64) {
        let Done { took_ns, mut parts, mut branches } = self.done.into_inner();
        parts.sort_unstable_by_key(|part| part.0);
        branches.sort_unstable_by_key(|branch| branch.0);
        let branches: Vec<_> = branches.into_iter().flat_map(|(_, hashes)| hashes).collect();
        let Ended { mut outcome, ledger } = self.ended;
        outcome.receipts_root = receipt_trie::root(&outcome.receipts, &branches);
        (outcome.diff, outcome.record) = joined(parts.into_iter().map(|part| part.1), ledger.wipes, ledger.lifecycle);
        (outcome, took_ns)
    }
}

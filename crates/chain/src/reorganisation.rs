//! Blocks beside the canonical chain, and how one of them becomes its head.
//!
//! ```text
//! a7 <- a8 <- a9          set_head(b9): the trie goes back by what a9 and a8 overwrote and forward by b8 and b9, the
//!    \- b8 <- b9          store goes back to a7 and commits both in one step; a8 and a9 are side blocks now
//! ```
//!
//! A crash leaves the chain at a9 or at b9.

use crate::chain::Chain;
use crate::chain_error::{ChainError, ImportError, ImportFault};
use crate::chain_view::ChainView;
use crate::encoding::decode_receipts;
use crate::execution::Execute;
use crate::fork_choice::is_better_head;
use crate::head_change::{HeadBlock, LeaveListener};
use crate::import::{Accepted, Beside};
use crate::recall::recall;
use crate::receipt_roots::TrieRoots;
use crate::side_blocks::SideBlock;
use crate::stages::{self, Listeners};
use crate::tail::Tail;
use crate::validate::{BlockError, OMMER_ANCESTORS, ParentHeader, validate_state_root};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::B256;
use motet_exec::CommitSink;
use motet_state::store::{Store, StoreError};
use motet_state::trie::{HashedDiff, StateTrie};
use motet_types::Block;
use std::sync::Arc;

impl Chain {
    /// Makes a block the head, as a fork choice from outside does: an ancestor of the head, or a side block.
    ///
    /// # Errors
    /// When the block is not known, when the history does not reach back to where it leaves the canonical chain, and when
    /// the store fails.
    pub fn set_head(&mut self, hash: B256) -> Result<(), Box<ImportError>> {
        let number = match self.block(&hash) {
            Ok(Some(block)) => block.number(),
            _ => self.head().number(),
        };
        self.make_head(hash).map_err(|reason| Box::new(ImportError { number, hash, reason }))
    }

    /// Imports a block without touching the head's state, on whatever it stands.
    pub(crate) fn import_beside(
        &mut self,
        hash: B256,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
        beside: Beside,
    ) -> Result<Accepted, ImportFault> {
        let parent_hash = block.header.parent_hash;
        let (branch, base) = self.side.branch(parent_hash);
        let Some(fork) = self.store.height_of(base)? else {
            return Err(BlockError::UnknownParent { parent_hash }.into());
        };
        let tail = self.tail_at(parent_hash)?;
        let prepared = stages::prepare(hash, block, access_list, &tail, &self.spec, &self.threads)?;

        let mut view = self.state_at(fork).map_err(|error| too_old(error, fork))?;
        for side in &branch {
            view.push(side.committed.height, side.committed.hash, Arc::clone(&side.committed.diff));
        }
        let before = Arc::new(self.trie_beside(fork, &branch).map_err(|error| too_old(error, fork))?);
        let mut executed = self.execute_on(prepared, &tail.head().as_parent(), &view, &before, executor)?;
        stages::judge(&executed)?;
        executed.complete(&view)?;
        let computed = before.overlay(self.threads.crew())?.update(&executed.diff)?;
        validate_state_root(executed.block.header(), computed)?;

        // They read the head's trie and state, which may have to move.
        drop((before, view));
        let (block, committed) = executed.finish();
        if !self.side.insert(SideBlock { block: Arc::clone(&block), committed }) {
            return Err(ImportFault::SideFull);
        }
        let is_head = beside == Beside::MayLead && is_better_head(&block, self.head());
        if is_head && let Err(error) = self.make_head(hash) {
            // Offered again, it is to be tried again.
            self.side.remove(&hash);
            return Err(error);
        }
        Ok(Accepted { block, is_head, was_known: false })
    }

    /// Executes a block over a state with a trie that nobody changes meanwhile.
    pub(crate) fn execute_on(
        &self,
        prepared: stages::Prepared,
        parent: &ParentHeader<'_>,
        view: &ChainView,
        before: &Arc<StateTrie>,
        executor: &mut dyn Execute,
    ) -> Result<stages::Executed, ImportFault> {
        self.execute_heard(prepared, parent, view, before, Listeners::default(), executor)
    }

    /// The same, with listeners beside those that receipts need.
    pub(crate) fn execute_heard(
        &self,
        prepared: stages::Prepared,
        parent: &ParentHeader<'_>,
        view: &ChainView,
        before: &Arc<StateTrie>,
        listeners: Listeners<'_>,
        executor: &mut dyn Execute,
    ) -> Result<stages::Executed, ImportFault> {
        if !prepared.has_receipt_roots() {
            return Ok(stages::execute(prepared, parent, view, listeners, executor)?);
        }
        let roots = TrieRoots::new(Arc::clone(before), self.threads.crew());
        let Listeners { steps, left_out, .. } = listeners;
        // A trait object in a mutable place takes a shorter life only where it is made anew.
        let steps = steps.map(|steps| steps as &mut dyn CommitSink);
        let listeners = Listeners { receipt_roots: Some(&roots), steps, left_out };
        let executed = stages::execute(prepared, parent, view, listeners, executor);
        // A trie that fails makes receipts wrong, which then is not the block's fault.
        roots.into_fault()?;
        Ok(executed?)
    }

    /// The trie after a branch that leaves the canonical chain at a height.
    fn trie_beside(&self, fork: u64, branch: &[&SideBlock]) -> Result<StateTrie, ChainError> {
        if fork < self.head().number() {
            // Where an archive would have to look at all older values, a branch is refused: anybody can offer one.
            self.store.reverse(fork.saturating_add(1))?;
        }
        let mut trie = self.trie_at(fork)?;
        for side in branch {
            trie.apply(&side.committed.diff)?;
        }
        if let Some(last) = branch.last() {
            let (found, expected) = (trie.root()?, last.committed.root);
            if found != expected {
                return Err(ChainError::StateRoot { height: last.committed.height, expected, found });
            }
        }
        Ok(trie)
    }

    /// The trie after a canonical block: one of its own over the head's.
    pub(crate) fn trie_at(&self, height: u64) -> Result<StateTrie, ChainError> {
        let mut trie = self.trie.overlay(self.threads.crew())?;
        go_back(&self.store, height, self.head().number(), |change| Ok(trie.apply_hashed(&change)?))?;
        let found = trie.root()?;
        let header = self.canonical_block(height)?.map(|block| block.block().header.state_root);
        match header {
            Some(expected) if expected == found => Ok(trie),
            Some(expected) => Err(ChainError::StateRoot { height, expected, found }),
            None => Err(ChainError::Part { height, part: "header", what: "absent" }),
        }
    }

    /// The last blocks up to one that is known.
    fn tail_at(&self, hash: B256) -> Result<Tail, ImportFault> {
        let known = |hash: B256| self.block(&hash)?.ok_or(ImportFault::UnknownHead);
        let head = known(hash)?;
        let mut below = Vec::new();
        let mut last = Arc::clone(&head);
        while below.len() + 1 < OMMER_ANCESTORS {
            last = match last.number().checked_sub(1) {
                None => break,
                // A snapshot leaves a few blocks below the first one, which have no other name than their height.
                Some(height) if last.number() <= self.genesis.number() => match self.canonical_block(height) {
                    Ok(Some(block)) => block,
                    _ => break,
                },
                Some(_) => known(last.block().header.parent_hash)?,
            };
            below.push(Arc::clone(&last));
        }
        Ok(Tail::new(head, below))
    }

    pub(crate) fn make_head(&mut self, hash: B256) -> Result<(), ImportFault> {
        self.check_usable()?;
        if hash == self.head().hash() {
            return Ok(());
        }
        let (branch, base) = self.side.branch(hash);
        let branch: Vec<SideBlock> = branch.into_iter().cloned().collect();
        let fork = self.store.height_of(base)?.ok_or(ImportFault::UnknownHead)?;
        let head = self.head().number();
        // All that is needed of the past is read before anything changes. What blocks overwrote is kept for fewer of them than
        // states are, so it comes first.
        let leaving: Vec<u64> = (fork.saturating_add(1)..=head).rev().collect();
        let reverses = leaving.iter().map(|height| self.store.reverse(*height));
        let reverses: Vec<HashedDiff> =
            reverses.collect::<Result<_, _>>().map_err(|error| too_old(error.into(), fork))?;
        let recalled = leaving.iter().map(|height| recall(&self.store, &self.spec, *height));
        let recalled: Vec<SideBlock> = recalled.collect::<Result<_, _>>().map_err(|error| too_old(error, fork))?;
        let tail = self.tail_at(hash)?;
        let fork_root = match self.canonical_block(fork)? {
            Some(block) => block.block().header.state_root,
            None => return Err(ImportFault::UnknownHead),
        };

        let removed = recalled.iter().rev().map(head_block).collect::<Result<Vec<_>, _>>()?;
        let added = branch.iter().map(head_block).collect::<Result<Vec<_>, _>>()?;

        if let Some(LeaveListener(tell)) = self.before_leaving.as_ref().filter(|_| !removed.is_empty()) {
            tell(&removed);
        }
        // From here on trie and store move together; a failure half way is for the next opening to sort out.
        let moved = self.move_head(fork, fork_root, &reverses, &branch);
        if let Err(error) = moved {
            self.broken = Some(format!("a change of the head failed: {error}"));
            return Err(error.into());
        }
        self.tail = tail;
        self.publish();
        if let Some(told) = &mut self.told {
            told.removed.extend(removed);
            told.added.extend(added);
        }
        for side in &branch {
            self.side.remove(&side.committed.hash);
        }
        // Those that do not fit are forgotten, with all that stands on them; they can be imported again.
        for side in recalled.into_iter().rev() {
            if !self.side.insert(side) {
                break;
            }
        }
        Ok(())
    }

    fn move_head(
        &mut self,
        fork: u64,
        fork_root: B256,
        reverses: &[HashedDiff],
        branch: &[SideBlock],
    ) -> Result<(), ChainError> {
        for reverse in reverses {
            self.trie_mut()?.apply_hashed(reverse)?;
        }
        self.expect_root(fork, fork_root)?;
        // Where nothing is taken back, what an undone block may have left goes along with the first block of the branch.
        let nodes = if reverses.is_empty() { None } else { self.take_nodes()? };
        let mut blocks = Vec::with_capacity(branch.len());
        for side in branch {
            self.trie_mut()?.apply(&side.committed.diff)?;
            self.expect_root(side.committed.height, side.committed.root)?;
            let mut committed = side.committed.clone();
            committed.nodes = self.take_nodes()?;
            blocks.push(committed);
        }
        self.store.change_head(fork, nodes.as_deref(), blocks)?;
        self.trim()
    }

    fn expect_root(&mut self, height: u64, expected: B256) -> Result<(), ChainError> {
        match self.trie_mut()?.root()? {
            found if found == expected => Ok(()),
            found => Err(ChainError::StateRoot { height, expected, found }),
        }
    }
}

/// A block as those who follow the chain are told of it.
fn head_block(side: &SideBlock) -> Result<HeadBlock, ChainError> {
    let malformed = ChainError::Part { height: side.committed.height, part: "receipts", what: "encoding" };
    let receipts = Arc::new(decode_receipts(&side.committed.receipts).ok_or(malformed)?);
    Ok(HeadBlock { block: Arc::clone(&side.block), receipts, diff: Arc::clone(&side.committed.diff) })
}

/// Gives the changes of the state that lead from the head back to a height, one after the other.
///
/// What a block overwrote is kept as a whole for the latest blocks only. An archive has older values by key: they make one
/// change, for which all of them are looked at.
pub(crate) fn go_back(
    store: &Store,
    height: u64,
    head: u64,
    mut apply: impl FnMut(HashedDiff) -> Result<(), ChainError>,
) -> Result<(), ChainError> {
    let lowest = height.saturating_add(1);
    let is_out_of_reach = lowest <= head && matches!(store.reverse(lowest), Err(StoreError::NoHistory { .. }));
    if is_out_of_reach && let Some(change) = store.archived_reverse(height)? {
        return apply(change);
    }
    for above in (lowest..=head).rev() {
        let change = store.reverse(above).map_err(|error| match error {
            // The block that was asked for is to be named, not one on the way.
            StoreError::NoHistory { oldest, head, .. } => StoreError::NoHistory { height, oldest, head },
            error => error,
        })?;
        apply(change)?;
    }
    Ok(())
}

/// Whose fault it is that a state of the past cannot be had: that it is too long ago is one of its own.
fn too_old(error: ChainError, height: u64) -> ImportFault {
    match error {
        ChainError::Store(StoreError::NoHistory { oldest, .. }) => ImportFault::TooOld { height, oldest },
        // Blocks that a snapshot left below the first one are known by their headers alone.
        ChainError::NoBlock { first, .. } => ImportFault::TooOld { height, oldest: Some(first) },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::BuildRequest;
    use crate::head_change::HeadChange;
    use crate::pool::Pool;
    use crate::{ChainOptions, EngineExecutor, GenesisBlock};
    use motet_exec::{Engine, ExecutorConfig};
    use motet_types::{ChainSpec, Fork};

    #[test]
    fn a_block_whose_receipts_cannot_be_told_does_not_become_the_head() {
        let dir = std::env::temp_dir().join(format!("motet-reorganisation-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let genesis = GenesisBlock::with_spec(&Default::default(), ChainSpec::at_fork(1337, Fork::Shanghai)).unwrap();
        let (mut chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let pool = Pool::in_memory(chain.reader().clone());
        let mut executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
        let request = BuildRequest { timestamp: 12, is_kept: true, ..BuildRequest::default() };
        let sealed = chain.seal(request, &pool, &mut executor, || 0).unwrap().block.hash();
        chain.told = Some(HeadChange::default());
        let start = chain.genesis().hash();
        chain.set_head(start).unwrap();
        let good = chain.side.get(&sealed).unwrap().clone();
        let mut bad = good.clone();
        bad.committed.receipts = b"no receipts".as_slice().into();
        chain.side.remove(&sealed);
        assert!(chain.side.insert(bad));
        let error = chain.set_head(sealed).unwrap_err();
        assert!(matches!(error.reason, ImportFault::Chain(ChainError::Part { height: 1, part: "receipts", .. })));
        assert_eq!((chain.head().hash(), chain.check_usable().is_ok()), (start, true));
        chain.side.remove(&sealed);
        assert!(chain.side.insert(good));
        chain.set_head(sealed).unwrap();
        assert_eq!(chain.head().hash(), sealed);
        drop(chain);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

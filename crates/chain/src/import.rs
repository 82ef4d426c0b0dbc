//! A block into the chain: validated, executed, its root compared, durable.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::{ChainError, ImportError, ImportFault};
use crate::chain_options::EarlyRoot;
use crate::chain_view::ChainView;
use crate::early_root::{STEPS_WAITING_MAX, StepSender, Told};
use crate::execution::{ExecFailure, Execute};
use crate::head_change::HeadBlock;
use crate::stages::{self, Executed, Listeners, Prepared};
use crate::validate::{decode_block, validate_state_root};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::B256;
use motet_exec::CommitSink;
use motet_state::store::CommittedBlock;
use motet_state::trie::StateTrie;
use motet_types::{Block, Fork, StateDiff};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

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

/// What becomes of a valid block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The head, if it is better.
    MayLead,
    /// A block beside the chain, until somebody chooses it.
    Waits,
}

/// Most blocks that wait on the head to be chosen, each on the other. Whoever offers more is importing a chain.
const WAITING_BLOCKS_MAX: usize = 64;
/// Part of the room for side blocks that these may take, so that they do not push each other out.
const WAITING_PART: usize = 2;

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
    ) -> Result<Accepted, Box<ImportError>> {
        let block = decode_block(rlp).map_err(|error| {
            let number = self.head().number().saturating_add(1);
            Box::new(ImportError { number, hash: B256::ZERO, reason: error.into() })
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
    ) -> Result<Accepted, Box<ImportError>> {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        let imported = self.import_block(hash, block, access_list, executor, Beside::MayLead);
        imported.map_err(|reason| Box::new(ImportError { number, hash, reason }))
    }

    /// As [`Chain::import`], but the block is kept beside the chain until [`Chain::set_head`] makes it the head, without
    /// executing it again.
    ///
    /// Where many blocks wait on the head already, one on the other, those that the new one stands on become canonical first: so
    /// comes a whole chain, of which only the last block is chosen.
    ///
    /// # Errors
    /// As [`Chain::import`].
    pub fn offer(
        &mut self,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
    ) -> Result<Accepted, Box<ImportError>> {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        let imported = self
            .make_room_on_head(block.header.parent_hash)
            .and_then(|()| self.import_block(hash, block, access_list, executor, Beside::Waits));
        imported.map_err(|reason| Box::new(ImportError { number, hash, reason }))
    }

    fn import_block(
        &mut self,
        hash: B256,
        block: Block,
        access_list: Option<BlockAccessList>,
        executor: &mut dyn Execute,
        beside: Beside,
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
        match is_next && beside == Beside::MayLead {
            true => self.import_on_head(hash, block, access_list, executor),
            false => self.import_beside(hash, block, access_list, executor, beside),
        }
    }

    /// Before a block is offered: makes its parent the head where too many wait on the head up to it.
    fn make_room_on_head(&mut self, parent: B256) -> Result<(), ImportFault> {
        let (branch, base) = self.side.branch(parent);
        let is_full = branch.len() >= WAITING_BLOCKS_MAX || self.side.is_filled_by(&branch, WAITING_PART);
        match is_full && base == self.head().hash() {
            true => self.make_head(parent),
            false => Ok(()),
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
        let (executed, told) = match self.early_source(&prepared) {
            None => (self.execute_on(prepared, &self.head().as_parent(), &view, &self.trie, executor), None),
            Some(source) => self.execute_and_tell(prepared, &view, source, executor)?,
        };
        let judged = executed.and_then(|mut executed| {
            stages::judge(&executed)?;
            executed.complete(&view)?;
            Ok(executed)
        });
        let executed = match (judged, told.is_some()) {
            (Ok(executed), _) => executed,
            (Err(error), false) => return Err(error),
            (Err(error), true) => {
                // The first failure is what matters to the caller; one of going back shows at the next import.
                let _ = self.take_back(told, &view).and_then(|()| self.relieve());
                return Err(error);
            }
        };
        let diff = Arc::clone(&executed.diff);
        let computed = self.root_after(told, &view, &diff)?;
        if let Err(error) = validate_state_root(executed.block.header(), computed) {
            let _ = self.undo(&view, &diff).and_then(|()| self.relieve());
            return Err(error.into());
        }
        let (head, committed) = executed.finish_told();
        let block = Arc::clone(&head.block);
        self.commit_on_head(head, committed, view)?;
        Ok(Accepted { block, is_head: true, was_known: false })
    }

    /// Makes a block durable that stands on the head, of which the trie has been told, and makes it the head. `view` is the
    /// state before it.
    pub(crate) fn commit_on_head(
        &mut self,
        head: HeadBlock,
        mut committed: CommittedBlock,
        view: ChainView,
    ) -> Result<(), ChainError> {
        let nodes = match self.take_nodes() {
            Ok(nodes) => nodes,
            Err(error) => {
                let _ = self.undo(&view, &head.diff);
                return Err(error);
            }
        };
        committed.nodes = nodes.clone();
        if let Err(error) = self.store.commit(committed) {
            if let (Some(nodes), Ok(trie)) = (nodes, self.trie_mut()) {
                trie.return_batch(Arc::unwrap_or_clone(nodes));
            }
            let _ = self.undo(&view, &head.diff);
            return Err(error.into());
        }
        drop(view);
        self.tail.push(Arc::clone(&head.block));
        self.publish();
        if let Some(told) = &mut self.told {
            told.added.push(head);
        }
        if let Err(error) = self.trim() {
            // The block is in; what follows needs the trie.
            self.broken = Some(error.to_string());
        }
        Ok(())
    }

    /// From what the trie may be told of the block before its outcome is there.
    fn early_source(&self, prepared: &Prepared) -> Option<EarlySource> {
        let Prepared { block, rules, .. } = prepared;
        if self.early_root == EarlyRoot::Never || block.tx_count() < self.early_root_transactions_min {
            return None;
        }
        match &block.access_list {
            Some(list) if rules.is_active(Fork::Amsterdam) => Some(EarlySource::List(list.clone())),
            _ if self.early_root == EarlyRoot::FromSteps && !prepared.has_receipt_roots() => Some(EarlySource::Steps),
            _ => None,
        }
    }

    /// Executes a block on the head while the trie is told of it. The inner error is the block's or the view's.
    #[allow(clippy::type_complexity)]
    fn execute_and_tell(
        &mut self,
        prepared: Prepared,
        view: &ChainView,
        source: EarlySource,
        executor: &mut dyn Execute,
    ) -> Result<(Result<Executed, ImportFault>, Option<Told>), ChainError> {
        // A panic below leaves the trie between two states.
        self.broken = Some("an import ended in a panic".to_owned());
        let head = Arc::clone(self.head());
        let trie = Arc::get_mut(&mut self.trie).ok_or_else(Chain::trie_in_use)?;
        let ran = thread::scope(|scope| {
            let (to, steps) = sync_channel(STEPS_WAITING_MAX);
            let wants_steps = matches!(source, EarlySource::Steps);
            let tell = move || match source {
                EarlySource::List(list) => Told::of_list(trie, view, &list),
                EarlySource::Steps => Told::follow(trie, view, steps),
            };
            let telling = thread::Builder::new().name("trie".to_owned()).spawn_scoped(scope, tell);
            let telling = telling.map_err(ChainError::Thread)?;
            let mut sender = StepSender::new(to);
            let steps = wants_steps.then_some(&mut sender as &mut dyn CommitSink);
            let listeners = Listeners { steps, ..Listeners::default() };
            let executed = stages::execute(prepared, &head.as_parent(), view, listeners, executor);
            sender.finish();
            let told = telling.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok::<_, ChainError>((executed, told))
        });
        self.broken = match &ran {
            // Without a thread nothing was begun.
            Ok(_) | Err(ChainError::Thread(_)) => None,
            Err(error) => Some(error.to_string()),
        };
        let (executed, told) = ran?;
        Ok((executed.map_err(ImportFault::from), Some(told)))
    }

    /// The root after a change of the head's state, of which the trie may have been told.
    fn root_after(&mut self, told: Option<Told>, head: &ChainView, diff: &StateDiff) -> Result<B256, ChainError> {
        let trie = self.trie_mut()?;
        let root = match told {
            Some(told) => told.root_after(trie, head, diff),
            None => trie.update(diff).map_err(ChainError::from),
        };
        root.inspect_err(|error| self.broken = Some(error.to_string()))
    }

    /// Takes out of the trie what it was told of a block that is not kept.
    fn take_back(&mut self, told: Option<Told>, head: &ChainView) -> Result<(), ChainError> {
        let Some(told) = told else { return Ok(()) };
        let expected = self.head().block().header.state_root;
        let taken = self.trie_mut().and_then(|trie| {
            told.take_back(trie, head)?;
            check_back(trie.root()?, expected)
        });
        taken.inspect_err(|error| self.broken = Some(error.to_string()))
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
    check_back(trie.update_hashed(&reverse)?, root)
}

fn check_back(found: B256, expected: B256) -> Result<(), ChainError> {
    match found == expected {
        true => Ok(()),
        false => {
            Err(ChainError::MustReopen { reason: format!("a change could not be undone: {found} is not {expected}") })
        }
    }
}

/// From what a trie is told of a block before its outcome is there.
#[derive(Debug)]
enum EarlySource {
    List(BlockAccessList),
    Steps,
}

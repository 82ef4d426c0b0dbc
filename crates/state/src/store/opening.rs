//! Opening a store: what is found is checked, and what the log has beyond the tables goes into them.

use super::apply::{Application, Past};
use super::block::CommittedBlock;
use super::cache::Cache;
use super::cell;
use super::disk::Disk;
use super::engine::Table;
use super::error::{Corruption, StoreError};
use super::layer::Layer;
use super::log::Log;
use super::nodes::StoredNodes;
use super::options::{Options, TrieMode};
use super::record::{Head, Kind, Record};
use super::rollback;
use super::tables::{Tables, put_head};
use crate::trie::{Crew, EMPTY_ROOT, HashedDiff, NodeBatch, StateTrie};
use alloy_primitives::B256;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whether the store was made just now.
    pub is_new: bool,
    /// Where the tables stood; `None`: they were empty.
    pub tables_at: Option<Head>,
    /// Where the store stands now; `None`: it is empty.
    pub head: Option<Head>,
    /// Whole records in the log.
    pub records: u64,
    /// Blocks that went from the log into the tables.
    pub rolled_forward: u64,
    /// Rollbacks that went from the log into the tables.
    pub rolled_back: u64,
    /// The torn end of the log that was cut off: file, offset, bytes. Nothing acknowledged was in it.
    pub cut: Option<(PathBuf, u64, u64)>,
    /// Log segments that were removed, all their records being in the tables.
    pub segments_removed: usize,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.head, self.is_new) {
            (_, true) => write!(f, "made a new store")?,
            (None, _) => write!(f, "empty")?,
            (Some(head), _) => write!(f, "at block {} ({}), root {}", head.height, head.hash, head.root)?,
        }
        if self.rolled_forward > 0 {
            write!(f, "; {} blocks went from the log into the tables", self.rolled_forward)?;
        }
        if self.rolled_back > 0 {
            write!(f, "; {} rollbacks were finished", self.rolled_back)?;
        }
        if let Some((file, offset, bytes)) = &self.cut {
            write!(f, "; {bytes} torn bytes were cut off {} at {offset}", file.display())?;
        }
        Ok(())
    }
}

/// Brings the tables to where the log ends.
pub(crate) struct Replay<'a> {
    tables: &'a Tables,
    crew: &'a Crew,
    past: Past,
    genesis: B256,
    batch_bytes: usize,
    /// Of a store that keeps nodes: the trie where the tables stand, which gives the nodes of blocks that they lack.
    trie: Option<StateTrie>,
    mode: TrieMode,
    /// Where the tables stood at first.
    applied: u64,
    /// The record before; where the tables stood, as long as there was none.
    head: Head,
    waiting: Vec<Arc<Layer>>,
    waiting_bytes: usize,
    pub(crate) opened: Opened,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(tables: &'a Tables, past: Past, options: &Options, crew: &'a Crew, opened: Opened) -> Self {
        let head = opened.tables_at.unwrap_or_default();
        let Options { identity, batch_bytes, trie: mode, .. } = options;
        let replay = Self {
            tables,
            crew,
            past,
            genesis: identity.genesis,
            batch_bytes: *batch_bytes,
            trie: None,
            mode: *mode,
            applied: head.seq,
            head,
            waiting: Vec::new(),
            waiting_bytes: 0,
            opened,
        };
        Self { trie: replay.trie_at(&head), ..replay }
    }

    /// The trie of a store that keeps nodes, when the tables stand at a head.
    fn trie_at(&self, head: &Head) -> Option<StateTrie> {
        let TrieMode::Paged { cache_bytes } = self.mode else { return None };
        let root = if head.seq == 0 { EMPTY_ROOT } else { head.root };
        let nodes = Arc::new(StoredNodes::new(self.tables, None));
        Some(StateTrie::open(root, nodes, cache_bytes, self.crew.clone()))
    }

    /// Opens the log and takes all of its records.
    pub(crate) fn run(
        mut self,
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
    ) -> Result<(Log, Opened), StoreError> {
        let genesis = self.genesis;
        let (mut log, found) = Log::open(disk, dir, genesis, segment_bytes, |record| self.take(record))?;
        // The tables take what the log has, and the last segment is never removed.
        let last = log.next_seq().saturating_sub(1);
        if last < self.applied {
            return Err(Corruption::LogLost { applied: self.applied, last: found.last_seq }.into());
        }
        if last > self.head.seq {
            return Err(Corruption::Gap { applied: self.applied, first: log.next_seq() }.into());
        }
        self.apply_waiting()?;
        self.prune()?;
        self.tables.0.flush()?;
        self.opened.segments_removed = log.retire(self.head.seq)?;
        self.opened.records = found.records;
        self.opened.cut = found.cut;
        self.opened.head = (self.head.seq > 0).then_some(self.head);
        Ok((log, self.opened))
    }

    fn take(&mut self, record: Record) -> Result<(), StoreError> {
        let head = record.head;
        if head.seq <= self.applied {
            if head.seq == self.applied && head != self.head {
                return Err(chain(&head, "the tables hold another record of this number"));
            }
            return Ok(());
        }
        if head.seq != self.head.seq + 1 {
            return Err(Corruption::Gap { applied: self.head.seq, first: head.seq }.into());
        }
        match record.kind {
            Kind::Block => self.take_block(head, &record.payload)?,
            Kind::Rollback => self.take_rollback(head, &record.payload)?,
        }
        self.head = head;
        Ok(())
    }

    fn take_block(&mut self, head: Head, payload: &[u8]) -> Result<(), StoreError> {
        if let Some(what) = not_next(&self.head, head.height, head.hash, head.parent, self.genesis) {
            return Err(chain(&head, what));
        }
        let block = CommittedBlock::decode(payload).ok_or_else(|| chain(&head, "encoding of the payload"))?;
        let block = block.with_head(&head);
        self.waiting.push(Arc::new(Layer::new(head, block, payload.len())));
        self.waiting_bytes += payload.len();
        self.opened.rolled_forward += 1;
        if self.waiting_bytes >= self.batch_bytes { self.apply_waiting() } else { Ok(()) }
    }

    fn take_rollback(&mut self, head: Head, payload: &[u8]) -> Result<(), StoreError> {
        if head.height >= self.head.height {
            return Err(chain(&head, "a rollback that leads to no lower height"));
        }
        self.apply_waiting()?;
        let mut writes = rollback::decode(payload).ok_or_else(|| chain(&head, "encoding of the payload"))?;
        put_head(&mut writes, &head);
        self.tables.0.write(writes)?;
        self.trie = self.trie_at(&head);
        self.opened.rolled_back += 1;
        Ok(())
    }

    /// Removes reverse diffs that are older than the history is to be: it may have been longer when the store was last open.
    fn prune(&self) -> Result<(), StoreError> {
        let Some(newest_old) = self.head.height.checked_sub(self.past.blocks) else { return Ok(()) };
        let mut writes = Vec::new();
        for row in self.tables.rows_from(Table::History, vec![0; 8]) {
            let (key, _) = row?;
            if key[..] > newest_old.to_be_bytes()[..] {
                break;
            }
            writes.push(cell::write(Table::History, key, None));
        }
        if !writes.is_empty() {
            put_head(&mut writes, &self.head);
            self.tables.0.write(writes)?;
        }
        Ok(())
    }

    fn apply_waiting(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let nodes = self.nodes_of(&waiting)?;
        Application::new(self.tables, &Cache::new(0), self.past, self.crew).run(&waiting, &nodes)?;
        match &mut self.trie {
            Some(trie) => Ok(trie.trim()?),
            None => Ok(()),
        }
    }

    /// The nodes that blocks change, where they are kept: from the trie, which the blocks move on.
    fn nodes_of(&mut self, layers: &[Arc<Layer>]) -> Result<NodeBatch, StoreError> {
        let (Some(trie), Some(last)) = (&mut self.trie, layers.last()) else { return Ok(NodeBatch::default()) };
        for layer in layers {
            trie.apply_hashed(&HashedDiff::of_diff(&layer.block.diff, self.crew))?;
        }
        match trie.root()? {
            found if found == last.head.root => Ok(trie.take_batch()?),
            found => Err(Corruption::Root { height: last.head.height, found, expected: last.head.root }.into()),
        }
    }
}

/// What is wrong with a block as the next one, if anything.
pub(crate) fn not_next(head: &Head, height: u64, hash: B256, parent: B256, genesis: B256) -> Option<&'static str> {
    if head.seq == 0 {
        return (hash != genesis).then_some("the first block is not the genesis block");
    }
    if height != head.height.wrapping_add(1) {
        return Some("the height does not follow");
    }
    (parent != head.hash).then_some("the parent is another block")
}

fn chain(head: &Head, what: &'static str) -> StoreError {
    Corruption::Chain { seq: head.seq, height: head.height, what }.into()
}

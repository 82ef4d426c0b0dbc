//! Back to an earlier block, and from there on to others: one record with those of the blocks behind it, all or nothing.

use super::block::CommittedBlock;
use super::core::locked;
use super::error::StoreError;
use super::layer::LayerList;
use super::nodes::put_nodes;
use super::options::TrieMode;
use super::record::{Head, Kind, Record};
use super::rollback;
use super::tables::put_head;
use super::writer::{Store, add_ancestors, layers_of};
use crate::trie::NodeBatch;
use motet_types::BlockHashes;
use std::sync::Arc;

impl Store {
    /// Goes back to an earlier block, and forgets those behind it. Views of other states than the new head's expire.
    ///
    /// A store that keeps nodes has to be given those that lead back: of a trie to which what the blocks overwrote was applied,
    /// from the head down; see [`Store::reverse`].
    ///
    /// # Errors
    /// When the history does not reach so far, or disk or tables fail. Unless the store then asks to be opened again, it
    /// stands where it stood.
    pub fn rollback(&self, to: u64, nodes: Option<&NodeBatch>) -> Result<Head, StoreError> {
        self.change_head(to, nodes, Vec::new())
    }

    /// Goes back to an earlier block and commits other blocks on it, with one sync. After a crash at any moment the store has
    /// either the chain before, whole, or the one after.
    ///
    /// # Errors
    /// As [`Store::rollback`] and [`Store::commit`].
    pub fn change_head(
        &self,
        to: u64,
        nodes: Option<&NodeBatch>,
        mut blocks: Vec<CommittedBlock>,
    ) -> Result<Head, StoreError> {
        let mut writer = locked(&self.writer);
        writer.check()?;
        self.core.drain()?;
        let turn = self.core.hold();
        let from = self.core.layers.now().head;
        if to == from.height && from.seq > 0 {
            // Who waits for room moves blocks into the tables.
            drop(turn);
            if let (Some(first), Some(left)) = (blocks.first_mut(), nodes) {
                let mut all = left.clone();
                first.nodes.take().into_iter().for_each(|later| all.append(Arc::unwrap_or_clone(later)));
                first.nodes = Some(Arc::new(all));
            }
            return self.append_blocks(&mut writer, blocks);
        }
        if from.seq == 0 || to > from.height {
            return Err(self.no_history(to)?);
        }
        let (base, mut writes) = rollback::writes_back(&self.core.tables, self.core.past, &from, to)?;
        self.check_nodes(nodes, &from, base.height, base.root)?;
        if let (TrieMode::Paged { .. }, Some(nodes)) = (self.options.trie, nodes) {
            put_nodes(&self.core.tables, &mut writes, nodes)?;
        }
        let (head, of_blocks) = self.records_of(base, &mut blocks)?;
        let back = Record { kind: Kind::Rollback, head: base, payload: rollback::encode(&writes, blocks.len()) };
        let mut records = vec![back];
        records.extend(of_blocks);
        writer.log.append(&records)?;
        let of_blocks = records.get(1..).unwrap_or_default();
        let layers = layers_of(blocks, of_blocks);

        put_head(&mut writes, &base);
        let mut ancestors = BlockHashes::clone(&self.core.layers.now().ancestors);
        ancestors.retain(|height, _| *height <= to);
        add_ancestors(&mut ancestors, of_blocks);
        // A view that reads from here on what the tables have finds out that it may not.
        self.core.layers.change(|list| list.is_going_back = true);
        self.core.cache.move_epoch();
        if let Err(error) = self.core.tables.0.write(writes).and_then(|()| self.core.tables.0.flush()) {
            // The rollback is in the log and will be done; only not by this process.
            writer.broken = Some(error.to_string());
            return Err(StoreError::MustReopen { reason: error.to_string() });
        }
        self.core.layers.change(|list| {
            let ancestors = Arc::new(ancestors);
            *list = LayerList { base, layers, applied: base.seq, head, is_going_back: false, ancestors };
        });
        self.core.cache.move_epoch();
        self.core.cache.clear();
        self.core.set_flushed(base.seq);
        drop(turn);
        self.core.announce();
        Ok(head)
    }
}

//! Nodes out of memory that the store has.
//!
//! Nodes of which the store has the current state can be fetched again. When there are more bytes of nodes than are
//! allowed, those that nobody came by since the last time go; if what is left is more than half of what is allowed, the
//! deepest levels go, down to that half (of the last level that fits in part, some subtries keep it): so a sweep, which
//! copies what stays, happens only after as much again was fetched.

use super::branch::bits;
use super::crew::Crew;
use super::error::TrieError;
use super::heap::{CLOSED_BRANCH, Heap, HeapFull, NIL, NodeId};
use super::node::{Child, Kind, LARGE_STORAGE, Standing, is_closed};
use super::split::{SUBTRIES, SplitTrie};
use super::subtrie::Subtrie;

/// Levels below a subtrie's root that are told apart: a key's in the account trie and one's in storage.
const LEVELS: usize = 130;

/// What stays in memory.
#[derive(Clone, Copy)]
struct Keep {
    visited_only: bool,
    /// Levels of each subtrie.
    levels: usize,
    /// How many subtries have one level more.
    deeper: usize,
}

impl Keep {
    fn levels_of(self, subtrie: usize) -> usize {
        self.levels.saturating_add(usize::from(subtrie < self.deeper))
    }
}

impl Heap {
    /// Copies a child with all below it from another heap, as far as `keep` says so of a node at a level below the
    /// first. Dirty nodes are always copied.
    pub(super) fn graft(
        &mut self,
        from: &Heap,
        child: Child,
        keep: &mut impl FnMut(NodeId, usize) -> bool,
    ) -> Result<Child, HeapFull> {
        self.graft_level(from, child, 0, keep)
    }

    fn graft_level(
        &mut self,
        from: &Heap,
        child: Child,
        level: usize,
        keep: &mut impl FnMut(NodeId, usize) -> bool,
    ) -> Result<Child, HeapFull> {
        if child.is_closed() {
            return Ok(child);
        }
        if !keep(child.node, level) && child.standing != Standing::Dirty {
            let node = if from.kind(child.node) == Kind::Branch { CLOSED_BRANCH } else { NIL };
            return Ok(Child { node, ..child });
        }
        let id = self.store(from.node(child.node))?;
        match self.kind(id) {
            Kind::Leaf => {}
            Kind::Account => {
                if from.small_storage_node(child.node).is_some() {
                    let storage = self.graft_level(from, from.account_storage(child.node), level + 1, keep)?;
                    self.set_account_storage(id, storage);
                }
            }
            Kind::Extension => {
                let below = self.graft_level(from, from.extension_child(child.node), level + 1, keep)?;
                self.set_extension_child(id, below);
            }
            Kind::Branch => {
                for nibble in bits(from.branch_mask(child.node)) {
                    if let Some(below) = from.branch_child(child.node, nibble) {
                        let below = self.graft_level(from, below, level + 1, keep)?;
                        self.set_branch_child(id, nibble, below);
                    }
                }
            }
        }
        Ok(Child { node: id, ..child })
    }
}

impl SplitTrie {
    /// Lets nodes go until at most `bytes_max` are left. The store has all changes.
    pub(super) fn evict(&mut self, bytes_max: usize, crew: &Crew) -> Result<(), TrieError> {
        if self.store.is_none() || self.node_bytes() <= bytes_max {
            return Ok(());
        }
        self.sweep(Keep { visited_only: true, levels: usize::MAX, deeper: 0 }, crew)?;
        if self.node_bytes() > bytes_max / 2 {
            let mut bytes_by_level = [0; LEVELS];
            self.count_bytes(0, &mut bytes_by_level);
            let mut left = bytes_max / 2;
            let mut keep = Keep { visited_only: false, levels: 0, deeper: 0 };
            for bytes in bytes_by_level {
                if bytes > left {
                    keep.deeper = left * SUBTRIES / bytes;
                    break;
                }
                keep.levels += 1;
                left -= bytes;
            }
            self.sweep(keep, crew)?;
            if self.node_bytes() > bytes_max {
                // The subtries that were to be deeper are the larger ones.
                self.sweep(Keep { deeper: 0, ..keep }, crew)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self, keep: Keep, crew: &Crew) -> Result<(), TrieError> {
        let subtries = self.subtries.iter_mut().enumerate().collect();
        crew.each(usize::MAX, subtries, |(number, subtrie): (usize, &mut Subtrie)| subtrie.sweep(number, keep, crew))
    }

    fn count_bytes(&self, level: usize, bytes_by_level: &mut [usize; LEVELS]) {
        for subtrie in &self.subtries {
            if let Some(root) = subtrie.root {
                subtrie.count_bytes(root.node, level, bytes_by_level);
            }
        }
    }
}

impl Subtrie {
    fn sweep(&mut self, number: usize, keep: Keep, crew: &Crew) -> Result<(), TrieError> {
        let levels = keep.levels_of(number);
        let mut levels_of_large = vec![None; self.large.len()];
        let from = &self.heap;
        let mut stays = |id: NodeId, level: usize| {
            let stays = level < levels && (!keep.visited_only || from.was_visited(id));
            if stays && from.kind(id) == Kind::Account && from.flags(id) & LARGE_STORAGE != 0 {
                let number = from.account_storage(id).node as usize;
                if let Some(place) = number.checked_sub(1).and_then(|at| levels_of_large.get_mut(at)) {
                    *place = Some(level);
                }
            }
            stays
        };
        let mut to = Heap::default();
        self.root = match self.root {
            Some(root) => Some(to.graft(from, root, &mut stays)?),
            None => None,
        };
        self.heap = to;
        if let Some(root) = self.root {
            self.forget_visits(root.node);
        }
        for (large, level) in self.large.iter_mut().zip(levels_of_large) {
            match (large.as_mut(), level) {
                (Some(trie), Some(level)) => {
                    trie.sweep(Keep { levels: keep.levels.saturating_sub(level + 1), ..keep }, crew)?;
                }
                _ => *large = None,
            }
        }
        Ok(())
    }

    fn forget_visits(&mut self, id: NodeId) {
        if is_closed(id) {
            return;
        }
        self.heap.forget_visit(id);
        match self.heap.kind(id) {
            Kind::Leaf => {}
            Kind::Account => self.forget_visits(self.heap.small_storage_node(id).unwrap_or(NIL)),
            Kind::Extension => self.forget_visits(self.heap.extension_child(id).node),
            Kind::Branch => {
                for nibble in bits(self.heap.branch_mask(id)) {
                    self.forget_visits(self.heap.branch_node(id, nibble).unwrap_or(NIL));
                }
            }
        }
    }

    fn count_bytes(&self, id: NodeId, level: usize, bytes_by_level: &mut [usize; LEVELS]) {
        if is_closed(id) {
            return;
        }
        bytes_by_level[level.min(LEVELS - 1)] += self.heap.node(id).len();
        match self.heap.kind(id) {
            Kind::Leaf => {}
            Kind::Account => {
                if let Some(root) = self.heap.small_storage_node(id) {
                    self.count_bytes(root, level + 1, bytes_by_level);
                } else if self.heap.flags(id) & LARGE_STORAGE != 0
                    && let Some(large) = self.large(self.heap.account_storage(id).node)
                {
                    large.count_bytes(level + 1, bytes_by_level);
                }
            }
            Kind::Extension => self.count_bytes(self.heap.extension_child(id).node, level + 1, bytes_by_level),
            Kind::Branch => {
                for nibble in bits(self.heap.branch_mask(id)) {
                    self.count_bytes(self.heap.branch_node(id, nibble).unwrap_or(NIL), level + 1, bytes_by_level);
                }
            }
        }
    }
}

//! Finding, setting and removing leaves in one heap.
//!
//! ```text
//! set     leaf -> branch of two, behind an extension where they share more; extension -> cut in two
//! remove  branch of two -> the other child, whatever it is: a leaf or extension moves up as it is,
//!         a branch gets an extension in front; an extension whose branch went goes with it
//! ```
//!
//! A child that is not in memory is fetched on the way. On the way of a removal this may be a sibling: only the node
//! itself says whether it moves up or gets an extension.

use super::account::{AccountNode, TrieAccount};
use super::branch::bits;
use super::decode::{DecodedNode, decode_node, inline_rlp};
use super::error::{NodeFault, TrieError, TrieId};
use super::heap::{BLOCK_BYTES_MAX, CLOSED_BRANCH, Heap, NIL, NodeId};
use super::node::{AFTER_KEY, Child, Kind, Standing, is_closed};
use super::node_store::{NodeBatch, NodeStore, fetch};
use super::path::{KEY_NIBBLES, NodePath, nibble, shared_nibbles};
use alloy_primitives::B256;

/// Bytes of the longest value of a leaf.
pub(super) const VALUE_BYTES_MAX: usize = BLOCK_BYTES_MAX - AFTER_KEY;

/// A trie, or the part of one below some depth, under change.
pub(super) struct Tree<'a> {
    pub(super) heap: &'a mut Heap,
    pub(super) trie: TrieId,
    /// Gives the nodes that are not in memory.
    pub(super) store: Option<&'a dyn NodeStore>,
    /// Where removed nodes are noted, if the nodes are kept in a store.
    pub(super) journal: Option<&'a mut NodeBatch>,
}

/// What became of a node below which a leaf was removed.
enum Removal {
    /// The leaf was not there.
    Absent,
    /// It was the node itself.
    Gone,
    /// This is in the node's place.
    Left(NodeId),
}

/// A leaf to be put in the trie.
#[derive(Clone, Copy)]
pub(super) struct NewLeaf<'a> {
    /// The bytes of its node.
    pub(super) node: &'a [u8],
    /// Whether the storage of the account that was there stays. `node` has none then.
    pub(super) keeps_storage: bool,
}

impl<'a> NewLeaf<'a> {
    pub(super) fn of_node(node: &'a [u8]) -> Self {
        Self { node, keeps_storage: false }
    }
}

/// The bytes of a leaf's node.
pub(super) fn leaf_node(key: &B256, value: &[u8], node: &mut Vec<u8>) -> Result<(), TrieError> {
    if value.len() > VALUE_BYTES_MAX {
        let value_bytes_max = VALUE_BYTES_MAX;
        return Err(TrieError::ValueTooLong { key: *key, value_bytes: value.len(), value_bytes_max });
    }
    node.clear();
    node.extend_from_slice(&[Kind::Leaf as u8, 0]);
    node.extend_from_slice(&(value.len() as u16).to_le_bytes());
    node.extend_from_slice(key.as_slice());
    node.extend_from_slice(value);
    Ok(())
}

impl Tree<'_> {
    /// The leaf of `key` in the part of the trie that `root` at `depth` leads to.
    pub(super) fn find(
        &mut self,
        root: &mut Option<Child>,
        mut depth: usize,
        key: &B256,
    ) -> Result<Option<NodeId>, TrieError> {
        let Some(child) = root else { return Ok(None) };
        child.node = self.enter(*child, key, depth)?;
        let mut id = child.node;
        loop {
            match self.heap.kind(id) {
                Kind::Leaf | Kind::Account => return Ok((self.heap.leaf_key(id) == key.as_slice()).then_some(id)),
                Kind::Extension => {
                    let (path, end) = self.heap.extension_path(id);
                    if shared_nibbles(path, key.as_slice()) < end {
                        return Ok(None);
                    }
                    id = self.enter_extension(id, key)?;
                    depth = end;
                }
                Kind::Branch => match self.enter_branch(id, key, depth)? {
                    Some(child) => (id, depth) = (child, depth + 1),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Puts a leaf in the place of the one with the same key if there is one. Says whether anything changed.
    pub(super) fn set(
        &mut self,
        root: &mut Option<Child>,
        depth: usize,
        key: &B256,
        leaf: NewLeaf<'_>,
    ) -> Result<bool, TrieError> {
        let changed = match root {
            Some(child) => {
                child.node = self.enter(*child, key, depth)?;
                self.set_below(child.node, depth, key, leaf)?
            }
            None => Some(self.heap.store(leaf.node)?),
        };
        if let Some(id) = changed {
            *root = Some(Child::dirty(id));
        }
        Ok(changed.is_some())
    }

    /// Removes the leaf of `key`. Says whether it was there.
    pub(super) fn remove(&mut self, root: &mut Option<Child>, depth: usize, key: &B256) -> Result<bool, TrieError> {
        let Some(child) = root else { return Ok(false) };
        child.node = self.enter(*child, key, depth)?;
        match self.remove_below(child.node, depth, key)? {
            Removal::Absent => return Ok(false),
            Removal::Gone => *root = None,
            Removal::Left(id) => *root = Some(Child::dirty(id)),
        }
        Ok(true)
    }

    /// Frees every node in memory below `id` and itself, without a note in the journal; storage below accounts is not
    /// touched.
    pub(super) fn free_below(&mut self, id: NodeId) {
        if is_closed(id) {
            return;
        }
        match self.heap.kind(id) {
            Kind::Leaf | Kind::Account => {}
            Kind::Extension => self.free_below(self.heap.extension_child(id).node),
            Kind::Branch => {
                for nibble in bits(self.heap.branch_mask(id)) {
                    self.free_below(self.heap.branch_node(id, nibble).unwrap_or(NIL));
                }
            }
        }
        self.heap.free_node(id);
    }

    /// The new number of the node; `None` when the same leaf was there already.
    fn set_below(
        &mut self,
        id: NodeId,
        depth: usize,
        key: &B256,
        leaf: NewLeaf<'_>,
    ) -> Result<Option<NodeId>, TrieError> {
        match self.heap.kind(id) {
            Kind::Leaf | Kind::Account => {
                let shared = shared_nibbles(self.heap.leaf_key(id), key.as_slice());
                if shared < KEY_NIBBLES {
                    let other = (nibble(self.heap.leaf_key(id), shared), Child::dirty(id));
                    return self.fork(depth, shared, key, other, leaf).map(Some);
                }
                self.heap.forget_visit(id);
                let kept = if leaf.keeps_storage { self.heap.with_storage_of(id, leaf.node) } else { None };
                let node = kept.as_ref().map_or(leaf.node, AsRef::as_ref);
                if self.heap.node(id) == node {
                    return Ok(None);
                }
                Ok(Some(self.heap.replace_node(id, node)?))
            }
            Kind::Extension => {
                let (path, end) = self.heap.extension_path(id);
                let shared = shared_nibbles(path, key.as_slice());
                if shared >= end {
                    let child = self.enter_extension(id, key)?;
                    let Some(child) = self.set_below(child, end, key, leaf)? else { return Ok(None) };
                    self.heap.set_extension_child(id, Child::dirty(child));
                    return Ok(Some(id));
                }
                let branch_nibble = nibble(path, shared);
                let other = if shared + 1 == end {
                    let child = self.heap.extension_child(id);
                    self.heap.free_node(id);
                    child
                } else {
                    Child::dirty(id)
                };
                self.fork(depth, shared, key, (branch_nibble, other), leaf).map(Some)
            }
            Kind::Branch => match self.enter_branch(id, key, depth)? {
                Some(child) => {
                    let Some(child) = self.set_below(child, depth + 1, key, leaf)? else { return Ok(None) };
                    self.heap.renumber_branch_child(id, nibble(key.as_slice(), depth), child);
                    Ok(Some(id))
                }
                None => {
                    let child = Child::dirty(self.heap.store(leaf.node)?);
                    Ok(Some(self.heap.add_branch_child(id, nibble(key.as_slice(), depth), child)?))
                }
            },
        }
    }

    /// A branch at `shared` of a new leaf and what was there, behind an extension from `depth` if that is above.
    fn fork(
        &mut self,
        depth: usize,
        shared: usize,
        key: &B256,
        other: (u8, Child),
        leaf: NewLeaf<'_>,
    ) -> Result<NodeId, TrieError> {
        let new = (nibble(key.as_slice(), shared), Child::dirty(self.heap.store(leaf.node)?));
        let children = if new.0 < other.0 { [new, other] } else { [other, new] };
        let branch = self.heap.new_branch(&children)?;
        if shared == depth {
            return Ok(branch);
        }
        Ok(self.heap.new_extension(key.as_slice(), shared, Child::dirty(branch))?)
    }

    fn remove_below(&mut self, id: NodeId, depth: usize, key: &B256) -> Result<Removal, TrieError> {
        match self.heap.kind(id) {
            Kind::Leaf | Kind::Account => {
                if self.heap.leaf_key(id) != key.as_slice() {
                    return Ok(Removal::Absent);
                }
                self.heap.free_node(id);
                self.note_removed(NodePath::of_key(key, depth));
                Ok(Removal::Gone)
            }
            Kind::Extension => {
                let (path, end) = self.heap.extension_path(id);
                if shared_nibbles(path, key.as_slice()) < end {
                    return Ok(Removal::Absent);
                }
                let child = self.enter_extension(id, key)?;
                match self.remove_below(child, end, key)? {
                    Removal::Left(child) if self.heap.kind(child) == Kind::Branch => {
                        self.heap.set_extension_child(id, Child::dirty(child));
                        Ok(Removal::Left(id))
                    }
                    Removal::Left(child) => {
                        self.heap.free_node(id);
                        self.note_removed(NodePath::of_key(key, end));
                        Ok(Removal::Left(child))
                    }
                    other => Ok(other),
                }
            }
            Kind::Branch => {
                let Some(child) = self.enter_branch(id, key, depth)? else { return Ok(Removal::Absent) };
                let at = nibble(key.as_slice(), depth);
                match self.remove_below(child, depth + 1, key)? {
                    Removal::Absent => Ok(Removal::Absent),
                    Removal::Left(child) => {
                        self.heap.renumber_branch_child(id, at, child);
                        Ok(Removal::Left(id))
                    }
                    Removal::Gone => {
                        let id = self.heap.remove_branch_child(id, at)?;
                        self.collapse(id, depth, key).map(Removal::Left)
                    }
                }
            }
        }
    }

    /// What is in the place of a branch on the way of `key`: the branch, unless it has one child only.
    fn collapse(&mut self, id: NodeId, depth: usize, key: &B256) -> Result<NodeId, TrieError> {
        let mask = self.heap.branch_mask(id);
        if mask.count_ones() != 1 {
            return Ok(id);
        }
        let at = mask.trailing_zeros() as u8;
        let Some(mut child) = self.heap.branch_child(id, at) else { return Ok(id) };
        let path = NodePath::of_key(key, depth).child(at);
        if child.node == NIL {
            child.node = self.open(&child, &path)?;
        }
        let left = if child.is_closed() || self.heap.kind(child.node) == Kind::Branch {
            self.heap.new_extension(path.packed().as_slice(), path.len(), child)?
        } else {
            self.note_removed(path);
            child.node
        };
        self.heap.free_node(id);
        Ok(left)
    }

    fn note_removed(&mut self, path: NodePath) {
        if let Some(journal) = &mut self.journal {
            journal.remove(self.trie, path);
        }
    }

    /// The number of a node on the way of `key`, fetched if it is not in memory.
    pub(super) fn enter(&mut self, child: Child, key: &B256, depth: usize) -> Result<NodeId, TrieError> {
        let id = match child.is_closed() {
            true => self.open(&child, &NodePath::of_key(key, depth))?,
            false => child.node,
        };
        if self.store.is_some() {
            self.heap.visit(id);
        }
        Ok(id)
    }

    pub(super) fn enter_branch(&mut self, id: NodeId, key: &B256, depth: usize) -> Result<Option<NodeId>, TrieError> {
        let at = nibble(key.as_slice(), depth);
        match self.heap.branch_node(id, at) {
            Some(node) if !is_closed(node) && self.store.is_none() => Ok(Some(node)),
            Some(_) => {
                let Some(child) = self.heap.branch_child(id, at) else { return Ok(None) };
                let node = self.enter(child, key, depth + 1)?;
                self.heap.set_branch_child(id, at, Child { node, ..child });
                Ok(Some(node))
            }
            None => Ok(None),
        }
    }

    /// The branch that an extension on the way of `key` leads to.
    pub(super) fn enter_extension(&mut self, id: NodeId, key: &B256) -> Result<NodeId, TrieError> {
        let child = self.heap.extension_child(id);
        let (_, end) = self.heap.extension_path(id);
        let node = self.enter(child, key, end)?;
        self.heap.set_extension_child(id, Child { node, ..child });
        Ok(node)
    }

    /// Fetches a node that is not in memory.
    pub(super) fn open(&mut self, child: &Child, path: &NodePath) -> Result<NodeId, TrieError> {
        let id = match child.standing {
            Standing::Inline => self.load(path, inline_rlp(&child.reference))?,
            Standing::Hash | Standing::Dirty => {
                let rlp = fetch(self.store, self.trie, path, &child.reference)?;
                self.load(path, &rlp)?
            }
        };
        if child.node == CLOSED_BRANCH && self.heap.kind(id) != Kind::Branch {
            self.heap.free_node(id);
            return Err(TrieError::malformed(self.trie, *path, NodeFault::ExtensionChild));
        }
        Ok(id)
    }

    /// Puts a node in the heap from its RLP.
    fn load(&mut self, path: &NodePath, rlp: &[u8]) -> Result<NodeId, TrieError> {
        let trie = self.trie;
        let malformed = |fault| TrieError::malformed(trie, *path, fault);
        let id = match decode_node(path, rlp).map_err(malformed)? {
            DecodedNode::Leaf { key, value } => self.load_leaf(&key, value, malformed)?,
            DecodedNode::Extension { path, child } => {
                self.heap.new_extension(path.packed().as_slice(), path.len(), child)?
            }
            DecodedNode::Branch { children } => {
                let mut present = [(0, Child::dirty(NIL)); 16];
                let mut count = 0;
                for (nibble, child) in (0..).zip(*children) {
                    if let Some(child) = child {
                        present[count] = (nibble, child);
                        count += 1;
                    }
                }
                self.heap.new_branch(&present[..count])?
            }
        };
        Ok(id)
    }

    pub(super) fn load_leaf(
        &mut self,
        key: &B256,
        value: &[u8],
        malformed: impl FnOnce(NodeFault) -> TrieError,
    ) -> Result<NodeId, TrieError> {
        match self.trie {
            TrieId::Accounts => match alloy_rlp::decode_exact::<TrieAccount>(value) {
                Ok(account) => Ok(self.heap.store(AccountNode::closed(&account).to_node(key).as_ref())?),
                Err(error) => Err(malformed(error.into())),
            },
            TrieId::Storage(_) => {
                let mut node = Vec::with_capacity(AFTER_KEY + value.len());
                leaf_node(key, value, &mut node)?;
                Ok(self.heap.store(&node)?)
            }
        }
    }
}

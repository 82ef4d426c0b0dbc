//! Every leaf of a trie, in the order of the keys, without keeping in memory what is fetched on the way.

use super::account::{EMPTY_ROOT, TrieAccount};
use super::branch::bits;
use super::decode::{DecodedNode, decode_node, inline_rlp};
use super::error::{NodeFault, TrieError, TrieId};
use super::heap::{CLOSED_BRANCH, Heap, NIL};
use super::node::{Child, Kind, Standing};
use super::node_store::{NodeStore, fetch};
use super::path::{KEY_NIBBLES, NodePath};
use super::split::{SUBTRIES, SplitTrie};
use super::top::WIDTH;
use super::undo::slot_value;
use alloy_primitives::{B256, U256};

/// The leaves of tries of which nothing is in memory, each with the hashes of all nodes above it checked.
#[derive(Debug)]
pub(crate) struct StoredLeaves<'a> {
    store: &'a dyn NodeStore,
    /// Has no nodes.
    heap: Heap,
}

impl<'a> StoredLeaves<'a> {
    pub(crate) fn new(store: &'a dyn NodeStore) -> Self {
        Self { store, heap: Heap::default() }
    }

    /// Shows every account of the state with a root, in the order of the hashed addresses.
    pub(crate) fn accounts<E: From<TrieError>>(
        &self,
        root: B256,
        on_account: &mut impl FnMut(B256, TrieAccount) -> Result<(), E>,
    ) -> Result<(), E> {
        let trie = TrieId::Accounts;
        self.each_leaf(trie, root, &mut |key, value| match alloy_rlp::decode_exact(value) {
            Ok(account) => on_account(key, account),
            Err(error) => {
                Err(TrieError::malformed(trie, NodePath::of_key(&key, KEY_NIBBLES), NodeFault::Rlp(error)).into())
            }
        })
    }

    /// Shows every slot of the storage with a root, in the order of the hashed slots.
    pub(crate) fn slots<E: From<TrieError>>(
        &self,
        account: B256,
        root: B256,
        on_slot: &mut impl FnMut(B256, U256) -> Result<(), E>,
    ) -> Result<(), E> {
        let trie = TrieId::Storage(account);
        self.each_leaf(trie, root, &mut |key, value| on_slot(key, slot_value(trie, &key, value)?))
    }

    fn each_leaf<E: From<TrieError>>(
        &self,
        trie: TrieId,
        root: B256,
        on_leaf: &mut impl FnMut(B256, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if root == EMPTY_ROOT {
            return Ok(());
        }
        let walk = Walk { heap: &self.heap, trie, store: Some(self.store) };
        walk.each_leaf(Child::closed(root), &NodePath::ROOT, on_leaf)
    }
}

/// A trie, or a part of one, whose leaves are looked at.
pub(super) struct Walk<'a> {
    /// Has the nodes that are in memory; of an account trie with all references computed.
    pub(super) heap: &'a Heap,
    pub(super) trie: TrieId,
    pub(super) store: Option<&'a dyn NodeStore>,
}

impl Walk<'_> {
    /// Shows key and value of every leaf below `child` at `path`.
    pub(super) fn each_leaf<E: From<TrieError>>(
        &self,
        child: Child,
        path: &NodePath,
        on_leaf: &mut impl FnMut(B256, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if child.is_closed() {
            return self.each_stored_leaf(child, path, on_leaf);
        }
        let (heap, id) = (self.heap, child.node);
        match heap.kind(id) {
            Kind::Leaf => on_leaf(heap.leaf_key_hash(id), heap.leaf_value(id)),
            Kind::Account => {
                let mut value = Vec::new();
                heap.push_account_value(id, &mut value);
                on_leaf(heap.leaf_key_hash(id), &value)
            }
            Kind::Extension => {
                let (packed, end) = heap.extension_path(id);
                let mut key = B256::ZERO;
                key[..packed.len()].copy_from_slice(packed);
                self.each_leaf(heap.extension_child(id), &NodePath::of_key(&key, end), on_leaf)
            }
            Kind::Branch => {
                for nibble in bits(heap.branch_mask(id)) {
                    let below = heap.branch_child(id, nibble).unwrap_or(Child::dirty(NIL));
                    self.each_leaf(below, &path.child(nibble), on_leaf)?;
                }
                Ok(())
            }
        }
    }

    /// As [`Walk::each_leaf`], for a child that is not in memory.
    fn each_stored_leaf<E: From<TrieError>>(
        &self,
        child: Child,
        path: &NodePath,
        on_leaf: &mut impl FnMut(B256, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let fetched;
        let rlp = match child.standing {
            Standing::Inline => inline_rlp(&child.reference),
            Standing::Hash | Standing::Dirty => {
                fetched = fetch(self.store, self.trie, path, &child.reference)?;
                &fetched[..]
            }
        };
        let malformed = |fault| TrieError::malformed(self.trie, *path, fault);
        match decode_node(path, rlp).map_err(malformed)? {
            DecodedNode::Branch { children } => {
                for (nibble, below) in (0..).zip(*children) {
                    if let Some(below) = below {
                        self.each_leaf(below, &path.child(nibble), on_leaf)?;
                    }
                }
                Ok(())
            }
            _ if child.node == CLOSED_BRANCH => Err(malformed(NodeFault::ExtensionChild).into()),
            DecodedNode::Leaf { key, value } => on_leaf(key, value),
            DecodedNode::Extension { path, child } => self.each_leaf(child, &path, on_leaf),
        }
    }
}

impl SplitTrie {
    /// Shows key and value of every leaf.
    pub(super) fn each_leaf<E: From<TrieError>>(
        &mut self,
        on_leaf: &mut impl FnMut(B256, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for nibble in 0..WIDTH as u8 {
            self.open_group(nibble)?;
        }
        for number in 0..SUBTRIES {
            let subtrie = &self.subtries[number];
            let path = NodePath::ROOT.child((number >> 4) as u8).child((number & 0x0f) as u8);
            if let Some(root) = subtrie.root {
                Walk { heap: &subtrie.heap, trie: self.trie, store: self.store.as_deref() }
                    .each_leaf(root, &path, on_leaf)?;
            }
        }
        Ok(())
    }
}

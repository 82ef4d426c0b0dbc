//! Nodes of the tries as rows of a table, and the store of a trie that is on disk.
//!
//! A key is the trie, then the path: so the nodes of one trie are a range, which a wipe deletes. The nodes of a block wait in its
//! layer until the tables have them, and go into the tables in the same batch as its flat state.

use super::cell;
use super::engine::{Table, Write};
use super::error::StoreError;
use super::layer::Layers;
use super::tables::{Tables, malformed};
use crate::trie::{EMPTY_ROOT, NodeBatch, NodePath, NodeStore, NodeStoreError, TrieId};
use alloy_primitives::{B256, Bytes, keccak256};
use std::sync::Arc;

/// First byte of the keys of the account trie.
const ACCOUNTS: u8 = 0;
/// First byte of the keys of storage tries; the account's hashed address follows.
const STORAGE: u8 = 1;
/// Nibbles of the longest path.
const NIBBLES_MAX: usize = 64;

/// Gives the nodes of the state at the head: those that wait in layers, then those in the tables.
#[derive(Debug)]
pub(crate) struct StoredNodes {
    tables: Tables,
    /// `None` while the store is being opened: nothing waits then.
    layers: Option<Arc<Layers>>,
}

impl StoredNodes {
    pub(crate) fn new(tables: &Tables, layers: Option<&Arc<Layers>>) -> Self {
        Self { tables: tables.clone(), layers: layers.map(Arc::clone) }
    }
}

impl NodeStore for StoredNodes {
    fn node(&self, trie: TrieId, path: &NodePath, _: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        // What the tables take after the list was looked at is found in them.
        if let Some(layers) = &self.layers
            && let Some(found) = layers.now().waiting().iter().rev().find_map(|layer| layer.node(trie, path))
        {
            return Ok(found);
        }
        let stored = self.tables.get(Table::Nodes, &node_key(trie, path));
        Ok(stored.map_err(|error| NodeStoreError(Box::new(error)))?.map(Bytes::from))
    }
}

/// What all keys of a trie start with.
fn trie_prefix(trie: TrieId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 32 + 33);
    match trie {
        TrieId::Accounts => key.push(ACCOUNTS),
        TrieId::Storage(account) => {
            key.push(STORAGE);
            key.extend_from_slice(account.as_slice());
        }
    }
    key
}

fn node_key(trie: TrieId, path: &NodePath) -> Vec<u8> {
    let mut key = trie_prefix(trie);
    key.extend_from_slice(&path.packed()[..path.len().div_ceil(2)]);
    key.push(path.len() as u8);
    key
}

/// The reverse of [`node_key`].
pub(crate) fn place_of(key: &[u8]) -> Option<(TrieId, NodePath)> {
    let (trie, rest) = match key.split_first()? {
        (&ACCOUNTS, rest) => (TrieId::Accounts, rest),
        (&STORAGE, rest) => {
            let (account, rest) = rest.split_first_chunk::<32>()?;
            (TrieId::Storage(account.into()), rest)
        }
        _ => return None,
    };
    let (len, packed) = rest.split_last()?;
    let len = usize::from(*len);
    if len > NIBBLES_MAX || packed.len() != len.div_ceil(2) {
        return None;
    }
    let mut nibbles = B256::ZERO;
    nibbles[..packed.len()].copy_from_slice(packed);
    let path = NodePath::of_key(&nibbles, len);
    (*path.packed() == nibbles).then_some((trie, path))
}

/// Appends the writes of a change of nodes, each key once. The tables are those that it changes.
///
/// # Errors
/// When the rows of a wiped trie cannot be read.
pub(crate) fn put_nodes(tables: &Tables, writes: &mut Vec<Write>, batch: &NodeBatch) -> Result<(), StoreError> {
    for trie in &batch.wiped {
        for row in tables.rows_with_prefix(Table::Nodes, trie_prefix(*trie)) {
            let (key, _) = row?;
            let place = place_of(&key).ok_or_else(|| malformed(Table::Nodes, &key))?;
            if !batch.nodes.contains_key(&place) {
                writes.push(cell::write(Table::Nodes, key, None));
            }
        }
    }
    writes.reserve(batch.nodes.len());
    for ((trie, path), rlp) in &batch.nodes {
        let payload = rlp.as_ref().map(|rlp| rlp.to_vec());
        writes.push(cell::write(Table::Nodes, node_key(*trie, path), payload));
    }
    Ok(())
}

/// Whether a change of nodes leads from one state root to another, as far as its root node says.
pub(crate) fn leads_to(batch: &NodeBatch, from: B256, to: B256) -> bool {
    match batch.nodes.get(&(TrieId::Accounts, NodePath::ROOT)) {
        Some(Some(rlp)) => keccak256(rlp) == to,
        Some(None) => to == EMPTY_ROOT,
        None => from == to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_of_one_place(hash: [u8; 32], account: Option<[u8; 32]>, len in 0usize..=64) {
            let trie = account.map_or(TrieId::Accounts, |account| TrieId::Storage(account.into()));
            let path = NodePath::of_key(&hash.into(), len);
            let key = node_key(trie, &path);
            prop_assert!(key.len() > 1, "a key is never the mark of the table");
            prop_assert!(key.starts_with(&trie_prefix(trie)));
            prop_assert_eq!(place_of(&key), Some((trie, path)));
        }

        #[test]
        fn any_bytes_are_a_key_or_none(key in prop::collection::vec(any::<u8>(), 0..70)) {
            if let Some((trie, path)) = place_of(&key) {
                prop_assert_eq!(node_key(trie, &path), key);
            }
        }
    }
}

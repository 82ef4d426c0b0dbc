//! Proofs that an account or a slot has a value, or is absent, in the shape of `eth_getProof` (EIP-1186).
//!
//! A proof is the RLP of the nodes from the root down on the way of the key, as far as they go; nodes shorter than a
//! hash are in their parent and not listed again.

use super::account::{EMPTY_ROOT, Storage, TrieAccount};
use super::crew::Crew;
use super::decode::{DecodedNode, decode_node, inline_rlp};
use super::edit::Tree;
use super::encode::push_node;
use super::error::{NodeFault, TrieError, TrieId};
use super::heap::NodeId;
use super::node::{Child, Kind, Standing};
use super::path::{NodePath, nibble, shared_nibbles};
use super::split::SplitTrie;
use super::state_trie::StateTrie;
use super::subtrie::SUBTRIE_DEPTH;
use super::top::Shape;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use std::slice;

/// The value of an account and of some of its slots, with proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// Whose.
    pub address: Address,
    /// The account; `None`: the proof shows that it does not exist.
    pub account: Option<TrieAccount>,
    /// Nodes from the state root down.
    pub proof: Vec<Bytes>,
    /// Slots, as they were asked for.
    pub storage: Vec<StorageProof>,
}

/// The value of a slot, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub slot: U256,
    /// Its value; zero: the proof shows that it is not stored.
    pub value: U256,
    /// Nodes from the account's storage root down.
    pub proof: Vec<Bytes>,
}

/// A proof that proves nothing, or something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof ends before the key does.
    #[error("the proof ends at path '{path}', where node {hash} is needed")]
    Ends {
        /// Where.
        path: NodePath,
        /// Hash of the next node.
        hash: B256,
    },
    /// A node is not the one that its parent refers to.
    #[error("the proof has node {found} at path '{path}' where {expected} belongs")]
    Mismatch {
        /// Where.
        path: NodePath,
        /// Hash in the parent.
        expected: B256,
        /// Hash of the node.
        found: B256,
    },
    /// A node with the right hash is no node of such a trie.
    #[error("the proof's node at path '{path}' is malformed: {fault}")]
    Malformed {
        /// Where.
        path: NodePath,
        /// What is wrong with it.
        fault: NodeFault,
    },
    /// More nodes than lie on the way of the key.
    #[error("{count} nodes of the proof are not on the way of the key")]
    Surplus {
        /// How many.
        count: usize,
    },
    /// The proof shows another account.
    #[error("the proof shows another account for {address}")]
    Account {
        /// Whose.
        address: Address,
    },
    /// The proof shows another value.
    #[error("the proof shows another value for slot {slot:#x} of {address}")]
    Slot {
        /// Of whom.
        address: Address,
        /// Which.
        slot: U256,
    },
}

/// What the trie with `root` has under `key`, as the proof shows: `None` where it shows that there is nothing.
///
/// # Errors
/// When the proof shows nothing.
pub fn verify_proof(root: B256, key: &B256, proof: &[Bytes]) -> Result<Option<Bytes>, ProofError> {
    let mut nodes = proof.iter();
    if root == EMPTY_ROOT {
        // Some list the RLP of nothing, of which this is the hash.
        return match proof {
            [] => Ok(None),
            [nothing] if nothing.as_ref() == [alloy_rlp::EMPTY_STRING_CODE] => Ok(None),
            _ => Err(ProofError::Surplus { count: proof.len() }),
        };
    }
    let value = follow(root, key, &mut nodes)?;
    match nodes.len() {
        0 => Ok(value),
        count => Err(ProofError::Surplus { count }),
    }
}

fn follow(root: B256, key: &B256, nodes: &mut slice::Iter<'_, Bytes>) -> Result<Option<Bytes>, ProofError> {
    let mut path = NodePath::ROOT;
    let mut child = Child::closed(root);
    let mut below_extension = false;
    loop {
        let rlp = match child.standing {
            Standing::Inline => inline_rlp(&child.reference),
            Standing::Hash | Standing::Dirty => next_node(nodes, path, child.reference)?,
        };
        let malformed = |fault| ProofError::Malformed { path, fault };
        match decode_node(&path, rlp).map_err(malformed)? {
            DecodedNode::Branch { children } => match children[usize::from(nibble(key.as_slice(), path.len()))] {
                Some(next) => child = next,
                None => return Ok(None),
            },
            _ if below_extension => return Err(malformed(NodeFault::ExtensionChild)),
            DecodedNode::Leaf { key: found, value } => {
                return Ok((found == *key).then(|| Bytes::copy_from_slice(value)));
            }
            DecodedNode::Extension { path: end, child: next } => {
                if shared_nibbles(end.packed().as_slice(), key.as_slice()) < end.len() {
                    return Ok(None);
                }
                (path, child, below_extension) = (end, next, true);
                continue;
            }
        }
        (path, below_extension) = (NodePath::of_key(key, path.len() + 1), false);
    }
}

fn next_node<'a>(nodes: &mut slice::Iter<'a, Bytes>, path: NodePath, hash: B256) -> Result<&'a [u8], ProofError> {
    let rlp = nodes.next().ok_or(ProofError::Ends { path, hash })?;
    match keccak256(rlp) {
        found if found == hash => Ok(rlp),
        found => Err(ProofError::Mismatch { path, expected: hash, found }),
    }
}

impl AccountProof {
    /// Checks every value against the state root.
    ///
    /// # Errors
    /// When a proof shows nothing, or something else.
    pub fn verify(&self, state_root: B256) -> Result<(), ProofError> {
        let address = self.address;
        let value = verify_proof(state_root, &keccak256(address), &self.proof)?;
        let account = self.account.map(|account| Bytes::from(alloy_rlp::encode(account)));
        if value != account {
            return Err(ProofError::Account { address });
        }
        let storage_root = self.account.map_or(EMPTY_ROOT, |account| account.storage_root);
        for StorageProof { slot, value, proof } in &self.storage {
            let shown = verify_proof(storage_root, &keccak256(slot.to_be_bytes::<32>()), proof)?;
            let expected = (!value.is_zero()).then(|| Bytes::from(alloy_rlp::encode(value)));
            if shown != expected {
                return Err(ProofError::Slot { address, slot: *slot });
            }
        }
        Ok(())
    }
}

impl StateTrie {
    /// An account and some of its slots, with proofs against the root as it is now.
    ///
    /// # Errors
    /// When a node cannot be fetched.
    pub fn prove(&mut self, address: Address, slots: &[U256]) -> Result<AccountProof, TrieError> {
        self.root()?;
        let key = keccak256(address);
        let account = self.account_hashed(&key)?;
        let proof = self.accounts.prove(&key, &self.crew)?;
        let mut storage = Vec::with_capacity(slots.len());
        for slot in slots {
            let slot_key = keccak256(slot.to_be_bytes::<32>());
            let value = self.slot_hashed(&key, &slot_key)?;
            let proof = self.prove_slot(&key, &slot_key)?;
            storage.push(StorageProof { slot: *slot, value, proof });
        }
        Ok(AccountProof { address, account, proof, storage })
    }

    /// Nodes from the storage root of an account down, on the way of a hashed slot.
    fn prove_slot(&mut self, account: &B256, key: &B256) -> Result<Vec<Bytes>, TrieError> {
        let store = self.accounts.store.clone();
        let mut proof = Vec::new();
        let Some((subtrie, leaf)) = self.accounts.find(account)? else { return Ok(proof) };
        match subtrie.heap.account(leaf).storage {
            Storage::Empty => {}
            Storage::Small(root) => {
                let (mut tree, _) = subtrie.tree(TrieId::Storage(*account), store.as_deref());
                let node = tree.enter(root, key, 0)?;
                tree.heap.set_account_storage(leaf, Child { node, ..root });
                tree.prove(node, 0, Standing::Hash, key, &mut proof)?;
            }
            Storage::Large(root) => {
                if let Some(large) = subtrie.large_mut(root.node) {
                    proof = large.prove(key, &self.crew)?;
                }
            }
        }
        Ok(proof)
    }
}

impl SplitTrie {
    /// The nodes from the root down on the way of `key`.
    pub(super) fn prove(&mut self, key: &B256, crew: &Crew) -> Result<Vec<Bytes>, TrieError> {
        self.open_group(key[0] >> 4)?;
        self.refresh(crew)?;
        let mut proof = Vec::new();
        let Some(depth) = self.prove_top(key, &mut proof) else { return Ok(proof) };
        let subtrie = &mut self.subtries[usize::from(key[0])];
        let (mut tree, root) = subtrie.tree(self.trie, self.store.as_deref());
        let Some(child) = root else { return Ok(proof) };
        child.node = tree.enter(*child, key, SUBTRIE_DEPTH)?;
        let (mut node, mut standing) = (child.node, Standing::Hash);
        if depth > SUBTRIE_DEPTH {
            // The subtrie's extension was proven as a part of one that begins above.
            standing = tree.heap.extension_child(node).standing;
            node = tree.enter_extension(node, key)?;
        }
        tree.prove(node, depth, standing, key, &mut proof)?;
        Ok(proof)
    }

    /// The nodes above the subtries; gives the depth at which the way of `key` goes on in its subtrie, if it does.
    fn prove_top(&self, key: &B256, proof: &mut Vec<Bytes>) -> Option<usize> {
        let mut depth = 0;
        while depth < SUBTRIE_DEPTH {
            let shape = if depth == 0 { self.top.shape() } else { self.top.group_shape(key[0] >> 4) };
            if *shape == Shape::Empty {
                return None;
            }
            let mut rlp = Vec::new();
            shape.push(depth, &mut rlp);
            proof.push(rlp.into());
            match shape {
                Shape::Empty | Shape::Leaf { .. } => return None,
                Shape::Extension { path, .. } => {
                    if shared_nibbles(path.packed().as_slice(), key.as_slice()) < path.len() {
                        return None;
                    }
                    depth = path.len();
                }
                Shape::Branch(children) => {
                    children[usize::from(nibble(key.as_slice(), depth))].as_ref()?;
                    depth += 1;
                }
            }
        }
        Some(depth)
    }
}

impl Tree<'_> {
    /// The nodes from `id` down on the way of `key`; its parent refers to it as `standing` says. No reference is dirty.
    fn prove(
        &mut self,
        mut id: NodeId,
        mut depth: usize,
        mut standing: Standing,
        key: &B256,
        proof: &mut Vec<Bytes>,
    ) -> Result<(), TrieError> {
        let mut scratch = Vec::new();
        loop {
            if standing != Standing::Inline {
                let mut rlp = Vec::new();
                push_node(self.heap, id, depth, &mut scratch, &mut rlp);
                proof.push(rlp.into());
            }
            match self.heap.kind(id) {
                Kind::Leaf | Kind::Account => return Ok(()),
                Kind::Extension => {
                    let (path, end) = self.heap.extension_path(id);
                    if shared_nibbles(path, key.as_slice()) < end {
                        return Ok(());
                    }
                    standing = self.heap.extension_child(id).standing;
                    (id, depth) = (self.enter_extension(id, key)?, end);
                }
                Kind::Branch => {
                    let at = nibble(key.as_slice(), depth);
                    let Some(child) = self.heap.branch_child(id, at) else { return Ok(()) };
                    let Some(node) = self.enter_branch(id, key, depth)? else { return Ok(()) };
                    (id, depth, standing) = (node, depth + 1, child.standing);
                }
            }
        }
    }
}

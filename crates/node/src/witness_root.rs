//! The state root after a block, from a witness that lacks nodes which the trie of `motet_state` insists on.
//!
//! ```text
//! pre-state root --open on the way of each key--> nodes of the witness
//!                --insert, update, then delete--> changed nodes --encode--> post-state root
//! ```
//!
//! Whatever no key leads through stays the hash that it is. All insertions come before all deletions:
//! otherwise a branch may collapse that does not in the end, and its last child, which the block never needs,
//! would seem to be missing. Where that child is needed and the witness lacks it all the same, it is taken for a branch,
//! which stays as it is; a root that is the header's proves this right. That is all this is for: whatever has all its
//! nodes goes through the one trie.

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::nodes::{BranchNode, ExtensionNode, LeafNode, RlpNode, TrieNode};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, TrieMask};
use motet_types::{AccountDiff, StateDiff, ViewError};
use motet_workload::block_file::WitnessState;

/// Nibbles of a key, keccak-256 of an address or slot.
const KEY_NIBBLES: usize = 64;
/// Children of a branch.
const BRANCH_CHILDREN: usize = 16;

/// A root that was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PostRoot {
    /// The root.
    pub(crate) root: B256,
    /// Nodes that the witness lacks, that are left alone in a branch by deletions, and that were taken for
    /// branches. A root that is the header's proves the assumption right.
    pub(crate) assumed_branches: u32,
}

/// The witness does not hold what the root is made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WitnessRootError {
    /// An account cannot be found.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A node on the way of a changed key is missing.
    #[error("the witness lacks trie node {hash}")]
    Absent {
        /// Hash of the node.
        hash: B256,
    },
    /// The bytes are no node.
    #[error("trie node {node} is malformed: {error}")]
    Rlp {
        /// The reference to the node: its hash, or the node itself where it is short.
        node: Bytes,
        /// What the decoder says.
        error: alloy_rlp::Error,
    },
    /// The node's path does not fit the length of a key.
    #[error("a trie node has a path of a length that no key has")]
    PathLength,
}

/// The root of the state after `diff`.
///
/// # Errors
/// When the witness lacks or garbles a node on the way of a changed key.
pub(crate) fn post_state_root(witness: &WitnessState, diff: &StateDiff) -> Result<PostRoot, WitnessRootError> {
    let nodes: B256Map<&Bytes> = witness.nodes().map(|(hash, rlp)| (*hash, rlp)).collect();
    let mut assumed_branches = 0;
    let mut changes = Vec::with_capacity(diff.accounts.len());
    for (address, change) in &diff.accounts {
        let leaf = match &change.account {
            None => None,
            Some(account) => {
                let before = if change.wiped { None } else { witness.trie_account(*address)? };
                let before = before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
                let mut storage = Trie { nodes: &nodes, assumed_branches: 0 };
                let storage_root = storage.root_after(before, storage_changes(change))?;
                assumed_branches += storage.assumed_branches;
                let (nonce, balance, code_hash) = (account.nonce, account.balance, account.code_hash);
                Some(alloy_rlp::encode(TrieAccount { nonce, balance, storage_root, code_hash }))
            }
        };
        changes.push((keccak256(address), leaf));
    }
    let mut accounts = Trie { nodes: &nodes, assumed_branches };
    let root = accounts.root_after(witness.pre_state_root(), changes)?;
    Ok(PostRoot { root, assumed_branches: accounts.assumed_branches })
}

/// Key and new leaf; `None` where the leaf goes.
type Change = (B256, Option<Vec<u8>>);

fn storage_changes(change: &AccountDiff) -> Vec<Change> {
    let leaf = |value: &U256| (!value.is_zero()).then(|| alloy_rlp::encode(value));
    change.storage.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), leaf(value))).collect()
}

/// A node of a trie that is partly here.
#[derive(Debug)]
enum Node {
    Empty,
    /// As its parent refers to it; not looked at yet.
    Closed(RlpNode),
    Leaf {
        path: Nibbles,
        value: Vec<u8>,
    },
    Extension {
        path: Nibbles,
        child: Box<Node>,
    },
    Branch(Box<[Node; BRANCH_CHILDREN]>),
}

impl Node {
    /// The same node behind more path. Only an opened node can be lengthened; a closed one is taken for a
    /// branch, the only kind that stays as it is.
    fn behind(self, prefix: Nibbles) -> Result<Self, WitnessRootError> {
        let longer = |path: Nibbles| match prefix.len() + path.len() {
            0..=KEY_NIBBLES => Ok(prefix.join(&path)),
            _ => Err(WitnessRootError::PathLength),
        };
        Ok(match self {
            node if prefix.is_empty() => node,
            Self::Empty => Self::Empty,
            Self::Leaf { path, value } => Self::Leaf { path: longer(path)?, value },
            Self::Extension { path, child } => Self::Extension { path: longer(path)?, child },
            child @ (Self::Closed(_) | Self::Branch(_)) => Self::Extension { path: prefix, child: Box::new(child) },
        })
    }

    /// The node's RLP.
    fn encode(&self) -> Vec<u8> {
        let mut rlp = Vec::new();
        match self {
            Self::Empty => TrieNode::EmptyRoot.encode(&mut rlp),
            Self::Closed(reference) => rlp.extend_from_slice(reference.as_slice()),
            Self::Leaf { path, value } => LeafNode::new(*path, value.clone()).encode(&mut rlp),
            Self::Extension { path, child } => ExtensionNode::new(*path, child.reference()).encode(&mut rlp),
            Self::Branch(children) => {
                let mut mask = TrieMask::default();
                let mut stack = Vec::new();
                for (nibble, child) in (0u8..).zip(children.iter()) {
                    if !matches!(child, Self::Empty) {
                        mask.set_bit(nibble);
                        stack.push(child.reference());
                    }
                }
                BranchNode::new(stack, mask).encode(&mut rlp);
            }
        }
        rlp
    }

    /// How a parent refers to the node.
    fn reference(&self) -> RlpNode {
        match self {
            Self::Closed(reference) => reference.clone(),
            node => RlpNode::from_rlp(&node.encode()),
        }
    }
}

/// One trie under change.
#[derive(Debug)]
struct Trie<'a> {
    nodes: &'a B256Map<&'a Bytes>,
    assumed_branches: u32,
}

impl Trie<'_> {
    fn root_after(&mut self, root: B256, changes: Vec<Change>) -> Result<B256, WitnessRootError> {
        if changes.is_empty() {
            return Ok(root);
        }
        let mut top = if root == EMPTY_ROOT_HASH { Node::Empty } else { Node::Closed(RlpNode::word_rlp(&root)) };
        let mut deleted = Vec::new();
        for (key, leaf) in changes {
            match leaf {
                Some(value) => top = self.insert(top, Nibbles::unpack(key), value)?,
                None => deleted.push(Nibbles::unpack(key)),
            }
        }
        for key in deleted {
            top = self.remove(top, key)?;
        }
        Ok(match &top {
            Node::Empty => EMPTY_ROOT_HASH,
            node => keccak256(node.encode()),
        })
    }

    /// The node itself where it was only referred to. `None`: the witness does not have it.
    fn try_open(&self, node: Node) -> Result<Option<Node>, WitnessRootError> {
        let Node::Closed(reference) = node else { return Ok(Some(node)) };
        let mut rlp = match reference.as_hash() {
            Some(hash) => match self.nodes.get(&hash) {
                Some(rlp) => rlp.as_ref(),
                None => return Ok(None),
            },
            None => reference.as_slice(),
        };
        let decoded = TrieNode::decode(&mut rlp)
            .map_err(|error| WitnessRootError::Rlp { node: Bytes::copy_from_slice(reference.as_slice()), error })?;
        Ok(Some(match decoded {
            TrieNode::EmptyRoot => Node::Empty,
            TrieNode::Leaf(LeafNode { key, value }) => Node::Leaf { path: key, value },
            TrieNode::Extension(ExtensionNode { key, child }) => {
                Node::Extension { path: key, child: Box::new(Node::Closed(child)) }
            }
            TrieNode::Branch(branch) => {
                let mut children = no_children();
                for (nibble, child) in branch.as_ref().children() {
                    if let (Some(place), Some(child)) = (children.get_mut(usize::from(nibble)), child) {
                        *place = Node::Closed(child.clone());
                    }
                }
                Node::Branch(children)
            }
        }))
    }

    fn open(&self, node: Node) -> Result<Node, WitnessRootError> {
        let hash = match &node {
            Node::Closed(reference) => reference.as_hash().unwrap_or_default(),
            _ => B256::ZERO,
        };
        self.try_open(node)?.ok_or(WitnessRootError::Absent { hash })
    }

    fn insert(&mut self, node: Node, path: Nibbles, value: Vec<u8>) -> Result<Node, WitnessRootError> {
        Ok(match self.open(node)? {
            Node::Leaf { path: key, .. } if key == path => Node::Leaf { path, value },
            Node::Leaf { path: key, value: other } => {
                let shared = key.common_prefix_length(&path);
                let mut children = no_children();
                let (at, rest) = split(&key, shared)?;
                children[at] = Node::Leaf { path: rest, value: other };
                let (at, rest) = split(&path, shared)?;
                children[at] = Node::Leaf { path: rest, value };
                Node::Branch(children).behind(path.slice(..shared))?
            }
            Node::Extension { path: key, child } => {
                let shared = key.common_prefix_length(&path);
                if shared == key.len() {
                    let child = self.insert(*child, path.slice(shared..), value)?;
                    return child.behind(key);
                }
                let mut children = no_children();
                let (at, rest) = split(&key, shared)?;
                children[at] = child.behind(rest)?;
                let (at, rest) = split(&path, shared)?;
                children[at] = Node::Leaf { path: rest, value };
                Node::Branch(children).behind(path.slice(..shared))?
            }
            Node::Branch(mut children) => {
                let (at, rest) = split(&path, 0)?;
                children[at] = self.insert(take(&mut children[at]), rest, value)?;
                Node::Branch(children)
            }
            // `open` gives no closed node.
            Node::Empty | Node::Closed(_) => Node::Leaf { path, value },
        })
    }

    fn remove(&mut self, node: Node, path: Nibbles) -> Result<Node, WitnessRootError> {
        Ok(match self.open(node)? {
            Node::Leaf { path: key, .. } if key == path => Node::Empty,
            Node::Extension { path: key, child } if path.starts_with(&key) => {
                self.remove(*child, path.slice(key.len()..))?.behind(key)?
            }
            Node::Branch(mut children) => {
                let (at, rest) = split(&path, 0)?;
                children[at] = self.remove(take(&mut children[at]), rest)?;
                self.collapse(children)?
            }
            other => other,
        })
    }

    /// A branch of one child is no branch.
    fn collapse(&mut self, mut children: Box<[Node; BRANCH_CHILDREN]>) -> Result<Node, WitnessRootError> {
        let mut left = (0u8..).zip(children.iter_mut()).filter(|(_, child)| !matches!(child, Node::Empty));
        let (Some((nibble, only)), None) = (left.next(), left.next()) else { return Ok(Node::Branch(children)) };
        let prefix = Nibbles::from_nibbles([nibble]);
        let child = match take(only) {
            Node::Closed(reference) => match self.try_open(Node::Closed(reference.clone()))? {
                Some(node) => node,
                None => {
                    self.assumed_branches += 1;
                    Node::Closed(reference)
                }
            },
            node => node,
        };
        child.behind(prefix)
    }
}

fn take(node: &mut Node) -> Node {
    std::mem::replace(node, Node::Empty)
}

fn no_children() -> Box<[Node; BRANCH_CHILDREN]> {
    Box::new([const { Node::Empty }; BRANCH_CHILDREN])
}

/// The nibble at `at`, as a branch's child, and the path behind it.
fn split(path: &Nibbles, at: usize) -> Result<(usize, Nibbles), WitnessRootError> {
    let nibble = path.get(at).map(usize::from).filter(|nibble| *nibble < BRANCH_CHILDREN);
    nibble.map(|nibble| (nibble, path.slice(at + 1..))).ok_or(WitnessRootError::PathLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;
    use alloy_trie::root::{state_root_unsorted, storage_root_unhashed};
    use motet_types::{Account, BlockHashes};
    use std::collections::BTreeMap;

    type Accounts = BTreeMap<Address, BTreeMap<u64, u64>>;

    /// Accounts whose balance is their number of slots plus one.
    fn root_from_scratch(accounts: &Accounts) -> B256 {
        state_root_unsorted(accounts.iter().map(|(address, slots)| {
            let storage = slots.iter().map(|(slot, value)| (B256::from(U256::from(*slot)), U256::from(*value)));
            let storage_root = storage_root_unhashed(storage);
            let balance = U256::from(slots.len() + 1);
            (keccak256(address), TrieAccount { balance, storage_root, ..TrieAccount::default() })
        }))
    }

    /// The change from `before` to `after`.
    fn diff(before: &Accounts, after: &Accounts) -> StateDiff {
        let mut diff = StateDiff::default();
        for address in before.keys().chain(after.keys()) {
            let empty = BTreeMap::new();
            let old = before.get(address).unwrap_or(&empty);
            let change = match after.get(address) {
                Some(new) if before.get(address) == Some(new) => continue,
                Some(new) => AccountDiff {
                    account: Some(Account { balance: U256::from(new.len() + 1), ..Account::default() }),
                    wiped: false,
                    storage: old
                        .keys()
                        .chain(new.keys())
                        .map(|slot| (U256::from(*slot), U256::from(new.get(slot).copied().unwrap_or_default())))
                        .collect(),
                },
                None => AccountDiff { wiped: true, ..AccountDiff::default() },
            };
            diff.accounts.insert(*address, change);
        }
        diff
    }

    /// From nothing, a witness of no nodes is whole: every root is built here and compared with alloy's.
    #[test]
    fn a_trie_from_nothing_has_the_root_from_scratch() {
        let witness = WitnessState::new(EMPTY_ROOT_HASH, [], [], BlockHashes::new());
        for accounts in 0..40u64 {
            let slots = |n: u64| (0..n % 7).map(|slot| (slot, slot + n)).collect();
            let after: Accounts = (0..accounts).map(|n| (Address::with_last_byte(n as u8), slots(n))).collect();
            let post = post_state_root(&witness, &diff(&Accounts::new(), &after)).expect("nothing is missing");
            assert_eq!(post, PostRoot { root: root_from_scratch(&after), assumed_branches: 0 }, "{accounts} accounts");
        }
    }

    /// Insertions followed by deletions leave the trie of what is left, whatever collapsed on the way.
    #[test]
    fn deletions_undo_insertions() {
        let nodes = B256Map::default();
        for left in 0..24u64 {
            let mut trie = Trie { nodes: &nodes, assumed_branches: 0 };
            let key = |n: u64| Nibbles::unpack(keccak256(n.to_be_bytes()));
            let mut top = Node::Empty;
            for n in 0..200 {
                top = trie.insert(top, key(n), alloy_rlp::encode(n)).expect("no node is missing");
            }
            for n in left..210 {
                top = trie.remove(top, key(n)).expect("no node is missing");
            }
            let changes = (0..left).map(|n| (keccak256(n.to_be_bytes()), Some(alloy_rlp::encode(n)))).collect();
            let expected = trie.root_after(EMPTY_ROOT_HASH, changes).expect("no node is missing");
            assert_eq!(if left == 0 { EMPTY_ROOT_HASH } else { keccak256(top.encode()) }, expected, "{left} left");
        }
    }

    #[test]
    fn a_missing_node_is_named() {
        let root = B256::repeat_byte(7);
        let nodes = B256Map::default();
        let mut trie = Trie { nodes: &nodes, assumed_branches: 0 };
        let changes = vec![(B256::ZERO, Some(vec![1]))];
        assert_eq!(trie.root_after(root, changes), Err(WitnessRootError::Absent { hash: root }));
    }
}

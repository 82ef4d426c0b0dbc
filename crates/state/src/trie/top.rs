//! What is above the subtries: the root and the 16 groups.
//!
//! Which nodes there are depends on how many subtries have keys. A group of one subtrie is no branch: the subtrie's
//! root moves up, a leaf or extension with more path, a branch behind an extension; the same at the root. A subtrie
//! does not know of this. It has the root that it would have below two full branches, and the shapes above are made
//! anew whenever something below changed.

use super::EMPTY_ROOT;
use super::crew::Crew;
use super::decode::{DecodedNode, decode_node};
use super::encode::{push_branch, push_extension, push_leaf, push_node};
use super::error::{NodeFault, TrieError};
use super::hash::{FROM_THE_TOP, reference};
use super::heap::{CLOSED_BRANCH, Heap, NIL, NodeId};
use super::node::{Child, Kind, Standing};
use super::node_store::fetch;
use super::path::NodePath;
use super::split::SplitTrie;
use super::subtrie::{SUBTRIE_DEPTH, Subtrie};
use alloy_primitives::{B256, keccak256};

/// Groups of a trie, and subtries of a group.
pub(super) const WIDTH: usize = 16;

/// A node above the subtries, as it is in the trie; its path begins where it is looked at from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Empty,
    Leaf { key: B256, value: Vec<u8> },
    Extension { path: NodePath, child: Child },
    Branch(Box<[Option<Child>; WIDTH]>),
}

/// All subtries with the same first nibble.
#[derive(Clone, Debug)]
struct Group {
    /// The node, while nothing of it has been fetched.
    closed: Option<Child>,
    /// Whether `shape` and `reference` are to be made anew.
    dirty: bool,
    shape: Shape,
    /// How the root refers to the group; `None` where it is empty.
    reference: Option<Child>,
}

/// The nodes above the subtries.
#[derive(Clone, Debug)]
pub(super) struct Top {
    /// The root's hash, while nothing of it has been fetched.
    closed: Option<B256>,
    groups: [Group; WIDTH],
    shape: Shape,
    /// Whether something was fetched after the shapes were made.
    stale: bool,
    root: Option<B256>,
}

impl Top {
    pub(super) fn empty() -> Self {
        let group = Group { closed: None, dirty: false, shape: Shape::Empty, reference: None };
        let groups = std::array::from_fn(|_| group.clone());
        Self { closed: None, groups, shape: Shape::Empty, stale: false, root: Some(EMPTY_ROOT) }
    }

    /// Of a trie of which only the root is known.
    pub(super) fn closed(root: B256) -> Self {
        let closed = (root != EMPTY_ROOT).then_some(root);
        Self { closed, stale: closed.is_some(), root: Some(root), ..Self::empty() }
    }

    pub(super) fn root(&self) -> Option<B256> {
        self.root
    }

    /// Says that a subtrie has changed.
    pub(super) fn touch(&mut self, subtrie: usize) {
        self.fetched(subtrie);
        self.root = None;
    }

    /// Says that more is known of a subtrie.
    fn fetched(&mut self, subtrie: usize) {
        self.groups[subtrie / WIDTH].dirty = true;
        self.stale = true;
    }

    /// The root node as it was last assembled.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A group's node as it was last assembled.
    pub(super) fn group_shape(&self, nibble: u8) -> &Shape {
        &self.groups[usize::from(nibble)].shape
    }

    /// The hash of a group that has not been fetched.
    fn closed_group(&self, nibble: u8) -> Option<B256> {
        self.groups[usize::from(nibble)].closed.map(|closed| closed.reference)
    }
}

impl Shape {
    /// The RLP of a node that begins at `depth`.
    pub(super) fn push(&self, depth: usize, rlp: &mut Vec<u8>) {
        match self {
            Self::Empty => rlp.push(alloy_rlp::EMPTY_STRING_CODE),
            Self::Leaf { key, value } => push_leaf(key.as_slice(), depth, value, rlp),
            Self::Extension { path, child } => push_extension(path.packed().as_slice(), depth, path.len(), child, rlp),
            Self::Branch(children) => push_branch(children, rlp),
        }
    }

    /// The same node seen from above, where it is the only one: it is at `path`, its parent refers to it as `child`.
    fn lifted(&self, path: NodePath, child: Child) -> Self {
        match self {
            Self::Branch(_) => Self::Extension { path, child },
            other => other.clone(),
        }
    }
}

/// The only one of `children`, if there is only one.
fn lone(children: &[Option<Child>; WIDTH]) -> Option<(u8, Child)> {
    let mut present = (0..).zip(children).filter_map(|(nibble, child)| child.map(|child| (nibble, child)));
    present.next().filter(|_| present.next().is_none())
}

impl SplitTrie {
    /// Makes the groups and the root from the roots of the subtries, which are computed.
    pub(super) fn assemble(&mut self, crew: &Crew) -> Result<B256, TrieError> {
        let dirty: Vec<u8> = (0..).zip(&self.top.groups).filter_map(|(at, group)| group.dirty.then_some(at)).collect();
        self.assemble_groups(&dirty, crew)?;
        let children = std::array::from_fn(|at| self.top.groups[at].closed.or(self.top.groups[at].reference));
        let shape = match lone(&children) {
            Some((nibble, child)) => {
                let path = NodePath::ROOT.child(nibble);
                let group = &self.top.groups[usize::from(nibble)];
                if group.closed.is_some_and(|closed| closed.node == CLOSED_BRANCH) {
                    Shape::Extension { path, child }
                } else {
                    if group.closed.is_some() {
                        self.open_group(nibble)?;
                        if self.top.root.is_none() {
                            self.hash(crew, FROM_THE_TOP)?;
                        }
                        self.assemble_groups(&[nibble], crew)?;
                    }
                    self.top.group_shape(nibble).lifted(path, child)
                }
            }
            None if children.iter().all(Option::is_none) => Shape::Empty,
            None => Shape::Branch(Box::new(children)),
        };
        let mut rlp = Vec::new();
        shape.push(0, &mut rlp);
        let root = keccak256(&rlp);
        if let Some(journal) = self.journal.as_mut().filter(|_| self.top.root.is_none()) {
            match shape {
                Shape::Empty => journal.remove(self.trie, NodePath::ROOT),
                _ => journal.put(self.trie, NodePath::ROOT, &rlp),
            }
        }
        self.top.shape = shape;
        self.top.stale = false;
        self.top.root = Some(root);
        Ok(root)
    }

    /// Makes the shapes of what was fetched. The root, which is known, does not change by that, nor does what the store
    /// has.
    pub(super) fn refresh(&mut self, crew: &Crew) -> Result<(), TrieError> {
        // Of a root that has not been fetched there are no shapes.
        if self.top.closed.is_none() && self.top.stale {
            self.assemble(crew)?;
        }
        Ok(())
    }

    /// Makes groups, which are open, from the roots of their subtries.
    fn assemble_groups(&mut self, nibbles: &[u8], crew: &Crew) -> Result<(), TrieError> {
        // What was only fetched is looked at again when something changes, and is given to the store then: it may have
        // other nodes here, if the trie was not in parts when they were stored.
        let changed = self.top.root.is_none();
        let mut groups = Vec::with_capacity(nibbles.len());
        for nibble in nibbles {
            let shape = self.group_shape(*nibble)?;
            let mut rlp = Vec::new();
            shape.push(1, &mut rlp);
            groups.push((*nibble, shape, rlp));
        }
        let inputs: Vec<&[u8]> = groups.iter().map(|(_, _, rlp)| &rlp[..]).collect();
        let hashes = crew.keccak().hash_all(&inputs);
        for ((nibble, shape, rlp), hash) in groups.into_iter().zip(hashes) {
            let path = NodePath::ROOT.child(nibble);
            if let Some(journal) = self.journal.as_mut().filter(|_| changed) {
                match shape {
                    Shape::Empty => journal.remove(self.trie, path),
                    _ => journal.put(self.trie, path, &rlp),
                }
            }
            let (reference, standing) = reference(&rlp, hash);
            let reference = (shape != Shape::Empty).then_some(Child { node: NIL, reference, standing });
            self.top.groups[usize::from(nibble)] = Group { closed: None, dirty: !changed, shape, reference };
        }
        Ok(())
    }

    /// A group, which is open, by the roots of its subtries.
    fn group_shape(&mut self, nibble: u8) -> Result<Shape, TrieError> {
        let first = usize::from(nibble) * WIDTH;
        let children = std::array::from_fn(|at| self.subtries[first + at].computed_root());
        Ok(match lone(&children) {
            Some((second, child)) => {
                let path = NodePath::ROOT.child(nibble).child(second);
                self.subtrie_shape(first + usize::from(second), path, child)?
            }
            None if children.iter().all(Option::is_none) => Shape::Empty,
            None => Shape::Branch(Box::new(children)),
        })
    }

    /// The root of a subtrie as its group sees it, which has no other.
    fn subtrie_shape(&mut self, at: usize, path: NodePath, child: Child) -> Result<Shape, TrieError> {
        let subtrie = &mut self.subtries[at];
        if child.node == CLOSED_BRANCH {
            return Ok(Shape::Extension { path, child });
        }
        let (mut tree, root) = subtrie.tree(self.trie, self.store.as_deref());
        let node = tree.enter(child, path.packed(), SUBTRIE_DEPTH)?;
        if let Some(root) = root {
            root.node = node;
        }
        let heap = &subtrie.heap;
        Ok(match heap.kind(node) {
            Kind::Leaf => Shape::Leaf { key: heap.leaf_key_hash(node), value: heap.leaf_value(node).to_vec() },
            Kind::Account => {
                let mut value = Vec::new();
                heap.push_account_value(node, &mut value);
                Shape::Leaf { key: heap.leaf_key_hash(node), value }
            }
            Kind::Extension => {
                let (packed, end) = heap.extension_path(node);
                let mut key = B256::ZERO;
                key[..packed.len()].copy_from_slice(packed);
                let child = Child { node: NIL, ..heap.extension_child(node) };
                Shape::Extension { path: NodePath::of_key(&key, end), child }
            }
            Kind::Branch => Shape::Extension { path, child: Child { node: NIL, ..child } },
        })
    }

    /// Fetches a group's node, and the root above it, if that has not been done.
    pub(super) fn open_group(&mut self, nibble: u8) -> Result<(), TrieError> {
        if let Some(hash) = self.top.closed {
            let rlp = fetch(self.store.as_deref(), self.trie, &NodePath::ROOT, &hash)?;
            let node = self.decode(&NodePath::ROOT, &rlp)?;
            self.spread(NodePath::ROOT, node, None)?;
            self.top.closed = None;
        }
        if let Some(hash) = self.top.closed_group(nibble) {
            let path = NodePath::ROOT.child(nibble);
            let rlp = fetch(self.store.as_deref(), self.trie, &path, &hash)?;
            let node = self.decode(&path, &rlp)?;
            self.spread(path, node, None)?;
            self.top.groups[usize::from(nibble)].closed = None;
        }
        Ok(())
    }

    fn decode<'a>(&self, path: &NodePath, rlp: &'a [u8]) -> Result<DecodedNode<'a>, TrieError> {
        decode_node(path, rlp).map_err(|fault| TrieError::malformed(self.trie, *path, fault))
    }

    /// A storage trie from its root in the heap of its account's subtrie, whose nodes are given back.
    pub(super) fn promote(&mut self, from: &mut Subtrie, root: Child) -> Result<(), TrieError> {
        if root.is_closed() {
            self.top = Top::closed(root.reference);
            return Ok(());
        }
        let node = heap_node(&from.heap, root.node);
        self.spread(NodePath::ROOT, node, Some(&from.heap))?;
        let (mut tree, _) = from.tree(self.trie, None);
        tree.free_below(root.node);
        Ok(())
    }

    /// Puts what a node above the subtries says in its place. Children that are in memory are in `heap`.
    fn spread(&mut self, at: NodePath, node: DecodedNode<'_>, heap: Option<&Heap>) -> Result<(), TrieError> {
        match node {
            DecodedNode::Leaf { key, value } => {
                let trie = self.trie;
                let subtrie = &mut self.subtries[usize::from(key[0])];
                let (mut tree, root) = subtrie.tree(trie, None);
                let malformed = |fault| TrieError::malformed(trie, at, fault);
                *root = Some(Child::dirty(tree.load_leaf(&key, value, malformed)?));
                self.dirty.set(usize::from(key[0]));
                self.top.fetched(usize::from(key[0]));
                Ok(())
            }
            DecodedNode::Extension { path, child } if path.len() <= SUBTRIE_DEPTH => {
                self.spread_child(path, child, heap)
            }
            DecodedNode::Extension { path, child } => {
                let number = usize::from(path.packed()[0]);
                let subtrie = &mut self.subtries[number];
                let child = adopt(heap, child, &mut subtrie.heap)?;
                let id = subtrie.heap.new_extension(path.packed().as_slice(), path.len(), child)?;
                subtrie.root = Some(Child::dirty(id));
                self.dirty.set(number);
                self.top.fetched(number);
                Ok(())
            }
            DecodedNode::Branch { children } => (0..).zip(*children).try_for_each(|(nibble, child)| match child {
                Some(child) => self.spread_child(at.child(nibble), child, heap),
                None => Ok(()),
            }),
        }
    }

    /// As [`SplitTrie::spread`], for the child at `at`.
    fn spread_child(&mut self, at: NodePath, child: Child, heap: Option<&Heap>) -> Result<(), TrieError> {
        if child.standing == Standing::Inline {
            // Nodes so far up have so much path below them that they are longer than a hash.
            return Err(TrieError::malformed(self.trie, at, NodeFault::Reference));
        }
        let first = at.packed()[0];
        if at.len() < SUBTRIE_DEPTH {
            return match heap.filter(|_| !child.is_closed()) {
                Some(heap) => self.spread(at, heap_node(heap, child.node), Some(heap)),
                None => {
                    self.top.groups[usize::from(first >> 4)].closed = Some(child);
                    self.top.stale = true;
                    Ok(())
                }
            };
        }
        let subtrie = &mut self.subtries[usize::from(first)];
        let child = adopt(heap, child, &mut subtrie.heap)?;
        subtrie.root = Some(child);
        if child.standing == Standing::Dirty {
            self.dirty.set(usize::from(first));
        }
        self.top.fetched(usize::from(first));
        Ok(())
    }
}

impl Subtrie {
    /// The root with its reference, which is computed here for a leaf or extension that was only fetched.
    fn computed_root(&self) -> Option<Child> {
        let root = self.root?;
        if root.standing != Standing::Dirty {
            return Some(root);
        }
        let mut rlp = Vec::new();
        push_node(&self.heap, root.node, SUBTRIE_DEPTH, &mut Vec::new(), &mut rlp);
        let (reference, standing) = reference(&rlp, keccak256(&rlp));
        Some(Child { node: root.node, reference, standing })
    }
}

/// The child with its nodes moved from one heap to another.
fn adopt(from: Option<&Heap>, child: Child, to: &mut Heap) -> Result<Child, TrieError> {
    Ok(match from {
        Some(from) => to.graft(from, child, &mut |_, _| true)?,
        None => child,
    })
}

/// A node of a storage trie in memory, as if it had been decoded.
fn heap_node(heap: &Heap, id: NodeId) -> DecodedNode<'_> {
    match heap.kind(id) {
        Kind::Leaf | Kind::Account => DecodedNode::Leaf { key: heap.leaf_key_hash(id), value: heap.leaf_value(id) },
        Kind::Extension => {
            let (packed, end) = heap.extension_path(id);
            let mut key = B256::ZERO;
            key[..packed.len()].copy_from_slice(packed);
            DecodedNode::Extension { path: NodePath::of_key(&key, end), child: heap.extension_child(id) }
        }
        Kind::Branch => DecodedNode::Branch {
            children: Box::new(std::array::from_fn(|nibble| heap.branch_child(id, nibble as u8))),
        },
    }
}

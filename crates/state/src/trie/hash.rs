//! References of dirty nodes, computed level by level.
//!
//! A node's hash waits for those of its children, so one trie alone would hash one node after the other. Here the
//! dirty nodes of many subtries, and of the storage tries in them, are sorted by their height above the deepest dirty
//! node below them; all nodes of one height are encoded side by side and hashed at once.

use super::branch::bits;
use super::encode::push_node;
use super::error::TrieId;
use super::heap::{Heap, NIL, NodeId};
use super::node::{CHILD_DIRTY, Child, Kind, LARGE_STORAGE, Standing};
use super::path::NodePath;
use super::split::Part;
use super::subtrie::Subtrie;
use alloy_primitives::{B256, keccak256};

/// How nodes are hashed. Both give the same hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keccak {
    /// Many at once, in the vector registers that the processor has.
    #[default]
    Batched,
    /// One after the other.
    Scalar,
}

impl Keccak {
    pub(super) fn hash_all(self, inputs: &[&[u8]]) -> Vec<B256> {
        match self {
            Self::Batched => motet_keccak::keccak256_many(inputs),
            Self::Scalar => inputs.iter().map(keccak256).collect(),
        }
    }
}

/// Bytes of encoded nodes that are hashed at once: they stay in the processor's cache.
const CHUNK_BYTES: usize = 64 << 10;

/// Depth from which on every node is hashed.
pub(super) const FROM_THE_TOP: usize = 0;

/// Where a node lies, told only when the nodes are kept in a store.
#[derive(Clone, Copy)]
struct Place {
    trie: TrieId,
    path: NodePath,
}

/// A node whose reference is to be computed.
struct Dirty {
    node: NodeId,
    /// Who holds the reference: [`NIL`] for the root of the subtrie.
    parent: NodeId,
    /// Index of the subtrie among those hashed together.
    subtrie: u16,
    nibble: u8,
    depth: u8,
    /// Index of the node's place.
    place: u32,
}

/// The dirty nodes by height.
struct Levels {
    levels: Vec<Vec<Dirty>>,
    places: Vec<Place>,
}

/// Computes the references of all dirty nodes of some subtries from depth `floor` down.
///
/// An account whose storage is a large trie stays dirty, with all that is above, if the root of that is not computed.
pub(super) fn hash_subtries<C>(trie: TrieId, parts: &mut [Part<'_, C>], keccak: Keccak, floor: usize) {
    let mut levels = Levels { levels: Vec::new(), places: Vec::new() };
    for (at, Part { number, subtrie, .. }) in parts.iter_mut().enumerate() {
        let Some(root) = subtrie.root.filter(|root| root.standing == Standing::Dirty) else { continue };
        let path = NodePath::ROOT.child((*number >> 4) as u8).child((*number & 0x0f) as u8);
        let place = subtrie.journal.is_some().then_some(Place { trie, path });
        let from = Dirty { node: root.node, parent: NIL, subtrie: at as u16, nibble: 0, depth: 2, place: 0 };
        levels.plan(subtrie, from, place, floor);
    }
    let mut hasher = LevelHasher { parts, keccak, places: &levels.places, rlp: Vec::new(), ends: Vec::new() };
    for level in &levels.levels {
        hasher.hash_level(level);
    }
}

impl Levels {
    /// Sorts in the dirty nodes from `at` down; gives the height of `at`, or `None` where it has to stay dirty.
    fn plan(&mut self, subtrie: &mut Subtrie, at: Dirty, place: Option<Place>, floor: usize) -> Option<usize> {
        let id = at.node;
        let depth = usize::from(at.depth);
        let below = |node, nibble, depth: usize| Dirty { node, parent: id, nibble, depth: depth as u8, ..at };
        let height = match subtrie.heap.kind(id) {
            Kind::Leaf => Some(0),
            Kind::Account => self.plan_storage(subtrie, &at, place.is_some()),
            Kind::Extension => {
                let child = subtrie.heap.extension_child(id);
                if child.standing == Standing::Dirty {
                    let (path, end) = subtrie.heap.extension_path(id);
                    let place = place.map(|place| Place { path: extended(path, end), ..place });
                    let height = self.plan(subtrie, below(child.node, 0, end), place, floor);
                    if height.is_some() {
                        subtrie.heap.set_extension_child(id, Child { standing: Standing::Hash, ..child });
                    }
                    height.map(|height| height + 1)
                } else {
                    Some(0)
                }
            }
            Kind::Branch => {
                let (mut height, mut planned) = (Some(0), 0);
                for nibble in bits(subtrie.heap.branch_dirty(id)) {
                    let Some(child) = subtrie.heap.branch_node(id, nibble) else { continue };
                    let place = place.map(|place| Place { path: place.path.child(nibble), ..place });
                    let child_height = self.plan(subtrie, below(child, nibble, depth + 1), place, floor);
                    planned |= u16::from(child_height.is_some()) << nibble;
                    height = height.zip(child_height).map(|(height, child)| height.max(child + 1));
                }
                subtrie.heap.clean_branch_children(id, planned);
                height
            }
        };
        let height = height.filter(|_| depth >= floor)?;
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Vec::new);
        }
        let number = self.places.len() as u32;
        self.places.extend(place);
        self.levels[height].push(Dirty { place: number, ..at });
        Some(height)
    }

    /// Plans the storage of an account; gives the height of the account.
    fn plan_storage(&mut self, subtrie: &mut Subtrie, at: &Dirty, kept: bool) -> Option<usize> {
        let account = at.node;
        let flags = subtrie.heap.flags(account);
        if flags & CHILD_DIRTY == 0 {
            return Some(0);
        }
        let storage = subtrie.heap.account_storage(account);
        if flags & LARGE_STORAGE != 0 {
            let root = subtrie.large_root(storage.node)?;
            subtrie.heap.set_account_storage(account, Child { reference: root, standing: Standing::Hash, ..storage });
            return Some(0);
        }
        let place =
            kept.then(|| Place { trie: TrieId::Storage(subtrie.heap.leaf_key_hash(account)), path: NodePath::ROOT });
        let root = Dirty { node: storage.node, parent: account, nibble: 0, depth: 0, ..*at };
        let height = self.plan(subtrie, root, place, FROM_THE_TOP)?;
        subtrie.heap.set_account_storage(account, Child { standing: Standing::Hash, ..storage });
        Some(height + 1)
    }
}

/// The path to an extension's end.
fn extended(packed: &[u8], end: usize) -> NodePath {
    let mut key = B256::ZERO;
    key[..packed.len()].copy_from_slice(packed);
    NodePath::of_key(&key, end)
}

struct LevelHasher<'a, 'p, C> {
    parts: &'a mut [Part<'p, C>],
    keccak: Keccak,
    places: &'a [Place],
    /// Encoded nodes, one after the other.
    rlp: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl<C> LevelHasher<'_, '_, C> {
    fn hash_level(&mut self, level: &[Dirty]) {
        let mut scratch = Vec::new();
        let mut done = 0;
        for (at, dirty) in level.iter().enumerate() {
            let heap = &self.parts[usize::from(dirty.subtrie)].subtrie.heap;
            push_node(heap, dirty.node, usize::from(dirty.depth), &mut scratch, &mut self.rlp);
            self.ends.push(self.rlp.len());
            if self.rlp.len() >= CHUNK_BYTES {
                self.hash_chunk(&level[done..=at]);
                done = at + 1;
            }
        }
        self.hash_chunk(&level[done..]);
    }

    fn hash_chunk(&mut self, chunk: &[Dirty]) {
        let mut start = 0;
        let inputs: Vec<&[u8]> =
            self.ends.iter().map(|end| &self.rlp[std::mem::replace(&mut start, *end)..*end]).collect();
        // Nearly all nodes are at least as long as a hash; the hash of one that is not goes unused.
        let hashes = self.keccak.hash_all(&inputs);
        for ((dirty, rlp), hash) in chunk.iter().zip(inputs).zip(hashes) {
            let subtrie = &mut *self.parts[usize::from(dirty.subtrie)].subtrie;
            let (reference, standing) = reference(rlp, hash);
            if let (Some(journal), Some(place)) = (&mut subtrie.journal, self.places.get(dirty.place as usize)) {
                match standing {
                    Standing::Inline => journal.remove(place.trie, place.path),
                    Standing::Hash | Standing::Dirty => journal.put(place.trie, place.path, rlp),
                }
            }
            match dirty.parent {
                NIL => subtrie.root = Some(Child { node: dirty.node, reference, standing }),
                parent => set_reference(&mut subtrie.heap, parent, dirty, reference, standing),
            }
        }
        self.rlp.clear();
        self.ends.clear();
    }
}

/// What a parent holds of a node with this RLP. Yellow Paper, appendix D, function n.
pub(super) fn reference(rlp: &[u8], hash: B256) -> (B256, Standing) {
    if rlp.len() >= 32 {
        return (hash, Standing::Hash);
    }
    let mut reference = B256::ZERO;
    reference[..rlp.len()].copy_from_slice(rlp);
    (reference, Standing::Inline)
}

fn set_reference(heap: &mut Heap, parent: NodeId, dirty: &Dirty, reference: B256, standing: Standing) {
    let child = Child { node: dirty.node, reference, standing };
    match heap.kind(parent) {
        Kind::Branch => heap.set_branch_child(parent, dirty.nibble, child),
        Kind::Extension => heap.set_extension_child(parent, child),
        Kind::Account => heap.set_account_storage(parent, child),
        Kind::Leaf => {}
    }
}

//! Accounts as leaves of the account trie.

use super::heap::{Heap, NodeId};
use super::node::{
    AFTER_KEY, CHILD_BYTES, CHILD_DIRTY, Child, HAS_CODE, HAS_STORAGE, Kind, LARGE_STORAGE, Standing, is_closed,
};
use alloy_primitives::{B256, KECCAK256_EMPTY, U256, b256};
use alloy_rlp::{Encodable, Header, RlpDecodable, RlpEncodable};
use motet_types::Account;

/// keccak-256 of the RLP of nothing: the root of a trie without leaves.
pub const EMPTY_ROOT: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// An account as the account trie holds it. Yellow Paper, 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct TrieAccount {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Root of the account's storage trie.
    pub storage_root: B256,
    /// keccak-256 of the code.
    pub code_hash: B256,
}

/// Bytes of the longest account node.
const ACCOUNT_BYTES_MAX: usize = AFTER_KEY + CHILD_BYTES + 32 + 8 + 32;

/// The storage of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Empty,
    /// A trie in the heap of the account, by its root.
    Small(Child),
    /// A trie of its own, by its place in the subtrie's list; the reference is its root.
    Large(Child),
}

/// An account node, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountNode {
    pub(super) nonce: u64,
    pub(super) balance: U256,
    pub(super) code_hash: B256,
    pub(super) storage: Storage,
}

impl AccountNode {
    pub(super) fn new(account: &Account, storage: Storage) -> Self {
        let Account { nonce, balance, code_hash } = *account;
        Self { nonce, balance, code_hash, storage }
    }

    /// As a trie in a store or witness has it.
    pub(super) fn closed(account: &TrieAccount) -> Self {
        let storage = match account.storage_root {
            EMPTY_ROOT => Storage::Empty,
            root => Storage::Small(Child::closed(root)),
        };
        let TrieAccount { nonce, balance, code_hash, .. } = *account;
        Self { nonce, balance, code_hash, storage }
    }

    /// The node's bytes.
    pub(super) fn to_node(self, key: &B256) -> NodeBytes {
        let mut node = NodeBytes { bytes: [0; ACCOUNT_BYTES_MAX], len: AFTER_KEY };
        node.bytes[0] = Kind::Account as u8;
        node.bytes[4..AFTER_KEY].copy_from_slice(key.as_slice());
        if let Storage::Small(child) | Storage::Large(child) = self.storage {
            node.bytes[1] |= HAS_STORAGE;
            if matches!(self.storage, Storage::Large(_)) {
                node.bytes[1] |= LARGE_STORAGE;
            }
            if child.standing == Standing::Dirty {
                node.bytes[1] |= CHILD_DIRTY;
            }
            child.write(&mut node.bytes[AFTER_KEY..]);
            node.len += CHILD_BYTES;
        }
        if self.code_hash != KECCAK256_EMPTY {
            node.bytes[1] |= HAS_CODE;
            node.push(self.code_hash.as_slice());
        }
        node.bytes[2] = node.push_trimmed(&self.nonce.to_be_bytes());
        node.bytes[3] = node.push_trimmed(&self.balance.to_be_bytes::<32>());
        node
    }
}

/// The bytes of an account node.
pub(super) struct NodeBytes {
    bytes: [u8; ACCOUNT_BYTES_MAX],
    len: usize,
}

impl NodeBytes {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Without leading zeros; says how many bytes are left.
    fn push_trimmed(&mut self, bytes: &[u8]) -> u8 {
        let bytes = trimmed(bytes);
        self.push(bytes);
        bytes.len() as u8
    }
}

impl AsRef<[u8]> for NodeBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Without leading zeros.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// The parts of an account node that its value is made of, as they lie in the heap.
struct Fields<'a> {
    code_hash: &'a [u8],
    nonce: &'a [u8],
    balance: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(node: &'a [u8]) -> Self {
        let mut at = AFTER_KEY;
        if node[1] & HAS_STORAGE != 0 {
            at += CHILD_BYTES;
        }
        let mut code_hash = KECCAK256_EMPTY.as_slice();
        if node[1] & HAS_CODE != 0 {
            code_hash = &node[at..at + 32];
            at += 32;
        }
        let (nonce, balance) = node[at..].split_at(usize::from(node[2]));
        Self { code_hash, nonce, balance }
    }
}

impl Heap {
    /// An account node, taken apart.
    pub(super) fn account(&self, id: NodeId) -> AccountNode {
        let node = self.node(id);
        let fields = Fields::of(node);
        let storage = match node[1] {
            flags if flags & LARGE_STORAGE != 0 => Storage::Large(self.account_storage(id)),
            flags if flags & HAS_STORAGE != 0 => Storage::Small(self.account_storage(id)),
            _ => Storage::Empty,
        };
        let nonce = fields.nonce.iter().fold(0, |nonce, byte| nonce << 8 | u64::from(*byte));
        let balance = U256::try_from_be_slice(fields.balance).unwrap_or_default();
        AccountNode { nonce, balance, code_hash: B256::from_slice(fields.code_hash), storage }
    }

    /// The account with its storage root, which must have been computed.
    pub(super) fn trie_account(&self, id: NodeId) -> TrieAccount {
        let AccountNode { nonce, balance, code_hash, storage } = self.account(id);
        let storage_root = match storage {
            Storage::Empty => EMPTY_ROOT,
            Storage::Small(root) | Storage::Large(root) => root.reference,
        };
        TrieAccount { nonce, balance, storage_root, code_hash }
    }

    /// The RLP of the account that is the value of its leaf; the storage root must have been computed.
    pub(super) fn push_account_value(&self, id: NodeId, rlp: &mut Vec<u8>) {
        let node = self.node(id);
        let fields = Fields::of(node);
        let storage_root = match node[1] & HAS_STORAGE {
            0 => EMPTY_ROOT.as_slice(),
            _ => &node[AFTER_KEY + 4..AFTER_KEY + CHILD_BYTES],
        };
        debug_assert_eq!(node[1] & CHILD_DIRTY, 0, "an account is encoded before its storage");
        let payload_length = fields.nonce.length() + fields.balance.length() + 2 * 33;
        Header { list: true, payload_length }.encode(rlp);
        fields.nonce.encode(rlp);
        fields.balance.encode(rlp);
        storage_root.encode(rlp);
        fields.code_hash.encode(rlp);
    }

    /// `node`, an account without storage, with the storage of the account `id`; `None` where that has none.
    pub(super) fn with_storage_of(&self, id: NodeId, node: &[u8]) -> Option<NodeBytes> {
        let before = self.node(id);
        let flags = before[1] & (HAS_STORAGE | LARGE_STORAGE | CHILD_DIRTY);
        if flags & HAS_STORAGE == 0 {
            return None;
        }
        let mut kept = NodeBytes { bytes: [0; ACCOUNT_BYTES_MAX], len: 0 };
        kept.push(&node[..AFTER_KEY]);
        kept.push(&before[AFTER_KEY..AFTER_KEY + CHILD_BYTES]);
        kept.push(&node[AFTER_KEY..]);
        kept.bytes[1] |= flags;
        Some(kept)
    }

    /// Number of the root of the account's storage in this heap: `None` without storage in memory and for a large one.
    pub(super) fn small_storage_node(&self, id: NodeId) -> Option<NodeId> {
        match self.flags(id) & (HAS_STORAGE | LARGE_STORAGE) {
            HAS_STORAGE => Some(self.account_storage(id).node).filter(|node| !is_closed(*node)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_what_it_was_and_its_value_is_its_rlp() {
        let mut heap = Heap::default();
        let root = Child { node: 7, reference: B256::repeat_byte(3), standing: Standing::Hash };
        for storage in [Storage::Empty, Storage::Small(root), Storage::Large(root)] {
            for code_hash in [KECCAK256_EMPTY, B256::repeat_byte(9)] {
                for (nonce, balance) in
                    [(0, U256::ZERO), (127, U256::from(128)), (u64::MAX, U256::MAX), (128, U256::ONE)]
                {
                    let account = AccountNode { nonce, balance, code_hash, storage };
                    let key = B256::repeat_byte(0xab);
                    let id = heap.store(account.to_node(&key).as_ref()).expect("far from full");
                    assert_eq!(heap.account(id), account);
                    assert_eq!(heap.leaf_key(id), key.as_slice());
                    let mut rlp = Vec::new();
                    heap.push_account_value(id, &mut rlp);
                    assert_eq!(rlp, alloy_rlp::encode(heap.trie_account(id)));
                    assert_eq!(heap.node(id).len(), account.to_node(&key).as_ref().len());
                }
            }
        }
    }
}

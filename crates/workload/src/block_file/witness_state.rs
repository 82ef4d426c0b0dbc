//! A state read from Merkle Patricia trie nodes.

use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::{RlpNode, TrieNode};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use motet_types::{Account, BlockHashes, Location, Read, StateView, Value, ViewError};
use std::borrow::Cow;
use std::sync::OnceLock;

/// The part of a state that a witness proves: trie nodes found by their hash from the state root down,
/// codes by hash, ancestor hashes by number.
///
/// Invariant: every answer follows from `pre_state_root` through hashes that were computed here. Where
/// a node, code or ancestor is missing or malformed the answer is an error, never "absent" or zero.
///
/// Nodes are decoded at most once, on first use, whichever thread comes first.
#[derive(Clone, Debug)]
pub struct WitnessState {
    pre_state_root: B256,
    nodes: B256Map<StoredNode>,
    codes: B256Map<Bytes>,
    block_hashes: BlockHashes,
}

#[derive(Clone, Debug)]
struct StoredNode {
    rlp: Bytes,
    decoded: OnceLock<Result<TrieNode, alloy_rlp::Error>>,
}

impl WitnessState {
    /// A state from the nodes of the account trie and of storage tries, in any order.
    pub fn new(
        pre_state_root: B256,
        nodes: impl IntoIterator<Item = Bytes>,
        codes: impl IntoIterator<Item = Bytes>,
        block_hashes: BlockHashes,
    ) -> Self {
        let store = |rlp: Bytes| (keccak256(&rlp), StoredNode { rlp, decoded: OnceLock::new() });
        Self {
            pre_state_root,
            nodes: nodes.into_iter().map(store).collect(),
            codes: codes.into_iter().map(|code| (keccak256(&code), code)).collect(),
            block_hashes,
        }
    }

    /// Root of the state before the block.
    pub fn pre_state_root(&self) -> B256 {
        self.pre_state_root
    }

    /// The RLP of every trie node with its hash, in no order: what a computation of the post-state root
    /// starts from.
    pub fn nodes(&self) -> impl Iterator<Item = (&B256, &Bytes)> {
        self.nodes.iter().map(|(hash, node)| (hash, &node.rlp))
    }

    /// An account with its storage root; `None` when the witness proves that it does not exist.
    ///
    /// # Errors
    /// When a node on the way is missing or malformed.
    pub fn trie_account(&self, address: Address) -> Result<Option<TrieAccount>, ViewError> {
        self.account_for(Location::Account(address), address)
    }

    /// `location` is what the caller was asked for: it names the read in errors.
    fn account_for(&self, location: Location, address: Address) -> Result<Option<TrieAccount>, ViewError> {
        Walk { state: self, location }.find(self.pre_state_root, keccak256(address))
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, ViewError> {
        let location = Location::Slot(address, slot);
        let Some(account) = self.account_for(location, address)? else { return Ok(U256::ZERO) };
        let key = keccak256(slot.to_be_bytes::<32>());
        match (Walk { state: self, location }).find(account.storage_root, key)? {
            Some(U256::ZERO) => {
                Err(ViewError::new(location, "the witness holds a leaf of value zero, which no storage trie has"))
            }
            Some(value) => Ok(value),
            None => Ok(U256::ZERO),
        }
    }
}

impl StateView for WitnessState {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let value =
            match location {
                Location::Account(address) => Value::Account(self.account_for(location, address)?.map(|account| {
                    Account { balance: account.balance, nonce: account.nonce, code_hash: account.code_hash }
                })),
                Location::Slot(address, slot) => Value::Slot(self.slot(address, slot)?),
                Location::Code(KECCAK256_EMPTY) => Value::Code(Bytes::new()),
                Location::Code(hash) => match self.codes.get(&hash) {
                    Some(code) => Value::Code(code.clone()),
                    None => return Err(ViewError::new(location, "the code is not in the witness")),
                },
                Location::BlockHash(number) => match self.block_hashes.get(&number) {
                    Some(hash) => Value::BlockHash(*hash),
                    None => return Err(ViewError::new(location, "the hash of this ancestor is not in the witness")),
                },
            };
        Ok(Read::Ready(value))
    }
}

/// One descent from a root to a leaf, on behalf of one location.
struct Walk<'a> {
    state: &'a WitnessState,
    location: Location,
}

impl<'a> Walk<'a> {
    /// The value under `key`, decoded; `None` when the trie proves that there is none.
    ///
    /// Every branch and extension consumes at least one of the key's 64 nibbles, so the descent ends.
    fn find<T: Decodable>(&self, root: B256, key: B256) -> Result<Option<T>, ViewError> {
        if root == EMPTY_ROOT_HASH {
            return Ok(None);
        }
        let key = Nibbles::unpack(key);
        let mut depth = 0;
        // The last node that was found by hash: inline nodes below it have no hash of their own.
        let mut hash = root;
        let mut node = Cow::Borrowed(self.stored(hash)?);
        loop {
            let child = match node.as_ref() {
                TrieNode::EmptyRoot => return Err(self.malformed(hash, "an empty node below the root")),
                TrieNode::Leaf(leaf) => {
                    let rest = key.slice(depth..);
                    if leaf.key.len() != rest.len() {
                        return Err(self.malformed(hash, "a leaf's path does not end at 64 nibbles"));
                    }
                    if leaf.key != rest {
                        return Ok(None);
                    }
                    return match alloy_rlp::decode_exact(&leaf.value) {
                        Ok(value) => Ok(Some(value)),
                        Err(error) => Err(self.malformed(hash, &format!("a leaf's value: {error}"))),
                    };
                }
                TrieNode::Extension(extension) => {
                    let end = depth + extension.key.len();
                    if end == depth || end >= key.len() {
                        return Err(self.malformed(hash, "an extension's path is empty or too long"));
                    }
                    if key.slice(depth..end) != extension.key {
                        return Ok(None);
                    }
                    depth = end;
                    extension.child.clone()
                }
                TrieNode::Branch(branch) => {
                    let Some(nibble) = key.get(depth) else {
                        return Err(self.malformed(hash, "a branch below 64 nibbles"));
                    };
                    depth += 1;
                    match branch.as_ref().children().nth(usize::from(nibble)) {
                        Some((_, Some(child))) => child.clone(),
                        _ => return Ok(None),
                    }
                }
            };
            node = match self.child_hash(hash, &child)? {
                Some(child_hash) => {
                    hash = child_hash;
                    Cow::Borrowed(self.stored(hash)?)
                }
                None => Cow::Owned(
                    alloy_rlp::decode_exact(child.as_slice())
                        .map_err(|error| self.malformed(hash, &format!("an inline node: {error}")))?,
                ),
            };
        }
    }

    fn stored(&self, hash: B256) -> Result<&'a TrieNode, ViewError> {
        let Some(node) = self.state.nodes.get(&hash) else {
            return Err(ViewError::new(self.location, format!("trie node {hash} is not in the witness")));
        };
        match node.decoded.get_or_init(|| alloy_rlp::decode_exact(&node.rlp)) {
            Ok(decoded) => Ok(decoded),
            Err(error) => Err(self.malformed(hash, &error.to_string())),
        }
    }

    /// The hash that a reference holds; `None` when it holds the node itself, which is then shorter
    /// than 32 bytes. Yellow Paper, appendix D, function n.
    fn child_hash(&self, parent: B256, child: &RlpNode) -> Result<Option<B256>, ViewError> {
        const HASH_PREFIX: u8 = alloy_rlp::EMPTY_STRING_CODE + 32;
        match child.as_slice() {
            [HASH_PREFIX, hash @ ..] if hash.len() == 32 => Ok(Some(B256::from_slice(hash))),
            [first, ..] if *first >= alloy_rlp::EMPTY_LIST_CODE && child.len() < 32 => Ok(None),
            _ => Err(self.malformed(parent, "a reference that is neither a hash nor a short node")),
        }
    }

    fn malformed(&self, hash: B256, reason: &str) -> ViewError {
        ViewError::new(self.location, format!("trie node {hash} is malformed: {reason}"))
    }
}

#[cfg(test)]
mod tests;

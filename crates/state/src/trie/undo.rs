//! The way back from a change.

use super::account::{AccountNode, Storage};
use super::change::{AccountChange, HashedDiff, SlotChange};
use super::error::{NodeFault, TrieError, TrieId};
use super::heap::NodeId;
use super::leaves::Walk;
use super::node_store::NodeStore;
use super::path::{KEY_NIBBLES, NodePath};
use super::state_trie::StateTrie;
use super::subtrie::{SUBTRIE_DEPTH, Subtrie};
use alloy_primitives::{B256, U256};
use motet_types::Account;

impl StateTrie {
    /// Makes a change and gives the one that takes it back exactly: accounts, changed slots, and every slot of a storage that
    /// the change wipes, which is therefore read whole.
    ///
    /// # Errors
    /// As [`StateTrie::apply`].
    pub fn apply_undoable(&mut self, diff: &HashedDiff) -> Result<HashedDiff, TrieError> {
        let undo = self.undo_of(diff)?;
        self.apply_hashed(diff)?;
        Ok(undo)
    }

    /// As [`StateTrie::apply_undoable`], with the root after the change.
    ///
    /// # Errors
    /// As [`StateTrie::update`].
    pub fn update_undoable(&mut self, diff: &HashedDiff) -> Result<(B256, HashedDiff), TrieError> {
        let undo = self.undo_of(diff)?;
        Ok((self.update_hashed(diff)?, undo))
    }

    /// What would take a change back that is not made yet.
    ///
    /// # Errors
    /// When a node cannot be fetched. The trie is as it was.
    pub fn undo_of(&mut self, diff: &HashedDiff) -> Result<HashedDiff, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        let changes = diff.accounts();
        let (marks, by_subtrie) = self.accounts.by_subtrie(changes, |change| &change.key)?;
        let store = self.accounts.store.clone();
        let mut undone = vec![AccountChange::default(); changes.len()];
        let mut parts = Vec::with_capacity(by_subtrie.len());
        let (mut left, mut amount) = (&mut undone[..], 0);
        for (subtrie, changes) in marks.of(&mut self.accounts.subtries).map(|(_, subtrie)| subtrie).zip(by_subtrie) {
            let (here, after) = left.split_at_mut(changes.len());
            amount += changes.iter().map(|change| 1 + change.slots.len()).sum::<usize>();
            parts.push((subtrie, changes, here));
            left = after;
        }
        self.crew.each(amount, parts, |(subtrie, changes, undone): (&mut Subtrie, &[AccountChange], &mut [_])| {
            for (change, undone) in changes.iter().zip(undone) {
                *undone = subtrie.undo_of(change, store.as_deref())?;
            }
            Ok::<(), TrieError>(())
        })?;
        Ok(HashedDiff::sorted(undone))
    }
}

impl Subtrie {
    fn undo_of(&mut self, change: &AccountChange, store: Option<&dyn NodeStore>) -> Result<AccountChange, TrieError> {
        let key = change.key;
        let (mut tree, root) = self.tree(TrieId::Accounts, store);
        let Some(leaf) = tree.find(root, SUBTRIE_DEPTH, &key)? else {
            return Ok(AccountChange { key, account: None, wiped: true, slots: Vec::new() });
        };
        let AccountNode { nonce, balance, code_hash, .. } = self.heap.account(leaf);
        let account = Some(Account { nonce, balance, code_hash });
        // After a wipe the storage has other slots, which go the same way.
        let wiped = change.wiped || change.account.is_none();
        let mut slots = Vec::new();
        if wiped {
            self.each_slot(&key, leaf, store, &mut |key, value| slots.push(SlotChange { key, value }))?;
        } else {
            for SlotChange { key: slot, .. } in &change.slots {
                slots.push(SlotChange { key: *slot, value: self.slot(&key, leaf, slot, store)? });
            }
        }
        Ok(AccountChange { key, account, wiped, slots })
    }

    /// The value of a slot of the account at `leaf`; zero where nothing is stored.
    pub(super) fn slot(
        &mut self,
        account: &B256,
        leaf: NodeId,
        key: &B256,
        store: Option<&dyn NodeStore>,
    ) -> Result<U256, TrieError> {
        let trie = TrieId::Storage(*account);
        let found = match self.heap.account(leaf).storage {
            Storage::Empty => None,
            Storage::Small(child) => {
                let mut root = Some(child);
                let (mut tree, _) = self.tree(trie, store);
                let found = tree.find(&mut root, 0, key)?;
                self.heap.set_account_storage(leaf, root.unwrap_or(child));
                found.map(|leaf| slot_value(trie, key, self.heap.leaf_value(leaf)))
            }
            Storage::Large(child) => match self.large_mut(child.node) {
                Some(large) => large.find(key)?.map(|(part, leaf)| slot_value(trie, key, part.heap.leaf_value(leaf))),
                None => None,
            },
        };
        found.unwrap_or(Ok(U256::ZERO))
    }

    /// Shows all slots of the account at `leaf`, ascending.
    fn each_slot(
        &mut self,
        account: &B256,
        leaf: NodeId,
        store: Option<&dyn NodeStore>,
        on_slot: &mut impl FnMut(B256, U256),
    ) -> Result<(), TrieError> {
        let trie = TrieId::Storage(*account);
        let mut on_leaf = |key: B256, value: &[u8]| {
            on_slot(key, slot_value(trie, &key, value)?);
            Ok::<(), TrieError>(())
        };
        match self.heap.account(leaf).storage {
            Storage::Empty => Ok(()),
            Storage::Small(child) => {
                Walk { heap: &self.heap, trie, store }.each_leaf(child, &NodePath::ROOT, &mut on_leaf)
            }
            Storage::Large(child) => match self.large_mut(child.node) {
                Some(large) => large.each_leaf(&mut on_leaf),
                None => Ok(()),
            },
        }
    }
}

/// A slot's value from the value of its leaf, which must be a number other than zero.
pub(super) fn slot_value(trie: TrieId, key: &B256, rlp: &[u8]) -> Result<U256, TrieError> {
    let value = alloy_rlp::decode_exact(rlp).ok().filter(|value: &U256| !value.is_zero());
    value.ok_or_else(|| TrieError::malformed(trie, NodePath::of_key(key, KEY_NIBBLES), NodeFault::Value))
}

//! The trie of accounts, with their storage tries.

use super::account::{AccountNode, Storage, TrieAccount};
use super::change::{AccountChange, HashedDiff, SlotChange};
use super::crew::Crew;
use super::edit::{NewLeaf, Tree};
use super::error::{TrieError, TrieId};
use super::node::{Child, Standing};
use super::node_store::{NodeBatch, NodeStore, WitnessNodes};
use super::split::{SplitTrie, Then, apply_leaves};
use super::subtrie::{SUBTRIE_DEPTH, Subtrie};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_types::{Account, StateDiff};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Slots of one account that, changed at once, make its storage a trie of 256 parts, unless something else is said.
const LARGE_STORAGE_CHANGES: usize = 1024;
/// Accounts and slots that are inserted at a time when a trie is built.
const BUILD_CHUNK: usize = 1 << 16;

/// The state of all accounts as a Merkle Patricia trie.
///
/// Resident ([`StateTrie::new`], [`StateTrie::from_accounts`]), with all nodes in memory; or opened over a
/// [`NodeStore`], from which nodes are fetched when a change or a read comes by.
///
/// Changes may come in any number of [`StateTrie::apply`] between two [`StateTrie::root`]: only what is dirty when the
/// root is asked for is hashed, once.
#[derive(Debug)]
pub struct StateTrie {
    pub(super) accounts: SplitTrie,
    pub(super) crew: Crew,
    /// Bytes of nodes that [`StateTrie::trim`] leaves.
    cache_bytes: usize,
    pub(super) large_storage_changes: usize,
    /// Batches that were taken and came back: the store does not have them.
    returned: NodeBatch,
    pub(super) broken: bool,
}

impl StateTrie {
    /// The empty state, to be held in memory whole.
    pub fn new(crew: Crew) -> Self {
        Self::over(SplitTrie::new(TrieId::Accounts, None), usize::MAX, crew)
    }

    /// A state held in memory whole, from all accounts with their slots, in any order. Slots of value zero count as
    /// absent.
    ///
    /// # Errors
    /// [`TrieError::Full`].
    pub fn from_accounts<S: IntoIterator<Item = (U256, U256)>>(
        crew: Crew,
        accounts: impl IntoIterator<Item = (Address, Account, S)>,
    ) -> Result<Self, TrieError> {
        let mut trie = Self::new(crew);
        let mut diff = StateDiff::default();
        let mut leaves = 0;
        for (address, account, slots) in accounts {
            let storage: BTreeMap<U256, U256> = slots.into_iter().collect();
            leaves += 1 + storage.len();
            let change = motet_types::AccountDiff { account: Some(account), wiped: false, storage };
            diff.accounts.insert(address, change);
            if leaves >= BUILD_CHUNK {
                trie.apply(&diff)?;
                (diff, leaves) = (StateDiff::default(), 0);
            }
        }
        trie.apply(&diff)?;
        Ok(trie)
    }

    /// The state with this root, whose nodes are in `store`. About `cache_bytes` of them stay in memory.
    pub fn open(root: B256, store: Arc<dyn NodeStore>, cache_bytes: usize, crew: Crew) -> Self {
        Self::over(SplitTrie::open(TrieId::Accounts, root, store), cache_bytes, crew)
    }

    pub(super) fn over(accounts: SplitTrie, cache_bytes: usize, crew: Crew) -> Self {
        Self {
            accounts,
            crew,
            cache_bytes,
            large_storage_changes: LARGE_STORAGE_CHANGES,
            returned: NodeBatch::default(),
            broken: false,
        }
    }

    /// What stands in the place of a trie that is lent.
    pub(super) fn placeholder() -> Self {
        Self { broken: true, ..Self::new(Crew::alone()) }
    }

    /// Says how many slots of one account, changed at once, make its storage a trie of 256 parts, on which all threads
    /// work.
    #[must_use]
    pub fn with_large_storage_changes(self, large_storage_changes: usize) -> Self {
        Self { large_storage_changes, ..self }
    }

    /// The part of the state with this root that the nodes of a witness show, in any order.
    ///
    /// A change that needs a node which is not there fails with [`TrieError::Missing`]. The changes of a block are to
    /// come in one [`StateTrie::apply`]: otherwise a branch may collapse that does not in the end, for which a node is
    /// needed that the block does not need.
    pub fn from_witness(root: B256, nodes: impl IntoIterator<Item = Bytes>, crew: Crew) -> Self {
        Self::open(root, Arc::new(WitnessNodes::new(nodes)), usize::MAX, crew)
    }

    /// Makes a change. The reverse change gives the former root again.
    ///
    /// # Errors
    /// When a node cannot be fetched. The trie is broken then.
    pub fn apply(&mut self, diff: &StateDiff) -> Result<(), TrieError> {
        self.apply_hashed(&HashedDiff::of_diff(diff, &self.crew))
    }

    /// As [`StateTrie::apply`].
    ///
    /// # Errors
    /// As [`StateTrie::apply`].
    pub fn apply_hashed(&mut self, diff: &HashedDiff) -> Result<(), TrieError> {
        self.edit(diff, Then::Leave)
    }

    /// The state root after a change. The same as [`StateTrie::apply`] and [`StateTrie::root`], but sooner: what
    /// changes is hashed while it is at hand.
    ///
    /// # Errors
    /// As [`StateTrie::apply`] and [`StateTrie::root`].
    pub fn update(&mut self, diff: &StateDiff) -> Result<B256, TrieError> {
        self.update_hashed(&HashedDiff::of_diff(diff, &self.crew))
    }

    /// As [`StateTrie::update`].
    ///
    /// # Errors
    /// As [`StateTrie::update`].
    pub fn update_hashed(&mut self, diff: &HashedDiff) -> Result<B256, TrieError> {
        self.edit(diff, Then::Hash)?;
        self.root()
    }

    fn edit(&mut self, diff: &HashedDiff, then: Then) -> Result<(), TrieError> {
        self.checked(|trie| {
            let Self { accounts, crew, large_storage_changes, .. } = trie;
            let store = accounts.store.clone();
            accounts.edit(
                diff.accounts(),
                |account| &account.key,
                crew,
                then,
                |subtrie, changes: &[AccountChange]| {
                    let editor =
                        AccountEditor { store: &store, crew, large_storage_changes: *large_storage_changes, then };
                    for change in changes {
                        editor.apply_account(subtrie, change)?;
                    }
                    let (mut tree, root) = subtrie.tree(TrieId::Accounts, store.as_deref());
                    for change in changes.iter().filter(|change| change.account.is_none()) {
                        tree.remove(root, SUBTRIE_DEPTH, &change.key)?;
                    }
                    Ok(())
                },
            )
        })
    }

    /// The state root after all changes.
    ///
    /// # Errors
    /// When a node that moves up to the root cannot be fetched. The trie is broken then.
    pub fn root(&mut self) -> Result<B256, TrieError> {
        self.checked(|trie| trie.accounts.root(&trie.crew))
    }

    /// Hashes leaves and the branches just above them, which further changes are not likely to touch: for the time
    /// between changes, so that less is left for [`StateTrie::root`].
    ///
    /// # Errors
    /// As [`StateTrie::root`].
    pub fn prehash(&mut self) -> Result<(), TrieError> {
        self.checked(|trie| trie.accounts.prehash(&trie.crew))
    }

    /// The account with its storage root.
    ///
    /// # Errors
    /// When a node cannot be fetched.
    pub fn account(&mut self, address: Address) -> Result<Option<TrieAccount>, TrieError> {
        self.account_hashed(&keccak256(address))
    }

    /// As [`StateTrie::account`], by the hash of the address.
    ///
    /// # Errors
    /// As [`StateTrie::account`].
    pub fn account_hashed(&mut self, account: &B256) -> Result<Option<TrieAccount>, TrieError> {
        self.root()?;
        let found = self.accounts.find(account)?;
        Ok(found.map(|(subtrie, leaf)| subtrie.heap.trie_account(leaf)))
    }

    /// The value of a slot; zero where nothing is stored.
    ///
    /// # Errors
    /// When a node cannot be fetched.
    pub fn slot(&mut self, address: Address, slot: U256) -> Result<U256, TrieError> {
        self.slot_hashed(&keccak256(address), &keccak256(slot.to_be_bytes::<32>()))
    }

    /// As [`StateTrie::slot`], by the hashes of address and slot.
    ///
    /// # Errors
    /// As [`StateTrie::slot`].
    pub fn slot_hashed(&mut self, account: &B256, key: &B256) -> Result<U256, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        let store = self.accounts.store.clone();
        match self.accounts.find(account)? {
            Some((subtrie, leaf)) => subtrie.slot(account, leaf, key, store.as_deref()),
            None => Ok(U256::ZERO),
        }
    }

    /// The changes of nodes since the last time, to be written to the store; the root is computed first. Empty for a
    /// trie without a store.
    ///
    /// # Errors
    /// As [`StateTrie::root`].
    pub fn take_batch(&mut self) -> Result<NodeBatch, TrieError> {
        self.root()?;
        let mut batch = std::mem::take(&mut self.returned);
        match batch.is_empty() {
            true => batch = self.accounts.take_batch(),
            false => batch.append(self.accounts.take_batch()),
        }
        Ok(batch)
    }

    /// Takes back a batch that was taken and that the store did not get after all: it comes with the next one. Of several, the
    /// oldest first.
    ///
    /// To undo the change is not enough: the batch may have nodes in it that the change did not need, such as those of
    /// a storage trie that came to be kept in 256 parts.
    pub fn return_batch(&mut self, batch: NodeBatch) {
        self.returned.append(batch);
    }

    /// Lets nodes go that nobody came by lately, once there are more bytes of them than the cache may have. To be called
    /// when the store has the last batch; does nothing while there are changes that it does not have.
    ///
    /// # Errors
    /// As [`StateTrie::root`].
    pub fn trim(&mut self) -> Result<(), TrieError> {
        let cache_bytes = self.cache_bytes;
        self.checked(|trie| match trie.returned.is_empty() && trie.accounts.is_stored() {
            true => trie.accounts.evict(cache_bytes, &trie.crew),
            false => Ok(()),
        })
    }

    /// Bytes that the trie takes in memory, with free space between nodes.
    pub fn memory_bytes(&self) -> usize {
        self.accounts.memory_bytes()
    }

    /// Bytes of nodes in memory.
    pub fn node_bytes(&self) -> usize {
        self.accounts.node_bytes()
    }

    /// Does what may leave a change half made.
    pub(super) fn checked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, TrieError>) -> Result<T, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        let done = work(self);
        self.broken = done.is_err();
        done
    }
}

/// Changes accounts of one subtrie.
struct AccountEditor<'a> {
    store: &'a Option<Arc<dyn NodeStore>>,
    crew: &'a Crew,
    large_storage_changes: usize,
    then: Then,
}

impl AccountEditor<'_> {
    /// Makes the change of an account's storage and, unless it goes, of the account.
    fn apply_account(&self, subtrie: &mut Subtrie, change: &AccountChange) -> Result<(), TrieError> {
        let key = &change.key;
        if let (Some(account), false, []) = (&change.account, change.wiped, &change.slots[..]) {
            let node = AccountNode::new(account, Storage::Empty).to_node(key);
            let leaf = NewLeaf { node: node.as_ref(), keeps_storage: true };
            let (mut tree, root) = subtrie.tree(TrieId::Accounts, self.store.as_deref());
            tree.set(root, SUBTRIE_DEPTH, key, leaf)?;
            return Ok(());
        }
        let (mut tree, root) = subtrie.tree(TrieId::Accounts, self.store.as_deref());
        let leaf = tree.find(root, SUBTRIE_DEPTH, key)?;
        let mut storage = leaf.map_or(Storage::Empty, |leaf| subtrie.heap.account(leaf).storage);
        if change.wiped || change.account.is_none() {
            self.wipe(subtrie, key, &mut storage);
        }
        let Some(account) = &change.account else { return Ok(()) };
        if !change.slots.is_empty() {
            storage = self.apply_slots(subtrie, key, storage, &change.slots)?;
        }
        let node = AccountNode::new(account, storage).to_node(key);
        let (mut tree, root) = subtrie.tree(TrieId::Accounts, self.store.as_deref());
        tree.set(root, SUBTRIE_DEPTH, key, NewLeaf::of_node(node.as_ref()))?;
        Ok(())
    }

    fn wipe(&self, subtrie: &mut Subtrie, key: &B256, storage: &mut Storage) {
        let trie = TrieId::Storage(*key);
        match std::mem::replace(storage, Storage::Empty) {
            Storage::Empty => return,
            Storage::Small(root) => subtrie.tree(trie, None).0.free_below(root.node),
            Storage::Large(root) => subtrie.remove_large(root.node),
        }
        if let Some(journal) = &mut subtrie.journal {
            journal.wipe(trie);
        }
    }

    fn apply_slots(
        &self,
        subtrie: &mut Subtrie,
        key: &B256,
        storage: Storage,
        slots: &[SlotChange],
    ) -> Result<Storage, TrieError> {
        let trie = TrieId::Storage(*key);
        let mut root = match storage {
            Storage::Large(child) => return self.apply_large(subtrie, child, slots),
            Storage::Empty => None,
            Storage::Small(root) => Some(root),
        };
        if slots.len() >= self.large_storage_changes {
            let mut large = SplitTrie::new(trie, self.store.clone());
            if subtrie.journal.is_none() {
                large = large.without_journal();
            }
            if let Some(root) = root {
                large.promote(subtrie, root)?;
            }
            let number = subtrie.add_large(large);
            return self.apply_large(subtrie, Child::dirty(number), slots);
        }
        let (Tree { heap, journal, .. }, _) = subtrie.tree(trie, None);
        let mut tree = Tree { heap, journal, trie, store: self.store.as_deref() };
        apply_leaves(&mut tree, &mut root, 0, slots)?;
        Ok(root.map_or(Storage::Empty, Storage::Small))
    }

    fn apply_large(&self, subtrie: &mut Subtrie, child: Child, slots: &[SlotChange]) -> Result<Storage, TrieError> {
        if let Some(large) = subtrie.large_mut(child.node) {
            large.apply(slots, self.crew, self.then)?;
        }
        Ok(Storage::Large(Child { standing: Standing::Dirty, ..child }))
    }
}

impl SplitTrie {
    /// Whether the store has everything.
    fn is_stored(&self) -> bool {
        let taken = |journal: &Option<NodeBatch>| journal.as_ref().is_some_and(NodeBatch::is_empty);
        self.computed_root().is_some()
            && taken(&self.journal)
            && self
                .subtries
                .iter()
                .all(|subtrie| taken(&subtrie.journal) && subtrie.large.iter().flatten().all(|large| large.is_stored()))
    }
}

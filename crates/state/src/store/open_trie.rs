//! The trie of a store's head, checked against the flat state.
//!
//! A resident trie is built from the flat tables; that its root is the head's shows that every account and slot in them is what was
//! committed. A paged one lies in the tables itself: its root node is checked at once, every other when it is fetched, and how
//! far flat state and trie agree is compared for a sample, or for everything.

use super::core::locked;
use super::engine::Table;
use super::error::{Corruption, StoreError};
use super::nodes::StoredNodes;
use super::options::TrieMode;
use super::record::Head;
use super::tables::{malformed, slot_of};
use super::writer::Store;
use crate::trie::{
    AccountChange, Crew, EMPTY_ROOT, HashedDiff, NodeStore, SlotChange, StateTrie, StoredLeaves, TrieAccount,
};
use alloy_primitives::{B256, U256, keccak256};
use motet_types::Account;
use std::sync::Arc;

/// Accounts and slots that go into a trie at a time.
const BUILD_CHUNK: usize = 1 << 16;
/// Accounts between two reports of progress.
const REPORT_EVERY: u64 = 1 << 14;
/// Places of the flat state that a sample looks at, and accounts at each.
const SAMPLE_PLACES: u8 = 32;
const SAMPLE_ACCOUNTS: usize = 4;
/// Slots of an account that a sample looks at.
const SAMPLE_SLOTS: usize = 8;

/// How much of a paged trie is compared with the flat state when it is opened. A resident one is always built, and thereby
/// checked, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The root node and some accounts.
    Sample,
    /// Every node, account and slot.
    All,
}

/// How far the opening of a trie is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Accounts that are done.
    pub accounts: u64,
    /// Their share of all, as far as one can tell: hashes are spread evenly. From 0 to 1.
    pub share: f64,
}

/// Rows of the slots table: hashed account, hashed slot, value.
type SlotRow = Result<(B256, B256, U256), StoreError>;

/// Says how far it is, now and then.
struct Reporter<'a> {
    accounts: u64,
    on_progress: &'a mut dyn FnMut(Progress),
}

impl Reporter<'_> {
    fn done(&mut self, account: &B256) {
        self.accounts += 1;
        if self.accounts.is_multiple_of(REPORT_EVERY) {
            let first = account.iter().take(4).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
            let share = f64::from(first) / f64::from(u32::MAX);
            (self.on_progress)(Progress { accounts: self.accounts, share });
        }
    }
}

impl Store {
    /// The trie of the state at the head. What waits goes into the tables first, and nothing is committed meanwhile.
    ///
    /// Of a paged trie, [`StateTrie::take_batch`] gives the nodes that each block is to be committed with, and
    /// [`StateTrie::trim`] may be called when every batch that was taken is committed.
    ///
    /// # Errors
    /// When flat state, trie and head's root do not agree: names where. When the tables fail.
    pub fn open_trie(
        &self,
        crew: Crew,
        verify: Verify,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<StateTrie, StoreError> {
        let _writer = locked(&self.writer);
        self.core.drain()?;
        let head = self.core.layers.now().head;
        let root = if head.seq == 0 { EMPTY_ROOT } else { head.root };
        let mut reporter = Reporter { accounts: 0, on_progress };
        let TrieMode::Paged { cache_bytes } = self.options.trie else {
            let mut trie = self.build_trie(crew, &mut reporter)?;
            return match trie.root()? {
                found if found == root => Ok(trie),
                found => Err(Corruption::Root { height: head.height, found, expected: root }.into()),
            };
        };
        let nodes: Arc<dyn NodeStore> = Arc::new(StoredNodes::new(&self.core.tables, Some(&self.core.layers)));
        let mut trie = StateTrie::open(root, Arc::clone(&nodes), cache_bytes, crew);
        match verify {
            Verify::Sample => self.compare_sample(&mut trie, &head)?,
            Verify::All => self.compare_all(&*nodes, root, &mut reporter)?,
        }
        Ok(trie)
    }

    /// A trie in memory from the flat tables.
    fn build_trie(&self, crew: Crew, reporter: &mut Reporter<'_>) -> Result<StateTrie, StoreError> {
        let mut trie = StateTrie::new(crew);
        let mut slots = self.all_slots().peekable();
        let (mut changes, mut leaves) = (Vec::new(), 0);
        for row in self.accounts_from(B256::ZERO) {
            let (key, account) = row?;
            let empty = AccountChange { key, account: Some(account), ..AccountChange::default() };
            let mut change = empty.clone();
            while let Some(row) = slots.next_if(|row| row.as_ref().map_or(true, |(owner, ..)| *owner <= key)) {
                let (owner, slot, value) = row?;
                if owner < key {
                    return Err(Corruption::Slot { account: owner, slot, what: "its account does not exist" }.into());
                }
                change.slots.push(SlotChange { key: slot, value });
                leaves += 1;
                if leaves >= BUILD_CHUNK {
                    changes.push(std::mem::replace(&mut change, empty.clone()));
                    trie.apply_hashed(&HashedDiff::new(std::mem::take(&mut changes)))?;
                    leaves = 0;
                }
            }
            changes.push(change);
            leaves += 1;
            if leaves >= BUILD_CHUNK {
                trie.apply_hashed(&HashedDiff::new(std::mem::take(&mut changes)))?;
                leaves = 0;
            }
            reporter.done(&key);
        }
        if let Some(row) = slots.next() {
            let (account, slot, _) = row?;
            return Err(Corruption::Slot { account, slot, what: "its account does not exist" }.into());
        }
        trie.apply_hashed(&HashedDiff::new(changes))?;
        Ok(trie)
    }

    /// All slots of all accounts, ascending.
    fn all_slots(&self) -> impl Iterator<Item = SlotRow> + '_ {
        self.core.tables.rows_from(Table::Slots, vec![0]).map(|row| {
            let (key, payload) = row?;
            let wrong = || malformed(Table::Slots, &key);
            let (account, slot) = key.split_first_chunk::<32>().ok_or_else(wrong)?;
            let slot = B256::try_from(slot).map_err(|_| wrong())?;
            Ok((account.into(), slot, slot_of(&payload).ok_or_else(wrong)?))
        })
    }

    /// Some accounts, at places that follow from the head's hash.
    fn compare_sample(&self, trie: &mut StateTrie, head: &Head) -> Result<(), StoreError> {
        for place in 0..SAMPLE_PLACES {
            let from = keccak256([head.hash.as_slice(), &[place]].concat());
            // The trie reads its root node here even where nothing follows.
            trie.account_hashed(&from)?;
            for row in self.accounts_from(from).take(SAMPLE_ACCOUNTS) {
                let (key, account) = row?;
                let found = trie.account_hashed(&key)?;
                let Some(found) = found.filter(|found| is_same(found, &account)) else {
                    return Err(Corruption::Account { account: key, what: "flat state and trie differ" }.into());
                };
                let mut has_slots = false;
                for row in self.slots_of(key).take(SAMPLE_SLOTS) {
                    let (slot, value) = row?;
                    has_slots = true;
                    if trie.slot_hashed(&key, &slot)? != value {
                        return Err(Corruption::Slot { account: key, slot, what: "flat state and trie differ" }.into());
                    }
                }
                if has_slots != (found.storage_root != EMPTY_ROOT) {
                    let what = "only one of flat state and trie has storage";
                    return Err(Corruption::Account { account: key, what }.into());
                }
            }
        }
        Ok(())
    }

    /// Every leaf of every trie, with the hashes of all nodes above it, against every row of the flat state.
    fn compare_all(&self, nodes: &dyn NodeStore, root: B256, reporter: &mut Reporter<'_>) -> Result<(), StoreError> {
        let leaves = StoredLeaves::new(nodes);
        let mut accounts = self.accounts_from(B256::ZERO);
        let mut slots = self.all_slots();
        leaves.accounts(root, &mut |key, found: TrieAccount| {
            match accounts.next().transpose()? {
                Some((flat, account)) if flat == key && is_same(&found, &account) => {}
                Some((flat, _)) => return Err(only_one_has(flat.min(key))),
                None => return Err(only_one_has(key)),
            }
            leaves.slots(key, found.storage_root, &mut |slot, value| match slots.next().transpose()? {
                Some(flat) if flat == (key, slot, value) => Ok::<(), StoreError>(()),
                _ => Err(Corruption::Slot { account: key, slot, what: "flat state and trie differ" }.into()),
            })?;
            reporter.done(&key);
            Ok(())
        })?;
        if let Some((key, _)) = accounts.next().transpose()? {
            return Err(only_one_has(key));
        }
        match slots.next().transpose()? {
            Some((account, slot, _)) => {
                Err(Corruption::Slot { account, slot, what: "the trie does not have it" }.into())
            }
            None => Ok(()),
        }
    }
}

fn is_same(found: &TrieAccount, account: &Account) -> bool {
    let Account { nonce, balance, code_hash } = *account;
    (found.nonce, found.balance, found.code_hash) == (nonce, balance, code_hash)
}

fn only_one_has(account: B256) -> StoreError {
    Corruption::Account { account, what: "flat state and trie differ" }.into()
}

//! The state's root begun while the block still executes.
//!
//! ```text
//! the block's access list, if it came with one --+
//! or: execution --each transaction's change--> queue --> the trie's thread: apply what is new, hash what is done with
//!                                                          |
//! outcome --its whole change--> the same? yes: the root is nearly there
//!                                         no: what was applied is taken back, and the change applied as ever
//! ```
//!
//! What the trie was told early is never trusted: it counts only where it is exactly the change that execution gave in the
//! end. A block that turns out invalid is taken back likewise. The way back is read from the flat state, which is
//! the parent's until the block is committed.

use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use motet_exec::CommitSink;
use motet_state::trie::StateTrie;
use motet_types::{Account, AccountDiff, Location, StateDiff, TxIndex, Value};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

/// Changes that wait for the trie's thread. Those that come when it is full are joined until there is room.
pub(crate) const STEPS_WAITING_MAX: usize = 16;

/// Hands the changes of transactions to the trie's thread. Never waits while the block executes.
#[derive(Debug)]
pub(crate) struct StepSender {
    to: SyncSender<StateDiff>,
    /// What found no room. A step has all of an account that the block has looked at, so a later one takes the place of
    /// an earlier one.
    joined: StateDiff,
}

impl StepSender {
    pub(crate) fn new(to: SyncSender<StateDiff>) -> Self {
        Self { to, joined: StateDiff::default() }
    }

    fn pass(&mut self, step: &StateDiff) {
        let steps = step.accounts.iter().map(|(address, change)| (*address, change.clone()));
        self.joined.accounts.extend(steps);
        // Without a receiver the trie's thread has ended, and says why where it is joined.
        if let Err(TrySendError::Full(joined)) = self.to.try_send(std::mem::take(&mut self.joined)) {
            self.joined = joined;
        }
    }

    /// The block is over: the rest may wait for room.
    pub(crate) fn finish(self) {
        if !self.joined.is_empty() {
            // See above.
            let _ = self.to.send(self.joined);
        }
    }
}

impl CommitSink for StepSender {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.pass(step);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.pass(step?);
        None
    }
}

/// What a trie was told before the outcome was there.
#[derive(Debug, Default)]
pub(crate) struct Told {
    diff: StateDiff,
    /// The parent's values of what was looked at.
    accounts_before: HashMap<Address, Option<Account>>,
    slots_before: HashMap<(Address, U256), U256>,
    /// Something came that a block's list of changes may say in several ways: it is left to the usual path.
    gave_up: bool,
}

impl Told {
    /// Takes the steps of an execution into the trie, until there are no more.
    pub(crate) fn follow(
        trie: &mut StateTrie,
        before: &ChainView,
        steps: Receiver<StateDiff>,
    ) -> Result<Self, ChainError> {
        let mut told = Self::default();
        while let Ok(step) = steps.recv() {
            let mut changed = told.take(trie, before, &step)?;
            while let Ok(step) = steps.try_recv() {
                changed |= told.take(trie, before, &step)?;
            }
            if changed {
                trie.prehash()?;
            }
        }
        Ok(told)
    }

    /// Takes into the trie what a block's access list says. The list's form has been checked, nothing else of it.
    pub(crate) fn of_list(
        trie: &mut StateTrie,
        before: &ChainView,
        list: &BlockAccessList,
    ) -> Result<Self, ChainError> {
        let mut told = Self::default();
        let step = diff_of_list(list, before)?;
        told.take(trie, before, &step)?;
        trie.root()?;
        Ok(told)
    }

    /// Applies what of a step is new; says whether something was.
    fn take(&mut self, trie: &mut StateTrie, before: &ChainView, step: &StateDiff) -> Result<bool, ChainError> {
        let mut news = StateDiff::default();
        for (address, change) in &step.accounts {
            let account_now = match self.diff.accounts.get(address) {
                Some(known) => known.account,
                None => self.account_before(before, *address)?,
            };
            if change.account.is_none() && account_now.is_none() {
                // It was looked at, and does not exist.
                continue;
            }
            if self.gave_up || change.wiped || change.account.is_none() {
                self.gave_up = true;
                return Ok(false);
            }
            let mut storage = BTreeMap::new();
            for (slot, value) in &change.storage {
                let known = self.diff.accounts.get(address).and_then(|known| known.storage.get(slot)).copied();
                let value_now = match known {
                    Some(value) => value,
                    None => self.slot_before(before, *address, *slot)?,
                };
                if value_now != *value {
                    storage.insert(*slot, *value);
                }
            }
            if change.account != account_now || !storage.is_empty() {
                news.accounts.insert(*address, AccountDiff { account: change.account, wiped: false, storage });
            }
        }
        trie.apply(&news)?;
        let changed = !news.is_empty();
        for (address, change) in news.accounts {
            let known = self.diff.accounts.entry(address).or_default();
            known.account = change.account;
            known.storage.extend(change.storage);
        }
        Ok(changed)
    }

    fn account_before(&mut self, before: &ChainView, address: Address) -> Result<Option<Account>, ChainError> {
        if let Some(account) = self.accounts_before.get(&address) {
            return Ok(*account);
        }
        let account = account_of(before, address)?;
        self.accounts_before.insert(address, account);
        Ok(account)
    }

    fn slot_before(&mut self, before: &ChainView, address: Address, slot: U256) -> Result<U256, ChainError> {
        if let Some(value) = self.slots_before.get(&(address, slot)) {
            return Ok(*value);
        }
        let value = slot_of(before, address, slot)?;
        self.slots_before.insert((address, slot), value);
        Ok(value)
    }

    /// Whether what the trie was told is exactly a change.
    fn is(&self, diff: &StateDiff) -> bool {
        if self.gave_up {
            return false;
        }
        let mut told = self.diff.accounts.iter().filter_map(|(address, told)| {
            let mut told = told.clone();
            // What changed and changed back is no change.
            told.storage.retain(|slot, value| self.slots_before.get(&(*address, *slot)) != Some(value));
            let is_same = told.storage.is_empty() && self.accounts_before.get(address) == Some(&told.account);
            (!is_same).then_some((address, told))
        });
        let same = diff
            .accounts
            .iter()
            .all(|(address, change)| told.next().is_some_and(|told| told == (address, change.clone())));
        same && told.next().is_none()
    }

    /// The root after a change, of which the trie may have been told already.
    pub(crate) fn root_after(
        self,
        trie: &mut StateTrie,
        before: &ChainView,
        diff: &StateDiff,
    ) -> Result<B256, ChainError> {
        if self.is(diff) {
            return Ok(trie.root()?);
        }
        self.take_back(trie, before)?;
        Ok(trie.update(diff)?)
    }

    /// Takes everything out of the trie again.
    pub(crate) fn take_back(self, trie: &mut StateTrie, before: &ChainView) -> Result<(), ChainError> {
        let reverse = before.reverse_of(&self.diff)?;
        Ok(trie.apply_hashed(&reverse)?)
    }
}

/// The change that a list says, so far as it changes something.
fn diff_of_list(list: &BlockAccessList, before: &ChainView) -> Result<StateDiff, ChainError> {
    let mut diff = StateDiff::default();
    for listed in list {
        let account_before = account_of(before, listed.address)?;
        let mut account = account_before.unwrap_or_default();
        if let Some(last) = listed.balance_changes.last() {
            account.balance = last.post_balance;
        }
        if let Some(last) = listed.nonce_changes.last() {
            account.nonce = last.new_nonce;
        }
        if let Some(last) = listed.code_changes.last() {
            account.code_hash = if last.new_code.is_empty() { KECCAK256_EMPTY } else { keccak256(&last.new_code) };
        }
        let changes = listed.storage_changes.iter();
        let storage = changes.filter_map(|slot| Some((slot.slot, slot.changes.last()?.new_value)));
        let storage: BTreeMap<U256, U256> = storage.collect();
        let is_listed_only = account_before.is_none() && account.is_empty() && storage.is_empty();
        if !is_listed_only {
            // Lists come with blocks since Amsterdam alone, when accounts that are empty do not exist.
            let account = (!account.is_empty()).then_some(account);
            diff.accounts.insert(listed.address, AccountDiff { account, wiped: false, storage });
        }
    }
    Ok(diff)
}

fn account_of(view: &ChainView, address: Address) -> Result<Option<Account>, ChainError> {
    match view.value(Location::Account(address))? {
        Value::Account(account) => Ok(account),
        _ => Ok(None),
    }
}

fn slot_of(view: &ChainView, address: Address, slot: U256) -> Result<U256, ChainError> {
    match view.value(Location::Slot(address, slot))? {
        Value::Slot(value) => Ok(value),
        _ => Ok(U256::ZERO),
    }
}

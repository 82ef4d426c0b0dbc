//! The state of the block so far, written in order, by one hand.
//!
//! Whatever engine executes, what it produces enters the block here: transaction 0, then 1, then 2. The
//! ledger is at once the state that the next transaction reads, the record of the block (EIP-7928 list,
//! wipes, lifecycle) and the difference to the parent state.
//!
//! Invariant: after `commit(i, ..)` the ledger holds exactly what sequential execution of everything up to
//! index `i` would have left.

mod accounts;
mod finish;

use crate::listed::ListField;
use crate::vm::{AccountInfo, Bytecode, EvmState, VmAccount, found};
use accounts::Accounts;
use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::map::{B256Map, HashMap};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, AccountDiff, Lifecycle, LifecycleEvent, StateDiff, StorageWipe};
use smallvec::SmallVec;

pub(crate) use finish::{LedgerPart, LedgerParts, PartDone, joined};

/// Accounts as the block has left them so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: Accounts,
    /// Code that the block deployed, by hash.
    deployed: B256Map<Bytecode>,
    wipes: Vec<StorageWipe>,
    lifecycle: Vec<LifecycleEvent>,
    /// Whether an account can exist and be empty (before EIP-161).
    empty_accounts_exist: bool,
}

/// One account: as the parent state had it, as it is now, and how it came to be so.
#[derive(Debug)]
pub(crate) struct Entry {
    parent: Option<Account>,
    current: Option<Account>,
    /// The code of `current`, when it is at hand.
    code: Option<Bytecode>,
    /// Whether the storage of the parent state is gone.
    wiped: bool,
    /// Whether a transaction or system call accessed it; reading ahead does not count.
    accessed: bool,
    balances: Changes<U256>,
    nonces: Changes<u64>,
    codes: Changes<B256>,
    slots: HashMap<U256, SlotEntry>,
}

/// One slot: its value in the parent state, its value now, its changes.
#[derive(Debug)]
struct SlotEntry {
    parent: U256,
    current: U256,
    accessed: bool,
    changes: Changes<U256>,
}

/// Values by block access index, ascending.
type Changes<T> = SmallVec<[(BlockAccessIndex, T); 1]>;

/// What the ledger knows of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Its value.
    Known(U256),
    /// Nothing in this block: the parent state's value stands.
    Parent,
}

impl Ledger {
    /// An empty ledger. `empty_accounts_exist` says whether the rules are those before EIP-161.
    pub(crate) fn new(empty_accounts_exist: bool) -> Self {
        Self { empty_accounts_exist, ..Self::default() }
    }

    /// What the block knows of an account; `None`: nothing.
    #[inline]
    pub(crate) fn entry(&self, address: &Address) -> Option<&Entry> {
        self.accounts.get(address)
    }

    /// Notes what the parent state says of an account.
    pub(crate) fn load(&mut self, address: Address, account: Option<Account>) -> &Entry {
        self.accounts.get_or_insert_with(address, || Entry::new(account))
    }

    /// Notes what the parent state says of a slot, for an account that is loaded.
    pub(crate) fn load_slot(&mut self, address: Address, slot: U256, value: U256) {
        if let Some(entry) = self.accounts.get_mut(&address) {
            entry.slots.entry(slot).or_insert_with(|| SlotEntry::new(value));
        }
    }

    /// A slot as the block has left it.
    #[inline]
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> SlotState {
        self.accounts.get(address).map_or(SlotState::Parent, |entry| entry.slot(slot))
    }

    /// Whether an account has storage, where that is the block's say: once the block wiped it. Code that runs after
    /// the wipe may have written again.
    pub(crate) fn has_storage(&self, address: &Address) -> Option<bool> {
        let entry = self.accounts.get(address).filter(|entry| entry.wiped || entry.parent.is_none())?;
        Some(entry.slots.values().any(|slot| !slot.current.is_zero()))
    }

    /// Every change at `index` as (account, field, value after); code by its hash.
    pub(crate) fn changes_at(&self, index: BlockAccessIndex) -> Vec<(Address, ListField, U256)> {
        let mut found = Vec::new();
        for (address, entry) in self.accounts.iter() {
            let mut note = |field, value| found.push((*address, field, value));
            at(&entry.balances, index).into_iter().for_each(|balance| note(ListField::Balance, balance));
            at(&entry.nonces, index).into_iter().for_each(|nonce| note(ListField::Nonce, U256::from(nonce)));
            at(&entry.codes, index).into_iter().for_each(|hash| note(ListField::Code, hash.into()));
            for (slot, changed) in &entry.slots {
                at(&changed.changes, index).into_iter().for_each(|value| note(ListField::Slot(*slot), value));
            }
        }
        found.sort_unstable();
        found
    }

    /// Code that this block deployed.
    pub(crate) fn deployed(&self, hash: &B256) -> Option<&Bytecode> {
        self.deployed.get(hash)
    }

    /// Enters one transaction or system call.
    ///
    /// `state` is what the EVM loaded and changed, with original values equal to the ledger's. Where
    /// several commits share an index, they count as one step of the list. With `step`, the change that
    /// this commit makes is added to it.
    pub(crate) fn commit(&mut self, index: BlockAccessIndex, state: &mut EvmState, mut step: Option<&mut StateDiff>) {
        for (address, account) in state.iter_mut() {
            let address = *address;
            let existing = !account.is_loaded_as_not_existing();
            let entry = self.accounts.get_or_insert_with(address, || Entry::new(existing.then(|| found(account))));
            entry.accessed = true;
            if entry.code.is_none() && account.info.code_hash == entry.code_hash() {
                entry.code = account.info.code.clone();
            }
            let before = entry.current;
            let destroyed = account.is_selfdestructed();
            let created = account.is_created() && !destroyed;
            if (destroyed || created) && before.is_some() {
                entry.wipe();
                self.wipes.push(StorageWipe { address, index });
            }
            for (slot, value) in &account.storage {
                let after = if destroyed { U256::ZERO } else { value.present_value() };
                entry.set_slot(index, *slot, value.original_value(), after);
            }
            if account.is_touched() || destroyed {
                let stays_empty = created || (self.empty_accounts_exist && before.is_some());
                let after = after(account, destroyed, stays_empty);
                // An account that dies empty takes its storage along, whatever it held.
                if after.is_none() && before.is_some() && !destroyed {
                    entry.wipe();
                    self.wipes.push(StorageWipe { address, index });
                }
                let code_changed = entry.set_account(index, after);
                if let Some(code) = account.info.code.as_ref().filter(|_| after.is_some()) {
                    if code_changed && !code.is_empty() {
                        self.deployed.insert(account.info.code_hash, code.clone());
                    }
                    if code_changed || entry.code.is_none() {
                        entry.code = Some(code.clone());
                    }
                }
                match (before, after) {
                    (None, Some(_)) => {
                        self.lifecycle.push(LifecycleEvent { address, index, event: Lifecycle::Created })
                    }
                    (Some(_), None) => {
                        self.lifecycle.push(LifecycleEvent { address, index, event: Lifecycle::Deleted })
                    }
                    _ => {}
                }
            }
            if let Some(step) = step.as_deref_mut() {
                entry.add_to_step(address, step);
                if let Some(code) = self.deployed.get(&entry.code_hash()) {
                    step.codes.insert(entry.code_hash(), code.original_bytes());
                }
            }
        }
    }

    /// The block so far in parts that can be finished apart from each other.
    pub(crate) fn into_parts(mut self) -> LedgerParts {
        self.wipes.sort_unstable();
        self.wipes.dedup();
        self.lifecycle.sort_unstable();
        let parts = self.accounts.0.into_iter().map(LedgerPart::new).collect();
        LedgerParts { parts, deployed: self.deployed, wipes: self.wipes, lifecycle: self.lifecycle }
    }
}

/// What becomes of a touched account. EIP-161: touched and empty is gone, unless it was just created or the rules
/// are older (`stays_empty`).
fn after(account: &VmAccount, destroyed: bool, stays_empty: bool) -> Option<Account> {
    if destroyed || (account.is_empty() && !stays_empty) { None } else { Some(plain(&account.info)) }
}

fn plain(info: &AccountInfo) -> Account {
    Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
}

/// The value that `changes` has at exactly `index`.
fn at<T: Copy>(changes: &Changes<T>, index: BlockAccessIndex) -> Option<T> {
    changes.iter().find(|change| change.0 == index).map(|change| change.1)
}

/// Notes that a value goes from `before` to `after` at `index`, keeping one entry per index and none that
/// changes nothing.
fn push_change<T: Copy + PartialEq>(changes: &mut Changes<T>, index: BlockAccessIndex, before: T, start: T, after: T) {
    match changes.last_mut() {
        Some(last) if last.0 == index => {
            last.1 = after;
            let previous = if changes.len() > 1 { changes[changes.len() - 2].1 } else { start };
            if previous == after {
                changes.pop();
            }
        }
        _ if before != after => changes.push((index, after)),
        _ => {}
    }
}

impl Entry {
    fn new(parent: Option<Account>) -> Self {
        Self {
            parent,
            current: parent,
            code: None,
            wiped: false,
            accessed: false,
            balances: Changes::new(),
            nonces: Changes::new(),
            codes: Changes::new(),
            slots: HashMap::default(),
        }
    }

    /// The account now; `None` when it does not exist.
    #[inline]
    pub(crate) fn account(&self) -> Option<Account> {
        self.current
    }

    /// The account's code, when it is at hand.
    #[inline]
    pub(crate) fn code(&self) -> Option<&Bytecode> {
        self.code.as_ref()
    }

    /// A slot now.
    #[inline]
    pub(crate) fn slot(&self, slot: &U256) -> SlotState {
        match self.slots.get(slot) {
            Some(entry) => SlotState::Known(entry.current),
            None if self.wiped || self.parent.is_none() => SlotState::Known(U256::ZERO),
            None => SlotState::Parent,
        }
    }

    fn code_hash(&self) -> B256 {
        self.current.map_or(KECCAK256_EMPTY, |account| account.code_hash)
    }

    fn wipe(&mut self) {
        self.wiped = true;
        for slot in self.slots.values_mut() {
            slot.current = U256::ZERO;
        }
    }

    fn set_slot(&mut self, index: BlockAccessIndex, slot: U256, before: U256, after: U256) {
        let entry = self.slots.entry(slot).or_insert_with(|| SlotEntry::new(before));
        entry.accessed = true;
        push_change(&mut entry.changes, index, before, entry.parent, after);
        entry.current = after;
    }

    /// Sets the account, and says whether its code changed.
    fn set_account(&mut self, index: BlockAccessIndex, account: Option<Account>) -> bool {
        let (start, before, after) =
            (self.parent.unwrap_or_default(), self.current.unwrap_or_default(), account.unwrap_or_default());
        push_change(&mut self.balances, index, before.balance, start.balance, after.balance);
        push_change(&mut self.nonces, index, before.nonce, start.nonce, after.nonce);
        push_change(&mut self.codes, index, before.code_hash, start.code_hash, after.code_hash);
        self.current = account;
        if before.code_hash != after.code_hash {
            self.code = None;
        }
        before.code_hash != after.code_hash
    }

    /// Adds this account's present state to the change of one step: the account and every slot that the
    /// block has looked at, changed or not, so that applying steps one after the other needs no history.
    fn add_to_step(&self, address: Address, step: &mut StateDiff) {
        let storage = match self.current {
            Some(_) => self.slots.iter().map(|(key, slot)| (*key, slot.current)).collect(),
            None => Default::default(),
        };
        let wiped = self.wiped || self.current.is_none();
        step.accounts.insert(address, AccountDiff { account: self.current, wiped, storage });
    }
}

impl SlotEntry {
    fn new(parent: U256) -> Self {
        Self { parent, current: parent, accessed: false, changes: Changes::new() }
    }
}

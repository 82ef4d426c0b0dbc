//! Multi-version memory: what transactions that are not final yet have written, by location.
//!
//! A transaction that runs ahead reads here first, and finds the write of the highest transaction below
//! it. Everything in this memory is a *hint*: a value may be from an execution that is later redone. What a
//! transaction read is compared with the ledger before it is committed (`validate`), so a wrong value here
//! costs time and never the result.
//!
//! ```text
//!             location -> base (committed or parent value) | version of tx 3 | version of tx 7 | ...
//!   tx 5 reads:                                              ^ this one
//! ```
//!
//! Locations are fields: an account's nonce and code (together), its balance, its storage as a whole
//! (wiped by a self-destruct), one slot. Balances are stored as deltas, so that two payments to one
//! account are no conflict.

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::vm::{Bytecode, EvmState, VmAccount};
use alloy_primitives::map::{AddressMap, DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, B256, U256};
use motet_types::{Account, TxIndex};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// Locks per table. A power of two, well above any worker count.
const SHARDS: usize = 128;

/// Writes of unfinished transactions over the state so far.
#[allow(missing_debug_implementations)]
pub(crate) struct MvMemory {
    accounts: Vec<Mutex<AddressMap<AccountCell>>>,
    slots: Vec<Mutex<HashMap<(Address, U256), SlotCell>>>,
    hasher: DefaultHashBuilder,
    /// Whether any account's storage was wiped in this block: slots consult their account only then.
    any_wipe: AtomicBool,
}

#[derive(Debug, Default)]
struct AccountCell {
    /// The committed state, or the parent's; `None` until somebody needed it.
    base: Option<Base>,
    versions: SmallVec<[AccountVersion; 1]>,
    /// Who read this account, ascending, with the field values that they saw. Balance readers say so.
    readers: SmallVec<[AccountReader; 2]>,
}

#[derive(Clone, Debug)]
struct Base {
    account: Option<Account>,
    code: Option<Bytecode>,
    /// The last committed wipe of the storage.
    wiped_by: Option<TxIndex>,
}

/// What one transaction did to one account.
#[derive(Clone, Debug)]
struct AccountVersion {
    tx: TxIndex,
    estimate: bool,
    /// Added to the balance, modulo 2^256.
    delta: U256,
    /// Nonce after, when it changed.
    nonce: Option<u64>,
    /// Code after, when it changed.
    code: Option<(B256, Bytecode)>,
    /// Existence after, when it changed.
    exists: Option<bool>,
    wiped: bool,
}

#[derive(Clone, Copy, Debug)]
struct AccountReader {
    tx: TxIndex,
    nonce: u64,
    code_hash: B256,
    exists: bool,
    /// The balance, for those that looked at it.
    balance: Option<U256>,
}

#[derive(Debug, Default)]
struct SlotCell {
    /// Value and, if a transaction of this block committed it, which.
    base: Option<(U256, Option<TxIndex>)>,
    versions: SmallVec<[SlotVersion; 1]>,
    readers: SmallVec<[(TxIndex, U256); 2]>,
}

#[derive(Clone, Copy, Debug)]
struct SlotVersion {
    tx: TxIndex,
    estimate: bool,
    value: U256,
}

/// The answer to a speculative read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// The value, and whether a transaction of this block wrote (part of) it.
    Value(T, Origin),
    /// A lower transaction is expected to write here again.
    Estimate(TxIndex),
    /// The parent state must be asked.
    Unknown,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The parent state.
    Parent,
    /// A write of this block.
    Block,
}

/// An account as a transaction sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenAccount {
    pub(crate) account: Option<Account>,
    pub(crate) code: Option<Bytecode>,
}

/// A transaction that saw something else than what is now written, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) tx: TxIndex,
    pub(crate) at: Written,
}

/// One location that a transaction wrote, to find it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Written {
    Account(Address),
    Slot(Address, U256),
}

impl MvMemory {
    pub(crate) fn new() -> Self {
        Self {
            accounts: (0..SHARDS).map(|_| Mutex::default()).collect(),
            slots: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            any_wipe: AtomicBool::new(false),
        }
    }

    fn account_shard(&self, address: &Address) -> MutexGuard<'_, AddressMap<AccountCell>> {
        self.accounts[self.hasher.hash_one(address) as usize % SHARDS].lock()
    }

    fn slot_shard(&self, key: &(Address, U256)) -> MutexGuard<'_, HashMap<(Address, U256), SlotCell>> {
        self.slots[self.hasher.hash_one(key) as usize % SHARDS].lock()
    }

    /// An account as transaction `tx` should see it. With `exact`, every expected change of the balance
    /// below `tx` must be in; otherwise the balance is the best guess.
    pub(crate) fn account(&self, tx: TxIndex, address: &Address, exact: bool) -> Lookup<SeenAccount> {
        let mut shard = self.account_shard(address);
        let Some(cell) = shard.get_mut(address) else { return Lookup::Unknown };
        let Some(base) = &cell.base else { return Lookup::Unknown };
        let mut seen = SeenAccount { account: base.account, code: base.code.clone() };
        let mut source = Origin::Parent;
        for version in cell.versions.iter().take_while(|version| version.tx < tx) {
            if version.estimate
                && (exact || version.nonce.is_some() || version.code.is_some() || version.exists.is_some())
            {
                return Lookup::Estimate(version.tx);
            }
            source = Origin::Block;
            version.apply(&mut seen);
        }
        let plain = seen.account.unwrap_or_default();
        let reader = AccountReader {
            tx,
            nonce: plain.nonce,
            code_hash: plain.code_hash,
            exists: seen.account.is_some(),
            balance: exact.then_some(plain.balance),
        };
        let at = cell.readers.partition_point(|known| known.tx < tx);
        match cell.readers.get_mut(at) {
            Some(known) if known.tx == tx => *known = reader,
            _ => cell.readers.insert(at, reader),
        }
        Lookup::Value(seen, source)
    }

    /// Says that transaction `tx` looked at a balance that it was given earlier.
    pub(crate) fn balance_observed(&self, tx: TxIndex, address: &Address, balance: U256) {
        if let Some(cell) = self.account_shard(address).get_mut(address)
            && let Ok(at) = cell.readers.binary_search_by_key(&tx, |reader| reader.tx)
        {
            cell.readers[at].balance = Some(balance);
        }
    }

    /// Keeps what the parent state says of an account.
    pub(crate) fn load_account(&self, address: Address, account: Option<Account>) {
        let mut shard = self.account_shard(&address);
        shard.entry(address).or_default().base.get_or_insert(Base { account, code: None, wiped_by: None });
    }

    /// Keeps an account's analysed code beside it.
    pub(crate) fn keep_code(&self, address: &Address, hash: &B256, code: &Bytecode) {
        if let Some(cell) = self.account_shard(address).get_mut(address)
            && let Some(base) = &mut cell.base
            && base.account.is_some_and(|account| account.code_hash == *hash)
        {
            base.code.get_or_insert_with(|| code.clone());
        }
    }

    /// A slot as transaction `tx` should see it.
    pub(crate) fn slot(&self, tx: TxIndex, address: Address, slot: U256) -> Lookup<U256> {
        let wipe = self.any_wipe.load(Ordering::SeqCst).then(|| self.wipe_below(tx, &address)).flatten();
        let key = (address, slot);
        let mut shard = self.slot_shard(&key);
        let cell = match wipe {
            None => match shard.get_mut(&key) {
                Some(cell) => cell,
                None => return Lookup::Unknown,
            },
            Some(_) => shard.entry(key).or_default(),
        };
        let version = cell.versions.iter().rev().find(|version| version.tx < tx);
        let (value, source) = match (version, cell.base, wipe) {
            (Some(version), _, wipe) if wipe.is_none_or(|wipe| version.tx >= wipe) => {
                if version.estimate {
                    return Lookup::Estimate(version.tx);
                }
                (version.value, Origin::Block)
            }
            (_, Some((value, Some(writer))), wipe) if wipe.is_none_or(|wipe| writer >= wipe) => (value, Origin::Block),
            (_, _, Some(_)) => (U256::ZERO, Origin::Block),
            (_, Some((value, None)), None) => (value, Origin::Parent),
            _ => return Lookup::Unknown,
        };
        let at = cell.readers.partition_point(|reader| reader.0 < tx);
        match cell.readers.get_mut(at) {
            Some(reader) if reader.0 == tx => reader.1 = value,
            _ => cell.readers.insert(at, (tx, value)),
        }
        Lookup::Value(value, source)
    }

    /// Keeps what the parent state says of a slot.
    pub(crate) fn load_slot(&self, address: Address, slot: U256, value: U256) {
        let key = (address, slot);
        self.slot_shard(&key).entry(key).or_default().base.get_or_insert((value, None));
    }

    fn wipe_below(&self, tx: TxIndex, address: &Address) -> Option<TxIndex> {
        let shard = self.account_shard(address);
        let cell = shard.get(address)?;
        let version = cell.versions.iter().rev().find(|version| version.wiped && version.tx < tx);
        version.map(|version| version.tx).or_else(|| cell.base.as_ref().and_then(|base| base.wiped_by))
    }

    /// Publishes what transaction `tx` wrote. `written` are its locations from the incarnation before and
    /// become those of this one; what is not written again is withdrawn. Transactions above `tx` that saw
    /// something else are added to `suspects`.
    pub(crate) fn publish(
        &self,
        tx: TxIndex,
        state: &EvmState,
        written: &mut Vec<Written>,
        suspects: &mut Vec<Suspect>,
    ) {
        let before = std::mem::take(written);
        for (address, account) in state {
            for (slot, value) in changed_slots(account) {
                written.push(Written::Slot(*address, slot));
                self.publish_slot(tx, *address, slot, value, suspects);
            }
            if let Some(version) = AccountVersion::of(tx, account) {
                written.push(Written::Account(*address));
                if version.wiped {
                    self.any_wipe.store(true, Ordering::SeqCst);
                }
                self.publish_account(*address, version, suspects);
            }
        }
        if !before.is_empty() {
            written.sort_unstable();
            for location in before.iter().filter(|location| written.binary_search(location).is_err()) {
                self.withdraw(tx, location, suspects);
            }
        }
    }

    fn publish_slot(&self, tx: TxIndex, address: Address, slot: U256, value: U256, suspects: &mut Vec<Suspect>) {
        let key = (address, slot);
        let mut shard = self.slot_shard(&key);
        let cell = shard.entry(key).or_default();
        let at = cell.versions.partition_point(|version| version.tx < tx);
        let version = SlotVersion { tx, estimate: false, value };
        match cell.versions.get_mut(at) {
            Some(present) if present.tx == tx => *present = version,
            _ => cell.versions.insert(at, version),
        }
        cell.suspect(tx, &key, value, suspects);
    }

    fn publish_account(&self, address: Address, version: AccountVersion, suspects: &mut Vec<Suspect>) {
        let mut shard = self.account_shard(&address);
        let cell = shard.entry(address).or_default();
        let (tx, quiet) = (version.tx, version.is_quiet());
        let at = cell.versions.partition_point(|version| version.tx < tx);
        match cell.versions.get_mut(at) {
            Some(present) if present.tx == tx => *present = version,
            _ => cell.versions.insert(at, version),
        }
        cell.suspect(tx, &address, quiet, suspects);
    }

    fn withdraw(&self, tx: TxIndex, location: &Written, suspects: &mut Vec<Suspect>) {
        match location {
            Written::Account(address) => {
                if let Some(cell) = self.account_shard(address).get_mut(address) {
                    cell.versions.retain(|version| version.tx != tx);
                    cell.suspect(tx, address, false, suspects);
                }
            }
            Written::Slot(address, slot) => {
                let key = (*address, *slot);
                if let Some(cell) = self.slot_shard(&key).get_mut(&key) {
                    cell.versions.retain(|version| version.tx != tx);
                    let value = cell.versions.iter().rev().find(|version| version.tx < tx).map(|version| version.value);
                    match value.or(cell.base.map(|base| base.0)) {
                        Some(value) => cell.suspect(tx, &key, value, suspects),
                        None => {
                            let above = cell.readers.iter().map(|reader| reader.0).filter(|reader| *reader > tx);
                            suspects.extend(above.map(|tx| Suspect { tx, at: *location }));
                        }
                    }
                }
            }
        }
    }

    /// Marks what transaction `tx` wrote as about to be written again: readers wait instead of guessing.
    pub(crate) fn mark_estimates(&self, tx: TxIndex, written: &[Written]) {
        for location in written {
            match location {
                Written::Account(address) => {
                    if let Some(cell) = self.account_shard(address).get_mut(address) {
                        cell.versions
                            .iter_mut()
                            .filter(|version| version.tx == tx)
                            .for_each(|version| version.estimate = true);
                    }
                }
                Written::Slot(address, slot) => {
                    let key = (*address, *slot);
                    if let Some(cell) = self.slot_shard(&key).get_mut(&key) {
                        cell.versions
                            .iter_mut()
                            .filter(|version| version.tx == tx)
                            .for_each(|version| version.estimate = true);
                    }
                }
            }
        }
    }

    /// Says that transaction `tx` is predicted to write a slot.
    pub(crate) fn predict_slot(&self, tx: TxIndex, address: Address, slot: U256) {
        let key = (address, slot);
        let mut shard = self.slot_shard(&key);
        let cell = shard.entry(key).or_default();
        let at = cell.versions.partition_point(|version| version.tx < tx);
        if cell.versions.get(at).is_none_or(|version| version.tx != tx) {
            cell.versions.insert(at, SlotVersion { tx, estimate: true, value: U256::ZERO });
        }
    }

    /// Withdraws what transaction `tx` is expected to write and will not: it leaves the speculation.
    pub(crate) fn withdraw_all(&self, tx: TxIndex, written: &mut Vec<Written>) {
        let mut ignored = Vec::new();
        for location in written.drain(..) {
            self.withdraw(tx, &location, &mut ignored);
        }
    }

    /// Turns the versions of transaction `tx` into the committed base. `state` is what entered the ledger.
    ///
    /// `suspects` is given when `tx` was redone and may have written something else than it had published:
    /// what was published was already compared with its readers.
    pub(crate) fn commit(
        &self,
        tx: Option<TxIndex>,
        state: &EvmState,
        written: &[Written],
        mut suspects: Option<&mut Vec<Suspect>>,
    ) {
        for (address, account) in state {
            let destroyed = account.is_selfdestructed();
            for (slot, value) in changed_slots(account) {
                let key = (*address, slot);
                let mut shard = self.slot_shard(&key);
                let cell = shard.entry(key).or_default();
                cell.base = Some((value, tx.or(Some(TxIndex(0)))));
                if let Some(tx) = tx {
                    cell.versions.retain(|version| version.tx > tx);
                    if let Some(suspects) = suspects.as_deref_mut() {
                        cell.suspect(tx, &key, value, suspects);
                    }
                    cell.readers.retain(|reader| reader.0 > tx);
                }
            }
            if !account.is_touched() && !destroyed {
                continue;
            }
            let gone = destroyed || (account.is_empty() && !account.is_created());
            let wiped = destroyed || account.is_created();
            let mut shard = self.account_shard(address);
            let cell = shard.entry(*address).or_default();
            let wiped_by = cell.base.as_ref().and_then(|base| base.wiped_by);
            cell.base = Some(Base {
                account: (!gone).then(|| plain(account)),
                code: if gone { None } else { account.info.code.clone() },
                wiped_by: if wiped { tx.or(Some(TxIndex(0))) } else { wiped_by },
            });
            if wiped {
                self.any_wipe.store(true, Ordering::SeqCst);
            }
            if let Some(tx) = tx {
                cell.versions.retain(|version| version.tx > tx);
                if let Some(suspects) = suspects.as_deref_mut() {
                    cell.suspect(tx, address, false, suspects);
                }
                cell.readers.retain(|reader| reader.tx > tx);
            }
        }
        // Speculative writes that the committed execution did not make must not outlive it.
        if let Some(tx) = tx {
            for location in written {
                match location {
                    Written::Account(address) => {
                        if let Some(cell) = self.account_shard(address).get_mut(address) {
                            cell.versions.retain(|version| version.tx > tx);
                        }
                    }
                    Written::Slot(address, slot) => {
                        let key = (*address, *slot);
                        if let Some(cell) = self.slot_shard(&key).get_mut(&key) {
                            cell.versions.retain(|version| version.tx > tx);
                        }
                    }
                }
            }
        }
    }
}

impl AccountCell {
    /// Adds the readers above `tx` for whom the account now looks different. With `quiet`, only a balance or a
    /// growing nonce changed, and those that never looked at the balance are passed over.
    ///
    /// One pass over readers and versions, both ascending.
    fn suspect(&self, tx: TxIndex, address: &Address, quiet: bool, suspects: &mut Vec<Suspect>) {
        let Some(base) = &self.base else { return };
        let above = self.readers.partition_point(|reader| reader.tx <= tx);
        let mut seen = SeenAccount { account: base.account, code: None };
        let mut versions = self.versions.iter().peekable();
        for reader in self.readers[above..].iter().filter(|reader| !quiet || reader.balance.is_some()) {
            while let Some(version) = versions.next_if(|version| version.tx < reader.tx) {
                version.apply(&mut seen);
            }
            let plain = seen.account.unwrap_or_default();
            // A nonce that merely grows is no news to most readers; validation decides for the rest.
            let same = plain.code_hash == reader.code_hash
                && (plain.nonce == 0) == (reader.nonce == 0)
                && seen.account.is_some() == reader.exists
                && reader.balance.is_none_or(|balance| balance == plain.balance);
            if !same {
                suspects.push(Suspect { tx: reader.tx, at: Written::Account(*address) });
            }
        }
    }
}

impl SlotCell {
    /// Adds the readers above `tx`, up to the next writer, that saw another value than `value`.
    fn suspect(&self, tx: TxIndex, key: &(Address, U256), value: U256, suspects: &mut Vec<Suspect>) {
        let next = self.versions.iter().find(|version| version.tx > tx).map(|version| version.tx);
        let sees = |reader: &&(TxIndex, U256)| reader.0 > tx && next.is_none_or(|next| reader.0 <= next);
        let stale = self.readers.iter().filter(sees).filter(|reader| reader.1 != value);
        suspects.extend(stale.map(|reader| Suspect { tx: reader.0, at: Written::Slot(key.0, key.1) }));
    }
}

impl AccountVersion {
    /// What a transaction did to an account, if anything.
    fn of(tx: TxIndex, account: &VmAccount) -> Option<Self> {
        let destroyed = account.is_selfdestructed();
        if !account.is_touched() && !destroyed {
            return None;
        }
        let original = account.original_info();
        let existed = !account.is_loaded_as_not_existing();
        let exists = !(destroyed || (account.is_empty() && !account.is_created()));
        let after = if destroyed { Account::default() } else { plain(account) };
        let version = Self {
            tx,
            estimate: false,
            delta: after.balance.wrapping_sub(original.balance),
            nonce: (after.nonce != original.nonce).then_some(after.nonce),
            code: (after.code_hash != original.code_hash).then(|| {
                (
                    after.code_hash,
                    if destroyed { Bytecode::default() } else { account.info.code.clone().unwrap_or_default() },
                )
            }),
            exists: (exists != existed).then_some(exists),
            wiped: (destroyed || account.is_created()) && existed,
        };
        let nothing = version.delta.is_zero() && version.is_only_balance();
        (!nothing).then_some(version)
    }

    fn is_only_balance(&self) -> bool {
        self.nonce.is_none() && self.code.is_none() && self.exists.is_none() && !self.wiped
    }

    /// Whether most readers need not look: the balance changed, or a nonce that was not zero grew.
    fn is_quiet(&self) -> bool {
        self.nonce.is_none_or(|nonce| nonce > 1) && self.code.is_none() && self.exists.is_none() && !self.wiped
    }

    fn apply(&self, seen: &mut SeenAccount) {
        let mut account = seen.account.unwrap_or_default();
        account.balance = account.balance.wrapping_add(self.delta);
        if let Some(nonce) = self.nonce {
            account.nonce = nonce;
        }
        if let Some((hash, code)) = &self.code {
            account.code_hash = *hash;
            seen.code = Some(code.clone());
        }
        let exists = self.exists.unwrap_or(seen.account.is_some() || !account.is_empty());
        seen.account = exists.then_some(account);
    }
}

fn plain(account: &VmAccount) -> Account {
    Account { balance: account.info.balance, nonce: account.info.nonce, code_hash: account.info.code_hash }
}

/// The slots that a transaction leaves with another value than it found.
fn changed_slots(account: &VmAccount) -> impl Iterator<Item = (U256, U256)> + '_ {
    let destroyed = account.is_selfdestructed();
    account.storage.iter().filter_map(move |(slot, value)| {
        let after = if destroyed { U256::ZERO } else { value.present_value() };
        (after != value.original_value()).then_some((*slot, after))
    })
}

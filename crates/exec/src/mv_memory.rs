//! Multi-version memory: what transactions that are not final yet have written, by location.
//!
//! A transaction that runs ahead reads here first, and finds the write of the highest transaction below
//! it. Everything in this memory is a *hint*: a value may be from an execution that is later redone. What a
//! transaction read is compared with the ledger before it is committed (`validate`), so a wrong value here
//! costs time and never the result.
//!
//! ```text
//!             location -> before the transactions | version of tx 3 | version of tx 7 | ...
//!   tx 5 reads:                                     ^ this one
//! ```
//!
//! Locations are fields: an account's nonce and code (together), its balance, its storage as a whole
//! (wiped by a self-destruct), one slot. Balances are stored as deltas, so that two payments to one
//! account are no conflict. The beneficiary's fees are not here (`Shared::fees`).
//!
//! What is committed stays as it was published: a commit that holds writes nothing here. Chains of versions
//! of one account are folded by whoever reads them.

mod account;
mod ascending;
mod slot;

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::vm::{EvmState, VmAccount};
use account::{AccountCell, AccountVersion};
use alloy_primitives::map::DefaultHashBuilder;
use alloy_primitives::{Address, U256};
use hashbrown::HashTable;
use motet_types::{Account, TxIndex};
use slot::SlotCell;
use std::hash::{BuildHasher, Hasher};

pub(crate) use account::SeenAccount;

/// Shards, each under a lock. A power of two, well above any worker count.
const SHARDS: usize = 64;
/// Room for locations that a memory may keep from block to block, some 64 MB. A block of 60 Mgas reads at most 30,000; one
/// of a gigagas of swaps 80,000.
const KEPT_LOCATIONS_MAX: usize = 1 << 18;

/// Writes of unfinished transactions over the state so far.
#[allow(missing_debug_implementations)]
pub(crate) struct MvMemory {
    shards: Vec<Mutex<Shard>>,
    hasher: DefaultHashBuilder,
    /// Whether any account's storage was wiped in this block: slots consult their account only then.
    any_wipe: AtomicBool,
}

/// Aligned so that neighbours share no cache line (nor the pair that is fetched together).
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    accounts: HashTable<AccountCell>,
    slots: HashTable<SlotCell>,
}

/// The answer to a speculative read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// The value, and whether a transaction of this block wrote (part of) it.
    Value(T, Origin),
    /// A lower transaction is expected to write here again.
    Estimate(TxIndex),
    /// Nothing in this block: the parent state must be asked.
    Parent,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The parent state.
    Parent,
    /// A write of this block.
    Block,
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
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            any_wipe: AtomicBool::new(false),
        }
    }

    /// Parts in which the memory is emptied.
    pub(crate) const PARTS: usize = 8;

    /// Empties one part of the memory once the block is over; its room stays.
    pub(crate) fn empty_part(&self, part: usize) {
        for shard in self.shards.chunks(SHARDS / Self::PARTS).nth(part).unwrap_or_default() {
            let mut shard = shard.lock();
            shard.accounts.clear();
            shard.slots.clear();
        }
    }

    /// The memory for another block, once all of it is empty; `None` when it has grown too large to keep.
    pub(crate) fn kept(self) -> Option<Self> {
        let room = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.accounts.capacity() + shard.slots.capacity()
        };
        self.any_wipe.store(false, Ordering::SeqCst);
        (self.shards.iter().map(room).sum::<usize>() <= KEPT_LOCATIONS_MAX).then_some(self)
    }

    fn account_hash(&self, address: &Address) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        write_address(&mut hasher, address);
        hasher.finish()
    }

    fn slot_hash(&self, address: &Address, slot: &U256) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        write_address(&mut hasher, address);
        slot.as_limbs().iter().for_each(|limb| hasher.write_u64(*limb));
        hasher.finish()
    }

    /// By other bits than the table inside goes by.
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        self.shards[(hash >> 40) as usize % SHARDS].lock()
    }

    /// Does something to an account's cell, if there is one.
    fn with_account<T>(&self, address: &Address, act: impl FnOnce(&mut AccountCell) -> T) -> Option<T> {
        let hash = self.account_hash(address);
        self.shard(hash).accounts.find_mut(hash, |cell| cell.address == *address).map(act)
    }

    /// Does something to an account's cell, which is made if need be.
    fn with_new_account<T>(&self, address: &Address, act: impl FnOnce(&mut AccountCell) -> T) -> T {
        let hash = self.account_hash(address);
        let mut shard = self.shard(hash);
        let same = |cell: &AccountCell| cell.address == *address;
        let entry = shard.accounts.entry(hash, same, |cell| self.account_hash(&cell.address));
        act(entry.or_insert_with(|| AccountCell::new(*address)).into_mut())
    }

    /// Does something to a slot's cell, if there is one.
    fn with_slot<T>(&self, address: &Address, slot: &U256, act: impl FnOnce(&mut SlotCell) -> T) -> Option<T> {
        let hash = self.slot_hash(address, slot);
        let same = |cell: &SlotCell| cell.slot == *slot && cell.address == *address;
        self.shard(hash).slots.find_mut(hash, same).map(act)
    }

    /// Does something to a slot's cell, which is made if need be.
    fn with_new_slot<T>(&self, address: &Address, slot: &U256, act: impl FnOnce(&mut SlotCell) -> T) -> T {
        let hash = self.slot_hash(address, slot);
        let mut shard = self.shard(hash);
        let same = |cell: &SlotCell| cell.slot == *slot && cell.address == *address;
        let entry = shard.slots.entry(hash, same, |cell| self.slot_hash(&cell.address, &cell.slot));
        act(entry.or_insert_with(|| SlotCell::new(*address, *slot)).into_mut())
    }

    /// An account as transaction `tx` should see it; all below `end` is final. With `exact`, every expected change
    /// of the balance below `tx` must be in; otherwise the balance is the best guess.
    pub(crate) fn account(&self, tx: TxIndex, address: &Address, exact: bool, end: TxIndex) -> Lookup<SeenAccount> {
        self.with_account(address, |cell| cell.read(tx, exact, end)).unwrap_or(Lookup::Parent)
    }

    /// Keeps what the parent state says of an account.
    pub(crate) fn load_account(&self, address: &Address, account: Option<Account>) {
        self.with_new_account(address, |cell| cell.load(account));
    }

    /// Says that transaction `tx` looked at a balance that it was given earlier.
    pub(crate) fn balance_observed(&self, tx: TxIndex, address: &Address, balance: U256) {
        self.with_account(address, |cell| cell.balance_observed(tx, balance));
    }

    /// A slot as transaction `tx` should see it; all below `end` is final. The reader is noted even where the parent state is to be asked, so
    /// that whoever writes meanwhile tells it.
    pub(crate) fn slot(&self, tx: TxIndex, address: &Address, slot: &U256, end: TxIndex) -> Lookup<U256> {
        let any_wipe = self.any_wipe.load(Ordering::SeqCst);
        let wipe = any_wipe.then(|| self.with_account(address, |cell| cell.wipe_below(tx))).flatten().flatten();
        self.with_new_slot(address, slot, |cell| cell.read(tx, wipe, end))
    }

    /// Whether the storage that the parent state has is gone for transaction `tx`.
    pub(crate) fn is_wiped(&self, tx: TxIndex, address: &Address) -> bool {
        let any = self.any_wipe.load(Ordering::SeqCst);
        any && self.with_account(address, |cell| cell.wipe_below(tx)).flatten().is_some()
    }

    /// Takes in what a system call before the transactions left.
    pub(crate) fn open(&self, state: &EvmState) {
        for (address, account) in state {
            for (slot, value) in changed_slots(account) {
                self.with_new_slot(address, &slot, |cell| cell.open(value));
            }
            if account.is_touched() || account.is_selfdestructed() {
                if account.is_selfdestructed() || account.is_created() {
                    self.any_wipe.store(true, Ordering::SeqCst);
                }
                self.with_new_account(address, |cell| cell.open(account));
            }
        }
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
                self.with_new_slot(address, &slot, |cell| cell.publish(tx, value, suspects));
            }
            if let Some(version) = AccountVersion::of(tx, account) {
                written.push(Written::Account(*address));
                if version.wiped {
                    self.any_wipe.store(true, Ordering::SeqCst);
                }
                self.with_new_account(address, |cell| cell.publish(version, suspects));
            }
        }
        if !before.is_empty() {
            written.sort_unstable();
            for location in before.iter().filter(|location| written.binary_search(location).is_err()) {
                self.withdraw(tx, location, suspects);
            }
        }
    }

    fn withdraw(&self, tx: TxIndex, location: &Written, suspects: &mut Vec<Suspect>) {
        match location {
            Written::Account(address) => self.with_account(address, |cell| cell.withdraw(tx, suspects)),
            Written::Slot(address, slot) => self.with_slot(address, slot, |cell| cell.withdraw(tx, suspects)),
        };
    }

    /// Withdraws what transaction `tx` is expected to write and will not: it leaves the speculation.
    pub(crate) fn withdraw_all(&self, tx: TxIndex, written: &mut Vec<Written>) {
        let mut ignored = Vec::new();
        for location in written.drain(..) {
            self.withdraw(tx, &location, &mut ignored);
        }
    }

    /// Marks what transaction `tx` wrote as about to be written again: readers wait instead of guessing.
    pub(crate) fn mark_estimates(&self, tx: TxIndex, written: &[Written]) {
        for location in written {
            match location {
                Written::Account(address) => self.with_account(address, |cell| cell.mark_estimate(tx)),
                Written::Slot(address, slot) => self.with_slot(address, slot, |cell| cell.mark_estimate(tx)),
            };
        }
    }

    /// Says that transaction `tx` is predicted to write a slot.
    pub(crate) fn predict_slot(&self, tx: TxIndex, address: &Address, slot: &U256) {
        self.with_new_slot(address, slot, |cell| cell.predict(tx));
    }
}

fn write_address(hasher: &mut impl Hasher, address: &Address) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = *address.0;
    hasher.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    hasher.write_u64(u64::from_ne_bytes([i, j, k, l, m, n, o, p]));
    hasher.write_u32(u32::from_ne_bytes([q, r, s, t]));
}

/// The slots that a transaction leaves with another value than it found.
fn changed_slots(account: &VmAccount) -> impl Iterator<Item = (U256, U256)> + '_ {
    let destroyed = account.is_selfdestructed();
    account.storage.iter().filter_map(move |(slot, value)| {
        let after = if destroyed { U256::ZERO } else { value.present_value() };
        (after != value.original_value()).then_some((*slot, after))
    })
}

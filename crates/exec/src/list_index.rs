//! A block's record, indexed for reading and checking.
//!
//! Transaction `t` reads the parent state with every change at an index up to `t` applied; what it writes
//! must be exactly the entries at index `t + 1`. Where the record comes from does not matter: it is believed
//! only as far as it is checked.

use crate::ledger::Ledger;
use crate::listed::{ListField, ListMismatch};
use crate::vm::{Bytecode, EvmState, VmAccount, analyse};
use alloy_eip7928::{AccountChanges, BlockAccessIndex, SlotChanges};
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use motet_types::{Account, BlockRecord, Lifecycle, TxIndex};
use std::sync::OnceLock;

/// A record by account and by index.
#[derive(Debug)]
pub(crate) struct ListIndex<'a> {
    accounts: AddressMap<ListedAccount<'a>>,
    /// How many entries each index has.
    entry_counts: Vec<u32>,
    record: &'a BlockRecord,
}

#[derive(Debug)]
pub(crate) struct ListedAccount<'a> {
    changes: &'a AccountChanges,
    slots: HashMap<U256, Option<&'a SlotChanges>>,
    /// keccak-256 and analysis of each code change, made when first needed.
    codes: Vec<OnceLock<(B256, Bytecode)>>,
    wipes: Vec<BlockAccessIndex>,
    tx_count: usize,
    lifecycle: Vec<(BlockAccessIndex, Lifecycle)>,
    /// Changes of slots by index: index, slot, value after.
    slot_changes: Vec<(BlockAccessIndex, U256, U256)>,
}

impl<'a> ListIndex<'a> {
    /// Indexes a record whose list is in canonical form.
    pub(crate) fn new(record: &'a BlockRecord, tx_count: usize) -> Self {
        let mut accounts: AddressMap<ListedAccount<'a>> = AddressMap::default();
        accounts.reserve(record.list.len());
        let mut entry_counts = vec![0; tx_count + 2];
        let mut count = |index: BlockAccessIndex| {
            if let Some(entries) = usize::try_from(index.0).ok().and_then(|at| entry_counts.get_mut(at)) {
                *entries += 1;
            }
        };
        for changes in &record.list {
            let read = changes.storage_reads.iter().map(|slot| (*slot, None));
            let changed = changes.storage_changes.iter().map(|slot| (slot.slot, Some(slot)));
            changes.balance_changes.iter().for_each(|change| count(change.block_access_index));
            changes.nonce_changes.iter().for_each(|change| count(change.block_access_index));
            changes.code_changes.iter().for_each(|change| count(change.block_access_index));
            changes
                .storage_changes
                .iter()
                .flat_map(|slot| &slot.changes)
                .for_each(|change| count(change.block_access_index));
            let listed = ListedAccount {
                changes,
                slots: read.chain(changed).collect(),
                codes: changes.code_changes.iter().map(|_| OnceLock::new()).collect(),
                wipes: Vec::new(),
                tx_count,
                lifecycle: Vec::new(),
                slot_changes: by_index(changes),
            };
            accounts.insert(changes.address, listed);
        }
        for wipe in &record.wipes {
            if let Some(listed) = accounts.get_mut(&wipe.address) {
                listed.wipes.push(wipe.index);
            }
        }
        for event in &record.lifecycle {
            if let Some(listed) = accounts.get_mut(&event.address) {
                listed.lifecycle.push((event.index, event.event));
            }
        }
        Self { accounts, entry_counts, record }
    }

    /// The list itself.
    pub(crate) fn accounts(&self) -> &'a [AccountChanges] {
        &self.record.list
    }

    /// The entry of an account that transaction `tx` reads.
    ///
    /// # Errors
    /// When the list does not name the account.
    pub(crate) fn account(&self, tx: TxIndex, address: Address) -> Result<&ListedAccount<'a>, Box<ListMismatch>> {
        self.accounts.get(&address).ok_or_else(|| {
            let index = tx.access_index();
            Box::new(ListMismatch::unlisted_account(index, self.tx_count(), address))
        })
    }

    /// Code that the block deployed, by its hash. It goes through all of them.
    pub(crate) fn code(&self, hash: B256) -> Option<Bytes> {
        let mut codes = self.accounts.values().flat_map(|listed| (0..listed.codes.len()).map(|at| listed.code(at)));
        codes.find(|(code_hash, _)| *code_hash == hash).map(|(_, code)| code.original_bytes())
    }

    fn tx_count(&self) -> usize {
        self.entry_counts.len() - 2
    }

    /// Compares the beneficiary's balance, once the fee is paid, with its entry at transaction `tx`.
    pub(crate) fn check_beneficiary(
        &self,
        tx: TxIndex,
        beneficiary: Address,
        before: U256,
        after: U256,
    ) -> Option<ListMismatch> {
        let (index, tx_count) = (tx.access_index(), self.tx_count());
        let Some(listed) = self.accounts.get(&beneficiary) else {
            return Some(ListMismatch::unlisted_account(index, tx_count, beneficiary));
        };
        let (expected, found) = (listed.balance_at(index), (before != after).then_some(after));
        let (address, field) = (beneficiary, ListField::Balance);
        (expected != found).then_some(ListMismatch { index, tx_count, address, field, expected, found })
    }

    /// Compares what transaction `tx` did with the entries at its index; the first difference, if any.
    pub(crate) fn check(&self, tx: TxIndex, state: &EvmState, beneficiary: Address) -> Option<ListMismatch> {
        let index = tx.access_index();
        let mut matched = 0;
        let mut first: Option<ListMismatch> = None;
        let mut note = |mismatch: ListMismatch| {
            if first.as_ref().is_none_or(|known| (mismatch.address, &mismatch.field) < (known.address, &known.field)) {
                first = Some(mismatch);
            }
        };
        for (address, account) in state {
            let Some(listed) = self.accounts.get(address) else {
                note(ListMismatch::unlisted_account(index, self.tx_count(), *address));
                continue;
            };
            listed.check(index, account, *address == beneficiary, &mut matched, &mut note);
        }
        // The beneficiary's balance is compared when the fee is paid (`check_beneficiary`): its other fields are
        // above, its entry only counts here.
        if let Some(listed) = self.accounts.get(&beneficiary) {
            matched += u32::from(listed.balance_at(index).is_some());
        }
        if first.is_none() && matched != self.entry_counts[index.0 as usize] {
            first = self.unmatched(index, state, beneficiary);
        }
        first
    }

    /// The first difference between the entries at index 0 and what really happened before the transactions.
    pub(crate) fn check_opening(&self, ledger: &Ledger) -> Option<ListMismatch> {
        let index = BlockAccessIndex(0);
        let mut listed = Vec::new();
        for changes in &self.record.list {
            let mut note = |at: BlockAccessIndex, field, value| {
                if at == index {
                    listed.push((changes.address, field, value));
                }
            };
            changes.balance_changes.iter().for_each(|c| note(c.block_access_index, ListField::Balance, c.post_balance));
            changes
                .nonce_changes
                .iter()
                .for_each(|c| note(c.block_access_index, ListField::Nonce, U256::from(c.new_nonce)));
            changes
                .code_changes
                .iter()
                .for_each(|c| note(c.block_access_index, ListField::Code, keccak256(&c.new_code).into()));
            for slot in &changes.storage_changes {
                slot.changes.iter().for_each(|c| note(c.block_access_index, ListField::Slot(slot.slot), c.new_value));
            }
        }
        listed.sort_unstable();
        let found = ledger.changes_at(index);
        let wrong = listed.iter().find(|entry| !found.contains(entry));
        let missing = found.iter().find(|entry| !listed.contains(entry));
        let (address, field, _) = wrong.or(missing)?.clone();
        let value = |entries: &[(Address, ListField, U256)]| {
            entries.iter().find(|entry| entry.0 == address && entry.1 == field).map(|entry| entry.2)
        };
        let (expected, found) = (value(&listed), value(&found));
        Some(ListMismatch { index, tx_count: self.tx_count(), address, field, expected, found })
    }

    /// The first entry at `index` of an account that the transaction did not even load.
    fn unmatched(&self, index: BlockAccessIndex, state: &EvmState, beneficiary: Address) -> Option<ListMismatch> {
        let untouched = |changes: &&AccountChanges| !state.contains_key(&changes.address);
        self.record.list.iter().filter(untouched).find_map(|changes| {
            let mismatch = |field, expected| {
                let (tx_count, address) = (self.tx_count(), changes.address);
                Some(ListMismatch { index, tx_count, address, field, expected: Some(expected), found: None })
            };
            let at = |change: BlockAccessIndex| change == index;
            let balance = changes.balance_changes.iter().find(|change| at(change.block_access_index));
            if let Some(change) = balance.filter(|_| changes.address != beneficiary) {
                return mismatch(ListField::Balance, change.post_balance);
            }
            if let Some(change) = changes.nonce_changes.iter().find(|change| at(change.block_access_index)) {
                return mismatch(ListField::Nonce, U256::from(change.new_nonce));
            }
            if let Some(change) = changes.code_changes.iter().find(|change| at(change.block_access_index)) {
                return mismatch(ListField::Code, keccak256(&change.new_code).into());
            }
            changes.storage_changes.iter().find_map(|slot| {
                let change = slot.changes.iter().find(|change| at(change.block_access_index))?;
                mismatch(ListField::Slot(slot.slot), change.new_value)
            })
        })
    }
}

/// The changes of an account's slots, ordered by index: a transaction looks at those of its own only.
fn by_index(account: &AccountChanges) -> Vec<(BlockAccessIndex, U256, U256)> {
    let of_slot = |slot: &SlotChanges| {
        let key = slot.slot;
        slot.changes.iter().map(move |change| (change.block_access_index, key, change.new_value)).collect::<Vec<_>>()
    };
    let mut changes: Vec<_> = account.storage_changes.iter().flat_map(of_slot).collect();
    changes.sort_unstable();
    changes
}

/// The last of `changes` before `index`, by position.
fn last_before<T>(changes: &[T], index: BlockAccessIndex, at: impl Fn(&T) -> BlockAccessIndex) -> Option<usize> {
    changes.partition_point(|change| at(change) < index).checked_sub(1)
}

impl ListedAccount<'_> {
    /// The account as transaction `tx` reads it, given what the parent state holds.
    pub(crate) fn before(&self, tx: TxIndex, parent: Option<Account>) -> (Option<Account>, Option<Bytecode>) {
        let index = tx.access_index();
        let mut account = parent.unwrap_or_default();
        let mut code = None;
        if let Some(at) = last_before(&self.changes.balance_changes, index, |change| change.block_access_index) {
            account.balance = self.changes.balance_changes[at].post_balance;
        }
        if let Some(at) = last_before(&self.changes.nonce_changes, index, |change| change.block_access_index) {
            account.nonce = self.changes.nonce_changes[at].new_nonce;
        }
        if let Some(at) = last_before(&self.changes.code_changes, index, |change| change.block_access_index) {
            let (hash, analysed) = self.code(at);
            account.code_hash = *hash;
            code = Some(analysed.clone());
        }
        let event = last_before(&self.lifecycle, index, |event| event.0).map(|at| self.lifecycle[at].1);
        let exists = match event {
            Some(Lifecycle::Created) => true,
            Some(Lifecycle::Deleted) => false,
            None => parent.is_some() || !account.is_empty(),
        };
        (exists.then_some(account), code)
    }

    /// Whether the storage that the parent state has is gone for transaction `tx`.
    pub(crate) fn is_wiped(&self, tx: TxIndex) -> bool {
        last_before(&self.wipes, tx.access_index(), |wipe| *wipe).is_some()
    }

    /// A slot as transaction `tx` reads it; `Ok(None)`: the parent state's value stands.
    ///
    /// # Errors
    /// When the list does not name the slot.
    pub(crate) fn slot(&self, tx: TxIndex, slot: U256) -> Result<Option<U256>, Box<ListMismatch>> {
        let index = tx.access_index();
        let Some(changes) = self.slots.get(&slot) else {
            return Err(Box::new(ListMismatch::unlisted_slot(index, self.tx_count, self.changes.address, slot)));
        };
        let wiped = last_before(&self.wipes, index, |wipe| *wipe).map(|at| self.wipes[at]);
        let change = changes.and_then(|slot| {
            last_before(&slot.changes, index, |change| change.block_access_index).map(|at| &slot.changes[at])
        });
        Ok(match (change, wiped) {
            (Some(change), wiped) if wiped.is_none_or(|wiped| change.block_access_index >= wiped) => {
                Some(change.new_value)
            }
            (_, Some(_)) => Some(U256::ZERO),
            _ => None,
        })
    }

    fn code(&self, at: usize) -> &(B256, Bytecode) {
        self.codes[at].get_or_init(|| {
            let code = &self.changes.code_changes[at].new_code;
            let hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
            (hash, analyse(code.clone()))
        })
    }

    fn balance_at(&self, index: BlockAccessIndex) -> Option<U256> {
        let at = self.changes.balance_changes.binary_search_by_key(&index, |change| change.block_access_index).ok()?;
        Some(self.changes.balance_changes[at].post_balance)
    }

    /// Compares one account's changes with the entries at `index`.
    fn check(
        &self,
        index: BlockAccessIndex,
        account: &VmAccount,
        is_beneficiary: bool,
        matched: &mut u32,
        note: &mut impl FnMut(ListMismatch),
    ) {
        let (tx_count, address) = (self.tx_count, self.changes.address);
        let mut compare = |field: ListField, expected: Option<U256>, before: U256, after: U256| {
            let found = (before != after).then_some(after);
            *matched += u32::from(expected.is_some());
            if expected != found {
                note(ListMismatch { index, tx_count, address, field, expected, found });
            }
        };
        let destroyed = account.is_selfdestructed();
        let original = account.original_info();
        let mut after =
            Account { balance: account.info.balance, nonce: account.info.nonce, code_hash: account.info.code_hash };
        if destroyed {
            after = Account::default();
        }
        if !is_beneficiary {
            compare(ListField::Balance, self.balance_at(index), original.balance, after.balance);
        }
        let nonce = self.changes.nonce_changes.binary_search_by_key(&index, |change| change.block_access_index);
        let nonce = nonce.ok().map(|at| U256::from(self.changes.nonce_changes[at].new_nonce));
        compare(ListField::Nonce, nonce, U256::from(original.nonce), U256::from(after.nonce));
        let code = self.changes.code_changes.binary_search_by_key(&index, |change| change.block_access_index);
        let code = code.ok().map(|at| self.code(at).0.into());
        compare(ListField::Code, code, original.code_hash.into(), after.code_hash.into());
        let mut unlisted = None;
        for (slot, value) in &account.storage {
            let Some(changes) = self.slots.get(slot) else {
                let after = if destroyed { U256::ZERO } else { value.present_value() };
                if after == value.original_value() {
                    unlisted.get_or_insert(*slot);
                } else {
                    compare(ListField::Slot(*slot), None, value.original_value(), after);
                }
                continue;
            };
            let change = changes.and_then(|slot| {
                let at = slot.changes.binary_search_by_key(&index, |change| change.block_access_index).ok()?;
                Some(slot.changes[at].new_value)
            });
            let after = if destroyed { U256::ZERO } else { value.present_value() };
            compare(ListField::Slot(*slot), change, value.original_value(), after);
        }
        // Entries of slots that the transaction did not load are for the count to find.
        let from = self.slot_changes.partition_point(|change| change.0 < index);
        for (_, slot, value) in self.slot_changes[from..].iter().take_while(|change| change.0 == index) {
            if !account.storage.contains_key(slot) {
                compare(ListField::Slot(*slot), Some(*value), U256::ZERO, U256::ZERO);
            }
        }
        if let Some(slot) = unlisted {
            note(ListMismatch::unlisted_slot(index, tx_count, address, slot));
        }
    }
}

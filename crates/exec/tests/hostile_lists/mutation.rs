//! Every way to change one thing that a list says.

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::{Address, Bytes, U256, keccak256};

/// One lie.
pub(crate) struct Mutation {
    pub(crate) what: String,
    pub(crate) list: BlockAccessList,
}

/// Collects mutations of one list.
pub(crate) struct Liar<'a> {
    pub(crate) truth: &'a BlockAccessList,
    pub(crate) lies: Vec<Mutation>,
}

impl Liar<'_> {
    /// Adds a lie, unless it happens to be the truth.
    fn lie(&mut self, what: impl Into<String>, change: impl FnOnce(&mut BlockAccessList)) {
        let mut list = self.truth.clone();
        change(&mut list);
        if list != *self.truth {
            self.lies.push(Mutation { what: what.into(), list });
        }
    }
}

/// Every lie that this file knows about one list.
pub(crate) fn mutations(truth: &BlockAccessList, tx_count: usize, gas_limit: u64) -> Vec<Mutation> {
    let mut liar = Liar { truth, lies: Vec::new() };
    let last = tx_count as u64 + 1;
    for at in 0..truth.len() {
        whole_account(&mut liar, at);
        changed_slots(&mut liar, at, last);
        read_slots(&mut liar, at, last);
        fields(&mut liar, at, last);
    }
    whole_list(&mut liar, gas_limit);
    liar.lies
}

pub(crate) fn whole_account(liar: &mut Liar<'_>, at: usize) {
    let address = liar.truth[at].address;
    liar.lie(format!("{address} dropped"), |list| drop(list.remove(at)));
    liar.lie(format!("{address} twice"), |list| list.insert(at, list[at].clone()));
    liar.lie(format!("{address} twice, second empty"), |list| list.insert(at + 1, AccountChanges::new(address)));
    liar.lie(format!("{address} emptied"), |list| list[at] = AccountChanges::new(address));
    if at > 0 {
        liar.lie(format!("{address} swapped with the one before"), |list| list.swap(at, at - 1));
        liar.lie(format!("{address} has the changes of the one before"), |list| {
            let other = list[at - 1].clone();
            list[at] = AccountChanges { address, ..other };
        });
    }
    let neighbour = U256::from_be_slice(address.as_slice()).wrapping_add(U256::ONE);
    let neighbour = Address::from_slice(&neighbour.to_be_bytes::<32>()[12..]);
    if liar.truth.get(at + 1).is_none_or(|next| next.address > neighbour) && neighbour > address {
        liar.lie(format!("{neighbour} added"), |list| list.insert(at + 1, AccountChanges::new(neighbour)));
        liar.lie(format!("{address} renamed to {neighbour}"), |list| list[at].address = neighbour);
        liar.lie(format!("{neighbour} added with a balance"), |list| {
            let mut phantom = AccountChanges::new(neighbour);
            phantom.balance_changes.push(BalanceChange::new(BlockAccessIndex(1), U256::from(5)));
            list.insert(at + 1, phantom);
        });
        liar.lie(format!("{neighbour} added with a read"), |list| {
            let mut phantom = AccountChanges::new(neighbour);
            phantom.storage_reads.push(U256::from(5));
            list.insert(at + 1, phantom);
        });
    }
}

pub(crate) fn changed_slots(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = &liar.truth[at];
    let address = account.address;
    for pos in 0..account.storage_changes.len() {
        let slot = account.storage_changes[pos].slot;
        let name = format!("{address} slot {slot:#x}");
        liar.lie(format!("{name} dropped"), |list| drop(list[at].storage_changes.remove(pos)));
        liar.lie(format!("{name} twice"), |list| {
            let twin = list[at].storage_changes[pos].clone();
            list[at].storage_changes.insert(pos, twin);
        });
        liar.lie(format!("{name} only read"), |list| {
            list[at].storage_changes.remove(pos);
            insert_sorted(&mut list[at].storage_reads, slot);
        });
        liar.lie(format!("{name} also read"), |list| insert_sorted(&mut list[at].storage_reads, slot));
        liar.lie(format!("{name} without changes"), |list| list[at].storage_changes[pos].changes.clear());
        liar.lie(format!("{name} renamed"), |list| list[at].storage_changes[pos].slot = slot.wrapping_add(U256::ONE));
        if pos > 0 {
            liar.lie(format!("{name} swapped"), |list| list[at].storage_changes.swap(pos, pos - 1));
        }
        let changes = account.storage_changes[pos].changes.clone();
        let set = |list: &mut BlockAccessList, changes| list[at].storage_changes[pos].changes = changes;
        for (what, lie) in change_lies(&changes, last, StorageChange::new) {
            liar.lie(format!("{name}: {what}"), |list| set(list, lie));
        }
    }
}

pub(crate) fn read_slots(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = &liar.truth[at];
    let address = account.address;
    for pos in 0..account.storage_reads.len() {
        let slot = account.storage_reads[pos];
        let name = format!("{address} read of {slot:#x}");
        liar.lie(format!("{name} dropped"), |list| {
            list[at].storage_reads.remove(pos);
        });
        liar.lie(format!("{name} twice"), |list| list[at].storage_reads.insert(pos, slot));
        liar.lie(format!("{name} renamed"), |list| list[at].storage_reads[pos] = slot.wrapping_add(U256::ONE));
        if pos > 0 {
            liar.lie(format!("{name} swapped"), |list| list[at].storage_reads.swap(pos, pos - 1));
        }
        for index in 0..=last {
            liar.lie(format!("{name} made a change at {index}"), |list| {
                list[at].storage_reads.remove(pos);
                add_slot_change(&mut list[at], slot, index);
            });
        }
    }
    for slot in [U256::ZERO, U256::from(77), U256::MAX] {
        let known = account.storage_reads.contains(&slot) || account.storage_changes.iter().any(|c| c.slot == slot);
        if !known {
            liar.lie(format!("{address} phantom read of {slot:#x}"), |list| {
                insert_sorted(&mut list[at].storage_reads, slot);
            });
            for index in [0, 1, last / 2, last, last + 1] {
                liar.lie(format!("{address} phantom change of {slot:#x} at {index}"), |list| {
                    add_slot_change(&mut list[at], slot, index);
                });
            }
        }
    }
}

pub(crate) fn fields(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = liar.truth[at].clone();
    let address = account.address;
    for (what, lie) in change_lies(&account.balance_changes, last, BalanceChange::new) {
        liar.lie(format!("{address} balance: {what}"), |list| list[at].balance_changes = lie);
    }
    let nonce = |index, value: U256| NonceChange::new(index, value.wrapping_to());
    for (what, lie) in change_lies(&account.nonce_changes, last, nonce) {
        liar.lie(format!("{address} nonce: {what}"), |list| list[at].nonce_changes = lie);
    }
    let code = |index, value: U256| CodeChange::new(index, value.to_be_bytes_vec().into());
    for (what, lie) in change_lies(&account.code_changes, last, code) {
        liar.lie(format!("{address} code: {what}"), |list| list[at].code_changes = lie);
    }
    for bytes in [vec![], vec![0xef, 1, 0], vec![0; (1 << 16) + 1], vec![0; 1 << 20]] {
        let code: Bytes = bytes.into();
        for pos in 0..account.code_changes.len() {
            liar.lie(format!("{address} code of {} bytes", code.len()), |list| {
                list[at].code_changes[pos].new_code = code.clone();
            });
        }
        liar.lie(format!("{address} phantom code of {} bytes", code.len()), |list| {
            let change = CodeChange::new(BlockAccessIndex(1), code.clone());
            list[at].code_changes = vec![change];
        });
    }
}

pub(crate) fn whole_list(liar: &mut Liar<'_>, gas_limit: u64) {
    liar.lie("empty", Vec::clear);
    liar.lie("backwards", |list| list.reverse());
    liar.lie("doubled", |list| list.extend(list.clone()));
    let most = usize::try_from(gas_limit / 2_000).expect("small");
    liar.lie("one item too many", |list| {
        let items: usize = list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        let reads = &mut list[0].storage_reads;
        reads.extend((0..=most - items).map(|n| U256::from(1_000_000 + n)));
    });
    liar.lie("as many phantom reads as fit", |list| {
        let items: usize = list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        let reads = &mut list[0].storage_reads;
        reads.extend((0..most - items).map(|n| U256::from(1_000_000 + n)));
    });
}

/// Something with an index and a value, as all changes of a list are.
pub(crate) trait Change: Clone {
    fn index(&self) -> u64;
    fn index_mut(&mut self) -> &mut BlockAccessIndex;
    fn value(&self) -> U256;
}

macro_rules! changes {
    ($($change:ty: $value:expr;)*) => {$(
        impl Change for $change {
            fn index(&self) -> u64 {
                self.block_access_index.0
            }

            fn index_mut(&mut self) -> &mut BlockAccessIndex {
                &mut self.block_access_index
            }

            fn value(&self) -> U256 {
                $value(self)
            }
        }
    )*};
}

changes! {
    StorageChange: |change: &StorageChange| change.new_value;
    BalanceChange: |change: &BalanceChange| change.post_balance;
    NonceChange: |change: &NonceChange| U256::from(change.new_nonce);
    CodeChange: |change: &CodeChange| U256::from_be_bytes(keccak256(&change.new_code).0);
}

/// Lies about the changes of one field.
pub(crate) fn change_lies<C: Change>(
    truth: &[C],
    last: u64,
    make: impl Fn(BlockAccessIndex, U256) -> C,
) -> Vec<(String, Vec<C>)> {
    let mut lies = Vec::new();
    for pos in 0..truth.len() {
        let change = &truth[pos];
        let index = change.index();
        let mut with = |what: &str, change: &dyn Fn(&mut Vec<C>)| {
            let mut lie = truth.to_vec();
            change(&mut lie);
            lies.push((format!("change at {index} {what}"), lie));
        };
        with("dropped", &|lie| drop(lie.remove(pos)));
        with("twice", &|lie| lie.insert(pos, lie[pos].clone()));
        with("one later", &|lie| lie[pos].index_mut().0 += 1);
        with("past the end", &|lie| lie[pos].index_mut().0 = last + 1);
        with("at the last index there is", &|lie| lie[pos].index_mut().0 = u64::MAX);
        with("one earlier", &|lie| lie[pos].index_mut().0 = index.saturating_sub(1));
        if pos > 0 {
            with("swapped with the one before", &|lie| lie.swap(pos, pos - 1));
        }
        let value = change.value();
        for wrong in [U256::ZERO, U256::MAX, value.wrapping_add(U256::ONE), value.wrapping_sub(U256::ONE), !value] {
            with("with another value", &|lie| lie[pos] = make(BlockAccessIndex(index), wrong));
        }
    }
    for index in (0..=last + 1).filter(|index| truth.iter().all(|change| change.index() != *index)) {
        let at = truth.partition_point(|change| change.index() < index);
        let before = at.checked_sub(1).map_or(U256::ZERO, |before| truth[before].value());
        for value in [U256::from(5), before] {
            let mut lie = truth.to_vec();
            lie.insert(at, make(BlockAccessIndex(index), value));
            lies.push((format!("phantom change at {index}"), lie));
        }
    }
    lies
}

pub(crate) fn insert_sorted(slots: &mut Vec<U256>, slot: U256) {
    let at = slots.partition_point(|known| *known < slot);
    slots.insert(at, slot);
}

pub(crate) fn add_slot_change(account: &mut AccountChanges, slot: U256, index: u64) {
    let at = account.storage_changes.partition_point(|changes| changes.slot < slot);
    let change = StorageChange::new(BlockAccessIndex(index), U256::from(5));
    account.storage_changes.insert(at, SlotChanges::new(slot, vec![change]));
}

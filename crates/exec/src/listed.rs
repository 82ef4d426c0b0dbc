//! What a wrong access list is told.

use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use alloy_primitives::{Address, U256, keccak256};
use motet_types::BlockRecord;
use std::fmt;

/// A place where a block access list and the block's execution differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMismatch {
    /// Where in the block: 0 before the transactions, `t + 1` transaction `t`, then what follows them.
    pub index: BlockAccessIndex,
    /// How many transactions the block has: the index after the last one's is what follows them, and where
    /// entries that nothing accessed are found out.
    pub tx_count: usize,
    /// The account.
    pub address: Address,
    /// What about it.
    pub field: ListField,
    /// What the list says: the value after, or `None` where it has no entry.
    pub expected: Option<U256>,
    /// What execution gives: the value after, or `None` where nothing changed (or, for
    /// [`ListField::Account`] and reads, where nothing was accessed).
    pub found: Option<U256>,
}

/// The part of an account that an entry is about. Code is compared by its keccak-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListField {
    /// The account's presence in the list.
    Account,
    /// Wei.
    Balance,
    /// Nonce.
    Nonce,
    /// keccak-256 of the code.
    Code,
    /// One slot's value.
    Slot(U256),
    /// The list names a slot that no transaction accessed (a phantom read), or misses one.
    Read(U256),
    /// A storage wipe or an account's creation or deletion.
    Event,
}

impl fmt::Display for ListMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index.0 {
            0 => write!(f, "before the transactions")?,
            index if index as usize > self.tx_count => write!(f, "at the end of the block")?,
            index => write!(f, "index {index} (transaction {})", index - 1)?,
        }
        write!(f, ", account {}, ", self.address)?;
        match &self.field {
            ListField::Account => {
                let (listed, accessed) = match self.expected {
                    Some(_) => ("listed", "never accessed"),
                    None => ("not listed", "accessed"),
                };
                return write!(f, "the account is {listed} and {accessed}");
            }
            ListField::Read(slot) => {
                let (listed, accessed) = match self.expected {
                    Some(_) => ("listed", "never accessed"),
                    None => ("not listed", "accessed"),
                };
                return write!(f, "slot {slot:#x} is {listed} and {accessed}");
            }
            ListField::Event => return write!(f, "its creation, deletion or storage wipe is not as recorded"),
            ListField::Balance => write!(f, "balance")?,
            ListField::Nonce => write!(f, "nonce")?,
            ListField::Code => write!(f, "code hash")?,
            ListField::Slot(slot) => write!(f, "slot {slot:#x}")?,
        }
        let show = |value: Option<U256>| value.map_or_else(|| "no change".to_owned(), |value| format!("{value:#x}"));
        write!(f, ": the list says {}, execution gives {}", show(self.expected), show(self.found))
    }
}

impl std::error::Error for ListMismatch {}

impl ListMismatch {
    /// An account that was accessed and is not in the list.
    pub(crate) fn unlisted_account(index: BlockAccessIndex, tx_count: usize, address: Address) -> Self {
        Self { index, tx_count, address, field: ListField::Account, expected: None, found: Some(U256::ZERO) }
    }

    /// A slot that was accessed and is not in the list.
    pub(crate) fn unlisted_slot(index: BlockAccessIndex, tx_count: usize, address: Address, slot: U256) -> Self {
        Self { index, tx_count, address, field: ListField::Read(slot), expected: None, found: Some(U256::ZERO) }
    }
}

/// The first difference between a given record and the one that execution made; `None` when equal.
pub(crate) fn first_difference(given: &BlockRecord, made: &BlockRecord, tx_count: usize) -> Option<ListMismatch> {
    let end = BlockAccessIndex(tx_count as u64 + 1);
    let (mut expected, mut found) = (given.list.iter().peekable(), made.list.iter().peekable());
    let mut first: Option<ListMismatch> = None;
    let mut note = |mismatch: ListMismatch| {
        if first.as_ref().is_none_or(|known| mismatch.index < known.index) {
            first = Some(mismatch);
        }
    };
    let presence = |address, listed: bool| ListMismatch {
        index: end,
        tx_count,
        address,
        field: ListField::Account,
        expected: listed.then_some(U256::ZERO),
        found: (!listed).then_some(U256::ZERO),
    };
    loop {
        match (expected.peek(), found.peek()) {
            (None, None) => break,
            (Some(a), Some(b)) if a.address == b.address => {
                if a != b {
                    account_difference(a, b, tx_count, &mut note);
                }
                expected.next();
                found.next();
            }
            (Some(a), b) if b.is_none_or(|b| a.address < b.address) => {
                note(presence(a.address, true));
                expected.next();
            }
            (_, Some(b)) => {
                note(presence(b.address, false));
                found.next();
            }
            (Some(_), None) => unreachable!("an account beside nothing is taken by the case above"),
        }
    }
    if first.is_none() {
        let wipe = differing(&given.wipes, &made.wipes).map(|wipe| (wipe.index, wipe.address));
        let event = differing(&given.lifecycle, &made.lifecycle).map(|event| (event.index, event.address));
        first = wipe.or(event).map(|(index, address)| ListMismatch {
            index,
            tx_count,
            address,
            field: ListField::Event,
            expected: None,
            found: None,
        });
    }
    first
}

fn differing<T: PartialEq + Copy>(a: &[T], b: &[T]) -> Option<T> {
    let at = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at))?;
    a.get(at).or_else(|| b.get(at)).copied()
}

/// Both are in the order that EIP-7928 demands: the form of `given` was checked, and `made` is made so.
fn account_difference(
    given: &AccountChanges,
    made: &AccountChanges,
    tx_count: usize,
    note: &mut impl FnMut(ListMismatch),
) {
    let address = given.address;
    let mut compare = |field: ListField, a: Vec<(BlockAccessIndex, U256)>, b: Vec<(BlockAccessIndex, U256)>| {
        for index in a.iter().chain(&b).map(|change| change.0) {
            let at = |changes: &[(BlockAccessIndex, U256)]| {
                changes.binary_search_by_key(&index, |change| change.0).ok().map(|at| changes[at].1)
            };
            if at(&a) != at(&b) {
                note(ListMismatch { index, tx_count, address, field: field.clone(), expected: at(&a), found: at(&b) });
            }
        }
    };
    let balances =
        |a: &AccountChanges| a.balance_changes.iter().map(|c| (c.block_access_index, c.post_balance)).collect();
    compare(ListField::Balance, balances(given), balances(made));
    let nonces =
        |a: &AccountChanges| a.nonce_changes.iter().map(|c| (c.block_access_index, U256::from(c.new_nonce))).collect();
    compare(ListField::Nonce, nonces(given), nonces(made));
    let codes = |a: &AccountChanges| {
        a.code_changes.iter().map(|c| (c.block_access_index, keccak256(&c.new_code).into())).collect()
    };
    compare(ListField::Code, codes(given), codes(made));
    let slot_changes = |a: &AccountChanges, slot: U256| -> Vec<(BlockAccessIndex, U256)> {
        let found = a.storage_changes.binary_search_by_key(&slot, |changes| changes.slot);
        found
            .map(|at| a.storage_changes[at].changes.iter().map(|c| (c.block_access_index, c.new_value)).collect())
            .unwrap_or_default()
    };
    for slot in given.storage_changes.iter().chain(&made.storage_changes).map(|changes| changes.slot) {
        compare(ListField::Slot(slot), slot_changes(given, slot), slot_changes(made, slot));
    }
    let reads_differ = |a: &AccountChanges, b: &AccountChanges| {
        a.storage_reads.iter().find(|slot| b.storage_reads.binary_search(slot).is_err()).copied()
    };
    if let Some(slot) = reads_differ(given, made) {
        note(read(tx_count, address, slot, true));
    }
    if let Some(slot) = reads_differ(made, given) {
        note(read(tx_count, address, slot, false));
    }
}

fn read(tx_count: usize, address: Address, slot: U256, listed: bool) -> ListMismatch {
    ListMismatch {
        index: BlockAccessIndex(tx_count as u64 + 1),
        tx_count,
        address,
        field: ListField::Read(slot),
        expected: listed.then_some(U256::ZERO),
        found: (!listed).then_some(U256::ZERO),
    }
}

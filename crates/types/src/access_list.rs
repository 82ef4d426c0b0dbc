//! The form of an EIP-7928 block access list: order, uniqueness, size.
//!
//! A list arrives from outside. Its form is checked before anything in it is used: an ill-formed list
//! rejects the block without a single state read.

use alloy_eip7928::{AccountChanges, BlockAccessIndex, BlockAccessList};
use alloy_primitives::{Address, U256};

/// Gas per list item that bounds the list's length: `items <= gas_limit / ITEM_COST`. EIP-7928.
pub const ITEM_COST: u64 = 2000;

/// A list that is not in canonical form. Every variant names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFormError {
    /// More items than the block's gas can pay for.
    #[error("{items} items, at most {max} fit the gas limit")]
    TooLong {
        /// Addresses plus storage keys.
        items: u64,
        /// The bound.
        max: u64,
    },
    /// Accounts not strictly ascending.
    #[error("account {address} is not above the one before it")]
    AccountOrder {
        /// The account out of place.
        address: Address,
    },
    /// Slots with changes not strictly ascending.
    #[error("account {address}: changed slot {slot:#x} is not above the one before it")]
    SlotOrder {
        /// The account.
        address: Address,
        /// The slot out of place.
        slot: U256,
    },
    /// Read slots not strictly ascending.
    #[error("account {address}: read slot {slot:#x} is not above the one before it")]
    ReadOrder {
        /// The account.
        address: Address,
        /// The slot out of place.
        slot: U256,
    },
    /// A slot listed both as changed and as only read.
    #[error("account {address}: slot {slot:#x} is both changed and read")]
    ReadAndChanged {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// A changed slot without a change.
    #[error("account {address}: slot {slot:#x} has no change")]
    EmptySlot {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// Changes of one field not strictly ascending by index.
    #[error("account {address}: {field} changes at index {index} are out of order")]
    IndexOrder {
        /// The account.
        address: Address,
        /// `balance`, `nonce`, `code` or `slot 0x..`.
        field: String,
        /// The index out of place.
        index: u64,
    },
    /// An index past the end of the block.
    #[error("account {address}: {field} changes at index {index}, the block ends at {last}")]
    IndexRange {
        /// The account.
        address: Address,
        /// `balance`, `nonce`, `code` or `slot 0x..`.
        field: String,
        /// The index.
        index: u64,
        /// The last index of the block: `tx_count + 1`.
        last: u64,
    },
    /// Code above the deployable size.
    #[error("account {address}: code of {bytes} bytes at index {index}, at most {max} can be deployed")]
    CodeSize {
        /// The account.
        address: Address,
        /// The index.
        index: u64,
        /// Length of the code.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

/// Checks the form of a list: strictly ascending addresses, slots, reads and indices, no slot both
/// changed and read, no change outside `0..=tx_count + 1`, code no longer than `code_bytes_max`, and no
/// more items than `gas_limit / ITEM_COST` when `gas_limit` is given.
///
/// # Errors
/// Names the first violation.
///
/// Source: EIP-7928, "Ordering, uniqueness and determinism" and "Block access list size".
pub fn validate_list_form(
    list: &BlockAccessList,
    tx_count: usize,
    gas_limit: Option<u64>,
    code_bytes_max: usize,
) -> Result<(), ListFormError> {
    if let Some(gas_limit) = gas_limit {
        let max = gas_limit / ITEM_COST;
        let items = list_items(list);
        if items > max {
            return Err(ListFormError::TooLong { items, max });
        }
    }
    let last = tx_count as u64 + 1;
    let mut previous: Option<Address> = None;
    for account in list {
        if previous.is_some_and(|before| before >= account.address) {
            return Err(ListFormError::AccountOrder { address: account.address });
        }
        previous = Some(account.address);
        validate_account_form(account, last, code_bytes_max)?;
    }
    Ok(())
}

/// The items that EIP-7928 counts: addresses and storage keys.
pub fn list_items(list: &BlockAccessList) -> u64 {
    list.iter().map(|a| 1 + a.storage_changes.len() as u64 + a.storage_reads.len() as u64).sum()
}

fn validate_account_form(account: &AccountChanges, last: u64, code_bytes_max: usize) -> Result<(), ListFormError> {
    let address = account.address;
    let mut previous: Option<U256> = None;
    for slot in &account.storage_changes {
        if previous.is_some_and(|before| before >= slot.slot) {
            return Err(ListFormError::SlotOrder { address, slot: slot.slot });
        }
        previous = Some(slot.slot);
        if slot.changes.is_empty() {
            return Err(ListFormError::EmptySlot { address, slot: slot.slot });
        }
        let indices = slot.changes.iter().map(|change| change.block_access_index);
        validate_indices(address, indices, last, || format!("slot {:#x}", slot.slot))?;
    }
    let mut previous: Option<U256> = None;
    for slot in &account.storage_reads {
        if previous.is_some_and(|before| before >= *slot) {
            return Err(ListFormError::ReadOrder { address, slot: *slot });
        }
        previous = Some(*slot);
        if account.storage_changes.binary_search_by(|changed| changed.slot.cmp(slot)).is_ok() {
            return Err(ListFormError::ReadAndChanged { address, slot: *slot });
        }
    }
    let balances = account.balance_changes.iter().map(|change| change.block_access_index);
    validate_indices(address, balances, last, || "balance".to_owned())?;
    let nonces = account.nonce_changes.iter().map(|change| change.block_access_index);
    validate_indices(address, nonces, last, || "nonce".to_owned())?;
    let codes = account.code_changes.iter().map(|change| change.block_access_index);
    validate_indices(address, codes, last, || "code".to_owned())?;
    match account.code_changes.iter().find(|change| change.new_code.len() > code_bytes_max) {
        Some(change) => Err(ListFormError::CodeSize {
            address,
            index: change.block_access_index.0,
            bytes: change.new_code.len(),
            max: code_bytes_max,
        }),
        None => Ok(()),
    }
}

fn validate_indices(
    address: Address,
    indices: impl Iterator<Item = BlockAccessIndex>,
    last: u64,
    field: impl Fn() -> String,
) -> Result<(), ListFormError> {
    let mut previous: Option<u64> = None;
    for BlockAccessIndex(index) in indices {
        if previous.is_some_and(|before| before >= index) {
            return Err(ListFormError::IndexOrder { address, field: field(), index });
        }
        if index > last {
            return Err(ListFormError::IndexRange { address, field: field(), index, last });
        }
        previous = Some(index);
    }
    Ok(())
}

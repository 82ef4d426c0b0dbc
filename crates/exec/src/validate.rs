//! Whether an execution that ran ahead saw what it would see now, in its turn.
//!
//! This is the one check that the result of parallel execution rests on. Everything below the transaction
//! is committed; the ledger is the state that sequential execution would show it. The check passes when
//! each thing that could have steered the execution has the value that the execution saw; balances that it
//! did not look at are then set right ([`validate`] rebases them), so that what enters the ledger is bit for
//! bit what sequential execution enters.
//!
//! | what | passes when |
//! |---|---|
//! | code | the same hash |
//! | existence, before EIP-161 or of an authority | the same |
//! | emptiness | the same, or the account is only the recipient of a plain transfer |
//! | nonce | the same, where it was used, bumped or authorises (EIP-7702); else both zero or both not |
//! | balance | within the bounds that comparisons left; exactly the same where it was looked at |
//! | slot | the same value |
//! | storage under a contract to be created (EIP-7610) | there is some, or there is none, as before |

use crate::in_order::LedgerDb;
use crate::ledger::{Entry, SlotState};
use crate::speculate::Observations;
use crate::stop::Stop;
use crate::vm::{EvmState, VmAccount, VmDb as _, found};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use motet_types::StateView;

/// Balances from here on are compared exactly: sums of a few could pass 2^256.
const EXACT_ABOVE: U256 = U256::from_limbs([0, 0, 0, 1 << 48]);

/// Where an execution saw something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Balance, nonce, code or existence of an account.
    Account(Address, Field),
    /// A slot.
    Slot(Address, U256),
}

/// The field of an account that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Existence,
    Emptiness,
    Code,
    Nonce,
    Balance,
    /// Whether there is any.
    Storage,
}

/// What the check must know about the transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) sender: Address,
    /// The recipient whose emptiness a plain transfer does not look at: none in forks that charge for
    /// creating it.
    pub(crate) recipient: Option<Address>,
    /// Whether an account can exist and be empty (before EIP-161).
    pub(crate) empty_accounts_exist: bool,
}

/// Compares what an execution saw with the ledger, and rebases what it did not look at.
///
/// # Errors
/// `Ok(Err(conflict))` names the first difference; `Err` when the parent state cannot answer.
pub(crate) fn validate<V: StateView + ?Sized>(
    db: &mut LedgerDb<'_, V>,
    terms: &Terms,
    observations: &Observations,
    state: &mut EvmState,
) -> Result<Result<(), Conflict>, Stop> {
    // The sender's nonce was predicted, not read: the true one is compared below.
    db.account(terms.sender)?;
    for (address, had) in &observations.storages {
        if db.has_storage(*address)? != *had {
            return Ok(Err(Conflict::Account(*address, Field::Storage)));
        }
    }
    for (address, account) in state.iter_mut() {
        let verdict = match db.ledger.entry(address) {
            Some(entry) => validate_account(*address, account, entry, terms, observations),
            None => validate_untouched(*address, account, observations),
        };
        if verdict.is_err() {
            return Ok(verdict);
        }
    }
    Ok(Ok(()))
}

/// An account that the block has not touched: right, if all of it came from the parent state.
fn validate_untouched(address: Address, account: &VmAccount, observations: &Observations) -> Result<(), Conflict> {
    if observations.has_account_from_block(&address) {
        return Err(Conflict::Account(address, Field::Existence));
    }
    match account.storage.keys().find(|slot| observations.has_slot_from_block(address, **slot)) {
        Some(slot) => Err(Conflict::Slot(address, *slot)),
        None => Ok(()),
    }
}

fn validate_account(
    address: Address,
    account: &mut VmAccount,
    entry: &Entry,
    terms: &Terms,
    observations: &Observations,
) -> Result<(), Conflict> {
    let differs = |field| Err(Conflict::Account(address, field));
    let now = entry.account();
    let present = now.unwrap_or_default();
    let seen = found(account);
    // An authority's refund depends on whether its account exists, empty or not (EIP-7702).
    let existence_matters = terms.empty_accounts_exist || observations.has_nonce_of(&address);
    if existence_matters && account.is_loaded_as_not_existing() != now.is_none() {
        return differs(Field::Existence);
    }
    if seen.code_hash != present.code_hash {
        return differs(Field::Code);
    }
    let plain_recipient = terms.recipient == Some(address) && seen.code_hash == KECCAK256_EMPTY;
    if seen.is_empty() != present.is_empty() && !plain_recipient {
        return differs(Field::Emptiness);
    }
    if seen.nonce != present.nonce {
        let used = account.info.nonce != seen.nonce
            || address == terms.sender
            || observations.has_nonce_of(&address)
            || (seen.nonce == 0) != (present.nonce == 0);
        if used {
            return differs(Field::Nonce);
        }
        account.info.nonce = present.nonce;
        account.original_info_mut().nonce = present.nonce;
    }
    if seen.balance != present.balance {
        let bounds = observations.bounds(&address);
        let outside = bounds.is_some_and(|(from, to)| present.balance < from || present.balance > to);
        if outside || seen.balance >= EXACT_ABOVE || present.balance >= EXACT_ABOVE {
            return differs(Field::Balance);
        }
        let drift = present.balance.wrapping_sub(seen.balance);
        account.info.balance = account.info.balance.wrapping_add(drift);
        account.original_info_mut().balance = present.balance;
    }
    // What a contract reads after it was created in this transaction never came from outside.
    if account.is_created() {
        return Ok(());
    }
    for (slot, value) in &account.storage {
        let same = match entry.slot(slot) {
            SlotState::Known(now) => now == value.original_value(),
            SlotState::Parent => !observations.has_slot_from_block(address, *slot),
        };
        if !same {
            return Err(Conflict::Slot(address, *slot));
        }
    }
    Ok(())
}

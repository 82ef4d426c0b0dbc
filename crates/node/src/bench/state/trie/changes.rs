//! What blocks change in the tries that are measured.

use alloy_primitives::{B256, U256, keccak256};
use motet_state::trie::{AccountChange, SlotChange};
use motet_types::Account;
use rand::Rng;
use rand::rngs::SmallRng;

/// Contracts that have storage, the first of all accounts; one more has as many slots as they have together.
pub(super) const CONTRACTS: u64 = 2000;
/// Slots of each.
pub(super) const CONTRACT_SLOTS: u64 = 50;

/// The account of a number with fields that follow from a value.
pub(super) fn account(number: u64, value: u64) -> AccountChange {
    let balance = U256::from(value) * U256::from(1u64 << 20);
    let account = Account { nonce: value % 1000, balance, ..Account::default() };
    AccountChange { key: keccak256(number.to_be_bytes()), account: Some(account), wiped: false, slots: Vec::new() }
}

/// The contracts with all of their slots.
pub(super) fn contracts() -> Vec<AccountChange> {
    let of = |number: u64, count: u64| {
        let slots = (0..count).map(|slot| SlotChange { key: slot_key(slot), value: U256::from(slot + 1) << 64 });
        AccountChange { slots: slots.collect(), ..account(number, 1) }
    };
    let small = (0..CONTRACTS).map(|number| of(number, CONTRACT_SLOTS));
    small.chain([of(CONTRACTS, CONTRACTS * CONTRACT_SLOTS)]).collect()
}

/// Accounts chosen at random, with random fields.
pub(super) fn random_accounts(count: usize, accounts: u64, rng: &mut SmallRng) -> Vec<AccountChange> {
    (0..count).map(|_| account(rng.random_range(0..accounts.max(1)), rng.random())).collect()
}

/// Random slots of every contract but the large one.
pub(super) fn slots_of_all(count: usize, rng: &mut SmallRng) -> Vec<AccountChange> {
    let each = count.div_ceil(CONTRACTS as usize);
    (0..CONTRACTS).map(|number| random_slots(number, each, CONTRACT_SLOTS, rng)).collect()
}

/// Random slots of the large contract.
pub(super) fn slots_of_one(count: usize, rng: &mut SmallRng) -> Vec<AccountChange> {
    vec![random_slots(CONTRACTS, count, CONTRACTS * CONTRACT_SLOTS, rng)]
}

/// So many accounts go, and those come back that went the round before.
pub(super) fn deletions(count: u64, accounts: u64, round: u64) -> Vec<AccountChange> {
    let numbers = |round: u64| (0..count).map(move |at| (round * count + at) % accounts.max(1));
    let deleted = numbers(round + 1).map(|number| AccountChange { account: None, ..account(number, 0) });
    deleted.chain(numbers(round).map(|number| account(number, round))).collect()
}

fn random_slots(number: u64, change_count: usize, slot_count: u64, rng: &mut SmallRng) -> AccountChange {
    let slots = (0..change_count).map(|_| SlotChange {
        key: slot_key(rng.random_range(0..slot_count)),
        value: U256::from(rng.random::<u128>()),
    });
    AccountChange { slots: slots.collect(), ..account(number, 1) }
}

fn slot_key(number: u64) -> B256 {
    keccak256(U256::from(number).to_be_bytes::<32>())
}

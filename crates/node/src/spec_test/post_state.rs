//! A state beside the accounts that a fixture lists.

use alloy_primitives::{Address, KECCAK256_EMPTY, U256, keccak256};
use motet_types::{MemoryAccount, MemoryState};
use motet_workload::spec_test::{TestAccount, TestAlloc};
use std::collections::BTreeSet;

/// The first value, by address, that is not as listed; `None` when all are.
pub(super) fn first_difference(expected: &TestAlloc, found: &MemoryState) -> Option<String> {
    let addresses: BTreeSet<Address> =
        expected.accounts.keys().copied().chain(found.accounts().map(|(address, _)| *address)).collect();
    addresses.into_iter().find_map(|address| {
        let what = match (expected.accounts.get(&address), found.account(&address)) {
            (Some(expected), Some(found)) => account(expected, found)?,
            (Some(_), None) => "expected, and does not exist".to_owned(),
            (None, Some(_)) => "exists, and is not expected".to_owned(),
            (None, None) => return None,
        };
        Some(format!("account {address}: {what}"))
    })
}

fn account(expected: &TestAccount, found: &MemoryAccount) -> Option<String> {
    let account = &found.account;
    if expected.nonce != account.nonce {
        return Some(format!("nonce: expected {}, found {}", expected.nonce, account.nonce));
    }
    if expected.balance != account.balance {
        return Some(format!("balance: expected {}, found {}", expected.balance, account.balance));
    }
    let code_hash = if expected.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&expected.code) };
    if code_hash != account.code_hash {
        return Some(format!("code hash: expected {code_hash}, found {}", account.code_hash));
    }
    let slots: BTreeSet<U256> = expected.storage.keys().chain(found.storage.keys()).copied().collect();
    slots.into_iter().find_map(|slot| {
        let expected = expected.storage.get(&slot).copied().unwrap_or_default();
        let found = found.storage.get(&slot).copied().unwrap_or_default();
        (expected != found).then(|| format!("slot {slot:#x}: expected {expected:#x}, found {found:#x}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;

    #[test]
    fn the_first_value_that_differs_is_named() {
        let (low, high) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut expected = TestAlloc::default();
        let account = TestAccount {
            balance: U256::from(5),
            nonce: 1,
            code: Bytes::from_static(&[1]),
            storage: [(U256::from(1), U256::from(2)), (U256::from(3), U256::ZERO)].into(),
        };
        expected.accounts.insert(low, account.clone());
        expected.accounts.insert(high, TestAccount::default());
        let state = expected.to_memory_state();
        assert_eq!(first_difference(&expected, &state), None);
        let differing = |edit: &dyn Fn(&mut TestAccount)| {
            let mut expected = expected.clone();
            edit(expected.accounts.get_mut(&low).unwrap());
            first_difference(&expected, &state).unwrap()
        };
        assert!(differing(&|account| account.balance = U256::ZERO).contains("balance: expected 0, found 5"));
        assert!(differing(&|account| account.nonce = 2).contains("nonce"));
        assert!(differing(&|account| account.code = Bytes::new()).contains("code hash"));
        assert!(differing(&|account| account.storage.clear()).contains("slot 0x1: expected 0x0, found 0x2"));
        expected.accounts.remove(&high);
        assert!(first_difference(&expected, &state).unwrap().contains("is not expected"));
        expected.accounts.insert(Address::ZERO, account);
        assert!(first_difference(&expected, &state).unwrap().contains("does not exist"));
    }
}

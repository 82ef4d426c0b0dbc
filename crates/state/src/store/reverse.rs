//! What a block overwrote, by hashed keys: the way back.

use super::wire::{Wire, put_account, put_len, put_u256};
use crate::trie::{AccountChange, HashedDiff, SlotChange};
use alloy_primitives::{B256, U256};
use motet_types::Account;

/// The values before a block of everything that the block changed.
///
/// Invariant: accounts and the slots of each are sorted and unique. A changed account is always listed; of an account whose
/// storage the block wiped all slots are listed that were not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReverseDiff {
    accounts: Vec<ReverseAccount>,
}

/// One account before a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReverseAccount {
    /// keccak(address).
    pub(crate) hash: B256,
    /// The account; `None`: it did not exist.
    pub(crate) account: Option<Account>,
    /// keccak(slot) and value; zero where nothing was.
    pub(crate) slots: Vec<(B256, U256)>,
}

impl ReverseDiff {
    /// From accounts that are sorted as the invariant says.
    pub(crate) fn sorted(accounts: Vec<ReverseAccount>) -> Self {
        debug_assert!(accounts.is_sorted_by(|a, b| a.hash < b.hash), "accounts are sorted, each once");
        Self { accounts }
    }

    /// The accounts, sorted by hash.
    pub(crate) fn accounts(&self) -> &[ReverseAccount] {
        &self.accounts
    }

    /// An account that the block changed.
    pub(crate) fn account(&self, hash: &B256) -> Option<&ReverseAccount> {
        let at = self.accounts.binary_search_by(|account| account.hash.cmp(hash)).ok()?;
        Some(&self.accounts[at])
    }

    /// The change that leads back.
    pub(crate) fn to_change(&self) -> HashedDiff {
        HashedDiff::new(self.accounts.iter().map(|before| {
            let slots = before.slots.iter().map(|(key, value)| SlotChange { key: *key, value: *value });
            let Some(account) = before.account else {
                return AccountChange { key: before.hash, account: None, wiped: true, slots: Vec::new() };
            };
            // What the block put in the place of slots that it wiped is listed too, as zero.
            AccountChange { key: before.hash, account: Some(account), wiped: false, slots: slots.collect() }
        }))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(56 * self.accounts.len());
        put_len(&mut out, self.accounts.len());
        for before in &self.accounts {
            out.extend_from_slice(before.hash.as_slice());
            out.push(u8::from(before.account.is_some()));
            if let Some(account) = &before.account {
                put_account(&mut out, account);
            }
            put_len(&mut out, before.slots.len());
            for (slot, value) in &before.slots {
                out.extend_from_slice(slot.as_slice());
                put_u256(&mut out, *value);
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes);
        let accounts: Vec<_> = (0..wire.count(34)?).map(|_| take_account(&mut wire)).collect::<Option<_>>()?;
        let is_sorted = accounts.is_sorted_by(|a, b| a.hash < b.hash);
        (wire.is_empty() && is_sorted).then_some(Self { accounts })
    }
}

impl ReverseAccount {
    /// A slot that the block changed.
    pub(crate) fn slot(&self, hash: &B256) -> Option<U256> {
        let at = self.slots.binary_search_by(|(slot, _)| slot.cmp(hash)).ok()?;
        Some(self.slots[at].1)
    }
}

fn take_account(wire: &mut Wire<'_>) -> Option<ReverseAccount> {
    let hash = wire.b256()?;
    let account = match wire.byte()? {
        0 => None,
        1 => Some(wire.account()?),
        _ => return None,
    };
    let slots: Vec<_> = (0..wire.count(33)?).map(|_| Some((wire.b256()?, wire.u256()?))).collect::<Option<_>>()?;
    slots.is_sorted_by(|a, b| a.0 < b.0).then_some(ReverseAccount { hash, account, slots })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_decoded_diff_is_the_encoded_one(
            keys in prop::collection::btree_map(any::<[u8; 32]>(), prop::collection::btree_map(any::<[u8; 32]>(), any::<u64>(), 0..4), 0..6),
            exists: bool,
        ) {
            let accounts = keys.into_iter().map(|(hash, slots)| ReverseAccount {
                hash: hash.into(),
                account: exists.then(Account::default),
                slots: slots.into_iter().map(|(slot, value)| (slot.into(), U256::from(value))).collect(),
            });
            let diff = ReverseDiff::sorted(accounts.collect());
            let bytes = diff.encode();
            for before in diff.accounts() {
                prop_assert_eq!(diff.account(&before.hash), Some(before));
                for (slot, value) in &before.slots {
                    prop_assert_eq!(before.slot(slot), Some(*value));
                }
            }
            prop_assert_eq!(ReverseDiff::decode(&bytes), Some(diff));
        }

        #[test]
        fn any_bytes_decode_to_what_encodes_to_them_or_to_none(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Some(diff) = ReverseDiff::decode(&bytes) {
                prop_assert_eq!(diff.encode(), bytes);
            }
        }
    }
}

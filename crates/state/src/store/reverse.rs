//! What a block overwrote, by hashed keys: the way back.

use super::wire::{Wire, put_account, put_len, put_u256};
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
    pub(crate) fn new(mut accounts: Vec<ReverseAccount>) -> Self {
        accounts.sort_unstable_by_key(|account| account.hash);
        for account in &mut accounts {
            account.slots.sort_unstable_by_key(|(slot, _)| *slot);
        }
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
        let accounts = (0..wire.count(34)?).map(|_| take_account(&mut wire)).collect::<Option<_>>()?;
        wire.is_empty().then_some(Self { accounts })
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
    let slots = (0..wire.count(33)?).map(|_| Some((wire.b256()?, wire.u256()?))).collect::<Option<_>>()?;
    Some(ReverseAccount { hash, account, slots })
}

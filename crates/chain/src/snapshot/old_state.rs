//! The state of a block by hashed keys: that of the head, with what later blocks overwrote put back.

use crate::chain_error::ChainError;
use crate::reorganisation::go_back;
use alloy_primitives::{B256, U256};
use motet_state::store::{Store, StoreError};
use motet_types::Account;
use std::collections::BTreeMap;
use std::iter::Peekable;

/// What blocks after the one that is asked for overwrote.
#[derive(Debug, Default)]
pub(super) struct OldState {
    accounts: BTreeMap<B256, OldAccount>,
}

/// One account before these blocks.
#[derive(Clone, Debug, Default)]
struct OldAccount {
    account: Option<Account>,
    /// Whether the slots below are all that there are.
    hides_slots: bool,
    slots: BTreeMap<B256, U256>,
}

impl OldState {
    /// Of the block at a height, when the store's head is at another.
    pub(super) fn of(store: &Store, height: u64, head: u64) -> Result<Self, ChainError> {
        let mut state = Self::default();
        go_back(store, height, head, |changes| {
            for change in changes.accounts() {
                let old = state.accounts.entry(change.key).or_default();
                if change.wiped || change.account.is_none() {
                    old.hides_slots = true;
                    old.slots.clear();
                }
                old.account = change.account;
                old.slots.extend(change.slots.iter().map(|slot| (slot.key, slot.value)));
            }
            Ok(())
        })?;
        Ok(state)
    }

    /// All accounts, ascending.
    pub(super) fn accounts<'a>(
        &'a self,
        store: &'a Store,
    ) -> impl Iterator<Item = Result<(B256, Account), StoreError>> + 'a {
        let old = self.accounts.iter().map(|(key, old)| (*key, old.account));
        Merged::new(store.accounts_from(B256::ZERO), old).filter_map(|row| match row {
            Ok((key, account)) => account.map(|account| Ok((key, account))),
            Err(error) => Some(Err(error)),
        })
    }

    /// All slots of an account that are not zero, ascending.
    pub(super) fn slots<'a>(
        &'a self,
        store: &'a Store,
        account: B256,
    ) -> impl Iterator<Item = Result<(B256, U256), StoreError>> + 'a {
        let old = self.accounts.get(&account);
        let new = (!old.is_some_and(|old| old.hides_slots)).then(|| store.slots_of(account));
        let none = BTreeMap::<B256, U256>::new();
        let old: Vec<(B256, Option<U256>)> =
            old.map_or(&none, |old| &old.slots).iter().map(|(key, value)| (*key, Some(*value))).collect();
        Merged::new(new.into_iter().flatten(), old.into_iter()).filter_map(|row| match row {
            Ok((key, value)) => value.filter(|value| !value.is_zero()).map(|value| Ok((key, value))),
            Err(error) => Some(Err(error)),
        })
    }
}

/// Two sorted rows as one; of equal keys the second one's value counts.
struct Merged<N: Iterator, O: Iterator> {
    new: Peekable<N>,
    old: Peekable<O>,
}

impl<N: Iterator, O: Iterator> Merged<N, O> {
    fn new(new: N, old: O) -> Self {
        Self { new: new.peekable(), old: old.peekable() }
    }
}

impl<V, E, N, O> Iterator for Merged<N, O>
where
    N: Iterator<Item = Result<(B256, V), E>>,
    O: Iterator<Item = (B256, Option<V>)>,
{
    type Item = Result<(B256, Option<V>), E>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some((old, _)) = self.old.peek() else {
            return self.new.next().map(|row| row.map(|(key, value)| (key, Some(value))));
        };
        match self.new.peek() {
            Some(Ok((new, _))) if new < old => self.new.next().map(|row| row.map(|(key, value)| (key, Some(value)))),
            Some(Err(_)) => self.new.next().map(|row| row.map(|(key, value)| (key, Some(value)))),
            Some(Ok((new, _))) if new == old => {
                self.new.next();
                self.old.next().map(Ok)
            }
            _ => self.old.next().map(Ok),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_value_counts_and_order_is_kept() {
        let key = B256::with_last_byte;
        let new = [1, 3, 5, 7].map(|at| Ok::<_, StoreError>((key(at), u32::from(at))));
        let old = [(key(0), Some(10)), (key(3), None), (key(5), Some(50)), (key(9), Some(90))];
        let merged: Vec<(u8, Option<u32>)> = Merged::new(new.into_iter(), old.into_iter())
            .map(|row| row.map(|(key, value)| (key[31], value)).unwrap())
            .collect();
        let expected = [(0, Some(10)), (1, Some(1)), (3, None), (5, Some(50)), (7, Some(7)), (9, Some(90))];
        assert_eq!(merged, expected);
    }
}

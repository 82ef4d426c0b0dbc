//! The whole state by hashed keys, in their order: what a trie is built from.

use super::engine::Table;
use super::error::StoreError;
use super::tables::{account_of, malformed};
use super::writer::Store;
use alloy_primitives::{B256, U256};
use motet_types::Account;

impl Store {
    /// All accounts from a hashed address on, ascending, as the tables have them.
    ///
    /// The tables have the head's state right after opening, and after [`Store::flush`] as long as nothing is committed.
    pub fn accounts_from(&self, from: B256) -> impl Iterator<Item = Result<(B256, Account), StoreError>> + '_ {
        self.core.tables.rows_from(Table::Accounts, from.to_vec()).map(|row| {
            let (key, payload) = row?;
            let hash = B256::try_from(&key[..]).map_err(|_| malformed(Table::Accounts, &key))?;
            Ok((hash, account_of(&payload).ok_or_else(|| malformed(Table::Accounts, &key))?))
        })
    }

    /// All slots that are not zero of the account with a hashed address, ascending by hashed slot, as the tables have them.
    pub fn slots_of(&self, account: B256) -> impl Iterator<Item = Result<(B256, U256), StoreError>> + '_ {
        self.core.tables.slots_of(account)
    }
}

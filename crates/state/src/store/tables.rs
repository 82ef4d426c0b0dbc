//! The tables by what they hold: keys and values, checked when they are read.

use super::cell;
use super::engine::{Engine, Table, Write};
use super::error::{Corruption, StoreError};
use super::record::Head;
use super::reverse::ReverseDiff;
use super::wire::{Wire, put_account, put_u256};
use alloy_primitives::{B256, Bytes, U256};
use motet_types::Account;
use std::sync::Arc;

/// Key in every table whose value is the number of the last record that the tables took. Shorter than all other keys.
const MARK: [u8; 1] = [0];
/// Key of the head in [`Table::Meta`].
const HEAD: &[u8] = b"head";

/// An engine's tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables(pub(crate) Arc<dyn Engine>);

impl Tables {
    /// The payload of a key.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.get(table, key)? {
            Some(stored) => Ok(Some(cell::open(table, key, stored)?)),
            None => Ok(None),
        }
    }

    /// The payload of a key, decoded.
    fn get_as<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(payload) = self.get(table, key)? else { return Ok(None) };
        Ok(Some(decode(&payload).ok_or_else(|| malformed(table, key))?))
    }

    /// Where the tables stand; `None`: they are new.
    ///
    /// # Errors
    /// When not all tables stand there.
    pub(crate) fn head(&self) -> Result<Option<Head>, StoreError> {
        let head = self.get_as(Table::Meta, HEAD, Head::decode)?;
        let wanted = head.map(|head: Head| head.seq);
        for table in Table::ALL {
            let found = self.get_as(table, &MARK, |bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)))?;
            if found != wanted {
                let (table, wanted) = (table.name(), wanted.unwrap_or_default());
                return Err(Corruption::TablesDiffer { table, found, wanted }.into());
            }
        }
        Ok(head)
    }

    pub(crate) fn account(&self, hash: &B256) -> Result<Option<Account>, StoreError> {
        self.get_as(Table::Accounts, hash.as_slice(), account_of)
    }

    pub(crate) fn slot(&self, account: &B256, slot: &B256) -> Result<U256, StoreError> {
        Ok(self.get_as(Table::Slots, &slot_key(account, slot), slot_of)?.unwrap_or_default())
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(Table::Codes, hash.as_slice())?.map(Bytes::from))
    }

    /// Slots of an account that are not zero, by hash.
    pub(crate) fn slots_of(&self, account: B256) -> impl Iterator<Item = Result<(B256, U256), StoreError>> + '_ {
        self.rows_with_prefix(Table::Slots, account.to_vec()).map(|row| {
            let (key, payload) = row?;
            let slot = key.get(32..).filter(|slot| slot.len() == 32).ok_or_else(|| malformed(Table::Slots, &key))?;
            Ok((B256::from_slice(slot), slot_of(&payload).ok_or_else(|| malformed(Table::Slots, &key))?))
        })
    }

    /// Checked rows whose keys start with some bytes, in order.
    pub(crate) fn rows_with_prefix(
        &self,
        table: Table,
        prefix: Vec<u8>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + '_ {
        self.rows_from(table, prefix.clone())
            .take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// Checked rows from a key to the table's end, without the mark.
    pub(crate) fn rows_from(
        &self,
        table: Table,
        from: Vec<u8>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + '_ {
        self.0.rows(table, &from).filter_map(move |row| match row {
            Ok((key, _)) if key == MARK => None,
            Ok((key, stored)) => {
                Some(cell::open(table, &key, stored).map(|payload| (key, payload)).map_err(StoreError::from))
            }
            Err(error) => Some(Err(error.into())),
        })
    }

    /// Hash, parent and root of the block at a height, and its encoded header.
    pub(crate) fn header(&self, height: u64) -> Result<Option<(Head, Bytes)>, StoreError> {
        self.get_as(Table::Headers, &height.to_be_bytes(), |bytes| {
            let mut wire = Wire::new(bytes);
            let (hash, parent, root) = (wire.b256()?, wire.b256()?, wire.b256()?);
            let header = wire.owned_bytes()?;
            wire.is_empty().then_some((Head { seq: 0, height, hash, parent, root }, header))
        })
    }

    pub(crate) fn history(&self, height: u64) -> Result<Option<ReverseDiff>, StoreError> {
        self.get_as(Table::History, &height.to_be_bytes(), ReverseDiff::decode)
    }

    /// The oldest height that has a reverse diff.
    pub(crate) fn oldest_history(&self) -> Result<Option<u64>, StoreError> {
        match self.rows_from(Table::History, vec![0; 8]).next() {
            Some(row) => {
                let (key, _) = row?;
                let height = key[..].try_into().map_err(|_| malformed(Table::History, &key))?;
                Ok(Some(u64::from_be_bytes(height)))
            }
            None => Ok(None),
        }
    }
}

/// The writes that say where the tables stand after a batch.
pub(crate) fn put_head(writes: &mut Vec<Write>, head: &Head) {
    writes.push(cell::write(Table::Meta, HEAD.to_vec(), Some(head.encode())));
    for table in Table::ALL {
        writes.push(cell::write(table, MARK.to_vec(), Some(head.seq.to_be_bytes().to_vec())));
    }
}

/// The write of an account, or of its absence.
pub(crate) fn put_account_row(writes: &mut Vec<Write>, hash: &B256, account: Option<&Account>) {
    writes.push(cell::write(Table::Accounts, hash.to_vec(), account.map(account_payload)));
}

/// The write of a slot; zero deletes.
pub(crate) fn put_slot_row(writes: &mut Vec<Write>, account: &B256, slot: &B256, value: U256) {
    writes.push(cell::write(Table::Slots, slot_key(account, slot), slot_payload(value)));
}

pub(crate) fn account_payload(account: &Account) -> Vec<u8> {
    let mut payload = Vec::with_capacity(24);
    put_account(&mut payload, account);
    payload
}

pub(crate) fn account_of(payload: &[u8]) -> Option<Account> {
    let mut wire = Wire::new(payload);
    wire.account().filter(|_| wire.is_empty())
}

pub(crate) fn slot_payload(value: U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| {
        let mut payload = Vec::with_capacity(40);
        put_u256(&mut payload, value);
        payload
    })
}

pub(crate) fn slot_of(payload: &[u8]) -> Option<U256> {
    let mut wire = Wire::new(payload);
    wire.u256().filter(|value| wire.is_empty() && !value.is_zero())
}

pub(crate) fn slot_key(account: &B256, slot: &B256) -> Vec<u8> {
    [account.as_slice(), slot.as_slice()].concat()
}

/// A key followed by a height.
pub(crate) fn at_height(key: &[u8], height: u64) -> Vec<u8> {
    [key, &height.to_be_bytes()].concat()
}

pub(crate) fn malformed(table: Table, key: &[u8]) -> StoreError {
    Corruption::Value { table: table.name(), key: Bytes::copy_from_slice(key), what: "encoding" }.into()
}

/// A row of a height that must be there.
pub(crate) fn missing(table: Table, height: u64) -> Corruption {
    Corruption::Missing { table: table.name(), key: Bytes::copy_from_slice(&height.to_be_bytes()) }
}

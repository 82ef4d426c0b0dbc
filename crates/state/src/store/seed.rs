//! A state that came from elsewhere, into a store that has nothing yet.
//!
//! Rows go into the tables directly: they are no change of a block, and whoever loads them throws the whole store away if he does
//! not come to the end. What they are worth is shown by the root that is computed from them before the first block is
//! committed on top.

use super::cell;
use super::core::locked;
use super::engine::{Table, Write};
use super::error::StoreError;
use super::nodes::put_nodes;
use super::tables::{put_account_row, put_slot_row};
use super::wire::put_bytes;
use super::writer::Store;
use crate::trie::NodeBatch;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use motet_types::Account;

/// A piece of a state by hashed keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedRow {
    /// An account, by the hash of its address.
    Account(B256, Account),
    /// A slot that is not zero, by the hashes of address and slot.
    Slot(B256, B256, U256),
    /// A code.
    Code(Bytes),
}

/// A block below the first one of a store, of which the store knows the header, and perhaps the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedHeader {
    /// Height.
    pub height: u64,
    /// Hash of the header.
    pub hash: B256,
    /// Hash of the parent.
    pub parent: B256,
    /// State root after the block.
    pub root: B256,
    /// Encoded header.
    pub header: Bytes,
    /// Encoded body.
    pub body: Option<Bytes>,
}

impl Store {
    /// Puts rows of a state, and nodes of its tries, into a store without blocks.
    ///
    /// # Errors
    /// When the store has a block, and when the tables fail.
    pub fn seed(&self, rows: impl IntoIterator<Item = SeedRow>, nodes: Option<&NodeBatch>) -> Result<(), StoreError> {
        let _writer = locked(&self.writer);
        self.expect_records(0)?;
        let mut writes = Vec::new();
        for row in rows {
            match row {
                SeedRow::Account(key, account) => put_account_row(&mut writes, &key, Some(&account)),
                SeedRow::Slot(account, slot, value) => put_slot_row(&mut writes, &account, &slot, value),
                SeedRow::Code(code) => {
                    writes.push(cell::write(Table::Codes, keccak256(&code).to_vec(), Some(code.to_vec())));
                }
            }
        }
        if let Some(nodes) = nodes {
            put_nodes(&self.core.tables, &mut writes, nodes)?;
        }
        Ok(self.core.tables.0.write(writes)?)
    }

    /// Puts blocks below the only one of a store. There is no way back from that one: the state before it is not here.
    ///
    /// # Errors
    /// When the store does not have exactly one block, and when the tables fail.
    pub fn seed_headers(&self, headers: impl IntoIterator<Item = SeedHeader>) -> Result<(), StoreError> {
        let _writer = locked(&self.writer);
        self.expect_records(1)?;
        self.core.drain()?;
        let first = self.core.layers.now().head.height;
        let mut writes = vec![cell::write(Table::History, first.to_be_bytes().to_vec(), None)];
        for header in headers.into_iter().filter(|header| header.height < first) {
            put_header(&mut writes, &header);
        }
        self.core.tables.0.write(writes)?;
        Ok(self.core.tables.0.flush()?)
    }

    fn expect_records(&self, count: u64) -> Result<(), StoreError> {
        if self.core.layers.now().head.seq == count {
            return Ok(());
        }
        Err(StoreError::NotAStore { path: self.dir.clone(), what: "a state is only loaded into one that is new" })
    }
}

fn put_header(writes: &mut Vec<Write>, header: &SeedHeader) {
    let height = header.height.to_be_bytes().to_vec();
    let mut row = Vec::with_capacity(104 + header.header.len());
    for hash in [header.hash, header.parent, header.root] {
        row.extend_from_slice(hash.as_slice());
    }
    put_bytes(&mut row, &header.header);
    writes.push(cell::write(Table::Headers, height.clone(), Some(row)));
    if let Some(body) = &header.body {
        writes.push(cell::write(Table::Bodies, height, Some(body.to_vec())));
    }
}

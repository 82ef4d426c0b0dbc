//! Blocks of the store, and where to find them.

use super::block::CommittedBlock;
use super::engine::Table;
use super::error::{Corruption, StoreError};
use super::nodes::place_of;
use super::tables::{account_of, malformed, slot_of};
use super::wire::Wire;
use super::writer::Store;
use alloy_primitives::{Address, B256, Bytes};
use std::ops::RangeInclusive;
use std::sync::Arc;

impl Store {
    /// Hash and encoded header of the block at a height.
    ///
    /// # Errors
    /// When the tables fail or are damaged; here and below.
    pub fn header(&self, height: u64) -> Result<Option<(B256, Bytes)>, StoreError> {
        if let Some((hash, header)) = self.waiting(height, |block| (block.hash, block.header.clone())) {
            return Ok(Some((hash, header)));
        }
        Ok(self.core.tables.header(height)?.map(|(head, header)| (head.hash, header)))
    }

    /// Encoded body of the block at a height.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn body(&self, height: u64) -> Result<Option<Bytes>, StoreError> {
        self.part(height, Table::Bodies, |block| &block.body)
    }

    /// Encoded receipts of the block at a height.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn receipts(&self, height: u64) -> Result<Option<Bytes>, StoreError> {
        self.part(height, Table::Receipts, |block| &block.receipts)
    }

    /// Encoded record (access list) of the block at a height.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn record(&self, height: u64) -> Result<Option<Bytes>, StoreError> {
        self.part(height, Table::Records, |block| &block.record)
    }

    /// Height of the block with a hash.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn height_of(&self, hash: B256) -> Result<Option<u64>, StoreError> {
        let list = self.core.layers.now();
        if let Some(layer) = list.layers.iter().rev().find(|layer| layer.head.hash == hash) {
            return Ok(Some(layer.head.height));
        }
        let Some(payload) = self.core.tables.get(Table::Numbers, hash.as_slice())? else { return Ok(None) };
        let height = payload[..].try_into().map_err(|_| malformed(Table::Numbers, hash.as_slice()))?;
        Ok(Some(u64::from_be_bytes(height)))
    }

    /// Height and position of a transaction.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn transaction(&self, hash: B256) -> Result<Option<(u64, u32)>, StoreError> {
        let list = self.core.layers.now();
        for layer in list.layers.iter().rev() {
            if let Some((index, _)) = (0..).zip(&layer.block.transactions).find(|(_, other)| **other == hash) {
                return Ok(Some((layer.head.height, index)));
            }
        }
        let Some(payload) = self.core.tables.get(Table::Transactions, hash.as_slice())? else { return Ok(None) };
        let mut wire = Wire::new(&payload);
        let place = wire.u64().zip(wire.u32()).filter(|_| wire.is_empty());
        Ok(Some(place.ok_or_else(|| malformed(Table::Transactions, hash.as_slice()))?))
    }

    /// Heights in a range whose blocks have a log of this address, ascending, at most so many.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn blocks_with_address(
        &self,
        address: Address,
        heights: RangeInclusive<u64>,
        count_max: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let has = |block: &CommittedBlock| block.log_addresses.contains(&address);
        self.blocks_with(Table::AddressBlocks, address.as_slice(), heights, count_max, has)
    }

    /// Heights in a range whose blocks have a log with this topic, ascending, at most so many.
    ///
    /// # Errors
    /// See [`Store::header`].
    pub fn blocks_with_topic(
        &self,
        topic: B256,
        heights: RangeInclusive<u64>,
        count_max: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let has = |block: &CommittedBlock| block.log_topics.contains(&topic);
        self.blocks_with(Table::TopicBlocks, topic.as_slice(), heights, count_max, has)
    }

    fn blocks_with(
        &self,
        table: Table,
        key: &[u8],
        heights: RangeInclusive<u64>,
        count_max: usize,
        has: impl Fn(&CommittedBlock) -> bool,
    ) -> Result<Vec<u64>, StoreError> {
        // Layers first: what goes into the tables meanwhile is then found twice rather than not at all.
        let list = self.core.layers.now();
        let layers = list.layers.iter().filter(|layer| heights.contains(&layer.head.height) && has(&layer.block));
        let mut found: Vec<u64> = Vec::new();
        let from = [key, &heights.start().to_be_bytes()].concat();
        for row in self.core.tables.rows_from(table, from).take(count_max) {
            let (row_key, _) = row?;
            let Some(height) = row_key.strip_prefix(key) else { break };
            let height = u64::from_be_bytes(height.try_into().map_err(|_| malformed(table, &row_key))?);
            if !heights.contains(&height) {
                break;
            }
            found.push(height);
        }
        found.extend(layers.map(|layer| layer.head.height));
        found.sort_unstable();
        found.dedup();
        found.truncate(count_max);
        Ok(found)
    }

    fn part(
        &self,
        height: u64,
        table: Table,
        part: impl Fn(&CommittedBlock) -> &Bytes,
    ) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.waiting(height, |block| part(block).clone()) {
            return Ok(Some(bytes));
        }
        Ok(self.core.tables.get(table, &height.to_be_bytes())?.map(Bytes::from))
    }

    fn waiting<T>(&self, height: u64, part: impl Fn(&CommittedBlock) -> T) -> Option<T> {
        let list = self.core.layers.now();
        list.at(height).map(Arc::clone).map(|layer| part(&layer.block))
    }

    /// Reads every row of every table and checks it; the number of rows.
    ///
    /// # Errors
    /// Names the first row that is damaged.
    pub fn verify(&self) -> Result<u64, StoreError> {
        let tables = &self.core.tables;
        tables.head()?;
        let mut rows = 0;
        for table in Table::ALL {
            for row in tables.rows_from(table, vec![0]) {
                let (key, payload) = row?;
                let is_well_formed = match table {
                    Table::Accounts => account_of(&payload).is_some(),
                    Table::Slots => slot_of(&payload).is_some(),
                    Table::Nodes => place_of(&key).is_some(),
                    Table::Codes => alloy_primitives::keccak256(&payload) == key[..],
                    _ => true,
                };
                if !is_well_formed {
                    let (table, key) = (table.name(), Bytes::from(key));
                    return Err(Corruption::Value { table, key, what: "encoding" }.into());
                }
                rows += 1;
            }
        }
        Ok(rows)
    }
}

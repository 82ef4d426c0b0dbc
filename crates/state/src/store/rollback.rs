//! Back to an earlier block: what the tables must be told so that they forget the blocks behind it.

use super::apply::Past;
use super::block::Names;
use super::cell;
use super::engine::{Table, Write};
use super::error::StoreError;
use super::record::Head;
use super::tables::{Tables, at_height, malformed, missing, put_account_row, put_slot_row, slot_key};
use super::wire::{Wire, put_bytes, put_len};
use alloy_primitives::{B256, U256};
use motet_types::Account;
use std::collections::BTreeMap;

/// The writes that take the tables from the block at `from` back to the one at `to`, and where the chain then stands.
///
/// The tables must stand at `from`.
///
/// # Errors
/// When a reverse diff on the way is gone.
pub(crate) fn writes_back(tables: &Tables, past: Past, from: &Head, to: u64) -> Result<(Head, Vec<Write>), StoreError> {
    let (target, _) = tables.header(to)?.ok_or_else(|| missing(Table::Headers, to))?;
    let mut accounts: BTreeMap<B256, Option<Account>> = BTreeMap::new();
    let mut slots: BTreeMap<(B256, B256), U256> = BTreeMap::new();
    let mut writes = Vec::new();
    // From the newest to the oldest, so that the oldest value stays.
    for height in (to + 1..=from.height).rev() {
        let Some(reverse) = tables.history(height)? else {
            let oldest = tables.oldest_history()?.and_then(|height| height.checked_sub(1));
            return Err(StoreError::NoHistory { height: to, oldest, head: Some(from.height) });
        };
        for before in reverse.accounts() {
            accounts.insert(before.hash, before.account);
            slots.extend(before.slots.iter().map(|(slot, value)| ((before.hash, *slot), *value)));
            if past.archive {
                delete(&mut writes, Table::AccountHistory, at_height(before.hash.as_slice(), height));
                for (slot, _) in &before.slots {
                    delete(&mut writes, Table::SlotHistory, at_height(&slot_key(&before.hash, slot), height));
                }
            }
        }
        delete_block(tables, height, &mut writes)?;
    }
    for (hash, account) in &accounts {
        put_account_row(&mut writes, hash, account.as_ref());
    }
    for ((account, slot), value) in &slots {
        put_slot_row(&mut writes, account, slot, *value);
    }
    Ok((Head { seq: from.seq + 1, ..target }, writes))
}

fn delete_block(tables: &Tables, height: u64, writes: &mut Vec<Write>) -> Result<(), StoreError> {
    let key = height.to_be_bytes();
    let (head, _) = tables.header(height)?.ok_or_else(|| missing(Table::Headers, height))?;
    let names = tables.get(Table::Names, &key)?.ok_or_else(|| missing(Table::Names, height))?;
    let names = Names::decode(&names).ok_or_else(|| malformed(Table::Names, &key))?;
    for table in [Table::Headers, Table::Bodies, Table::Receipts, Table::Records, Table::History, Table::Names] {
        delete(writes, table, key.to_vec());
    }
    delete(writes, Table::Numbers, head.hash.to_vec());
    for hash in names.transactions {
        delete(writes, Table::Transactions, hash.to_vec());
    }
    for address in names.log_addresses {
        delete(writes, Table::AddressBlocks, at_height(address.as_slice(), height));
    }
    for topic in names.log_topics {
        delete(writes, Table::TopicBlocks, at_height(topic.as_slice(), height));
    }
    Ok(())
}

fn delete(writes: &mut Vec<Write>, table: Table, key: Vec<u8>) {
    writes.push(cell::write(table, key, None));
}

/// The payload of a rollback's record. Behind it in the log come so many blocks that count with it or not at all.
pub(crate) fn encode(writes: &[Write], blocks: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, blocks);
    put_len(&mut out, writes.len());
    for write in writes {
        out.push(write.table as u8);
        out.push(u8::from(write.value.is_some()));
        put_bytes(&mut out, &write.key);
        if let Some(value) = &write.value {
            put_bytes(&mut out, value);
        }
    }
    out
}

/// How many blocks count with a rollback or not at all, from its payload.
pub(crate) fn blocks_with(payload: &[u8]) -> Option<usize> {
    Wire::new(payload).len()
}

/// The writes of a rollback, from its payload.
pub(crate) fn decode(payload: &[u8]) -> Option<Vec<Write>> {
    let mut wire = Wire::new(payload);
    wire.len()?;
    let writes = (0..wire.count(3)?).map(|_| take_write(&mut wire)).collect::<Option<_>>()?;
    wire.is_empty().then_some(writes)
}

fn take_write(wire: &mut Wire<'_>) -> Option<Write> {
    let table = Table::by_number(wire.byte()?)?;
    let has_value = wire.byte()?;
    let key = wire.bytes()?.to_vec();
    let value = match has_value {
        0 => None,
        1 => Some(wire.bytes()?.to_vec()),
        _ => return None,
    };
    Some(Write { table, key, value })
}

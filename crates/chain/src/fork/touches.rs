//! Which locations local blocks have changed, and since which height.
//!
//! It follows from the records of the blocks, and is made again from them at every start.

use super::whole::is_changed;
use crate::chain_error::ChainError;
use crate::encoding::decode_record;
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{Address, B256, U256};
use motet_state::store::Store;
use motet_types::BlockRecord;
use std::sync::Arc;

/// The heights from which on the local store knows locations.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookup {
    accounts: AddressMap<u64>,
    slots: HashMap<(Address, U256), u64>,
    /// Accounts of which no storage from before is left: all of it is local.
    emptied: AddressMap<u64>,
}

impl Lookup {
    pub(super) fn has_account(&self, address: &Address, height: u64) -> bool {
        self.accounts.get(address).is_some_and(|first| *first <= height)
    }

    pub(super) fn has_slot(&self, address: &Address, slot: &U256, height: u64) -> bool {
        self.slots.get(&(*address, *slot)).is_some_and(|first| *first <= height)
            || self.emptied.get(address).is_some_and(|first| *first <= height)
    }
}

/// What one block was the first to change.
#[derive(Debug)]
struct BlockTouches {
    height: u64,
    hash: B256,
    accounts: Vec<Address>,
    slots: Vec<(Address, U256)>,
    emptied: Vec<Address>,
}

/// The lookup of the canonical chain, with the way back.
///
/// Invariant: `lookup` has exactly what the blocks in `blocks` were the first to change.
#[derive(Debug)]
pub(super) struct Touches {
    first: u64,
    blocks: Vec<BlockTouches>,
    lookup: Arc<Lookup>,
}

impl Touches {
    pub(super) fn new(first: u64) -> Self {
        Self { first, blocks: Vec::new(), lookup: Arc::default() }
    }

    /// As it is now; it stays so for whoever holds it.
    pub(super) fn lookup(&self) -> Arc<Lookup> {
        Arc::clone(&self.lookup)
    }

    /// Takes in what the canonical chain has become.
    pub(super) fn follow(&mut self, store: &Store, head: u64) -> Result<(), ChainError> {
        while let Some(last) = self.blocks.last() {
            let is_canonical =
                last.height <= head && store.header(last.height)?.is_some_and(|(hash, _)| hash == last.hash);
            if is_canonical {
                break;
            }
            self.leave_last();
        }
        let known = self.blocks.last().map_or(self.first, |last| last.height);
        for height in known.saturating_add(1)..=head {
            let wrong = |part, what| ChainError::Part { height, part, what };
            let (hash, _) = store.header(height)?.ok_or(wrong("header", "absent"))?;
            let record = store.record(height)?.ok_or(wrong("record", "absent"))?;
            let record = decode_record(&record).ok_or(wrong("record", "encoding"))?;
            self.enter(height, hash, &record);
        }
        Ok(())
    }

    fn enter(&mut self, height: u64, hash: B256, record: &BlockRecord) {
        let mut block = BlockTouches { height, hash, accounts: Vec::new(), slots: Vec::new(), emptied: Vec::new() };
        let lookup = Arc::make_mut(&mut self.lookup);
        let account = |lookup: &mut Lookup, block: &mut BlockTouches, address: Address| {
            lookup.accounts.entry(address).or_insert_with(|| {
                block.accounts.push(address);
                height
            });
        };
        for listed in &record.list {
            if is_changed(listed) {
                account(lookup, &mut block, listed.address);
            }
            for slot in &listed.storage_changes {
                let key = (listed.address, slot.slot);
                lookup.slots.entry(key).or_insert_with(|| {
                    block.slots.push(key);
                    height
                });
            }
        }
        let wiped = record.wipes.iter().map(|wipe| wipe.address);
        for address in wiped.chain(record.lifecycle.iter().map(|event| event.address)) {
            account(lookup, &mut block, address);
            lookup.emptied.entry(address).or_insert_with(|| {
                block.emptied.push(address);
                height
            });
        }
        self.blocks.push(block);
    }

    fn leave_last(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        let lookup = Arc::make_mut(&mut self.lookup);
        for address in &block.accounts {
            lookup.accounts.remove(address);
        }
        for key in &block.slots {
            lookup.slots.remove(key);
        }
        for address in &block.emptied {
            lookup.emptied.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex, SlotChanges, StorageChange};
    use motet_types::StorageWipe;

    fn record(n: u8, slot: u64, is_wiped: bool) -> BlockRecord {
        let (address, index) = (Address::repeat_byte(n), BlockAccessIndex(1));
        let mut listed = AccountChanges::new(address);
        listed.balance_changes.push(BalanceChange::new(index, U256::from(1)));
        let changed = vec![StorageChange::new(index, U256::from(1))];
        listed.storage_changes.push(SlotChanges::new(U256::from(slot), changed));
        let wipes = if is_wiped { vec![StorageWipe { address, index }] } else { Vec::new() };
        BlockRecord {
            list: vec![listed, AccountChanges::new(Address::repeat_byte(0xee))],
            wipes,
            ..BlockRecord::default()
        }
    }

    #[test]
    fn locations_are_local_from_their_first_change_on_until_it_is_taken_back() {
        let mut touches = Touches::new(10);
        let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
        touches.enter(11, B256::ZERO, &record(1, 5, false));
        touches.enter(12, B256::ZERO, &record(2, 5, true));
        touches.enter(13, B256::ZERO, &record(1, 6, false));
        let lookup = touches.lookup();
        assert!(!lookup.has_account(&one, 10) && lookup.has_account(&one, 11) && lookup.has_account(&one, 99));
        assert!(!lookup.has_account(&Address::repeat_byte(0xee), 99), "it was read alone");
        let slot = U256::from;
        assert!(lookup.has_slot(&one, &slot(5), 11) && !lookup.has_slot(&one, &slot(6), 12));
        assert!(lookup.has_slot(&one, &slot(6), 13) && !lookup.has_slot(&one, &slot(7), 13));
        assert!(lookup.has_slot(&two, &slot(7), 12) && !lookup.has_slot(&two, &slot(7), 11));
        touches.leave_last();
        touches.leave_last();
        let back = touches.lookup();
        assert!(back.has_account(&one, 11) && !back.has_account(&two, 99) && !back.has_slot(&one, &slot(6), 99));
        assert!(lookup.has_account(&two, 12), "who holds an older one keeps it");
        touches.enter(12, B256::ZERO, &record(1, 6, false));
        assert!(touches.lookup().has_slot(&one, &slot(6), 12));
    }
}

//! The state after a committed block, as [`StateView`].
//!
//! A view stands at one record of the log and gives the same answers for as long as it lives, whatever is committed
//! meanwhile. A value is, in this order:
//!
//! 1. what the newest layer up to the view's record gave it;
//! 2. else what the cache or the tables hold (the base), which may be from after the view's record by now. So the layers
//!    behind that record are looked at once more, after the base was read: if one changed the location and has its reverse
//!    diff, the value is the one it overwrote. A layer gets its reverse diff before the base changes; without one, neither
//!    it nor anything behind it was in the base that was read.
//!
//! An older state is that of a view, with the reverse diffs of the blocks between in front of it.

use super::apply::slot_hashes;
use super::core::Core;
use super::desk::Desk;
use super::engine::Table;
use super::error::{Corruption, StoreError};
use super::layer::{Layer, LayerList, Look, Pin};
use super::past::PastDiffs;
use super::readers::Readers;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use motet_types::{BlockHashes, Location, Read, StateView, Ticket, Value, ViewError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Rows of an account's storage that are looked at before it counts as empty.
const STORAGE_LOOK_MAX: usize = 64;

/// The state after one block. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredState {
    moment: Arc<Moment>,
    desk: Option<Arc<Desk>>,
}

/// What reads of a view need: shared with the threads that read for it.
#[derive(Debug)]
pub(crate) struct Moment {
    core: Arc<Core>,
    pin: Pin,
    height: u64,
    hash: B256,
    /// What lies between the view's block and the pin, for older states.
    past: Option<PastDiffs>,
}

/// A location with its hashes, computed when first needed.
struct Key<'a> {
    look: Look<'a>,
    hashes: Option<(B256, B256)>,
}

impl Key<'_> {
    /// keccak of the address, and of the slot (zero for accounts). `None` for what has no hashed key.
    fn hashes(&mut self) -> Option<(B256, B256)> {
        if self.hashes.is_none() {
            self.hashes = match self.look.location {
                Location::Account(address) => Some((keccak256(address), B256::ZERO)),
                Location::Slot(address, slot) => Some(slot_hashes(address, slot)),
                Location::Code(_) | Location::BlockHash(_) => None,
            };
        }
        self.hashes
    }
}

impl Moment {
    pub(crate) fn new(core: Arc<Core>, pin: Pin, height: u64, hash: B256, past: Option<PastDiffs>) -> Self {
        Self { core, pin, height, hash, past }
    }

    fn key(&self, location: Location) -> Key<'_> {
        Key { look: Look::new(location, &self.core.layers.hasher), hashes: None }
    }

    /// The value of a location without asking the tables, if that is possible.
    fn near(&self, location: Location) -> Result<Option<Value>, StoreError> {
        match location {
            Location::Code(KECCAK256_EMPTY) => return Ok(Some(Value::Code(Bytes::new()))),
            Location::BlockHash(number) => return self.block_hash(number).map(Some),
            _ => {}
        }
        let mut key = self.key(location);
        let before = self.list()?;
        if let Some(value) = self.in_past(&mut key)? {
            // The tables of an archive may have gone back meanwhile.
            self.list()?;
            return Ok(Some(value));
        }
        if let Some(value) = self.in_layers(&key, &before) {
            return Ok(Some(value));
        }
        match self.core.cache.get(location) {
            Some(base) => self.as_of_pin(&mut key, base).map(Some),
            None => Ok(None),
        }
    }

    /// The value of a location, from the tables if need be.
    pub(crate) fn value(&self, location: Location) -> Result<Value, StoreError> {
        if let Some(value) = self.near(location)? {
            return Ok(value);
        }
        let mut key = self.key(location);
        let before = self.list()?;
        if let Some(value) = self.in_layers(&key, &before) {
            return Ok(value);
        }
        let epoch = self.core.cache.epoch();
        let base = self.in_tables(&mut key)?;
        self.core.cache.fill(epoch, location, base.clone());
        self.as_of_pin(&mut key, base)
    }

    fn in_tables(&self, key: &mut Key<'_>) -> Result<Value, StoreError> {
        let tables = &self.core.tables;
        match (key.look.location, key.hashes()) {
            (Location::Account(_), Some((account, _))) => Ok(Value::Account(tables.account(&account)?)),
            (Location::Slot(..), Some((account, slot))) => Ok(Value::Slot(tables.slot(&account, &slot)?)),
            (Location::Code(hash), _) => {
                let missing = || Corruption::Missing { table: Table::Codes.name(), key: hash.into() };
                Ok(Value::Code(tables.code(&hash)?.ok_or_else(missing)?))
            }
            (Location::BlockHash(number), _) => self.block_hash(number),
            (Location::Account(_) | Location::Slot(..), None) => Err(self.expired()),
        }
    }

    /// What lies between the view's block and its pin.
    fn in_past(&self, key: &mut Key<'_>) -> Result<Option<Value>, StoreError> {
        let Some(past) = &self.past else { return Ok(None) };
        match (key.look.location, key.hashes()) {
            (Location::Account(_), Some((account, _))) => {
                Ok(past.account(&self.core.tables, &account)?.map(Value::Account))
            }
            (Location::Slot(..), Some((account, slot))) => {
                Ok(past.slot(&self.core.tables, &account, &slot)?.map(Value::Slot))
            }
            _ => Ok(None),
        }
    }

    fn in_layers(&self, key: &Key<'_>, list: &LayerList) -> Option<Value> {
        list.up_to(self.pin.head.seq).iter().rev().find_map(|layer| layer.value(&key.look))
    }

    /// Step 2 above: a base value that was read, or what a later layer overwrote there.
    fn as_of_pin(&self, key: &mut Key<'_>, base: Value) -> Result<Value, StoreError> {
        let after = self.list()?;
        for layer in after.after(self.pin.head.seq) {
            if layer.value(&key.look).is_none() {
                continue;
            }
            match overwritten(layer, key) {
                Some(value) => return Ok(value),
                None => break,
            }
        }
        Ok(base)
    }

    /// The layers now.
    ///
    /// # Errors
    /// When those behind the view are gone.
    fn list(&self) -> Result<Arc<LayerList>, StoreError> {
        let list = self.core.layers.now();
        if list.is_going_back || list.base.seq > self.pin.head.seq { Err(self.expired()) } else { Ok(list) }
    }

    fn expired(&self) -> StoreError {
        StoreError::Expired { height: self.height }
    }

    fn block_hash(&self, number: u64) -> Result<Value, StoreError> {
        if number > self.height {
            return Err(StoreError::NoHistory { height: number, oldest: None, head: Some(self.height) });
        }
        if let Some(hash) = self.pin.ancestors.get(&number) {
            return Ok(Value::BlockHash(*hash));
        }
        let key = Bytes::copy_from_slice(&number.to_be_bytes());
        let missing = || Corruption::Missing { table: Table::Headers.name(), key };
        let (head, _) = self.core.tables.header(number)?.ok_or_else(missing)?;
        self.list()?;
        Ok(Value::BlockHash(head.hash))
    }

    /// The slots of an account that are not zero, by hash; at most so many rows of the tables are looked at.
    pub(crate) fn storage(&self, address: Address, rows_max: usize) -> Result<BTreeMap<B256, U256>, StoreError> {
        let account = keccak256(address);
        let before = self.list()?;
        let rows = self.core.tables.slots_of(account).take(rows_max);
        let mut slots: BTreeMap<B256, U256> = rows.collect::<Result<_, _>>()?;
        for layer in before.up_to(self.pin.head.seq) {
            let Some(change) = layer.block.diff.accounts.get(&address) else { continue };
            if change.wiped || change.account.is_none() {
                slots.clear();
            }
            if change.account.is_some() {
                let changed = change.storage.iter();
                slots.extend(changed.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)));
            }
        }
        let after = self.list()?;
        let later = after.after(self.pin.head.seq);
        let taken = later.iter().map_while(|layer| layer.reverse.get());
        for reverse in taken.collect::<Vec<_>>().into_iter().rev() {
            if let Some(before) = reverse.account(&account) {
                slots.extend(before.slots.iter().copied());
            }
        }
        if let Some(past) = &self.past {
            past.storage(&self.core.tables, &account, &mut slots)?;
            self.list()?;
        }
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }
}

/// What a layer overwrote at a location that it changed; `None` while its reverse diff is not there.
fn overwritten(layer: &Layer, key: &mut Key<'_>) -> Option<Value> {
    let reverse = layer.reverse.get()?;
    let (account, slot) = key.hashes()?;
    let before = reverse.account(&account);
    Some(match key.look.location {
        Location::Account(_) => Value::Account(before.and_then(|before| before.account)),
        // A slot of a wiped account that is not listed was zero.
        _ => Value::Slot(before.and_then(|before| before.slot(&slot)).unwrap_or_default()),
    })
}

impl StoredState {
    pub(crate) fn new(moment: Moment, readers: Option<&Arc<Readers>>) -> Self {
        let moment = Arc::new(moment);
        let desk = readers.map(|readers| Arc::new(Desk::new(Arc::clone(readers))));
        Self { moment, desk }
    }

    /// Height of the block after which this is the state.
    pub fn height(&self) -> u64 {
        self.moment.height
    }

    /// Hash of that block.
    pub fn hash(&self) -> B256 {
        self.moment.hash
    }

    /// Hashes of blocks up to this one that are at hand without asking the tables.
    pub fn ancestors(&self) -> &BlockHashes {
        &self.moment.pin.ancestors
    }

    /// The value of a location, waiting for the tables where need be.
    ///
    /// # Errors
    /// When the store fails or the view has expired.
    pub fn value(&self, location: Location) -> Result<Value, StoreError> {
        self.moment.value(location)
    }

    /// All slots of an account that are not zero, by the hash of their number.
    ///
    /// # Errors
    /// When the store fails or the view has expired.
    pub fn storage(&self, address: Address) -> Result<BTreeMap<B256, U256>, StoreError> {
        self.moment.storage(address, usize::MAX)
    }
}

pub(crate) fn view_error(location: Location, error: &StoreError) -> ViewError {
    ViewError::new(location, error.to_string())
}

impl StateView for StoredState {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let near = self.moment.near(location).map_err(|error| view_error(location, &error))?;
        if let Some(value) = near {
            return Ok(Read::Ready(value));
        }
        if let Some(desk) = &self.desk {
            return desk.read(&self.moment, location);
        }
        self.moment.value(location).map(Read::Ready).map_err(|error| view_error(location, &error))
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        let slots = self.moment.storage(address, STORAGE_LOOK_MAX);
        slots.map(|slots| !slots.is_empty()).map_err(|error| view_error(Location::Account(address), &error))
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.desk.as_ref().map_or(Poll::Ready(()), |desk| desk.poll(ticket, waker))
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        self.desk.as_ref().is_none_or(|desk| desk.is_ready(ticket))
    }

    fn prefetch(&self, locations: &[Location]) {
        if let Some(desk) = &self.desk {
            for location in locations {
                if matches!(self.moment.near(*location), Ok(None)) {
                    desk.prefetch(&self.moment, *location);
                }
            }
        }
    }

    fn may_pend(&self) -> bool {
        self.desk.is_some()
    }
}

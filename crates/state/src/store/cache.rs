//! Values of the tables that were read or written lately, within a bound of bytes.

use alloy_primitives::map::{AddressSet, DefaultHashBuilder};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use motet_types::{Location, Value};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks over the values.
const SHARDS: usize = 64;
/// What an entry takes besides the bytes of code: location, value, place in the map.
const ENTRY_BYTES: usize = 200;

/// A cache in front of the tables.
///
/// Invariant: a value in it is that of the tables, but for the moment in which [`Cache::update`] brings what the tables just
/// took. A reader that misses takes the [`epoch`](Cache::epoch) before it asks the tables and hands it in with what it found;
/// a value that may be from before the tables changed is not taken.
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: DefaultHashBuilder,
    /// Moves before and after each change of the tables.
    epoch: AtomicU64,
    shard_bytes_max: usize,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("shard_bytes_max", &self.shard_bytes_max).finish_non_exhaustive()
    }
}

/// Entries in a ring. A hand goes around it and takes out what was not asked for since it last came by (CLOCK).
#[derive(Debug, Default)]
struct Shard {
    /// Positions in the ring, by the hash of the location.
    places: HashTable<usize>,
    ring: Vec<Entry>,
    hand: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    location: Location,
    hash: u64,
    value: Value,
    asked: bool,
}

impl Cache {
    /// A cache of at most so many bytes; none at 0.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            epoch: AtomicU64::new(0),
            shard_bytes_max: bytes_max / SHARDS,
        }
    }

    /// The value of a location, if it is here.
    pub(crate) fn get(&self, location: Location) -> Option<Value> {
        let hash = self.hasher.hash_one(location);
        let mut shard = self.shard(hash);
        let Shard { places, ring, .. } = &mut *shard;
        let at = *places.find(hash, |at| ring[*at].location == location)?;
        let entry = &mut ring[at];
        entry.asked = true;
        Some(entry.value.clone())
    }

    /// To be taken before the tables are asked for what [`Cache::fill`] is to take.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Takes a value that the tables gave since `epoch` was taken.
    pub(crate) fn fill(&self, epoch: u64, location: Location, value: Value) {
        let hash = self.hasher.hash_one(location);
        let mut shard = self.shard(hash);
        // Under the lock: an update of this location comes after it moved the epoch, and after us or before us.
        if self.epoch() == epoch {
            shard.put(Entry { location, hash, value, asked: false }, self.shard_bytes_max);
        }
    }

    /// Around a change of the tables: before it starts and once it is done, before [`Cache::update`].
    pub(crate) fn move_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Brings a value that the tables have taken.
    pub(crate) fn update(&self, location: Location, value: Value) {
        let hash = self.hasher.hash_one(location);
        self.shard(hash).put(Entry { location, hash, value, asked: false }, self.shard_bytes_max);
    }

    /// Drops all slots of accounts whose storage was wiped.
    pub(crate) fn forget_slots(&self, wiped: &AddressSet) {
        self.retain(|location| !matches!(location, Location::Slot(address, _) if wiped.contains(address)));
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, keep: impl Fn(&Location) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let ring = std::mem::take(&mut *shard).ring;
            for entry in ring.into_iter().filter(|entry| keep(&entry.location)) {
                shard.put(entry, self.shard_bytes_max);
            }
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Bits that the table of the shard does not look at.
        self.shards[(hash >> 40) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn put(&mut self, entry: Entry, bytes_max: usize) {
        let bytes = bytes_of(&entry.value);
        let Self { places, ring, .. } = self;
        match places.entry(entry.hash, |at| ring[*at].location == entry.location, |at| ring[*at].hash) {
            Place::Occupied(place) => {
                let at = *place.get();
                self.bytes -= bytes_of(&ring[at].value);
                ring[at].value = entry.value;
            }
            Place::Vacant(place) => {
                place.insert(ring.len());
                ring.push(entry);
            }
        }
        self.bytes += bytes;
        while self.bytes > bytes_max {
            self.hand %= self.ring.len();
            if self.ring[self.hand].asked {
                self.ring[self.hand].asked = false;
                self.hand += 1;
            } else {
                self.remove(self.hand);
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let entry = self.ring.swap_remove(at);
        self.bytes -= bytes_of(&entry.value);
        if let Ok(place) = self.places.find_entry(entry.hash, |other| *other == at) {
            place.remove();
        }
        // The last of the ring is now where the removed one was.
        if let Some(moved) = self.ring.get(at) {
            let last = self.ring.len();
            if let Some(place) = self.places.find_mut(moved.hash, |other| *other == last) {
                *place = at;
            }
        }
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Code(code) => ENTRY_BYTES + code.len(),
        _ => ENTRY_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};

    fn slot(number: u64) -> Location {
        Location::Slot(Address::ZERO, U256::from(number))
    }

    #[test]
    fn the_bound_holds_and_what_is_asked_for_stays() {
        let cache = Cache::new(SHARDS * ENTRY_BYTES * 8);
        for number in 0..10_000 {
            cache.fill(cache.epoch(), slot(number), Value::Slot(U256::from(number)));
            cache.get(slot(0));
        }
        assert_eq!(cache.get(slot(0)), Some(Value::Slot(U256::ZERO)));
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            assert!(shard.bytes <= ENTRY_BYTES * 8);
            assert_eq!(shard.bytes, shard.ring.len() * ENTRY_BYTES);
            assert_eq!(shard.places.len(), shard.ring.len());
            for (at, entry) in shard.ring.iter().enumerate() {
                assert_eq!(shard.places.find(entry.hash, |other| *other == at), Some(&at));
            }
        }
    }

    #[test]
    fn a_value_from_before_a_change_of_the_tables_is_not_taken() {
        let cache = Cache::new(1 << 20);
        let before = cache.epoch();
        cache.move_epoch();
        let between = cache.epoch();
        cache.move_epoch();
        cache.update(slot(1), Value::Slot(U256::from(2)));
        cache.fill(before, slot(1), Value::Slot(U256::from(1)));
        cache.fill(between, slot(1), Value::Slot(U256::from(1)));
        assert_eq!(cache.get(slot(1)), Some(Value::Slot(U256::from(2))));
    }
}

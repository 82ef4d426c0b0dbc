//! Whether a layer may have changed a location: a Bloom filter, so that a read passes by most layers at one look each.

use alloy_primitives::Address;
use alloy_primitives::map::DefaultHashBuilder;
use motet_types::{Location, StateDiff};
use std::fmt;
use std::hash::BuildHasher;

/// Bits for each location. With two of them set for it, about one look in sixty is in vain.
const BITS_PER_LOCATION: usize = 16;

/// What a block changed, as bits. It never misses a change.
pub(crate) struct Filter {
    /// A power of two of them.
    words: Vec<u64>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("bytes", &(self.words.len() * 8)).finish()
    }
}

/// A location on its way through several filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    location: u64,
    /// Of a slot: the wipe of its account.
    wipe: Option<u64>,
}

/// The hashes of all filters; an attacker does not know its seed.
#[derive(Clone, Default)]
pub(crate) struct Hasher(DefaultHashBuilder);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    pub(crate) fn probe(&self, location: Location) -> Probe {
        let wipe = match location {
            Location::Slot(address, _) => Some(self.wipe(&address)),
            _ => None,
        };
        Probe { location: self.0.hash_one(location), wipe }
    }

    fn wipe(&self, address: &Address) -> u64 {
        self.0.hash_one(address)
    }

    /// The filter of a change.
    pub(crate) fn filter(&self, diff: &StateDiff) -> Filter {
        let slots: usize = diff.accounts.values().map(|change| change.storage.len()).sum();
        let locations = 2 * diff.accounts.len() + slots + diff.codes.len();
        let words = (locations * BITS_PER_LOCATION / 64).max(1).next_power_of_two();
        let mut filter = Filter { words: vec![0; words] };
        for (address, change) in &diff.accounts {
            filter.insert(self.0.hash_one(Location::Account(*address)));
            if change.wiped || change.account.is_none() {
                filter.insert(self.wipe(address));
            }
            for slot in change.storage.keys() {
                filter.insert(self.0.hash_one(Location::Slot(*address, *slot)));
            }
        }
        for hash in diff.codes.keys() {
            filter.insert(self.0.hash_one(Location::Code(*hash)));
        }
        filter
    }
}

impl Filter {
    pub(crate) fn may_have(&self, probe: Probe) -> bool {
        self.has(probe.location) || probe.wipe.is_some_and(|wipe| self.has(wipe))
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let bits = 1 << (hash & 63) | 1 << (hash >> 6 & 63);
        ((hash >> 12) as usize & (self.words.len() - 1), bits)
    }

    fn insert(&mut self, hash: u64) {
        let (at, bits) = self.place(hash);
        self.words[at] |= bits;
    }

    fn has(&self, hash: u64) -> bool {
        let (at, bits) = self.place(hash);
        self.words[at] & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use motet_types::{Account, AccountDiff};

    #[test]
    fn no_change_is_missed_and_few_are_imagined() {
        let mut diff = StateDiff::default();
        for number in 0..=250u8 {
            let storage = (0..20).map(|slot| (U256::from(slot * 3), U256::from(1))).collect();
            let account = (number % 5 != 0).then(Account::default);
            let change = AccountDiff { account, storage, ..AccountDiff::default() };
            diff.accounts.insert(Address::repeat_byte(number), change);
        }
        let hasher = Hasher::default();
        let filter = hasher.filter(&diff);
        let (mut looks, mut vain) = (0, 0);
        for number in 0..=250u8 {
            let address = Address::repeat_byte(number);
            assert!(filter.may_have(hasher.probe(Location::Account(address))));
            for slot in 0..60 {
                let found = filter.may_have(hasher.probe(Location::Slot(address, U256::from(slot))));
                assert!(found || slot % 3 != 0 && number % 5 != 0, "{address} {slot}");
                if slot % 3 != 0 && number % 5 != 0 {
                    looks += 1;
                    vain += u32::from(found);
                }
            }
        }
        assert!(vain * 15 < looks, "{vain} of {looks}");
    }
}

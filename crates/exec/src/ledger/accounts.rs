//! The accounts of a block, in parts by address, so that several hands can finish them.

use super::Entry;
use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;

/// Parts: one for each value of an address's first four bits, so that parts one after the other are sorted by address
/// when each is.
const PARTS: usize = 16;

/// Accounts by address.
#[derive(Debug, Default)]
pub(super) struct Accounts(pub(super) [AddressMap<Entry>; PARTS]);

impl Accounts {
    #[inline]
    pub(super) fn get(&self, address: &Address) -> Option<&Entry> {
        self.0[part(address)].get(address)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut Entry> {
        self.0[part(address)].get_mut(address)
    }

    #[inline]
    pub(super) fn get_or_insert_with(&mut self, address: Address, make: impl FnOnce() -> Entry) -> &mut Entry {
        self.0[part(&address)].entry(address).or_insert_with(make)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Address, &Entry)> {
        self.0.iter().flatten()
    }
}

fn part(address: &Address) -> usize {
    usize::from(address[0] >> 4)
}

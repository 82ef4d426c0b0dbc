//! What a block is known to read before any of it runs.

use crate::executor::BlockInput;
use alloy_consensus::Transaction as _;
use alloy_eip7928::AccountChanges;
use alloy_primitives::U256;
use alloy_primitives::map::HashSet;
use motet_types::Location;

/// Locations named in the transactions themselves: senders, recipients, declared access (EIP-2930), authorities
/// (EIP-7702), the beneficiary. In the order of the block, each once.
pub(crate) fn named_in(input: &BlockInput<'_>) -> Vec<Location> {
    let mut locations = vec![Location::Account(input.block.header().beneficiary)];
    for (pos, tx) in input.block.transactions().iter().enumerate() {
        locations.push(Location::Account(input.block.senders[pos]));
        locations.extend(tx.to().map(Location::Account));
        locations.extend(input.block.authorities[pos].iter().flatten().copied().map(Location::Account));
        for item in tx.access_list().into_iter().flat_map(|list| list.iter()) {
            locations.push(Location::Account(item.address));
            let slots = item.storage_keys.iter().map(|key| U256::from_be_bytes(key.0));
            locations.extend(slots.map(|slot| Location::Slot(item.address, slot)));
        }
    }
    once(locations)
}

/// Locations of an access list: every account, then every slot.
pub(crate) fn listed(list: &[AccountChanges]) -> Vec<Location> {
    let accounts = list.iter().map(|account| Location::Account(account.address));
    let slots = list.iter().flat_map(|account| {
        let changed = account.storage_changes.iter().map(|changes| changes.slot);
        changed.chain(account.storage_reads.iter().copied()).map(|slot| Location::Slot(account.address, slot))
    });
    accounts.chain(slots).collect()
}

/// Each location where it comes first.
pub(crate) fn once(locations: Vec<Location>) -> Vec<Location> {
    let mut seen = HashSet::<Location>::default();
    locations.into_iter().filter(|location| seen.insert(*location)).collect()
}

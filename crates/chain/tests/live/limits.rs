//! Bounds of the pool at their ends.

use crate::world::{GWEI, Place, call, genesis, live, next, payment};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, U256};
use motet_chain::pool::Origin;
use motet_chain::{BuildSource, PoolLimits, PoolOptions};
use motet_types::{Fork, Transaction};

#[test]
fn without_bounds_nothing_goes_for_a_replacement() {
    let genesis = genesis(Fork::Osaka, 4, 10, 30_000_000);
    let place = Place::new("unbounded");
    let max = usize::MAX;
    let limits = PoolLimits {
        count_max: max,
        bytes_max: max,
        per_sender_max: max,
        queued_max: max,
        queued_per_sender_max: max,
        blobs_max: max,
        ..PoolLimits::default()
    };
    let live = live(&place, &genesis, PoolOptions { limits, ..PoolOptions::default() });
    let submit = |tx: &Transaction| live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap();
    for person in 0..4 {
        submit(&payment(person, 0, (10 + person as u128) * GWEI));
    }
    submit(&payment(3, 0, 40 * GWEI));
    assert_eq!(live.pool().status().pending, 4);
}

#[test]
fn what_is_too_large_for_a_lower_gas_limit_waits_for_a_higher_one() {
    let genesis = genesis(Fork::Osaka, 2, 10, 1_000_000);
    let place = Place::new("gas-limit");
    let live = live(&place, &genesis, PoolOptions::default());
    let large = call(0, 0, 10 * GWEI, 1_000_000, Address::repeat_byte(0xee), Bytes::new(), U256::from(1));
    let hash = live.pool().submit(&large.encoded_2718(), Origin::External).unwrap();
    let mut request = next(&live, BuildSource::Pool);
    request.gas_limit = motet_chain::GasLimit::Exactly(999_999);
    assert!(live.seal(request).unwrap().senders.is_empty());
    assert!(live.pool().get(&hash).is_some());
    let mut request = next(&live, BuildSource::Pool);
    request.gas_limit = motet_chain::GasLimit::Exactly(1_000_000);
    assert_eq!(live.seal(request).unwrap().senders.len(), 1);
}

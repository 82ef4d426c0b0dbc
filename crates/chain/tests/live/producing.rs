//! Blocks that are made on demand.

use crate::blobs::sent;
use crate::world::{GWEI, Place, call, genesis, live, payment};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, U256};
use motet_chain::pool::Origin;
use motet_chain::{BlockClock, BlockSettings, GasLimit, LiveChain, Mining, PoolOptions, Producer, ProducerClock};
use motet_types::Fork;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Runs a producer on demand beside `work`.
fn on_demand(live: &Arc<LiveChain>, settings: BlockSettings, work: impl FnOnce(&Producer)) {
    let clock = ProducerClock { wall: || 5000, monotonic: || Duration::ZERO };
    let producer = Producer::new(Arc::clone(live), Mining::OnDemand, settings, clock);
    thread::scope(|scope| {
        scope.spawn(|| producer.run());
        work(&producer);
        producer.stop();
    });
}

#[test]
fn blobs_that_cannot_pay_make_no_empty_blocks() {
    let mut genesis = genesis(Fork::Prague, 3, 10, 30_000_000);
    // A price of some thousand gwei.
    genesis.header.excess_blob_gas = Some(150_000_000);
    genesis.hash = genesis.header.hash_slow();
    let place = Place::new("stuck");
    let live = Arc::new(live(&place, &genesis, PoolOptions::default()));
    live.pool().submit(&sent(0, 0, 1, 5 * GWEI, false, |_| ()), Origin::External).unwrap();
    on_demand(&live, BlockSettings::default(), |producer| {
        producer.settle();
        assert_eq!(live.reader().head().number(), 0);
        live.pool().submit(&payment(1, 0, 5 * GWEI).encoded_2718(), Origin::External).unwrap();
        producer.settle();
        producer.settle();
        assert_eq!(live.reader().head().number(), 1);
        assert_eq!(live.pool().status().pending, 1);
        assert!(producer.produce().is_ok(), "who asks for a block gets one");
        assert_eq!(live.reader().head().number(), 2);
    });
}

#[test]
fn what_fits_no_block_of_now_waits_and_makes_none() {
    let genesis = genesis(Fork::Prague, 3, 10, 30_000_000);
    let place = Place::new("too-large");
    let live = Arc::new(live(&place, &genesis, PoolOptions::default()));
    let large = call(0, 0, 9 * GWEI, 2_000_000, Address::repeat_byte(9), Bytes::new(), U256::ZERO);
    live.pool().submit(&large.encoded_2718(), Origin::External).unwrap();
    let settings = BlockSettings { gas_limit: GasLimit::Exactly(1_000_000), ..BlockSettings::default() };
    on_demand(&live, settings, |producer| {
        producer.settle();
        assert_eq!((live.reader().head().number(), live.pool().status().pending), (0, 1));
        producer.with_settings(|settings| settings.gas_limit = GasLimit::Exactly(3_000_000));
        producer.settle();
        assert_eq!((live.reader().head().number(), live.pool().status().pending), (1, 0));
    });
}

/// Runs a producer whose clock goes on by a second with each look at it, with an interval below that, until so many blocks are
/// there or it has looked a thousand times.
fn at_an_interval(live: &Arc<LiveChain>, settings: BlockSettings, blocks: u64) -> Vec<u64> {
    static SECONDS: AtomicU64 = AtomicU64::new(0);
    let monotonic = || Duration::from_secs(SECONDS.fetch_add(1, Ordering::SeqCst));
    let (from, start) = (live.reader().head().number(), SECONDS.load(Ordering::SeqCst));
    let clock = ProducerClock { wall: || 5000, monotonic };
    let producer = Producer::new(Arc::clone(live), Mining::Interval(Duration::from_millis(1)), settings, clock);
    thread::scope(|scope| {
        scope.spawn(|| producer.run());
        while live.reader().head().number() < from + blocks && SECONDS.load(Ordering::SeqCst) < start + 1000 {
            thread::yield_now();
        }
        producer.stop();
    });
    let reader = live.reader();
    let timestamp = |number| reader.canonical_block(number).unwrap().unwrap().block().header.timestamp;
    (from + 1..=reader.head().number()).map(timestamp).take(blocks as usize).collect()
}

#[test]
fn an_interval_has_blocks_with_the_timestamps_that_were_asked_for() {
    let genesis = genesis(Fork::Prague, 1, 10, 30_000_000);
    let place = Place::new("asked-for");
    let live = Arc::new(live(&place, &genesis, PoolOptions::default()));
    let settings = |next, interval| BlockSettings {
        clock: BlockClock { next, interval, ..BlockClock::default() },
        ..BlockSettings::default()
    };
    assert_eq!(at_an_interval(&live, settings(None, None), 2), [5000], "a clock that stands has one block");
    assert_eq!(at_an_interval(&live, settings(Some(9000), None), 1), [9000]);
    assert_eq!(at_an_interval(&live, settings(None, Some(12)), 3), [9012, 9024, 9036]);
}

#[test]
fn what_is_set_while_a_block_is_made_is_for_the_next_one() {
    let genesis = genesis(Fork::Prague, 1, 10, 30_000_000);
    let place = Place::new("set-meanwhile");
    let live = Arc::new(live(&place, &genesis, PoolOptions::default()));
    let clock = ProducerClock { wall: || 5000, monotonic: || Duration::ZERO };
    let producer = Producer::new(Arc::clone(&live), Mining::Manual, BlockSettings::default(), clock);
    let producer = Arc::new(producer);
    let asks = Arc::downgrade(&producer);
    live.listen(Box::new(move |change| {
        if change.added.iter().any(|added| added.block.number() == 1) {
            asks.upgrade().unwrap().with_settings(|settings| settings.clock.next = Some(9000));
        }
    }));
    let timestamp = || producer.produce().unwrap().block.block().header.timestamp;
    assert_eq!([timestamp(), timestamp(), timestamp()], [5000, 9000, 9001]);
}

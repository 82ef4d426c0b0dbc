//! Blocks are as full as what waits allows, whatever some of it says about itself.

use crate::building::check_imports;
use crate::world::{COUNTER, GWEI, Place, address, call, genesis, live, next, payment};
use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, Bytes, U256};
use alloy_rlp::Encodable as _;
use motet_chain::pool::Origin;
use motet_chain::validate::{BLOCK_RLP_BYTES_MAX, validate_body};
use motet_chain::{BuildSource, LiveChain, PoolOptions, SealError};
use motet_types::{Fork, Transaction, TxError};

fn submit(live: &LiveChain, transactions: &[Transaction]) {
    let raw: Vec<Bytes> = transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
    for sent in live.pool().submit_many(raw, Origin::External) {
        sent.unwrap();
    }
}

/// People from `first` on that offer most and allow themselves as much gas as they may, of which they use little.
fn greedy(first: usize, people: usize, each: u64, gas_limit: u64) -> Vec<Transaction> {
    let to = |person: usize| Address::from_word(U256::from(0x7700_0000 + person).into());
    let one = |person: usize, nonce| call(person, nonce, 50 * GWEI, gas_limit, to(person), Bytes::new(), U256::from(1));
    (first..first + people).flat_map(|person| (0..each).map(move |nonce| one(person, nonce))).collect()
}

#[test]
fn gas_limits_that_nobody_uses_keep_nobody_out() {
    const PLAIN: usize = 20;
    for (fork, block_limit, greedy_limit) in [
        (Fork::Prague, 30_000_000, 30_000_000),
        (Fork::Osaka, 30_000_000, MAX_TX_GAS_LIMIT_OSAKA),
        (Fork::Amsterdam, 20_000_000, 20_000_000),
    ] {
        let genesis = genesis(fork, PLAIN + 25, 100, block_limit);
        let place = Place::new("greedy");
        let live = live(&place, &genesis, PoolOptions::default());
        // Of one sender, and of many.
        submit(&live, &greedy(PLAIN, 1, 60, greedy_limit));
        submit(&live, &greedy(PLAIN + 1, 24, 5, greedy_limit));
        let plain = |person: usize, nonce| match fork {
            // A payment takes so little there that these would not fill a block.
            Fork::Amsterdam => call(person, nonce, 2 * GWEI, 90_000, COUNTER, Bytes::new(), U256::ZERO),
            _ => payment(person, nonce, 2 * GWEI),
        };
        let plain: Vec<_> = (0..PLAIN).flat_map(|person| (0..100).map(move |nonce| plain(person, nonce))).collect();
        submit(&live, &plain);
        let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
        let limits: Vec<u64> = sealed.block.block().body.transactions.iter().map(|tx| tx.gas_limit()).collect();
        let greedy_count = limits.iter().filter(|limit| **limit == greedy_limit).count();
        assert!((1..=180).contains(&greedy_count), "{fork}: {greedy_count}");
        let (used, all) = (sealed.gas.header, limits.len());
        assert!(used + 90_000 > block_limit, "{fork}: {used} of {block_limit} gas, {all} transactions");
        check_imports(&genesis, &[sealed], "greedy");
    }
}

#[test]
fn a_block_without_room_for_bytes_looks_at_few_more() {
    let genesis = genesis(Fork::Cancun, 250, 10, 100_000_000);
    let place = Place::new("bytes");
    let live = live(&place, &genesis, PoolOptions::default());
    let long = |person: usize| {
        call(person, 0, 5 * GWEI, 600_000, Address::repeat_byte(9), vec![0; 130_000].into(), U256::ZERO)
    };
    submit(&live, &(0..250).map(long).collect::<Vec<_>>());
    let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!((sealed.senders.len(), sealed.left_out.len()), (63, 64));
    assert!(sealed.block.block().length() <= BLOCK_RLP_BYTES_MAX);
    assert_eq!(live.pool().status().pending, 250 - 63);
}

#[test]
fn nothing_follows_a_transaction_that_was_dropped() {
    let genesis = genesis(Fork::Prague, 3, 10, 30_000_000);
    let place = Place::new("dropped");
    let live = live(&place, &genesis, PoolOptions::default());
    let sent = [payment(0, 0, 9 * GWEI), payment(0, 1, 9 * GWEI), payment(1, 0, 5 * GWEI), payment(1, 1, 5 * GWEI)];
    submit(&live, &sent);
    let mut best = live.pool().best(0, 0);
    assert_eq!(best.next().unwrap().hash(), *sent[0].tx_hash());
    best.drop_last();
    let rest: Vec<_> = best.map(|tx| tx.hash()).collect();
    assert_eq!(rest, [*sent[2].tx_hash(), *sent[3].tx_hash()]);
}

#[test]
fn withdrawals_are_part_of_what_a_block_may_weigh() {
    let genesis = genesis(Fork::Osaka, 50, 10, 400_000_000);
    let place = Place::new("withdrawals");
    let live = live(&place, &genesis, PoolOptions::default());
    let long = |person: usize| {
        call(person, 0, 5 * GWEI, 6_000_000, Address::repeat_byte(9), vec![0; 130_000].into(), U256::ZERO)
    };
    submit(&live, &(0..50).map(long).collect::<Vec<_>>());
    let withdrawals = |count: u64| {
        let one = |index| Withdrawal { index, validator_index: index, address: address(0), amount: u64::MAX };
        Some((0..count).map(one).collect())
    };
    let mut request = next(&live, BuildSource::Pool);
    request.withdrawals = withdrawals(80_000);
    let sealed = live.seal(request.clone()).unwrap();
    let bytes = sealed.block.block().length();
    assert!((BLOCK_RLP_BYTES_MAX - 400_000..=BLOCK_RLP_BYTES_MAX).contains(&bytes), "{bytes}");
    let header = &sealed.block.block().header;
    let rules = live.reader().spec().rules_at(header.number, header.timestamp, None);
    validate_body(sealed.block.block(), &rules).unwrap();
    request.timestamp += 12;
    request.withdrawals = withdrawals(240_000);
    let error = live.seal(request).unwrap_err();
    assert!(matches!(error, SealError::Block(motet_chain::BlockError::RlpTooLong { .. })), "{error}");
}

#[test]
fn gas_of_state_and_of_execution_fill_a_block_each_for_itself() {
    const LIMIT: u64 = 30_000_000;
    let genesis = genesis(Fork::Amsterdam, 3, 1000, LIMIT);
    let place = Place::new("dimensions");
    let live = live(&place, &genesis, PoolOptions::default());
    let fresh = |nonce: u64| {
        let to = Address::from_word(U256::from(0x8800_0000 + nonce).into());
        (call(0, nonce, 5 * GWEI, 1_000_000, to, Bytes::new(), U256::from(1)), None)
    };
    let mut request = next(&live, BuildSource::These(vec![fresh(0)]));
    request.is_kept = false;
    let one = live.seal(request).unwrap().gas;
    // All of it together is more than the limit, and neither part is.
    let count = LIMIT / (one.regular + one.state) + 1;
    assert!(one.state > 0 && (count + 1) * one.state < LIMIT, "{one:?}");
    let mut given: Vec<_> = (0..count).map(fresh).collect();
    let left = LIMIT - count * one.state;
    given.push((call(1, 0, 5 * GWEI, left + 1, COUNTER, Bytes::new(), U256::ZERO), None));
    given.push((payment(2, 0, 5 * GWEI), None));
    let sealed = live.seal(next(&live, BuildSource::These(given))).unwrap();
    assert_eq!(sealed.senders.len() as u64, count + 1);
    assert_eq!(sealed.senders.last(), Some(&address(2)));
    let why = &sealed.left_out[0].1;
    assert!(matches!(why, TxError::BlockGasExceeded { gas_limit, .. } if *gas_limit == left + 1), "{why}");
    check_imports(&genesis, &[sealed], "dimensions");
}

//! Accounts that run a contract's code have one transaction in the pool. EIP-7702.

use crate::world::{CHAIN_ID, GIVER, GWEI, Place, genesis, live, next, payment, sign, signed};
use alloy_consensus::TxEip7702;
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, U256};
use motet_chain::pool::Origin;
use motet_chain::{BuildSource, LiveChain, PoolError, PoolOptions};
use motet_types::{Fork, Transaction};

/// `person` sends what turns accounts into what the contract is.
fn delegates(person: usize, nonce: u64, fee: u128, authorities: &[(usize, u64)], to: Address) -> Transaction {
    let authorization_list = authorities.iter().map(|(authority, nonce)| {
        let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: to, nonce: *nonce };
        let signature = sign(*authority, authorization.signature_hash());
        authorization.into_signed(signature)
    });
    signed(
        person,
        TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee,
            to: Address::repeat_byte(0xee),
            authorization_list: authorization_list.collect(),
            ..TxEip7702::default()
        },
    )
}

fn submit(live: &LiveChain, tx: &Transaction) -> Result<B256, PoolError> {
    live.pool().submit(&tx.encoded_2718(), Origin::External)
}

#[test]
fn who_is_delegated_or_about_to_be_has_one_transaction() {
    let genesis = genesis(Fork::Osaka, 4, 10, 30_000_000);
    let place = Place::new("delegated");
    let live = live(&place, &genesis, PoolOptions::default());
    let first = submit(&live, &delegates(0, 0, 10 * GWEI, &[(1, 0)], GIVER)).unwrap();
    let check = |nonce| {
        let pay = |nonce, gwei| submit(&live, &payment(1, nonce, gwei * GWEI));
        assert_eq!(pay(nonce + 1, 10), Err(PoolError::DelegatedGap));
        let one = pay(nonce, 10).unwrap();
        assert_eq!(pay(nonce + 1, 10), Err(PoolError::DelegatedFull));
        let other = pay(nonce, 12).unwrap();
        assert!(live.pool().get(&one).is_none() && live.pool().get(&other).is_some());
        other
    };
    let waits = check(0);
    assert_eq!(
        submit(&live, &payment(1, 1, 10 * GWEI)).unwrap_err().to_string(),
        "in-flight transaction limit reached for delegated accounts"
    );
    // What delegates it goes: it may send as it likes.
    live.pool().remove(&first).unwrap();
    submit(&live, &payment(1, 1, 10 * GWEI)).unwrap();
    live.pool().clear().unwrap();
    assert!(live.pool().get(&waits).is_none());

    submit(&live, &delegates(0, 0, 10 * GWEI, &[(1, 0)], GIVER)).unwrap();
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    // It has code now, which took a nonce.
    check(1);
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    check(2);
    live.pool().clear().unwrap();
    submit(&live, &delegates(0, 1, 10 * GWEI, &[(1, 2)], Address::ZERO)).unwrap();
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    for nonce in 3..6 {
        submit(&live, &payment(1, nonce, 10 * GWEI)).unwrap();
    }
}

#[test]
fn who_has_more_than_one_transaction_is_not_delegated() {
    let genesis = genesis(Fork::Osaka, 4, 10, 30_000_000);
    let place = Place::new("authorities");
    let live = live(&place, &genesis, PoolOptions::default());
    for (person, nonce) in [(1, 0), (2, 0), (2, 5)] {
        submit(&live, &payment(person, nonce, 10 * GWEI)).unwrap();
    }
    let error = submit(&live, &delegates(0, 0, 10 * GWEI, &[(1, 0), (2, 0)], GIVER)).unwrap_err();
    assert_eq!((error.to_string().as_str(), error), ("authority already reserved", PoolError::AuthorityReserved));
    submit(&live, &delegates(0, 0, 10 * GWEI, &[(1, 0)], GIVER)).unwrap();
    // A replacement stands for what it replaces.
    submit(&live, &delegates(0, 0, 20 * GWEI, &[(3, 0)], GIVER)).unwrap();
    submit(&live, &payment(1, 1, 10 * GWEI)).unwrap();
    submit(&live, &payment(3, 0, 10 * GWEI)).unwrap();
    assert_eq!(submit(&live, &payment(3, 1, 10 * GWEI)), Err(PoolError::DelegatedFull));
    // Its own sender is one of those whom it delegates.
    submit(&live, &delegates(2, 1, 10 * GWEI, &[(2, 2)], GIVER)).unwrap_err();
}

#[test]
fn who_is_delegated_gets_all_back_that_undone_blocks_had() {
    let genesis = genesis(Fork::Osaka, 4, 10, 30_000_000);
    let place = Place::new("undelegated");
    let live = live(&place, &genesis, PoolOptions::default());
    submit(&live, &delegates(0, 0, 10 * GWEI, &[(1, 0)], GIVER)).unwrap();
    let start = live.seal(next(&live, BuildSource::Pool)).unwrap().block.hash();
    let paid: Vec<B256> = (1..4)
        .map(|nonce| {
            let hash = submit(&live, &payment(1, nonce, 10 * GWEI)).unwrap();
            assert_eq!(live.seal(next(&live, BuildSource::Pool)).unwrap().senders.len(), 1);
            hash
        })
        .collect();
    live.set_head(start).unwrap();
    assert!(paid.iter().all(|hash| live.pool().get(hash).is_some()));
    assert_eq!(live.seal(next(&live, BuildSource::Pool)).unwrap().senders.len(), 3);
}

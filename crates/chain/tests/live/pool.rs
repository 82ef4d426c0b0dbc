//! The pool against a simple model, under floods, and in the words of its refusals.

use crate::world::{
    CHAIN_ID, COUNTER, ETHER, GWEI, Place, address, call, genesis, legacy, live, next, payment, sign, signed,
};
use alloy_consensus::transaction::SignerRecoverable as _;
use alloy_consensus::{SignableTransaction as _, Transaction as _, TxEip1559, TxEip7702, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use motet_chain::pool::Origin;
use motet_chain::{BuildSource, LiveChain, PoolError, PoolLimits, PoolOptions};
use motet_types::{Fork, Location, Transaction, Value, impersonated_signature};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};

const PEOPLE: usize = 5;

fn submit(live: &LiveChain, tx: &Transaction) -> Result<B256, PoolError> {
    live.pool().submit(&tx.encoded_2718(), Origin::External)
}

fn cost(tx: &Transaction) -> U256 {
    U256::from(tx.max_fee_per_gas()) * U256::from(tx.gas_limit()) + tx.value()
}

/// Nonce and balance of a person.
fn purse(live: &LiveChain, person: usize) -> (u64, U256) {
    let (_, state) = live.reader().head_with_state().unwrap();
    match state.value(Location::Account(address(person))).unwrap() {
        Value::Account(Some(account)) => (account.nonce, account.balance),
        _ => (0, U256::ZERO),
    }
}

/// What must hold of the pool whatever happened; gives everything that is in it.
fn check(live: &LiveChain, what: &str) -> BTreeMap<(usize, u64), B256> {
    let pool = live.pool();
    let (content, status) = (pool.content(), pool.status());
    let mut all = BTreeMap::new();
    let (mut pending_count, mut queued_count, mut bytes) = (0, 0, 0);
    for person in 0..PEOPLE {
        let (nonce, balance) = purse(live, person);
        let (pending, queued) = pool.content_from(address(person));
        assert_eq!(content.pending.get(&address(person)).map_or(0, Vec::len), pending.len(), "{what}");
        assert_eq!(content.queued.get(&address(person)).map_or(0, Vec::len), queued.len(), "{what}");
        let mut spent = U256::ZERO;
        for (tx, nonce) in pending.iter().zip(nonce..) {
            assert_eq!(tx.nonce(), nonce, "{what}: pending ones follow each other");
            spent += tx.cost;
        }
        assert!(spent <= balance, "{what}: pending ones are covered");
        let end = nonce + pending.len() as u64;
        if let Some(first) = queued.first() {
            assert!(
                first.nonce() > end || spent + first.cost > balance,
                "{what}: the first queued one waits for nothing"
            );
        }
        assert_eq!(pool.next_nonce(address(person)).unwrap(), end, "{what}");
        pending_count += pending.len();
        queued_count += queued.len();
        for tx in pending.iter().chain(&queued) {
            bytes += tx.bytes;
            assert!(tx.nonce() >= nonce, "{what}");
            assert_eq!(pool.get(&tx.hash()).map(|found| found.hash()), Some(tx.hash()), "{what}");
            assert!(all.insert((person, tx.nonce()), tx.hash()).is_none(), "{what}: two of one nonce");
        }
    }
    assert_eq!((status.pending, status.queued, status.bytes), (pending_count, queued_count, bytes), "{what}");
    let given: Vec<_> = pool.best(0, 0).collect();
    assert_eq!(given.len(), pending_count, "{what}");
    let mut last: BTreeMap<Address, u64> = BTreeMap::new();
    for tx in given {
        let nonce = last.insert(tx.sender, tx.nonce());
        assert!(nonce.is_none_or(|nonce| tx.nonce() == nonce + 1), "{what}: nonce order");
    }
    all
}

#[test]
fn random_histories_leave_what_a_model_says() {
    for seed in 0..25 {
        let mut rng = SmallRng::seed_from_u64(seed);
        // Some hundredths of an ether: money runs out.
        let genesis = genesis(Fork::Osaka, PEOPLE, 1, 150_000);
        let place = Place::new("model");
        let live = live(&place, &genesis, PoolOptions::default());
        let mut model: BTreeMap<(usize, u64), Transaction> = BTreeMap::new();
        let mut sent: Vec<Transaction> = Vec::new();
        let mut heads = vec![live.reader().head().hash()];
        for step in 0..120 {
            let what = format!("seed {seed}, step {step}");
            let mut went_back = 0;
            match rng.random_range(0..20) {
                0..16 => {
                    let person = rng.random_range(0..PEOPLE);
                    let (nonce, _) = purse(&live, person);
                    let nonce = (nonce + rng.random_range(0..6)).saturating_sub(rng.random_range(0..2));
                    let fee = (10 + rng.random_range(0..30) as u128) * GWEI;
                    let value = U256::from(rng.random_range(1..600u128)) * U256::from(ETHER / 1000);
                    let tx = match sent.is_empty() || rng.random_range(0..10) > 0 {
                        true => call(person, nonce, fee, 21_000, Address::repeat_byte(0xee), Bytes::new(), value),
                        false => sent[rng.random_range(0..sent.len())].clone(),
                    };
                    let sender = tx.recover_signer().unwrap();
                    let person = (0..PEOPLE).find(|person| address(*person) == sender).unwrap();
                    let (nonce, balance) = purse(&live, person);
                    let result = submit(&live, &tx);
                    let place = (person, tx.nonce());
                    let pending = live.pool().content_from(address(person)).0;
                    match &result {
                        Ok(hash) => {
                            assert_eq!(*hash, *tx.tx_hash(), "{what}");
                            assert!(tx.nonce() >= nonce && cost(&tx) <= balance, "{what}");
                            if let Some(before) = model.insert(place, tx.clone()) {
                                assert_ne!(before.tx_hash(), tx.tx_hash(), "{what}");
                                assert!(tx.max_fee_per_gas() * 10 >= before.max_fee_per_gas() * 11, "{what}");
                            }
                            sent.push(tx);
                        }
                        Err(PoolError::AlreadyKnown) => assert_eq!(model[&place].tx_hash(), tx.tx_hash(), "{what}"),
                        Err(PoolError::NonceTooLow { next, .. }) => {
                            assert_eq!((*next, tx.nonce() < nonce), (nonce, true), "{what}")
                        }
                        Err(PoolError::ReplacementUnderpriced) => {
                            assert!(tx.max_fee_per_gas() * 10 < model[&place].max_fee_per_gas() * 11, "{what}");
                        }
                        Err(PoolError::Funds { .. }) => assert!(cost(&tx) > balance, "{what}"),
                        Err(PoolError::FundsBeside { queued, .. }) => {
                            assert_eq!(*queued, pending.iter().map(|tx| tx.cost).sum::<U256>(), "{what}");
                            assert!(*queued + cost(&tx) > balance, "{what}");
                        }
                        Err(PoolError::FundsReplacing { .. }) => assert!(model.contains_key(&place), "{what}"),
                        Err(error) => panic!("{what}: {error}"),
                    }
                }
                16 => {
                    let Some((place, tx)) = model.iter().nth(rng.random_range(0..model.len().max(1))) else { continue };
                    let (place, hash) = (*place, *tx.tx_hash());
                    assert_eq!(live.pool().remove(&hash).unwrap().map(|tx| tx.hash()), Some(hash), "{what}");
                    model.remove(&place);
                }
                17..19 => {
                    let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
                    heads.push(sealed.block.hash());
                    let included: BTreeSet<B256> =
                        sealed.block.block().body.transactions.iter().map(|tx| *tx.tx_hash()).collect();
                    model.retain(|_, tx| !included.contains(tx.tx_hash()));
                }
                _ => {
                    // Back by one or two blocks: their transactions are back, unless another took their place.
                    for _ in 0..rng.random_range(1..3) {
                        if heads.len() < 2 {
                            continue;
                        }
                        heads.pop();
                        went_back += 1;
                        let head = live.reader().head();
                        live.set_head(*heads.last().unwrap()).unwrap();
                        for tx in &head.block().body.transactions {
                            let sender = tx.recover_signer().unwrap();
                            let person = (0..PEOPLE).find(|person| address(*person) == sender).unwrap();
                            model.entry((person, tx.nonce())).or_insert_with(|| tx.clone());
                        }
                    }
                }
            }
            let all = check(&live, &what);
            // Nothing is there that should not be, and nothing is missing that can be paid.
            for (place, hash) in &all {
                assert_eq!(model.get(place).map(|tx| *tx.tx_hash()), Some(*hash), "{what}");
            }
            model.retain(|place, tx| {
                let (nonce, balance) = purse(&live, place.0);
                let is_there = all.contains_key(place);
                assert!(
                    is_there
                        || place.1 < nonce
                        || cost(tx) > balance
                        || tx.gas_limit() > 150_000
                        || went_back > 1 && pending_is_short(&live, place.0),
                    "{what}: {place:?} is missing"
                );
                is_there
            });
        }
    }
}

/// Whether a sender's money was short when its transactions were looked at: then some may have gone.
fn pending_is_short(live: &LiveChain, person: usize) -> bool {
    let (_, balance) = purse(live, person);
    balance < U256::from(ETHER)
}

#[test]
fn floods_change_nothing_for_others() {
    for seed in 0..6 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let genesis = genesis(Fork::Osaka, 40, 10, 30_000_000);
        let place = Place::new("flood");
        let limits = PoolLimits { count_max: 30, queued_max: 8, ..PoolLimits::default() };
        let live = live(&place, &genesis, PoolOptions { limits, ..PoolOptions::default() });
        for person in 0..PEOPLE {
            for nonce in 0..6 {
                submit(&live, &payment(person, nonce, 20 * GWEI)).unwrap();
            }
        }
        let before = check(&live, "full");
        assert_eq!(before.len(), 30);
        for _ in 0..200 {
            let person = rng.random_range(PEOPLE..40);
            let tx = match rng.random_range(0..5) {
                // Not better, or it must wait, or the one below it is cheap.
                0 => payment(person, 0, 20 * GWEI),
                1 => payment(person, 3, 90 * GWEI),
                2 => payment(person, 0, rng.random_range(1..20) as u128 * GWEI),
                3 => payment(rng.random_range(0..PEOPLE), 6, 90 * GWEI),
                _ => legacy(person, 0, 90 * GWEI, 20_999, COUNTER, None),
            };
            let error = submit(&live, &tx).unwrap_err();
            assert!(
                matches!(error, PoolError::Underpriced | PoolError::Full | PoolError::IntrinsicGas { .. }),
                "seed {seed}: {error}"
            );
        }
        assert_eq!(check(&live, "after the flood"), before, "seed {seed}");
        // Who pays more gets in, and the newest of the cheapest goes.
        submit(&live, &payment(20, 0, 21 * GWEI)).unwrap();
        assert_eq!(live.pool().content_from(address(20)).0.len(), 1);
        for person in 0..PEOPLE {
            let expected = if person == PEOPLE - 1 { 5 } else { 6 };
            assert_eq!(live.pool().content_from(address(person)).0.len(), expected, "seed {seed}");
        }
        assert_eq!(live.pool().status().pending, 30);
    }
}

#[test]
fn queued_ones_have_bounds_of_their_own() {
    let genesis = genesis(Fork::Osaka, PEOPLE, 10, 30_000_000);
    let place = Place::new("queued");
    let limits = PoolLimits { queued_max: 6, queued_per_sender_max: 4, per_sender_max: 5, ..PoolLimits::default() };
    let live = live(&place, &genesis, PoolOptions { limits, ..PoolOptions::default() });
    for nonce in 2..6 {
        submit(&live, &payment(0, nonce, 10 * GWEI)).unwrap();
    }
    assert_eq!(submit(&live, &payment(0, 9, 10 * GWEI)).unwrap_err(), PoolError::SenderFull { pooled: 4 });
    submit(&live, &payment(1, 2, 10 * GWEI)).unwrap();
    submit(&live, &payment(1, 3, 10 * GWEI)).unwrap();
    assert_eq!(submit(&live, &payment(2, 2, 10 * GWEI)).unwrap_err(), PoolError::Full);
    submit(&live, &payment(2, 2, 12 * GWEI)).unwrap();
    assert_eq!(live.pool().status().queued, 6);
    // The gap closes.
    submit(&live, &payment(0, 0, 10 * GWEI)).unwrap();
    assert_eq!(submit(&live, &payment(0, 1, 10 * GWEI)).unwrap_err(), PoolError::SenderFull { pooled: 5 });
    live.pool().submit(&payment(0, 1, 10 * GWEI).encoded_2718(), Origin::Local).unwrap();
    assert_eq!((live.pool().status().pending, live.pool().status().queued), (6, 2));
}

#[test]
fn refusals_are_in_the_words_that_tools_know() {
    let genesis = genesis(Fork::Osaka, 3, 1, 30_000_000);
    let place = Place::new("words");
    let limits = PoolLimits { priority_fee_min: GWEI, ..PoolLimits::default() };
    let live = live(&place, &genesis, PoolOptions { limits, ..PoolOptions::default() });
    let words = |tx: &Transaction| submit(&live, tx).unwrap_err().to_string();
    let base = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(COUNTER),
        ..TxEip1559::default()
    };
    let with = |edit: fn(&mut TxEip1559)| {
        let mut tx = base.clone();
        edit(&mut tx);
        words(&signed(0, tx))
    };
    assert_eq!(with(|tx| tx.gas_limit = 1), "intrinsic gas too low: gas 1, minimum needed 21000");
    assert_eq!(
        with(|tx| (tx.gas_limit, tx.input) = (40_000, vec![1; 1000].into())),
        "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000"
    );
    assert_eq!(with(|tx| tx.gas_limit = 30_000_001), "transaction gas limit too high (cap: 16777216, tx: 30000001)");
    assert_eq!(
        with(|tx| tx.max_priority_fee_per_gas = 11 * GWEI),
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 11000000000, maxFeePerGas: 10000000000"
    );
    assert_eq!(
        with(|tx| tx.max_priority_fee_per_gas = 5),
        "transaction gas price below minimum: gas tip cap 5, minimum needed 1000000000"
    );
    assert_eq!(with(|tx| tx.chain_id = 7), "invalid sender: invalid chain id for signer: have 7 want 1337");
    assert_eq!(
        with(|tx| (tx.to, tx.input, tx.gas_limit) = (TxKind::Create, vec![0; 49_153].into(), 9_000_000)),
        "max initcode size exceeded: code size 49153 limit 49152"
    );
    assert_eq!(
        with(|tx| (tx.input, tx.gas_limit) = (vec![0; 131_072].into(), 9_000_000)),
        "oversized data: transaction size 131190, limit 131072"
    );
    assert_eq!(
        with(|tx| tx.value = U256::from(ETHER)),
        "insufficient funds for gas * price + value: balance 1000000000000000000, tx cost 1000210000000000000, overshot 210000000000000"
    );
    assert_eq!(
        words(&legacy(9, 0, GWEI, 21_000, COUNTER, Some(CHAIN_ID))),
        "insufficient funds for gas * price + value: balance 0, tx cost 21000000000000, overshot 21000000000000"
    );
    submit(&live, &payment(0, 0, 10 * GWEI)).unwrap();
    assert_eq!(words(&payment(0, 0, 10 * GWEI)), "already known");
    assert_eq!(words(&payment(0, 0, 11 * GWEI - 1)), "replacement transaction underpriced");
    submit(&live, &payment(0, 0, 11 * GWEI)).unwrap();
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(words(&payment(0, 0, 12 * GWEI)), "nonce too low: next nonce 1, tx nonce 0");
    let mut unsigned = TxEip7702 { chain_id: CHAIN_ID, gas_limit: 100_000, ..TxEip7702::default() };
    (unsigned.max_fee_per_gas, unsigned.max_priority_fee_per_gas) = (10 * GWEI, GWEI);
    assert_eq!(words(&signed(1, unsigned)), "set code tx must have at least one authorization tuple");
    let unsigned = alloy_consensus::SignableTransaction::into_signed(
        TxLegacy {
            chain_id: Some(CHAIN_ID),
            gas_limit: 21_000,
            gas_price: GWEI,
            to: TxKind::Call(COUNTER),
            ..TxLegacy::default()
        },
        Signature::new(U256::from(1), U256::MAX, false),
    );
    assert_eq!(words(&unsigned.into()), "invalid sender: invalid transaction v, r, s values");
    let text = |raw: &[u8]| live.pool().submit(raw, Origin::External).unwrap_err().to_string();
    assert_eq!(text(&[]), "typed transaction too short");
    assert_eq!(text(&[0x7b, 1, 2]), "transaction type not supported: type 123 rejected");
    assert!(text(&[0xc0]).starts_with("rlp: "), "{}", text(&[0xc0]));
    let mut long = payment(1, 0, 10 * GWEI).encoded_2718();
    long.push(0);
    assert_eq!(text(&long), "rlp: input contains more than one value");
    // A signature without a key is nothing to a chain that does not impersonate.
    let tx = TxLegacy { gas_limit: 21_000, gas_price: GWEI, to: TxKind::Call(COUNTER), ..TxLegacy::default() };
    let tx: Transaction = tx.into_signed(impersonated_signature(address(1))).into();
    assert_eq!(words(&tx), "invalid sender: invalid transaction v, r, s values");
    assert_eq!(sign(0, B256::ZERO), sign(0, B256::ZERO));
}

#[test]
fn any_bytes_are_refused_or_taken_without_a_panic() {
    let genesis = genesis(Fork::Osaka, 3, 1, 30_000_000);
    let place = Place::new("bytes");
    let live = live(&place, &genesis, PoolOptions { threads: 2, ..PoolOptions::default() });
    let mut rng = SmallRng::seed_from_u64(1);
    let whole: Vec<Vec<u8>> = (0..3).map(|nonce| payment(0, nonce, 10 * GWEI).encoded_2718()).collect();
    let batch: Vec<Bytes> = (0..3000)
        .map(|_| {
            let mut bytes = whole[rng.random_range(0..3)].clone();
            match rng.random_range(0..3) {
                0 => bytes.truncate(rng.random_range(0..bytes.len())),
                1 => {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] ^= 1 << rng.random_range(0..8);
                }
                _ => bytes = (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
            }
            bytes.into()
        })
        .collect();
    let results = live.pool().submit_many(batch.clone(), Origin::External);
    assert_eq!(results.len(), batch.len());
    for (raw, result) in batch.iter().zip(results) {
        if let Ok(hash) = result {
            assert_eq!(hash, alloy_primitives::keccak256(raw));
        }
    }
}

#[test]
fn impersonated_transactions_are_built_where_they_are_taken() {
    let genesis = genesis(Fork::Osaka, 3, 1, 30_000_000);
    let place = Place::new("impersonated");
    let options = PoolOptions { takes_impersonated: true, ..PoolOptions::default() };
    let live = live(&place, &genesis, options);
    let send = |nonce| {
        let tx = TxLegacy {
            nonce,
            gas_limit: 21_000,
            gas_price: 10 * GWEI,
            to: TxKind::Call(address(1)),
            ..TxLegacy::default()
        };
        let tx: Transaction = tx.into_signed(impersonated_signature(address(0))).into();
        live.pool().submit_recovered(tx, address(0), Origin::Local).unwrap()
    };
    let start = live.reader().head().hash();
    let hashes = [send(0), send(1)];
    let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(sealed.block.block().body.transactions.iter().map(|tx| *tx.tx_hash()).collect::<Vec<_>>(), hashes);
    assert_eq!(*sealed.senders, [address(0), address(0)]);
    live.set_head(start).unwrap();
    assert_eq!(live.pool().content_from(address(0)).0.len(), 2);
}

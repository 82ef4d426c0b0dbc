//! Built blocks are what everybody else imports.

use crate::world::{
    COUNTER, ETHER, GIVER, GWEI, Place, address, boxed, call, chain, engine, genesis, legacy, listed, live, next,
    payment, sign, signed,
};
use alloy_consensus::{Transaction as _, TxEip7702};
use alloy_eip7928::compute_block_access_list_hash;
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_chain::pool::Origin;
use motet_chain::{
    BuildRequest, BuildSource, GasLimit, GenesisBlock, Intervention, LiveChain, PoolOptions, SealError, Sealed,
};
use motet_exec::Engine;
use motet_types::{Fork, Transaction, TxError};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

const PEOPLE: usize = 8;

/// Imports what was built into other chains by every engine.
pub(crate) fn check_imports(genesis: &GenesisBlock, blocks: &[Sealed], what: &str) {
    for of in [Engine::Sequential, Engine::Optimistic, Engine::Listed, Engine::Auto] {
        let place = Place::new("import");
        let mut chain = chain(&place, genesis);
        let mut executor = engine(of, 2, None);
        for sealed in blocks {
            let is_amsterdam = sealed.block.fork() >= Fork::Amsterdam;
            let list = is_amsterdam.then(|| sealed.record.list.clone());
            let accepted = chain.import(sealed.block.block().clone(), list, &mut executor);
            let accepted = accepted.unwrap_or_else(|error| panic!("{what}, {of}: {error}"));
            assert!(accepted.is_head, "{what}, {of}");
            let receipts = chain.receipts(sealed.block.number()).unwrap().unwrap();
            assert_eq!(receipts, *sealed.receipts, "{what}, {of}");
            assert_eq!(chain.record(sealed.block.number()).unwrap().unwrap(), *sealed.record, "{what}, {of}");
        }
        assert_eq!(chain.head().hash(), blocks.last().unwrap().block.hash(), "{what}, {of}");
    }
}

/// Something that may be valid.
fn anything(rng: &mut SmallRng, nonces: &mut [u64], fork: Fork) -> Transaction {
    let person = rng.random_range(0..PEOPLE);
    let nonce = match rng.random_range(0..12) {
        0 => nonces[person] + 1,
        1 => nonces[person].saturating_sub(1),
        _ => {
            nonces[person] += 1;
            nonces[person] - 1
        }
    };
    let fee = 20 * GWEI;
    let to =
        [COUNTER, address(rng.random_range(0..PEOPLE)), Address::repeat_byte(rng.random())][rng.random_range(0..3)];
    match rng.random_range(0..10) {
        0 if fork >= Fork::London => {
            // More than there is, or all but a little: then the next one fails.
            let value = U256::from(rng.random_range(1..12)) * U256::from(ETHER);
            call(person, nonce, fee, 30_000, to, Bytes::new(), value)
        }
        1 if fork >= Fork::Berlin => listed(person, nonce, fee, 90_000, to),
        2 => legacy(person, nonce, fee, 30_000_000, to, None),
        3 => legacy(person, nonce, fee, 20_999, to, None),
        4..7 if fork >= Fork::London => call(person, nonce, fee, 90_000, to, Bytes::new(), U256::from(1)),
        _ => legacy(person, nonce, fee, 90_000, to, (fork >= Fork::SpuriousDragon).then_some(crate::world::CHAIN_ID)),
    }
}

/// Builds some blocks of random transactions. The same by every engine and in every interleaving.
fn build(genesis: &GenesisBlock, fork: Fork, seed: u64, of: Engine, workers: usize, steps: Option<u64>) -> Vec<Sealed> {
    let place = Place::new("build");
    let live = LiveChain::new(chain(&place, genesis), boxed(engine(of, workers, steps)));
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut nonces = [0; PEOPLE];
    let mut blocks = Vec::new();
    for _ in 0..3 {
        let count = rng.random_range(0..40);
        let given: Vec<_> = (0..count).map(|_| (anything(&mut rng, &mut nonces, fork), None)).collect();
        let mut request = next(&live, BuildSource::These(given));
        if fork >= Fork::Shanghai && rng.random() {
            let withdrawal = Withdrawal { index: 1, validator_index: 2, address: address(0), amount: 3 };
            request.withdrawals = Some(vec![withdrawal]);
        }
        blocks.push(live.seal(request).unwrap_or_else(|error| panic!("{fork}, seed {seed}, {of}: {error}")));
        for (person, nonce) in nonces.iter_mut().enumerate() {
            *nonce = live.pool().next_nonce(address(person)).unwrap();
        }
    }
    blocks
}

#[test]
fn every_engine_builds_the_same_block_and_every_engine_imports_it() {
    let forks = [
        Fork::Frontier,
        Fork::Homestead,
        Fork::Byzantium,
        Fork::Berlin,
        Fork::London,
        Fork::Paris,
        Fork::Shanghai,
        Fork::Cancun,
        Fork::Prague,
        Fork::Osaka,
        Fork::Amsterdam,
    ];
    for (at, fork) in forks.into_iter().enumerate() {
        for round in 0..4 {
            let seed = at as u64 * 1000 + round;
            let what = format!("{fork}, seed {seed}");
            let genesis = genesis(fork, PEOPLE, 10, if round % 2 == 0 { 30_000_000 } else { 400_000 });
            let expected = build(&genesis, fork, seed, Engine::Sequential, 1, None);
            assert!(expected.iter().any(|sealed| !sealed.left_out.is_empty()), "{what}: all was valid");
            let mut others = vec![(Engine::Optimistic, 2, None), (Engine::Auto, 2, None), (Engine::Listed, 2, None)];
            others.extend((0..6).map(|steps| (Engine::Optimistic, 3, Some(seed * 7 + steps))));
            for (of, workers, steps) in others {
                let built = build(&genesis, fork, seed, of, workers, steps);
                for (built, expected) in built.iter().zip(&expected) {
                    assert_eq!(built.left_out, expected.left_out, "{what}, {of}, {steps:?}");
                    assert_eq!(built.receipts, expected.receipts, "{what}, {of}, {steps:?}");
                    assert_eq!(built.record, expected.record, "{what}, {of}, {steps:?}");
                    assert_eq!(built.block, expected.block, "{what}, {of}, {steps:?}");
                }
            }
            check_imports(&genesis, &expected, &what);
        }
    }
}

#[test]
fn a_full_block_takes_what_fits_and_the_next_takes_the_rest() {
    let genesis = genesis(Fork::Osaka, PEOPLE, 10, 500_000);
    let place = Place::new("full");
    let live = live(&place, &genesis, PoolOptions::default());
    // Each may use 100,000 and uses 21,000: 19 fit, as the last must find what it may use.
    let mut hashes = Vec::new();
    for nonce in 0..5 {
        for person in 0..PEOPLE {
            let tx = call(person, nonce, 10 * GWEI, 100_000, Address::repeat_byte(9), Bytes::new(), U256::from(1));
            hashes.push(live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap());
        }
    }
    let mut blocks = Vec::new();
    let mut included = Vec::new();
    while live.pool().status().pending > 0 {
        let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
        assert!(!sealed.senders.is_empty(), "the block is empty while {:?} wait", live.pool().status());
        included.extend(sealed.block.block().body.transactions.iter().map(|tx| *tx.tx_hash()));
        blocks.push(sealed);
    }
    assert_eq!(blocks[0].senders.len(), 20);
    assert_eq!(included, hashes, "equal fees: as they came");
    check_imports(&genesis, &blocks, "full");
}

#[test]
fn a_drained_account_harms_nobody_else() {
    let genesis = genesis(Fork::Osaka, PEOPLE, 10, 30_000_000);
    let place = Place::new("drained");
    let live = live(&place, &genesis, PoolOptions::default());
    let submit = |tx: &Transaction| live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap();
    // Person 0 delegates to what gives everything away; person 1 calls it, and pays most.
    let authorization = Authorization { chain_id: U256::from(crate::world::CHAIN_ID), address: GIVER, nonce: 0 };
    let signature = sign(0, authorization.signature_hash());
    let delegates = signed(
        1,
        TxEip7702 {
            chain_id: crate::world::CHAIN_ID,
            gas_limit: 200_000,
            max_fee_per_gas: 50 * GWEI,
            max_priority_fee_per_gas: 50 * GWEI,
            to: address(0),
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        },
    );
    // Its authorization takes nonce 0 of person 0: what it signed for that nonce is lost, and what comes after cannot be paid.
    let drained: Vec<B256> = (0..4).map(|nonce| submit(&payment(0, nonce, 10 * GWEI))).collect();
    let others: Vec<Transaction> = (2..PEOPLE).map(|person| payment(person, 0, 5 * GWEI)).collect();
    // The pool does not take it beside these; blocks have it from others.
    let all = (0..4).map(|nonce| payment(0, nonce, 10 * GWEI)).chain(others.clone());
    let all = std::iter::once(delegates.clone()).chain(all).map(|tx| (tx, None)).collect();
    let others: Vec<B256> = others.iter().map(|tx| *tx.tx_hash()).collect();
    let sealed = live.seal(next(&live, BuildSource::These(all))).unwrap();
    let included: Vec<B256> = sealed.block.block().body.transactions.iter().map(|tx| *tx.tx_hash()).collect();
    assert_eq!(included[0], *delegates.tx_hash());
    assert_eq!(included[1..], others);
    assert!(sealed.receipts.iter().all(|receipt| receipt.status()));
    assert_eq!(sealed.left_out.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), drained);
    check_imports(&genesis, &[sealed], "drained");
    assert_eq!(live.pool().status().pending, 0);
}

#[test]
fn a_block_that_is_not_kept_leaves_no_trace() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("unkept");
    let live = live(&place, &genesis, PoolOptions::default());
    for person in 0..PEOPLE {
        live.pool().submit(&payment(person, 0, 5 * GWEI).encoded_2718(), Origin::External).unwrap();
    }
    let before = (live.reader().head().hash(), live.pool().status());
    let mut request = next(&live, BuildSource::Pool);
    request.is_kept = false;
    let unkept = live.seal(request).unwrap();
    assert_eq!((live.reader().head().hash(), live.pool().status()), before);
    let kept = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(kept.block, unkept.block);
    assert_eq!(kept.senders.len(), PEOPLE);
}

#[test]
fn what_must_be_in_fails_the_build_by_its_position() {
    let genesis = genesis(Fork::Cancun, PEOPLE, 10, 30_000_000);
    let place = Place::new("exact");
    let live = live(&place, &genesis, PoolOptions::default());
    let given = |second: Transaction| BuildSource::Exactly(vec![(payment(0, 0, 5 * GWEI), None), (second, None)]);
    let error = live.seal(next(&live, given(payment(1, 3, 5 * GWEI)))).unwrap_err();
    assert!(
        matches!(error, SealError::Transaction { tx: 1, error: TxError::NonceTooHigh { tx: 3, state: 0 } }),
        "{error}"
    );
    let error = live.seal(next(&live, given(legacy(1, 0, GWEI, 21_000, address(2), Some(9))))).unwrap_err();
    assert!(matches!(error, SealError::Transaction { tx: 1, error: TxError::InvalidChainId }), "{error}");
    let bad = legacy(1, 0, GWEI, 21_000, address(2), Some(9));
    let all = vec![(bad, None), (payment(0, 0, 5 * GWEI), None), (payment(2, 0, 5 * GWEI), None)];
    let error = live.seal(next(&live, BuildSource::Exactly(all))).unwrap_err();
    assert!(matches!(error, SealError::Transaction { tx: 0, error: TxError::InvalidChainId }), "{error}");
    let sealed = live.seal(next(&live, given(payment(1, 0, 5 * GWEI)))).unwrap();
    assert_eq!(*sealed.senders, [address(0), address(1)]);
    let mut request = next(&live, BuildSource::Pool);
    request.parent = Some(sealed.block.block().header.parent_hash);
    let error = live.seal(request).unwrap_err();
    assert!(matches!(error, SealError::OtherHead { head, .. } if head == sealed.block.hash()), "{error}");
    let mut request = next(&live, BuildSource::Pool);
    request.timestamp = 5;
    assert!(matches!(live.seal(request).unwrap_err(), SealError::Timestamp { timestamp: 5, .. }));
    let mut request = next(&live, BuildSource::Pool);
    request.slot_number = Some(1);
    assert!(matches!(live.seal(request).unwrap_err(), SealError::Field { field: "slot_number", .. }));
}

#[test]
fn gas_limits_move_as_far_as_the_protocol_lets_them() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("limits");
    let live = live(&place, &genesis, PoolOptions::default());
    let mut blocks = Vec::new();
    for (asked, expected) in [
        (GasLimit::Parent, 30_000_000),
        (GasLimit::Toward(60_000_000), 30_029_295),
        (GasLimit::Toward(0), 29_999_971),
        (GasLimit::Toward(30_000_000), 30_000_000),
    ] {
        let mut request = next(&live, BuildSource::Pool);
        request.gas_limit = asked;
        blocks.push(live.seal(request).unwrap());
        assert_eq!(blocks.last().unwrap().block.block().header.gas_limit, expected);
    }
    check_imports(&genesis, &blocks, "gas limits");
}

#[test]
fn a_reorganisation_tells_receipts_and_gives_transactions_back() {
    use std::sync::{Arc, Mutex};
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("reorganisation");
    let live = live(&place, &genesis, PoolOptions::default());
    let heard: Arc<Mutex<Vec<motet_chain::HeadChange>>> = Arc::default();
    let hears = Arc::clone(&heard);
    live.listen(Box::new(move |change| hears.lock().unwrap().push(change.clone())));
    let start = live.reader().head().hash();
    for person in 0..PEOPLE {
        let tx = call(person, 0, 5 * GWEI, 90_000, COUNTER, Bytes::new(), U256::ZERO);
        live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap();
    }
    let first = live.seal(next(&live, BuildSource::Pool)).unwrap();
    let second = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(live.pool().status().pending, 0);
    live.set_head(start).unwrap();
    assert_eq!(live.pool().status().pending, PEOPLE);
    let again = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(again.block, first.block);
    live.set_head(start).unwrap();
    let heard = heard.lock().unwrap();
    let hashes = |blocks: &[motet_chain::HeadBlock]| blocks.iter().map(|told| told.block.hash()).collect::<Vec<_>>();
    assert_eq!(hashes(&heard[2].removed), [first.block.hash(), second.block.hash()]);
    assert!(heard[2].added.is_empty());
    assert_eq!(heard[2].removed[0].receipts, first.receipts);
    assert_eq!(heard[3].added[0].receipts, first.receipts);
    assert_eq!(heard[3].added[0].diff, first.diff);
    assert_eq!(first.block.block().body.transactions[0].gas_limit(), 90_000);
}

#[test]
fn all_of_undone_blocks_comes_back_whatever_the_purse_covers_at_once() {
    let genesis = genesis(Fork::Osaka, 2, 10, 1_000_000);
    let place = Place::new("given-back");
    let live = live(&place, &genesis, PoolOptions::default());
    let start = live.reader().head().hash();
    // Each may cost six ether, of which the purse has ten, and costs little.
    let dear = |nonce| call(0, nonce, 6000 * GWEI, 1_000_000, Address::repeat_byte(0xee), Bytes::new(), U256::from(1));
    let mut paid = Vec::new();
    let mut pay = |live: &LiveChain, tx: Transaction, gas_limit| {
        paid.push(live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap());
        let request = BuildRequest { gas_limit, ..next(live, BuildSource::Pool) };
        assert_eq!(live.seal(request).unwrap().senders.len(), 1);
    };
    pay(&live, dear(0), GasLimit::Parent);
    pay(&live, dear(1), GasLimit::Exactly(2_000_000));
    // No block on the first one may have so much.
    let large = call(0, 2, 50 * GWEI, 1_500_000, Address::repeat_byte(0xee), Bytes::new(), U256::from(1));
    pay(&live, large, GasLimit::Parent);
    live.set_head(start).unwrap();
    assert!(paid.iter().all(|hash| live.pool().get(hash).is_some()));
    let status = live.pool().status();
    assert_eq!((status.pending, status.queued), (1, 2));
    for count in [1, 2] {
        let request = BuildRequest { gas_limit: GasLimit::Exactly(3_000_000), ..next(&live, BuildSource::Pool) };
        assert_eq!(live.seal(request).unwrap().senders.len(), count);
    }
}

#[test]
fn changes_from_outside_do_not_count_among_what_a_block_may_touch() {
    let genesis = genesis(Fork::Amsterdam, 2, 10, 1_000_000);
    let place = Place::new("touched");
    let live = live(&place, &genesis, PoolOptions::default());
    for slot in 0..600 {
        live.reader().intervene(COUNTER, Intervention::Slot(U256::from(slot), U256::from(7))).unwrap();
    }
    live.pool().submit(&payment(0, 0, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
    let mut request = next(&live, BuildSource::Pool);
    request.changes = live.reader().interventions().over(&live.reader().head().hash());
    let sealed = live.seal(request).unwrap();
    assert_eq!(sealed.senders.len(), 1);
    let hash = compute_block_access_list_hash(&sealed.record.list);
    assert_eq!(sealed.block.block().header.block_access_list_hash, Some(hash));
    let slots = sealed.record.list.iter().find(|listed| listed.address == COUNTER).unwrap().storage_changes.len();
    assert_eq!(slots, 600);
}

#[test]
fn a_panic_between_root_and_commit_ends_the_chain_until_it_is_opened_again() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    /// Counts the looks at the clock of one build: the one after the roots is the fourth.
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    fn clock() -> u64 {
        let look = LOOKS.fetch_add(1, Ordering::SeqCst);
        assert_ne!(look, 3, "the clock is broken");
        look
    }
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("panic");
    let live = live(&place, &genesis, PoolOptions::default()).with_clock(clock);
    live.pool().submit(&payment(0, 0, 5 * GWEI).encoded_2718(), Origin::External).unwrap();
    let start = live.reader().head().hash();
    let sealed = catch_unwind(AssertUnwindSafe(|| live.seal(next(&live, BuildSource::Pool))));
    assert!(sealed.is_err() && LOOKS.load(Ordering::SeqCst) == 4);
    assert_eq!(live.reader().head().hash(), start);
    // The trie is a block ahead: what it would say of another block is wrong.
    let error = live.seal(next(&live, BuildSource::Pool)).unwrap_err();
    assert!(matches!(error, SealError::Chain(motet_chain::ChainError::MustReopen { .. })), "{error}");
    drop(live);
    let chain = motet_chain::Chain::open(place.path(), motet_chain::ChainOptions::small()).unwrap().0;
    let again = LiveChain::new(chain, boxed(engine(Engine::Sequential, 1, None)));
    again.pool().submit(&payment(0, 0, 5 * GWEI).encoded_2718(), Origin::External).unwrap();
    assert_eq!(again.seal(next(&again, BuildSource::Pool)).unwrap().senders.len(), 1);
}

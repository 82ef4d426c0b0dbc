//! What is asked of states behind the head while blocks are made.

use crate::world::{ETHER, GWEI, Place, address, boxed, engine, genesis, next, payment};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, U256};
use motet_chain::pool::Origin;
use motet_chain::{BuildSource, Chain, ChainError, ChainOptions, LiveChain};
use motet_exec::Engine;
use motet_state::store::StoreError;
use motet_types::{Account, AccountDiff, Fork, StateDiff};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A chain that keeps all old values.
fn archive(place: &Place) -> LiveChain {
    let options = ChainOptions { archive: true, ..ChainOptions::small() };
    let chain = Chain::init(place.path(), genesis(Fork::Prague, 4, 10, 30_000_000), options).unwrap().0;
    LiveChain::new(chain, boxed(engine(Engine::Sequential, 1, None)))
}

/// Makes blocks of one payment each, of person 0.
fn make(live: &LiveChain, count: u64) {
    for _ in 0..count {
        let nonce = live.pool().next_nonce(address(0)).unwrap();
        live.pool().submit(&payment(0, nonce, 5 * GWEI).encoded_2718(), Origin::External).unwrap();
        assert_eq!(live.seal(next(live, BuildSource::Pool)).unwrap().senders.len(), 1);
    }
}

fn hash(live: &LiveChain, number: u64) -> B256 {
    live.reader().canonical_hash(number).unwrap().unwrap()
}

#[test]
fn nobody_makes_the_writer_go_back_far() {
    let place = Place::new("far");
    let live = archive(&place);
    make(&live, 140);
    let nonce = |number: u64| {
        live.prove(number, hash(&live, number), address(0), &[]).map(|proof| {
            let root = live.reader().canonical_block(number).unwrap().unwrap().block().header.state_root;
            proof.verify(root).unwrap();
            proof.account.unwrap().nonce
        })
    };
    assert_eq!((nonce(140).unwrap(), nonce(139).unwrap(), nonce(12).unwrap()), (140, 139, 12));
    // An archive could, by looking at all that it has.
    for number in [11, 0] {
        let refused = [
            nonce(number).map(drop),
            live.root_after(number, hash(&live, number), &[]).map(drop),
            live.witness(number, hash(&live, number), &[], &StateDiff::default()).map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            let ChainError::Store(StoreError::NoHistory { height, oldest, head }) = error else { panic!("{error}") };
            assert_eq!((height, oldest, head), (number, Some(12), Some(140)));
        }
    }
}

#[test]
fn a_block_is_meant_by_its_hash() {
    let place = Place::new("meant");
    let live = archive(&place);
    make(&live, 3);
    let left = hash(&live, 3);
    live.set_head(hash(&live, 2)).unwrap();
    live.pool().clear().unwrap();
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_ne!(hash(&live, 3), left);
    let error = live.prove(3, left, address(0), &[]).unwrap_err();
    assert!(matches!(error, ChainError::NoBlock { number: 3, .. }), "{error}");
    let error = live.root_after(3, left, &[]).unwrap_err();
    assert!(matches!(error, ChainError::NoBlock { number: 3, .. }), "{error}");
    assert_eq!(live.prove(3, hash(&live, 3), address(0), &[]).unwrap().account.unwrap().nonce, 2);
    let error = live.prove(4, left, address(0), &[]).unwrap_err();
    assert!(matches!(error, ChainError::NoBlock { number: 4, .. }), "{error}");
}

#[test]
fn roots_of_the_past_are_those_of_headers_while_blocks_are_made() {
    let place = Place::new("meanwhile");
    let live = archive(&place);
    make(&live, 20);
    let ended = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let (live, ended) = (&live, &ended);
                scope.spawn(move || {
                    let mut asked = 0;
                    while !ended.load(Ordering::SeqCst) || asked == 0 {
                        let number = 5 + reader;
                        let header = live.reader().canonical_block(number).unwrap().unwrap().block().header.clone();
                        let root = live.root_after(number, header.hash_slow(), &[]).unwrap();
                        assert_eq!(root, header.state_root);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        make(&live, 60);
        ended.store(true, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<u64>>()
    });
    assert!(asked.iter().all(|asked| *asked > 0));
    // A change on top of an old state leaves no trace in it.
    let account = Account { nonce: 77, balance: U256::from(ETHER), ..Account::default() };
    let mut diff = StateDiff::default();
    diff.accounts.insert(address(9), AccountDiff { account: Some(account), ..AccountDiff::default() });
    let before = live.root_after(30, hash(&live, 30), &[]).unwrap();
    assert_ne!(live.root_after(30, hash(&live, 30), &[&diff]).unwrap(), before);
    assert_eq!(live.root_after(30, hash(&live, 30), &[]).unwrap(), before);
}

//! What was acknowledged is there after the process has died.

use crate::blobs::sent;
use crate::world::{ETHER, GWEI, Place, address, boxed, call, engine, genesis, live, next, payment};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, U256, hex};
use motet_chain::pool::{Origin, PoolOpened};
use motet_chain::{BuildSource, Chain, ChainOptions, GasLimit, Intervention, LiveChain, PoolLimits, PoolOptions};
use motet_exec::Engine;
use motet_types::Fork;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const PEOPLE: usize = 6;
/// Where a child process of the test finds the directory that it is to work in.
const CHILD: &str = "MOTET_TEST_POOL_CHILD";

fn options(place: &Path) -> PoolOptions {
    PoolOptions { journal: Some(place.join("pool.journal")), threads: 2, ..PoolOptions::default() }
}

fn reopen(place: &Place) -> (LiveChain, PoolOpened) {
    let (chain, _) = Chain::open(place.path(), ChainOptions::small()).unwrap();
    LiveChain::open(chain, boxed(engine(Engine::Optimistic, 2, None)), options(place.path())).unwrap()
}

fn content(live: &LiveChain) -> Vec<B256> {
    let content = live.pool().content();
    content.pending.values().chain(content.queued.values()).flatten().map(|tx| tx.hash()).collect()
}

#[test]
fn a_restart_in_the_middle_loses_nothing() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 400_000);
    let place = Place::new("restart");
    let first = live(&place, &genesis, options(place.path()));
    let batch: Vec<Bytes> = (0..6)
        .flat_map(|nonce| (0..PEOPLE).map(move |person| payment(person, nonce, 10 * GWEI).encoded_2718().into()))
        .collect();
    assert!(first.pool().submit_many(batch, Origin::External).iter().all(Result::is_ok));
    let gap = first.pool().submit(&payment(0, 9, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
    let dropped = first.pool().submit(&payment(1, 6, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
    first.pool().submit(&payment(2, 5, 20 * GWEI).encoded_2718(), Origin::External).unwrap();
    first.pool().remove(&dropped).unwrap();
    first.seal(next(&first, BuildSource::Pool)).unwrap();
    let (held, status) = (content(&first), first.pool().status());
    assert!(status.pending > 0 && held.contains(&gap));
    drop(first);
    let (second, opened) = reopen(&place);
    assert_eq!((content(&second), second.pool().status()), (held.clone(), status));
    assert_eq!(
        (opened.restored, opened.dropped, opened.damaged_bytes),
        (held.len(), 0, 0),
        "what is in blocks is not lost"
    );
    while second.pool().status().pending > 0 {
        second.seal(next(&second, BuildSource::Pool)).unwrap();
    }
    assert_eq!(second.pool().next_nonce(address(2)).unwrap(), 6);
    assert_eq!(content(&second), [gap]);
    second.pool().clear().unwrap();
    drop(second);
    assert!(content(&reopen(&place).0).is_empty());
}

#[test]
fn a_torn_journal_keeps_what_is_whole() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 400_000);
    let place = Place::new("torn");
    let first = live(&place, &genesis, options(place.path()));
    let hashes: Vec<B256> = (0..10)
        .map(|nonce| first.pool().submit(&payment(0, nonce, 10 * GWEI).encoded_2718(), Origin::External).unwrap())
        .collect();
    drop(first);
    let path = place.path().join("pool.journal");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let (second, opened) = reopen(&place);
    assert_eq!(content(&second), hashes[..9]);
    assert!(opened.damaged_bytes > 0 && opened.restored == 9);
    // The last one is sent again.
    second.pool().submit(&payment(0, 9, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
    drop(second);
    let (third, opened) = reopen(&place);
    assert_eq!((content(&third), opened.damaged_bytes), (hashes, 0));
}

#[test]
fn what_was_taken_out_stays_out_however_often_it_came() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 400_000);
    let place = Place::new("twice");
    let first = live(&place, &genesis, options(place.path()));
    let (start, raw) = (first.reader().head().hash(), payment(0, 0, 10 * GWEI).encoded_2718());
    let hash = first.pool().submit(&raw, Origin::External).unwrap();
    let other = first.pool().submit(&payment(1, 0, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
    first.seal(next(&first, BuildSource::Pool)).unwrap();
    first.set_head(start).unwrap();
    assert_eq!(content(&first).len(), 2);
    first.pool().remove(&hash).unwrap();
    drop(first);
    let (second, _) = reopen(&place);
    assert_eq!(content(&second), [other]);
    // Sent once more it is in, also after another start.
    second.pool().submit(&raw, Origin::External).unwrap();
    drop(second);
    assert_eq!(content(&reopen(&place).0).len(), 2);
}

#[test]
fn what_was_replaced_does_not_come_back_for_what_took_its_place() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 400_000);
    let place = Place::new("replaced");
    let first = live(&place, &genesis, options(place.path()));
    let submit = |live: &LiveChain, nonce, gwei: u128| {
        live.pool().submit(&payment(0, nonce, gwei * GWEI).encoded_2718(), Origin::External).unwrap()
    };
    submit(&first, 0, 10);
    submit(&first, 0, 20);
    let last = submit(&first, 0, 40);
    let stays = [submit(&first, 1, 10)];
    first.pool().remove(&last).unwrap();
    assert_eq!(content(&first), stays);
    drop(first);
    let (second, opened) = reopen(&place);
    assert_eq!((content(&second).as_slice(), opened.restored), (stays.as_slice(), 1));
    // Sent once more it is as good as anything.
    let again = submit(&second, 0, 10);
    drop(second);
    assert_eq!(content(&reopen(&place).0), [again, stays[0]]);
}

#[test]
fn what_no_block_of_now_could_take_waits_over_a_restart() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 1_000_000);
    let place = Place::new("not-now");
    let limits = PoolLimits { base_fee_required: true, ..PoolLimits::default() };
    let options = PoolOptions { limits, ..options(place.path()) };
    let first = live(&place, &genesis, options.clone());
    let large = call(0, 0, 500 * GWEI, 1_000_000, address(1), Bytes::new(), U256::from(1));
    let held: BTreeSet<B256> = [large, payment(1, 0, 10 * GWEI)]
        .map(|tx| first.pool().submit(&tx.encoded_2718(), Origin::External).unwrap())
        .into();
    let mut request = next(&first, BuildSource::These(Vec::new()));
    (request.gas_limit, request.base_fee) = (GasLimit::Exactly(900_000), Some(100_000_000_000));
    first.seal(request).unwrap();
    assert_eq!(content(&first).into_iter().collect::<BTreeSet<_>>(), held);
    drop(first);
    let (chain, _) = Chain::open(place.path(), ChainOptions::small()).unwrap();
    let executor = boxed(engine(Engine::Sequential, 1, None));
    let (second, opened) = LiveChain::open(chain, executor, options).unwrap();
    assert_eq!((content(&second).into_iter().collect::<BTreeSet<_>>(), opened.dropped), (held, 0));
}

#[test]
fn what_waits_for_others_is_there_in_whatever_order_they_came() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("order");
    let first = live(&place, &genesis, options(place.path()));
    let submit = |raw: &[u8]| first.pool().submit(raw, Origin::External).unwrap();
    let lower = payment(0, 0, 10 * GWEI).encoded_2718();
    let taken = submit(&lower);
    submit(&sent(0, 1, 1, 10 * GWEI, false, |_| ()));
    first.pool().remove(&taken).unwrap();
    submit(&lower);
    // Of these the purse covers the first alone, once a block has taken the rest of the money.
    let worth = |nonce, ether: u64| {
        let value = U256::from(ether) * U256::from(ETHER);
        call(1, nonce, 10 * GWEI, 21_000, address(2), Bytes::new(), value).encoded_2718()
    };
    submit(&worth(0, 5));
    submit(&worth(1, 4));
    let less = Intervention::Balance(U256::from(6) * U256::from(ETHER));
    first.reader().intervene(address(1), less).unwrap();
    let mut request = next(&first, BuildSource::These(Vec::new()));
    request.changes = first.reader().interventions().over(&first.reader().head().hash());
    first.seal(request).unwrap();
    let (held, status) = (content(&first), first.pool().status());
    assert_eq!((status.pending, status.queued), (3, 1));
    drop(first);
    // The second time the journal is as the first start wrote it.
    for _ in 0..2 {
        let (again, opened) = reopen(&place);
        assert_eq!((content(&again), again.pool().status()), (held.clone(), status));
        assert_eq!((opened.restored, opened.dropped), (4, 0));
    }
}

#[test]
fn replacements_do_not_fill_the_disk_while_no_block_is_made() {
    let genesis = genesis(Fork::Prague, PEOPLE, 1000, 30_000_000);
    let place = Place::new("bounded");
    let first = live(&place, &genesis, options(place.path()));
    let (mut fee, mut last, mut written) = (10, B256::ZERO, 0);
    for round in 0..300 {
        // Others come meanwhile.
        if round % 100 == 0 {
            let raw = payment(1, round / 100, 10 * GWEI).encoded_2718();
            first.pool().submit(&raw, Origin::External).unwrap();
        }
        let input = Bytes::from(vec![0; 120_000]);
        let raw = call(0, 0, fee, 2_000_000, address(2), input, U256::from(1)).encoded_2718();
        written += raw.len() as u64;
        last = first.pool().submit(&raw, Origin::External).unwrap();
        fee = fee * 11 / 10 + 1;
        let bytes = std::fs::metadata(place.path().join("pool.journal")).unwrap().len();
        assert!(bytes < 18 << 20, "{bytes} bytes");
    }
    assert!(written > 32 << 20);
    let held = content(&first);
    assert!(held.len() == 4 && held.contains(&last));
    drop(first);
    assert_eq!(content(&reopen(&place).0), held);
}

#[test]
fn nothing_is_lost_of_what_comes_while_the_journal_is_written_anew() {
    let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
    let place = Place::new("meanwhile");
    let first = live(&place, &genesis, options(place.path()));
    std::thread::scope(|scope| {
        for person in 0..PEOPLE {
            let pool = first.pool();
            scope.spawn(move || {
                for nonce in 0..60 {
                    pool.submit(&payment(person, nonce, 10 * GWEI).encoded_2718(), Origin::External).unwrap();
                }
            });
        }
        for _ in 0..40 {
            first.pool().compact_journal().unwrap();
        }
    });
    let held = content(&first);
    assert_eq!(held.len(), PEOPLE * 60);
    drop(first);
    assert_eq!(content(&reopen(&place).0), held);
}

/// Not a test of its own: what the next one runs in another process.
#[test]
fn child_that_submits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (chain, _) = Chain::open(Path::new(&dir), ChainOptions::small()).unwrap();
    let executor = boxed(engine(Engine::Sequential, 1, None));
    let (live, _) = LiveChain::open(chain, executor, options(Path::new(&dir))).unwrap();
    for nonce in 0..100_000 {
        let raw = call(0, nonce, 10 * GWEI, 21_000, address(1), Bytes::new(), U256::from(1)).encoded_2718();
        let hash = live.pool().submit(&raw, Origin::Local).unwrap();
        #[expect(clippy::print_stdout, reason = "the parent reads it")]
        {
            println!("acknowledged {}", hex::encode(hash));
        }
        if nonce % 50 == 49 {
            live.seal(next(&live, BuildSource::Pool)).unwrap();
        }
    }
}

#[test]
fn a_kill_loses_nothing_acknowledged() {
    for kills in [20, 130, 270] {
        let genesis = genesis(Fork::Prague, PEOPLE, 10, 30_000_000);
        let place = Place::new("kill");
        drop(live(&place, &genesis, options(place.path())));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::child_that_submits_until_it_is_killed", "--nocapture"])
            .env(CHILD, place.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
            let at = line.find("acknowledged ")?;
            line[at..].strip_prefix("acknowledged ")?.parse::<B256>().ok()
        });
        let acknowledged: Vec<B256> = acknowledged.take(kills).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(acknowledged.len(), kills);
        let (live, _) = reopen(&place);
        let held: BTreeSet<B256> = content(&live).into_iter().collect();
        let lost = acknowledged
            .iter()
            .filter(|hash| !held.contains(*hash) && live.reader().transaction(**hash).unwrap().is_none());
        assert_eq!(lost.count(), 0, "after {kills} acknowledgements");
    }
}

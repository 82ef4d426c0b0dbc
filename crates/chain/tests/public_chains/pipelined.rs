//! Imports of many blocks: overlapped stages give what stages one after the other give, whatever goes wrong.
#![allow(clippy::print_stdout, reason = "seeds repeat a failure")]

use super::durable::{Dir, changed, executor, options};
use super::fixtures;
use alloy_primitives::{B256, U256};
use motet_chain::{
    Chain, CommitProgress, Execute, ExecuteRequest, ExecuteResult, GenesisBlock, ImportFault, ImportPlan, ImportReport,
    Incoming,
};
use motet_exec::Engine;
use motet_types::Block;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A genesis and the blocks on it.
struct Case {
    name: &'static str,
    genesis: GenesisBlock,
    blocks: Vec<Block>,
}

fn case(name: &'static str, folder: &str, file: &str) -> Option<Case> {
    let genesis = fixtures::genesis(&format!("{folder}/genesis.json"))?;
    let blocks = fixtures::blocks(&format!("{folder}/{file}"))?;
    Some(Case { name, genesis: GenesisBlock::from_genesis(&genesis).unwrap(), blocks })
}

fn cases() -> Vec<Case> {
    let cases = [
        case("ethtest", "chains/geth-ethtest", "chain.rlp.gz"),
        case("hive", "chains/hive-devp2p", "chain.rlp.gz"),
        case("rpc", "rpc", "chain.rlp"),
    ];
    cases.into_iter().flatten().collect()
}

fn incoming(blocks: &[Block]) -> Vec<Incoming> {
    blocks.iter().map(|block| (block.clone(), None)).collect()
}

fn clock() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

fn plan(overlap: bool) -> ImportPlan<'static> {
    ImportPlan { overlap, clock, ..ImportPlan::default() }
}

/// What a store has of a chain, as bytes.
fn contents(chain: &Chain) -> Vec<[Option<alloy_primitives::Bytes>; 4]> {
    let store = chain.store();
    let of = |height| {
        let header = store.header(height).unwrap().map(|(_, header)| header);
        [header, store.body(height).unwrap(), store.receipts(height).unwrap(), store.record(height).unwrap()]
    };
    (0..=chain.head().number()).map(of).collect()
}

fn seeds() -> u64 {
    std::env::var("MOTET_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6)
}

#[test]
fn overlapped_stages_leave_the_same_chain() {
    for case in cases() {
        let import = |overlap, paged| {
            let dir = Dir::new(&format!("pipe-{}-{overlap}-{paged}", case.name));
            let (mut chain, _) = Chain::init(&dir.0, case.genesis.clone(), options(paged)).unwrap();
            let mut told = 0;
            let mut executor = executor(Engine::Auto);
            let on_commit = &mut |progress: &CommitProgress| told += progress.blocks;
            let report = chain.import_all(incoming(&case.blocks), &mut executor, &plan(overlap), on_commit).unwrap();
            let ImportReport { blocks, known, commits, was_stopped, .. } = report;
            assert_eq!((blocks, known, told, was_stopped), (case.blocks.len() as u64, 0, blocks, false));
            assert!(commits <= blocks);
            // All of it again is known.
            let on_commit = &mut |_: &CommitProgress| panic!("nothing is committed");
            let again = chain.import_all(incoming(&case.blocks), &mut executor, &plan(overlap), on_commit).unwrap();
            assert_eq!((again.blocks, again.known), (0, blocks));
            let head = chain.head().hash();
            drop(chain);
            let (chain, _) = Chain::open(&dir.0, options(paged)).unwrap();
            assert_eq!(chain.head().hash(), head);
            (head, contents(&chain))
        };
        let expected = import(false, false);
        assert_eq!(expected.0, case.blocks.last().unwrap().header.hash_slow());
        for paged in [false, true] {
            assert!(import(true, paged) == expected, "{}, paged: {paged}", case.name);
        }
    }
}

/// One way to make a block invalid.
fn spoil(block: &Block, how: u32) -> Block {
    changed(block, |block| match how {
        0 => block.header.state_root = B256::repeat_byte(7),
        1 => block.header.receipts_root = B256::repeat_byte(7),
        2 => block.header.timestamp = 0,
        3 => block.header.gas_used += 1,
        4 => block.header.transactions_root = B256::repeat_byte(7),
        _ => block.header.difficulty += U256::from(1),
    })
}

#[test]
#[allow(clippy::print_stdout, reason = "captured unless it fails")]
fn an_invalid_block_in_the_middle_is_told_alike_and_nothing_of_it_stays() {
    let cases = cases();
    for seed in 0..seeds() {
        println!("seed {seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        for case in &cases {
            let length = rng.random_range(2..case.blocks.len().min(200));
            let (at, how, paged) = (rng.random_range(0..length), rng.random_range(0..6), rng.random_bool(0.5));
            let mut blocks = case.blocks[..length].to_vec();
            blocks[at] = spoil(&blocks[at], how);
            let mut told = Vec::new();
            for overlap in [false, true] {
                let dir = Dir::new(&format!("spoil-{}-{seed}-{overlap}", case.name));
                let (mut chain, _) = Chain::init(&dir.0, case.genesis.clone(), options(paged)).unwrap();
                let mut executor = executor(Engine::Sequential);
                let plan =
                    ImportPlan { group_blocks: rng.random_range(1..9), depth: rng.random_range(1..5), ..plan(overlap) };
                let stopped = chain.import_all(incoming(&blocks), &mut executor, &plan, &mut |_| ()).unwrap_err();
                assert_eq!(stopped.report.blocks, at as u64, "{} seed {seed}", case.name);
                assert_eq!(chain.head().number(), at as u64);
                told.push(stopped.to_string());
                // The right blocks go on from there.
                chain.import_all(incoming(&case.blocks[..length]), &mut executor, &plan, &mut |_| ()).unwrap();
                assert_eq!(chain.head().hash(), case.blocks[length - 1].header.hash_slow());
            }
            assert_eq!(told[0], told[1], "{} seed {seed}", case.name);
        }
    }
}

#[test]
fn who_stops_keeps_what_was_committed_and_goes_on_later() {
    let Some(case) = case("hive", "chains/hive-devp2p", "chain.rlp.gz") else { return };
    for seed in 0..seeds() {
        let mut rng = SmallRng::seed_from_u64(seed);
        let dir = Dir::new(&format!("stop-{seed}"));
        let (mut chain, _) = Chain::init(&dir.0, case.genesis.clone(), options(seed % 2 == 1)).unwrap();
        let mut executor = executor(Engine::Auto);
        let mut runs = 0;
        while chain.head().number() < 1000 {
            let stop = AtomicBool::new(false);
            let after = rng.random_range(1..400);
            let told = AtomicU64::new(chain.head().number());
            let plan = ImportPlan { stop: Some(&stop), ..plan(true) };
            let begun = told.load(Ordering::SeqCst);
            let on_commit = &mut |progress: &CommitProgress| {
                told.store(progress.number, Ordering::SeqCst);
                stop.store(progress.number >= begun + after, Ordering::SeqCst);
            };
            let report = chain.import_all(incoming(&case.blocks[..1000]), &mut executor, &plan, on_commit).unwrap();
            assert!(report.was_stopped || chain.head().number() == 1000);
            assert_eq!(chain.head().number(), told.load(Ordering::SeqCst), "seed {seed}");
            runs += 1;
            if runs % 3 == 0 {
                drop(chain);
                chain = Chain::open(&dir.0, options(seed % 2 == 1)).unwrap().0;
            }
        }
        assert_eq!(chain.head().hash(), case.blocks[999].header.hash_slow());
    }
}

/// Panics at one block.
struct Panicking<E>(E, u64);

impl<E: Execute> Execute for Panicking<E> {
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult {
        assert_ne!(request.block.header().number, self.1, "as planned");
        self.0.execute(request)
    }
}

#[test]
fn a_panic_in_a_stage_hangs_nobody_and_the_chain_opens_again() {
    let Some(case) = case("hive", "chains/hive-devp2p", "chain.rlp.gz") else { return };
    for (overlap, at) in [(false, 30), (true, 1), (true, 77), (true, 200)] {
        for on_commit_too in [false, true] {
            let dir = Dir::new(&format!("panic-{overlap}-{at}-{on_commit_too}"));
            let (mut chain, _) = Chain::init(&dir.0, case.genesis.clone(), options(false)).unwrap();
            let at_execution = if on_commit_too { u64::MAX } else { at };
            let mut executor = Panicking(executor(Engine::Sequential), at_execution);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let on_commit = &mut |progress: &CommitProgress| assert!(!on_commit_too || progress.number < at);
                chain.import_all(incoming(&case.blocks[..300]), &mut executor, &plan(overlap), on_commit).map(drop)
            }));
            assert!(caught.is_err());
            let error = chain.import(case.blocks[0].clone(), None, &mut executor.0).unwrap_err().to_string();
            assert!(error.contains("opened again"), "{error}");
            drop(chain);
            let (mut chain, _) = Chain::open(&dir.0, options(false)).unwrap();
            assert!(on_commit_too || chain.head().number() < at);
            chain.import_all(incoming(&case.blocks[..300]), &mut executor.0, &plan(overlap), &mut |_| ()).unwrap();
            assert_eq!(chain.head().hash(), case.blocks[299].header.hash_slow());
        }
    }
}

#[test]
fn a_commit_that_fails_takes_the_trie_back_and_the_import_goes_on_once_the_disk_works() {
    let Some(case) = case("hive", "chains/hive-devp2p", "chain.rlp.gz") else { return };
    let blocks = &case.blocks[..400];
    for (overlap, paged) in [(false, false), (false, true), (true, false), (true, true)] {
        let dir = Dir::new(&format!("fail-{overlap}-{paged}"));
        // Segments so short that a new one is needed soon, which cannot be made where its directory is gone.
        let mut options = options(paged);
        options.store.segment_bytes = 16 << 10;
        let (mut chain, _) = Chain::init(&dir.0, case.genesis.clone(), options.clone()).unwrap();
        let (log, away) = (dir.0.join("log"), dir.0.join("log.away"));
        let mut executor = executor(Engine::Sequential);
        let on_commit = &mut |progress: &CommitProgress| {
            if progress.number >= 50 && !away.exists() {
                std::fs::rename(&log, &away).unwrap();
            }
        };
        let plan = ImportPlan { group_blocks: 8, ..plan(overlap) };
        let stopped = chain.import_all(incoming(blocks), &mut executor, &plan, on_commit).unwrap_err();
        assert!(matches!(stopped.error.reason, ImportFault::Chain(_)), "{stopped}");
        let head = chain.head().number();
        assert!(head == stopped.report.blocks && (50..400).contains(&head));
        assert_eq!(chain.store().head().unwrap().height, head);
        // One block alone fails alike, and is taken back too.
        let error = chain.import(blocks[head as usize].clone(), None, &mut executor).unwrap_err();
        assert!(matches!(error.reason, ImportFault::Chain(_)), "{error}");
        std::fs::rename(&away, &log).unwrap();
        chain.import(blocks[head as usize].clone(), None, &mut executor).unwrap();
        chain.import_all(incoming(blocks), &mut executor, &plan, &mut |_| ()).unwrap();
        assert_eq!(chain.head().hash(), blocks[399].header.hash_slow());
        drop(chain);
        let (chain, _) = Chain::open(&dir.0, options).unwrap();
        assert_eq!(chain.head().hash(), blocks[399].header.hash_slow());
    }
}

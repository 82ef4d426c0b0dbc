//! How much of the state root's time is hidden when it is begun while a block executes.
//!
//! `cargo run --release -p motet-chain --example early_root -- DIR`, where DIR has `genesis.json` and `chain.rlp`
//! as `motet generate --chain` writes them. Each way runs over the whole chain, in a store of its own; blocks carry their
//! access lists only in the last two.
//!
//! Execution has one worker and the trie no threads of its own. What is measured is processor time, which other work on the
//! machine hardly changes: of the importing thread while the block executes and after that, and of the thread that tells
//! the trie. As long as that is less than the execution, a second processor hides it.

#![allow(clippy::print_stdout)]

use alloy_eip7928::BlockAccessList;
use alloy_rlp::Decodable as _;
use motet_chain::{
    Chain, ChainOptions, EarlyRoot, EngineExecutor, Execute, ExecuteRequest, ExecuteResult, GenesisBlock, ImportPlan,
};
use motet_exec::{Engine, ExecutorConfig};
use motet_types::Block;
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Notes what processor time the importing thread had when the last execution began and ended.
struct Timed {
    executor: EngineExecutor,
    began_ns: u64,
    ended_ns: u64,
}

impl Execute for Timed {
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult {
        self.began_ns = thread_ns();
        let result = self.executor.execute(request);
        self.ended_ns = thread_ns();
        result
    }
}

fn ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Processor time of this thread.
fn thread_ns() -> u64 {
    ns(ClockId::ThreadCPUTime)
}

/// Processor time of all threads.
fn process_ns() -> u64 {
    ns(ClockId::ProcessCPUTime)
}

fn executor() -> EngineExecutor {
    EngineExecutor::new(Engine::Sequential, ExecutorConfig::default())
}

/// Microseconds of the block in the middle.
fn median_us(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default() as f64 / 1000.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("which folder?")?);
    let genesis = serde_json::from_slice(&std::fs::read(dir.join("genesis.json"))?)?;
    let genesis = GenesisBlock::from_genesis(&genesis)?;
    let bytes = std::fs::read(dir.join("chain.rlp"))?;
    let (mut rest, mut blocks) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest)?);
    }
    println!("{} blocks; medians over blocks, in microseconds of processor time", blocks.len());

    let store = std::env::temp_dir().join(format!("motet-early-root-{}", std::process::id()));
    let open = |way: &str, early_root: EarlyRoot| {
        let mut options = ChainOptions { early_root, ..ChainOptions::default() };
        (options.store.has_table_thread, options.store.reader_threads) = (false, 0);
        Chain::init(&store.join(way), genesis.clone(), options)
    };
    let (mut chain, _) = open("stages", EarlyRoot::Never)?;
    let plan = ImportPlan { overlap: false, group_blocks: 1, clock: thread_ns, ..ImportPlan::default() };
    let incoming = blocks.iter().map(|block| (block.clone(), None));
    let report = chain.import_all(incoming, &mut executor(), &plan, &mut |_| ())?;
    let each = |ns: u64| ns as f64 / 1000.0 / report.blocks.max(1) as f64;
    let (execute, root, commit) =
        (each(report.execute.busy_ns), each(report.root.busy_ns), each(report.commit.busy_ns));
    println!("stages, on average: execution {execute:.0}, checks and root {root:.0}, commit {commit:.0}");

    let mut lists: Vec<Option<BlockAccessList>> = Vec::with_capacity(blocks.len());
    for block in &blocks {
        lists.push(chain.record(block.header.number)?.map(|record| record.list));
    }
    let has_lists = blocks.iter().any(|block| block.header.block_access_list_hash.is_some());
    drop(chain);
    println!("{:<22}{:>12}{:>26}{:>14}", "", "execution", "from its end to committed", "other thread");
    let ways = [
        ("after the execution", EarlyRoot::Never, false),
        ("from steps", EarlyRoot::FromSteps, false),
        ("lists, root after", EarlyRoot::Never, true),
        ("from lists", EarlyRoot::FromLists, true),
    ];
    for (way, early_root, with_lists) in ways.into_iter().filter(|(_, _, with_lists)| has_lists || !with_lists) {
        let (mut chain, _) = open(way, early_root)?;
        let mut timed = Timed { executor: executor(), began_ns: 0, ended_ns: 0 };
        let (mut during, mut after, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for (block, list) in blocks.iter().zip(&lists) {
            let list = list.clone().filter(|_| with_lists);
            let (block, process, thread) = (block.clone(), process_ns(), thread_ns());
            chain.import(block, list, &mut timed)?;
            let end = thread_ns();
            beside.push((process_ns() - process).saturating_sub(end - thread));
            during.push(timed.ended_ns.saturating_sub(timed.began_ns));
            after.push(end.saturating_sub(timed.ended_ns));
        }
        println!("{way:<22}{:>12.0}{:>26.0}{:>14.0}", median_us(during), median_us(after), median_us(beside));
        drop(chain);
        remove(&store.join(way));
    }
    remove(&store);
    Ok(())
}

fn remove(dir: &Path) {
    // What is left over does no harm.
    let _ = std::fs::remove_dir_all(dir);
}

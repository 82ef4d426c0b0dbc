//! How fast blocks become durable, and how fast state is read, on this disk.
//!
//! ```text
//! cargo run --profile verify -p motet-state --example store_speed -- DIR [BLOCKS [UPDATES [ACCOUNTS [ENGINE]]]]
//! ```
//! The floor is a file to which the same changes are appended, encoded as briefly, with the same `fdatasync` after each block.
//! Both take turns of 50 consecutive blocks, each alone on the machine. A turn of the store ends when its tables have
//! everything and are flushed; its total counts all of that.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_state::store::{CommittedBlock, EngineKind, Identity, Options, Store};
use motet_types::{Account, AccountDiff, Location, Read, StateDiff, StateView, Value};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Blocks that one contender commits before it is the other's turn.
const TURN_BLOCKS: u64 = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.first().ok_or("usage: store_speed DIR [BLOCKS [UPDATES [ACCOUNTS [ENGINE]]]]")?;
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |number| number.parse());
    let (blocks, updates, accounts) = (number(1, 300)?, number(2, 10_000)?, number(3, 1_000_000)?);
    let out = &mut std::io::stdout();
    for engine in [EngineKind::Fjall, EngineKind::Redb] {
        if args.get(4).is_some_and(|name| !format!("{engine:?}").eq_ignore_ascii_case(name)) {
            continue;
        }
        let dir = Path::new(dir).join(format!("store-speed-{engine:?}"));
        let _ = std::fs::remove_dir_all(&dir);
        // The slower engine gets a tenth of the blocks.
        let blocks = if engine == EngineKind::Redb { blocks / 10 } else { blocks };
        measure(out, &dir, engine, blocks, updates, accounts)?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

fn account(rng: &mut SmallRng) -> Account {
    Account { nonce: rng.random_range(0..1000), balance: U256::from(rng.random::<u64>()) << 8, ..Account::default() }
}

fn hash_of(height: u64) -> B256 {
    keccak256(height.to_be_bytes())
}

fn block(height: u64, numbers: impl Iterator<Item = u64>, rng: &mut SmallRng) -> CommittedBlock {
    let mut diff = StateDiff::default();
    for number in numbers {
        let change = AccountDiff { account: Some(account(rng)), ..AccountDiff::default() };
        diff.accounts.insert(address(number), change);
    }
    let hash = hash_of(height);
    let parent = if height == 0 { B256::ZERO } else { hash_of(height - 1) };
    let header = Bytes::from(vec![1; 600]);
    CommittedBlock { height, hash, parent, root: hash, diff: Arc::new(diff), header, ..CommittedBlock::default() }
}

/// The floor: what has to be written, written once.
fn append(file: &mut File, block: &CommittedBlock) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(40 * block.diff.accounts.len());
    for (address, change) in &block.diff.accounts {
        bytes.extend_from_slice(address.as_slice());
        if let Some(account) = change.account {
            let (nonce, balance) = (account.nonce.to_be_bytes(), account.balance.to_be_bytes::<32>());
            bytes.extend_from_slice(&[8 - account.nonce.leading_zeros() as u8 / 8, account.balance.byte_len() as u8]);
            bytes.extend_from_slice(&nonce[account.nonce.leading_zeros() as usize / 8..]);
            bytes.extend_from_slice(&balance[32 - account.balance.byte_len()..]);
        }
    }
    file.write_all(&bytes)?;
    file.sync_data()
}

fn options(engine: EngineKind) -> Options {
    let identity = Identity { chain_id: 1, genesis: hash_of(0), archive: false };
    Options { engine, ..Options::new(identity) }
}

fn measure(
    out: &mut impl Write,
    dir: &Path,
    engine: EngineKind,
    blocks: u64,
    updates: u64,
    accounts: u64,
) -> Result<(), Box<dyn Error>> {
    let mut rng = SmallRng::seed_from_u64(1);
    let (store, _) = Store::open(dir, options(engine))?;
    let start = Instant::now();
    let load = 50_000;
    let mut height = 0;
    while height * load < accounts {
        let numbers = height * load..accounts.min((height + 1) * load);
        store.commit(block(height, numbers, &mut rng))?;
        height += 1;
    }
    store.flush()?;
    writeln!(out, "{engine:?}: {accounts} accounts loaded in {:.2?}", start.elapsed())?;
    // As execution does: what a block changes was read before.
    let warm = store.state();
    for number in 0..accounts {
        warm.value(Location::Account(address(number)))?;
    }
    drop(warm);
    let mut floor = OpenOptions::new().create(true).append(true).open(dir.join("floor"))?;
    let (mut floor_times, mut times) = (Vec::new(), Vec::new());
    let (mut total, mut waited) = (Duration::ZERO, Duration::ZERO);
    let last = height + blocks;
    while height < last {
        let turn: Vec<CommittedBlock> = (height..last.min(height + TURN_BLOCKS))
            .map(|height| {
                let numbers: Vec<u64> = (0..updates).map(|_| rng.random_range(0..accounts)).collect();
                block(height, numbers.into_iter(), &mut rng)
            })
            .collect();
        height += turn.len() as u64;
        for block in &turn {
            let start = Instant::now();
            append(&mut floor, block)?;
            floor_times.push(start.elapsed());
        }
        let turn_start = Instant::now();
        for block in turn {
            let start = Instant::now();
            store.commit(block)?;
            times.push(start.elapsed());
        }
        let start = Instant::now();
        store.flush()?;
        waited += start.elapsed();
        total += turn_start.elapsed();
    }
    let floor_total: Duration = floor_times.iter().sum();
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let (ours, floors) = (Spread::of(&mut times), Spread::of(&mut floor_times));
    writeln!(out, "{engine:?}: {blocks} blocks of {updates} updates")?;
    writeln!(
        out,
        "  floor  p50 {:.2?}  p99 {:.2?}  max {:.2?}  total {floor_total:.2?}",
        floors.p50, floors.p99, floors.max
    )?;
    writeln!(
        out,
        "  store  p50 {:.2?}  p99 {:.2?}  max {:.2?}  total with tables {total:.2?}",
        ours.p50, ours.p99, ours.max
    )?;
    writeln!(
        out,
        "  ratio  p50 {:.2}  p99 {:.2}  total {:.2}  (of it after the last commits of turns: {:.2?})",
        ratio(ours.p50, floors.p50),
        ratio(ours.p99, floors.p99),
        ratio(total, floor_total),
        waited,
    )?;
    read(out, store, dir, engine, accounts, &mut rng)
}

struct Spread {
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Spread {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

fn read(
    out: &mut impl Write,
    store: Store,
    dir: &Path,
    engine: EngineKind,
    accounts: u64,
    rng: &mut SmallRng,
) -> Result<(), Box<dyn Error>> {
    drop(store);
    let start = Instant::now();
    let (store, _) = Store::open(dir, options(engine))?;
    writeln!(out, "  opened again in {:.2?}", start.elapsed())?;
    let state = store.state();
    for pass in ["first reads (from the tables, pages in memory)", "the same again (from the cache)"] {
        let mut numbers = SmallRng::seed_from_u64(2);
        let count = 200_000;
        let start = Instant::now();
        for _ in 0..count {
            let value = state.value(Location::Account(address(numbers.random_range(0..accounts))))?;
            if !matches!(value, Value::Account(Some(_))) {
                return Err("an account is missing".into());
            }
        }
        writeln!(out, "  {pass}: {:.2} us each", start.elapsed().as_secs_f64() * 1e6 / count as f64)?;
    }
    let start = Instant::now();
    let absent = 50_000;
    for _ in 0..absent {
        state.value(Location::Account(address(accounts + rng.random_range(0..accounts))))?;
    }
    writeln!(out, "  accounts that do not exist: {:.2} us each", start.elapsed().as_secs_f64() * 1e6 / absent as f64)?;
    drop(state);
    drop(store);
    cold(out, dir, engine, accounts)
}

/// Has the system forget the pages of all files in a directory, through `dd` of the GNU core utilities.
fn forget(dir: &Path) -> std::io::Result<bool> {
    let mut done = true;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            done &= forget(&path)?;
        } else {
            let from = format!("if={}", path.display());
            done &= Command::new("dd").args([&from, "iflag=nocache", "count=0", "status=none"]).status()?.success();
        }
    }
    Ok(done)
}

/// Reads after the system forgot the files, one after the other and many at once.
fn cold(out: &mut impl Write, dir: &Path, engine: EngineKind, accounts: u64) -> Result<(), Box<dyn Error>> {
    for at_once in [1, 64] {
        let mut small = options(engine);
        // Less than the files are.
        (small.engine_cache_bytes, small.cache_bytes) = (4 << 20, 4 << 20);
        let (store, _) = Store::open(dir, small)?;
        let state = store.state();
        if !matches!(forget(&dir.join("tables")), Ok(true)) {
            writeln!(out, "  cold reads: not measured, there is no dd that forgets")?;
            return Ok(());
        }
        let mut rng = SmallRng::seed_from_u64(3 + at_once as u64);
        let rounds = 4000 / at_once;
        let start = Instant::now();
        for _ in 0..rounds {
            let locations: Vec<Location> =
                (0..at_once).map(|_| Location::Account(address(rng.random_range(0..accounts)))).collect();
            if at_once > 1 {
                state.prefetch(&locations);
            }
            for location in locations {
                while let Read::Pending(ticket) = state.read(location)? {
                    while !state.is_ready(ticket) {
                        std::thread::yield_now();
                    }
                }
            }
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / (rounds * at_once) as f64;
        writeln!(out, "  cold reads, {at_once} at once over 8 threads: {each:.1} us each")?;
    }
    Ok(())
}

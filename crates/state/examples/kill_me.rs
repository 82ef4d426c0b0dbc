//! A writer that is to be killed: commits a chain from a seed for ever, and says after each commit how far it is.
//!
//! ```text
//! kill_me write DIR SEED [fjall|redb]     commit on from where the store stands; one line per acknowledged height
//! kill_me check DIR SEED HEIGHT [engine]  the store stands at HEIGHT or above, and all of its state is the seed's
//! ```
//! `crates/state/tests/store_kills.rs` drives it. Every sixteenth commit is of several blocks, and now and then the chain
//! goes back a few blocks; what it then says is the new height, with a `!` before it goes. The store keeps the nodes of the tries,
//! and `check` compares all of them with the flat state.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_state::store::{CommittedBlock, EngineKind, Identity, Options, Store, TrieMode, Verify};
use motet_state::trie::{Crew, HashedDiff, StateTrie};
use motet_types::{Account, AccountDiff, Location, StateDiff, Value};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Accounts and slots of the chain.
const ACCOUNTS: u64 = 3000;
const SLOTS: u64 = 64;
/// Accounts that a block changes.
const CHANGES: u64 = 120;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["write", dir, seed, engine] => write(Path::new(dir), seed.parse()?, kind(engine)?),
        ["check", dir, seed, height, engine] => check(Path::new(dir), seed.parse()?, height.parse()?, kind(engine)?),
        _ => Err("usage: kill_me write DIR SEED ENGINE | kill_me check DIR SEED HEIGHT ENGINE".into()),
    }
}

fn kind(name: &str) -> Result<EngineKind, Box<dyn Error>> {
    match name {
        "fjall" => Ok(EngineKind::Fjall),
        "redb" => Ok(EngineKind::Redb),
        _ => Err(format!("no engine {name}").into()),
    }
}

fn options(seed: u64, engine: EngineKind) -> Options {
    let identity = Identity { chain_id: 1, genesis: hash_of(seed, 0), archive: false };
    let mut options = Options::new(identity);
    options.engine = engine;
    // Small, so that segments, batches and backpressure come often.
    options.segment_bytes = 256 << 10;
    options.trie = TrieMode::Paged { cache_bytes: 256 << 10 };
    options.waiting_bytes = 1 << 20;
    options.batch_bytes = 384 << 10;
    options.cache_bytes = 1 << 20;
    options.reader_threads = 2;
    options
}

fn mix(seed: u64, parts: [u64; 3]) -> u64 {
    let bytes = [seed, parts[0], parts[1], parts[2]].map(u64::to_be_bytes).concat();
    let hash = keccak256(bytes);
    hash.iter().take(8).fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn hash_of(seed: u64, height: u64) -> B256 {
    keccak256([seed.to_be_bytes(), height.to_be_bytes()].concat())
}

fn address(number: u64) -> Address {
    Address::left_padding_from(&(number + 1).to_be_bytes())
}

/// Which accounts a block changes; none twice.
fn changed(seed: u64, height: u64) -> impl Iterator<Item = u64> {
    let from = mix(seed, [height, 0, 0]) % ACCOUNTS;
    (0..CHANGES).map(move |at| (from + at * 7) % ACCOUNTS)
}

fn account(seed: u64, height: u64, number: u64) -> Account {
    Account { nonce: height, balance: U256::from(mix(seed, [height, number, 1])), ..Account::default() }
}

fn slot(seed: u64, height: u64, number: u64) -> (U256, U256) {
    let value = mix(seed, [height, number, 2]);
    (U256::from(value % SLOTS), if value.is_multiple_of(5) { U256::ZERO } else { U256::from(value) })
}

/// Every account of a block has one changed slot; every fortieth block wipes its first account first.
fn block(seed: u64, height: u64) -> CommittedBlock {
    let mut diff = StateDiff::default();
    for (at, number) in changed(seed, height).enumerate() {
        let (key, value) = slot(seed, height, number);
        let wiped = at == 0 && height.is_multiple_of(40);
        let storage = if wiped && value.is_zero() { Vec::new() } else { vec![(key, value)] };
        let change =
            AccountDiff { account: Some(account(seed, height, number)), wiped, storage: storage.into_iter().collect() };
        diff.accounts.insert(address(number), change);
    }
    let hash = hash_of(seed, height);
    CommittedBlock {
        height,
        hash,
        parent: if height == 0 { B256::ZERO } else { hash_of(seed, height - 1) },
        root: hash,
        diff: Arc::new(diff),
        header: Bytes::from(hash.to_vec()),
        body: Bytes::from(vec![height as u8; 500]),
        transactions: vec![keccak256(hash)],
        log_addresses: vec![address(height % 10)],
        ..CommittedBlock::default()
    }
}

fn write(dir: &Path, seed: u64, engine: EngineKind) -> Result<(), Box<dyn Error>> {
    let (store, opened) = Store::open(dir, options(seed, engine))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "opened {opened:?}")?;
    out.flush()?;
    let mut trie = store.open_trie(Crew::alone(), Verify::Sample, &mut |_| {})?;
    let mut next = store.head().map_or(0, |head| head.height + 1);
    for round in 0u64.. {
        let luck = mix(std::process::id().into(), [round, next, 3]);
        if luck.is_multiple_of(50) && next > 8 {
            let to = next - 2 - luck / 50 % 6;
            writeln!(out, "!{to}")?;
            out.flush()?;
            for height in (to + 1..next).rev() {
                trie.apply_hashed(&store.reverse(height)?)?;
            }
            store.rollback(to, Some(&trie.take_batch()?))?;
            next = to + 1;
        } else {
            let count = if luck % 16 == 1 { 4 } else { 1 };
            let blocks = (next..next + count).map(|height| with_nodes(block(seed, height), &mut trie));
            store.commit_many(blocks.collect::<Result<_, _>>()?)?;
            next += count;
        }
        trie.trim()?;
        writeln!(out, "{}", next - 1)?;
        out.flush()?;
    }
    Ok(())
}

fn with_nodes(block: CommittedBlock, trie: &mut StateTrie) -> Result<CommittedBlock, Box<dyn Error>> {
    let root = trie.update_hashed(&HashedDiff::of_diff(&block.diff, &Crew::alone()))?;
    let nodes = Some(Arc::new(trie.take_batch()?));
    Ok(CommittedBlock { root, nodes, ..block })
}

fn check(dir: &Path, seed: u64, least: u64, engine: EngineKind) -> Result<(), Box<dyn Error>> {
    let (store, opened) = Store::open(dir, options(seed, engine))?;
    let Some(head) = store.head() else {
        return if least == 0 { Ok(println_out("empty")?) } else { Err("the store is empty".into()) };
    };
    if head.height < least || head.hash != hash_of(seed, head.height) {
        return Err(format!("acknowledged {least}, the store stands at {head:?}").into());
    }
    // What the chain of the seed says, from the beginning.
    let mut accounts = vec![None; ACCOUNTS as usize];
    let mut slots = vec![std::collections::BTreeMap::new(); ACCOUNTS as usize];
    for height in 0..=head.height {
        for (at, number) in changed(seed, height).enumerate() {
            accounts[number as usize] = Some(account(seed, height, number));
            if at == 0 && height.is_multiple_of(40) {
                slots[number as usize].clear();
            }
            let (key, value) = slot(seed, height, number);
            slots[number as usize].insert(key, value);
        }
    }
    let state = store.state();
    for number in 0..ACCOUNTS {
        let found = state.value(Location::Account(address(number)))?;
        if found != Value::Account(accounts[number as usize]) {
            return Err(format!("account {number} at {}: {found:?}", head.height).into());
        }
        let storage = slots[number as usize].iter().filter(|(_, value)| !value.is_zero());
        let storage = storage.map(|(key, value)| (keccak256(key.to_be_bytes::<32>()), *value)).collect();
        if state.storage(address(number))? != storage {
            return Err(format!("storage of account {number} at {}", head.height).into());
        }
    }
    let rows = store.verify()?;
    store.open_trie(Crew::alone(), Verify::All, &mut |_| {})?;
    for height in head.height.saturating_sub(100)..=head.height {
        if store.header(height)?.map(|(hash, _)| hash) != Some(hash_of(seed, height)) {
            return Err(format!("header {height}").into());
        }
    }
    println_out(&format!("height {} rows {rows} {opened:?}", head.height))?;
    Ok(())
}

fn println_out(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

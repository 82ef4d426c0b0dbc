//! How fast transactions come into the pool and go into blocks: ERC-20 transfers from 100 senders to 50,000 recipients.
//! Times of stages are processor time of all threads; rates are by the wall clock.
//!
//! ```text
//! cargo run --release -p motet-chain --example ingest_and_seal -- [transactions] [threads] [block gas limit]
//! ```

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256, hex, keccak256};
use k256::ecdsa::SigningKey;
use motet_chain::pool::Origin;
use motet_chain::{BuildRequest, Chain, ChainOptions, EngineExecutor, GenesisBlock, LiveChain, PoolOptions, SealTimes};
use motet_exec::{Engine, ExecutorConfig};
use motet_types::{ChainSpec, Fork, Transaction};
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::time::Instant;

const SENDERS: usize = 100;
const RECIPIENTS: u64 = 50_000;
const BATCH: usize = 200;
const CHAIN_ID: u64 = 1337;
const GWEI: u128 = 1_000_000_000;
const TOKEN: Address = Address::repeat_byte(0x70);
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Processor time of all threads, which other work on the machine hardly changes.
fn now() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// `balanceOf[caller] -= amount; balanceOf[to] += amount; emit Transfer`, without a look at the selector.
fn token() -> Bytes {
    let moves = "335f5260405f2080546024359003905560043560005260405f20805460243501905560243560005260043533";
    format!("{moves}7f{}60205fa300", hex::encode(TRANSFER)).parse().unwrap_or_default()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let count = args.first().map_or(20_000, |count| *count as usize);
    let threads = args.get(1).map_or(2, |threads| *threads as usize);
    let gas_limit = args.get(2).copied().unwrap_or(2_000_000_000);

    let secrets: Vec<B256> = (0..SENDERS).map(|sender| keccak256(format!("sender {sender}"))).collect();
    let mut genesis = Genesis { gas_limit, timestamp: 1000, ..Genesis::default() };
    let mut balances = std::collections::BTreeMap::new();
    for secret in &secrets {
        let address = Address::from_private_key(&SigningKey::from_slice(secret.as_slice())?);
        let balance = U256::from(10).pow(U256::from(24));
        genesis.alloc.insert(address, GenesisAccount { balance, ..GenesisAccount::default() });
        let mut key = [0; 64];
        key[12..32].copy_from_slice(address.as_slice());
        balances.insert(keccak256(key), B256::from(U256::from(1) << 100));
    }
    let code = Some(token());
    genesis.alloc.insert(TOKEN, GenesisAccount { code, storage: Some(balances), ..GenesisAccount::default() });
    let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(CHAIN_ID, Fork::Cancun))?;

    let sign = |at: usize| -> Result<Bytes, Box<dyn Error>> {
        let to = Address::left_padding_from(&(0x1000_0000 + at as u64 % RECIPIENTS).to_be_bytes());
        let mut input = vec![0xa9, 0x05, 0x9c, 0xbb];
        input.extend_from_slice(to.into_word().as_slice());
        input.extend_from_slice(&U256::from(1 + at).to_be_bytes::<32>());
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: (at / SENDERS) as u64,
            gas_limit: 100_000,
            max_fee_per_gas: 10 * GWEI,
            max_priority_fee_per_gas: GWEI,
            to: TxKind::Call(TOKEN),
            input: input.into(),
            ..TxEip1559::default()
        };
        let signature = sign_message(secrets[at % SENDERS], tx.signature_hash())?;
        Ok(Transaction::from(tx.into_signed(signature)).encoded_2718().into())
    };
    let all: Vec<Bytes> = (0..count).map(sign).collect::<Result<_, _>>()?;

    let dir = std::env::temp_dir().join(format!("motet-ingest-{}", std::process::id()));
    let (chain, _) = Chain::init(&dir, genesis, ChainOptions { threads, ..ChainOptions::default() })?;
    let executor =
        EngineExecutor::new(Engine::Auto, ExecutorConfig { workers: threads, clock: now, ..ExecutorConfig::default() });
    let pool = PoolOptions { journal: Some(dir.join("pool.journal")), threads, ..PoolOptions::default() };
    let live = LiveChain::open(chain, Box::new(executor), pool)?.0.with_clock(now);

    let (began, cpu) = (Instant::now(), now());
    for batch in all.chunks(BATCH) {
        for result in live.pool().submit_many(batch.to_vec(), Origin::External) {
            result?;
        }
    }
    let ingest = began.elapsed();
    let cpu_us = (now() - cpu) as f64 / 1e3 / count as f64;
    let rate = count as f64 / ingest.as_secs_f64();
    print(format!("submit_many: {count} in {ingest:?}, {rate:.0}/s; {cpu_us:.1} us of processor time each"));

    let (mut blocks, began, cpu) = (0, Instant::now(), now());
    while live.pool().status().pending > 0 {
        let timestamp = live.reader().head().block().header.timestamp + 1;
        let sealed = live.seal(BuildRequest { timestamp, is_kept: true, ..BuildRequest::default() })?;
        let SealTimes { choose_ns, execute_ns, root_ns, commit_ns, publish_ns } = sealed.times;
        let ms = |ns: u64| ns as f64 / 1e6;
        let report = sealed.report.as_ref();
        print(format!(
            "block {}: {} transactions, {} gas, {} left out, by {:?}: choose {:.1} ms, execute {:.1}, root {:.1}, commit {:.1}, publish {:.1}",
            sealed.block.number(),
            sealed.senders.len(),
            sealed.gas.header,
            sealed.left_out.len(),
            report.map(|report| (report.path, report.executions, report.aborts)),
            ms(choose_ns),
            ms(execute_ns),
            ms(root_ns),
            ms(commit_ns),
            ms(publish_ns),
        ));
        blocks += 1;
    }
    let took = began.elapsed();
    let cpu_us = (now() - cpu) as f64 / 1e3 / count as f64;
    let rate = count as f64 / took.as_secs_f64();
    print(format!("seal: {count} in {blocks} blocks in {took:?}, {rate:.0}/s; {cpu_us:.1} us of processor time each"));
    drop(live);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example that measures")]
fn print(line: String) {
    println!("{line}");
}

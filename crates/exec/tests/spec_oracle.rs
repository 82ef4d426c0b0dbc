//! Against the Python specification: small random blocks of every fork give the state root, receipts root,
//! gas, logs, requests and state that `ethereum-spec-evm t8n` gives.
//!
//! The tool comes from PyPI (`ethereum-execution` 2.20.0) and is found through `MOTET_T8N` or the path; without
//! it the test says so and returns. It knows the forks up to Osaka. `MOTET_T8N_SEEDS` is the number of blocks
//! per fork; a block takes the tool about two seconds.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it compared")]

#[path = "spec_oracle/contracts.rs"]
mod contracts;
#[path = "spec_oracle/small_block.rs"]
mod small_block;
#[path = "spec_oracle/t8n.rs"]
mod t8n;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use motet_exec::{BlockExecutor, BlockInput, CommitSink, Engine, ExecutorConfig};
use motet_types::{BlockOutcome, Fork, MemoryState, StateDiff, TxIndex};
use small_block::SmallBlock;
use std::collections::BTreeMap;
use t8n::{Tool, Verdict};

/// Blocks per fork where nothing else is asked for.
const SEEDS_DEFAULT: u64 = 2;

const FORKS: [Fork; 14] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::Tangerine,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
];

fn state_root(state: &MemoryState) -> B256 {
    state_root_unhashed(state.accounts().map(|(address, entry)| {
        let storage = entry.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
        let leaf = TrieAccount {
            nonce: entry.account.nonce,
            balance: entry.account.balance,
            storage_root: storage_root_unhashed(storage),
            code_hash: entry.account.code_hash,
        };
        (*address, leaf)
    }))
}

/// The state step by step, as a trie that runs along would have it. Receipts before Byzantium carry its root.
struct Follower {
    state: MemoryState,
    roots_wanted: bool,
}

impl CommitSink for Follower {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.state.apply(step);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.state.apply(step.expect("steps are wanted"));
        self.roots_wanted.then(|| state_root(&self.state))
    }
}

/// Executes a block, and gives the outcome with the state after it.
fn execute(executor: &BlockExecutor, engine: Engine, small: &SmallBlock) -> (BlockOutcome, MemoryState) {
    let input = BlockInput::new(&small.block, &small.rules);
    let parent = small.state();
    let mut follower = Follower { state: parent.clone(), roots_wanted: !small.rules.is_active(Fork::Byzantium) };
    let outcome = executor
        .execute(engine, &input, &parent, Some(&mut follower))
        .unwrap_or_else(|error| panic!("{} {engine}: {error}", small.rules.fork.name()))
        .outcome;
    let mut state = parent;
    state.apply(&outcome.diff);
    assert_eq!(state_root(&follower.state), state_root(&state), "the steps together are the block's change");
    (outcome, state)
}

type PlainState = BTreeMap<Address, (U256, u64, Bytes, BTreeMap<U256, U256>)>;

fn plain(state: &MemoryState) -> PlainState {
    let account = |(address, entry): (&Address, &motet_types::MemoryAccount)| {
        let code = state.code(&entry.account.code_hash).cloned().unwrap_or_default();
        let storage = entry.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        (*address, (entry.account.balance, entry.account.nonce, code, storage))
    };
    state.accounts().map(account).collect()
}

fn differences(
    name: &str,
    small: &SmallBlock,
    outcome: &BlockOutcome,
    state: &MemoryState,
    verdict: &Verdict,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, ours: String, spec: String| {
        found.push(format!("{name}: {what}: {ours}, the specification {spec}"))
    };
    let logs: Vec<_> = outcome.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect();
    for (what, ours, spec) in [
        ("state root", state_root(state), verdict.state_root),
        ("receipts root", outcome.receipts_root, verdict.receipts_root),
        ("logs hash", keccak256(alloy_rlp::encode(logs)), verdict.logs_hash),
    ] {
        if ours != spec {
            differ(what, ours.to_string(), spec.to_string());
        }
    }
    if outcome.logs_bloom != verdict.logs_bloom {
        differ("logs bloom", outcome.logs_bloom.to_string(), verdict.logs_bloom.to_string());
    }
    if outcome.gas.header != verdict.gas_used {
        differ("gas", outcome.gas.header.to_string(), verdict.gas_used.to_string());
    }
    let requests_hash = small.rules.is_active(Fork::Prague).then(|| outcome.requests.requests_hash());
    if requests_hash != verdict.requests_hash {
        differ("requests hash", format!("{requests_hash:?}"), format!("{:?}", verdict.requests_hash));
    }
    let (ours, spec) = (plain(state), &verdict.alloc);
    for address in ours.keys().chain(spec.keys().filter(|address| !ours.contains_key(*address))) {
        if ours.get(address) != spec.get(address) {
            differ(&address.to_string(), format!("{:?}", ours.get(address)), format!("{:?}", spec.get(address)));
        }
    }
    found
}

#[test]
fn small_blocks_are_as_the_specification_executes_them() {
    let Some(tool) = Tool::find() else { return };
    let seeds =
        std::env::var("MOTET_T8N_SEEDS").map_or(SEEDS_DEFAULT, |count| count.parse().expect("a number of seeds"));
    let sequential = BlockExecutor::new(ExecutorConfig::default());
    let optimistic = BlockExecutor::new(ExecutorConfig { workers: 4, ..ExecutorConfig::default() });
    let mut found = Vec::new();
    for fork in FORKS {
        let (mut failed, mut transactions, mut deleted, mut requests) = (0, 0, 0, 0);
        for seed in 1..=seeds {
            let small = small_block::generate(fork, seed);
            let verdict = tool.run(&small);
            assert!(
                verdict.refused.is_empty(),
                "{} seed {seed}: the block is invalid: {:?}",
                fork.name(),
                verdict.refused
            );
            for (executor, engine) in [(&sequential, Engine::Sequential), (&optimistic, Engine::Optimistic)] {
                let (outcome, state) = execute(executor, engine, &small);
                let name = format!("{} seed {seed} {engine}", fork.name());
                found.extend(differences(&name, &small, &outcome, &state, &verdict));
                failed += outcome.receipts.iter().filter(|receipt| !receipt.status()).count();
                transactions += outcome.receipts.len();
                deleted += outcome.diff.accounts.values().filter(|change| change.account.is_none()).count();
                requests += outcome.requests.len();
            }
        }
        println!(
            "{}: {seeds} blocks, over both engines {transactions} transactions ({failed} with status 0), {deleted} accounts deleted, {requests} requests",
            fork.name()
        );
    }
    assert!(found.is_empty(), "{} differences from the specification:\n{}", found.len(), found.join("\n"));
}

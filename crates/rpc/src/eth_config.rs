//! What rules the chain has, and how much of it this node can answer for: `eth_config` (EIP-7910), `eth_capabilities`.

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::{MethodSet, Methods};
use alloy_eips::eip7840::BlobParams;
use alloy_eips::eip7910::SystemContract;
use alloy_hardforks::{ForkCondition, ForkHash};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use motet_types::{ChainSpec, Fork};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Precompiled contracts with the fork that brought them and the names that EIP-7910 gives them.
const PRECOMPILES: [(Fork, u64, &str); 18] = [
    (Fork::Frontier, 0x01, "ECREC"),
    (Fork::Frontier, 0x02, "SHA256"),
    (Fork::Frontier, 0x03, "RIPEMD160"),
    (Fork::Frontier, 0x04, "ID"),
    (Fork::Byzantium, 0x05, "MODEXP"),
    (Fork::Byzantium, 0x06, "BN254_ADD"),
    (Fork::Byzantium, 0x07, "BN254_MUL"),
    (Fork::Byzantium, 0x08, "BN254_PAIRING"),
    (Fork::Istanbul, 0x09, "BLAKE2F"),
    (Fork::Cancun, 0x0a, "KZG_POINT_EVALUATION"),
    (Fork::Prague, 0x0b, "BLS12_G1ADD"),
    (Fork::Prague, 0x0c, "BLS12_G1MSM"),
    (Fork::Prague, 0x0d, "BLS12_G2ADD"),
    (Fork::Prague, 0x0e, "BLS12_G2MSM"),
    (Fork::Prague, 0x0f, "BLS12_PAIRING_CHECK"),
    (Fork::Prague, 0x10, "BLS12_MAP_FP_TO_G1"),
    (Fork::Prague, 0x11, "BLS12_MAP_FP2_TO_G2"),
    (Fork::Osaka, 0x100, "P256VERIFY"),
];

/// `eth_config` and `eth_capabilities`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthConfig;

impl MethodSet for EthConfig {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_config", config);
        methods.add("eth_capabilities", capabilities);
    }
}

#[derive(Debug, Serialize)]
struct Config {
    current: ForkConfig,
    next: Option<ForkConfig>,
    last: Option<ForkConfig>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ForkConfig {
    activation_time: u64,
    blob_schedule: BlobSchedule,
    chain_id: U64,
    fork_id: Bytes,
    precompiles: BTreeMap<&'static str, Address>,
    system_contracts: BTreeMap<String, Address>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    target: u64,
    max: u64,
    base_fee_update_fraction: u64,
}

fn config(ctx: &RpcContext, _: &mut Args<'_>) -> Result<Config, RpcError> {
    let (spec, genesis) = (ctx.reader().spec(), ctx.reader().genesis());
    let head = ctx.reader().head();
    let (now, first) = (head.block().header.timestamp, genesis.block().header.timestamp);
    let times = fork_times(spec, first);
    let describe = |time: u64| fork_config(spec, genesis.hash(), first, time);
    let passed = || times.iter().filter(|time| **time <= now);
    let Some(current) = passed().next_back().and_then(|time| describe(*time)) else {
        return Err(RpcError::server("fork configuration is only available from Cancun on"));
    };
    let next = times.iter().find(|time| **time > now).and_then(|time| describe(*time));
    // EIP-7910: the last of all that are scheduled, if one is; it may be the next.
    let last = times.last().filter(|time| **time > now).and_then(|time| describe(*time));
    Ok(Config { current, next, last })
}

/// The moments at which rules change, ascending. Forks of the first block count as its beginning: zero.
fn fork_times(spec: &ChainSpec, first: u64) -> BTreeSet<u64> {
    let time = |condition| match condition {
        ForkCondition::Timestamp(time) => Some(if time <= first { 0 } else { time }),
        ForkCondition::Block(0) => Some(0),
        _ => None,
    };
    spec.activations().filter_map(|(_, condition)| time(condition)).collect()
}

/// The rules from a moment on; `None`: before Cancun, which EIP-7910 does not describe.
fn fork_config(spec: &ChainSpec, genesis: B256, first: u64, time: u64) -> Option<ForkConfig> {
    let fork = spec.fork_at(u64::MAX, time.max(first), Some(U256::MAX));
    let BlobParams { target_blob_count, max_blob_count, update_fraction, .. } = spec.blob_params(fork)?;
    let address = |number: u64| Address::left_padding_from(&number.to_be_bytes());
    let precompiles = PRECOMPILES.iter().filter(|(since, ..)| fork >= *since);
    let mut contracts: Vec<(SystemContract, Address)> = SystemContract::cancun().into();
    if fork >= Fork::Prague {
        contracts.extend(SystemContract::prague(Some(spec.deposit_contract)));
    }
    if fork >= Fork::Amsterdam {
        contracts.extend(SystemContract::amsterdam());
    }
    Some(ForkConfig {
        activation_time: time,
        blob_schedule: BlobSchedule {
            target: target_blob_count,
            max: max_blob_count,
            base_fee_update_fraction: u64::try_from(update_fraction).ok()?,
        },
        chain_id: U64::from(spec.chain_id),
        fork_id: fork_hash(spec, genesis, first, time).0.into(),
        precompiles: precompiles.map(|(_, number, name)| (*name, address(*number))).collect(),
        system_contracts: contracts.into_iter().map(|(contract, address)| (contract.to_string(), address)).collect(),
    })
}

/// The hash of all forks up to a moment. EIP-2124 and EIP-6122: forks of the first block are left out, and so is what
/// changes nothing.
fn fork_hash(spec: &ChainSpec, genesis: B256, first: u64, until: u64) -> ForkHash {
    let (mut blocks, mut times) = (BTreeSet::new(), BTreeSet::new());
    for (_, condition) in spec.activations() {
        match condition {
            ForkCondition::Block(block) if block > 0 => _ = blocks.insert(block),
            ForkCondition::TTD { fork_block: Some(block), .. } if block > 0 => _ = blocks.insert(block),
            ForkCondition::Timestamp(time) if time > first && time <= until => _ = times.insert(time),
            _ => {}
        }
    }
    blocks.into_iter().chain(times).fold(ForkHash::from(genesis), |hash, at| hash + at)
}

fn capabilities(ctx: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let (head, reader) = (ctx.reader().head(), ctx.reader());
    let first = U64::from(reader.genesis().number());
    let oldest = reader.store().oldest_state().map_err(RpcError::store)?;
    let oldest = U64::from(oldest.unwrap_or(head.number()).max(reader.genesis().number()));
    let since = |block: U64| json!({"disabled": false, "oldestBlock": block});
    Ok(json!({
        "head": {"number": U64::from(head.number()), "hash": head.hash()},
        "state": since(oldest),
        "stateproofs": since(oldest),
        "tx": since(first),
        "logs": since(first),
        "receipts": since(first),
        "blocks": since(first),
    }))
}

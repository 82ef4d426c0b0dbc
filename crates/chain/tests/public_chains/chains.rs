//! Small chains of all forks: every block passes, and every changed field is noticed.

use super::fixtures;
use super::ledger::Ledger;
use alloy_consensus::Header;
use alloy_primitives::{B64, B256, Bytes, U256};
use motet_chain::{BlockError, GenesisBlock};
use motet_types::{Block, Fork};

/// Validates a whole chain; `visit` sees each block before it is kept, with the fork in force.
fn walk(folder: &str, chain: &str, mut visit: impl FnMut(&Ledger, &Block, Fork)) -> Option<usize> {
    let genesis = fixtures::genesis(&format!("{folder}/genesis.json"))?;
    let blocks = fixtures::blocks(&format!("{folder}/{chain}"))?;
    let genesis = GenesisBlock::from_genesis(&genesis).unwrap();
    assert_eq!(blocks[0].header.parent_hash, genesis.hash, "the chain stands on this genesis");
    let first = Block { header: genesis.header, ..Block::default() };
    let mut ledger = Ledger::new(genesis.spec.clone(), first);
    let count = blocks.len();
    for block in blocks {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        ledger.validate_fully(&block).unwrap_or_else(|error| panic!("block {number} {hash}: {error}"));
        let sum = ledger.total_difficulty(&block.header.parent_hash);
        visit(&ledger, &block, genesis.spec.fork_at(number, block.header.timestamp, Some(sum)));
        ledger.keep(block);
    }
    Some(count)
}

#[test]
fn shanghai_to_prague_600_blocks() {
    if let Some(count) = walk("chains/geth-ethtest", "chain.rlp.gz", |_, _, _| {}) {
        assert_eq!(count, 600);
    }
}

#[test]
fn byzantium_3000_blocks() {
    if let Some(count) = walk("chains/hive-devp2p", "chain.rlp.gz", |_, _, _| {}) {
        assert_eq!(count, 3000);
    }
}

type Edit = fn(&mut Header);
type Expected = fn(&BlockError, Fork) -> bool;

/// One change of each field that can be judged before execution, and what must come of it.
const EDITS: [(&str, Edit, Expected); 19] = {
    use BlockError as E;
    [
        ("parent_hash", |h| h.parent_hash[0] ^= 1, |e, _| matches!(e, E::UnknownParent { .. })),
        ("number above", |h| h.number += 1, |e, _| matches!(e, E::Number { .. })),
        ("number below", |h| h.number -= 1, |e, _| matches!(e, E::Number { .. })),
        ("timestamp", |h| h.timestamp = 0, |e, _| matches!(e, E::Timestamp { .. })),
        ("extra_data", |h| h.extra_data = Bytes::from([1; 33]), |e, _| matches!(e, E::ExtraDataTooLong { .. })),
        ("gas_limit up", |h| h.gas_limit += h.gas_limit / 500, |e, _| matches!(e, E::GasLimitStep { .. })),
        ("gas_limit down", |h| h.gas_limit -= h.gas_limit / 500, |e, _| matches!(e, E::GasLimitStep { .. })),
        (
            "gas_limit zero",
            |h| h.gas_limit = 0,
            |e, _| matches!(e, E::GasLimitBelowMin { .. } | E::GasUsedAboveLimit { .. }),
        ),
        ("gas_limit huge", |h| h.gas_limit = u64::MAX, |e, _| matches!(e, E::GasLimitAboveMax { .. })),
        ("gas_used", |h| h.gas_used = h.gas_limit + 1, |e, _| matches!(e, E::GasUsedAboveLimit { .. })),
        (
            "difficulty",
            |h| h.difficulty += U256::from(1),
            |e, fork| match e {
                E::Difficulty { .. } => fork < Fork::Paris,
                E::DifficultyAfterMerge { .. } => fork >= Fork::Paris,
                _ => false,
            },
        ),
        (
            "nonce",
            |h| h.nonce = B64::from(u64::from_be_bytes(h.nonce.0).wrapping_add(1).to_be_bytes()),
            |e, fork| fork >= Fork::Paris && matches!(e, E::NonceAfterMerge { .. }),
        ),
        (
            "ommers_hash",
            |h| h.ommers_hash[0] ^= 1,
            |e, fork| match e {
                E::OmmersHash { .. } => fork < Fork::Paris,
                E::OmmersAfterMerge { .. } => fork >= Fork::Paris,
                _ => false,
            },
        ),
        ("transactions_root", |h| h.transactions_root[0] ^= 1, |e, _| matches!(e, E::TransactionsRoot { .. })),
        (
            "base_fee_per_gas",
            |h| h.base_fee_per_gas = h.base_fee_per_gas.map_or(Some(7), |fee| Some(fee + 1)),
            |e, fork| match e {
                E::BaseFee { .. } => fork >= Fork::London,
                E::UnexpectedField { field } => fork < Fork::London && *field == "base_fee_per_gas",
                _ => false,
            },
        ),
        (
            "withdrawals_root",
            |h| h.withdrawals_root = Some(B256::repeat_byte(9)),
            |e, fork| match e {
                E::WithdrawalsRoot { .. } => fork >= Fork::Shanghai,
                E::UnexpectedField { field } => fork < Fork::Shanghai && *field == "withdrawals_root",
                _ => false,
            },
        ),
        (
            "excess_blob_gas",
            |h| h.excess_blob_gas = h.excess_blob_gas.map_or(Some(7), |gas| Some(gas + 1)),
            |e, fork| match e {
                E::ExcessBlobGas { .. } => fork >= Fork::Cancun,
                E::UnexpectedField { field } => fork < Fork::Cancun && *field == "excess_blob_gas",
                _ => false,
            },
        ),
        (
            "blob_gas_used",
            |h| h.blob_gas_used = Some(u64::MAX),
            |e, fork| match e {
                E::BlobGasUsedAboveMax { .. } => fork >= Fork::Cancun,
                E::UnexpectedField { field } => fork < Fork::Cancun && *field == "blob_gas_used",
                _ => false,
            },
        ),
        ("slot_number", |h| h.slot_number = Some(1), |e, _| matches!(e, E::UnexpectedField { field: "slot_number" })),
    ]
};

/// The fields that a fork added, each taken away.
const REMOVALS: [(&str, Edit, Fork); 6] = [
    ("base_fee_per_gas", |h| h.base_fee_per_gas = None, Fork::London),
    ("withdrawals_root", |h| h.withdrawals_root = None, Fork::Shanghai),
    ("blob_gas_used", |h| h.blob_gas_used = None, Fork::Cancun),
    ("excess_blob_gas", |h| h.excess_blob_gas = None, Fork::Cancun),
    ("parent_beacon_block_root", |h| h.parent_beacon_block_root = None, Fork::Cancun),
    ("requests_hash", |h| h.requests_hash = None, Fork::Prague),
];

#[test]
fn homestead_to_bpo2_and_every_changed_field() {
    let mut forks = std::collections::BTreeSet::new();
    let count = walk("rpc", "chain.rlp", |ledger, block, fork| {
        forks.insert(fork);
        let refused = |what: &str, edit: Edit, expected: &dyn Fn(&BlockError) -> bool| {
            let mut changed = block.clone();
            edit(&mut changed.header);
            let number = block.header.number;
            match ledger.validate_fully(&changed) {
                Ok(()) => panic!("block {number} ({fork}) passes with another {what}"),
                Err(error) => assert!(expected(&error), "block {number} ({fork}) with another {what}: {error}"),
            }
        };
        for (what, edit, expected) in EDITS {
            // The nonce is part of the seal before the merge, and seals are not verified.
            if what != "nonce" || fork >= Fork::Paris {
                refused(what, edit, &|error| expected(error, fork));
            }
        }
        for (what, edit, since) in REMOVALS {
            if fork >= since {
                refused(what, edit, &|error| matches!(error, BlockError::MissingField { field } if *field == what));
            }
        }
    });
    if let Some(count) = count {
        assert_eq!(count, 54);
        assert!(forks.len() >= 16, "{forks:?}");
        assert!(forks.contains(&Fork::Homestead) && forks.contains(&Fork::Bpo2));
    }
}

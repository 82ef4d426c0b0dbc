//! The conformance suites: every valid block passes, and every refusal has the name that the case expects.

use super::archives::{self, Case};
use super::ledger::Ledger;
use alloy_eips::eip7840::BlobParams;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{U256, hex};
use motet_chain::exception_names;
use motet_chain::validate::decode_block;
use motet_types::spec::fork_by_name;
use motet_types::{ChainSpec, Fork};
use std::collections::BTreeMap;

/// What only execution can find.
const FOUND_BY_EXECUTION: [&str; 23] = [
    "BlockException.BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED",
    "BlockException.GAS_USED_OVERFLOW",
    "BlockException.INCORRECT_BLOCK_FORMAT",
    "BlockException.INVALID_BAL_HASH",
    "BlockException.INVALID_BLOCK_ACCESS_LIST",
    "BlockException.INVALID_DEPOSIT_EVENT_LAYOUT",
    "BlockException.INVALID_GAS_USED",
    "BlockException.INVALID_LOG_BLOOM",
    "BlockException.INVALID_RECEIPTS_ROOT",
    "BlockException.INVALID_REQUESTS",
    "BlockException.INVALID_STATE_ROOT",
    "BlockException.SYSTEM_CONTRACT_CALL_FAILED",
    "BlockException.SYSTEM_CONTRACT_EMPTY",
    "TransactionException.GAS_ALLOWANCE_EXCEEDED",
    "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
    "TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS",
    "TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS",
    "TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST",
    "TransactionException.INTRINSIC_GAS_TOO_LOW",
    "TransactionException.NONCE_MISMATCH_TOO_HIGH",
    "TransactionException.NONCE_MISMATCH_TOO_LOW",
    "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
    "TransactionException.SENDER_NOT_EOA",
];

/// A case of April 2026, when EIP-7954 allowed 64 KiB of init code; since June it allows 128.
const OUTDATED_CASE: &str = "test_over_max_initcode_size_mainnet[fork_Amsterdam";

#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    valid: usize,
    refused: usize,
    left_to_execution: BTreeMap<String, usize>,
    faults: Vec<String>,
}

fn run(archive: &str) -> Option<Tally> {
    let mut tally = Tally::default();
    archives::visit(archive, |name, case| {
        tally.cases += 1;
        check(name, &case, &mut tally);
    })?;
    assert!(tally.faults.is_empty(), "{} faults in {archive}:\n{}", tally.faults.len(), tally.faults.join("\n"));
    Some(tally)
}

fn check(name: &str, case: &Case, tally: &mut Tally) {
    let genesis = decode_block(&case.genesis_rlp).unwrap();
    let mut ledger = Ledger::new(spec(case), genesis);
    for (pos, block) in case.blocks.iter().enumerate() {
        let rlp = hex::decode(&block.rlp).unwrap();
        let verdict = decode_block(&rlp).and_then(|block| ledger.validate_signed(&block).map(|()| block));
        match (verdict, &block.expect_exception) {
            (Ok(block), None) => match ledger.validate_fully(&block) {
                Ok(()) => {
                    tally.valid += 1;
                    ledger.keep(block);
                }
                Err(error) => tally.faults.push(format!("{name}, block {pos}: {error}")),
            },
            (Ok(block), Some(expected)) if expected == "BlockException.INVALID_TRANSACTIONS_ROOT" => {
                let error = ledger.validate_fully(&block).unwrap_err();
                assert!(exception_names(&error).contains(&expected.as_str()), "{name}, block {pos}: {error}");
                tally.refused += 1;
            }
            (Ok(_), Some(_)) if name.contains(OUTDATED_CASE) => {}
            (Ok(_), Some(expected)) => {
                if expected.split('|').any(|name| FOUND_BY_EXECUTION.contains(&name)) {
                    *tally.left_to_execution.entry(expected.clone()).or_default() += 1;
                } else {
                    tally.faults.push(format!("{name}, block {pos}: passes, but {expected} is expected"));
                }
            }
            (Err(error), None) => tally.faults.push(format!("{name}, block {pos}: {error}")),
            (Err(error), Some(expected)) => {
                let names = exception_names(&error);
                if expected.split('|').any(|expected| names.contains(&expected)) {
                    tally.refused += 1;
                } else {
                    tally.faults.push(format!("{name}, block {pos}: {error}, but {expected} is expected"));
                }
            }
        }
    }
}

/// The rules that a case's network name and blob schedule stand for.
fn spec(case: &Case) -> ChainSpec {
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let chain_id = case.config.chain_id.as_deref().map_or(1, number);
    let mut spec = match case.network.split_once("To") {
        None => ChainSpec::at_fork(chain_id, fork_by_name(&case.network).unwrap()),
        Some((from, rest)) => {
            let (to, at) = rest.split_once("At").unwrap();
            transition(chain_id, fork_by_name(from).unwrap(), fork_by_name(to).unwrap(), at)
        }
    };
    for (name, params) in &case.config.blob_schedule {
        let fork = fork_by_name(name).unwrap();
        let params = BlobParams {
            target_blob_count: number(&params.target),
            max_blob_count: number(&params.max),
            update_fraction: u128::from(number(&params.base_fee_update_fraction)),
            ..BlobParams::cancun()
        };
        spec.set_blob_params(fork, params).unwrap();
    }
    spec
}

fn transition(chain_id: u64, from: Fork, to: Fork, at: &str) -> ChainSpec {
    let condition = if let Some(time) = at.strip_prefix("Time") {
        ForkCondition::Timestamp(time.trim_end_matches('k').parse::<u64>().unwrap() * 1000)
    } else if let Some(difficulty) = at.strip_prefix("Diff") {
        let total_difficulty = U256::from_str_radix(difficulty, 16).unwrap();
        ForkCondition::TTD { activation_block_number: u64::MAX, fork_block: None, total_difficulty }
    } else {
        ForkCondition::Block(at.parse().unwrap())
    };
    let mut spec = ChainSpec::at_fork(chain_id, from);
    for fork in Fork::VARIANTS.iter().filter(|fork| **fork > from && **fork <= to && **fork != Fork::Dao) {
        spec.set_activation(*fork, condition);
    }
    spec
}

#[test]
fn ethereum_tests() {
    if let Some(tally) = run("ethereum-tests/blockchain_tests.tar.zst") {
        assert!(tally.cases > 500 && tally.refused > 80, "{tally:?}");
    }
}

#[test]
fn execution_spec_tests() {
    if let Some(tally) = run("eest/v5.4.0-blockchain_tests.tar.zst") {
        assert!(tally.cases > 4000 && tally.refused > 150, "{tally:?}");
    }
}

#[test]
fn execution_spec_tests_of_fork_transitions() {
    if let Some(tally) = run("eest/bal-v5.7.0-transitions.tar.zst") {
        assert!(tally.cases > 50 && tally.refused > 10, "{tally:?}");
    }
}

#[test]
fn execution_spec_tests_of_amsterdam() {
    if let Some(tally) = run("eest/bal-v5.7.0-amsterdam.tar.zst") {
        assert!(tally.cases > 4000 && tally.refused > 60, "{tally:?}");
    }
}

#[test]
fn execution_spec_tests_of_every_fork() {
    if let Some(tally) = run("eest/bal-v5.7.0-forks.tar.zst") {
        assert!(tally.cases > 18_000 && tally.refused > 300, "{tally:?}");
    }
}

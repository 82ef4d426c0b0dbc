//! Every interleaving of small blocks with a bounded number of switches, step by step: the production
//! scheduler, multi-version memory, validation and commit cursor, with the EVM's reads as steps.
//!
//! A switch is a step at which another worker goes on than the one that went last although that one could.
//! All interleavings with at most `MOTET_SWITCHES` of them (default 3) are run: Musuvathi and Qadeer,
//! "Iterative context bounding", 2007, found that few switches suffice to show nearly all faults.

#![allow(clippy::print_stdout)] // A test reports on its own output.

use alloy_consensus::{BlockBody, Header, Signed, TxLegacy};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Hints, Schedule, Suspension};
use motet_types::{Block, BlockRules, ChainSpec, Fork, Location, MemoryState, RecoveredBlock, Transaction, TxIndex};
use std::cell::RefCell;

thread_local! {
    /// The choices of this run so far: (chosen, of how many).
    static SCRIPT: RefCell<(Vec<(usize, usize)>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

/// Follows the script as far as it goes, then always takes the first.
fn choose(bound: usize) -> usize {
    SCRIPT.with_borrow_mut(|(script, at)| {
        if *at == script.len() {
            script.push((0, bound));
        }
        let choice = script[*at].0;
        *at += 1;
        choice
    })
}

/// Moves to the next script in depth-first order; `false` when all are done.
fn advance(switches_max: usize) -> bool {
    SCRIPT.with_borrow_mut(|(script, at)| {
        *at = 0;
        while let Some((choice, bound)) = script.pop() {
            let switches = script.iter().filter(|step| step.0 > 0).count();
            if choice + 1 < bound && switches < switches_max {
                script.push((choice + 1, bound));
                return true;
            }
        }
        false
    })
}

struct Case {
    name: &'static str,
    rules: BlockRules,
    block: RecoveredBlock,
    state: MemoryState,
}

fn sender(index: u8) -> Address {
    Address::with_last_byte(0xe0 + index)
}

fn contract(index: u8) -> Address {
    Address::with_last_byte(0xc0 + index)
}

/// A block of calls `(sender, nonce, to, value)` over the given contracts.
fn case(name: &'static str, fork: Fork, codes: &[&[u8]], calls: &[(u8, u64, Address, u64)]) -> Case {
    let mut state = MemoryState::new();
    for index in 0..3 {
        state.insert_account(sender(index), U256::from(10u64.pow(15)), 0, Bytes::new(), []);
    }
    for (index, code) in codes.iter().enumerate() {
        let storage = [(U256::ZERO, U256::from(1))];
        state.insert_account(contract(index as u8), U256::from(1), 1, Bytes::copy_from_slice(code), storage);
    }
    let transactions = calls
        .iter()
        .map(|(_, nonce, to, value)| {
            let tx = TxLegacy {
                chain_id: Some(1),
                nonce: *nonce,
                gas_price: 1,
                gas_limit: 200_000,
                to: TxKind::Call(*to),
                value: U256::from(*value),
                input: Bytes::new(),
            };
            Transaction::Legacy(Signed::new_unhashed(tx, Signature::test_signature()))
        })
        .collect();
    let header = Header {
        number: 1,
        timestamp: 12,
        gas_limit: 30_000_000,
        beneficiary: Address::with_last_byte(0xbe),
        base_fee_per_gas: (fork >= Fork::London).then_some(0),
        ..Header::default()
    };
    let block = Block::new(header, BlockBody { transactions, ommers: Vec::new(), withdrawals: None });
    let senders = calls.iter().map(|call| sender(call.0)).collect();
    let authorities = calls.iter().map(|_| Vec::new()).collect();
    let rules = ChainSpec::at_fork(1, fork).rules_at(1, 12, None);
    Case { name, rules, block: RecoveredBlock::new(block, senders, authorities), state }
}

/// SSTORE(0, SLOAD(0) + 1)
const INCREMENT: &[u8] = &[0x60, 1, 0x60, 0, 0x54, 0x01, 0x60, 0, 0x55];
/// SSTORE(0, BALANCE(COINBASE))
const READ_BENEFICIARY: &[u8] = &[0x41, 0x31, 0x60, 0, 0x55];
/// SELFDESTRUCT(CALLER)
const DESTROY: &[u8] = &[0x33, 0xff];
/// SSTORE(1, SLOAD(0)); SSTORE(0, 7)
const COPY: &[u8] = &[0x60, 0, 0x54, 0x60, 1, 0x55, 0x60, 7, 0x60, 0, 0x55];

fn cases() -> Vec<Case> {
    let c = contract(0);
    vec![
        case("two increments", Fork::Shanghai, &[INCREMENT], &[(0, 0, c, 0), (1, 0, c, 0)]),
        case("three increments", Fork::Shanghai, &[INCREMENT], &[(0, 0, c, 0), (1, 0, c, 0), (2, 0, c, 0)]),
        case(
            "increment and copy",
            Fork::Berlin,
            &[INCREMENT, COPY],
            &[(0, 0, c, 0), (1, 0, contract(1), 0), (2, 0, c, 0)],
        ),
        case("one sender", Fork::Shanghai, &[INCREMENT], &[(0, 0, c, 0), (0, 1, c, 0), (0, 2, sender(1), 5)]),
        case(
            "beneficiary read",
            Fork::Shanghai,
            &[READ_BENEFICIARY],
            &[(0, 0, sender(1), 1), (1, 0, c, 0), (2, 0, c, 0)],
        ),
        case(
            "destroyed, then called",
            Fork::Berlin,
            &[DESTROY, INCREMENT],
            &[(0, 0, c, 0), (1, 0, c, 1), (2, 0, c, 0)],
        ),
        case("bad nonce in the middle", Fork::Shanghai, &[INCREMENT], &[(0, 0, c, 0), (1, 4, c, 0), (2, 0, c, 0)]),
        case("last nonce too low", Fork::Shanghai, &[INCREMENT], &[(0, 0, c, 0), (0, 0, c, 0)]),
    ]
}

/// Every transaction is predicted to write the first slots of every contract.
fn hostile_hints(tx_count: usize) -> Hints {
    let slots = || [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(at, slot)| Location::Slot(contract(at), U256::from(slot)));
    let writes = (0..tx_count).flat_map(|tx| slots().map(|slot| (TxIndex::from(tx), slot))).collect();
    Hints { writes, weights: Vec::new() }
}

#[test]
fn every_interleaving_of_small_blocks_gives_the_sequential_outcome() {
    let switches: usize = std::env::var("MOTET_SWITCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut total = 0;
    for case in cases() {
        let input = BlockInput::new(&case.block, &case.rules);
        let sequential = BlockExecutor::new(ExecutorConfig::default());
        let expected =
            sequential.execute(Engine::Sequential, &input, &case.state, None).map(|execution| execution.outcome);
        let hostile = hostile_hints(case.block.tx_count());
        for (workers, suspension, hints) in [
            (2, Suspension::Always, None),
            (2, Suspension::Never, None),
            (3, Suspension::Always, None),
            (2, Suspension::Always, Some(&hostile)),
            (2, Suspension::Never, Some(&hostile)),
        ] {
            let input = BlockInput { hints, ..input };
            let hinted = if hints.is_some() { ", all predicted to write" } else { "" };
            let config =
                // What was learned from one run would change the next, and the scripts with it.
                ExecutorConfig {
                    workers,
                    suspension,
                    schedule: Schedule::Driven(choose),
                    predicts: false,
                    ..ExecutorConfig::default()
                };
            let executor = BlockExecutor::new(config);
            SCRIPT.set((Vec::new(), 0));
            let (mut runs, mut aborts, mut suspensions) = (0u64, 0u64, 0u64);
            loop {
                let found = executor.execute(Engine::Optimistic, &input, &case.state, None).map(|execution| {
                    aborts += execution.report.aborts;
                    suspensions += execution.report.suspensions;
                    execution.outcome
                });
                runs += 1;
                assert!(
                    found == expected,
                    "{}, {workers} workers, {suspension:?}{hinted}, script {:?}:\nexpected {expected:#?}\nfound {found:#?}",
                    case.name,
                    SCRIPT.with_borrow(|script| script.0.clone())
                );
                if !advance(switches) {
                    break;
                }
            }
            total += runs;
            println!(
                "{}, {workers} workers, {suspension:?}{hinted}: {runs} interleavings, {aborts} aborts, {suspensions} suspensions",
                case.name
            );
        }
    }
    println!("{total} interleavings with at most {switches} switches");
}

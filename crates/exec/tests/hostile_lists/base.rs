//! Blocks to lie about.

use crate::support::{Authorized, BENEFICIARY, Case, Code, Tx, contract, deployer, eoa, op};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::Address;
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Suspension};
use motet_types::{BlockRecord, BlockRules, Fork, MemoryState, RecoveredBlock};
use motet_workload::generate::{BlockSize, GenerateOptions, TrafficMix, generate};

/// A block to lie about.
pub(crate) struct Base {
    pub(crate) name: &'static str,
    pub(crate) rules: BlockRules,
    pub(crate) block: RecoveredBlock,
    pub(crate) state: MemoryState,
    pub(crate) record: BlockRecord,
}

impl Base {
    pub(crate) fn new(name: &'static str, rules: BlockRules, block: RecoveredBlock, state: MemoryState) -> Self {
        let executor = executor(1);
        let input = BlockInput::new(&block, &rules);
        let execution = executor.execute(Engine::Sequential, &input, &state, None).expect("the block is valid");
        let record = execution.outcome.record;
        Self { name, rules, block, state, record }
    }

    pub(crate) fn of_case(name: &'static str, case: &Case) -> Self {
        Self::new(name, case.rules.clone(), case.block(), case.state.clone())
    }
}

pub(crate) fn executor(workers: usize) -> BlockExecutor {
    let suspension = if workers == 2 { Suspension::Always } else { Suspension::WhenUseful };
    BlockExecutor::new(ExecutorConfig { workers, suspension, ..ExecutorConfig::default() })
}

/// A bit of everything: counters, deploys, delegations, the beneficiary's balance, a precompile, a
/// destruction, a withdrawal.
pub(crate) fn handwritten() -> Case {
    let mut case = Case::new("hostile lists", Fork::Amsterdam);
    case.header.gas_limit = 60_000_000;
    case.place_with(contract(1), &Code::new().increment(1).load(2).op(op::POP), 0, &[(1, 5), (2, 6)]);
    case.place(contract(2), &Code::new().op(op::COINBASE).op(op::BALANCE).store_at_arg());
    let pays = Code::new().call(eoa(9), 5).store(3).call(Address::with_last_byte(4), 0).op(op::POP);
    case.place_with(contract(3), &pays, 7, &[(3, 9)]);
    case.place(contract(4), &Code::new().increment(0));
    let dies = Code::new().push(5).store(1).push(eoa(9)).op(op::SELFDESTRUCT).vec();
    case.place_with(contract(5), &Code::new().create(&dies, 2).op(op::POP), 9, &[]);
    case.fund(eoa(9), 1);
    case.fund(eoa(30), 1);
    case.withdrawals = vec![Withdrawal { index: 0, validator_index: 0, address: eoa(9), amount: 2 }];
    case.send(eoa(1), Tx::call(contract(1)));
    case.send(eoa(2), Tx::call(contract(1)));
    case.send(eoa(1), Tx::call(contract(2)).arg(7));
    case.send(eoa(3), Tx::create(deployer(Code::new().push(5).store(1), &Code::new().increment(1))).value(1));
    case.send(eoa(4), Tx::call(eoa(3).create(0)));
    case.send(eoa(5), Tx::call(contract(3)));
    case.send(eoa(6), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(30), contract(4), 0)]));
    case.send(eoa(2), Tx::call(eoa(30)));
    case.send(eoa(7), Tx::call(contract(5)).tip(0).price(7));
    case.send(eoa(8), Tx::call(contract(2)).arg(8));
    case.send(eoa(8), Tx::call(BENEFICIARY).value(3));
    case
}

pub(crate) fn bases() -> Vec<Base> {
    let mut options = GenerateOptions {
        seed: 7,
        mix: TrafficMix::everyday(),
        size: BlockSize::TxCount(12),
        account_count: 16,
        fork: Fork::Amsterdam,
        sign: false,
        ..GenerateOptions::default()
    };
    let mut bases = vec![Base::of_case("handwritten", &handwritten())];
    for (name, seed) in [("generated, seed 7", 7), ("generated, seed 8", 8)] {
        options.seed = seed;
        let generated = generate(&options).expect("the options are in bounds");
        let block = generated.blocks[0].clone();
        bases.push(Base::new(name, generated.rules, block, generated.state));
    }
    bases
}

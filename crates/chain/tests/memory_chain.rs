//! Heads, side chains, ancestors and bounds of a chain in memory, on blocks without transactions.

use alloy_consensus::Header;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_chain::execution::ExecuteResult;
use motet_chain::validate::next_difficulty;
use motet_chain::{
    BlockError, ChainLimits, ExecFailure, ExecuteRequest, GenesisBlock, MemoryChain, RootCalculator,
    memory_chain::ImportError,
};
use motet_types::{
    AccountDiff, Block, BlockOutcome, ChainSpec, Fork, Location, MemoryState, Read, StateDiff, StateView, Value,
    ViewError,
};

const DIFFICULTY: u64 = 1 << 20;

fn chain(spec: ChainSpec, limits: ChainLimits) -> MemoryChain {
    let mut state = MemoryState::new();
    state.insert_account(Address::repeat_byte(9), U256::from(9), 0, Bytes::new(), []);
    let state_root = RootCalculator::new(state.clone()).root();
    let difficulty = U256::from(DIFFICULTY);
    let header = Header { gas_limit: 5000, difficulty, state_root, ..Header::default() };
    MemoryChain::new(GenesisBlock::from_parts(spec, header, state), limits)
}

fn frontier() -> MemoryChain {
    chain(ChainSpec::at_fork(1, Fork::Frontier), ChainLimits::UNBOUNDED)
}

/// A chain that merges at a total difficulty which its genesis does not reach.
fn merging(total_difficulty: u64) -> MemoryChain {
    let mut spec = ChainSpec::at_fork(1, Fork::Berlin);
    let total_difficulty = U256::from(total_difficulty);
    let condition = ForkCondition::TTD { activation_block_number: u64::MAX, fork_block: None, total_difficulty };
    spec.set_activation(Fork::London, ForkCondition::Block(0));
    spec.set_activation(Fork::Paris, condition);
    chain(spec, ChainLimits::UNBOUNDED)
}

fn pay_rewards(request: ExecuteRequest<'_>) -> ExecuteResult {
    let mut diff = StateDiff::default();
    for (address, amount) in request.rewards {
        let Read::Ready(Value::Account(before)) = request.view.read(Location::Account(*address))? else {
            unreachable!("states in memory answer at once, with what they are asked for");
        };
        let mut account = before.unwrap_or_default();
        account.balance += amount;
        diff.accounts.insert(*address, AccountDiff { account: Some(account), ..AccountDiff::default() });
    }
    Ok(BlockOutcome { diff, ..BlockOutcome::default() })
}

/// A valid block on `parent`, for `beneficiary`.
fn child(chain: &MemoryChain, parent: B256, seconds: u64, beneficiary: u8) -> Block {
    let above = chain.block(&parent).expect("the parent is on the chain");
    let (header, sum) = (&above.block().header, above.total_difficulty());
    let (number, timestamp) = (header.number + 1, header.timestamp + seconds);
    let rules = chain.spec().rules_at(number, timestamp, Some(sum));
    let london = rules.is_active(Fork::London);
    let merged = rules.is_active(Fork::Paris);
    let mut block = Block {
        header: Header {
            parent_hash: parent,
            number,
            timestamp,
            beneficiary: Address::repeat_byte(beneficiary),
            gas_limit: if london && header.base_fee_per_gas.is_none() { 10_000 } else { header.gas_limit },
            difficulty: if merged { U256::ZERO } else { next_difficulty(header, timestamp, rules.fork) },
            base_fee_per_gas: london.then(|| motet_chain::validate::next_base_fee(header)),
            ..Header::default()
        },
        ..Block::default()
    };
    let rewards = motet_chain::block_rewards(&block.header, &[], &rules);
    let mut state = RootCalculator::new(chain.state(&parent).expect("the state is kept").clone());
    for (address, amount) in rewards {
        let mut account = state.state().account(&address).map(|entry| entry.account).unwrap_or_default();
        account.balance += amount;
        let change = AccountDiff { account: Some(account), ..AccountDiff::default() };
        state.apply(&StateDiff { accounts: [(address, change)].into(), ..StateDiff::default() });
    }
    block.header.state_root = state.root();
    block
}

fn extend(chain: &mut MemoryChain, parent: B256, seconds: u64, beneficiary: u8) -> B256 {
    let block = child(chain, parent, seconds, beneficiary);
    chain.import(block, None, pay_rewards).expect("the block is valid").block.hash()
}

#[test]
fn the_heavier_chain_wins_and_of_equals_the_first_seen() {
    let mut chain = frontier();
    let genesis = chain.head().hash();
    let a1 = extend(&mut chain, genesis, 20, 1);
    let b1 = extend(&mut chain, genesis, 20, 2);
    assert_eq!(chain.head().hash(), a1, "of equals the first");
    let b2 = extend(&mut chain, b1, 20, 2);
    assert_eq!(chain.head().hash(), b2, "two outweigh one");
    let a2 = extend(&mut chain, a1, 5, 1);
    assert_eq!(chain.head().hash(), a2, "a fast block is heavier");
    assert_eq!(chain.canonical_block(1).map(|block| block.hash()), Some(a1));
    assert_eq!(chain.block_count(), 5);
    let balance = |beneficiary| chain.head_state().account(&Address::repeat_byte(beneficiary)).is_some();
    assert!(balance(1) && !balance(2) && balance(9), "each side has its own state");
}

#[test]
fn from_the_merge_on_the_newest_valid_block_is_the_head() {
    let mut chain = merging(DIFFICULTY + 1);
    let genesis = chain.head().hash();
    let terminal = extend(&mut chain, genesis, 5, 1);
    let a = extend(&mut chain, terminal, 12, 1);
    assert_eq!(chain.head().fork(), Fork::Paris);
    let b = extend(&mut chain, terminal, 12, 2);
    assert_eq!(chain.head().hash(), b);
    let heavier_past = extend(&mut chain, genesis, 1, 3);
    assert_ne!(chain.head().hash(), heavier_past, "no proof of work outweighs the merge");
    chain.set_head(a).expect("the block is on the chain");
    assert_eq!(chain.head().hash(), a);
    assert_eq!(chain.set_head(B256::ZERO), Err(ImportError::UnknownHead { hash: B256::ZERO }));
}

#[test]
fn the_two_kinds_of_consensus_do_not_mix() {
    let mut chain = merging(DIFFICULTY + 1);
    let genesis = chain.head().hash();
    let mut early = child(&chain, genesis, 5, 1);
    early.header.difficulty = U256::ZERO;
    let error = chain.import(early, None, pay_rewards).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(BlockError::Difficulty { .. })));
    let terminal = extend(&mut chain, genesis, 5, 1);
    let mut late = child(&chain, terminal, 5, 1);
    late.header.difficulty = U256::from(DIFFICULTY);
    let error = chain.import(late, None, pay_rewards).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(BlockError::DifficultyAfterMerge { .. })));
}

#[test]
fn blocks_see_the_hashes_of_their_own_side() {
    let mut chain = frontier();
    let genesis = chain.head().hash();
    let a1 = extend(&mut chain, genesis, 20, 1);
    let b1 = extend(&mut chain, genesis, 20, 2);
    let a2 = extend(&mut chain, a1, 20, 1);
    for (parent, expected) in [(a2, [genesis, a1, a2].as_slice()), (b1, [genesis, b1].as_slice())] {
        let view = chain.view_after(parent).expect("the state is kept");
        for (number, hash) in expected.iter().enumerate() {
            let read = view.read(Location::BlockHash(number as u64));
            assert_eq!(read, Ok(Read::Ready(Value::BlockHash(*hash))));
        }
        assert!(view.read(Location::BlockHash(expected.len() as u64)).is_err(), "not an ancestor");
    }
}

#[test]
fn only_the_last_256_ancestors_have_hashes() {
    let mut chain = frontier();
    let mut tip = chain.head().hash();
    for _ in 0..300 {
        tip = extend(&mut chain, tip, 20, 1);
    }
    let view = chain.view_after(tip).expect("the state is kept");
    assert!(view.read(Location::BlockHash(45)).is_ok());
    assert!(view.read(Location::BlockHash(44)).is_err());
}

#[test]
fn a_known_block_is_not_executed_again() {
    let mut chain = frontier();
    let genesis = chain.head().hash();
    let block = child(&chain, genesis, 20, 1);
    let first = chain.import(block.clone(), None, pay_rewards).unwrap();
    assert!(first.is_head && first.outcome.is_some());
    let again = chain.import(block, None, |_| unreachable!("it is known")).unwrap();
    assert!(again.is_head && again.outcome.is_none());
}

#[test]
fn nothing_is_kept_of_a_block_that_fails() {
    let mut chain = frontier();
    let genesis = chain.head().hash();
    let block = child(&chain, genesis, 20, 1);
    let failure = ViewError::new(Location::BlockHash(0), "the store failed");
    let result = chain.import(block.clone(), None, |_| Err(ExecFailure::View(failure.clone())));
    assert_eq!(result.map(drop).unwrap_err(), ImportError::View(failure));
    let wrong = BlockOutcome::default();
    let error = chain.import(block.clone(), None, |_| Ok(wrong)).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(BlockError::StateRoot { .. })));
    assert_eq!(chain.block_count(), 1);
    assert_eq!(chain.head().hash(), genesis);
    let orphan = Block { header: Header { parent_hash: block.header.hash_slow(), ..block.header }, ..block };
    let error = chain.import(orphan, None, pay_rewards).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(BlockError::UnknownParent { .. })));
}

#[test]
fn bytes_that_are_no_block_are_invalid() {
    let error = frontier().import_rlp(&[0xc1, 0x80], None, pay_rewards).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(BlockError::Rlp(_))));
}

#[test]
fn growth_is_bounded() {
    let limits = ChainLimits { blocks_max: 6, states_max: 2 };
    let mut chain = chain(ChainSpec::at_fork(1, Fork::Frontier), limits);
    let genesis = chain.head().hash();
    let late = child(&chain, genesis, 40, 7);
    let mut tip = genesis;
    for _ in 0..4 {
        tip = extend(&mut chain, tip, 20, 1);
    }
    assert!(chain.state(&genesis).is_none() && chain.state(&tip).is_some());
    let error = chain.import(late.clone(), None, pay_rewards).unwrap_err();
    assert_eq!(error, ImportError::StateDropped { hash: genesis });
    assert_eq!(chain.set_head(genesis), Err(ImportError::StateDropped { hash: genesis }));
    tip = extend(&mut chain, tip, 20, 1);
    let full = child(&chain, tip, 20, 1);
    assert_eq!(chain.import(full, None, pay_rewards).map(drop), Err(ImportError::Full { blocks_max: 6 }));
}

#[test]
fn side_chains_never_push_out_the_heads_state() {
    let mut chain = chain(ChainSpec::at_fork(1, Fork::Frontier), ChainLimits { blocks_max: 100, states_max: 3 });
    let genesis = chain.head().hash();
    let head = extend(&mut chain, genesis, 1, 1);
    let mut lighter: Vec<Block> = (0..5).map(|slower| child(&chain, genesis, 1000 + slower, 2)).collect();
    let last = lighter.pop().expect("there are five");
    for block in lighter {
        // Once the parent's state is gone, blocks beside the head are refused.
        let result = chain.import(block, None, pay_rewards);
        assert!(matches!(result, Ok(_) | Err(ImportError::StateDropped { .. })));
    }
    assert!(chain.state(&genesis).is_none(), "the oldest state besides the head's is dropped");
    assert_eq!(chain.head().hash(), head);
    assert!(chain.head_state().account(&Address::repeat_byte(1)).is_some());
    assert_eq!(chain.import(last, None, pay_rewards).map(drop), Err(ImportError::StateDropped { hash: genesis }));
}

//! A block access list from RLP, offered to a small block: a list that is accepted is the true one.
#![no_main]

mod edits;

use alloy_eip7928::{AccountChanges, BlockAccessList};
use alloy_rlp::Decodable;
use edits::edited;
use libfuzzer_sys::fuzz_target;
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig};
use motet_types::{BlockRules, Fork, MemoryState, RecoveredBlock};
use motet_workload::generate::{BlockSize, GenerateOptions, Generated, generate};
use std::sync::LazyLock;

struct Small {
    rules: BlockRules,
    state: MemoryState,
    block: RecoveredBlock,
    executor: BlockExecutor,
    list: BlockAccessList,
    encoded: Vec<u8>,
}

static SMALL: LazyLock<Small> = LazyLock::new(|| {
    let options = GenerateOptions {
        size: BlockSize::TxCount(6),
        account_count: 16,
        fork: Fork::Amsterdam,
        sign: false,
        ..GenerateOptions::default()
    };
    let Generated { rules, state, mut blocks, .. } = generate(&options).expect("the options are valid");
    let block = blocks.remove(0);
    let executor = BlockExecutor::new(ExecutorConfig::default());
    let list = {
        let input = BlockInput::new(&block, &rules);
        let execution = executor.execute(Engine::Sequential, &input, &state, None).expect("the block is valid");
        execution.outcome.record.list
    };
    let encoded = alloy_rlp::encode(&list);
    Small { rules, state, block, executor, list, encoded }
});

fuzz_target!(|bytes: &[u8]| {
    let small = &*SMALL;
    let bytes = edited(&small.encoded, bytes);
    let Ok(list) = Vec::<AccountChanges>::decode(&mut &bytes[..]) else { return };
    let block = small.block.clone().with_access_list(Some(list.clone()));
    let input = BlockInput::new(&block, &small.rules);
    if small.executor.execute(Engine::Listed, &input, &small.state, None).is_ok() {
        assert_eq!(list, small.list, "a list that is not the block's own was accepted");
    }
});

//! Blocks of a generated chain, executed on the state after their parents.

use super::super::completed::fill_header;
use alloy_consensus::Header;
use alloy_genesis::Genesis;
use alloy_primitives::{B256, U256};
use eyre::{WrapErr, ensure};
use motet_chain::GenesisBlock;
use motet_chain::validate::{next_base_fee, next_excess_blob_gas};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig};
use motet_state::trie::{Crew, StateTrie};
use motet_types::{ChainSpec, MemoryState, RecoveredBlock};
use std::thread::available_parallelism;

/// Executes blocks in order and makes each a child of the one before.
///
/// Invariant: `state` and `trie` are the state after the block whose header is `head`.
#[derive(Debug)]
pub(super) struct ChainGrower {
    executor: BlockExecutor,
    spec: ChainSpec,
    state: MemoryState,
    trie: StateTrie,
    head: Header,
    head_hash: B256,
}

/// A block whose header says what its execution gives.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) rlp: Vec<u8>,
    pub(super) txs: u64,
    /// Transactions whose receipt says failure.
    pub(super) failed: u64,
    pub(super) gas: u64,
}

impl ChainGrower {
    /// Stands at the first block.
    pub(super) fn new(genesis: &Genesis) -> eyre::Result<Self> {
        let GenesisBlock { spec, header, hash, state } =
            GenesisBlock::from_genesis(genesis).wrap_err("the generated genesis")?;
        let mut state = state.into_state();
        let threads = available_parallelism().map_or(1, usize::from);
        let crew = Crew::of_threads(threads).wrap_err("starting threads for the trie")?;
        let accounts = state.accounts().map(|(address, entry)| {
            let slots = entry.storage.iter().map(|(slot, value)| (*slot, *value));
            (*address, entry.account, slots)
        });
        let mut trie = StateTrie::from_accounts(crew, accounts)?;
        let root = trie.root()?;
        ensure!(root == header.state_root, "the trie's root of the first state is {root}, the genesis has another");
        state.insert_block_hash(header.number, hash);
        let executor = BlockExecutor::new(ExecutorConfig::default());
        Ok(Self { executor, spec, state, trie, head: header, head_hash: hash })
    }

    /// The last header, and its hash.
    pub(super) fn head(&self) -> &Header {
        &self.head
    }

    pub(super) fn head_hash(&self) -> B256 {
        self.head_hash
    }

    /// Executes the next block and fills in its header.
    pub(super) fn grow(&mut self, mut block: RecoveredBlock) -> eyre::Result<Grown> {
        let header = &mut block.block.header;
        let rules = self.spec.rules_at(header.number, header.timestamp, Some(U256::ZERO));
        // What execution can see of the header stands before the execution.
        header.parent_hash = self.head_hash;
        header.base_fee_per_gas = Some(next_base_fee(&self.head));
        let excess_blob_gas = next_excess_blob_gas(&self.head, &rules);
        header.excess_blob_gas = header.excess_blob_gas.and(Some(excess_blob_gas));
        let input = BlockInput::new(&block, &rules);
        let outcome = self.executor.execute(Engine::Sequential, &input, &self.state, None)?.outcome;
        self.state.apply(&outcome.diff);
        let state_root = self.trie.update(&outcome.diff)?;
        fill_header(&mut block.block.header, &outcome, state_root);
        self.head = block.block.header.clone();
        self.head_hash = self.head.hash_slow();
        self.state.insert_block_hash(self.head.number, self.head_hash);
        Ok(Grown {
            rlp: alloy_rlp::encode(&block.block),
            txs: outcome.receipts.len() as u64,
            failed: outcome.receipts.iter().filter(|receipt| !receipt.status()).count() as u64,
            gas: outcome.gas.header,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_chain::execution::ExecuteResult;
    use motet_chain::{ChainLimits, ExecuteRequest, MemoryChain};
    use motet_types::Fork;
    use motet_workload::generate::{BlockSize, ChainGenerator, GenerateOptions};

    fn executed(request: ExecuteRequest<'_>) -> ExecuteResult {
        let executor = BlockExecutor::new(ExecutorConfig { workers: 2, ..ExecutorConfig::default() });
        let input = BlockInput::new(request.block, request.rules);
        match executor.execute(Engine::Optimistic, &input, &request.view, None) {
            Ok(execution) => Ok(execution.outcome),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_generated_chain_is_valid_from_its_genesis_file_on() {
        for fork in [Fork::Cancun, Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
            let options = GenerateOptions {
                size: BlockSize::TxCount(60),
                block_count: 5,
                account_count: 64,
                fork,
                ..GenerateOptions::default()
            };
            let (mut chain, genesis) = ChainGenerator::start(options, |_| ()).expect("good options");
            let mut grower = ChainGrower::new(&genesis).expect("a genesis");
            let text = serde_json::to_string(&genesis).expect("JSON");
            let genesis: Genesis = serde_json::from_str(&text).expect("a genesis file");
            let first = GenesisBlock::from_genesis(&genesis).expect("a genesis");
            assert_eq!(first.hash, grower.head_hash());
            let mut memory = MemoryChain::new(first, ChainLimits::UNBOUNDED);
            let mut gas = 0;
            while let Some(next) = chain.next_block().expect("drawn") {
                let grown = grower.grow(next.block).expect("a valid block");
                gas += grown.gas;
                let imported = memory.import_rlp(&grown.rlp, None, executed).expect("a valid child");
                assert!(imported.is_head);
                assert_eq!(imported.block.hash(), grower.head_hash());
            }
            assert!(gas > 5_000_000, "{fork}: {gas} gas in all");
            assert_eq!(memory.head().number(), 5);
        }
    }
}

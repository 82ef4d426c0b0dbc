//! Generated blocks with what only execution knows: gas, receipts, roots, links to their parents.

use alloy_consensus::Header;
use alloy_consensus::transaction::Recovered;
use alloy_eip7928::compute_block_access_list_hash;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::BlockTransactions;
use motet_chain::RootCalculator;
use motet_chain::validate::next_excess_blob_gas;
use motet_exec::{BlockExecutor, BlockInput, CommitSink, Engine, ExecError, ExecutorConfig};
use motet_types::{BlockHashes, BlockOutcome, BlockRecord, BlockRules, Fork, MemoryState, RecoveredBlock};
use motet_workload::block_file::{BlockFile, FileAccount, RpcBlock, RpcTransaction};
use motet_workload::generate::ColdReads;
use std::collections::BTreeMap;

/// Completes the blocks of one generated chain, in their order.
///
/// Invariant: `state` is the state after the block whose header is `parent`; before the first, the
/// generated one.
#[derive(Debug)]
pub(crate) struct Completer {
    executor: BlockExecutor,
    rules: BlockRules,
    state: RootCalculator,
    parent: Option<Header>,
}

/// A block whose header says what its execution gives.
#[derive(Debug)]
pub(crate) struct CompletedBlock {
    /// The block as a file has it, with the part of its pre-state that it touches.
    pub(crate) file: BlockFile,
    /// What it does.
    pub(crate) outcome: BlockOutcome,
    /// Distinct accounts and slots that it reads from the state after its parent.
    pub(crate) cold_reads: usize,
}

impl Completer {
    /// `state` is the one before the first block.
    pub(crate) fn new(rules: BlockRules, state: MemoryState) -> Self {
        let executor = BlockExecutor::new(ExecutorConfig::default());
        Self { executor, rules, state: RootCalculator::new(state), parent: None }
    }

    /// Links the next block to the one before it, executes it in order, fills in its header and advances the
    /// state. `sink` hears of each transaction.
    ///
    /// # Errors
    /// When the block is invalid.
    pub(crate) fn complete(
        &mut self,
        mut block: RecoveredBlock,
        sink: Option<&mut dyn CommitSink>,
    ) -> Result<CompletedBlock, ExecError> {
        if let Some(parent) = &self.parent {
            // EIP-2935 writes the parent's hash into the state, so the link comes before the execution.
            block.block.header.parent_hash = parent.hash_slow();
            let excess_blob_gas = next_excess_blob_gas(parent, &self.rules);
            block.block.header.excess_blob_gas = block.block.header.excess_blob_gas.and(Some(excess_blob_gas));
        }
        // Shortens the sink's lifetime, which does not happen by itself inside an `Option`.
        let sink = sink.map(|sink| sink as &mut dyn CommitSink);
        let parent_state = ColdReads::new(self.state.state());
        let input = BlockInput::new(&block, &self.rules);
        let outcome = self.executor.execute(Engine::Sequential, &input, &parent_state, sink)?.outcome;
        let cold_reads = parent_state.location_count();
        let pre_state = touched_state(self.state.state(), &outcome.record);
        self.state.apply(&outcome.diff);
        let state_root = self.state.root();
        let header = &mut block.block.header;
        fill_header(header, &outcome, state_root);
        self.state.insert_block_hash(header.number, header.hash_slow());
        self.parent = Some(header.clone());
        let amsterdam = self.rules.is_active(Fork::Amsterdam);
        let file = BlockFile {
            chain_id: self.rules.chain_id,
            fork: self.rules.fork,
            block_hashes: BlockHashes::from([(header.number.saturating_sub(1), header.parent_hash)]),
            pre_state,
            access_list: amsterdam.then(|| outcome.record.list.clone()),
            block: rpc_block(block),
        };
        Ok(CompletedBlock { file, outcome, cold_reads })
    }
}

/// Fields that the fork's headers do not have stay away.
pub(super) fn fill_header(header: &mut Header, outcome: &BlockOutcome, state_root: B256) {
    header.state_root = state_root;
    header.receipts_root = outcome.receipts_root;
    header.logs_bloom = outcome.logs_bloom;
    header.gas_used = outcome.gas.header;
    header.blob_gas_used = header.blob_gas_used.map(|_| outcome.gas.blob);
    header.requests_hash = header.requests_hash.map(|_| outcome.requests.requests_hash());
    header.block_access_list_hash =
        header.block_access_list_hash.map(|_| compute_block_access_list_hash(&outcome.record.list));
}

/// The accounts that a record names, with the slots that it names, as they are in a state. An account that
/// the state does not have is left out.
fn touched_state(state: &MemoryState, record: &BlockRecord) -> BTreeMap<Address, FileAccount> {
    let accounts = record.list.iter().filter_map(|touched| {
        let held = state.account(&touched.address)?;
        let changed = touched.storage_changes.iter().map(|changes| changes.slot);
        let slots = changed.chain(touched.storage_reads.iter().copied());
        let value = |slot: U256| held.storage.get(&slot).copied().unwrap_or_default();
        let account = FileAccount {
            balance: held.account.balance,
            nonce: held.account.nonce,
            code: state.code(&held.account.code_hash).cloned().unwrap_or_default(),
            storage: slots.map(|slot| (slot.into(), value(slot).into())).collect(),
        };
        Some((touched.address, account))
    });
    accounts.collect()
}

/// A block as nodes serve it.
fn rpc_block(block: RecoveredBlock) -> RpcBlock {
    let RecoveredBlock { block, senders, .. } = block;
    let header = alloy_rpc_types_eth::Header::new(block.header);
    let transactions =
        block.body.transactions.into_iter().zip(senders).enumerate().map(|(pos, (tx, sender))| RpcTransaction {
            effective_gas_price: Some(alloy_consensus::Transaction::effective_gas_price(
                &tx,
                header.inner.base_fee_per_gas,
            )),
            inner: Recovered::new_unchecked(tx, sender),
            block_hash: Some(header.hash),
            block_number: Some(header.inner.number),
            transaction_index: Some(pos as u64),
            block_timestamp: Some(header.inner.timestamp),
        });
    RpcBlock {
        transactions: BlockTransactions::Full(transactions.collect()),
        uncles: Vec::new(),
        withdrawals: block.body.withdrawals,
        header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_chain::validate::{ParentHeader, validate_header};
    use motet_types::ChainSpec;
    use motet_workload::generate::{BlockSize, GenerateOptions, generate};

    #[test]
    fn a_completed_block_is_a_valid_child_of_the_one_before() {
        for fork in [Fork::Cancun, Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
            let options = GenerateOptions {
                size: BlockSize::TxCount(20),
                block_count: 3,
                account_count: 32,
                fork,
                ..GenerateOptions::default()
            };
            let generated = generate(&options).expect("good options");
            let spec = ChainSpec::at_fork(options.chain_id, fork);
            let mut completer = Completer::new(generated.rules, generated.state);
            let mut parent: Option<Header> = None;
            for block in generated.blocks {
                let completed = completer.complete(block, None).expect("a valid block");
                let header = completed.file.block.header.inner.clone();
                assert!(header.gas_used > 0 && !header.state_root.is_zero());
                assert!(completed.cold_reads > 20);
                if let Some(parent) = &parent {
                    let hash = parent.hash_slow();
                    let parent = ParentHeader { header: parent, hash, total_difficulty: None };
                    validate_header(&header, &parent, &spec).expect("a valid header");
                }
                parent = Some(header);
                let replay = completed.file.check("memory").expect("it says what it holds").recover().expect("signed");
                assert_eq!(replay.fork, fork);
            }
        }
    }
}

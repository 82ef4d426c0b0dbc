//! From a node's answers to a block file that executes to what its header says.

use super::block_id::BlockId;
use super::client::Client;
use super::error::FetchError;
use super::fork_choice::{ForkChoice, blob_gas_follows};
use super::node_state::{NodeState, request_count};
use super::progress::Progress;
use super::touched::Touched;
use crate::checks::{Check, check_outcome};
use crate::difference::{Difference, first_difference};
use alloy_consensus::Header;
use alloy_eip7928::compute_block_access_list_hash;
use alloy_primitives::{U64, U256};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecError, ExecutorConfig, SystemCalls};
use motet_types::{BlockHashes, BlockOutcome, Fork, StateView};
use motet_workload::block_file::{BlockFile, ReplayBlock, RpcBlock};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The name that errors give the block before there is a file.
const SOURCE: &str = "the fetched block";
/// The highest type that a transaction has in any fork. EIP-7702.
const TX_TYPE_MAX: u64 = 4;

/// What to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) block: BlockId,
    /// The fork in force, where it is given.
    pub(super) fork: Option<Fork>,
    /// Whether the node's tracer says which accounts and slots to ask for.
    pub(super) trace: bool,
}

/// A block with its pre-state, and whether it does what its header says.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) file: BlockFile,
    /// What execution from the file gives beside the header; the error of a block that does not execute.
    pub(super) checks: Result<Vec<Check>, FetchError>,
    /// Where execution from the file differs from execution on the node's state.
    pub(super) difference: Option<Difference>,
    /// System calls whose contract the chain does not have.
    pub(super) system_calls_skipped: u32,
}

impl Snapshot {
    /// Fetches a block and its pre-state, and executes it.
    ///
    /// # Errors
    /// When the node does not answer, or the block is not what it says about itself.
    pub(super) fn take(client: &Client, request: Request, progress: &Progress) -> Result<Self, FetchError> {
        let chain_id: Option<U64> = client.call("eth_chainId", json!([]))?;
        let chain_id = chain_id.ok_or_else(|| client.strange("eth_chainId", "the answer is null"))?.to();
        let block = rpc_block(client, request.block)?;
        let header = block.header.inner.clone();
        let parent_number = header.number.checked_sub(1).ok_or(FetchError::Genesis)?;
        progress.say(format_args!(
            "block {} of chain {chain_id}: {} transactions, {} gas",
            header.number,
            block.transactions.len(),
            header.gas_used
        ));
        let choice = ForkChoice::new(request.fork, chain_id, &header);
        let hash = block.header.hash;
        let mut file = BlockFile {
            chain_id,
            fork: choice.candidates.first().copied().unwrap_or_default(),
            block,
            pre_state: BTreeMap::new(),
            block_hashes: BlockHashes::from([(parent_number, header.parent_hash)]),
            access_list: None,
        };
        let recovered = file.clone().check(SOURCE)?.recover()?;

        let mut touched = Touched::named_in(&recovered);
        if request.trace {
            progress.say("tracing it for the accounts and slots that it touches");
            touched.add_traced(client, header.number, hash)?;
        }
        let (accounts, slots) = touched.count();
        progress.say(format_args!("reading {accounts} accounts and {slots} slots as of block {parent_number}"));
        let node_state = NodeState::new(client, parent_number, header.parent_hash);
        progress.expect(request_count(&touched));
        node_state.load(&touched, |count| progress.done(count))?;

        progress.say("executing it");
        let (fork, on_node) = choose_fork(client, &choice, &file, &node_state)?;
        node_state.expect_parent(header.parent_hash)?;
        progress.say(format_args!("{} values more were read while executing", node_state.single_reads()));
        progress.say(format_args!("fork {}: {}", fork.name(), choice.source));
        file.fork = fork;
        (file.pre_state, file.block_hashes) = node_state.contents();
        if let Ok(outcome) = &on_node
            && header.block_access_list_hash == Some(compute_block_access_list_hash(&outcome.record.list))
        {
            file.access_list = Some(outcome.record.list.clone());
        }
        Self::judge(file, on_node)
    }

    /// Executes the block from nothing but the file.
    fn judge(file: BlockFile, on_node: Result<BlockOutcome, FetchError>) -> Result<Self, FetchError> {
        let replay = file.clone().check(SOURCE)?.recover()?;
        let (checks, difference, system_calls_skipped) = match (execute(&replay, &replay.state), on_node) {
            (Ok(outcome), Ok(on_node)) => {
                let checks = check_outcome(&replay, &outcome);
                (Ok(checks), first_difference(&on_node, &outcome), outcome.system_calls_skipped)
            }
            (Err(error), _) => (Err(FetchError::Execution { fork: replay.fork, error }), None, 0),
            (_, Err(error)) => (Err(error), None, 0),
        };
        Ok(Self { file, checks, difference, system_calls_skipped })
    }

    /// Whether execution from the file gives what the header says.
    pub(super) fn holds(&self) -> bool {
        self.difference.is_none() && self.checks.as_ref().is_ok_and(|checks| !checks.iter().any(Check::failed))
    }
}

fn execute(block: &ReplayBlock, view: &impl StateView) -> Result<BlockOutcome, ExecError> {
    let executor = BlockExecutor::new(ExecutorConfig::default());
    // The chain may have no system contracts, as many development chains do.
    let input = BlockInput { system_calls: SystemCalls::SkipAbsent, ..BlockInput::new(&block.block, &block.rules) };
    Ok(executor.execute(Engine::Sequential, &input, view, None)?.outcome)
}

/// The first fork whose outcome is the header's and whose blob parameters lead from the parent to the block;
/// failing that, the first whose outcome is the header's; failing that, the likeliest. With it, what the block
/// does under it.
fn choose_fork(
    client: &Client,
    choice: &ForkChoice,
    file: &BlockFile,
    node_state: &NodeState<'_>,
) -> Result<(Fork, Result<BlockOutcome, FetchError>), FetchError> {
    let header = &file.block.header.inner;
    let parent = match choice.candidates.len() {
        1 => None,
        _ => parent_header(client, header)?,
    };
    let mut best: Option<(Fit, Fork, Result<BlockOutcome, FetchError>)> = None;
    for fork in choice.candidates.iter().copied() {
        let block = BlockFile { fork, ..file.clone() }.check(SOURCE)?.recover()?;
        let result = match execute(&block, node_state) {
            // What the node does not tell under one fork it does not tell under another.
            Err(error @ ExecError::View(_)) => return Err(FetchError::Execution { fork, error }),
            Err(error) => Err(FetchError::Execution { fork, error }),
            Ok(outcome) => Ok(outcome),
        };
        let holds = result.as_ref().is_ok_and(|outcome| !check_outcome(&block, outcome).iter().any(Check::failed));
        let follows = parent.as_ref().is_none_or(|parent| blob_gas_follows(header, parent, &block.rules));
        let fit = match (holds, follows) {
            (true, true) => Fit::Whole,
            (true, false) => Fit::Outcome,
            (false, _) => Fit::None,
        };
        if best.as_ref().is_none_or(|(highest, ..)| fit > *highest) {
            best = Some((fit, fork, result));
        }
        if fit == Fit::Whole {
            break;
        }
    }
    Ok(best.map_or_else(|| unreachable!("a choice has at least one candidate"), |(_, fork, result)| (fork, result)))
}

/// How well a fork's rules explain a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    None,
    /// The outcome is the header's.
    Outcome,
    /// The blob gas follows from the parent's, too.
    Whole,
}

fn rpc_block(client: &Client, id: BlockId) -> Result<RpcBlock, FetchError> {
    let method = id.method();
    let answer: Option<Value> = client.call(method, id.params(true))?;
    let no_block = || FetchError::NoBlock { node: client.node().to_owned(), block: id.to_string() };
    let answer = answer.ok_or_else(no_block)?;
    for (tx, found) in answer["transactions"].as_array().into_iter().flatten().enumerate() {
        let tx_type = found["type"].as_str().and_then(|text| text.parse::<U256>().ok());
        if let Some(tx_type) = tx_type.filter(|tx_type| *tx_type > U256::from(TX_TYPE_MAX)) {
            return Err(FetchError::TransactionType { tx, tx_type: tx_type.saturating_to() });
        }
    }
    serde_json::from_value(answer)
        .map_err(|error| client.strange(method, format!("the answer is no Ethereum block: {error}")))
}

/// The header of the block's parent; `None` where the node does not tell.
fn parent_header(client: &Client, header: &Header) -> Result<Option<Header>, FetchError> {
    let id = BlockId::Hash(header.parent_hash);
    let answer: Option<Value> = client.call(id.method(), id.params(false))?;
    Ok(answer.and_then(|answer| serde_json::from_value(answer).ok()))
}

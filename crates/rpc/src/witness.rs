//! `debug_executionWitness`: all that executing a block without the state takes.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::{MethodSet, Methods};
use crate::reexecution::Reexecution;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_chain::ChainView;
use motet_exec::{BlockExecutor, Engine, ExecutorConfig};
use motet_types::{Location, Read, StateView, Ticket, ViewError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// `debug_executionWitness`.
#[derive(Debug)]
pub struct Witnesses;

impl MethodSet for Witnesses {
    fn add_to(methods: &mut Methods) {
        methods.add("debug_executionWitness", execution_witness);
    }
}

/// A witness, in the shape that reth and geth give it.
#[derive(Debug, Serialize)]
struct ExecutionWitness {
    /// Trie nodes, in the order of their hashes.
    state: Vec<Bytes>,
    /// Codes that were read, in the order of their hashes.
    codes: Vec<Bytes>,
    /// Addresses and slots, as they are before hashing.
    keys: Vec<Bytes>,
    /// RLP of the parent's header, and of those below whose hashes were asked for; lowest first.
    headers: Vec<Bytes>,
}

/// A state that notes what it is asked for besides accounts and slots, which the record of a block has.
struct Noted<'a> {
    view: &'a ChainView,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    codes: BTreeMap<B256, Bytes>,
    lowest_hash: Option<u64>,
}

impl StateView for Noted<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let read = self.view.read(location)?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match (location, &read) {
            (Location::Code(hash), Read::Ready(motet_types::Value::Code(code))) if !code.is_empty() => {
                asked.codes.insert(hash, code.clone());
            }
            (Location::BlockHash(number), _) => {
                asked.lowest_hash = Some(asked.lowest_hash.map_or(number, |lowest| lowest.min(number)));
            }
            _ => {}
        }
        Ok(read)
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.view.has_storage(address)
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        self.view.poll_ticket(ticket, waker)
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        self.view.is_ready(ticket)
    }

    fn may_pend(&self) -> bool {
        self.view.may_pend()
    }
}

fn execution_witness(context: &RpcContext, args: &mut Args<'_>) -> Result<ExecutionWitness, RpcError> {
    let at: BlockArg = args.required("block")?;
    let again = Reexecution::find(context, at)?;
    let noted = Noted { view: &again.before, asked: Mutex::default() };
    let executor = BlockExecutor::new(ExecutorConfig { predicts: false, ..ExecutorConfig::default() });
    let outcome = again.execute(&executor, Engine::Sequential, &noted)?.outcome;
    let asked = noted.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut keys = Vec::new();
    let mut reads = Vec::with_capacity(outcome.record.list.len());
    for account in &outcome.record.list {
        let changed = account.storage_changes.iter().map(|change| change.slot);
        let slots: BTreeSet<U256> = account.storage_reads.iter().copied().chain(changed).collect();
        keys.push(Bytes::copy_from_slice(account.address.as_slice()));
        keys.extend(slots.iter().map(|slot| Bytes::copy_from_slice(&slot.to_be_bytes::<32>())));
        reads.push((account.address, slots.into_iter().collect()));
    }
    let witness = context.live.witness(again.parent.number(), again.parent.hash(), &reads, &outcome.diff)?;
    let header = &again.block.block().header;
    if witness.post_state_root != header.state_root {
        return Err(RpcError::server(format!(
            "block {} does not follow from the state before it alone: the state was changed between them",
            header.number
        )));
    }
    let parent = again.parent.number();
    let lowest = asked.lowest_hash.map_or(parent, |lowest| lowest.min(parent));
    let mut headers = Vec::new();
    for number in lowest..=parent {
        let block = context.reader().canonical_block(number)?;
        let block = block.ok_or_else(|| RpcError::server(format!("header {number} is not kept")))?;
        headers.push(Bytes::from(alloy_rlp::encode(&block.block().header)));
    }
    Ok(ExecutionWitness { state: witness.nodes, codes: asked.codes.into_values().collect(), keys, headers })
}

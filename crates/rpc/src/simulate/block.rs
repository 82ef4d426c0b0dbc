//! One simulated block on top of the one before.

use super::answer::{SimulatedBlock, SimulatedCall};
use super::code;
use super::plan::BlockPlan;
use super::transaction::{Place, SimulatedTx};
use crate::call_args::CallArgs;
use crate::call_error::refused_in_simulation;
use crate::call_overrides::apply_state_overrides;
use crate::call_state::CallBase;
use crate::context::RpcContext;
use crate::error::RpcError;
use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::proofs::{calculate_withdrawals_root, ordered_trie_root_with_encoder};
use alloy_consensus::{Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B256, Bloom, U256};
use alloy_rlp::{BufMut as _, Encodable as _};
use alloy_rpc_types_eth::{Header as RpcHeader, Log as RpcLog};
use motet_chain::block_rewards;
use motet_chain::validate::{next_base_fee, next_excess_blob_gas};
use motet_exec::call::{CallBlock, CallChecks, CallOutcome, CallSession, WatchedLog};
use motet_types::{BlockRules, Fork, StateDiff};
use serde_json::{Value, json};

/// Blocks on top of each other.
pub(super) struct Simulator<'a> {
    context: &'a RpcContext,
    base: &'a CallBase,
    session: CallSession<'a>,
    /// The header of the last block.
    parent: Header,
    parent_hash: B256,
    /// Whose precompiled contracts there are, whatever the fork of a simulated block has.
    base_fork: Fork,
    validates: bool,
    with_transfers: bool,
    /// Gas that calls may still use.
    gas_left: u64,
}

/// What the calls of a block came to.
#[derive(Debug, Default)]
struct Done {
    transactions: Vec<SimulatedTx>,
    receipts: Vec<ReceiptEnvelope>,
    calls: Vec<(CallOutcome, Vec<WatchedLog>)>,
    gas_used: u64,
    blob_gas_used: u64,
    logs_bloom: Bloom,
    /// The number of the next log.
    next_log: u64,
}

impl<'a> Simulator<'a> {
    pub(super) fn new(context: &'a RpcContext, base: &'a CallBase, validates: bool, with_transfers: bool) -> Self {
        let environment = base.environment(context.reader().spec());
        let base_fork = environment.rules.fork;
        Self {
            context,
            base,
            session: base.session(environment),
            parent: base.block.block().header.clone(),
            parent_hash: base.block.hash(),
            base_fork,
            validates,
            with_transfers,
            gas_left: context.limits.call_gas_max,
        }
    }

    /// Simulates the next block.
    ///
    /// # Errors
    /// When a call may not run, or the state gives no answer.
    pub(super) fn block(&mut self, plan: BlockPlan, full: bool) -> Result<SimulatedBlock, RpcError> {
        let rules = self.base.rules_above(self.context.reader().spec(), plan.number, plan.timestamp);
        let withdrawals = plan.block.withdrawals.clone().unwrap_or_default();
        let mut header = self.header(&plan, &rules, &withdrawals)?;
        let environment = CallBlock { blob_base_fee: plan.block.blob_base_fee()?, ..CallBlock::of(&header, &rules) };
        self.session.enter_block(environment, self.base_fork);
        self.session.add_block_hash(self.parent.number, self.parent_hash);
        if let Some(overrides) = plan.state {
            apply_state_overrides(&mut self.session, overrides)?;
        }
        self.session.open_block(self.parent_hash, header.parent_beacon_block_root).map_err(internal)?;
        let mut done = Done::default();
        for args in &plan.calls {
            self.call(args, &header, &mut done)?;
        }
        if rules.is_active(Fork::Prague) {
            let requests = self.session.close_block(&done.receipts).map_err(internal)?;
            header.requests_hash = Some(requests.requests_hash());
        }
        for withdrawal in withdrawals.iter() {
            self.session.credit(withdrawal.address, withdrawal.amount_wei()).map_err(internal)?;
        }
        for (beneficiary, wei) in block_rewards(&header, &[], &rules) {
            self.session.credit(beneficiary, wei).map_err(internal)?;
        }
        header.gas_used = done.gas_used;
        header.blob_gas_used = rules.is_active(Fork::Cancun).then_some(done.blob_gas_used);
        header.logs_bloom = done.logs_bloom;
        header.transactions_root =
            ordered_trie_root_with_encoder(&done.transactions, |tx, out| out.put_slice(&tx.encoded));
        header.receipts_root = ordered_trie_root_with_encoder(&done.receipts, |receipt, out| receipt.encode_2718(out));
        header.state_root = self.state_root()?;
        let withdrawals = rules.is_active(Fork::Shanghai).then_some(withdrawals);
        let answer = answer(&header, done, withdrawals, full);
        (self.parent_hash, self.parent) = (answer.header.hash, header);
        Ok(answer)
    }

    /// What can be said of the header before anything runs.
    fn header(&self, plan: &BlockPlan, rules: &BlockRules, withdrawals: &Withdrawals) -> Result<Header, RpcError> {
        let (parent, overrides) = (&self.parent, &plan.block);
        let difficulty = match rules.is_active(Fork::Paris) {
            true => U256::ZERO,
            false => overrides.difficulty.unwrap_or(parent.difficulty),
        };
        let base_fee = match overrides.base_fee()? {
            Some(fee) => fee,
            None if self.validates => next_base_fee(parent),
            // Calls name no price, mostly; a block that asks for one would contradict them.
            None => 0,
        };
        let withdrawals_root = match withdrawals.is_empty() {
            true => EMPTY_WITHDRAWALS,
            false => calculate_withdrawals_root(withdrawals),
        };
        let is_cancun = rules.is_active(Fork::Cancun);
        Ok(Header {
            parent_hash: self.parent_hash,
            number: plan.number,
            timestamp: plan.timestamp,
            beneficiary: overrides.fee_recipient.unwrap_or(parent.beneficiary),
            difficulty,
            gas_limit: overrides.gas_limit.map_or(parent.gas_limit, |gas| gas.to()),
            mix_hash: overrides.prev_randao.unwrap_or_default(),
            base_fee_per_gas: rules.is_active(Fork::London).then_some(base_fee),
            withdrawals_root: rules.is_active(Fork::Shanghai).then_some(withdrawals_root),
            excess_blob_gas: is_cancun.then(|| next_excess_blob_gas(parent, rules)),
            parent_beacon_block_root: is_cancun.then(|| overrides.beacon_root.unwrap_or_default()),
            ..Header::default()
        })
    }

    fn call(&mut self, args: &CallArgs, header: &Header, done: &mut Done) -> Result<(), RpcError> {
        let chain_id = self.context.reader().spec().chain_id;
        args.check(chain_id)?;
        let left = header.gas_limit.saturating_sub(done.gas_used);
        if args.0.gas.is_some_and(|gas| gas > left) {
            let message = format!("block gas limit reached: {} >= {}", done.gas_used, header.gas_limit);
            return Err(RpcError::new(code::GAS_LIMIT_REACHED, message));
        }
        let mut tx = args.tx(self.gas_left);
        tx.gas_limit = tx.gas_limit.min(left);
        if args.0.nonce.is_none() {
            tx.nonce = self.session.account(tx.from).map_err(internal)?.unwrap_or_default().nonce;
        }
        let checks = CallChecks { nonce: self.validates, fees: self.validates, ..CallChecks::NONE };
        let ran = self.session.call_watched(&tx, checks, self.with_transfers, &mut done.next_log);
        let (mut outcome, logs) = ran.map_err(|error| refused_in_simulation(error, &tx, self.session.block()))?;
        self.gas_left = self.gas_left.saturating_sub(outcome.gas_used);
        done.gas_used = done.gas_used.saturating_add(outcome.gas_used);
        let transaction = SimulatedTx::new(args, &tx, chain_id);
        done.blob_gas_used = done.blob_gas_used.saturating_add(transaction.blob_gas());
        // Before Byzantium a receipt has the state's root in place of a status.
        let status = match self.session.block().rules.is_active(Fork::Byzantium) {
            true => Eip658Value::Eip658(outcome.end.is_success()),
            false => Eip658Value::PostState(self.state_root()?),
        };
        let receipt = Receipt { status, cumulative_gas_used: done.gas_used, logs: std::mem::take(&mut outcome.logs) };
        let logs_bloom = receipt.bloom_slow();
        done.logs_bloom |= logs_bloom;
        done.receipts.push(ReceiptEnvelope::from_typed(transaction.kind, ReceiptWithBloom { receipt, logs_bloom }));
        done.transactions.push(transaction);
        done.calls.push((outcome, logs));
        Ok(())
    }

    /// The root of the state as it is now.
    fn state_root(&mut self) -> Result<B256, RpcError> {
        let base = &self.base.block;
        let diff = self.session.diff();
        // What a development chain was told to take for true stands below the simulation.
        let interventions = self.context.reader().interventions().over(&base.hash());
        let changes: Vec<&StateDiff> = interventions.as_deref().into_iter().chain([&diff]).collect();
        Ok(self.context.live.root_after(base.number(), base.hash(), &changes)?)
    }
}

/// A block as it is answered with, now that its hash is known.
fn answer(header: &Header, done: Done, withdrawals: Option<Withdrawals>, full: bool) -> SimulatedBlock {
    let hash = header.hash_slow();
    let place = |index: usize| Place {
        block_hash: hash,
        number: header.number,
        timestamp: header.timestamp,
        index: index as u64,
        base_fee: header.base_fee_per_gas,
    };
    let calls = done.calls.iter().zip(&done.transactions).enumerate().map(|(index, ((outcome, logs), tx))| {
        let logs = logs.iter().map(|watched| RpcLog {
            inner: watched.log.clone(),
            block_hash: Some(hash),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(tx.hash),
            transaction_index: Some(index as u64),
            log_index: Some(watched.index),
            removed: false,
        });
        SimulatedCall::new(outcome, logs.collect())
    });
    let calls: Vec<SimulatedCall> = calls.collect();
    let transactions: Vec<Value> = done
        .transactions
        .iter()
        .enumerate()
        .map(|(index, tx)| if full { tx.json(&place(index)) } else { json!(tx.hash) })
        .collect();
    let size = block_bytes(header, &done.transactions, withdrawals.as_ref());
    let sealed = header.clone().seal(hash);
    SimulatedBlock {
        header: RpcHeader::from_consensus(sealed, None, Some(U256::from(size))),
        uncles: Vec::new(),
        transactions,
        withdrawals,
        calls,
    }
}

/// Length of the block's RLP.
fn block_bytes(header: &Header, transactions: &[SimulatedTx], withdrawals: Option<&Withdrawals>) -> usize {
    let mut body = Vec::new();
    for transaction in transactions {
        transaction.encode_in_block(&mut body);
    }
    let list_length = |payload: usize| alloy_rlp::Header { list: true, payload_length: payload }.length_with_payload();
    let ommers = list_length(0);
    let payload = header.length() + list_length(body.len()) + ommers + withdrawals.map_or(0, |list| list.length());
    list_length(payload)
}

fn internal(error: impl std::fmt::Display) -> RpcError {
    RpcError::internal(error.to_string())
}

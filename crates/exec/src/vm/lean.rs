//! The yardstick: a plain loop over stock revm.
//!
//! What a careful programmer gets with an afternoon and the library: one reused EVM over revm's own `CacheDB`, one
//! transaction after the other, receipts and their blooms. No access list, no diff, no trace, no parallelism. It shares
//! the environment, the block's system calls and the bloom code with the engines, so that a ratio to it measures what the
//! engines add and cost, and nothing else.

use super::env::{block_env, cfg_of, tx_env};
use super::{AccountInfo, Bytecode, analyse, tx_error};
use crate::bloom::BloomMemo;
use crate::error::{ExecError, InvalidBlock};
use crate::executor::{BlockInput, SystemCalls};
use crate::parent::{info, read_waiting, wrong_kind};
use crate::stop::Stop;
use crate::system;
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom};
use alloy_primitives::{Address, B256, Bloom, KECCAK256_EMPTY, U256};
use motet_types::{Fork, Location, StateView, TxIndex, Value};
use revm::context::result::EVMError;
use revm::database::CacheDB;
use revm::{Context, DatabaseRef, ExecuteCommitEvm, MainBuilder, MainContext, SystemCallCommitEvm};

/// What the plain loop gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeanOutcome {
    /// One receipt per transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Gas of all transactions after refunds.
    pub gas_used: u64,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
}

/// A view as revm reads it.
struct ViewRef<'a, V: ?Sized>(&'a V);

impl<V: StateView + ?Sized> ViewRef<'_, V> {
    fn read(&self, location: Location) -> Result<Value, Stop> {
        Ok(read_waiting(self.0, location)?)
    }
}

impl<V: StateView + ?Sized> DatabaseRef for ViewRef<'_, V> {
    type Error = Stop;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let location = Location::Account(address);
        match self.read(location)? {
            Value::Account(account) => Ok(account.map(|account| info(account, None))),
            _ => Err(wrong_kind(location)),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Stop> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let location = Location::Code(hash);
        match self.read(location)? {
            Value::Code(code) => Ok(analyse(code)),
            _ => Err(wrong_kind(location)),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Stop> {
        let location = Location::Slot(address, slot);
        match self.read(location)? {
            Value::Slot(value) => Ok(value),
            _ => Err(wrong_kind(location)),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Stop> {
        let location = Location::BlockHash(number);
        match self.read(location)? {
            Value::BlockHash(hash) => Ok(hash),
            _ => Err(wrong_kind(location)),
        }
    }
}

/// Executes a block in a plain loop.
///
/// What comes before the transactions is done, since they read it; what comes after (withdrawals, rewards, requests)
/// changes no receipt and is left out, as is the DAO fork's change.
///
/// # Errors
/// When a transaction is invalid where it stands, or the view cannot answer.
pub fn lean<V: StateView + ?Sized>(input: &BlockInput<'_>, view: &V) -> Result<LeanOutcome, ExecError> {
    let mut evm = Context::mainnet()
        .with_db(CacheDB::new(ViewRef(view)))
        .with_cfg(cfg_of(input.block, input.rules))
        .with_block(block_env(input.block, input.rules))
        .build_mainnet();
    for call in system::calls_before(input)? {
        let absent = evm.ctx.journaled_state.database.basic_ref(call.contract).map_err(view_error)?.is_none();
        if absent && input.system_calls == SystemCalls::SkipAbsent {
            continue;
        }
        evm.system_call_commit(call.contract, call.data).map_err(|error| match error {
            EVMError::Database(stop) => view_error(stop),
            other => InvalidBlock::SystemCall { contract: call.contract, reason: other.to_string() }.into(),
        })?;
    }
    let mut outcome = LeanOutcome::default();
    let mut blooms = BloomMemo::default();
    for (pos, tx) in input.block.transactions().iter().enumerate() {
        let index = TxIndex::from(pos);
        let result = evm.transact_commit(tx_env(input.block, index)).map_err(|error| match error {
            EVMError::Database(stop) => view_error(stop),
            EVMError::Transaction(invalid) => InvalidBlock::Transaction { tx: index, error: tx_error(invalid) }.into(),
            other => ExecError::from(InvalidBlock::Transaction {
                tx: index,
                error: motet_types::TxError::Refused(other.to_string()),
            }),
        })?;
        outcome.gas_used += result.tx_gas_used();
        let status = if input.rules.is_active(Fork::Byzantium) {
            Eip658Value::Eip658(result.is_success())
        } else {
            Eip658Value::PostState(B256::ZERO)
        };
        let receipt = Receipt { status, cumulative_gas_used: outcome.gas_used, logs: result.into_logs() };
        let logs_bloom = blooms.bloom(&receipt.logs);
        outcome.logs_bloom |= logs_bloom;
        outcome.receipts.push(ReceiptEnvelope::from_typed(tx.tx_type(), ReceiptWithBloom { receipt, logs_bloom }));
    }
    Ok(outcome)
}

fn view_error(stop: Stop) -> ExecError {
    match stop {
        Stop::View(error) => ExecError::View(*error),
        other => unreachable!("a view gives errors of its own only: {other}"),
    }
}

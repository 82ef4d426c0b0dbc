//! Calls that change nothing: what `eth_call`, `eth_estimateGas` and simulations run.
//!
//! A [`CallSession`] stands on a view of the state. Overrides, system calls and calls follow each other in it, each seeing
//! what those before left; what all of them changed can be asked for as a [`StateDiff`] and is never written anywhere.
//!
//! ```text
//! view of a state --> [ overrides -> call -> call -> .. ] --> outcomes, difference to the view
//! ```
//!
//! A call may be excused from what a transaction must fulfil ([`CallChecks`]): nobody signed it. It runs on the same EVM with
//! the same rules otherwise; whoever watches (`revm::Inspector`) is given to `CallSession::inspect`. A session may be told
//! when to give up ([`CallSession::until`]).

mod access_list;
mod database;
mod halt;
mod handler;
mod interrupt;
mod overrides;
mod precompiles;
mod requests;
mod transfers;
mod tx;

pub use access_list::AccessListed;
pub use overrides::{AccountOverride, OverrideError, StorageOverride};
pub use requests::RequestsError;
pub use transfers::{ETHER_LOG_ADDRESS, TRANSFER_TOPIC, WatchedLog};
pub use tx::{CallBlock, CallChecks, CallTx};

use crate::in_order::LedgerDb;
use crate::ledger::Ledger;
use crate::parent::Parent;
use crate::stop::Stop;
use crate::vm::{CodeCache, EvmState, Executed, ExecutionResult, HashMemo, SpecId, TxEnv, VmError, cfg_env};
use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use database::CallDb;
use halt::halt_text;
use handler::{CallHandler, evm};
use interrupt::Interrupt;
use motet_types::{Account, Fork, StateDiff, StateView, TxError, ViewError};
use precompiles::CallPrecompiles;
use revm::Inspector;
use revm::context::result::{EVMError, InvalidTransaction};
use revm::context::{ContextSetters, JournalTr};
use revm::handler::{Handler, SYSTEM_ADDRESS, SystemCallTx};
use revm::inspector::{InspectorHandler, NoOpInspector};

pub(crate) use handler::CallContext;

/// Gas of a system call before Amsterdam. EIP-4788, EIP-7002.
const SYSTEM_CALL_GAS: u64 = 30_000_000;

/// Analysed codes that sessions share, so that a contract is analysed once. Bounded.
#[derive(Debug, Default)]
pub struct CallCodes(CodeCache);

/// Why a call gives no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It may not run: what a transaction must fulfil and this call was not excused from.
    #[error(transparent)]
    Invalid(#[from] TxError),
    /// The state gives no answer.
    #[error(transparent)]
    View(#[from] ViewError),
    /// It was given up ([`CallSession::until`]).
    #[error("execution timeout")]
    TimedOut,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub end: CallEnd,
    /// What it returned; of a creation that succeeded, the code.
    pub output: Bytes,
    /// Gas after refunds, as a receipt counts it.
    pub gas_used: u64,
    /// Gas that had to be there: before refunds, and at least what the call data's floor demands.
    pub gas_peak: u64,
    /// Gas that was given back.
    pub gas_refunded: u64,
    /// Logs, none unless it succeeded.
    pub logs: Vec<Log>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It succeeded; a creation has the new contract's address.
    Success(Option<Address>),
    /// It reverted: the output says why.
    Revert,
    /// It failed otherwise and used up its gas; with the reason in geth's words.
    Halt(String),
}

impl CallEnd {
    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }
}

impl CallOutcome {
    pub(crate) fn new(result: ExecutionResult) -> Self {
        let gas = *result.gas();
        let (end, output, logs) = match result {
            ExecutionResult::Success { output, logs, .. } => {
                (CallEnd::Success(output.address().copied()), output.into_data(), logs)
            }
            ExecutionResult::Revert { output, .. } => (CallEnd::Revert, output, Vec::new()),
            ExecutionResult::Halt { reason, .. } => (CallEnd::Halt(halt_text(&reason)), Bytes::new(), Vec::new()),
        };
        Self {
            end,
            output,
            gas_used: gas.tx_gas_used(),
            gas_peak: gas.total_gas_spent().max(gas.floor_gas()),
            gas_refunded: gas.final_refunded(),
            logs,
        }
    }
}

/// Calls one after the other on one state. See the module's description.
#[derive(Debug)]
pub struct CallSession<'a> {
    db: CallDb<'a>,
    block: CallBlock,
    precompiles: CallPrecompiles,
    /// Where the next change enters the ledger; it only ever goes up.
    index: BlockAccessIndex,
}

impl<'a> CallSession<'a> {
    /// A session in the environment of a block, over the state in `view`. Blocks above `base` have the hashes that they are
    /// given ([`CallSession::add_block_hash`]), and others none.
    pub fn new(view: &'a dyn StateView, codes: &'a CallCodes, base: u64, block: CallBlock) -> Self {
        let ledger = LedgerDb::new(
            Ledger::new(!block.rules.is_active(Fork::SpuriousDragon)),
            Parent { view, codes: &codes.0 },
            HashMemo::default(),
        );
        let precompiles = CallPrecompiles::new(cfg_env(&block.rules).spec);
        Self { db: CallDb::new(ledger, base), block, precompiles, index: BlockAccessIndex(0) }
    }

    /// The same session, whose calls are given up once this says so. It is asked now and then while a call runs.
    #[must_use]
    pub fn until(mut self, is_late: &'a dyn Fn() -> bool) -> Self {
        self.db.set_late(is_late);
        self
    }

    /// The block that calls run in.
    pub fn block(&self) -> &CallBlock {
        &self.block
    }

    /// The block that calls run in, to be changed. What was changed in the state stays.
    pub fn block_mut(&mut self) -> &mut CallBlock {
        &mut self.block
    }

    /// Goes on to another block: its environment, and precompiled contracts where the rules of `precompiles_of` have them.
    pub fn enter_block(&mut self, block: CallBlock, precompiles_of: Fork) {
        let rules = motet_types::BlockRules { fork: precompiles_of, ..block.rules.clone() };
        self.precompiles = CallPrecompiles::new(cfg_env(&rules).spec);
        self.block = block;
    }

    /// Gives a block the hash that BLOCKHASH finds.
    pub fn add_block_hash(&mut self, number: u64, hash: B256) {
        self.db.add_hash(number, hash);
    }

    /// An account as it is now; `None` when it does not exist.
    ///
    /// # Errors
    /// When the state gives no answer.
    pub fn account(&mut self, address: Address) -> Result<Option<Account>, ViewError> {
        self.db.ledger.account(address).map_err(view_error)
    }

    /// The code of an account as it is now.
    ///
    /// # Errors
    /// When the state gives no answer.
    pub fn code(&mut self, address: Address) -> Result<Bytes, ViewError> {
        self.db.code_of(address).map_err(view_error)
    }

    /// Whether calls to an address run a precompiled contract.
    pub fn is_precompile(&self, address: &Address) -> bool {
        self.precompiles.runs(address)
    }

    /// What was changed since the session began, as a difference to the state below.
    pub fn diff(&self) -> StateDiff {
        self.db.ledger.ledger.diff()
    }

    /// Runs a call and keeps what it changes for those after it.
    ///
    /// # Errors
    /// When it may not run, is given up, or the state gives no answer: nothing has changed then.
    pub fn call(&mut self, tx: &CallTx, checks: CallChecks) -> Result<CallOutcome, CallError> {
        let mut executed = self.run(tx.env(&self.block), checks, NoOpInspector)?;
        self.keep(&mut executed);
        Ok(CallOutcome::new(executed.result))
    }

    /// Runs a call and forgets what it changes.
    ///
    /// # Errors
    /// See [`CallSession::call`].
    pub fn try_call(&mut self, tx: &CallTx, checks: CallChecks) -> Result<CallOutcome, CallError> {
        let executed = self.run(tx.env(&self.block), checks, NoOpInspector)?;
        Ok(CallOutcome::new(executed.result))
    }

    /// Runs a call under somebody's eyes. What it changes is in its outcome, until [`CallSession::keep`] enters it.
    pub(crate) fn inspect<'s, I>(
        &'s mut self,
        tx: &CallTx,
        checks: CallChecks,
        inspector: I,
    ) -> Result<Executed, CallError>
    where
        I: Inspector<CallContext<'s, 'a>>,
    {
        let env = tx.env(&self.block);
        self.run(env, checks, inspector)
    }

    /// Like [`CallSession::inspect`], for a transaction in the EVM's words.
    pub(crate) fn run<'s, I>(&'s mut self, tx: TxEnv, checks: CallChecks, inspector: I) -> Result<Executed, CallError>
    where
        I: Inspector<CallContext<'s, 'a>>,
    {
        let watched = (Interrupt::default(), inspector);
        let mut evm = evm(&mut self.db, &self.block, &self.precompiles, watched);
        // A nonce that nobody checks may be the last one, which no transaction can have (EIP-2681).
        let nonce = if checks.nonce { tx.nonce } else { 0 };
        evm.ctx.set_tx(TxEnv { nonce, ..tx });
        let result = CallHandler::new(checks).inspect_run(&mut evm);
        finish(evm.ctx.journaled_state.finalize(), result)
    }

    /// The state as the next call finds it.
    pub(crate) fn db(&mut self) -> &mut CallDb<'a> {
        &mut self.db
    }

    /// A call in the EVM's words.
    pub(crate) fn env_of(&self, tx: &CallTx) -> TxEnv {
        tx.env(&self.block)
    }

    /// Enters what a call changed.
    pub(crate) fn keep(&mut self, executed: &mut Executed) {
        self.index = BlockAccessIndex(self.index.0.saturating_add(1));
        self.db.ledger.ledger.commit(self.index, &mut executed.state, None);
    }

    /// Calls a contract as EIP-4788's SYSTEM_ADDRESS and keeps what it changes; says whether it succeeded, with its output.
    /// A contract that is not there does nothing.
    ///
    /// # Errors
    /// When the state gives no answer.
    pub fn system_call(&mut self, contract: Address, data: Bytes) -> Result<(bool, Bytes), CallError> {
        let mut tx = TxEnv::new_system_tx_with_caller(SYSTEM_ADDRESS, contract, data);
        if !cfg_env(&self.block.rules).spec.is_enabled_in(SpecId::AMSTERDAM) {
            // revm adds Amsterdam's reservoir of state gas in every fork.
            tx.gas_limit = SYSTEM_CALL_GAS;
        }
        let mut evm = evm(&mut self.db, &self.block, &self.precompiles, NoOpInspector);
        evm.ctx.set_tx(tx);
        let result = CallHandler::new(CallChecks::NONE).run_system_call(&mut evm);
        let mut executed = finish(evm.ctx.journaled_state.finalize(), result)?;
        self.keep(&mut executed);
        let is_success = executed.result.is_success();
        Ok((is_success, executed.result.into_output().unwrap_or_default()))
    }
}

fn finish(
    state: EvmState,
    result: Result<ExecutionResult, EVMError<Stop, InvalidTransaction>>,
) -> Result<Executed, CallError> {
    match result {
        Ok(result) => Ok(Executed { result, state, fee: U256::ZERO }),
        Err(error) => Err(match VmError::from(error) {
            VmError::Invalid(error) => CallError::Invalid(error),
            VmError::Stopped(Stop::Cancelled) => CallError::TimedOut,
            VmError::Stopped(stop) => CallError::View(view_error(stop)),
        }),
    }
}

fn view_error(stop: Stop) -> ViewError {
    match stop {
        Stop::View(error) => *error,
        other => unreachable!("calls read neither a block nor a list: {other}"),
    }
}

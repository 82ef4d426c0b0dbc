//! The EVM, and the only home of revm.
//!
//! A [`Vm`] runs transactions one after the other over a [`VmDb`] and gives back, for each, the result
//! and the accounts that it loaded ([`Executed`]). It never writes: what a transaction changes is in its
//! own outcome.
//!
//! Hashes of two words are remembered (`hash_memo`). Two things differ from stock revm, both only when the database asks
//! for it:
//! - the beneficiary's fee can be kept out of the journal ([`FeePolicy::Apart`]), so that paying it reads
//!   nothing;
//! - the database is told when a balance is *observed* (BALANCE, SELFBALANCE, SELFDESTRUCT) or merely
//!   *compared* (a transfer or fee that must be covered), so that balances can change underneath a
//!   transaction that never looked at them.

mod code;
mod collision;
mod env;
mod handler;
mod hash_memo;
mod inspected;
mod intrinsic;
mod lean;
mod observe;
mod room;

pub(crate) use code::{CodeCache, analyse, private_copy};
pub(crate) use env::{block_env, block_of, cfg_env, cfg_of, code_bytes_max, tx_env};
pub(crate) use hash_memo::HashMemo;
pub(crate) use inspected::InspectedVm;
pub use intrinsic::{IntrinsicGas, intrinsic_gas};
pub use lean::{LeanOutcome, lean};
pub(crate) use observe::VmDb;
pub(crate) use revm::bytecode::Bytecode;
pub(crate) use revm::context::result::ExecutionResult;
pub(crate) use revm::context::{BlockEnv, CfgEnv, TxEnv};
pub(crate) use revm::database_interface::{DBErrorMarker, Database};
pub(crate) use revm::primitives::hardfork::SpecId;
pub(crate) use revm::state::{Account as VmAccount, AccountInfo, EvmState};
pub(crate) use room::VmRoom;

use crate::stop::Stop;
use alloy_primitives::{Address, Bytes, Log, U256};
use handler::{FeeHandler, Shell};
use motet_types::{Account, TxError};
use revm::context::result::{EVMError, InvalidTransaction};
use revm::context::{Context, ContextSetters, Evm, JournalTr};
use revm::handler::instructions::EthInstructions;
use revm::handler::{EthFrame, EthPrecompiles, Handler, SYSTEM_ADDRESS, SystemCallTx};
use revm::interpreter::interpreter::EthInterpreter;

/// Accounts that a map may have room for to be used again.
pub(crate) const ROOM_ACCOUNTS_MAX: usize = 512;

/// Gas of a system call before Amsterdam. EIP-4788, EIP-7002.
const SYSTEM_CALL_GAS: u64 = 30_000_000;

/// revm's context over one of our databases.
pub(crate) type VmContext<D> = Context<BlockEnv, TxEnv, CfgEnv, D>;

type Inner<D> = Evm<VmContext<D>, (), EthInstructions<EthInterpreter, VmContext<D>>, EthPrecompiles, EthFrame>;

/// Who pays the beneficiary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeePolicy {
    /// The journal, as stock revm does it: the beneficiary's account is read and is part of the state.
    InJournal,
    /// The caller, later: the fee is in [`Executed::fee`].
    Apart,
}

/// One executed transaction or system call.
#[derive(Debug)]
pub(crate) struct Executed {
    /// Status, gas, logs, output.
    pub result: ExecutionResult,
    /// Every account that was loaded, with what became of it.
    pub state: EvmState,
    /// Wei for the beneficiary that is not in `state` yet. Zero under [`FeePolicy::InJournal`].
    pub fee: U256,
}

/// Why an execution gave no outcome.
#[derive(Debug)]
pub(crate) enum VmError {
    /// The transaction may not stand where it stands, judged by the state that it was shown.
    Invalid(TxError),
    /// A read did not answer.
    Stopped(Stop),
}

/// An EVM over a database, reused for many transactions of one block.
#[allow(missing_debug_implementations)]
pub(crate) struct Vm<D: VmDb> {
    shell: Shell<D>,
}

// SAFETY: an EVM is not `Send` because of the `Rc` around its memory buffer, whose clones sit in its frames
// and call inputs, and of raw pointers into bytecode that it holds. All of them belong to this one value: the
// outcomes that leave it are `Send` without help (asserted below), so moving the `Vm` moves every clone.
#[allow(unsafe_code)]
unsafe impl<D: VmDb + Send> Send for Vm<D> {}

impl Executed {
    /// The logs, which a receipt takes over.
    pub(crate) fn take_logs(&mut self) -> Vec<Log> {
        match &mut self.result {
            ExecutionResult::Success { logs, .. }
            | ExecutionResult::Revert { logs, .. }
            | ExecutionResult::Halt { logs, .. } => std::mem::take(logs),
        }
    }
}

impl<D: VmDb> Vm<D> {
    /// An EVM with the rules and the environment of a block.
    pub(crate) fn new(db: D, cfg: CfgEnv, block: BlockEnv, room: VmRoom) -> Self {
        let spec = cfg.spec;
        let VmRoom { frames, local, deepest } = room;
        let ctx = VmContext::new(db, spec).with_cfg(cfg).with_block(block).with_local(local);
        let mut instructions = EthInstructions::new_mainnet_with_spec(spec);
        observe::install(&mut instructions);
        let evm = Inner {
            ctx,
            inspector: (),
            instruction: instructions,
            precompiles: EthPrecompiles::new(spec),
            frame_stack: frames,
        };
        Self { shell: Shell { evm, fee: U256::ZERO, deepest } }
    }

    /// The database.
    pub(crate) fn db(&mut self) -> &mut D {
        &mut self.shell.evm.ctx.journaled_state.database
    }

    /// Ends the EVM, and gives back the database and the memory that another EVM can use.
    pub(crate) fn into_parts(self) -> (D, VmRoom) {
        let Shell { evm, deepest, .. } = self.shell;
        let room = VmRoom { frames: evm.frame_stack, local: evm.ctx.local, deepest };
        (evm.ctx.journaled_state.database, room)
    }

    /// Gives the next transaction a map to keep its accounts in, for the room that it has.
    #[inline]
    pub(crate) fn reuse(&mut self, mut room: EvmState) {
        // Emptying and going through a map takes time by its room.
        if room.capacity() > ROOM_ACCOUNTS_MAX {
            return;
        }
        room.clear();
        self.shell.evm.ctx.journaled_state.inner.state = room;
    }

    /// Runs one transaction.
    ///
    /// # Errors
    /// When the transaction is invalid on the state that the database shows, or a read stops it. The EVM
    /// stays usable.
    pub(crate) fn transact(&mut self, tx: TxEnv, fee: FeePolicy) -> Result<Executed, VmError> {
        self.shell.fee = U256::ZERO;
        self.shell.evm.ctx.set_tx(tx);
        let outcome = FeeHandler::<D>::new(fee).run(&mut self.shell);
        let state = self.shell.evm.ctx.journaled_state.finalize();
        match outcome {
            Ok(result) => Ok(Executed { result, state, fee: self.shell.fee }),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls a system contract as EIP-4788's SYSTEM_ADDRESS: no fee, no nonce, 30 million gas.
    ///
    /// # Errors
    /// When a read stops it.
    pub(crate) fn system_call(&mut self, contract: Address, data: Bytes) -> Result<Executed, VmError> {
        self.shell.fee = U256::ZERO;
        let mut tx = TxEnv::new_system_tx_with_caller(SYSTEM_ADDRESS, contract, data);
        if !self.shell.evm.ctx.cfg.spec.is_enabled_in(SpecId::AMSTERDAM) {
            // revm adds Amsterdam's reservoir of state gas in every fork.
            tx.gas_limit = SYSTEM_CALL_GAS;
        }
        self.shell.evm.ctx.set_tx(tx);
        let outcome = FeeHandler::<D>::new(FeePolicy::InJournal).run_system_call(&mut self.shell);
        let state = self.shell.evm.ctx.journaled_state.finalize();
        match outcome {
            Ok(result) => Ok(Executed { result, state, fee: U256::ZERO }),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<EVMError<Stop, InvalidTransaction>> for VmError {
    fn from(error: EVMError<Stop, InvalidTransaction>) -> Self {
        match error {
            EVMError::Transaction(invalid) => Self::Invalid(tx_error(invalid)),
            EVMError::Database(stop) => Self::Stopped(stop),
            EVMError::Header(header) => Self::Invalid(TxError::Refused(header.to_string())),
            EVMError::Custom(message) => Self::Invalid(TxError::Refused(message)),
            EVMError::CustomAny(any) => Self::Invalid(TxError::Refused(any.to_string())),
        }
    }
}

/// Our name for revm's verdict on a transaction.
fn tx_error(invalid: InvalidTransaction) -> TxError {
    use InvalidTransaction as I;
    match invalid {
        I::PriorityFeeGreaterThanMaxFee => TxError::PriorityFeeGreaterThanMaxFee,
        I::GasPriceLessThanBasefee => TxError::GasPriceLessThanBaseFee,
        I::CallerGasLimitMoreThanBlock => TxError::CallerGasLimitMoreThanBlock,
        I::TxGasLimitGreaterThanCap { gas_limit, cap } => TxError::GasLimitAboveCap { gas_limit, cap },
        I::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            TxError::IntrinsicGasTooLow { initial_gas, gas_limit }
        }
        I::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => TxError::FloorGasTooLow { floor: gas_floor, gas_limit },
        I::RejectCallerWithCode => TxError::SenderHasCode,
        I::LackOfFundForMaxFee { fee, balance } => TxError::LackOfFunds { balance: *balance, needed: *fee },
        I::OverflowPaymentInTransaction => TxError::PaymentOverflow,
        I::NonceOverflowInTransaction => TxError::NonceOverflow,
        I::NonceTooHigh { tx, state } => TxError::NonceTooHigh { tx, state },
        I::NonceTooLow { tx, state } => TxError::NonceTooLow { tx, state },
        I::CreateInitCodeSizeLimit => TxError::InitCodeTooLarge,
        I::InvalidChainId => TxError::InvalidChainId,
        I::MissingChainId => TxError::MissingChainId,
        I::AccessListNotSupported | I::Eip2930NotSupported => TxError::TypeNotSupported(1),
        I::Eip1559NotSupported => TxError::TypeNotSupported(2),
        I::MaxFeePerBlobGasNotSupported | I::BlobVersionedHashesNotSupported | I::Eip4844NotSupported => {
            TxError::TypeNotSupported(3)
        }
        I::AuthorizationListNotSupported | I::Eip7702NotSupported => TxError::TypeNotSupported(4),
        I::BlobGasPriceGreaterThanMax { .. } => TxError::BlobGasPriceGreaterThanMax,
        I::EmptyBlobs => TxError::EmptyBlobs,
        I::BlobCreateTransaction => TxError::BlobCreateTransaction,
        I::TooManyBlobs { have, max } => TxError::TooManyBlobs { have, max },
        I::BlobVersionNotSupported => TxError::BlobVersion,
        I::EmptyAuthorizationList => TxError::EmptyAuthorizationList,
        I::AuthorizationListInvalidFields => TxError::SetCodeCreateTransaction,
        other => TxError::Refused(other.to_string()),
    }
}

/// An account as the transaction found it.
pub(crate) fn found(account: &mut VmAccount) -> Account {
    if account.is_loaded_as_not_existing() {
        return Account::default();
    }
    // The shared reference would clone it, and count references to its code.
    let info = account.original_info_mut();
    Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
}

const _: () = {
    /// Outcomes travel between threads; the compiler holds us to it.
    const fn assert_send<T: Send>() {}
    assert_send::<Executed>();
    assert_send::<VmError>();
};

//! revm's handler, with the checks that a call may be excused from, in the order in which clients make them.

use super::database::CallDb;
use super::precompiles::CallPrecompiles;
use super::tx::{CallBlock, CallChecks};
use crate::stop::Stop;
use crate::vm::{VmContext, cfg_env};
use revm::context::result::{EVMError, HaltReason, InvalidTransaction};
use revm::context::{ContextTr, Evm, FrameStack, JournalTr};
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::handler::instructions::EthInstructions;
use revm::handler::{EthFrame, Handler, pre_execution, validation};
use revm::inspector::{Inspector, InspectorHandler};
use revm::interpreter::InitialAndFloorGas;
use revm::interpreter::interpreter::EthInterpreter;
use std::marker::PhantomData;

/// What an inspector of calls is given.
pub(crate) type CallContext<'s, 'a> = VmContext<&'s mut CallDb<'a>>;

/// The EVM of one call.
pub(super) type CallEvm<'s, 'a, I> =
    Evm<CallContext<'s, 'a>, I, EthInstructions<EthInterpreter, CallContext<'s, 'a>>, CallPrecompiles, EthFrame>;

/// An EVM over the state of a session.
pub(super) fn evm<'s, 'a, I>(
    db: &'s mut CallDb<'a>,
    block: &CallBlock,
    precompiles: &CallPrecompiles,
    inspector: I,
) -> CallEvm<'s, 'a, I> {
    let cfg = cfg_env(&block.rules);
    let spec = cfg.spec;
    CallEvm {
        ctx: CallContext::new(db, spec).with_cfg(cfg).with_block(block.env()),
        inspector,
        instruction: EthInstructions::new_mainnet_with_spec(spec),
        precompiles: precompiles.clone(),
        frame_stack: FrameStack::new(),
    }
}

/// The handler of one call.
pub(super) struct CallHandler<E> {
    checks: CallChecks,
    _evm: PhantomData<E>,
}

impl<E> CallHandler<E> {
    pub(super) fn new(checks: CallChecks) -> Self {
        Self { checks, _evm: PhantomData }
    }
}

impl<'s, 'a, I> Handler for CallHandler<CallEvm<'s, 'a, I>> {
    type Evm = CallEvm<'s, 'a, I>;
    type Error = EVMError<Stop, InvalidTransaction>;
    type HaltReason = HaltReason;

    /// Clients look at the sender first, then at fees and funds, and at the gas last: where a call fails more than one check,
    /// this decides what its caller is told.
    fn validate(&self, evm: &mut Self::Evm) -> Result<InitialAndFloorGas, Self::Error> {
        self.validate_sender(evm)?;
        self.validate_env(evm)?;
        let mut gas = InitialAndFloorGas::new(0, 0);
        self.validate_against_state_and_deduct_caller(evm, &mut gas)?;
        self.validate_initial_tx_gas(evm)
    }

    fn validate_env(&self, evm: &mut Self::Evm) -> Result<(), Self::Error> {
        let ctx = &mut evm.ctx;
        let (block, cfg) = (ctx.block.clone(), ctx.cfg.clone());
        if !self.checks.gas_limit {
            ctx.block.gas_limit = u64::MAX;
            ctx.cfg.tx_gas_limit_cap = Some(u64::MAX);
        }
        if !self.checks.fees {
            // A call that names no price is not held to one.
            if ctx.tx.gas_price == 0 && ctx.tx.gas_priority_fee.unwrap_or_default() == 0 {
                ctx.block.basefee = 0;
            }
            if let (0, Some(blob)) = (ctx.tx.max_fee_per_blob_gas, &mut ctx.block.blob_excess_gas_and_price) {
                blob.blob_gasprice = 0;
            }
        }
        let verdict = validation::validate_env(&mut *ctx);
        (ctx.block, ctx.cfg) = (block, cfg);
        if !self.checks.gas_limit {
            // The cap also splits the gas of a transaction: a call that is above it would not have what it was given.
            ctx.cfg.tx_gas_limit_cap = Some(u64::MAX);
        }
        verdict
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        _gas: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        let (block, tx, cfg, journal, _, _) = evm.ctx.all_mut();
        let mut caller = journal.load_account_with_code_mut(tx.caller)?.data;
        let balance = pre_execution::calculate_caller_fee(*caller.balance(), tx, block, cfg)?;
        caller.set_balance(balance);
        if tx.kind.is_call() {
            // Where nonces are not checked one may be at its end: clients let it begin anew.
            let nonce = caller.account().info.nonce.wrapping_add(1);
            caller.set_nonce(nonce);
        }
        Ok(())
    }
}

impl<'s, 'a, I> CallHandler<CallEvm<'s, 'a, I>> {
    fn validate_sender(&self, evm: &mut CallEvm<'s, 'a, I>) -> Result<(), EVMError<Stop, InvalidTransaction>> {
        let (_, tx, _, journal, _, _) = evm.ctx.all_mut();
        let caller = journal.load_account_with_code_mut(tx.caller)?.data;
        pre_execution::validate_account_nonce_and_code(
            &caller.account().info,
            tx.nonce,
            !self.checks.sender,
            !self.checks.nonce,
        )?;
        Ok(())
    }
}

impl<'s, 'a, I> InspectorHandler for CallHandler<CallEvm<'s, 'a, I>>
where
    I: Inspector<CallContext<'s, 'a>>,
{
    type IT = EthInterpreter;
}

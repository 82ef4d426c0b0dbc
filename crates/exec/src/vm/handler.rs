//! revm's transaction handler with two changes: who pays the beneficiary, and telling the database what
//! was compared.

use super::collision;
use super::observe::{self, VmDb};
use super::{FeePolicy, Inner, SpecId, VmContext};
use crate::stop::Stop;
use alloy_primitives::{Address, U256};
use revm::context::result::{EVMError, HaltReason, InvalidTransaction};
use revm::context::{ContextTr, FrameStack};
use revm::context_interface::{Block as _, Transaction as _};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, FrameTr, Handler, ItemOrResult, pre_execution,
};
use revm::interpreter::InitialAndFloorGas;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use std::marker::PhantomData;

/// revm's EVM with a place for the fee, and a look at every frame before it starts.
pub(super) struct Shell<D: VmDb> {
    pub(super) evm: Inner<D>,
    /// The fee of the last transaction, when it is kept apart.
    pub(super) fee: U256,
    /// The most frames that were in use at a time.
    pub(super) deepest: usize,
}

impl<D: VmDb> EvmTr for Shell<D> {
    type Context = VmContext<D>;
    type Instructions = EthInstructions<EthInterpreter, VmContext<D>>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame;

    #[inline]
    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.evm.all()
    }

    #[inline]
    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Self::Frame>) {
        self.evm.all_mut()
    }

    #[inline]
    fn frame_init(
        &mut self,
        input: <Self::Frame as FrameTr>::FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<Self::Context>> {
        if D::OBSERVES {
            observe::frame(&mut self.evm.ctx, &input.frame_input)?;
        }
        self.deepest = self.deepest.max(input.depth + 1);
        match collision::with_storage(&mut self.evm.ctx, &input)? {
            None => self.evm.frame_init(input),
            Some(address) => self.collide(address, input),
        }
    }

    #[inline]
    fn frame_run(&mut self) -> Result<FrameInitOrResult<Self::Frame>, ContextDbError<Self::Context>> {
        self.evm.frame_run()
    }

    #[inline]
    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.evm.frame_return_result(result)
    }
}

impl<D: VmDb> Shell<D> {
    /// Creates a contract where storage is, which fails as where a nonce is: that is the collision that revm knows.
    fn collide(
        &mut self,
        address: Address,
        input: FrameInit,
    ) -> Result<FrameInitResult<'_, EthFrame>, ContextDbError<VmContext<D>>> {
        collision::set_nonce(&mut self.evm.ctx, address, 1);
        if let ItemOrResult::Result(result) = self.evm.frame_init(input)? {
            collision::set_nonce(&mut self.evm.ctx, address, 0);
            return Ok(ItemOrResult::Result(result));
        }
        unreachable!("no frame starts at {address}, which has a nonce")
    }
}

/// The handler of one transaction.
pub(super) struct FeeHandler<D> {
    policy: FeePolicy,
    _db: PhantomData<D>,
}

impl<D> FeeHandler<D> {
    pub(super) fn new(policy: FeePolicy) -> Self {
        Self { policy, _db: PhantomData }
    }
}

impl<D: VmDb> Handler for FeeHandler<D> {
    type Evm = Shell<D>;
    type Error = EVMError<Stop, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        _gas: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        pre_execution::validate_against_state_and_deduct_caller::<_, Self::Error>(&mut evm.evm.ctx)?;
        if D::OBSERVES {
            // An invalid verdict on speculative state is never final, so only success is noted.
            let needed = evm.evm.ctx.tx.max_balance_spending()?;
            let caller = evm.evm.ctx.tx.caller;
            observe::covered(&mut evm.evm.ctx, caller, needed);
        }
        Ok(())
    }

    fn reward_beneficiary(&self, evm: &mut Self::Evm, result: &mut FrameResult) -> Result<(), Self::Error> {
        match self.policy {
            FeePolicy::InJournal => {
                revm::handler::post_execution::reward_beneficiary(&mut evm.evm.ctx, result.gas()).map_err(From::from)
            }
            FeePolicy::Apart => {
                let ctx = evm.evm.ctx_ref();
                let base_fee = u128::from(ctx.block().basefee());
                let price = ctx.tx().effective_gas_price(base_fee);
                let tip =
                    if ctx.cfg().spec().is_enabled_in(SpecId::LONDON) { price.saturating_sub(base_fee) } else { price };
                // The same product as revm's own payment, in the same width.
                let used = result.gas().used().saturating_sub(result.gas().reservoir());
                evm.fee = U256::from(tip.wrapping_mul(u128::from(used)));
                Ok(())
            }
        }
    }
}

//! An EVM that somebody watches: every opcode, frame, log and self-destruct is shown to an inspector.
//!
//! It runs one transaction at a time over a database that stands still, with the rules that [`super::Vm`] has: stock revm, and
//! no contract is created where storage is (EIP-7610). Nothing is observed and no hash remembered, so that an inspector sees
//! the plain opcodes.

use super::observe::VmDb;
use super::{BlockEnv, CfgEnv, ExecutionResult, TxEnv, VmContext, VmError, collision};
use crate::stop::Stop;
use revm::context::result::{EVMError, InvalidTransaction};
use revm::context::{ContextSetters, Evm, FrameStack, JournalTr};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::{
    EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, FrameTr, ItemOrResult, MainnetHandler,
};
use revm::inspector::{Inspector, InspectorEvmTr, InspectorHandler};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::state::EvmState;

type Instructions<D> = EthInstructions<EthInterpreter, VmContext<D>>;
type Watched<D, I> = Evm<VmContext<D>, I, Instructions<D>, EthPrecompiles, EthFrame>;

/// An EVM with its inspector.
#[allow(missing_debug_implementations)]
pub(crate) struct InspectedVm<D: VmDb, I> {
    evm: Watched<D, I>,
}

impl<D: VmDb, I: Inspector<VmContext<D>>> InspectedVm<D, I> {
    /// An EVM with the rules and the environment of a block.
    pub(crate) fn new(db: D, cfg: CfgEnv, block: BlockEnv, inspector: I) -> Self {
        let spec = cfg.spec;
        let evm = Evm {
            ctx: VmContext::new(db, spec).with_cfg(cfg).with_block(block),
            inspector,
            instruction: EthInstructions::new_mainnet_with_spec(spec),
            precompiles: EthPrecompiles::new(spec),
            frame_stack: FrameStack::new(),
        };
        Self { evm }
    }

    /// Runs one transaction and gives its result with every account that it loaded.
    ///
    /// # Errors
    /// When the transaction is invalid on the state that the database shows, or a read or the inspector stops it.
    pub(crate) fn transact(&mut self, tx: TxEnv) -> Result<(ExecutionResult, EvmState), VmError> {
        self.evm.ctx.set_tx(tx);
        let outcome = MainnetHandler::<Self, EVMError<Stop, InvalidTransaction>, EthFrame>::default().inspect_run(self);
        let state = self.evm.ctx.journaled_state.finalize();
        Ok((outcome.map_err(VmError::from)?, state))
    }

    /// Ends the EVM: the database and what the inspector has seen.
    pub(crate) fn into_parts(self) -> (D, I) {
        (self.evm.ctx.journaled_state.database, self.evm.inspector)
    }
}

impl<D: VmDb, I> EvmTr for InspectedVm<D, I> {
    type Context = VmContext<D>;
    type Instructions = Instructions<D>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame;

    #[inline]
    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        let Evm { ctx, instruction, precompiles, frame_stack, .. } = &self.evm;
        (ctx, instruction, precompiles, frame_stack)
    }

    #[inline]
    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Self::Frame>) {
        let Evm { ctx, instruction, precompiles, frame_stack, .. } = &mut self.evm;
        (ctx, instruction, precompiles, frame_stack)
    }

    fn frame_init(
        &mut self,
        input: <Self::Frame as FrameTr>::FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, ContextDbError<Self::Context>> {
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

impl<D: VmDb, I> InspectedVm<D, I> {
    /// As an execution without an inspector has it: see `vm::handler`.
    fn collide(
        &mut self,
        address: alloy_primitives::Address,
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

impl<D: VmDb, I: Inspector<VmContext<D>>> InspectorEvmTr for InspectedVm<D, I> {
    type Inspector = I;

    #[inline]
    fn all_inspector(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>, &Self::Inspector) {
        let Evm { ctx, instruction, precompiles, frame_stack, inspector } = &self.evm;
        (ctx, instruction, precompiles, frame_stack, inspector)
    }

    #[inline]
    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
        &mut Self::Inspector,
    ) {
        let Evm { ctx, instruction, precompiles, frame_stack, inspector } = &mut self.evm;
        (ctx, instruction, precompiles, frame_stack, inspector)
    }
}

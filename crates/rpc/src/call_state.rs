//! The state and the block that calls run on.

use crate::block_arg::BlockArg;
use crate::call_args::CallArgs;
use crate::call_bounds::CallBounds;
use crate::call_overrides::{BlockOverrides, apply_state_overrides};
use crate::context::RpcContext;
use crate::error::RpcError;
use alloy_rpc_types_eth::state::StateOverride;
use motet_chain::{ChainBlock, ChainView};
use motet_exec::call::{CallBlock, CallCodes, CallSession};
use motet_types::{BlockRules, ChainSpec, StateView};
use std::fmt;
use std::sync::Arc;

/// A block with the state after it.
pub(crate) struct CallBase {
    pub(crate) block: Arc<ChainBlock>,
    view: ChainView,
    codes: CallCodes,
    /// The block after it, where that is what calls run in.
    next: Option<CallBlock>,
    /// Whether the request has had its time: calls are given up then.
    is_late: Box<dyn Fn() -> bool>,
}

impl fmt::Debug for CallBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBase").field("block", &self.block).field("next", &self.next).finish_non_exhaustive()
    }
}

impl CallBase {
    /// The block that a request names, with the state after it.
    ///
    /// # Errors
    /// When there is no such block, or the history does not reach so far.
    pub(crate) fn find(context: &RpcContext, at: Option<BlockArg>) -> Result<Self, RpcError> {
        let (block, view) = context.state(at.unwrap_or_default())?;
        let bounds = CallBounds::current();
        Ok(Self { block, view, codes: CallCodes::default(), next: None, is_late: Box::new(move || bounds.is_late()) })
    }

    /// As [`CallBase::find`]; the pending block, where blocks are made here, is the one that would be made now.
    ///
    /// # Errors
    /// As there, and when no block can be made.
    pub(crate) fn find_or_next(context: &RpcContext, at: BlockArg) -> Result<Self, RpcError> {
        let mut base = Self::find(context, Some(at))?;
        if let Some(producer) = context.producer().filter(|_| at.is_pending()) {
            let next = producer.next_header(&base.block);
            let (header, rules) = next.map_err(|error| RpcError::server(error.to_string()))?;
            base.next = Some(CallBlock::of(&header, &rules));
        }
        Ok(base)
    }

    /// The block itself, or the one after it, as the environment of a call.
    pub(crate) fn environment(&self, spec: &ChainSpec) -> CallBlock {
        if let Some(next) = &self.next {
            return next.clone();
        }
        let header = &self.block.block().header;
        // Total difficulty only decides up to Paris, where blocks stop to have any.
        let before = self.block.total_difficulty().saturating_sub(header.difficulty);
        let rules = spec.rules_at(header.number, header.timestamp, Some(before));
        CallBlock::of(header, &rules)
    }

    /// The rules of a block above this one.
    pub(crate) fn rules_above(&self, spec: &ChainSpec, number: u64, timestamp: u64) -> BlockRules {
        spec.rules_at(number, timestamp, Some(self.block.total_difficulty()))
    }

    /// A session over the state.
    pub(crate) fn session(&self, block: CallBlock) -> CallSession<'_> {
        self.session_on(&self.view, block)
    }

    fn session_on<'s>(&'s self, view: &'s dyn StateView, block: CallBlock) -> CallSession<'s> {
        CallSession::new(view, &self.codes, self.block.number(), block).until(&*self.is_late)
    }

    /// A session for one call: with overrides, and in a block that asks for no price where the call names none, so that
    /// nothing that it sees contradicts that.
    ///
    /// # Errors
    /// When the call or an override does not fit.
    pub(crate) fn session_for(
        &self,
        context: &RpcContext,
        args: &CallArgs,
        state: Option<StateOverride>,
        block: Option<BlockOverrides>,
    ) -> Result<CallSession<'_>, RpcError> {
        self.session_for_on(&self.view, context, args, state, block)
    }

    /// As [`CallBase::session_for`], on a state in the middle of the block.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn session_for_on<'s>(
        &'s self,
        view: &'s dyn StateView,
        context: &RpcContext,
        args: &CallArgs,
        state: Option<StateOverride>,
        block: Option<BlockOverrides>,
    ) -> Result<CallSession<'s>, RpcError> {
        let spec = context.reader().spec();
        args.check(spec.chain_id)?;
        let mut environment = self.environment(spec);
        if let Some(overrides) = block {
            overrides.apply(&mut environment)?;
            if overrides.number.is_some() || overrides.time.is_some() {
                environment.rules = self.rules_above(spec, environment.number, environment.timestamp);
            }
        }
        if args.is_free() {
            environment.base_fee = 0;
        }
        if args.has_free_blobs() {
            environment.blob_base_fee = Some(0);
        }
        let mut session = self.session_on(view, environment);
        if let Some(overrides) = state {
            apply_state_overrides(&mut session, overrides)?;
        }
        Ok(session)
    }
}

//! Traces of calls that nobody signed.

use super::parity::ParityTracer;
use super::watcher::{Bounded, Ending, Parties, Tracer, Watcher};
use super::{TraceError, TraceLimits, TracerOptions, TxPlace};
use crate::call::{CallChecks, CallContext, CallSession, CallTx};
use crate::vm::Executed;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use revm::inspector::Inspector;
use serde_json::value::RawValue;

impl<'a> CallSession<'a> {
    /// Traces a call. Nothing that it changes is kept.
    ///
    /// # Errors
    /// When it may not run, the state gives no answer, or a bound is passed.
    pub fn trace(
        &mut self,
        tx: &CallTx,
        checks: CallChecks,
        options: &TracerOptions,
        limits: TraceLimits<'_>,
    ) -> Result<Box<RawValue>, TraceError> {
        let authorities = tx.authorizations.iter().filter_map(|signed| signed.recover_authority().ok());
        let others = [tx.from].into_iter().chain(tx.to.to().copied()).chain(authorities).collect();
        let parties = Parties { beneficiary: self.block().beneficiary, others };
        let tracer = Tracer::new(&options.kind, &parties, limits.bytes_max);
        let (executed, tracer) = self.watch(tx, checks, tracer, limits)?;
        let (env, place) = (self.env_of(tx), self.place());
        let ending = Ending { tx: &env, result: &executed.result, state: &executed.state, place: &place };
        tracer.finish(&ending, self.db())
    }

    /// Traces a call as Parity did, and keeps what it changes for calls after it.
    ///
    /// # Errors
    /// As [`CallSession::trace`].
    pub fn trace_parity(
        &mut self,
        tx: &CallTx,
        checks: CallChecks,
        types: &HashSet<TraceType>,
        limits: TraceLimits<'_>,
    ) -> Result<TraceResults, TraceError> {
        let (mut executed, tracer) = self.watch(tx, checks, ParityTracer::new(types, limits.bytes_max), limits)?;
        let (env, place) = (self.env_of(tx), self.place());
        let ending = Ending { tx: &env, result: &executed.result, state: &executed.state, place: &place };
        let results = tracer.results(types, &ending, self.db())?;
        self.keep(&mut executed);
        Ok(results)
    }

    fn watch<'s, T>(
        &'s mut self,
        tx: &CallTx,
        checks: CallChecks,
        tool: T,
        limits: TraceLimits<'_>,
    ) -> Result<(Executed, T), TraceError>
    where
        T: Bounded + Inspector<CallContext<'s, 'a>>,
    {
        let mut watcher = Watcher::new(tool, limits);
        let executed = self.inspect(tx, checks, &mut watcher);
        watcher.check()?;
        Ok((executed?, watcher.tool))
    }

    fn place(&self) -> TxPlace {
        TxPlace { block_number: self.block().number, ..TxPlace::default() }
    }
}

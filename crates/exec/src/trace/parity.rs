//! Traces in the form that Parity gave them, for the methods whose names begin with `trace_`.

use super::meter::{ENTRY_BYTES, Meter};
use super::watcher::{Bounded, Ending};
use super::{TraceError, TxPlace};
use crate::stop::Stop;
use crate::vm::{AccountInfo, Bytecode, Database};
use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, B256, Log, U256};
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use revm::DatabaseRef;
use revm::context::ContextTr;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};
use std::cell::RefCell;

/// Watches calls and, where these are wanted, opcodes.
#[derive(Debug)]
pub(super) struct ParityTracer {
    inspector: TracingInspector,
    has_steps: bool,
    meter: Meter,
}

impl ParityTracer {
    pub(super) fn new(types: &HashSet<TraceType>, bytes_max: usize) -> Self {
        let config = TracingInspectorConfig::from_parity_config(types);
        Self { inspector: TracingInspector::new(config), has_steps: config.record_steps, meter: Meter::new(bytes_max) }
    }

    /// Everything that was asked for of one transaction.
    pub(super) fn results<D: Database<Error = Stop>>(
        self,
        types: &HashSet<TraceType>,
        ending: &Ending<'_>,
        before: &mut D,
    ) -> Result<TraceResults, TraceError> {
        let builder = self.inspector.into_parity_builder();
        let before = Shared(RefCell::new(before));
        Ok(builder.into_trace_results_with_state_parts(ending.result, ending.state, types, &before)?)
    }

    /// The calls of one transaction, each with its place on the chain.
    pub(super) fn localized(self, place: &TxPlace) -> Vec<LocalizedTransactionTrace> {
        let info = TransactionInfo {
            hash: place.tx_hash,
            index: Some(place.tx_index),
            block_hash: place.block_hash,
            block_number: Some(place.block_number),
            ..TransactionInfo::default()
        };
        self.inspector.into_parity_builder().into_localized_transaction_traces(info)
    }
}

impl Bounded for ParityTracer {
    fn is_exceeded(&self) -> bool {
        self.meter.is_exceeded()
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for ParityTracer {
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inspector.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        if self.has_steps {
            self.meter.takes(ENTRY_BYTES);
        }
        self.inspector.step(interp, context);
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inspector.step_end(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.inspector.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.meter.takes(inputs.input.len().saturating_add(4 * ENTRY_BYTES));
        self.inspector.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.meter.takes(outcome.result.output.len());
        self.inspector.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.meter.takes(inputs.init_code().len().saturating_add(4 * ENTRY_BYTES));
        self.inspector.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.meter.takes(outcome.result.output.len());
        self.inspector.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        <TracingInspector as Inspector<CTX>>::selfdestruct(&mut self.inspector, contract, target, value);
    }
}

/// A database that reads through a shared reference, as the builder of state differences wants it.
struct Shared<'a, D>(RefCell<&'a mut D>);

impl<D: Database<Error = Stop>> DatabaseRef for Shared<'_, D> {
    type Error = Stop;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.0.borrow_mut().basic(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Stop> {
        self.0.borrow_mut().code_by_hash(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.0.borrow_mut().storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Stop> {
        self.0.borrow_mut().block_hash(number)
    }
}

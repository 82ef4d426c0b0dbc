//! What watches a transaction on behalf of a request, within its bounds.

use super::call_tracer::{CallTracer, CallTreeConfig};
use super::erc7562::Erc7562Tracer;
use super::flat::{FlatConfig, flattened};
use super::legacy::legacy;
use super::options::TracerKind;
use super::prestate::PrestateTracer;
use super::struct_log::StructLogger;
use super::{TraceError, TraceLimits, TxPlace};
use crate::stop::Stop;
use crate::vm::{Database, EvmState, ExecutionResult, TxEnv};
use alloy_primitives::{Address, Log, U256};
use revm::context::ContextTr;
use revm::context_interface::context::ContextError;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter_types::LoopControl;
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};
use revm_inspectors::tracing::FourByteInspector;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// Opcodes between two looks at the time.
const STEPS_PER_LOOK: u32 = 1 << 12;

/// What a transaction came to, for those who watched it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending<'a> {
    pub(super) tx: &'a TxEnv,
    pub(super) result: &'a ExecutionResult,
    /// Every account that it loaded, as it left it.
    pub(super) state: &'a EvmState,
    pub(super) place: &'a TxPlace,
}

/// The accounts that a transaction touches whatever it does.
#[derive(Clone, Debug)]
pub(super) struct Parties {
    pub(super) beneficiary: Address,
    /// Who sends it, to whom, and who delegates in it.
    pub(super) others: Vec<Address>,
}

/// A tool that can be bounded in what it holds.
pub(super) trait Bounded {
    /// Whether it had to leave something out.
    fn is_exceeded(&self) -> bool;
}

/// Lets a tool watch a transaction until a bound is passed; the transaction is given up then.
#[allow(missing_debug_implementations)]
pub(super) struct Watcher<'l, T> {
    pub(super) tool: T,
    limits: TraceLimits<'l>,
    steps: u32,
    is_late: bool,
}

impl<'l, T: Bounded> Watcher<'l, T> {
    pub(super) fn new(tool: T, limits: TraceLimits<'l>) -> Self {
        Self { tool, limits, steps: 0, is_late: false }
    }

    /// The tool, if no bound was passed.
    ///
    /// # Errors
    /// Which bound it was.
    pub(super) fn check(&self) -> Result<(), TraceError> {
        if self.is_late {
            return Err(TraceError::TimedOut);
        }
        if self.tool.is_exceeded() {
            return Err(TraceError::TooLarge { bytes_max: self.limits.bytes_max });
        }
        Ok(())
    }

    fn give_up<CTX: ContextTr>(&self, interp: &mut Interpreter, context: &mut CTX) {
        if context.error().is_ok() {
            // The words are not shown to anybody: `check` says what happened.
            *context.error() = Err(ContextError::Custom("the trace was given up".to_owned()));
        }
        interp.bytecode.action().take();
        interp.bytecode.reset_action();
        interp.halt_fatal();
    }
}

impl<CTX: ContextTr<Journal: JournalExt>, T: Inspector<CTX> + Bounded> Inspector<CTX> for Watcher<'_, T> {
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.tool.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS_PER_LOOK) && (self.limits.is_late)() {
            self.is_late = true;
        }
        self.tool.step(interp, context);
        if self.is_late || self.tool.is_exceeded() {
            self.give_up(interp, context);
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.tool.step_end(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.tool.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.tool.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.tool.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.tool.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.tool.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.tool.selfdestruct(contract, target, value);
    }
}

/// A tracer at work.
#[derive(Debug)]
pub(super) enum Tracer {
    StructLog(Box<StructLogger>),
    Call(CallTracer),
    CallLegacy(CallTracer),
    FlatCall(CallTracer, FlatConfig),
    Prestate(PrestateTracer),
    FourByte(FourByteInspector),
    Erc7562(Box<Erc7562Tracer>),
    Noop,
    Mux(Vec<(String, Tracer)>),
}

/// Says which tracer is meant where all are asked the same.
macro_rules! each {
    ($self:expr, $tracer:ident => $ask:expr) => {
        match $self {
            Tracer::StructLog($tracer) => $ask,
            Tracer::Call($tracer) | Tracer::CallLegacy($tracer) | Tracer::FlatCall($tracer, _) => $ask,
            Tracer::Prestate($tracer) => $ask,
            Tracer::FourByte($tracer) => $ask,
            Tracer::Erc7562($tracer) => $ask,
            Tracer::Noop => Default::default(),
            Tracer::Mux(tracers) => {
                for (_, $tracer) in tracers {
                    let _ = $ask;
                }
                Default::default()
            }
        }
    };
}

impl Tracer {
    /// The tracer for a transaction.
    pub(super) fn new(kind: &TracerKind, parties: &Parties, bytes_max: usize) -> Self {
        match kind {
            TracerKind::StructLog(config) => Self::StructLog(Box::new(StructLogger::new(*config, bytes_max))),
            TracerKind::Call(config) => Self::Call(CallTracer::new(*config, bytes_max)),
            TracerKind::CallLegacy => {
                let config = CallTreeConfig { with_wanted_output: true, ..CallTreeConfig::default() };
                Self::CallLegacy(CallTracer::new(config, bytes_max))
            }
            TracerKind::FlatCall(config) => {
                Self::FlatCall(CallTracer::new(CallTreeConfig::default(), bytes_max), *config)
            }
            TracerKind::Prestate(config) => {
                // The first tracer of this name saw opcodes alone, and none pays the beneficiary.
                let beneficiary = (!config.is_legacy).then_some(parties.beneficiary);
                let accounts = parties.others.iter().copied().chain(beneficiary);
                Self::Prestate(PrestateTracer::new(*config, accounts, bytes_max))
            }
            TracerKind::FourByte => Self::FourByte(FourByteInspector::default()),
            TracerKind::Erc7562(config) => Self::Erc7562(Box::new(Erc7562Tracer::new(config.clone(), bytes_max))),
            TracerKind::Noop => Self::Noop,
            TracerKind::Mux(kinds) => {
                let share = bytes_max / kinds.len().max(1);
                let tracers = kinds.iter().map(|(name, kind)| (name.clone(), Self::new(kind, parties, share)));
                Self::Mux(tracers.collect())
            }
        }
    }

    /// The answer, given what the transaction came to and the state before it.
    pub(super) fn finish<D: Database<Error = Stop>>(
        self,
        ending: &Ending<'_>,
        before: &mut D,
    ) -> Result<Box<RawValue>, TraceError> {
        match self {
            Self::StructLog(logger) => {
                let result = ending.result;
                let output = result.output().cloned().unwrap_or_default();
                let json = logger.into_json(result.tx_gas_used(), !result.is_success(), &output);
                RawValue::from_string(json).map_err(|error| TraceError::Json { reason: error.to_string() })
            }
            Self::Call(tracer) => json(&tracer.into_root(ending)),
            Self::CallLegacy(tracer) => json(&legacy(tracer.into_root(ending))),
            Self::FlatCall(tracer, config) => json(&flattened(tracer.into_root(ending), config, ending.place)),
            Self::Prestate(tracer) => json(&tracer.finish(before, ending.state)?),
            Self::FourByte(tracer) => {
                let counts =
                    tracer.inner().iter().map(|((selector, bytes), count)| (format!("{selector}-{bytes}"), count));
                json(&counts.collect::<BTreeMap<_, _>>())
            }
            Self::Erc7562(tracer) => json(&tracer.finish(ending, before)?),
            Self::Noop => json(&BTreeMap::<String, String>::new()),
            Self::Mux(tracers) => {
                let mut answers = BTreeMap::new();
                for (name, tracer) in tracers {
                    answers.insert(name, tracer.finish(ending, before)?);
                }
                json(&answers)
            }
        }
    }
}

fn json(answer: &impl Serialize) -> Result<Box<RawValue>, TraceError> {
    to_raw_value(answer).map_err(|error| TraceError::Json { reason: error.to_string() })
}

impl Bounded for Tracer {
    fn is_exceeded(&self) -> bool {
        match self {
            Self::StructLog(tracer) => tracer.is_exceeded(),
            Self::Call(tracer) | Self::CallLegacy(tracer) | Self::FlatCall(tracer, _) => tracer.is_exceeded(),
            Self::Prestate(tracer) => tracer.is_exceeded(),
            Self::Erc7562(tracer) => tracer.is_exceeded(),
            // As many entries as calls with new selectors, which gas bounds.
            Self::FourByte(_) | Self::Noop => false,
            Self::Mux(tracers) => tracers.iter().any(|(_, tracer)| tracer.is_exceeded()),
        }
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Tracer {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        each!(self, tracer => Inspector::<CTX>::step(&mut *tracer, interp, context))
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        each!(self, tracer => Inspector::<CTX>::step_end(&mut *tracer, interp, context))
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        each!(self, tracer => Inspector::<CTX>::log(&mut *tracer, context, log.clone()))
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        each!(self, tracer => Inspector::<CTX>::call(&mut *tracer, context, inputs))
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        each!(self, tracer => Inspector::<CTX>::call_end(&mut *tracer, context, inputs, outcome))
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        each!(self, tracer => Inspector::<CTX>::create(&mut *tracer, context, inputs))
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        each!(self, tracer => Inspector::<CTX>::create_end(&mut *tracer, context, inputs, outcome))
    }
}

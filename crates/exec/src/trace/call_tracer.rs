//! The tree of calls of a transaction: geth's `callTracer`, and the source of its flat and legacy forms.

use super::failure::{LastOpcode, message};
use super::frame::{Frame, FrameKind, FrameLog};
use super::meter::{ENTRY_BYTES, Meter};
use super::revert_reason::revert_reason;
use super::watcher::Ending;
use alloy_primitives::{Address, Bytes, Log, TxKind, U64, U256};
use revm::bytecode::opcode;
use revm::context::{ContextTr, JournalTr};
use revm::context_interface::CreateScheme;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter_types::{Jumps, LoopControl};
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
    InterpreterAction, InterpreterResult,
};

/// What of the tree is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallTreeConfig {
    /// The transaction's own frame alone.
    pub(super) only_top_call: bool,
    /// Logs, too.
    pub(super) with_log: bool,
    /// Outputs as long as the caller wanted them, which the legacy form has.
    pub(super) with_wanted_output: bool,
}

/// Watches frames begin and end.
#[derive(Debug)]
pub(super) struct CallTracer {
    config: CallTreeConfig,
    open: Vec<OpenFrame>,
    /// Frames that are open below the last that is kept.
    hidden: usize,
    root: Option<Frame>,
    /// Logs of the transaction so far that nothing has undone.
    log_count: u64,
    /// What `log_count` was when each frame began, hidden ones too.
    logs_before: Vec<u64>,
    meter: Meter,
}

#[derive(Debug)]
struct OpenFrame {
    frame: Frame,
    last: LastOpcode,
    /// The output of the code itself: where a creation fails or keeps nothing afterwards, this is not what remains.
    returned: Option<Bytes>,
    /// The self-destruct that is about to happen.
    destruction: Option<Frame>,
}

impl CallTracer {
    pub(super) fn new(config: CallTreeConfig, bytes_max: usize) -> Self {
        let (open, logs_before) = (Vec::new(), Vec::new());
        Self { config, open, hidden: 0, root: None, log_count: 0, logs_before, meter: Meter::new(bytes_max) }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.meter.is_exceeded()
    }

    /// The tree. The transaction's own frame has the gas of the transaction: its limit, and what it used in the end.
    pub(super) fn into_root(self, ending: &Ending<'_>) -> Frame {
        let mut root = self.root.unwrap_or_else(|| frameless(ending));
        root.gas = Some(U64::from(ending.tx.gas_limit));
        root.gas_used = Some(U64::from(ending.result.tx_gas_used()));
        root.settle_logs(ending.place.logs_before, false);
        root
    }

    fn begin(&mut self, frame: Frame) {
        self.logs_before.push(self.log_count);
        let is_kept = self.hidden == 0 && (self.open.is_empty() || !self.config.only_top_call);
        // The transaction's own caller wants no more than there is.
        let has_caller = self.config.with_wanted_output && !self.open.is_empty();
        let wanted = if has_caller { frame.circumstances.output_bytes_wanted } else { 0 };
        let bytes = frame.input.len().saturating_add(wanted).saturating_add(ENTRY_BYTES);
        if is_kept && self.meter.takes(bytes) {
            self.open.push(OpenFrame { frame, last: LastOpcode::default(), returned: None, destruction: None });
        } else {
            self.hidden += 1;
        }
    }

    fn end(&mut self, result: &InterpreterResult) {
        let logs_before = self.logs_before.pop().unwrap_or_default();
        if !result.result.is_ok() {
            self.log_count = logs_before;
        }
        if self.hidden > 0 {
            self.hidden -= 1;
            return;
        }
        let Some(OpenFrame { mut frame, last, returned, .. }) = self.open.pop() else { return };
        let status = result.result;
        // What fails takes all gas, but for a revert and what is refused before it begins.
        let keeps_rest = status.is_ok() || status.is_revert() || status == InstructionResult::NonceOverflow;
        if keeps_rest {
            frame.gas_used = Some(U64::from(result.gas.total_gas_spent()));
        } else {
            frame.gas_used = frame.gas;
        }
        let is_creation = frame.kind.is_creation();
        if status.is_ok() {
            // Before Homestead a contract comes to be without the code that it could not pay for.
            let output = if is_creation { returned.unwrap_or_default() } else { result.output.clone() };
            frame.output = Some(output).filter(|output| self.meter.takes(output.len()));
        } else {
            let is_stored_short = is_creation && status == InstructionResult::OutOfGas && returned.is_some();
            frame.error = match is_stored_short {
                true => Some("contract creation code storage out of gas".to_owned()),
                false => message(status, last),
            };
            if is_creation {
                frame.to = None;
            }
            if status == InstructionResult::Revert && self.meter.takes(result.output.len()) {
                frame.revert_reason = revert_reason(&result.output);
                frame.output = Some(result.output.clone());
            }
        }
        frame.output = frame.output.filter(|output| !output.is_empty());
        match self.open.last_mut() {
            Some(parent) => parent.frame.calls.push(frame),
            None => self.root = Some(frame),
        }
    }

    /// The frame that opcodes belong to.
    fn current(&mut self) -> Option<&mut OpenFrame> {
        if self.hidden > 0 { None } else { self.open.last_mut() }
    }
}

/// The frame of a transaction whose gas ran out before it could begin.
fn frameless(ending: &Ending<'_>) -> Frame {
    let tx = ending.tx;
    let (kind, to) = match tx.kind {
        TxKind::Call(to) => (FrameKind::Call, Some(to)),
        TxKind::Create => (FrameKind::Create, None),
    };
    let mut frame =
        Frame::begun(kind, tx.caller, to.unwrap_or_default(), tx.data.clone(), tx.gas_limit, Some(tx.value));
    frame.to = to;
    frame.error = message(InstructionResult::OutOfGas, LastOpcode::default());
    frame
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for CallTracer {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        let Some(current) = self.current() else { return };
        let opcode = interp.bytecode.opcode();
        current.last = LastOpcode { opcode, stack_words: interp.stack.len() };
        current.frame.circumstances.has_run = true;
        if opcode == opcode::SELFDESTRUCT {
            let from = interp.input.target_address;
            let heir = interp.stack.data().last().map(|word| Address::from_word((*word).into()));
            let balance =
                context.journal_ref().evm_state().get(&from).map_or(U256::ZERO, |account| account.info.balance);
            current.destruction =
                heir.map(|heir| Frame::begun(FrameKind::SelfDestruct, from, heir, Bytes::new(), 0, Some(balance)));
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        let Some(InterpreterAction::Return(result)) = interp.bytecode.action() else { return };
        let (status, output) = (result.result, result.output.clone());
        let Some(current) = self.current() else { return };
        if status.is_ok() {
            current.returned = Some(output);
        }
        let destruction = current.destruction.take();
        if status == InstructionResult::SelfDestruct
            && !self.config.only_top_call
            && let Some(frame) = destruction
            && self.meter.takes(ENTRY_BYTES)
            && let Some(current) = self.current()
        {
            current.frame.calls.push(frame);
        }
    }

    fn log(&mut self, _context: &mut CTX, log: Log) {
        let index = U64::from(self.log_count);
        self.log_count += 1;
        if !self.config.with_log || self.hidden > 0 {
            return;
        }
        let bytes = log.data.data.len().saturating_add(ENTRY_BYTES);
        if self.meter.takes(bytes)
            && let Some(current) = self.current()
        {
            let position = U64::from(current.frame.calls.len());
            let (topics, data) = log.data.split();
            current.frame.logs.push(FrameLog { address: log.address, topics, data, index, position });
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let (kind, from, value) = match inputs.scheme {
            CallScheme::Call => (FrameKind::Call, inputs.caller, Some(inputs.call_value())),
            CallScheme::CallCode => (FrameKind::CallCode, inputs.target_address, Some(inputs.call_value())),
            CallScheme::DelegateCall => (FrameKind::DelegateCall, inputs.target_address, Some(inputs.call_value())),
            CallScheme::StaticCall => (FrameKind::StaticCall, inputs.caller, None),
        };
        let to = inputs.bytecode_address;
        let input = inputs.input.bytes(context);
        let mut frame = Frame::begun(kind, from, to, input, inputs.gas_limit, value);
        frame.circumstances.is_precompile = context.journal_ref().precompile_addresses().contains(&to);
        frame.circumstances.output_bytes_wanted = inputs.return_memory_offset.len();
        self.begin(frame);
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.end(&outcome.result);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let caller = inputs.caller();
        let nonce = context.journal_ref().evm_state().get(&caller).map_or(0, |account| account.info.nonce);
        let kind = match inputs.scheme() {
            CreateScheme::Create2 { .. } => FrameKind::Create2,
            _ => FrameKind::Create,
        };
        let (to, code) = (inputs.created_address(nonce), inputs.init_code().clone());
        self.begin(Frame::begun(kind, caller, to, code, inputs.gas_limit(), Some(inputs.value())));
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        // Where the creator's nonce is at its end, revm says that it returned, with no address.
        let is_refused = outcome.address.is_none() && outcome.result.result == InstructionResult::Return;
        if is_refused {
            let mut result = outcome.result.clone();
            result.result = InstructionResult::NonceOverflow;
            self.end(&result);
        } else {
            self.end(&outcome.result);
        }
    }
}

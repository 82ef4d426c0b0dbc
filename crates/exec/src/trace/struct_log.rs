//! Every opcode with what it found: geth's default tracer.
//!
//! The answer is written while the transaction runs, since a log of a full block's gas is larger than anything else that a
//! node answers with.

use super::failure::{LastOpcode, message, opcode_name};
use super::meter::Meter;
use alloy_primitives::{Address, Bytes, U256, hex};
use revm::bytecode::opcode;
use revm::context::ContextTr;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter_types::{Jumps, LoopControl, ReturnData};
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter, InterpreterAction,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What of each opcode is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StructLogConfig {
    pub(super) enable_memory: bool,
    pub(super) disable_stack: bool,
    pub(super) disable_storage: bool,
    pub(super) enable_return_data: bool,
    /// Most opcodes; zero: all.
    pub(super) limit: u64,
}

/// Writes down opcodes.
#[derive(Debug)]
pub(super) struct StructLogger {
    config: StructLogConfig,
    /// The entries, as JSON, with commas between them.
    entries: String,
    entry_count: u64,
    /// The opcode that runs, which is written when its cost is known. Its room is used again.
    step: Step,
    is_step_open: bool,
    depth: u64,
    /// The transaction's refund before the last opcode: revm counts it by frame, geth through all of them.
    refund: i64,
    /// What `refund` was when each open frame began.
    refunds_before: Vec<i64>,
    /// Slots that were read or written, by contract.
    storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    meter: Meter,
}

#[derive(Debug, Default)]
struct Step {
    pc: usize,
    opcode: u8,
    gas: u64,
    gas_cost: u64,
    depth: u64,
    refund: u64,
    contract: Address,
    stack: Vec<U256>,
    memory: Vec<u8>,
    return_data: Bytes,
    storage: Option<(U256, U256)>,
    error: Option<String>,
}

impl StructLogger {
    pub(super) fn new(config: StructLogConfig, bytes_max: usize) -> Self {
        Self {
            config,
            entries: String::new(),
            entry_count: 0,
            step: Step::default(),
            is_step_open: false,
            depth: 0,
            refund: 0,
            refunds_before: Vec::new(),
            storage: BTreeMap::new(),
            meter: Meter::new(bytes_max),
        }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.meter.is_exceeded()
    }

    /// The whole answer, as JSON.
    pub(super) fn into_json(mut self, gas_used: u64, is_failed: bool, output: &Bytes) -> String {
        self.write_step();
        let mut json = String::with_capacity(self.entries.len().saturating_add(output.len() * 2).saturating_add(128));
        // Writing to a string cannot fail.
        let _ =
            write!(json, "{{\"gas\":{gas_used},\"failed\":{is_failed},\"returnValue\":\"{output}\",\"structLogs\":[");
        json.push_str(&self.entries);
        json.push_str("]}");
        json
    }

    /// Writes the opcode that has run.
    fn write_step(&mut self) {
        if !std::mem::take(&mut self.is_step_open) {
            return;
        }
        let from = self.entries.len();
        if self.entry_count > 0 {
            self.entries.push(',');
        }
        // Writing to a string cannot fail.
        let _ = self.write_entry();
        if self.meter.takes(self.entries.len() - from) {
            self.entry_count += 1;
        } else {
            self.entries.truncate(from);
        }
    }

    fn write_entry(&mut self) -> std::fmt::Result {
        let (out, step) = (&mut self.entries, &self.step);
        let name = opcode_name(step.opcode);
        write!(
            out,
            "{{\"pc\":{},\"op\":\"{name}\",\"gas\":{},\"gasCost\":{},\"depth\":{}",
            step.pc, step.gas, step.gas_cost, step.depth
        )?;
        if let Some(error) = &step.error {
            // The words of an error need no escapes.
            write!(out, ",\"error\":\"{error}\"")?;
        }
        if !self.config.disable_stack {
            out.push_str(",\"stack\":[");
            for (position, word) in step.stack.iter().enumerate() {
                let comma = if position > 0 { "," } else { "" };
                write!(out, "{comma}\"{word:#x}\"")?;
            }
            out.push(']');
        }
        if self.config.enable_return_data && !step.return_data.is_empty() {
            write!(out, ",\"returnData\":\"{}\"", step.return_data)?;
        }
        if self.config.enable_memory {
            out.push_str(",\"memory\":[");
            for (position, word) in step.memory.chunks(32).enumerate() {
                let comma = if position > 0 { "," } else { "" };
                write!(out, "{comma}\"{}\"", hex::encode_prefixed(word))?;
            }
            out.push(']');
        }
        if let Some((slot, value)) = step.storage {
            let slots = self.storage.entry(step.contract).or_default();
            slots.insert(slot, value);
            out.push_str(",\"storage\":{");
            for (position, (slot, value)) in slots.iter().enumerate() {
                let comma = if position > 0 { "," } else { "" };
                write!(out, "{comma}\"{slot:#066x}\":\"{value:#066x}\"")?;
            }
            out.push('}');
        }
        if step.refund > 0 {
            write!(out, ",\"refund\":{}", step.refund)?;
        }
        out.push('}');
        Ok(())
    }

    fn begin(&mut self) {
        self.write_step();
        self.depth += 1;
        self.refunds_before.push(self.refund);
    }

    fn end(&mut self) {
        self.write_step();
        self.depth = self.depth.saturating_sub(1);
        self.refunds_before.pop();
    }

    /// Whether another opcode would be written.
    fn is_open(&self) -> bool {
        !self.meter.is_exceeded() && (self.config.limit == 0 || self.entry_count < self.config.limit)
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for StructLogger {
    fn step(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        self.write_step();
        let refund_before = self.refunds_before.last().copied().unwrap_or_default();
        self.refund = refund_before.saturating_add(interp.gas.refunded());
        if !self.is_open() {
            return;
        }
        let refund = u64::try_from(self.refund).unwrap_or(0);
        let Self { config, step, depth, .. } = self;
        step.pc = interp.bytecode.pc();
        step.opcode = interp.bytecode.opcode();
        step.gas = interp.gas.remaining();
        step.gas_cost = 0;
        step.depth = *depth;
        step.refund = refund;
        step.contract = interp.input.target_address;
        step.stack.clear();
        step.stack.extend_from_slice(interp.stack.data());
        step.memory.clear();
        if config.enable_memory {
            step.memory.extend_from_slice(&interp.memory.slice_len(0, interp.memory.len()));
        }
        step.return_data = if config.enable_return_data { interp.return_data.buffer().clone() } else { Bytes::new() };
        step.storage = None;
        step.error = None;
        self.is_step_open = true;
    }

    fn step_end(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        if !self.is_step_open {
            return;
        }
        let step = &mut self.step;
        step.gas_cost = step.gas.saturating_sub(interp.gas.remaining());
        let status = match interp.bytecode.action() {
            Some(InterpreterAction::Return(result)) => Some(result.result),
            _ => None,
        };
        let has_failed = status.is_some_and(|status| !status.is_ok());
        if has_failed {
            let last = LastOpcode { opcode: step.opcode, stack_words: step.stack.len() };
            step.error =
                status.filter(|status| is_failed_before_it_ran(*status)).and_then(|status| message(status, last));
        } else if !self.config.disable_storage {
            step.storage = match (step.opcode, step.stack.as_slice(), interp.stack.data().last()) {
                (opcode::SLOAD, [.., slot], Some(value)) => Some((*slot, *value)),
                (opcode::SSTORE, [.., value, slot], _) => Some((*slot, *value)),
                _ => None,
            };
        }
    }

    fn call(&mut self, _context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.begin();
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, _outcome: &mut CallOutcome) {
        self.end();
    }

    fn create(&mut self, _context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        // What the creation passes on is no cost of the opcode.
        if self.is_step_open {
            self.step.gas_cost = self.step.gas_cost.saturating_sub(inputs.gas_limit());
        }
        self.begin();
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, _outcome: &mut CreateOutcome) {
        self.end();
    }
}

/// Whether an opcode failed before it did anything, for which geth has an error at the opcode itself; what fails while it does
/// something, as a revert or a jump to nowhere, is an error of its frame alone.
fn is_failed_before_it_ran(status: InstructionResult) -> bool {
    use InstructionResult as R;
    !matches!(
        status,
        R::Revert | R::InvalidJump | R::OutOfOffset | R::OpcodeNotFound | R::InvalidFEOpcode | R::NotActivated
    )
}

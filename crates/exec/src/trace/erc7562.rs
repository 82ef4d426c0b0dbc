//! The tree of calls with what the rules of account abstraction ask of each: opcodes, slots, codes, hashed bytes. geth's
//! `erc7562Tracer`.

use super::call_tracer::{CallTracer, CallTreeConfig};
use super::frame::{Frame, FrameKind};
use super::meter::{ENTRY_BYTES, Meter};
use super::watcher::Ending;
use crate::vm::Database;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::bytecode::opcode::{self, OpCode};
use revm::context::{ContextTr, JournalTr};
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter_types::{Jumps, LoopControl};
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter, InterpreterAction,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes behind the end of the memory that are read as zeros, at most, in what is hashed.
const PADDING_BYTES_MAX: usize = 1 << 20;

/// What of the tree is wanted.
#[derive(Clone, Debug)]
pub(super) struct Erc7562Config {
    pub(super) with_log: bool,
    /// Opcodes that are not counted; the usual ones where none are named.
    pub(super) ignored_opcodes: Option<Vec<u8>>,
}

/// Watches calls and opcodes.
#[derive(Debug)]
pub(super) struct Erc7562Tracer {
    calls: CallTracer,
    ignored: BTreeSet<u8>,
    /// Frames that are open, and those that ended, each with those below it before it.
    open: Vec<OpcodeFrame>,
    root: Option<OpcodeFrame>,
    preimages: BTreeSet<Bytes>,
    last: Option<(u8, Option<U256>)>,
    /// The slot that is being read for the first time.
    reading: Option<U256>,
    meter: Meter,
}

/// What the opcodes of a frame did.
#[derive(Debug, Default)]
struct OpcodeFrame {
    slots: AccessedSlots,
    ext_code_access_info: Vec<Address>,
    used_opcodes: BTreeMap<u8, u64>,
    /// By which opcode a code was reached first, and its size, where the transaction had loaded it.
    contract_size: BTreeMap<Address, (u8, Option<usize>)>,
    out_of_gas: bool,
    calls: Vec<OpcodeFrame>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessedSlots {
    reads: BTreeMap<B256, Vec<B256>>,
    transient_reads: BTreeMap<B256, u64>,
    transient_writes: BTreeMap<B256, u64>,
    writes: BTreeMap<B256, u64>,
}

impl Erc7562Tracer {
    pub(super) fn new(config: Erc7562Config, bytes_max: usize) -> Self {
        let tree = CallTreeConfig { with_log: config.with_log, ..CallTreeConfig::default() };
        Self {
            calls: CallTracer::new(tree, bytes_max),
            ignored: config.ignored_opcodes.map_or_else(usually_ignored, BTreeSet::from_iter),
            open: Vec::new(),
            root: None,
            preimages: BTreeSet::new(),
            last: None,
            reading: None,
            meter: Meter::new(bytes_max),
        }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.meter.is_exceeded() || self.calls.is_exceeded()
    }

    /// The tree; what the transaction had not loaded is as it was before.
    pub(super) fn finish<D: Database>(self, ending: &Ending<'_>, before: &mut D) -> Result<Value, D::Error> {
        let frame = self.calls.into_root(ending);
        let mut value = rendered(frame, self.root.unwrap_or_default(), before)?;
        if !self.preimages.is_empty() {
            value["keccak"] = json!(self.preimages);
        }
        Ok(value)
    }

    /// What the opcode before has to say now that its successor is known.
    fn look_back(&mut self, opcode: u8) {
        let (Some((last, top)), Some(frame)) = (self.last, self.open.last_mut()) else { return };
        // Whether a contract exists may be asked, what it is may not. ERC-7562, OP-051.
        let is_allowed = last == opcode::EXTCODESIZE && opcode == opcode::ISZERO;
        if is_ext_code(last)
            && !is_allowed
            && let Some(top) = top
            && self.meter.takes(ENTRY_BYTES)
        {
            frame.ext_code_access_info.push(Address::from_word(top.into()));
        }
        // Gas may be asked for to pass it on. ERC-7562, OP-012.
        if last == opcode::GAS && !is_call(opcode) {
            *frame.used_opcodes.entry(opcode::GAS).or_default() += 1;
        }
    }

    fn count_slot(&mut self, opcode: u8, slot: U256) {
        let Some(frame) = self.open.last_mut() else { return };
        let key = B256::from(slot);
        let slots = &mut frame.slots;
        let counts = match opcode {
            opcode::SLOAD => {
                // What it held before this frame wrote it.
                if !slots.reads.contains_key(&key) && !slots.writes.contains_key(&key) {
                    self.reading = Some(slot);
                }
                return;
            }
            opcode::SSTORE => &mut slots.writes,
            opcode::TLOAD => &mut slots.transient_reads,
            opcode::TSTORE => &mut slots.transient_writes,
            _ => return,
        };
        if counts.contains_key(&key) || self.meter.takes(ENTRY_BYTES) {
            *counts.entry(key).or_default() += 1;
        }
    }

    /// Keeps what is about to be hashed.
    fn keep_preimage(&mut self, interp: &Interpreter) {
        let [.., length, offset] = interp.stack.data().as_slice() else { return };
        let (Ok(offset), Ok(length)) = (usize::try_from(*offset), usize::try_from(*length)) else { return };
        let memory_bytes = interp.memory.len();
        let Some(end) = offset.checked_add(length) else { return };
        if end.saturating_sub(memory_bytes) > PADDING_BYTES_MAX || !self.meter.takes(length.saturating_add(ENTRY_BYTES))
        {
            return;
        }
        let mut preimage = vec![0; length];
        let known = end.min(memory_bytes).saturating_sub(offset);
        if known > 0
            && let Some(start) = preimage.get_mut(..known)
        {
            start.copy_from_slice(&interp.memory.slice_len(offset, known));
        }
        self.preimages.insert(preimage.into());
    }

    fn begin(&mut self) {
        self.open.push(OpcodeFrame::default());
    }

    fn end(&mut self, status: InstructionResult) {
        let Some(mut frame) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => {
                use InstructionResult as R;
                frame.out_of_gas = matches!(status, R::OutOfGas | R::MemoryOOG | R::MemoryLimitOOG | R::PrecompileOOG);
                parent.calls.push(frame);
            }
            None => self.root = Some(frame),
        }
    }
}

fn rendered<D: Database>(mut frame: Frame, opcodes: OpcodeFrame, before: &mut D) -> Result<Value, D::Error> {
    let calls = std::mem::take(&mut frame.calls);
    let mut value = serde_json::to_value(&frame).unwrap_or_default();
    let mut sizes = Map::new();
    for (address, (opcode, size)) in opcodes.contract_size {
        let size = match size {
            Some(size) => size,
            None => code_size(before, address)?,
        };
        sizes.insert(format!("{address:#x}"), json!({"contractSize": size, "opcode": opcode}));
    }
    let used: Map<String, Value> =
        opcodes.used_opcodes.into_iter().map(|(opcode, count)| (format!("{opcode:#x}"), json!(count))).collect();
    value["accessedSlots"] = serde_json::to_value(opcodes.slots).unwrap_or_default();
    value["extCodeAccessInfo"] = json!(opcodes.ext_code_access_info);
    value["usedOpcodes"] = Value::Object(used);
    value["contractSize"] = Value::Object(sizes);
    value["outOfGas"] = json!(opcodes.out_of_gas);
    // A self-destruct is a call in the tree that no opcode ran in.
    let mut below = opcodes.calls.into_iter();
    let mut rendered_calls = Vec::with_capacity(calls.len());
    for call in calls {
        let opcodes = match call.kind {
            FrameKind::SelfDestruct => OpcodeFrame::default(),
            _ => below.next().unwrap_or_default(),
        };
        rendered_calls.push(rendered(call, opcodes, before)?);
    }
    if !rendered_calls.is_empty() {
        value["calls"] = Value::Array(rendered_calls);
    }
    Ok(value)
}

fn code_size<D: Database>(state: &mut D, address: Address) -> Result<usize, D::Error> {
    let info = state.basic(address)?.unwrap_or_default();
    let code = match info.code {
        Some(code) => code,
        None => state.code_by_hash(info.code_hash)?,
    };
    Ok(code.len())
}

/// What every contract does: moving words about, and sums.
fn usually_ignored() -> BTreeSet<u8> {
    let arithmetic = [
        opcode::POP,
        opcode::ADD,
        opcode::SUB,
        opcode::MUL,
        opcode::DIV,
        opcode::EQ,
        opcode::LT,
        opcode::GT,
        opcode::SLT,
        opcode::SGT,
        opcode::SHL,
        opcode::SHR,
        opcode::AND,
        opcode::OR,
        opcode::NOT,
        opcode::ISZERO,
    ];
    (opcode::PUSH0..=opcode::SWAP16).chain(arithmetic).collect()
}

fn is_ext_code(opcode: u8) -> bool {
    matches!(opcode, opcode::EXTCODEHASH | opcode::EXTCODESIZE | opcode::EXTCODECOPY)
}

fn is_call(opcode: u8) -> bool {
    matches!(opcode, opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL)
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Erc7562Tracer {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.calls.step(interp, context);
        let opcode = interp.bytecode.opcode();
        let stack = interp.stack.data();
        let (top, second) = (stack.last().copied(), stack.iter().nth_back(1).copied());
        if matches!(opcode, opcode::REVERT | opcode::RETURN) {
            self.last = None;
        }
        self.look_back(opcode);
        let accessed = if is_call(opcode) { second } else { top.filter(|_| is_ext_code(opcode)) };
        if let (Some(word), Some(frame)) = (accessed, self.open.last_mut()) {
            let address = Address::from_word(word.into());
            if !frame.contract_size.contains_key(&address) && self.meter.takes(ENTRY_BYTES) {
                let loaded = context.journal_ref().evm_state().get(&address);
                let size = loaded.and_then(|account| account.info.code.as_ref()).map(|code| code.len());
                frame.contract_size.insert(address, (opcode, size));
            }
        }
        if opcode != opcode::GAS
            && !self.ignored.contains(&opcode)
            && let Some(frame) = self.open.last_mut()
        {
            *frame.used_opcodes.entry(opcode).or_default() += 1;
        }
        if let Some(slot) = top {
            self.count_slot(opcode, slot);
        }
        if opcode == OpCode::KECCAK256.get() {
            self.keep_preimage(interp);
        }
        self.last = Some((opcode, top));
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.calls.step_end(interp, context);
        let Some(slot) = self.reading.take() else { return };
        let has_failed = matches!(interp.bytecode.action(), Some(InterpreterAction::Return(_)));
        if let (false, Some(value), Some(frame)) = (has_failed, interp.stack.data().last(), self.open.last_mut())
            && self.meter.takes(ENTRY_BYTES)
        {
            frame.slots.reads.insert(B256::from(slot), vec![B256::from(*value)]);
        }
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        Inspector::<CTX>::log(&mut self.calls, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.begin();
        self.calls.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.end(outcome.result.result);
        self.calls.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.begin();
        self.calls.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(outcome.result.result);
        self.calls.create_end(context, inputs, outcome);
    }
}

//! Why a frame or an opcode failed, in geth's words.

use revm::bytecode::opcode::OpCode;
use revm::interpreter::InstructionResult;

/// Most words on the stack. Yellow Paper, section 9.1.
const STACK_WORDS_MAX: usize = 1024;

/// The last opcode of a frame, and how many words were on the stack before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastOpcode {
    pub(super) opcode: u8,
    pub(super) stack_words: usize,
}

/// What an opcode is called.
pub(super) fn opcode_name(opcode: u8) -> String {
    match OpCode::new(opcode) {
        Some(known) => known.as_str().to_owned(),
        None => format!("opcode {opcode:#x} not defined"),
    }
}

/// The error of a frame that ended so; `None`: it did not fail.
pub(super) fn message(status: InstructionResult, last: LastOpcode) -> Option<String> {
    use InstructionResult as R;
    let known = match status {
        R::Stop | R::Return | R::SelfDestruct | R::Suspend => return None,
        R::Revert => "execution reverted",
        R::CallTooDeep => "max call depth exceeded",
        R::OutOfFunds => "insufficient balance for transfer",
        R::OutOfGas | R::MemoryOOG | R::MemoryLimitOOG | R::PrecompileOOG => "out of gas",
        // EIP-2200.
        R::ReentrancySentryOOG => "out of gas: not enough gas for reentrancy sentry",
        R::InvalidOperandOOG => "gas uint64 overflow",
        R::OpcodeNotFound | R::InvalidFEOpcode | R::NotActivated => {
            return Some(format!("invalid opcode: {}", opcode_name(last.opcode)));
        }
        R::CallNotAllowedInsideStatic | R::StateChangeDuringStaticCall => "write protection",
        R::InvalidJump => "invalid jump destination",
        R::StackUnderflow => return Some(underflow(last)),
        R::StackOverflow => return Some(overflow(last)),
        R::OutOfOffset => "return data out of bounds",
        R::CreateCollision => "contract address collision",
        R::PrecompileError => "precompiled failed",
        R::NonceOverflow => "nonce uint64 overflow",
        R::CreateContractSizeLimit => "max code size exceeded",
        R::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        R::CreateInitCodeSizeLimit => "max initcode size exceeded",
        other => return Some(format!("{other:?}")),
    };
    Some(known.to_owned())
}

fn underflow(last: LastOpcode) -> String {
    let needed = OpCode::new(last.opcode).map_or(0, |opcode| opcode.inputs());
    format!("stack underflow ({} <=> {needed})", last.stack_words)
}

fn overflow(last: LastOpcode) -> String {
    let (taken, given) =
        OpCode::new(last.opcode).map_or((0, 1), |opcode| (usize::from(opcode.inputs()), usize::from(opcode.outputs())));
    let limit = STACK_WORDS_MAX.saturating_add(taken).saturating_sub(given);
    format!("stack limit reached {} ({limit})", last.stack_words)
}

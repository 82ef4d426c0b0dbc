//! Why a call failed, in the words that geth has for it.

use revm::context::result::HaltReason;

/// Why a call failed, in the words that geth has for it, as far as the EVM tells as much.
pub(crate) fn halt_text(reason: &HaltReason) -> String {
    use HaltReason as H;
    let text = match reason {
        H::OutOfGas(_) => "out of gas",
        H::OpcodeNotFound | H::NotActivated => "invalid opcode",
        H::InvalidFEOpcode => "invalid opcode: INVALID",
        H::InvalidJump => "invalid jump destination",
        H::StackUnderflow => "stack underflow",
        H::StackOverflow => "stack limit reached 1024 (1023)",
        H::OutOfOffset => "return data out of bounds",
        H::CreateCollision => "contract address collision",
        H::NonceOverflow => "nonce uint64 overflow",
        H::CreateContractSizeLimit => "max code size exceeded",
        H::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        H::CreateInitCodeSizeLimit => "max initcode size exceeded",
        H::StateChangeDuringStaticCall | H::CallNotAllowedInsideStatic => "write protection",
        H::OutOfFunds => "insufficient balance for transfer",
        H::CallTooDeep => "max call depth exceeded",
        H::PrecompileErrorWithContext(text) => text,
        other => return other.to_string(),
    };
    text.to_owned()
}

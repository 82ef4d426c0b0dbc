//! Contracts written by hand, opcode by opcode.

use alloy_primitives::{Address, B256, Bytes, U256};
pub(crate) use revm::bytecode::opcode as op;

/// What fits on the EVM's stack.
pub(crate) trait Word {
    fn word(self) -> U256;
}

impl Word for i32 {
    fn word(self) -> U256 {
        U256::from(u32::try_from(self).expect("words are not negative"))
    }
}

impl Word for u64 {
    fn word(self) -> U256 {
        U256::from(self)
    }
}

impl Word for U256 {
    fn word(self) -> U256 {
        self
    }
}

impl Word for B256 {
    fn word(self) -> U256 {
        self.into()
    }
}

impl Word for Address {
    fn word(self) -> U256 {
        U256::from_be_slice(self.as_slice())
    }
}

/// Code under construction. Uses no opcode later than Frontier unless it is named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code(Vec<u8>);

/// Gas for inner calls where the opcode must name a figure that is there in every fork.
const INNER_GAS: u64 = 150_000;

impl Code {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn op(mut self, opcode: u8) -> Self {
        self.0.push(opcode);
        self
    }

    /// Pushes a word in as few bytes as possible.
    pub(crate) fn push(mut self, word: impl Word) -> Self {
        let bytes = word.word().to_be_bytes_trimmed_vec();
        let bytes = if bytes.is_empty() { vec![0] } else { bytes };
        self.0.push(op::PUSH1 + (bytes.len() - 1) as u8);
        self.0.extend(bytes);
        self
    }

    /// Word `index` of the call data.
    pub(crate) fn arg(self, index: i32) -> Self {
        self.push(index * 32).op(op::CALLDATALOAD)
    }

    /// The value of a slot.
    pub(crate) fn load(self, slot: impl Word) -> Self {
        self.push(slot).op(op::SLOAD)
    }

    /// Stores the top of the stack in a slot.
    pub(crate) fn store(self, slot: impl Word) -> Self {
        self.push(slot).op(op::SSTORE)
    }

    /// Stores the top of the stack in the slot that word 0 of the call data names.
    pub(crate) fn store_at_arg(self) -> Self {
        self.arg(0).op(op::SSTORE)
    }

    /// Adds one to a slot.
    pub(crate) fn increment(self, slot: i32) -> Self {
        self.load(slot).push(1).op(op::ADD).store(slot)
    }

    /// Calls without data; leaves the success flag.
    pub(crate) fn call(self, to: impl Word, value: impl Word) -> Self {
        self.call_with_gas(INNER_GAS, to, value)
    }

    /// Like [`Code::call`], with the callee's gas.
    pub(crate) fn call_with_gas(self, gas: u64, to: impl Word, value: impl Word) -> Self {
        self.push(0).push(0).push(0).push(0).push(value).push(to).push(gas).op(op::CALL)
    }

    /// Calls with one word of data; leaves the success flag.
    pub(crate) fn call_word(self, to: impl Word, word: impl Word) -> Self {
        let code = self.push(word).push(0).op(op::MSTORE);
        code.push(0).push(0).push(32).push(0).push(0).push(to).push(INNER_GAS).op(op::CALL)
    }

    /// Delegates without data; leaves the success flag.
    pub(crate) fn delegate_call(self, to: impl Word) -> Self {
        self.push(0).push(0).push(0).push(0).push(to).push(INNER_GAS).op(op::DELEGATECALL)
    }

    /// Puts bytes at the start of the memory.
    pub(crate) fn memory(mut self, bytes: &[u8]) -> Self {
        for (pos, chunk) in bytes.chunks(32).enumerate() {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            self = self.push(U256::from_be_bytes(word)).push(pos as i32 * 32).op(op::MSTORE);
        }
        self
    }

    /// Creates a contract; leaves its address, or zero.
    pub(crate) fn create(self, init: &[u8], value: impl Word) -> Self {
        self.memory(init).push(init.len() as i32).push(0).push(value).op(op::CREATE)
    }

    /// Creates a contract at an address that depends on a salt and the code; leaves it, or zero.
    pub(crate) fn create2(self, init: &[u8], salt: impl Word, value: impl Word) -> Self {
        self.memory(init).push(salt).push(init.len() as i32).push(0).push(value).op(op::CREATE2)
    }

    /// Runs `body` where the top of the stack is not zero. `body` leaves the stack as it was.
    pub(crate) fn when(self, body: impl FnOnce(Self) -> Self) -> Self {
        let mut code = self.op(op::ISZERO).op(op::PUSH2);
        let at = code.0.len();
        code.0.extend([0, 0, op::JUMPI]);
        let mut code = body(code);
        let end = u16::try_from(code.0.len()).expect("short code");
        code.0[at..at + 2].copy_from_slice(&end.to_be_bytes());
        code.op(op::JUMPDEST)
    }

    /// Runs `body` so many times. `body` leaves the stack as it was.
    pub(crate) fn times(self, count: i32, body: impl FnOnce(Self) -> Self) -> Self {
        let code = self.push(count);
        let start = u16::try_from(code.0.len()).expect("short code");
        let mut code = body(code.op(op::JUMPDEST)).push(1).op(op::SWAP1).op(op::SUB).op(op::DUP1).op(op::PUSH2);
        code.0.extend(start.to_be_bytes());
        code.op(op::JUMPI).op(op::POP)
    }

    /// Takes time, so that transactions above overtake.
    pub(crate) fn dawdle(self) -> Self {
        self.times(2_000, |code| code)
    }

    /// Returns the top of the stack.
    pub(crate) fn return_top(self) -> Self {
        self.push(0).op(op::MSTORE).push(32).push(0).op(op::RETURN)
    }

    /// Undoes everything; from Byzantium on.
    pub(crate) fn revert(self) -> Self {
        self.push(0).push(0).op(op::REVERT)
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.0.clone().into()
    }

    pub(crate) fn vec(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// Init code that runs `first` and deploys `runtime`.
pub(crate) fn deployer(first: Code, runtime: &Code) -> Vec<u8> {
    let len = runtime.0.len() as i32;
    // Every push below is of a known width: the offset of the runtime code follows.
    let head = first.0.len() + 3 + 3 + 2 + 1 + 3 + 2 + 1;
    let mut init = first.0;
    let two = |value: i32| (value as u16).to_be_bytes();
    init.push(op::PUSH2);
    init.extend(two(len));
    init.push(op::PUSH2);
    init.extend(two(head as i32));
    init.extend([op::PUSH1, 0, op::CODECOPY]);
    init.push(op::PUSH2);
    init.extend(two(len));
    init.extend([op::PUSH1, 0, op::RETURN]);
    assert_eq!(init.len(), head);
    init.extend(&runtime.0);
    init
}

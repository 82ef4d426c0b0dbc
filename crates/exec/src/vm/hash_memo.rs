//! Hashes of two words, remembered.
//!
//! A mapping's slot is the hash of a key and the mapping's own slot (Solidity, layout of mappings). Compiled code hashes it anew
//! for each access, and the calls of a block meet the same few keys again and again.

use alloy_primitives::U256;
use revm::context_interface::Host;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{InstructionContext, InstructionExecResult, InstructionResult, Interpreter, instructions};

/// Bytes that are hashed.
const PAIR_BYTES: usize = 64;
/// Entries of a memo. A power of two.
const ENTRIES: usize = 256;

/// The hashes of pairs of words that were hashed lately.
#[derive(Debug, Default)]
pub(crate) struct HashMemo {
    /// By a mix of the words; empty until the first hash.
    entries: Vec<Option<Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    words: [u8; PAIR_BYTES],
    hash: U256,
}

impl HashMemo {
    fn get(&self, words: &[u8; PAIR_BYTES]) -> Option<U256> {
        let entry = self.entries.get(place(words))?.as_ref()?;
        (entry.words == *words).then_some(entry.hash)
    }

    fn insert(&mut self, words: [u8; PAIR_BYTES], hash: U256) {
        if self.entries.is_empty() {
            self.entries.resize(ENTRIES, None);
        }
        self.entries[place(&words)] = Some(Entry { words, hash });
    }
}

/// Fibonacci hashing of the ends of both words, where keys and slots differ.
fn place(words: &[u8; PAIR_BYTES]) -> usize {
    let end = |at: usize| words[at..].first_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_be_bytes(*bytes));
    let mixed = end(24).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ end(56).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % ENTRIES
}

/// The operands of KECCAK256 on the stack, if it hashes two words of memory that is there already: those words.
pub(super) fn pair(interpreter: &Interpreter<EthInterpreter>) -> Option<[u8; PAIR_BYTES]> {
    let [len, offset] = interpreter.stack.data().last_chunk()?;
    let offset = usize::try_from(*offset).ok().filter(|_| *len == PAIR_BYTES)?;
    let end = offset.checked_add(PAIR_BYTES)?;
    if end > interpreter.memory.len() {
        // Memory grows, at a price that revm's own instruction knows.
        return None;
    }
    interpreter.memory.slice_len(offset, PAIR_BYTES).first_chunk().copied()
}

/// KECCAK256: revm's own instruction, but for hashes of two words that are remembered.
pub(super) fn keccak256<H: Host>(
    interpreter: &mut Interpreter<EthInterpreter>,
    host: &mut H,
    memo: impl Fn(&mut H) -> &mut HashMemo,
) -> InstructionExecResult {
    let Some(words) = pair(interpreter) else {
        return instructions::system::keccak256(InstructionContext { interpreter, host });
    };
    let Some(hash) = memo(host).get(&words) else {
        instructions::system::keccak256(InstructionContext { interpreter: &mut *interpreter, host: &mut *host })?;
        if let Some(hash) = interpreter.stack.top() {
            memo(host).insert(words, *hash);
        }
        return Ok(());
    };
    // As revm's own does, for memory that need not grow.
    if !interpreter.gas.record_regular_cost(host.gas_params().keccak256_cost(PAIR_BYTES)) {
        return Err(InstructionResult::OutOfGas);
    }
    let _ = interpreter.stack.pop();
    if let Some(top) = interpreter.stack.top() {
        *top = hash;
    }
    Ok(())
}

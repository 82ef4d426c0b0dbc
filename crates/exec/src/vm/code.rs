//! Analysed code by hash, shared by all EVMs of an executor.

use super::Bytecode;
use crate::sync::RwLock;
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes};
use revm::bytecode::JumpTable;

/// Bytes of code that the cache keeps before it starts afresh.
const CACHE_BYTES_MAX: usize = 256 << 20;

/// Code with its jump table, analysed once.
///
/// Invariant: `bytes` is the sum of the lengths in `codes` and at most [`CACHE_BYTES_MAX`] plus one code.
#[derive(Debug, Default)]
pub(crate) struct CodeCache(RwLock<Cached>);

#[derive(Debug, Default)]
struct Cached {
    codes: B256Map<Bytecode>,
    bytes: usize,
}

impl CodeCache {
    /// The analysed code, if it is here.
    #[inline]
    pub(crate) fn get(&self, hash: &B256) -> Option<Bytecode> {
        self.0.read().codes.get(hash).cloned()
    }

    /// Analyses code and keeps it.
    pub(crate) fn insert(&self, hash: B256, code: Bytes) -> Bytecode {
        let code = analyse(code);
        let mut cached = self.0.write();
        if cached.bytes > CACHE_BYTES_MAX {
            *cached = Cached::default();
        }
        cached.bytes += code.len();
        cached.codes.insert(hash, code.clone());
        code
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.0.write() = Cached::default();
    }
}

/// The same code with a reference count of its own.
///
/// The EVM counts a reference up and down several times per call. Where two workers do that to one count, its cache
/// line goes back and forth between them: each keeps a copy for a block.
pub(crate) fn private_copy(code: &Bytecode) -> Bytecode {
    match code.legacy_jump_table() {
        Some(table) if !code.is_empty() => {
            // SAFETY: these are the parts of an analysed code.
            #[allow(unsafe_code)]
            unsafe {
                Bytecode::new_analyzed(code.bytecode().clone(), code.len(), table.clone())
            }
        }
        Some(_) => {
            // SAFETY: one STOP behind nothing, which has nowhere to jump.
            #[allow(unsafe_code)]
            unsafe {
                Bytecode::new_analyzed(Bytes::from_static(&[0]), 0, JumpTable::default())
            }
        }
        None => code.eip7702_address().map_or_else(|| code.clone(), Bytecode::new_eip7702),
    }
}

/// Code as the EVM runs it. Bytes that look like a broken EIP-7702 designator run as legacy code, in
/// which 0xef is an undefined instruction.
pub(crate) fn analyse(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

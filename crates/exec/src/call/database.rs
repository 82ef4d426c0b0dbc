//! What a call reads: the session's changes, else the state below; and hashes of blocks that only the session knows.

use crate::in_order::LedgerDb;
use crate::stop::Stop;
use crate::vm::{AccountInfo, Bytecode, Database};
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_types::{BlockHashes, StateView};
use std::fmt;

/// The state of a session.
pub(crate) struct CallDb<'a> {
    pub(super) ledger: LedgerDb<'a, dyn StateView + 'a>,
    /// The last block that the state below knows of.
    base: u64,
    hashes: BlockHashes,
    /// Says whether nobody waits any more; `None`: somebody does in any case.
    is_late: Option<&'a dyn Fn() -> bool>,
}

impl fmt::Debug for CallDb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state below is a trait object of the caller's.
        f.debug_struct("CallDb").field("base", &self.base).field("hashes", &self.hashes).finish_non_exhaustive()
    }
}

impl<'a> CallDb<'a> {
    pub(super) fn new(ledger: LedgerDb<'a, dyn StateView + 'a>, base: u64) -> Self {
        Self { ledger, base, hashes: BlockHashes::new(), is_late: None }
    }

    pub(super) fn set_late(&mut self, is_late: &'a dyn Fn() -> bool) {
        self.is_late = Some(is_late);
    }

    /// Whether nobody waits any more for what runs.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.is_some_and(|is_late| is_late())
    }

    fn check_time(&self) -> Result<(), Stop> {
        if self.is_late() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    pub(super) fn add_hash(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }

    /// The code of an account, empty where there is none.
    pub(super) fn code_of(&mut self, address: Address) -> Result<Bytes, Stop> {
        let Some(info) = self.ledger.basic(address)? else { return Ok(Bytes::new()) };
        match info.code {
            Some(code) => Ok(code.original_bytes()),
            None => Ok(self.ledger.code_by_hash(info.code_hash)?.original_bytes()),
        }
    }
}

impl Database for CallDb<'_> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.check_time()?;
        self.ledger.basic(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Stop> {
        self.ledger.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.check_time()?;
        self.ledger.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(*hash),
            // A block that was never made has no hash.
            None if number > self.base => Ok(B256::ZERO),
            None => self.ledger.block_hash(number),
        }
    }
}

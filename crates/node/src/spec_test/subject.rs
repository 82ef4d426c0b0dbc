//! The chain that a case is offered to: in memory, or in a store on disk.

use super::failure::{Detail, Failure};
use super::offer::Offered;
use super::post_state;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{B256, U256, keccak256};
use clap::ValueEnum;
use motet_chain::execution::ExecuteResult;
use motet_chain::{
    BlockError, Chain, ChainBlock, ChainError, ChainLimits, ChainOptions, EarlyRoot, Execute, ExecuteRequest,
    GenesisBlock, ImportFault, MemoryChain, memory_chain,
};
use motet_state::store::TrieMode;
use motet_types::{Block, Location, StateDiff, Value};
use motet_workload::spec_test::TestAlloc;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of trie nodes that stay in memory: so few that nodes are fetched again.
const NODE_CACHE_BYTES: usize = 16 << 10;
/// Blocks that cases may lead back. The longest have a few hundred.
const HISTORY_BLOCKS: u64 = 4096;

/// Where the chains of cases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StoreMode {
    /// On disk, the state's trie in memory.
    Resident,
    /// On disk, the state's trie as well; state roots are begun while blocks execute.
    Paged,
}

/// Why a block is not on the chain.
#[derive(Debug)]
pub(super) enum Rejection {
    /// It is its own fault.
    Invalid(BlockError),
    /// It is not.
    Failed(String),
}

/// What executes a block on all engines.
pub(super) type Executing<'a> = dyn FnMut(ExecuteRequest<'_>) -> ExecuteResult + 'a;

/// The chain of one case.
#[derive(Debug)]
pub(super) enum Subject {
    /// In memory.
    Memory(Box<MemoryChain>),
    /// On disk.
    Stored(Box<Stored>),
}

/// A chain in a directory of its own, which goes with it.
#[derive(Debug)]
pub(super) struct Stored {
    /// `None` only while it is opened again.
    chain: Option<Chain>,
    options: ChainOptions,
    dir: Dir,
    /// The valid blocks so far.
    accepted: Vec<(B256, Block, Option<BlockAccessList>)>,
}

#[derive(Debug)]
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("motet-spec-test-{}-{count}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // What is left over does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Calling<'a, 'b>(&'a mut Executing<'b>);

impl Execute for Calling<'_, '_> {
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult {
        (self.0)(request)
    }
}

/// The store fails, whatever the case says.
fn store_failure(error: &ChainError) -> Failure {
    let (expected, found) = ("a chain on disk".to_owned(), error.to_string());
    Failure::Value { field: "store", expected, found, detail: Detail::default() }
}

impl Subject {
    /// A chain of nothing but its first block.
    pub(super) fn open(genesis: GenesisBlock, mode: Option<StoreMode>) -> Result<Self, Failure> {
        let Some(mode) = mode else {
            return Ok(Self::Memory(Box::new(MemoryChain::new(genesis, ChainLimits::UNBOUNDED))));
        };
        let mut options = ChainOptions { side_blocks_max: usize::MAX, ..ChainOptions::small() };
        options.store.history_blocks = HISTORY_BLOCKS;
        if mode == StoreMode::Paged {
            (options.early_root, options.early_root_transactions_min) = (EarlyRoot::FromSteps, 0);
            options.store.trie = TrieMode::Paged { cache_bytes: NODE_CACHE_BYTES };
        }
        let dir = Dir::new();
        let (chain, _) = Chain::init(&dir.0, genesis, options.clone()).map_err(|error| store_failure(&error))?;
        Ok(Self::Stored(Box::new(Stored { chain: Some(chain), options, dir, accepted: Vec::new() })))
    }

    /// Imports what is offered; gives the hash of a block that is on the chain.
    pub(super) fn import(
        &mut self,
        block: Block,
        list: Option<BlockAccessList>,
        execute: &mut Executing<'_>,
    ) -> Result<B256, Rejection> {
        match self {
            Self::Memory(chain) => match chain.import(block, list, execute) {
                Ok(imported) => Ok(imported.block.hash()),
                Err(memory_chain::ImportError::Invalid(error)) => Err(Rejection::Invalid(error)),
                Err(error) => Err(Rejection::Failed(error.to_string())),
            },
            Self::Stored(stored) => stored.import(block, list, execute),
        }
    }

    /// The head.
    pub(super) fn head(&self) -> Result<Arc<ChainBlock>, Failure> {
        match self {
            Self::Memory(chain) => Ok(Arc::clone(chain.head())),
            Self::Stored(stored) => Ok(Arc::clone(stored.chain()?.head())),
        }
    }

    /// The first value after the head that is not as listed.
    pub(super) fn difference_at_head(&self, expected: &TestAlloc) -> Result<Option<String>, Failure> {
        match self {
            Self::Memory(chain) => Ok(post_state::first_difference(expected, chain.head_state())),
            Self::Stored(stored) => stored.difference_at_head(expected).map_err(|error| store_failure(&error)),
        }
    }

    /// The first value after a block with this change that is not as listed, where the state before it is at hand.
    pub(super) fn difference_after(&self, parent: &B256, diff: &StateDiff, expected: &TestAlloc) -> Option<String> {
        let Self::Memory(chain) = self else { return None };
        let mut state = chain.state(parent)?.clone();
        state.apply(diff);
        post_state::first_difference(expected, &state)
    }

    /// Closes a chain on disk and opens it again. It forgets what is beside the canonical chain: that is offered anew.
    pub(super) fn reopen(&mut self, execute: &mut Executing<'_>) -> Result<(), Failure> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Stored(stored) => stored.reopen(execute),
        }
    }
}

impl Stored {
    fn chain(&self) -> Result<&Chain, Failure> {
        let closed = || ChainError::MustReopen { reason: "it is closed".to_owned() };
        self.chain.as_ref().ok_or_else(|| store_failure(&closed()))
    }

    fn import(
        &mut self,
        block: Block,
        list: Option<BlockAccessList>,
        execute: &mut Executing<'_>,
    ) -> Result<B256, Rejection> {
        let Some(chain) = &mut self.chain else { return Err(Rejection::Failed("the chain is closed".to_owned())) };
        let kept = (block.clone(), list.clone());
        match chain.import(block, list, &mut Calling(execute)) {
            Ok(accepted) => {
                let hash = accepted.block.hash();
                self.accepted.push((hash, kept.0, kept.1));
                Ok(hash)
            }
            Err(error) => match error.reason {
                ImportFault::Invalid(error) => Err(Rejection::Invalid(error)),
                _ => Err(Rejection::Failed(error.to_string())),
            },
        }
    }

    fn reopen(&mut self, execute: &mut Executing<'_>) -> Result<(), Failure> {
        let head = self.chain()?.head().hash();
        // Its lock has to go before it is opened again.
        self.chain = None;
        let (mut chain, _) = Chain::open(&self.dir.0, self.options.clone()).map_err(|error| store_failure(&error))?;
        let found = chain.head().hash();
        if found != head {
            return Err(Failure::of_hash("hash of the head of the reopened store", head, found, None));
        }
        for (hash, block, list) in &self.accepted {
            if chain.block(hash).map_err(|error| store_failure(&error))?.is_none() {
                let again = chain.import(block.clone(), list.clone(), &mut Calling(execute));
                if let Err(error) = again {
                    let (expected, found) = ("the block once more".to_owned(), error.to_string());
                    return Err(Failure::Value { field: "reopened store", expected, found, detail: Detail::default() });
                }
            }
        }
        chain.set_head(head).map_err(|error| {
            let (expected, found) = (head.to_string(), error.to_string());
            Failure::Value { field: "head of the reopened store", expected, found, detail: Detail::default() }
        })?;
        self.chain = Some(chain);
        Ok(())
    }

    /// The root has been compared with the header's; this looks at the flat state, from which is served.
    fn difference_at_head(&self, expected: &TestAlloc) -> Result<Option<String>, ChainError> {
        let Some(chain) = &self.chain else { return Ok(None) };
        let root = chain.head().block().header.state_root;
        if expected.state_root() != root {
            return Ok(Some(format!("state root: expected {}, found {root}", expected.state_root())));
        }
        let state = chain.state();
        for (address, expected) in &expected.accounts {
            let Value::Account(Some(account)) = state.value(Location::Account(*address))? else {
                return Ok(Some(format!("account {address}: expected, and does not exist")));
            };
            if (account.nonce, account.balance) != (expected.nonce, expected.balance) {
                return Ok(Some(format!("account {address}: nonce or balance: found {account:?}")));
            }
            let Value::Code(code) = state.value(Location::Code(account.code_hash))? else { continue };
            if code != expected.code {
                return Ok(Some(format!("account {address}: code: found {code}")));
            }
            let slots = expected.storage.iter().filter(|(_, value)| !value.is_zero());
            let slots: BTreeMap<B256, U256> =
                slots.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)).collect();
            if state.storage(*address)? != slots {
                return Ok(Some(format!("account {address}: the storage differs")));
            }
        }
        Ok(None)
    }
}

/// The block that is offered.
pub(super) fn decoded(offered: &Offered<'_>) -> Option<Result<Block, BlockError>> {
    match offered {
        Offered::Rlp(rlp) => Some(motet_chain::validate::decode_block(rlp)),
        Offered::Block(block) => Some(Ok((**block).clone())),
        Offered::Refused { .. } => None,
    }
}

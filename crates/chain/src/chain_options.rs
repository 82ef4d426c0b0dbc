//! How a chain is opened, and what was found.

use alloy_primitives::B256;
use motet_state::store::{EngineKind, Identity, Opened, Options, Verify};
use std::fmt;

/// Whether [`Chain::import`](crate::Chain::import) begins with the state root while the block still executes
/// (docs/decisions/012). Where stages of different blocks overlap there is nothing to hide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyRoot {
    /// After the execution.
    Never,
    /// From the access list that comes with a block, before the first transaction is executed.
    #[default]
    FromLists,
    /// From the list, or else from the changes of transactions as they become final. Executors are slower where these are
    /// wanted.
    FromSteps,
}

/// How a [`Chain`](crate::Chain) is opened, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainOptions {
    /// Bounds of the store. Its identity, and of a store that exists its engine and where the trie's nodes are, are the
    /// chain's own: what stands here is not looked at.
    pub store: Options,
    /// How much of a trie whose nodes are in the store is compared with the flat state at opening.
    pub verify: Verify,
    /// Whether a single block's root is begun early.
    pub early_root: EarlyRoot,
    /// Transactions below which it is not, as it takes a thread.
    pub early_root_transactions_min: usize,
    /// Whether a new store keeps old values for ever.
    pub archive: bool,
    /// Threads that recover senders and work on the trie.
    pub threads: usize,
    /// Most blocks that are valid and not canonical; beyond, the oldest are forgotten, and what stands on them.
    pub side_blocks_max: usize,
    /// Most bytes of such blocks, as they would be stored.
    pub side_bytes_max: usize,
}

impl Default for ChainOptions {
    /// The usual bounds, on one thread.
    fn default() -> Self {
        let identity = Identity { chain_id: 0, genesis: B256::ZERO, archive: false };
        Self {
            store: Options::new(identity),
            verify: Verify::Sample,
            early_root: EarlyRoot::default(),
            early_root_transactions_min: 16,
            archive: false,
            threads: 1,
            side_blocks_max: 256,
            side_bytes_max: 64 << 20,
        }
    }
}

impl ChainOptions {
    /// Small bounds and no threads but the caller's: for stores of a few blocks.
    pub fn small() -> Self {
        let mut options = Self::default();
        options.store = Options {
            engine: EngineKind::Redb,
            segment_bytes: 1 << 20,
            cache_bytes: 1 << 20,
            engine_cache_bytes: 1 << 20,
            waiting_bytes: 1 << 20,
            reader_threads: 0,
            has_table_thread: false,
            ..options.store
        };
        options
    }
}

/// What opening a chain found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainOpened {
    /// What the store found and did.
    pub store: Opened,
    /// Whether the first block was written just now.
    pub is_new: bool,
}

impl fmt::Display for ChainOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.store)?;
        if self.is_new { write!(f, "; the first block was written") } else { Ok(()) }
    }
}

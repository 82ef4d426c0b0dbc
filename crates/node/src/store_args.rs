//! How a new store keeps things, on a command line.

use clap::{Args, ValueEnum};
use motet_chain::ChainOptions;
use motet_state::store::{EngineKind, TrieMode};

/// Bytes of trie nodes that a paged trie keeps in memory.
const TRIE_CACHE_BYTES: usize = 256 << 20;

/// What is fixed when a store is made.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StoreArgs {
    /// Where trie nodes lie: all in memory, built at every opening; or in the store.
    #[arg(long, value_enum, default_value_t = TrieName::Resident, value_name = "MODE")]
    trie: TrieName,

    /// The engine of the store's tables.
    #[arg(long, value_enum, default_value_t = EngineName::Fjall, value_name = "ENGINE")]
    engine_store: EngineName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TrieName {
    /// In memory.
    Resident,
    /// In the store.
    Paged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    /// A log-structured engine.
    Fjall,
    /// A copy-on-write B-tree.
    Redb,
}

impl StoreArgs {
    /// Says it to a chain that is about to be made.
    pub(crate) fn apply(self, options: &mut ChainOptions) {
        options.store.engine = match self.engine_store {
            EngineName::Fjall => EngineKind::Fjall,
            EngineName::Redb => EngineKind::Redb,
        };
        options.store.trie = match self.trie {
            TrieName::Resident => TrieMode::Resident,
            TrieName::Paged => TrieMode::Paged { cache_bytes: TRIE_CACHE_BYTES },
        };
    }
}

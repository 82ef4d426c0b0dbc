//! A chain of headers without states: all that validation before execution needs.

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, U256};
use motet_chain::BlockError;
use motet_chain::validate::{
    Ancestor, OMMER_ANCESTORS, ParentHeader, validate_body, validate_header, validate_ommers,
    validate_transactions_root,
};
use motet_types::{Block, ChainSpec, RecoveredBlock, TxError};

struct Entry {
    block: Block,
    total_difficulty: U256,
    ommers: Vec<B256>,
}

/// Blocks by hash, with their total difficulties.
pub(crate) struct Ledger {
    spec: ChainSpec,
    entries: B256Map<Entry>,
}

impl Ledger {
    pub(crate) fn new(spec: ChainSpec, genesis: Block) -> Self {
        let mut ledger = Self { spec, entries: B256Map::default() };
        let total_difficulty = genesis.header.difficulty;
        ledger.insert(genesis, total_difficulty);
        ledger
    }

    pub(crate) fn total_difficulty(&self, hash: &B256) -> U256 {
        self.entries[hash].total_difficulty
    }

    fn insert(&mut self, block: Block, total_difficulty: U256) {
        let ommers = block.body.ommers_hashes().collect();
        self.entries.insert(block.header.hash_slow(), Entry { block, total_difficulty, ommers });
    }

    /// Everything that can be said of a block without executing it.
    pub(crate) fn validate(&self, block: &Block) -> Result<(), BlockError> {
        let header = &block.header;
        let Some(parent) = self.entries.get(&header.parent_hash) else {
            return Err(BlockError::UnknownParent { parent_hash: header.parent_hash });
        };
        let total_difficulty = Some(parent.total_difficulty);
        let parent_header = ParentHeader { hash: header.parent_hash, header: &parent.block.header, total_difficulty };
        let rules = validate_header(header, &parent_header, &self.spec)?;
        validate_body(block, &rules)?;
        let ancestors: Vec<Ancestor<'_>> = self.ancestors(header.parent_hash);
        validate_ommers(&block.body.ommers, &ancestors, &self.spec, total_difficulty)
    }

    /// As [`Ledger::validate`], with the recovery of senders and the root of the transactions.
    pub(crate) fn validate_fully(&self, block: &Block) -> Result<(), BlockError> {
        self.validate_signed(block)?;
        validate_transactions_root(block)
    }

    /// As [`Ledger::validate`], with the recovery of senders.
    pub(crate) fn validate_signed(&self, block: &Block) -> Result<(), BlockError> {
        self.validate(block)?;
        RecoveredBlock::recover(block.clone())
            .map(drop)
            .map_err(|error| BlockError::Transaction { tx: error.tx, error: TxError::InvalidSignature(None) })
    }

    /// Keeps a block that is valid.
    pub(crate) fn keep(&mut self, block: Block) {
        let total_difficulty = self.entries[&block.header.parent_hash].total_difficulty + block.header.difficulty;
        self.insert(block, total_difficulty);
    }

    fn ancestors(&self, hash: B256) -> Vec<Ancestor<'_>> {
        std::iter::successors(self.entries.get_key_value(&hash), |(_, entry)| {
            self.entries.get_key_value(&entry.block.header.parent_hash)
        })
        .take(OMMER_ANCESTORS)
        .map(|(hash, entry)| Ancestor { hash: *hash, header: &entry.block.header, ommers: &entry.ommers })
        .collect()
    }
}

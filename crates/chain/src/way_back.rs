//! The state trie of an older block, for proofs, for witnesses, and for the roots of states that never come to be.
//!
//! ```text
//! beside the writer:  what the blocks between overwrote is read from the store      --> WayBack
//! as the writer:      the head's trie, overlaid, goes back by it; then it is asked
//! ```
//!
//! The head's trie cannot change while another is over it, so whoever asks holds the writer up, and can be anybody. So the way
//! is bounded, one goes it at a time, and reading it holds nobody up.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_reader::ChainReader;
use crate::live_chain::LiveChain;
use alloy_primitives::{Address, B256, U256};
use motet_state::store::StoreError;
use motet_state::trie::{AccountProof, HashedDiff, StateTrie, StateWitness};
use motet_types::StateDiff;
use std::sync::PoisonError;

/// How far behind the head a block may be. As many blocks as a store keeps what they overwrote unless told otherwise.
const BLOCKS_MAX: u64 = 128;
/// How often the head may move while the way is read, before the writer has to wait for that, too.
const TRIES: usize = 4;

/// The way from the head back to an older block.
#[derive(Debug)]
struct WayBack {
    number: u64,
    hash: B256,
    /// Height and hash of the block that it starts from.
    from: Option<(u64, B256)>,
    /// What the blocks above the older one overwrote, ascending.
    overwritten: Vec<HashedDiff>,
}

impl WayBack {
    fn to(number: u64, hash: B256) -> Self {
        Self { number, hash, from: None, overwritten: Vec::new() }
    }

    /// Has it start from what is the head now, or from nowhere where that leaves the chain meanwhile.
    ///
    /// # Errors
    /// When the older block is not canonical (any more) or too far back, and when the store fails.
    fn start_from_head(&mut self, reader: &ChainReader) -> Result<(), ChainError> {
        let (head, first) = (reader.head(), reader.genesis().number());
        let (number, height) = (self.number, head.number());
        let is_there = (first..=height).contains(&number);
        if !is_there || reader.canonical_hash(number)? != Some(self.hash) {
            return Err(ChainError::NoBlock { number, first, head: height });
        }
        let too_old = |oldest| StoreError::NoHistory { height: number, oldest, head: Some(height) };
        let oldest = height.saturating_sub(BLOCKS_MAX);
        if number < oldest {
            return Err(too_old(Some(oldest)).into());
        }
        let goes_on = match self.from {
            Some((height, hash)) => reader.canonical_hash(height)? == Some(hash),
            None => false,
        };
        if !goes_on {
            self.overwritten.clear();
        }
        for above in number.saturating_add(1 + self.overwritten.len() as u64)..=height {
            match reader.store().reverse(above) {
                Ok(change) => self.overwritten.push(change),
                // The head went away, and with it perhaps what was to be read.
                Err(_) if reader.canonical_hash(height)? != Some(head.hash()) => {
                    *self = Self::to(number, self.hash);
                    return Ok(());
                }
                // The block that was asked for is to be named, not one on the way.
                Err(StoreError::NoHistory { oldest, .. }) => return Err(too_old(oldest).into()),
                Err(error) => return Err(error.into()),
            }
        }
        self.from = Some((height, head.hash()));
        Ok(())
    }
}

impl Chain {
    /// The trie at the end of a way, which starts from the head.
    fn trie_by(&self, way: &WayBack) -> Result<StateTrie, ChainError> {
        self.check_usable()?;
        let mut trie = self.trie.overlay(self.threads.crew())?;
        for change in way.overwritten.iter().rev() {
            trie.apply_hashed(change)?;
        }
        let found = trie.root()?;
        match self.reader.canonical_block(way.number)?.map(|block| block.block().header.state_root) {
            Some(expected) if expected == found => Ok(trie),
            Some(expected) => Err(ChainError::StateRoot { height: way.number, expected, found }),
            None => Err(ChainError::Part { height: way.number, part: "header", what: "absent" }),
        }
    }
}

impl LiveChain {
    /// An account and some of its slots after a canonical block, with proofs against its state root. Waits for whoever writes.
    ///
    /// # Errors
    /// When the block is not canonical (any more) or too far back, and when the store fails; here and below.
    pub fn prove(&self, number: u64, hash: B256, address: Address, slots: &[U256]) -> Result<AccountProof, ChainError> {
        self.with_trie_of(number, hash, |mut trie| Ok(trie.prove(address, slots)?))
    }

    /// The root that the state after a canonical block would have if differences changed it, one after the other. Waits for
    /// whoever writes.
    ///
    /// # Errors
    /// See [`LiveChain::prove`].
    pub fn root_after(&self, number: u64, hash: B256, changes: &[&StateDiff]) -> Result<B256, ChainError> {
        self.with_trie_of(number, hash, |mut trie| {
            for change in changes {
                trie.apply(change)?;
            }
            Ok(trie.root()?)
        })
    }

    /// The trie nodes of the state after a canonical block that a block needs which reads accounts and slots and changes the
    /// state by `diff`, with the root that the state has then. Waits for whoever writes.
    ///
    /// # Errors
    /// See [`LiveChain::prove`].
    pub fn witness(
        &self,
        number: u64,
        hash: B256,
        reads: &[(Address, Vec<U256>)],
        diff: &StateDiff,
    ) -> Result<StateWitness, ChainError> {
        let reads = reads.iter().map(|(address, slots)| (*address, slots.iter().copied()));
        self.with_trie_of(number, hash, |mut trie| Ok(trie.witness(reads, diff)?))
    }

    /// Asks the trie of a canonical block something. The writer waits for the answer.
    fn with_trie_of<T>(
        &self,
        number: u64,
        hash: B256,
        ask: impl FnOnce(StateTrie) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let _turn = self.past_readers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut way = WayBack::to(number, hash);
        let starts_from = |way: &WayBack, head: &ChainBlock| way.from == Some((head.number(), head.hash()));
        for _ in 0..TRIES {
            way.start_from_head(&self.reader)?;
            let writer = self.writer();
            if starts_from(&way, writer.chain.head()) {
                return ask(writer.chain.trie_by(&way)?);
            }
        }
        // Nobody moves the head now.
        let writer = self.writer();
        way.start_from_head(&self.reader)?;
        ask(writer.chain.trie_by(&way)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::BuildRequest;
    use crate::pool::Pool;
    use crate::{ChainOptions, EngineExecutor, GenesisBlock};
    use motet_exec::{Engine, ExecutorConfig};
    use motet_types::{ChainSpec, Fork};
    use std::sync::Arc;

    #[test]
    fn a_head_that_goes_back_meanwhile_is_no_reason_to_refuse() {
        let dir = std::env::temp_dir().join(format!("motet-way-back-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let genesis = GenesisBlock::with_spec(&Default::default(), ChainSpec::at_fork(1337, Fork::Shanghai)).unwrap();
        let (mut chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let pool = Pool::in_memory(chain.reader().clone());
        let mut executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
        let blocks: Vec<_> = (1..=4)
            .map(|number| {
                let request = BuildRequest { timestamp: 12 * number, is_kept: true, ..BuildRequest::default() };
                chain.seal(request, &pool, &mut executor, || 0).unwrap().block
            })
            .collect();
        let high = Arc::clone(chain.head());
        chain.set_head(blocks[1].hash()).unwrap();
        // The reader sees the head from before as long as the writer is at it.
        let reader = chain.reader().clone();
        reader.publish(&high).unwrap();
        let live = LiveChain::new(chain, Box::new(executor));
        let mut way = WayBack::to(1, blocks[0].hash());
        way.start_from_head(&reader).unwrap();
        assert_eq!(way.from, None);
        reader.publish(&blocks[1]).unwrap();
        way.start_from_head(&reader).unwrap();
        assert_eq!((way.from, way.overwritten.len()), (Some((2, blocks[1].hash())), 1));
        live.writer().chain.trie_by(&way).unwrap();
        drop(live);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

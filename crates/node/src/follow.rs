//! A node that takes its blocks from another one, and verifies each by executing it.
//!
//! ```text
//! every so often:  head of the other? --the same--> wait         --lower, for some time--> go back to it
//!                        |
//!                        v
//!     where do both chains agree? --> blocks above, in order --> import: header, list, execution, every root
//! ```
//!
//! The other node is trusted with one thing alone: which of the valid blocks is the head. A block that is not what its header
//! says is refused, and the chain here stays where it is valid.

mod remote;

use crate::fetch::error::FetchError;
use crate::metrics::NodeMetrics;
use crate::stop::Stop;
use alloy_primitives::B256;
use motet_chain::{ChainError, ImportError, LiveChain};
use remote::{Fetched, Remote, RemoteHead};
use std::sync::Arc;
use std::time::Duration;

/// Most blocks that are gone back in search of one that both chains have. States are not kept for longer either.
const REORG_BLOCKS_MAX: u64 = 1024;
/// Blocks whose hashes are asked for at once on the way back. An answer names all transactions of each.
const HASHES_AT_ONCE: u64 = 8;
/// How many times in a row the other head has to be lower before it is believed: one of several nodes behind an address may
/// lag.
const LOWER_TIMES: u32 = 5;
/// Longest wait after failures; it doubles with each of them.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whom to follow, and how.
#[derive(Clone, Debug)]
pub(crate) struct FollowOptions {
    /// The other node's RPC address.
    pub(crate) url: String,
    /// How often it is asked for its head.
    pub(crate) poll: Duration,
    /// Time for one request.
    pub(crate) timeout: Duration,
}

/// Why the other node cannot be followed now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// The other node cannot be asked.
    #[error(transparent)]
    Remote(#[from] FetchError),
    /// It is of another chain.
    #[error("{node} is a node of another chain: its {what} is {theirs}, here it is {ours}")]
    OtherChain {
        /// The other node.
        node: String,
        /// What differs.
        what: &'static str,
        /// Its value there.
        theirs: String,
        /// Its value here.
        ours: String,
    },
    /// The chains parted too long ago.
    #[error("{node}: no block of the latest {REORG_BLOCKS_MAX} is on both chains")]
    TooDeep {
        /// The other node.
        node: String,
    },
    /// What it gave is no block, or not the one that was asked for.
    #[error("{node}: block {number}: {what}")]
    Block {
        /// The other node.
        node: String,
        /// Its height.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Its head does not stand on what it gave last.
    #[error("{node}: it says that its head is block {head}, and gives no block {number} that leads there")]
    Gap {
        /// The other node.
        node: String,
        /// Height of its head.
        head: u64,
        /// The first height that is missing.
        number: u64,
    },
    /// A block was not taken.
    #[error("refused: {0}")]
    Import(#[from] Box<ImportError>),
    /// This chain fails.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl FollowError {
    /// Whether less at once may be answered.
    fn is_too_much(&self) -> bool {
        matches!(self, Self::Remote(error) if error.is_too_much())
    }
}

/// Follows another node.
#[derive(Debug)]
pub(crate) struct Follower {
    live: Arc<LiveChain>,
    remote: Remote,
    poll: Duration,
    metrics: NodeMetrics,
    /// How many times in a row the other head was lower.
    lower: u32,
}

impl Follower {
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(
        live: Arc<LiveChain>,
        options: &FollowOptions,
        metrics: NodeMetrics,
    ) -> Result<Self, FollowError> {
        let remote = Remote::new(&options.url, options.timeout)?;
        Ok(Self { live, remote, poll: options.poll, metrics, lower: 0 })
    }

    /// Follows until it is told to stop.
    pub(crate) fn run(mut self, stop: &Stop) {
        tracing::info!(
            node = self.remote.node(),
            "following; every block is verified here, only the choice of the head is trusted"
        );
        let (mut pause, mut told) = (self.poll, String::new());
        let mut is_checked = false;
        while !stop.is_asked() {
            let caught = match is_checked {
                true => self.catch_up(stop),
                false => self.check_chain().and_then(|()| {
                    is_checked = true;
                    self.catch_up(stop)
                }),
            };
            match caught {
                Ok(()) => {
                    pause = self.poll;
                    told.clear();
                }
                Err(error) => {
                    self.metrics.follow_failed();
                    let text = error.to_string();
                    match text == told {
                        true => tracing::debug!("{text}"),
                        false => tracing::warn!("{text}"),
                    }
                    told = text;
                    pause = pause.max(self.poll).saturating_mul(2).min(PAUSE_MAX.max(self.poll));
                }
            }
            stop.wait(pause);
        }
    }

    /// Compares what never changes.
    fn check_chain(&self) -> Result<(), FollowError> {
        let reader = self.live.reader();
        let (ours, theirs) = (reader.spec().chain_id, self.remote.chain_id()?);
        if ours != theirs {
            return Err(self.other_chain("chain id", theirs, ours));
        }
        let genesis = reader.genesis();
        match self.remote.hash_at(genesis.number())? {
            Some(theirs) if theirs != genesis.hash() => Err(self.other_chain("first block", theirs, genesis.hash())),
            _ => Ok(()),
        }
    }

    fn other_chain(&self, what: &'static str, theirs: impl ToString, ours: impl ToString) -> FollowError {
        let node = self.remote.node().to_owned();
        FollowError::OtherChain { node, what, theirs: theirs.to_string(), ours: ours.to_string() }
    }

    /// Goes to where the other head is. A stop that is asked for ends it before.
    fn catch_up(&mut self, stop: &Stop) -> Result<(), FollowError> {
        let ours = self.live.reader().head();
        let theirs = self.remote.head()?;
        if ours.hash() == theirs.hash || self.seems_behind(theirs, ours.number(), ours.hash())? {
            return Ok(());
        }
        let common = self.common_block(theirs)?;
        if common == theirs {
            self.live.set_head(common.hash)?;
            tracing::info!(number = common.number, hash = %common.hash, "went back");
            return Ok(());
        }
        if common.number == theirs.number {
            // It has our block where it said that there is another one: it changed meanwhile, or two nodes answer.
            tracing::debug!(number = common.number, ours = %common.hash, theirs = %theirs.hash, "two answers for one height");
            return Ok(());
        }
        if common.hash != ours.hash() {
            tracing::info!(from = ours.number(), common = common.number, to = theirs.number, "reorganisation");
        }
        self.fetch_and_import(common, theirs, stop)
    }

    /// Whether the other head is lower than ours, and may be so only because who answered lags.
    fn seems_behind(&mut self, theirs: RemoteHead, number: u64, hash: B256) -> Result<bool, FollowError> {
        let is_lower = theirs.number < number;
        if !is_lower || self.remote.hash_at(number)? == Some(hash) {
            self.lower = 0;
            return Ok(is_lower);
        }
        self.lower = (self.lower + 1) % LOWER_TIMES;
        Ok(self.lower > 0)
    }

    /// The highest block that both chains have.
    fn common_block(&self, theirs: RemoteHead) -> Result<RemoteHead, FollowError> {
        let reader = self.live.reader();
        let first = reader.genesis().number();
        let mut top = reader.head().number().min(theirs.number);
        let lowest = top.saturating_sub(REORG_BLOCKS_MAX).max(first);
        loop {
            let from = top.saturating_sub(HASHES_AT_ONCE - 1).max(lowest);
            let hashes = self.remote.hashes(from..=top)?;
            for (number, theirs) in (from..=top).rev().zip(hashes.into_iter().rev()) {
                let ours = reader.canonical_hash(number)?;
                if let (Some(ours), Some(theirs)) = (ours, theirs)
                    && ours == theirs
                {
                    return Ok(RemoteHead { number, hash: ours });
                }
            }
            if from <= lowest {
                return Err(FollowError::TooDeep { node: self.remote.node().to_owned() });
            }
            top = from - 1;
        }
    }

    fn fetch_and_import(&self, common: RemoteHead, theirs: RemoteHead, stop: &Stop) -> Result<(), FollowError> {
        let (mut parent, first) = (common.hash, common.number.saturating_add(1));
        let mut next = first;
        while next <= theirs.number {
            for fetched in self.remote.blocks(next..=theirs.number)? {
                if stop.is_asked() {
                    return Ok(());
                }
                match fetched.filter(|fetched| fetched.block.header.parent_hash == parent) {
                    Some(fetched) => parent = self.import(fetched)?,
                    // The other chain changed between two questions; the next look finds out how.
                    None if next > first => return Ok(()),
                    None => return Err(self.gap(theirs, next)),
                }
                next = next.saturating_add(1);
            }
        }
        Ok(())
    }

    fn gap(&self, theirs: RemoteHead, number: u64) -> FollowError {
        FollowError::Gap { node: self.remote.node().to_owned(), head: theirs.number, number }
    }

    /// Imports a block: with its list, and where that does not hold, without, as the list is not the block's own before
    /// Amsterdam.
    fn import(&self, fetched: Fetched) -> Result<B256, FollowError> {
        let Fetched { block, list } = fetched;
        let has_own_list = block.header.block_access_list_hash.is_some();
        let imported = match (list, has_own_list) {
            (Some(list), false) => match self.live.import(block.clone(), Some(list)) {
                Err(error) if error.invalid().is_some() => self.live.import(block, None),
                other => other,
            },
            (list, _) => self.live.import(block, list),
        };
        let accepted = imported?;
        let block = &accepted.block;
        if !accepted.is_head {
            // A block that was here already, beside the chain.
            self.live.set_head(block.hash())?;
        }
        tracing::info!(
            number = block.number(),
            hash = %block.hash(),
            txs = block.block().body.transactions.len(),
            gas = block.block().header.gas_used,
            "imported"
        );
        Ok(block.hash())
    }
}

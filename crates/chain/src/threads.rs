//! The threads that recover senders and work on the trie.

use crate::validate::BlockError;
use alloy_eip7928::BlockAccessList;
use motet_state::trie::Crew;
use motet_types::block::recover_transaction;
use motet_types::{Block, RecoveredBlock, TxError, TxIndex};
use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::Arc;

/// Transactions below which waking other threads costs more than it saves.
const SHARED_MIN: usize = 4;

/// Threads, or the caller's alone. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Threads(Option<Arc<ThreadPool>>);

impl Threads {
    /// One, or none, is the caller's thread alone.
    pub(crate) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        if threads <= 1 {
            return Ok(Self(None));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("chain-{at}")).build()?;
        Ok(Self(Some(Arc::new(pool))))
    }

    /// The same threads, for a trie.
    pub(crate) fn crew(&self) -> Crew {
        self.0.as_ref().map_or_else(Crew::alone, |pool| Crew::of_pool(Arc::clone(pool)))
    }

    /// Senders and authorities of a block.
    ///
    /// # Errors
    /// Names the first transaction whose signature gives no sender.
    pub(crate) fn recover(&self, block: Block, list: Option<BlockAccessList>) -> Result<RecoveredBlock, BlockError> {
        let transactions = &block.body.transactions;
        let recovered: Vec<_> = match &self.0 {
            Some(pool) if transactions.len() >= SHARED_MIN => pool.install(|| {
                let transactions = transactions.par_iter().enumerate();
                transactions.map(|(pos, tx)| recover_transaction(TxIndex::from(pos), tx)).collect()
            }),
            _ => transactions.iter().enumerate().map(|(pos, tx)| recover_transaction(TxIndex::from(pos), tx)).collect(),
        };
        let mut senders = Vec::with_capacity(recovered.len());
        let mut authorities = Vec::with_capacity(recovered.len());
        for of_transaction in recovered {
            let (sender, signers) = of_transaction
                .map_err(|error| BlockError::Transaction { tx: error.tx, error: TxError::InvalidSignature(None) })?;
            senders.push(sender);
            authorities.push(signers);
        }
        Ok(RecoveredBlock::new(block, senders, authorities).with_access_list(list))
    }
}

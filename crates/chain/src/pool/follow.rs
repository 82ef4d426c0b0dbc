//! The pool when the head of the chain is another one.

use super::Pool;
use super::account::Purse;
use super::checks::{HeadFacts, check_decoded};
use super::contents::Inserted;
use super::durable::record_of;
use super::intake::Coming;
use super::journal::Record;
use super::limits::Origin;
use super::transaction::PoolTransaction;
use crate::chain_error::ChainError;
use crate::head_change::{HeadBlock, HeadChange};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::map::{AddressSet, B256Set, HashMap};
use alloy_primitives::{Address, B256};
use motet_types::Transaction;
use std::sync::Arc;

/// Most transactions of blocks that left the chain that come back.
const REINSTATED_MAX: usize = 1 << 16;

/// What did not come into the pool of a change of the head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Followed {
    /// Why a sender's account could not be read. Its transactions are judged by what it was before.
    pub unread: Option<String>,
    /// Transactions of blocks that left the chain which did not come back, because there were too many of them.
    pub lost: usize,
}

impl Pool {
    /// Takes in that the head is another one: what blocks took leaves, what blocks that left the chain had comes back, and
    /// senders whose accounts changed are looked at again.
    ///
    /// Where the state of a sender cannot be read the pool works on with what it knew of it.
    pub fn on_head_change(&self, change: &HeadChange) -> Followed {
        let head = self.reader.head();
        let facts = HeadFacts::of(&head.block().header, head.total_difficulty(), self.reader.spec());
        let included: B256Set = change.added.iter().flat_map(hashes_of).collect();
        let touched: AddressSet =
            change.removed.iter().chain(&change.added).flat_map(|block| block.diff.accounts.keys().copied()).collect();

        let (mut found, mut followed) = (Inserted::default(), Followed::default());
        let mut sidecars: HashMap<B256, Arc<BlobTransactionSidecarVariant>> = HashMap::default();
        {
            let mut contents = self.contents();
            contents.new_state(facts.clone());
            for hash in &included {
                if let Some(tx) = contents.get(hash).filter(|tx| tx.sidecar.is_some()).cloned() {
                    contents.keep_blobs(tx, &self.options.limits);
                }
            }
            if !change.removed.is_empty() {
                let kept = contents.included_blobs.iter();
                sidecars = kept.filter_map(|tx| Some((tx.hash(), tx.sidecar.clone()?))).collect();
            }
            let view = self.view();
            for address in touched {
                if !contents.senders.contains_key(&address) {
                    continue;
                }
                let view = view.as_ref().map_err(ToString::to_string);
                let read = |view| Purse::read(view, address, facts.rules.fork).map_err(|error| error.to_string());
                match view.and_then(read) {
                    Ok(purse) => contents.revise(address, purse, &mut found),
                    Err(error) => followed.unread = followed.unread.or(Some(error)),
                }
            }
        }
        self.announce(&found.promoted);
        followed.lost = self.reinstate(change, &included, &sidecars);
        followed
    }

    /// Has the journal hold the transactions of blocks that are about to leave the chain: should the process end before they are
    /// given back, nothing else would have them.
    pub(crate) fn keep_leaving(&self, blocks: &[HeadBlock]) {
        if self.journal.is_none() {
            return;
        }
        let with_blobs: HashMap<B256, Arc<PoolTransaction>> =
            self.contents().included_blobs.iter().map(|tx| (tx.hash(), Arc::clone(tx))).collect();
        let mut records = Vec::new();
        for tx in blocks.iter().flat_map(|block| &block.block.block().body.transactions).take(REINSTATED_MAX) {
            match with_blobs.get(tx.tx_hash()) {
                Some(tx) => record_of(tx).put(&mut records),
                // Without its blobs it could not come back.
                None if tx.is_eip4844() => {}
                None => Record::Sent(tx.encoded_2718().into()).put(&mut records),
            }
        }
        // Where it cannot be written they are given back all the same, unless the process ends before.
        let _ = self.write_journal(self.contents(), &records);
    }

    /// Looks again at senders whose accounts were changed without a block.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn revise(&self, senders: impl IntoIterator<Item = Address>) -> Result<(), ChainError> {
        let mut found = Inserted::default();
        {
            let mut contents = self.contents();
            let head = contents.head.clone();
            let fork = head.rules.fork;
            contents.new_state(head);
            let view = self.view()?;
            for address in senders {
                if contents.senders.contains_key(&address) {
                    let purse = Purse::read(&view, address, fork)?;
                    contents.revise(address, purse, &mut found);
                }
            }
        }
        self.announce(&found.promoted);
        Ok(())
    }

    /// Gives transactions back that only blocks had which left the chain. Says how many were too many.
    fn reinstate(
        &self,
        change: &HeadChange,
        included: &B256Set,
        sidecars: &HashMap<B256, Arc<BlobTransactionSidecarVariant>>,
    ) -> usize {
        let lost = change.removed.iter().flat_map(|block| &block.block.block().body.transactions);
        let mut lost = lost.filter(|tx| !included.contains(tx.tx_hash()));
        let back: Vec<Transaction> = lost.by_ref().take(REINSTATED_MAX).cloned().collect();
        let beyond = lost.count();
        if back.is_empty() {
            return beyond;
        }
        let head = self.contents().head.for_promised();
        let terms = self.terms(&head, Origin::Local);
        let checked: Vec<Option<PoolTransaction>> = self.on_threads(&back, |tx| {
            let sidecar = sidecars.get(tx.tx_hash()).cloned();
            check_decoded(tx.clone(), sidecar, None, terms).ok()
        });
        // Those that are not valid any more were in a block that is not, either: nobody was promised more.
        let _ = self.take_in(checked.into_iter().flatten().map(Ok).collect(), Coming::GivenBack);
        beyond
    }
}

fn hashes_of(block: &HeadBlock) -> impl Iterator<Item = B256> + '_ {
    block.block.block().body.transactions.iter().map(|tx| *tx.tx_hash())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildRequest, Chain, ChainBlock, ChainOptions, EngineExecutor, GenesisBlock, LiveChain, PoolOptions};
    use alloy_consensus::{BlockBody, SignableTransaction as _, TxLegacy};
    use alloy_genesis::{Genesis, GenesisAccount};
    use alloy_primitives::{Signature, U256};
    use motet_exec::{Engine, ExecutorConfig};
    use motet_types::{Block, ChainSpec, Fork, impersonated_signature};

    #[test]
    fn what_undone_blocks_had_is_there_however_soon_the_process_ends() {
        let dir = std::env::temp_dir().join(format!("motet-leaving-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let person = Address::repeat_byte(1);
        let rich = GenesisAccount::default().with_balance(U256::MAX >> 1);
        let genesis = Genesis { gas_limit: 30_000_000, alloc: [(person, rich)].into(), ..Genesis::default() };
        let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1337, Fork::Shanghai)).unwrap();
        let journal = Some(dir.join("pool.journal"));
        let options = PoolOptions { journal, takes_impersonated: true, ..PoolOptions::default() };
        let open = || {
            let (chain, _) = Chain::init(&dir, genesis.clone(), ChainOptions::small()).unwrap();
            let executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
            LiveChain::open(chain, Box::new(executor), options.clone()).unwrap().0
        };
        let live = open();
        let start = live.reader().head();
        let tx = TxLegacy { gas_price: 10_000_000_000, gas_limit: 21_000, to: person.into(), ..TxLegacy::default() };
        let tx: Transaction = tx.into_signed(impersonated_signature(person)).into();
        let hash = live.pool().submit(&tx.encoded_2718(), Origin::Local).unwrap();
        let request =
            BuildRequest { timestamp: start.block().header.timestamp + 12, is_kept: true, ..BuildRequest::default() };
        assert_eq!(live.seal(request).unwrap().senders, [person].to_vec().into());
        live.pool().compact_journal().unwrap();
        // The process ends before the pool is told.
        live.writer().chain.set_head(start.hash()).unwrap();
        drop(live);
        assert!(open().pool().get(&hash).is_some());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn transactions_that_are_too_many_to_come_back_are_counted() {
        let dir = std::env::temp_dir().join(format!("motet-follow-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let genesis = GenesisBlock::with_spec(&Default::default(), ChainSpec::at_fork(1337, Fork::Prague)).unwrap();
        let (chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let pool = Pool::in_memory(chain.reader().clone());
        // Signatures of nobody are looked at fast.
        let nobody = Signature::new(U256::ZERO, U256::ZERO, false);
        let transaction = |nonce| TxLegacy { nonce, ..TxLegacy::default() }.into_signed(nobody).into();
        let removed = |count: u64| {
            let transactions: Vec<Transaction> = (0..count).map(transaction).collect();
            let body = BlockBody { transactions, ..BlockBody::default() };
            let block = Block { header: chain.head().block().header.clone(), body };
            let block = Arc::new(ChainBlock::new(B256::repeat_byte(1), block, U256::ZERO, Fork::Prague));
            HeadBlock { block, receipts: Arc::default(), diff: Arc::default() }
        };
        let removed = vec![removed(REINSTATED_MAX as u64 - 10), removed(REINSTATED_MAX as u64 + 3)];
        let change = HeadChange { removed: removed[..1].to_vec(), ..HeadChange::default() };
        assert_eq!(pool.on_head_change(&change), Followed::default());
        let change = HeadChange { removed, ..HeadChange::default() };
        assert_eq!(pool.on_head_change(&change), Followed { unread: None, lost: REINSTATED_MAX - 7 });
        drop(chain);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

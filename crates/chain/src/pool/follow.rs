//! The pool when the head of the chain is another one.

use super::Pool;
use super::account::Purse;
use super::checks::{HeadFacts, check_decoded};
use super::contents::Inserted;
use super::limits::Origin;
use super::transaction::PoolTransaction;
use crate::chain_error::ChainError;
use crate::head_change::{HeadBlock, HeadChange};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::map::{AddressSet, B256Set, HashMap};
use alloy_primitives::{Address, B256};
use motet_types::Transaction;
use std::sync::Arc;

/// Most transactions of blocks that left the chain that come back.
const REINSTATED_MAX: usize = 1 << 16;

impl Pool {
    /// Takes in that the head is another one: what blocks took leaves, what blocks that left the chain had comes back, and
    /// senders whose accounts changed are looked at again.
    ///
    /// # Errors
    /// When the state cannot be read. The pool then works on with what it knew of senders.
    pub fn on_head_change(&self, change: &HeadChange) -> Result<(), ChainError> {
        let view = self.view()?;
        let header = &view.head.block().header;
        let facts = HeadFacts::of(header, view.head.total_difficulty(), self.reader.spec());
        let included: B256Set = change.added.iter().flat_map(hashes_of).collect();
        let touched: AddressSet =
            change.removed.iter().chain(&change.added).flat_map(|block| block.diff.accounts.keys().copied()).collect();

        let mut found = Inserted::default();
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
            let senders = contents.senders.keys().filter(|address| touched.contains(*address));
            let senders: Vec<Address> = senders.copied().collect();
            for address in senders {
                let purse = Purse::read(&view.state, address, facts.rules.fork)?;
                contents.revise(address, purse, &mut found);
            }
        }
        self.announce(&found.promoted);
        self.reinstate(change, &included, &sidecars);
        self.tidy_journal();
        Ok(())
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
                    let purse = Purse::read(&view.state, address, fork)?;
                    contents.revise(address, purse, &mut found);
                }
            }
        }
        self.announce(&found.promoted);
        Ok(())
    }

    /// Gives transactions back that only blocks had which left the chain.
    fn reinstate(
        &self,
        change: &HeadChange,
        included: &B256Set,
        sidecars: &HashMap<B256, Arc<BlobTransactionSidecarVariant>>,
    ) {
        let lost = change.removed.iter().flat_map(|block| &block.block.block().body.transactions);
        let lost = lost.filter(|tx| !included.contains(tx.tx_hash())).take(REINSTATED_MAX);
        let lost: Vec<Transaction> = lost.cloned().collect();
        if lost.is_empty() {
            return;
        }
        let head = self.contents().head.clone();
        let terms = self.terms(&head, Origin::Local);
        let checked: Vec<Option<PoolTransaction>> = self.on_threads(&lost, |tx| {
            let sidecar = sidecars.get(tx.tx_hash()).cloned();
            check_decoded(tx.clone(), sidecar, None, terms).ok()
        });
        // Those that are not valid any more were in a block that is not, either: nobody was promised more.
        let _ = self.take_in(checked.into_iter().flatten().map(Ok).collect(), Origin::Local, true);
    }
}

fn hashes_of(block: &HeadBlock) -> impl Iterator<Item = B256> + '_ {
    block.block.block().body.transactions.iter().map(|tx| *tx.tx_hash())
}

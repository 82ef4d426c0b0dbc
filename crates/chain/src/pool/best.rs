//! The transactions of the pool in the order in which a block takes them.
//!
//! Who pays the builder most comes first, of equals who came first; of one sender the lowest nonce. Nothing is copied but
//! the next few of each sender that is looked at, so a block of some transactions out of a large pool costs little.

use super::Pool;
use super::transaction::PoolTransaction;
use alloy_consensus::Transaction as _;
use alloy_primitives::Address;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// Transactions of one sender that are taken from the pool at once.
const TAKEN_AT_ONCE: usize = 64;

/// Gives the best transaction, then the next. See the module's description.
///
/// What comes into the pool meanwhile may be given, and what leaves it is not, if its sender had not come up yet.
#[derive(Debug)]
pub struct Best<'a> {
    pool: &'a Pool,
    base_fee: u64,
    blob_base_fee: u128,
    heads: BinaryHeap<Head>,
    given: Option<Given>,
}

/// What the last one given leaves behind.
#[derive(Debug)]
struct Given {
    sender: Address,
    nonce: u64,
    /// As of [`Head`].
    next: VecDeque<(u64, Arc<PoolTransaction>)>,
}

/// The next transaction of a sender.
#[derive(Debug)]
struct Head {
    tip: u128,
    sequence: Reverse<u64>,
    tx: Arc<PoolTransaction>,
    /// Those after it, as far as they have been taken.
    next: VecDeque<(u64, Arc<PoolTransaction>)>,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tip, self.sequence).cmp(&(other.tip, other.sequence))
    }
}

impl<'a> Best<'a> {
    pub(super) fn new(pool: &'a Pool, base_fee: u64, blob_base_fee: u128) -> Self {
        let mut this = Self { pool, base_fee, blob_base_fee, heads: BinaryHeap::new(), given: None };
        let contents = pool.contents();
        let firsts = contents.senders.values().filter_map(|sender| sender.pending_from(sender.purse.nonce).next());
        let heads = firsts.filter_map(|entry| this.head(entry.sequence, &entry.tx, VecDeque::new()));
        this.heads = heads.collect();
        this
    }

    /// A transaction, if it can pay the block's fees.
    fn head(
        &self,
        sequence: u64,
        tx: &Arc<PoolTransaction>,
        next: VecDeque<(u64, Arc<PoolTransaction>)>,
    ) -> Option<Head> {
        let tip = tx.priority_fee(self.base_fee)?;
        let pays_blobs = tx.tx.max_fee_per_blob_gas().is_none_or(|fee| fee >= self.blob_base_fee);
        pays_blobs.then(|| Head { tip, sequence: Reverse(sequence), tx: Arc::clone(tx), next })
    }

    /// The last one given cannot be in the block: gives no more of its sender.
    pub fn drop_last(&mut self) {
        self.given = None;
    }

    /// Enters what comes after the last one given.
    fn go_on(&mut self) {
        let Some(Given { sender, nonce, mut next }) = self.given.take() else { return };
        if next.is_empty()
            && let Some(nonce) = nonce.checked_add(1)
        {
            next = self.follow(sender, nonce);
        }
        if let Some((sequence, following)) = next.pop_front() {
            let head = self.head(sequence, &following, next);
            self.heads.extend(head);
        }
    }

    /// The sender's transactions from a nonce on.
    fn follow(&self, sender: Address, nonce: u64) -> VecDeque<(u64, Arc<PoolTransaction>)> {
        let contents = self.pool.contents();
        let Some(sender) = contents.senders.get(&sender) else { return VecDeque::new() };
        // A nonce that is gone by now would not follow.
        let follow = sender.pending_from(nonce).take(TAKEN_AT_ONCE).enumerate();
        let follow = follow.take_while(|(at, entry)| nonce.checked_add(*at as u64) == Some(entry.tx.nonce()));
        follow.map(|(_, entry)| (entry.sequence, Arc::clone(&entry.tx))).collect()
    }
}

impl Iterator for Best<'_> {
    type Item = Arc<PoolTransaction>;

    fn next(&mut self) -> Option<Arc<PoolTransaction>> {
        self.go_on();
        let Head { tx, next, .. } = self.heads.pop()?;
        self.given = Some(Given { sender: tx.sender, nonce: tx.nonce(), next });
        Some(tx)
    }
}

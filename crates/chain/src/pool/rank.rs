//! Which transactions go first when the pool is full.
//!
//! A transaction is as good as the cheapest of its sender's at or below its nonce, since all of these must be in a block
//! before it. So of one sender the last is the worst, and one rank a sender is enough.

use super::sender::{Entry, Sender};
use super::transaction::PoolTransaction;
use alloy_consensus::Transaction as _;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// How good a transaction is; the least goes first. Of equals the newest goes, so that nobody displaces others by sending
/// more of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    is_pending: bool,
    /// Wei per gas for the builder at the present base fee; below zero where that is not covered.
    tip: i128,
    sequence: Reverse<u64>,
    address: Address,
}

/// How much must go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    pub(crate) blobs: usize,
    pub(crate) queued: usize,
}

impl Need {
    pub(crate) fn is_some(&self) -> bool {
        *self != Self::default()
    }

    fn met_by(&mut self, tx: &PoolTransaction, is_queued: bool) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(tx.bytes);
        self.blobs = self.blobs.saturating_sub(tx.blob_count());
        self.queued = self.queued.saturating_sub(usize::from(is_queued));
    }
}

fn tip(fee: u128, tip: u128, base_fee: u64) -> i128 {
    let signed = |wei: u128| i128::try_from(wei).unwrap_or(i128::MAX);
    signed(fee).saturating_sub(i128::from(base_fee)).min(signed(tip))
}

impl Rank {
    fn of(address: Address, entry: &Entry, is_pending: bool, base_fee: u64) -> Self {
        let tip = tip(entry.fee_floor, entry.tip_floor, base_fee);
        Self { is_pending, tip, sequence: Reverse(entry.sequence), address }
    }

    /// Of a transaction that is not in yet.
    pub(crate) fn of_new(sender: &Sender, tx: &PoolTransaction, sequence: u64, base_fee: u64) -> Self {
        let (fee_floor, tip_floor) = sender.floors_below(tx.nonce());
        let fee = tx.tx.max_fee_per_gas();
        let own_tip = tx.tx.max_priority_fee_per_gas().unwrap_or(fee);
        Self {
            is_pending: tx.nonce() <= sender.pending_end(),
            tip: tip(fee.min(fee_floor), own_tip.min(tip_floor), base_fee),
            sequence: Reverse(sequence),
            address: tx.sender,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }
}

/// The rank of each sender's last transaction.
#[derive(Debug)]
pub(crate) struct Ranks {
    base_fee: u64,
    worst: BTreeSet<Rank>,
}

impl Ranks {
    pub(crate) fn new(senders: &AddressMap<Sender>, base_fee: u64) -> Self {
        let mut this = Self { base_fee, worst: BTreeSet::new() };
        this.worst = senders.iter().filter_map(|(address, sender)| this.of(*address, sender)).collect();
        this
    }

    /// The rank of a sender's last transaction.
    pub(crate) fn of(&self, address: Address, sender: &Sender) -> Option<Rank> {
        let (nonce, entry) = sender.last()?;
        Some(Rank::of(address, entry, sender.is_pending(nonce), self.base_fee))
    }

    /// Takes in that a sender's last transaction may be another one.
    pub(crate) fn exchange(&mut self, before: Option<Rank>, address: Address, sender: &Sender) {
        let after = self.of(address, sender);
        if before != after {
            before.map(|before| self.worst.remove(&before));
            self.worst.extend(after);
        }
    }

    /// Transactions of others that are all worse than this rank and together make enough room; `None`: there are not enough.
    pub(crate) fn worse_than(
        &self,
        rank: &Rank,
        mut need: Need,
        address: Address,
        senders: &AddressMap<Sender>,
    ) -> Option<Vec<B256>> {
        let mut victims = Vec::new();
        for worst in self.worst.range(..rank) {
            let Some(sender) = senders.get(&worst.address).filter(|_| worst.address != address) else { continue };
            let only_blobs = Need { blobs: 0, ..need } == Need::default();
            let only_queued = Need { queued: 0, ..need } == Need::default();
            if (only_blobs && sender.sums().blobs == 0) || (only_queued && sender.sums().queued == 0) {
                continue;
            }
            for (nonce, entry) in sender.entries().rev() {
                let is_pending = sender.is_pending(nonce);
                if Rank::of(worst.address, entry, is_pending, self.base_fee) >= *rank || (only_queued && is_pending) {
                    break;
                }
                need.met_by(&entry.tx, !is_pending);
                victims.push(entry.tx.hash());
                if !need.is_some() {
                    return Some(victims);
                }
            }
        }
        None
    }
}

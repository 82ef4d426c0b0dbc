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
    /// Those of them who have blobs: they are few, and others may be very many.
    worst_with_blobs: BTreeSet<Rank>,
}

/// A sender's rank, and whether any of its transactions has blobs.
pub(crate) type Standing = (Rank, bool);

impl Ranks {
    pub(crate) fn new(senders: &AddressMap<Sender>, base_fee: u64) -> Self {
        let mut this = Self { base_fee, worst: BTreeSet::new(), worst_with_blobs: BTreeSet::new() };
        for (address, sender) in senders {
            this.exchange(None, *address, sender);
        }
        this
    }

    /// The rank of a sender's last transaction.
    pub(crate) fn of(&self, address: Address, sender: &Sender) -> Option<Standing> {
        let (nonce, entry) = sender.last()?;
        let rank = Rank::of(address, entry, sender.is_pending(nonce), self.base_fee);
        Some((rank, sender.sums().blobs > 0))
    }

    /// Takes in that a sender's last transaction may be another one.
    pub(crate) fn exchange(&mut self, before: Option<Standing>, address: Address, sender: &Sender) {
        let after = self.of(address, sender);
        if before == after {
            return;
        }
        if let Some((rank, _)) = before {
            self.worst.remove(&rank);
            self.worst_with_blobs.remove(&rank);
        }
        if let Some((rank, has_blobs)) = after {
            self.worst_with_blobs.extend(has_blobs.then_some(rank));
            self.worst.insert(rank);
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
        let mut taken: AddressMap<usize> = AddressMap::default();
        for worst in self.worst_with_blobs.range(..rank) {
            let Some(sender) = senders.get(&worst.address).filter(|_| worst.address != address) else { continue };
            let mut left = sender.sums().blobs;
            for (nonce, entry) in sender.entries().rev() {
                if need.blobs == 0 || left == 0 || self.is_as_good(worst.address, sender, nonce, entry, rank) {
                    break;
                }
                left = left.saturating_sub(entry.tx.blob_count());
                need.met_by(&entry.tx, !sender.is_pending(nonce));
                victims.push(entry.tx.hash());
                *taken.entry(worst.address).or_default() += 1;
            }
            if need.blobs == 0 {
                break;
            }
        }
        if need.blobs > 0 {
            return None;
        }
        for worst in self.worst.range(..rank) {
            if !need.is_some() {
                break;
            }
            let Some(sender) = senders.get(&worst.address).filter(|_| worst.address != address) else { continue };
            let only_queued = Need { queued: 0, ..need } == Need::default();
            if only_queued && sender.sums().queued == 0 {
                continue;
            }
            for (nonce, entry) in sender.entries().rev().skip(taken.get(&worst.address).copied().unwrap_or(0)) {
                let is_pending = sender.is_pending(nonce);
                let stays = self.is_as_good(worst.address, sender, nonce, entry, rank) || (only_queued && is_pending);
                if stays || !need.is_some() {
                    break;
                }
                need.met_by(&entry.tx, !is_pending);
                victims.push(entry.tx.hash());
            }
        }
        (!need.is_some()).then_some(victims)
    }

    fn is_as_good(&self, address: Address, sender: &Sender, nonce: u64, entry: &Entry, rank: &Rank) -> bool {
        Rank::of(address, entry, sender.is_pending(nonce), self.base_fee) >= *rank
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::account::Purse;
    use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip4844};
    use alloy_primitives::{Signature, U256};
    use std::sync::Arc;

    fn transaction(sender: Address, nonce: u64, fee: u128, blobs: usize) -> PoolTransaction {
        let signature = Signature::test_signature();
        let tx = match blobs {
            0 => TxEip1559 { nonce, max_fee_per_gas: fee, max_priority_fee_per_gas: fee, ..TxEip1559::default() }
                .into_signed(signature)
                .into(),
            _ => TxEip4844 {
                nonce,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: fee,
                blob_versioned_hashes: vec![B256::ZERO; blobs],
                ..TxEip4844::default()
            }
            .into_signed(signature)
            .into(),
        };
        let (cost, authorities) = (U256::from(1), Vec::new());
        PoolTransaction { tx, sender, authorities, sidecar: None, cost, bytes: 1, is_impersonated: false }
    }

    fn sender(address: Address, transactions: &[(u128, usize)]) -> Sender {
        let mut sender = Sender::new(Purse { balance: U256::MAX, ..Purse::default() });
        for (nonce, (fee, blobs)) in (0..).zip(transactions) {
            sender.insert(Arc::new(transaction(address, nonce, *fee, *blobs)), nonce, &mut Vec::new());
        }
        sender
    }

    #[test]
    fn blobs_are_looked_for_among_those_who_have_any() {
        let address = |n: u64| Address::left_padding_from(&n.to_be_bytes());
        let mut senders: AddressMap<Sender> = (0..500).map(|n| (address(n), sender(address(n), &[(1, 0)]))).collect();
        let (cheap, dear, new) = (address(1000), address(1001), address(1002));
        // What is above a blob in its sender's row goes with it, and what is below stays.
        senders.insert(cheap, sender(cheap, &[(2, 0), (2, 1), (2, 0)]));
        senders.insert(dear, sender(dear, &[(3, 2)]));
        let mut ranks = Ranks::new(&senders, 0);
        assert_eq!((ranks.worst.len(), ranks.worst_with_blobs.len()), (502, 2));
        let mine = transaction(new, 0, 3, 1);
        let rank = Rank::of_new(&Sender::new(Purse::default()), &mine, 9, 0);
        let hash = |address: Address, nonce| senders[&address].get(nonce).unwrap().tx.hash();
        let victims = |blobs| ranks.worse_than(&rank, Need { blobs, ..Need::default() }, new, &senders);
        assert_eq!(victims(1), Some(vec![hash(cheap, 2), hash(cheap, 1)]));
        assert_eq!(victims(2), None, "the others' are as good, and older");
        // A place that one with blobs leaves is not asked of anybody else as well.
        let both = Need { count: 2, blobs: 1, ..Need::default() };
        assert_eq!(ranks.worse_than(&rank, both, new, &senders), victims(1));
        let more = ranks.worse_than(&rank, Need { count: 4, ..both }, new, &senders).unwrap();
        assert_eq!((more.len(), &more[..2]), (4, &victims(1).unwrap()[..]));

        let before = ranks.of(cheap, &senders[&cheap]);
        senders.get_mut(&cheap).unwrap().remove(1);
        ranks.exchange(before, cheap, &senders[&cheap]);
        assert_eq!((ranks.worst.len(), ranks.worst_with_blobs.len()), (502, 1));
    }
}

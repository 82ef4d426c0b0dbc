//! The transactions of one sender, by nonce.
//!
//! ```text
//! purse.nonce .. pending_end   pending: each follows the one before, and the purse covers all of them
//! pending_end ..               queued: a nonce is missing below, or the purse is too small
//! ```

use super::account::Purse;
use super::transaction::PoolTransaction;
use alloy_consensus::Transaction as _;
use alloy_primitives::U256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A transaction in its place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tx: Arc<PoolTransaction>,
    /// When it came: later ones have higher numbers. A replacement has that of the one replaced.
    pub(crate) sequence: u64,
    /// The lowest maximum fee of this one and all below: those above it wait for the cheapest.
    pub(crate) fee_floor: u128,
    /// The lowest priority fee of this one and all below.
    pub(crate) tip_floor: u128,
}

impl Entry {
    /// Sets the floors over those below, and gives them.
    fn set_floors(&mut self, (fee, tip): (u128, u128)) -> (u128, u128) {
        let tx = &self.tx.tx;
        self.fee_floor = fee.min(tx.max_fee_per_gas());
        self.tip_floor = tip.min(tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas()));
        (self.fee_floor, self.tip_floor)
    }
}

/// The transactions of one sender. See the module's description.
///
/// Invariant: all nonces of `purse.nonce..pending_end` are there, and their costs sum up to `pending_cost`, which the purse
/// covers; none below `purse.nonce` is.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) purse: Purse,
    entries: BTreeMap<u64, Entry>,
    pending_end: u64,
    pending_cost: U256,
    bytes: usize,
    blobs: usize,
}

/// Sums over the transactions of a sender, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) count: usize,
    pub(crate) queued: usize,
    pub(crate) bytes: usize,
    pub(crate) blobs: usize,
}

impl Sums {
    /// Takes one sender's part out and puts another in.
    pub(crate) fn exchange(&mut self, before: Sums, after: Sums) {
        let exchange = |sum: &mut usize, before: usize, after: usize| *sum = (*sum + after).saturating_sub(before);
        exchange(&mut self.count, before.count, after.count);
        exchange(&mut self.queued, before.queued, after.queued);
        exchange(&mut self.bytes, before.bytes, after.bytes);
        exchange(&mut self.blobs, before.blobs, after.blobs);
    }
}

impl Sender {
    pub(crate) fn new(purse: Purse) -> Self {
        Self { purse, entries: BTreeMap::new(), pending_end: purse.nonce, pending_cost: U256::ZERO, bytes: 0, blobs: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn sums(&self) -> Sums {
        let count = self.entries.len();
        Sums { count, queued: count.saturating_sub(self.pending_count()), bytes: self.bytes, blobs: self.blobs }
    }

    fn pending_count(&self) -> usize {
        usize::try_from(self.pending_end.saturating_sub(self.purse.nonce)).unwrap_or(usize::MAX)
    }

    /// The first nonce that is not pending.
    pub(crate) fn pending_end(&self) -> u64 {
        self.pending_end
    }

    /// The most that the pending ones take.
    pub(crate) fn pending_cost(&self) -> U256 {
        self.pending_cost
    }

    pub(crate) fn is_pending(&self, nonce: u64) -> bool {
        (self.purse.nonce..self.pending_end).contains(&nonce)
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    /// All entries, lowest nonce first.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(nonce, entry)| (*nonce, entry))
    }

    /// Pending entries from a nonce on.
    pub(crate) fn pending_from(&self, nonce: u64) -> impl Iterator<Item = &Entry> {
        // A range that ends below its start would panic.
        self.entries.range(nonce.min(self.pending_end)..self.pending_end).map(|(_, entry)| entry)
    }

    pub(crate) fn queued(&self) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.pending_end..).map(|(_, entry)| entry)
    }

    /// The entry with the highest nonce.
    pub(crate) fn last(&self) -> Option<(u64, &Entry)> {
        self.entries.last_key_value().map(|(nonce, entry)| (*nonce, entry))
    }

    /// The lowest fees of all below a nonce.
    pub(crate) fn floors_below(&self, nonce: u64) -> (u128, u128) {
        let below = self.entries.range(..nonce).next_back();
        below.map_or((u128::MAX, u128::MAX), |(_, entry)| (entry.fee_floor, entry.tip_floor))
    }

    /// Puts a transaction in its place, and gives the one that was there. What became pending by it is added to `promoted`.
    pub(crate) fn insert(
        &mut self,
        tx: Arc<PoolTransaction>,
        sequence: u64,
        promoted: &mut Vec<Arc<PoolTransaction>>,
    ) -> Option<Arc<PoolTransaction>> {
        let nonce = tx.nonce();
        self.bytes += tx.bytes;
        self.blobs += tx.blob_count();
        let cost = tx.cost;
        let entry = Entry { tx: Arc::clone(&tx), sequence, fee_floor: 0, tip_floor: 0 };
        let before = self.entries.insert(nonce, entry).map(|entry| entry.tx);
        if let Some(before) = &before {
            self.uncount(before);
        }
        self.set_floors(nonce);
        if self.is_pending(nonce) {
            let replaced = before.as_ref().map_or(U256::ZERO, |before| before.cost);
            self.pending_cost = self.pending_cost.saturating_sub(replaced).saturating_add(cost);
            promoted.push(tx);
            self.recheck();
        }
        self.extend(promoted);
        before
    }

    /// Takes a transaction out. Those above it are queued then.
    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PoolTransaction>> {
        let removed = self.entries.remove(&nonce)?.tx;
        self.uncount(&removed);
        if self.is_pending(nonce) {
            let above = self.entries.range(nonce..self.pending_end).map(|(_, entry)| entry.tx.cost);
            let freed = above.fold(removed.cost, |sum, cost| sum.saturating_add(cost));
            self.pending_cost = self.pending_cost.saturating_sub(freed);
            self.pending_end = nonce;
        }
        self.set_floors(nonce);
        Some(removed)
    }

    /// Takes in what the state says now. What can never be valid any more goes, and is added to `gone`.
    pub(crate) fn revise(
        &mut self,
        purse: Purse,
        gas_limit: u64,
        gone: &mut Vec<Arc<PoolTransaction>>,
        promoted: &mut Vec<Arc<PoolTransaction>>,
    ) {
        let was_end = self.pending_end;
        let went_back = purse.nonce < self.purse.nonce;
        while let Some(entry) = self.entries.first_entry().filter(|entry| *entry.key() < purse.nonce) {
            let (nonce, entry) = entry.remove_entry();
            if nonce < self.pending_end {
                self.pending_cost = self.pending_cost.saturating_sub(entry.tx.cost);
            }
            self.uncount(&entry.tx);
            gone.push(entry.tx);
        }
        self.purse = purse;
        if went_back || self.pending_end < purse.nonce {
            (self.pending_end, self.pending_cost) = (purse.nonce, U256::ZERO);
        }
        if !purse.may_send {
            let signed: Vec<(u64, Entry)> = self.entries.extract_if(.., |_, entry| !entry.tx.is_impersonated).collect();
            for (_, Entry { tx, .. }) in signed {
                self.uncount(&tx);
                gone.push(tx);
            }
            (self.pending_end, self.pending_cost) = (purse.nonce, U256::ZERO);
        }
        if let Some((first, _)) = self.entries.first_key_value() {
            let first = *first;
            self.set_floors(first);
        }
        self.recheck();
        if self.pending_end < was_end.max(purse.nonce) || went_back {
            // Money or gas is short: who can never be paid from this purse goes.
            self.drop_hopeless(gas_limit, gone);
        }
        let mut found = Vec::new();
        self.extend(&mut found);
        // Those that were pending before are no news.
        promoted.extend(found.into_iter().filter(|tx| tx.nonce() >= was_end || went_back));
    }

    /// Has go what the whole purse does not cover, or no block could hold. All of it at once: there may be very many.
    fn drop_hopeless(&mut self, gas_limit: u64, gone: &mut Vec<Arc<PoolTransaction>>) {
        let balance = self.purse.balance;
        let hopeless =
            self.entries.extract_if(.., |_, entry| entry.tx.cost > balance || entry.tx.tx.gas_limit() > gas_limit);
        let hopeless: Vec<(u64, Entry)> = hopeless.collect();
        let Some(lowest) = hopeless.first().map(|(nonce, _)| *nonce) else { return };
        for (_, Entry { tx, .. }) in hopeless {
            self.uncount(&tx);
            gone.push(tx);
        }
        if lowest < self.pending_end {
            let below = self.entries.range(self.purse.nonce..lowest).map(|(_, entry)| entry.tx.cost);
            self.pending_cost = below.fold(U256::ZERO, |sum, cost| sum.saturating_add(cost));
            self.pending_end = lowest;
        }
        let mut floors = self.floors_below(lowest);
        for (_, entry) in self.entries.range_mut(lowest..) {
            floors = entry.set_floors(floors);
        }
    }

    /// Counts again what the purse covers, if it may not cover all that is pending.
    fn recheck(&mut self) {
        if self.pending_cost > self.purse.balance {
            (self.pending_end, self.pending_cost) = (self.purse.nonce, U256::ZERO);
            self.extend(&mut Vec::new());
        }
    }

    /// Makes pending what follows, as far as the purse goes.
    fn extend(&mut self, promoted: &mut Vec<Arc<PoolTransaction>>) {
        while let Some(entry) = self.entries.get(&self.pending_end) {
            let sum = self.pending_cost.saturating_add(entry.tx.cost);
            if sum > self.purse.balance {
                break;
            }
            self.pending_cost = sum;
            self.pending_end = self.pending_end.saturating_add(1);
            promoted.push(Arc::clone(&entry.tx));
        }
    }

    fn uncount(&mut self, tx: &PoolTransaction) {
        self.bytes = self.bytes.saturating_sub(tx.bytes);
        self.blobs = self.blobs.saturating_sub(tx.blob_count());
    }

    /// Sets the floors from a nonce on, below which one transaction changed, until nothing changes.
    fn set_floors(&mut self, from: u64) {
        let mut floors = self.floors_below(from);
        for (nonce, entry) in self.entries.range_mut(from..) {
            let before = (entry.fee_floor, entry.tip_floor);
            floors = entry.set_floors(floors);
            if floors == before && *nonce > from {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction as _, TxEip1559};
    use alloy_primitives::{Address, Signature};
    use rand::rngs::SmallRng;
    use rand::{Rng as _, SeedableRng as _};

    fn transaction(nonce: u64, fee: u128, cost: u64) -> Arc<PoolTransaction> {
        let tx = TxEip1559 { nonce, gas_limit: 21_000, max_fee_per_gas: fee, ..TxEip1559::default() };
        let tx = tx.into_signed(Signature::test_signature()).into();
        let (sender, cost) = (Address::ZERO, U256::from(cost));
        Arc::new(PoolTransaction {
            tx,
            sender,
            authorities: Vec::new(),
            sidecar: None,
            cost,
            bytes: 1,
            is_impersonated: false,
        })
    }

    /// A sender with these, by nonce from zero on.
    fn sender(balance: u64, transactions: &[(u128, u64)]) -> Sender {
        let mut sender = Sender::new(Purse { balance: U256::from(balance), ..Purse::default() });
        for (nonce, (fee, cost)) in (0..).zip(transactions) {
            sender.insert(transaction(nonce, *fee, *cost), nonce, &mut Vec::new());
        }
        sender
    }

    fn drained(sender: &mut Sender, balance: u64) -> Vec<u64> {
        let (mut gone, purse) = (Vec::new(), Purse { balance: U256::from(balance), ..sender.purse });
        sender.revise(purse, 30_000_000, &mut gone, &mut Vec::new());
        gone.iter().map(|tx| tx.nonce()).collect()
    }

    fn check(sender: &Sender, what: &str) {
        let mut fee = u128::MAX;
        for (nonce, entry) in sender.entries() {
            fee = fee.min(entry.tx.tx.max_fee_per_gas());
            assert_eq!(entry.fee_floor, fee, "{what}: nonce {nonce}");
        }
        let pending: Vec<&Entry> = sender.pending_from(0).collect();
        assert!(pending.iter().zip(0..).all(|(entry, nonce)| entry.tx.nonce() == nonce), "{what}");
        assert_eq!(pending.len() as u64, sender.pending_end(), "{what}");
        assert_eq!(pending.iter().map(|entry| entry.tx.cost).sum::<U256>(), sender.pending_cost(), "{what}");
        assert_eq!(sender.sums().bytes, sender.entries().count(), "{what}");
    }

    #[test]
    fn what_a_purse_will_never_cover_goes_at_once_and_the_rest_is_as_if_it_had_not_been() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let count = rng.random_range(1..12);
            let all: Vec<(u128, u64)> = (0..count).map(|_| (rng.random_range(1..5), rng.random_range(1..20))).collect();
            let (before, balance) = (rng.random_range(1..120), rng.random_range(0..40));
            let mut sender = sender(before, &all);
            check(&sender, &format!("seed {seed}"));
            let is_short = all.iter().map(|(_, cost)| cost).sum::<u64>().min(before) > balance;
            let gone = drained(&mut sender, balance);
            check(&sender, &format!("seed {seed}, drained"));
            for (nonce, (_, cost)) in (0..).zip(&all) {
                let is_gone = gone.contains(&nonce);
                assert_eq!(sender.get(nonce).is_none(), is_gone, "seed {seed}: {nonce}");
                assert!(!is_gone || (is_short && *cost > balance), "seed {seed}: {nonce}");
            }
        }
    }

    /// One after the other, this many would take hours.
    #[test]
    fn a_drained_sender_of_very_many_costs_one_look_at_each() {
        let count = 1 << 17;
        // Rising fees: each one that goes changes the floors of all above.
        let all: Vec<(u128, u64)> = (0..count).map(|at| (at + 1, 5)).collect();
        let mut sender = sender(u64::MAX, &all);
        assert_eq!(drained(&mut sender, 4).len() as u128, count);
        assert!(sender.is_empty());
        check(&sender, "empty");
    }
}

//! All transactions of the pool, under its lock.
//!
//! What takes long (signatures, proofs, the state, the disk) happens outside; here are lookups in maps alone.

use super::account::Purse;
use super::checks::HeadFacts;
use super::error::PoolError;
use super::limits::{Origin, PoolLimits};
use super::rank::{Need, Rank, Ranks};
use super::sender::{Sender, Sums};
use super::transaction::PoolTransaction;
use alloy_consensus::Transaction as _;
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the pool holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) head: HeadFacts,
    /// Counts changes of the state: what was read under another number must be read again.
    pub(crate) version: u64,
    pub(crate) senders: AddressMap<Sender>,
    pub(crate) by_hash: B256Map<(Address, u64)>,
    /// How often an account is delegated by a transaction in here. EIP-7702.
    authorities: AddressMap<usize>,
    /// Who is worst; made when the pool is full for the first time after a change of the head.
    pub(crate) ranks: Option<Ranks>,
    pub(crate) sums: Sums,
    sequence: u64,
    /// Blob transactions that went into blocks, newest last: were their block to leave the chain, nothing else would have
    /// their blobs.
    pub(crate) included_blobs: VecDeque<Arc<PoolTransaction>>,
}

/// What came of taking a transaction in.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    /// Transactions that are pending now and were not before.
    pub(crate) promoted: Vec<Arc<PoolTransaction>>,
    /// Transactions that had to go.
    pub(crate) gone: Vec<Arc<PoolTransaction>>,
}

impl Contents {
    pub(crate) fn new(head: HeadFacts) -> Self {
        Self {
            head,
            version: 0,
            senders: AddressMap::default(),
            by_hash: B256Map::default(),
            authorities: AddressMap::default(),
            ranks: None,
            sums: Sums::default(),
            sequence: 0,
            included_blobs: VecDeque::new(),
        }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<PoolTransaction>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.senders.get(sender)?.get(*nonce).map(|entry| &entry.tx)
    }

    /// Takes a transaction in, if its sender can pay it and it is good enough. `purse` is its sender's, where the pool does
    /// not know it.
    pub(crate) fn insert(
        &mut self,
        tx: PoolTransaction,
        purse: Option<Purse>,
        limits: &PoolLimits,
        origin: Origin,
    ) -> Result<Inserted, PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        let unknown = Sender::new(purse.unwrap_or_default());
        let sender = self.senders.get(&tx.sender).unwrap_or(&unknown);
        check_purse(sender, &tx)?;
        self.check_delegation(sender, &tx)?;
        match sender.get(tx.nonce()) {
            Some(before) => check_replacement(&before.tx, &tx, limits)?,
            None => check_sender_room(sender, tx.nonce(), limits, origin)?,
        }
        self.place(Arc::new(tx), unknown, limits)
    }

    /// Takes in again what an undone block had, if it can ever be valid: it may wait for others, but what has its nonce by now
    /// goes for a better one alone.
    pub(crate) fn give_back(
        &mut self,
        tx: PoolTransaction,
        purse: Option<Purse>,
        limits: &PoolLimits,
    ) -> Result<Inserted, PoolError> {
        if let Some(before) = self.senders.get(&tx.sender).and_then(|sender| sender.get(tx.nonce())) {
            check_replacement(&before.tx, &tx, limits)?;
        }
        self.restore(Arc::new(tx), purse, limits)
    }

    /// Takes in again what was promised before, if it can ever be valid: it may wait for others, and takes the place of what
    /// has its nonce.
    pub(crate) fn restore(
        &mut self,
        tx: Arc<PoolTransaction>,
        purse: Option<Purse>,
        limits: &PoolLimits,
    ) -> Result<Inserted, PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        let unknown = Sender::new(purse.unwrap_or_default());
        let sender = self.senders.get(&tx.sender).unwrap_or(&unknown);
        check_account(sender, &tx)?;
        check_balance(sender, &tx)?;
        self.place(tx, unknown, limits)
    }

    /// Puts a transaction in its place, for which others may have to go. `unknown` is its sender, where that is not in here.
    fn place(&mut self, tx: Arc<PoolTransaction>, unknown: Sender, limits: &PoolLimits) -> Result<Inserted, PoolError> {
        let (address, nonce) = (tx.sender, tx.nonce());
        let sender = self.senders.get(&address).unwrap_or(&unknown);
        let sequence = sender.get(nonce).map_or(self.sequence, |before| before.sequence);
        let rank = Rank::of_new(sender, &tx, sequence, self.head.base_fee);
        let need = self.need(sender, &tx, limits);
        let mut inserted = Inserted::default();
        if need.is_some() {
            let unknown_sender = !self.senders.contains_key(&address);
            self.make_room(need, &rank, address, &mut inserted.gone)?;
            // Others went, so the sender is still as it was.
            debug_assert_eq!(unknown_sender, !self.senders.contains_key(&address));
        }
        self.sequence = self.sequence.saturating_add(1);
        self.senders.entry(address).or_insert(unknown);
        self.note(&tx);
        let Inserted { promoted, gone } = &mut inserted;
        let replaced = self.change(address, |sender| sender.insert(tx, sequence, promoted));
        if let Some(replaced) = replaced.flatten() {
            self.forget(&replaced);
            gone.push(replaced);
        }
        Ok(inserted)
    }

    /// Takes a transaction out; those of its sender above it wait for another with its nonce.
    pub(crate) fn remove(&mut self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        let (address, nonce) = *self.by_hash.get(hash)?;
        let removed = self.change(address, |sender| sender.remove(nonce)).flatten()?;
        self.forget(&removed);
        Some(removed)
    }

    fn note(&mut self, tx: &PoolTransaction) {
        self.by_hash.insert(tx.hash(), (tx.sender, tx.nonce()));
        for authority in tx.authorities.iter().flatten() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
    }

    fn forget(&mut self, tx: &PoolTransaction) {
        self.by_hash.remove(&tx.hash());
        for authority in tx.authorities.iter().flatten() {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
    }

    /// Takes all transactions out.
    pub(crate) fn clear(&mut self) {
        *self = Self { version: self.version, ..Self::new(self.head.clone()) };
    }

    /// Takes in what the state says of a sender now.
    pub(crate) fn revise(&mut self, address: Address, purse: Purse, inserted: &mut Inserted) {
        let gas_limit = self.head.gas_limit;
        let before = inserted.gone.len();
        let Inserted { promoted, gone } = inserted;
        self.change(address, |sender| sender.revise(purse, gas_limit, gone, promoted));
        for tx in inserted.gone.iter().skip(before) {
            self.forget(tx);
        }
    }

    /// Notes another state of the chain, under which ranks are others.
    pub(crate) fn new_state(&mut self, head: HeadFacts) {
        self.version = self.version.wrapping_add(1);
        self.head = head;
        self.ranks = None;
    }

    /// Keeps a blob transaction that a block has taken.
    pub(crate) fn keep_blobs(&mut self, tx: Arc<PoolTransaction>, limits: &PoolLimits) {
        self.included_blobs.push_back(tx);
        let mut blobs: usize = self.included_blobs.iter().map(|tx| tx.blob_count()).sum();
        while blobs > limits.blobs_max {
            let Some(oldest) = self.included_blobs.pop_front() else { break };
            blobs -= oldest.blob_count();
        }
    }

    /// Changes a sender, and everything that is counted of it. Senders without transactions are forgotten.
    fn change<T>(&mut self, address: Address, change: impl FnOnce(&mut Sender) -> T) -> Option<T> {
        let sender = self.senders.get_mut(&address)?;
        let (before, rank_before) = (sender.sums(), self.ranks.as_ref().and_then(|ranks| ranks.of(address, sender)));
        let result = change(sender);
        self.sums.exchange(before, sender.sums());
        if let Some(ranks) = &mut self.ranks {
            ranks.exchange(rank_before, address, sender);
        }
        if sender.is_empty() {
            self.senders.remove(&address);
        }
        Some(result)
    }

    /// What must go before there is room.
    fn need(&self, sender: &Sender, tx: &PoolTransaction, limits: &PoolLimits) -> Need {
        let before = sender.get(tx.nonce()).map(|entry| &entry.tx);
        let grows =
            |sum: usize, more: usize, less: usize, max: usize| (sum + more).saturating_sub(less.saturating_add(max));
        let replaced = usize::from(before.is_some());
        let sums = &self.sums;
        // A block of blobs that replaces none of its own kind must find room like any other.
        let (bytes, blobs) = before.map_or((0, 0), |before| (before.bytes, before.blob_count()));
        let more_blobs = tx.blob_count();
        let is_queued = replaced == 0 && tx.nonce() > sender.pending_end();
        Need {
            count: grows(sums.count, 1, replaced, limits.count_max),
            bytes: grows(sums.bytes, tx.bytes, bytes, limits.bytes_max),
            blobs: if more_blobs == 0 { 0 } else { grows(sums.blobs, more_blobs, blobs, limits.blobs_max) },
            queued: if is_queued { grows(sums.queued, 1, 0, limits.queued_max) } else { 0 },
        }
    }

    /// What waits of an account that runs a contract's code may become worthless by anybody's call, and by that of one other
    /// transaction for very many. So such an account has one transaction that can be taken, as geth has it. EIP-7702.
    fn check_delegation(&self, sender: &Sender, tx: &PoolTransaction) -> Result<(), PoolError> {
        let is_single = sender.purse.is_delegated() || self.authorities.contains_key(&tx.sender);
        if is_single && !sender.is_pending(tx.nonce()) {
            if sender.pending_end() > sender.purse.nonce {
                return Err(PoolError::DelegatedFull);
            }
            if tx.nonce() != sender.pending_end() {
                return Err(PoolError::DelegatedGap);
            }
        }
        let has_many = |address: &Address| self.senders.get(address).is_some_and(|sender| sender.sums().count > 1);
        if tx.authorities.iter().flatten().any(has_many) {
            return Err(PoolError::AuthorityReserved);
        }
        Ok(())
    }

    /// Has worse transactions go until there is room; none goes where all of them together would not make enough.
    fn make_room(
        &mut self,
        need: Need,
        rank: &Rank,
        address: Address,
        gone: &mut Vec<Arc<PoolTransaction>>,
    ) -> Result<(), PoolError> {
        let base_fee = self.head.base_fee;
        let ranks = self.ranks.get_or_insert_with(|| Ranks::new(&self.senders, base_fee));
        let Some(victims) = ranks.worse_than(rank, need, address, &self.senders) else {
            return Err(if rank.is_pending() { PoolError::Underpriced } else { PoolError::Full });
        };
        for hash in victims {
            gone.extend(self.remove(&hash));
        }
        Ok(())
    }
}

fn check_account(sender: &Sender, tx: &PoolTransaction) -> Result<(), PoolError> {
    let (purse, nonce) = (&sender.purse, tx.nonce());
    if nonce < purse.nonce {
        return Err(PoolError::NonceTooLow { next: purse.nonce, nonce });
    }
    if !purse.may_send && !tx.is_impersonated {
        return Err(PoolError::SenderNoEoa { sender: tx.sender, code_hash: purse.code_hash });
    }
    Ok(())
}

fn check_balance(sender: &Sender, tx: &PoolTransaction) -> Result<(), PoolError> {
    let (balance, cost) = (sender.purse.balance, tx.cost);
    if balance < cost { Err(PoolError::Funds { balance, cost }) } else { Ok(()) }
}

/// Nonce and money, in geth's order.
fn check_purse(sender: &Sender, tx: &PoolTransaction) -> Result<(), PoolError> {
    check_account(sender, tx)?;
    let (nonce, cost, balance) = (tx.nonce(), tx.cost, sender.purse.balance);
    if tx.blob_count() > 0 && nonce > sender.pending_end() {
        return Err(PoolError::NonceTooHigh { next: sender.pending_end(), nonce });
    }
    check_balance(sender, tx)?;
    let queued = sender.pending_cost();
    match sender.get(nonce).filter(|_| sender.is_pending(nonce)) {
        Some(before) => {
            let bump = cost.saturating_sub(before.tx.cost);
            if balance < queued.saturating_add(bump) {
                return Err(PoolError::FundsReplacing { balance, queued, bump });
            }
        }
        None if balance < queued.saturating_add(cost) => {
            return Err(PoolError::FundsBeside { balance, queued, cost });
        }
        None => {}
    }
    Ok(())
}

fn check_sender_room(sender: &Sender, nonce: u64, limits: &PoolLimits, origin: Origin) -> Result<(), PoolError> {
    let sums = sender.sums();
    let is_queued = nonce > sender.pending_end();
    // The second bound holds for everybody: what waits for a nonce may wait for ever.
    if (sums.count >= limits.per_sender_max && origin != Origin::Local)
        || (is_queued && sums.queued >= limits.queued_per_sender_max)
    {
        return Err(PoolError::SenderFull { pooled: sums.count });
    }
    Ok(())
}

/// Whether a transaction offers enough more than the one with its nonce, in every fee.
fn check_replacement(before: &PoolTransaction, tx: &PoolTransaction, limits: &PoolLimits) -> Result<(), PoolError> {
    let has_blobs = before.blob_count() > 0 || tx.blob_count() > 0;
    let percent = if has_blobs { limits.blob_price_bump_percent } else { limits.price_bump_percent };
    let is_enough = |before: u128, now: u128| {
        let needed = before.saturating_mul(u128::from(percent).saturating_add(100)) / 100;
        now > before && now >= needed
    };
    let tip = |tx: &PoolTransaction| tx.tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.tx.max_fee_per_gas());
    let blob_fees = before.tx.max_fee_per_blob_gas().zip(tx.tx.max_fee_per_blob_gas());
    let is_enough = is_enough(before.tx.max_fee_per_gas(), tx.tx.max_fee_per_gas())
        && is_enough(tip(before), tip(tx))
        && blob_fees.is_none_or(|(before, now)| is_enough(before, now));
    if is_enough { Ok(()) } else { Err(PoolError::ReplacementUnderpriced) }
}

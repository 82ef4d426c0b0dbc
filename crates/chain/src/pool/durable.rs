//! How the pool survives a restart: what goes into its journal, and what comes back from it.

use super::Pool;
use super::account::Purse;
use super::checks::check_bytes;
use super::contents::Contents;
use super::error::PoolError;
use super::journal::{Fresh, Journal, Record};
use super::limits::Origin;
use super::transaction::PoolTransaction;
use crate::chain_error::ChainError;
use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, B256Set, HashMap};
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Bytes that the journal may have beyond twice those of the transactions in it that still wait.
const JOURNAL_SLACK_BYTES: u64 = 16 << 20;

/// The journal of a pool.
#[derive(Debug)]
pub(super) struct Durable {
    journal: Mutex<Journal>,
    /// Held by whoever writes the journal anew. It is taken before all others.
    rewriting: Mutex<()>,
}

impl Durable {
    pub(super) fn new(journal: Journal) -> Self {
        Self { journal: Mutex::new(journal), rewriting: Mutex::new(()) }
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Writes records in the order in which the contents changed. The contents are let go once that order is certain.
    pub(super) fn write_journal(&self, contents: MutexGuard<'_, Contents>, records: &[u8]) -> Result<(), PoolError> {
        let Some(durable) = self.journal.as_ref().filter(|_| !records.is_empty()) else { return Ok(()) };
        let mut journal = durable.journal();
        drop(contents);
        journal.append(records).map_err(|error| PoolError::Journal(error.to_string()))
    }

    /// Writes the journal anew where most of it is of transactions that are gone. Nobody waits for it but the caller.
    pub(super) fn tidy_journal(&self) {
        let Some(durable) = &self.journal else { return };
        let live = self.contents().sums.bytes as u64;
        let bytes = durable.journal().bytes();
        if bytes <= live.saturating_mul(2).saturating_add(JOURNAL_SLACK_BYTES) {
            return;
        }
        let _rewriting = match durable.rewriting.try_lock() {
            Ok(rewriting) => rewriting,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        // When it fails, the longer file still says all that it must.
        let _ = self.write_anew(durable);
    }

    /// Writes the journal anew from what is in the pool, as it does by itself where the journal is too long.
    ///
    /// # Errors
    /// When the file system refuses. The journal is as it was then.
    pub fn compact_journal(&self) -> io::Result<()> {
        let Some(durable) = &self.journal else { return Ok(()) };
        let _rewriting = durable.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_anew(durable)
    }

    /// The file is written while no lock is held that others wait for.
    fn write_anew(&self, durable: &Durable) -> io::Result<()> {
        let contents = self.contents();
        let mut live: Vec<(u64, Arc<PoolTransaction>)> = Vec::with_capacity(contents.sums.count);
        for sender in contents.senders.values() {
            live.extend(sender.entries().map(|(_, entry)| (entry.sequence, Arc::clone(&entry.tx))));
        }
        // What changes from here on is appended to the file behind these.
        let mut journal = durable.journal();
        drop(contents);
        let path = journal.begin_fresh();
        drop(journal);
        let fresh = Fresh::write(path, in_order(live).iter().map(|(_, tx)| record_of(tx)));
        durable.journal().take_fresh(fresh)
    }

    /// Takes in what a journal holds; says how many are in, and how many are neither in nor in a block.
    ///
    /// # Errors
    /// When accounts of senders cannot be read. Nothing can be said of what was promised then.
    pub(super) fn restore(&self, records: &[Record]) -> Result<(usize, usize), ChainError> {
        let head = self.contents().head.for_promised();
        let terms = self.terms(&head, Origin::Local);
        let checked = self.on_threads(records, |record| match record {
            Record::Sent(raw) => Some(check_bytes(raw, None, terms)),
            Record::SentBy(sender, raw) => Some(check_bytes(raw, Some(*sender), terms)),
            Record::Removed(_) => None,
        });
        let invalid = checked.iter().flatten().filter(|checked| checked.is_err()).count();
        let live = live_of(records.iter().zip(checked));
        let known = live.len();

        let view = self.view()?;
        let mut purses: AddressMap<Purse> = AddressMap::default();
        for (_, tx) in &live {
            if let Entry::Vacant(place) = purses.entry(tx.sender) {
                place.insert(Purse::read(&view, tx.sender, head.rules.fork)?);
            }
        }
        let mut contents = self.contents();
        let mut included = 0;
        for (_, tx) in live {
            let purse = purses.get(&tx.sender).copied();
            // The journal does not say what came into blocks; the state does.
            if purse.is_some_and(|purse| tx.nonce() < purse.nonce) {
                included += 1;
                continue;
            }
            // What cannot be any more, or has to go for better ones.
            let _ = contents.restore(tx, purse, &self.options.limits);
        }
        let restored = contents.sums.count;
        Ok((restored, (known + invalid).saturating_sub(restored + included)))
    }
}

/// What a journal says of one nonce of a sender.
struct OfNonce {
    /// Where the transaction came, or the first of those that one after the other took each other's place.
    place: u64,
    /// The last one; `None`: it was taken out after it came.
    tx: Option<Arc<PoolTransaction>>,
    /// Whether all above this one in the file took each other's place.
    is_replacing: bool,
}

/// The transactions that a journal leaves, with their place in it: of those with one nonce the last, if it was not taken out
/// after it came. Those before it are gone in any case: it took their place.
fn live_of<'a>(
    records: impl DoubleEndedIterator<Item = (&'a Record, Option<Result<PoolTransaction, PoolError>>)> + ExactSizeIterator,
) -> Vec<(u64, Arc<PoolTransaction>)> {
    let mut removed: B256Set = B256Set::default();
    let mut nonces: HashMap<(Address, u64), OfNonce> = HashMap::default();
    for (place, (record, checked)) in (0..records.len() as u64).rev().zip(records.rev()) {
        if let Record::Removed(hash) = record {
            removed.insert(*hash);
        }
        let Some(Ok(tx)) = checked else { continue };
        let is_removed = removed.contains(&tx.hash());
        match nonces.entry((tx.sender, tx.nonce())) {
            Entry::Vacant(of_nonce) => {
                let tx = (!is_removed).then(|| Arc::new(tx));
                of_nonce.insert(OfNonce { place, tx, is_replacing: true });
            }
            Entry::Occupied(mut of_nonce) => {
                let of_nonce = of_nonce.get_mut();
                of_nonce.is_replacing &= !is_removed;
                if of_nonce.is_replacing {
                    of_nonce.place = place;
                }
            }
        }
    }
    in_order(nonces.into_values().filter_map(|OfNonce { place, tx, .. }| Some((place, tx?))).collect())
}

/// In the order in which they came, but no transaction before one of its sender with a lower nonce: what came late below
/// others has them after it.
fn in_order(mut live: Vec<(u64, Arc<PoolTransaction>)>) -> Vec<(u64, Arc<PoolTransaction>)> {
    live.sort_unstable_by_key(|(_, tx)| (tx.sender, tx.nonce()));
    let mut below: Option<(Address, u64)> = None;
    for (sequence, tx) in &mut live {
        if let Some((_, highest)) = below.filter(|(sender, _)| *sender == tx.sender) {
            *sequence = highest.max(*sequence);
        }
        below = Some((tx.sender, *sequence));
    }
    live.sort_unstable_by_key(|(sequence, tx)| (*sequence, tx.nonce()));
    live
}

/// A transaction as the journal has it.
pub(super) fn record_of(tx: &PoolTransaction) -> Record {
    match tx.is_impersonated {
        true => Record::SentBy(tx.sender, tx.encoded()),
        false => Record::Sent(tx.encoded()),
    }
}

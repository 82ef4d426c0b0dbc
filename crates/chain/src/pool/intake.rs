//! How checked transactions come into the pool.
//!
//! ```text
//! accounts of unknown senders are read, no lock held --> [ contents ] --> journal --> told to listeners
//!                                                             \-- it cannot be written: all is as it was before
//! ```

use super::Pool;
use super::account::Purse;
use super::contents::Contents;
use super::durable::record_of;
use super::error::PoolError;
use super::journal::Record;
use super::limits::Origin;
use super::transaction::PoolTransaction;
use alloy_primitives::map::{AddressMap, B256Set};
use alloy_primitives::{Address, B256};
use std::sync::Arc;

/// By which rules transactions come in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coming {
    /// Somebody sent them.
    Sent(Origin),
    /// Blocks had them that left the chain. They were promised before, so what keeps others in bounds keeps none of them out.
    GivenBack,
}

/// Accounts of senders, or why they cannot be read.
type Purses = AddressMap<Result<Purse, PoolError>>;

impl Pool {
    /// Takes in what has been checked, each for itself, and answers in the same order. What is taken is in the
    /// journal before.
    pub(super) fn take_in(
        &self,
        checked: Vec<Result<PoolTransaction, PoolError>>,
        coming: Coming,
    ) -> Vec<Result<B256, PoolError>> {
        let (version, purses) = self.purses_of(&checked);
        // Made before the lock is taken.
        let keeps = self.journal.is_some();
        let encoded: Vec<Option<Record>> =
            checked.iter().map(|tx| tx.as_ref().ok().filter(|_| keeps).map(record_of)).collect();
        let mut contents = self.contents();
        let (mut records, mut promoted, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut results = Vec::with_capacity(checked.len());
        for (tx, record) in checked.into_iter().zip(encoded) {
            results.push(tx.and_then(|tx| {
                let hash = tx.hash();
                let purse = match contents.senders.contains_key(&tx.sender) {
                    true => None,
                    false => Some(match purses.get(&tx.sender).filter(|_| contents.version == version) {
                        Some(purse) => purse.clone()?,
                        None => self.purse_now(&contents, tx.sender)?,
                    }),
                };
                let limits = &self.options.limits;
                let inserted = match coming {
                    Coming::Sent(origin) => contents.insert(tx, purse, limits, origin)?,
                    Coming::GivenBack => contents.give_back(tx, purse, limits)?,
                };
                if let Some(record) = record {
                    record.put(&mut records);
                }
                promoted.extend(inserted.promoted);
                gone.extend(inserted.gone);
                Ok(hash)
            }));
        }
        if let Err(error) = self.write_journal(contents, &records) {
            self.take_back(&mut results, gone, &error);
            return results;
        }
        self.announce(&promoted);
        results
    }

    /// Takes out again what could not be promised, and puts back what had to go for it.
    fn take_back(&self, results: &mut [Result<B256, PoolError>], gone: Vec<Arc<PoolTransaction>>, error: &PoolError) {
        let mut contents = self.contents();
        let mut broken: B256Set = B256Set::default();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            if let Ok(hash) = std::mem::replace(result, Err(error.clone())) {
                contents.remove(&hash);
                broken.insert(hash);
            }
        }
        // The last one to go was the one that others went for.
        for tx in gone.into_iter().rev().filter(|tx| !broken.contains(&tx.hash())) {
            let purse = match contents.senders.contains_key(&tx.sender) {
                true => None,
                false => match self.purse_now(&contents, tx.sender) {
                    Ok(purse) => Some(purse),
                    // Neither disk nor state can be used: what was promised is in the journal still.
                    Err(_) => continue,
                },
            };
            // Who took its place meanwhile is better.
            if contents.senders.get(&tx.sender).is_none_or(|sender| sender.get(tx.nonce()).is_none()) {
                let _ = contents.restore(tx, purse, &self.options.limits);
            }
        }
    }

    /// Reads the accounts of senders that the pool does not know, and says of which version they are.
    fn purses_of(&self, checked: &[Result<PoolTransaction, PoolError>]) -> (u64, Purses) {
        let contents = self.contents();
        let (version, fork) = (contents.version, contents.head.rules.fork);
        let unknown = checked.iter().flatten().map(|tx| tx.sender);
        let mut purses: Purses = unknown
            .filter(|sender| !contents.senders.contains_key(sender))
            .map(|sender| (sender, Ok(Purse::default())))
            .collect();
        drop(contents);
        if !purses.is_empty() {
            let view = self.view();
            for (sender, purse) in &mut purses {
                let read = view.as_ref().map_err(unread);
                *purse = read.and_then(|view| Purse::read(view, *sender, fork).map_err(|error| unread(&error)));
            }
        }
        (version, purses)
    }

    /// Reads an account while the contents are held: the head moved, or the sender's last transaction went, since others were
    /// read.
    fn purse_now(&self, contents: &Contents, sender: Address) -> Result<Purse, PoolError> {
        let view = self.view().map_err(|error| unread(&error))?;
        Purse::read(&view, sender, contents.head.rules.fork).map_err(|error| unread(&error))
    }
}

fn unread(error: &crate::ChainError) -> PoolError {
    PoolError::State(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{PoolLimits, PoolOptions};
    use crate::{Chain, ChainOptions, GenesisBlock};
    use alloy_consensus::{SignableTransaction as _, TxLegacy};
    use alloy_genesis::{Genesis, GenesisAccount};
    use alloy_primitives::{Signature, U256};
    use motet_types::{ChainSpec, Fork, Transaction};

    #[test]
    fn what_went_for_others_is_back_where_those_could_not_be_promised() {
        let dir = std::env::temp_dir().join(format!("motet-intake-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let person = |n: u8| Address::repeat_byte(n + 1);
        let rich = GenesisAccount::default().with_balance(U256::MAX >> 1);
        let alloc = (0..4).map(|n| (person(n), rich.clone())).collect();
        let genesis = Genesis { gas_limit: 30_000_000, alloc, ..Genesis::default() };
        let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1337, Fork::Prague)).unwrap();
        let (chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let limits = PoolLimits { count_max: 3, ..PoolLimits::default() };
        let options = PoolOptions { limits, journal: Some(dir.join("pool.journal")), ..PoolOptions::default() };
        let (pool, _) = Pool::open(chain.reader().clone(), options).unwrap();
        let send = |n: u8, nonce: u64, gas_price: u128| {
            let tx = TxLegacy { nonce, gas_price, gas_limit: 21_000, to: person(n).into(), ..TxLegacy::default() };
            let tx: Transaction = tx.into_signed(Signature::test_signature()).into();
            pool.submit_recovered(tx, person(n), Origin::External)
        };
        let held = || {
            let mut held: Vec<B256> = pool.contents().by_hash.keys().copied().collect();
            held.sort();
            held
        };
        let price = 10_000_000_000;
        for n in 0..3 {
            send(n, 0, price).unwrap();
        }
        let (before, status) = (held(), pool.status());
        pool.journal.as_ref().unwrap().journal().refuse();
        // One replaces another, and one has the worst go.
        assert!(matches!(send(1, 0, 2 * price), Err(PoolError::Journal(_))));
        assert_eq!((held(), pool.status()), (before.clone(), status));
        assert!(matches!(send(3, 0, 2 * price), Err(PoolError::Journal(_))));
        assert_eq!((held(), pool.status()), (before, status));
        let (pending, queued) = pool.content_from(person(2));
        assert_eq!((pending.len(), queued.len()), (1, 0));
        drop(chain);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn who_was_promised_a_place_meanwhile_keeps_it() {
        let dir = std::env::temp_dir().join(format!("motet-intake-meanwhile-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let person = Address::repeat_byte(1);
        let rich = GenesisAccount::default().with_balance(U256::MAX >> 1);
        let genesis = Genesis { gas_limit: 30_000_000, alloc: [(person, rich)].into(), ..Genesis::default() };
        let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1337, Fork::Prague)).unwrap();
        let (chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let pool = Pool::in_memory(chain.reader().clone());
        let send = |gas_price: u128| {
            let tx = TxLegacy { gas_price, gas_limit: 21_000, to: person.into(), ..TxLegacy::default() };
            let tx: Transaction = tx.into_signed(Signature::test_signature()).into();
            pool.submit_recovered(tx, person, Origin::External).unwrap()
        };
        // The second went for the third, before the journal refused it in place of the first.
        let first = send(1_000_000_000);
        let gone = pool.get(&first).unwrap();
        let second = send(2_000_000_000);
        let third = send(4_000_000_000);
        let mut results = [Ok(second)];
        pool.take_back(&mut results, vec![gone], &PoolError::Journal("full".to_owned()));
        assert!(results[0].is_err());
        assert!(pool.get(&third).is_some() && pool.get(&first).is_none());
        drop(chain);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

//! What a block will probably do, by what blocks before it did.
//!
//! Calls of the same code with the same selector do alike: they touch the same slots, up to the sender, the
//! recipient and the arguments. So for each such key ([`key`]) a [`habit`] is kept: places as functions of the call
//! ([`expression`]), how often each is touched, written and a meeting point of transactions of one block, and gas.
//!
//! ```text
//! before:  block --sort by key--> forecast --> weights, gas: the order of starts, the choice of `auto`
//!                                    |-------> writes where others will wait
//!                                    |-------> locations to read ahead, where reads take time
//!                                    '-------> which transactions to study
//! during:  those, run ahead: what they touch, which 64-byte inputs they hash     (notebook)
//! after:   slot = keccak(key . base) + field, key = sender, say: explained (explain), counted (habit)
//! ```
//!
//! All of it is guesswork about time: nothing here reaches the result. What is studied is bounded per block, what is
//! remembered is bounded for good ([`book`]), and a prediction reads no state.

mod book;
mod explain;
mod expression;
mod forecast;
mod foresight;
mod habit;
mod key;
mod lesson;
mod score;

pub(crate) use expression::Preimage;
pub(crate) use forecast::WAIT_GAS_MIN;
pub(crate) use foresight::Foresight;
pub(crate) use lesson::{Notebook, PREIMAGES_MAX};
pub(crate) use score::score;
pub use score::{Counted, PredictionScore};

use crate::executor::BlockInput;
use crate::sync::Mutex;
use alloy_consensus::Transaction as _;
use alloy_eip7928::{AccountChanges, StorageChange};
use alloy_primitives::{Address, U256};
use book::Book;
use explain::Explainer;
use expression::{Call, Word};
use forecast::Forecast;
use habit::{Study, Touched, Usual};
use lesson::Lesson;
use motet_types::{BlockOutcome, BlockRecord, Location, TxIndex};

/// What predicting and learning came to for one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictionReport {
    /// Transactions whose gas was predicted.
    pub known_txs: u32,
    /// Writes that were predicted so that others wait for them.
    pub writes: u32,
    /// Locations that the parent state was told to read ahead.
    pub read_ahead: u32,
    /// Transactions that were studied.
    pub lessons: u32,
    /// Nanoseconds of the executor's clock for predicting.
    pub predict_ns: u64,
    /// The same for learning, besides what noting costs during execution.
    pub learn_ns: u64,
}

/// Remembers what calls do, and says what those of another block will do.
#[derive(Debug, Default)]
pub(crate) struct Predictor(Mutex<Book>);

impl Predictor {
    /// Forgets everything.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Book::default();
    }

    /// What is thought of a block.
    pub(crate) fn forecast(&self, input: &BlockInput<'_>, wait_gas_min: u64) -> Forecast {
        let mut book = self.0.lock();
        book.now += 1;
        Forecast::new(&mut book, input, wait_gas_min)
    }

    /// Locations that a block will probably touch.
    pub(crate) fn locations(&self, forecast: &Forecast, input: &BlockInput<'_>) -> Vec<Location> {
        forecast.locations(&mut self.0.lock(), input)
    }

    /// Shows every place that a transaction may touch; `false`: nothing is known of its key.
    fn each_usual(
        &self,
        forecast: &Forecast,
        input: &BlockInput<'_>,
        tx: TxIndex,
        show: impl FnMut(&mut Call<'_>, &Usual),
    ) -> bool {
        forecast.each_usual(&mut self.0.lock(), input, tx, show)
    }

    /// Gas of the longest chain of short transactions of which each touches what the one before writes.
    pub(crate) fn chain_gas(&self, forecast: &Forecast, input: &BlockInput<'_>) -> u64 {
        forecast.chain_gas(&mut self.0.lock(), input)
    }

    /// Learns what the calls of a valid block used.
    pub(crate) fn learn_gas(&self, forecast: &Forecast, input: &BlockInput<'_>, outcome: &BlockOutcome) {
        let mut book = self.0.lock();
        let now = book.now;
        let used = |tx: u32| outcome.receipts.get(tx as usize).map_or(0, |receipt| receipt.cumulative_gas_used());
        forecast.each_gas_due(&mut book, |habit, txs| {
            // Where a block was built, the last ones may have been left out.
            for tx in sample(txs).filter(|tx| (**tx as usize) < outcome.receipts.len()) {
                let gas = used(*tx).saturating_sub(tx.checked_sub(1).map_or(0, used));
                habit.learn_gas(gas, input.block.transactions()[*tx as usize].gas_limit(), now);
            }
        });
    }

    /// Learns from a valid block all that was noted. The answer is how many transactions were studied.
    pub(crate) fn learn(
        &self,
        forecast: &Forecast,
        notebook: Notebook,
        input: &BlockInput<'_>,
        outcome: &BlockOutcome,
    ) -> u32 {
        let (codes, lessons) = notebook.into_notes();
        let mut book = self.0.lock();
        for (address, code) in codes {
            book.insert_code(address, code);
        }
        let record = &outcome.record;
        let is_in = |tx: TxIndex| tx.pos() < outcome.receipts.len();
        forecast.judge_writes(&mut book, is_in, |tx, location| match location {
            Location::Slot(address, slot) => changes(account_changes(record, address), slot).any(|writer| writer == tx),
            _ => false,
        });
        let count = lessons.len() as u32;
        for lesson in lessons {
            study(&mut book, forecast, input, record, lesson);
        }
        count
    }
}

/// Calls of one key whose gas is looked at in one block.
const GAS_SAMPLES: usize = 32;

/// A few of many, evenly.
fn sample(txs: &[u32]) -> impl Iterator<Item = &u32> {
    txs.iter().step_by(txs.len().div_ceil(GAS_SAMPLES).max(1))
}

/// Explains what a transaction touched, and adds it to the habits of its code and of its account.
fn study(book: &mut Book, forecast: &Forecast, input: &BlockInput<'_>, record: &BlockRecord, lesson: Lesson) {
    let Some(recipient) = forecast.recipient(lesson.tx) else { return };
    let Some((of_account, of_code)) = forecast.keys_of(lesson.tx, book) else { return };
    let mut study = Study::new(lesson.preimages.is_some());
    let sender = input.block.senders[lesson.tx.pos()];
    let call = forecast::call(input, lesson.tx.0, recipient);
    let explainer = Explainer::new(&call, lesson.preimages.unwrap_or_default());
    let named: [Address; 3] = [sender, recipient, input.block.header().beneficiary];
    let mut listed: Option<&AccountChanges> = None;
    for (address, slot) in lesson.touched {
        // Every transaction touches these.
        if slot.is_none() && named.contains(&address) {
            continue;
        }
        let places = explainer.places(address, slot);
        // Without the preimages a slot of a mapping looks like a large constant.
        if !study.is_complete && places.iter().all(|place| place.slot.as_ref().is_some_and(Word::is_large_constant)) {
            continue;
        }
        let (mut written, mut met) = (false, None);
        // Sorted by address, most entries are of the account of the one before.
        if listed.is_none_or(|listed| listed.address != address) {
            listed = account_changes(record, &address);
        }
        for writer in slot.iter().flat_map(|slot| changes(listed, slot)) {
            written |= writer == lesson.tx;
            if writer < lesson.tx {
                met = Some(writer);
            }
        }
        if let (Some(writer), Some(slot)) = (met, slot) {
            forecast.credit(book, input, writer, lesson.tx, &Location::Slot(address, slot));
        }
        study.add(Touched { is_slot: slot.is_some(), written, met: met.is_some() }, places);
    }
    let now = book.now;
    let (well, grown) = book.with_habit(of_code, |habit| (habit.learn(&study, now), habit.is_grown()));
    // Where the code alone does not tell, the account may.
    if book.has_habit(&of_account) || (study.is_complete && grown && !well) {
        book.with_habit(of_account, |habit| habit.learn(&study, now));
    }
}

/// What the record of a block says of an account.
fn account_changes<'a>(record: &'a BlockRecord, address: &Address) -> Option<&'a AccountChanges> {
    let at = record.list.binary_search_by_key(address, |account| account.address).ok()?;
    record.list.get(at)
}

/// The transactions that changed a slot of an account, in order.
fn changes<'a>(account: Option<&'a AccountChanges>, slot: &U256) -> impl Iterator<Item = TxIndex> + use<'a> {
    let found = account.and_then(|account| {
        let at = account.storage_changes.binary_search_by_key(slot, |change| change.slot).ok()?;
        Some(account.storage_changes[at].changes.as_slice())
    });
    let index = |change: &StorageChange| u32::try_from(change.block_access_index.0).ok();
    found.unwrap_or_default().iter().filter_map(move |change| index(change)?.checked_sub(1)).map(TxIndex)
}

#[cfg(test)]
mod tests;

//! How good predictions are, against what a block really does.

use super::{Predictor, WAIT_GAS_MIN};
use crate::error::ExecError;
use crate::executor::BlockInput;
use crate::in_order::InOrder;
use crate::parent::Parent;
use crate::recycled::Recycled;
use alloy_primitives::map::{HashMap, HashSet};
use motet_types::{Location, StateView, TxIndex};

/// Predicted things, things that were, and their intersection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Predicted.
    pub predicted: u64,
    /// Real.
    pub actual: u64,
    /// Both.
    pub right: u64,
}

/// Predictions for one block beside what it does. Only transactions that may run code count.
#[derive(Clone, Debug, Default)]
pub struct PredictionScore {
    /// Transactions that may run code.
    pub calls: u32,
    /// Of those, how many call code with a selector that was studied before.
    pub known_calls: u32,
    /// Slots touched, each once per transaction.
    pub touched: Counted,
    /// The same in transactions of known keys only.
    pub touched_known: Counted,
    /// Slots written.
    pub written: Counted,
    /// Pairs of transactions of which the upper touches a slot that the lower was the last to write.
    pub conflicts: Counted,
    /// Pairs among which the upper one is made to wait if it comes too early.
    pub waits: Counted,
    /// Gas of each transaction whose gas was predicted: predicted, used.
    pub gas: Vec<(u64, u64)>,
}

impl Counted {
    fn of<T: std::hash::Hash + Eq>(predicted: &HashSet<T>, actual: &HashSet<T>) -> Self {
        Self {
            predicted: predicted.len() as u64,
            actual: actual.len() as u64,
            right: predicted.intersection(actual).count() as u64,
        }
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.predicted += other.predicted;
        self.actual += other.actual;
        self.right += other.right;
    }

    /// How much of what was predicted was right; `None` when nothing was.
    pub fn precision(&self) -> Option<f64> {
        (self.predicted > 0).then(|| self.right as f64 / self.predicted as f64)
    }

    /// How much of what was real was predicted; `None` when there was nothing.
    pub fn recall(&self) -> Option<f64> {
        (self.actual > 0).then(|| self.right as f64 / self.actual as f64)
    }
}

/// Who touches a slot, who wrote it last, going through a block in order.
#[derive(Default)]
struct Conflicts {
    last_writer: HashMap<Location, TxIndex>,
    pairs: HashSet<(TxIndex, TxIndex)>,
}

impl Conflicts {
    fn add(&mut self, tx: TxIndex, touched: &HashSet<Location>, written: &HashSet<Location>) {
        self.pairs.extend(touched.iter().filter_map(|location| Some((*self.last_writer.get(location)?, tx))));
        self.last_writer.extend(written.iter().map(|location| (*location, tx)));
    }
}

/// Predicts a block, executes it in order, and compares. Nothing is learned.
pub(crate) fn score<V: StateView + ?Sized>(
    predictor: &Predictor,
    input: &BlockInput<'_>,
    parent: Parent<'_, V>,
) -> Result<PredictionScore, ExecError> {
    let forecast = &predictor.forecast(input, WAIT_GAS_MIN);
    let mut score = PredictionScore::default();
    let (mut expected, mut real) = (Conflicts::default(), Conflicts::default());
    let mut waited_for: HashMap<Location, Vec<TxIndex>> = HashMap::default();
    for (tx, location) in &forecast.writes {
        waited_for.entry(*location).or_default().push(*tx);
    }
    let mut waits = HashSet::<(TxIndex, TxIndex)>::default();
    let mut order = InOrder::open(input, parent, None, Default::default())?;
    for tx in (0..input.block.tx_count()).map(TxIndex::from) {
        let (mut touched, mut written) = (HashSet::default(), HashSet::default());
        order.run_next_seen(|state| {
            for (address, account) in state {
                for (slot, value) in &account.storage {
                    let location = Location::Slot(*address, *slot);
                    touched.insert(location);
                    if value.present_value() != value.original_value() {
                        written.insert(location);
                    }
                }
            }
            Ok(())
        })?;
        real.add(tx, &touched, &written);
        let is_waiting = |(location, writers): (&Location, &Vec<TxIndex>)| {
            let below = writers.iter().filter(|writer| **writer < tx).max();
            below.filter(|_| touched.contains(location)).map(|writer| (*writer, tx))
        };
        waits.extend(waited_for.iter().filter_map(is_waiting));
        if forecast.recipient(tx).is_none() {
            continue;
        }
        score.calls += 1;
        let (mut foreseen, mut to_write) = (HashSet::default(), HashSet::default());
        let known = predictor.each_usual(forecast, input, tx, |call, usual| {
            if usual.place.slot.is_none() || !usual.is_expected() {
                return;
            }
            let Some(location) = call.location(&usual.place) else { return };
            foreseen.insert(location);
            if usual.is_written() {
                to_write.insert(location);
            }
        });
        expected.add(tx, &foreseen, &to_write);
        let of_tx = Counted::of(&foreseen, &touched);
        score.touched.add(&of_tx);
        score.written.add(&Counted::of(&to_write, &written));
        if known {
            score.known_calls += 1;
            score.touched_known.add(&of_tx);
        }
    }
    let receipts = order.close(&Recycled::default())?.receipts;
    let mut before = 0;
    for (tx, receipt) in receipts.iter().enumerate() {
        let used = receipt.cumulative_gas_used() - std::mem::replace(&mut before, receipt.cumulative_gas_used());
        score.gas.extend(forecast.gas(TxIndex::from(tx)).map(|predicted| (predicted, used)));
    }
    score.conflicts = Counted::of(&expected.pairs, &real.pairs);
    score.waits = Counted::of(&waits, &real.pairs);
    Ok(score)
}

//! What the parts of a block take on one worker.

use super::machine::MachineCosts;
use super::sample::{EngineSample, InOrderSample, Steps, TxSteps};
use crate::parallel::Dice;

/// How far a transaction's costs are off in another schedule.
const SPREAD_PERCENT: u64 = 5;

/// Costs of one transaction, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxCosts {
    /// Running it: from its start to its first read of the state, from there to the next, and so on to its end.
    pub slices_ns: Vec<u64>,
    /// Publishing what it wrote.
    pub settle_ns: u64,
    /// Checking its outcome and entering it into the ledger.
    pub commit_ns: u64,
    /// The same by a worker that also committed the one before, so that only the outcome comes from elsewhere.
    pub carried_ns: u64,
    /// Running it in its turn instead.
    pub in_order_ns: u64,
}

/// Samples of one block under one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Of one worker.
    pub alone: Vec<EngineSample>,
    /// Of two in relay, by [`Relay::Alternating`](super::Relay::Alternating).
    pub alternating: Vec<EngineSample>,
    /// Of two in relay, by [`Relay::Divided`](super::Relay::Divided).
    pub divided: Vec<EngineSample>,
    /// Of one imaginary worker.
    pub steps: Vec<Steps>,
}

/// Costs of a block under one engine, in nanoseconds, measured on one worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockCosts {
    /// Before the first transaction.
    pub opening_ns: u64,
    /// By transaction, for a worker that is alone.
    pub txs: Vec<TxCosts>,
    /// By transaction, for one of several workers: what it works on comes from another one's processor.
    pub relayed: Vec<TxCosts>,
    /// From the last transaction to the outcome, where one worker does it.
    pub closing_ns: u64,
    /// What all workers share then: hashing receipts, sorting diff and list, emptying memory.
    pub shared_ns: u64,
    /// Comparing one account or slot with the ledger.
    pub validation_ns: f64,
    /// The whole block, sequentially.
    pub in_order_ns: u64,
}

impl TxCosts {
    /// Running it ahead.
    pub fn run_ns(&self) -> u64 {
        self.slices_ns.iter().sum::<u64>() + self.settle_ns
    }

    /// A slice. Where a transaction reads more often than it did when it was measured, the average one.
    pub(crate) fn slice_ns(&self, slice: usize) -> u64 {
        let average = || self.slices_ns.iter().sum::<u64>() / self.slices_ns.len().max(1) as u64;
        self.slices_ns.get(slice).copied().unwrap_or_else(average)
    }
}

impl BlockCosts {
    /// Everything for nothing.
    pub(crate) fn free(tx_count: usize) -> Self {
        let txs = vec![TxCosts::default(); tx_count];
        Self { relayed: txs.clone(), txs, ..Self::default() }
    }

    /// The medians of samples of one block, part by part. Steps say how a transaction's time divides, samples how long it is:
    /// a run that stops at every read takes longer than one that does not.
    ///
    /// The parts are enlarged alike so that they add up to the median run: a sum of medians is less than the median of
    /// sums.
    ///
    /// `None` without samples of each kind, or when they are of blocks of different length.
    pub fn new(samples: &Samples, in_order: &[InOrderSample], machine: &MachineCosts) -> Option<Self> {
        let Samples { alone: samples, alternating, divided: carried, steps } = samples;
        let last_steps = steps.last()?;
        let tx_count = last_steps.txs.len();
        let in_order_ns = median(in_order.iter().map(|sample| sample.total_ns))?;
        let same = steps.iter().all(|steps| steps.txs.len() == tx_count)
            && in_order.iter().all(|sample| sample.tx_ns.len() == tx_count);
        if !same {
            return None;
        }
        let alone = TxMedians::of(samples, tx_count)?;
        let relayed = TxMedians::of(alternating, tx_count)?;
        let carried = TxMedians::of(carried, tx_count)?;
        let of = |part: &dyn Fn(&EngineSample) -> u64| median(samples.iter().map(part)).unwrap_or_default();
        let (opening, closing, shared) =
            (of(&|sample| sample.opening_ns), of(&|sample| sample.closing_ns), of(&|sample| sample.shared_ns));
        let parts = opening + closing + shared + of(&|sample| sample.between_ns) + alone.total();
        let factor = of(&|sample| sample.total_ns) as f64 / parts.max(1) as f64;
        let scaled = |ns: u64| (ns as f64 * factor).round() as u64;
        let laps: Vec<u64> = (0..tx_count)
            .map(|pos| median(in_order.iter().map(|sample| sample.tx_ns[pos])).unwrap_or_default())
            .collect();
        let laps_factor = in_order_ns as f64 / (laps.iter().sum::<u64>() + closing + shared).max(1) as f64;
        let lap = |pos: usize| {
            let lap = (laps[pos] as f64 * laps_factor).round() as u64;
            // The first lap includes the opening.
            if pos == 0 { lap.saturating_sub(opening).max(lap / 4) } else { lap }
        };
        // The first transaction of each worker found no EVM; the virtual clock charges every worker for its own.
        let costs = |medians: &TxMedians, workers: usize| -> Vec<TxCosts> {
            let tx = |pos: usize| {
                let run = medians.runs[pos];
                let run = if pos < workers { run.saturating_sub(machine.vm_ns).max(run / 4) } else { run };
                let (slices_ns, settle_ns) = divided(scaled(run), steps, pos, machine);
                TxCosts {
                    slices_ns,
                    settle_ns,
                    commit_ns: scaled(medians.commits[pos]),
                    // Never more than where the ledger comes from elsewhere as well: what is measured so is noise.
                    carried_ns: scaled(carried.commits[pos].min(relayed.commits[pos])),
                    in_order_ns: lap(pos),
                }
            };
            (0..tx_count).map(tx).collect()
        };
        let overhead = machine.clock_ns.saturating_mul(tx_count as u64);
        let validating = last_steps.validating_ns.saturating_sub(overhead);
        Some(Self {
            opening_ns: scaled(opening),
            txs: costs(&alone, 1),
            relayed: costs(&relayed, 2),
            closing_ns: scaled(closing),
            shared_ns: scaled(shared),
            validation_ns: validating as f64 / last_steps.validated.max(1) as f64,
            in_order_ns,
        })
    }

    /// The same costs, each transaction's up to 5 % off, in a way that `schedule` decides. Zero leaves them as they
    /// are.
    ///
    /// Who meets whom hangs on little: no real run of a block is like another. Several schedules show how much hangs on it.
    pub fn varied(&self, schedule: u32) -> Self {
        let mut this = self.clone();
        if schedule == 0 {
            return this;
        }
        let mut dice = Dice(u64::from(schedule));
        for (alone, relayed) in this.txs.iter_mut().zip(&mut this.relayed) {
            let percent = 100 - SPREAD_PERCENT + dice.below(2 * SPREAD_PERCENT as usize + 1) as u64;
            let scale = |ns: &mut u64| *ns = ns.saturating_mul(percent) / 100;
            for tx in [alone, relayed] {
                tx.slices_ns.iter_mut().for_each(scale);
                scale(&mut tx.settle_ns);
                scale(&mut tx.commit_ns);
                scale(&mut tx.carried_ns);
                scale(&mut tx.in_order_ns);
            }
        }
        this
    }

    /// Costs of a transaction for one of so many workers.
    pub(crate) fn tx(&self, pos: usize, workers: usize) -> &TxCosts {
        if workers > 1 { &self.relayed[pos] } else { &self.txs[pos] }
    }

    /// Committing a transaction, by who executed it and who committed the one before.
    pub(crate) fn commit_ns(&self, pos: usize, executed_here: bool, ledger_here: bool) -> u64 {
        let (alone_ns, relayed) = (self.txs[pos].commit_ns, &self.relayed[pos]);
        match (executed_here, ledger_here) {
            (true, true) => alone_ns,
            (false, true) => relayed.carried_ns,
            (false, false) => relayed.commit_ns,
            // What the ledger costs beyond the outcome.
            (true, false) => alone_ns + relayed.commit_ns.saturating_sub(relayed.carried_ns),
        }
    }

    /// The sum of all that one worker does.
    pub fn total_ns(&self) -> u64 {
        let txs: u64 = self.txs.iter().map(|tx| tx.run_ns() + tx.commit_ns).sum();
        self.opening_ns + txs + self.closing_ns + self.shared_ns
    }
}

/// Medians by transaction.
struct TxMedians {
    runs: Vec<u64>,
    commits: Vec<u64>,
}

impl TxMedians {
    /// `None` without samples, or when they are of another block.
    fn of(samples: &[EngineSample], tx_count: usize) -> Option<Self> {
        let same = |sample: &EngineSample| (sample.run_ns.len(), sample.commit_ns.len()) == (tx_count, tx_count);
        if samples.is_empty() || !samples.iter().all(same) {
            return None;
        }
        let by_tx = |part: &dyn Fn(&EngineSample, usize) -> u64| -> Vec<u64> {
            let of_tx = |pos: usize| median(samples.iter().map(|sample| part(sample, pos))).unwrap_or_default();
            (0..tx_count).map(of_tx).collect()
        };
        Some(Self {
            runs: by_tx(&|sample, pos| sample.run_ns[pos]),
            commits: by_tx(&|sample, pos| sample.commit_ns[pos]),
        })
    }

    fn total(&self) -> u64 {
        self.runs.iter().chain(&self.commits).sum()
    }
}

/// `run_ns` divided as steps show it: slices, and publishing.
fn divided(run_ns: u64, steps: &[Steps], pos: usize, machine: &MachineCosts) -> (Vec<u64>, u64) {
    let of_tx: Vec<&TxSteps> = steps.iter().map(|steps| &steps.txs[pos]).collect();
    let slices = of_tx.first().map_or(0, |tx| tx.slices_ns.len());
    let alike = || of_tx.iter().filter(|tx| tx.slices_ns.len() == slices);
    // Each slice has a resumption, a suspension and a look at the clock in it.
    let overhead = machine.switch_ns + machine.clock_ns;
    let pure = |ns: Option<u64>, overhead: u64| ns.unwrap_or_default().saturating_sub(overhead).max(1) as f64;
    let mut weights: Vec<f64> =
        (0..slices).map(|slice| pure(median(alike().map(|tx| tx.slices_ns[slice])), overhead)).collect();
    weights.push(pure(median(alike().map(|tx| tx.settle_ns)), machine.clock_ns));
    let unit = run_ns as f64 / weights.iter().sum::<f64>().max(1.0);
    // Rounding the running sum keeps the whole.
    let (mut sum, mut before) = (0.0, 0);
    let mut parts: Vec<u64> = weights
        .into_iter()
        .map(|weight| {
            sum += weight * unit;
            let until = sum.round() as u64;
            let part = until - before;
            before = until;
            part
        })
        .collect();
    let settle_ns = parts.pop().unwrap_or_default();
    (parts, settle_ns)
}

/// The lower of the middle two for an even count.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_the_whole_and_their_proportions() {
        let machine = MachineCosts { switch_ns: 20, clock_ns: 30, vm_ns: 100, ..MachineCosts::default() };
        let sample = |noise: u64| EngineSample {
            total_ns: 10_000,
            opening_ns: 500,
            run_ns: vec![3_100 + noise, 2_000],
            commit_ns: vec![700, 300],
            between_ns: 200,
            closing_ns: 1_000,
            shared_ns: 2_200 - noise,
        };
        let tx = |slices: &[u64], settle_ns| TxSteps { slices_ns: slices.to_vec(), settle_ns };
        let steps =
            Steps { txs: vec![tx(&[1_050, 550, 50], 530), tx(&[450], 130)], validating_ns: 1_060, validated: 10 };
        let in_order = InOrderSample { total_ns: 8_000, tx_ns: vec![3_300, 1_500] };
        let relay = EngineSample { commit_ns: vec![1_400, 900], ..sample(0) };
        let carried = EngineSample { commit_ns: vec![1_000, 950], ..sample(0) };
        let samples = Samples {
            alone: vec![sample(0), sample(100), sample(1)],
            alternating: vec![relay],
            divided: vec![carried],
            steps: vec![steps],
        };
        let costs = BlockCosts::new(&samples, &[in_order], &machine).expect("samples of every kind");
        // 3,001 of the first transaction in the proportion 1000 : 500 : 1 : 500, the last being its settling.
        assert_eq!(costs.txs[0].run_ns(), 3_001);
        let slices: &[u64] = &costs.txs[0].slices_ns;
        assert!(slices[0].abs_diff(1_500) <= 1 && slices[1].abs_diff(750) <= 1 && slices[2] <= 2, "{slices:?}");
        assert_eq!((costs.txs[1].slices_ns.clone(), costs.txs[1].settle_ns), (vec![1_600], 400));
        assert_eq!((costs.txs[0].commit_ns, costs.opening_ns, costs.closing_ns), (700, 500, 1_000));
        assert_eq!((costs.in_order_ns, costs.validation_ns), (8_000, 100.0));
        assert_eq!(costs.txs[0].slice_ns(9), 750);
        assert_eq!(costs.varied(0), costs);
        let varied: Vec<u64> = (1..20).map(|schedule| costs.varied(schedule).txs[1].run_ns()).collect();
        assert!(
            varied.iter().all(|ns| (1_898..=2_100).contains(ns)) && varied.iter().any(|ns| *ns != 2_000),
            "{varied:?}"
        );
        assert_eq!(costs.varied(7), costs.varied(7));
        let commits: Vec<u64> = costs.relayed.iter().map(|tx| tx.commit_ns).collect();
        assert_eq!((commits, costs.relayed[0].run_ns()), (vec![1_400, 900], 3_000));
        let commits = |pos| {
            [(true, true), (false, true), (false, false), (true, false)]
                .map(|(executed, ledger)| costs.commit_ns(pos, executed, ledger))
        };
        assert_eq!((commits(0), commits(1)), ([700, 1_000, 1_400, 1_100], [300, 900, 900, 300]));
        assert!(BlockCosts::new(&samples, &[], &machine).is_none());
        assert!(BlockCosts::new(&Samples { divided: Vec::new(), ..samples }, &[], &machine).is_none());
    }
}

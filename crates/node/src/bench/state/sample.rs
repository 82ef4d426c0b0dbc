//! Times with a look at what else the machine did.

use super::super::machine;
use crate::clock;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use std::time::Duration;

/// Waiting for a processor that no run is free of: threads that wake up wait a little.
const WAIT_FORGIVEN: Duration = Duration::from_micros(40);

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    /// CPU time of all threads.
    pub(super) cpu: Duration,
}

/// A run that was watched.
#[derive(Debug)]
pub(super) struct Watched<T> {
    pub(super) value: T,
    pub(super) sample: Sample,
    /// How long its threads waited for a processor, all together; those that are gone are left out.
    pub(super) waited: Duration,
    /// Whether that is more than can be overlooked.
    pub(super) is_disturbed: bool,
}

impl<T> Watched<T> {
    /// Takes into account how long threads had waited that were gone before anybody looked.
    pub(super) fn also_waited(&mut self, longest: Duration) {
        self.is_disturbed |= longest > WAIT_FORGIVEN.max(self.sample.wall / 20);
    }
}

/// Runs something between two looks at the clocks.
pub(super) fn watch<T>(work: impl FnOnce() -> T) -> Watched<T> {
    let (waited, cpu, started) = (machine::waited(), clock::cpu_time(), clock::now_ns());
    let value = work();
    let wall = Duration::from_nanos(clock::now_ns().saturating_sub(started));
    let cpu = clock::cpu_time().saturating_sub(cpu);
    let waited = machine::waited().saturating_sub(waited);
    let is_disturbed = waited > WAIT_FORGIVEN.max(wall / 20);
    Watched { value, sample: Sample { wall, cpu }, waited, is_disturbed }
}

/// The runs of one contender that count, and those that were disturbed.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    counted: Vec<Sample>,
    disturbed: Vec<Sample>,
}

impl Samples {
    /// Takes a run into account.
    pub(super) fn push<T>(&mut self, watched: &Watched<T>) {
        let list = if watched.is_disturbed { &mut self.disturbed } else { &mut self.counted };
        list.push(watched.sample);
    }

    /// How many runs count.
    pub(super) fn len(&self) -> usize {
        self.counted.len()
    }

    /// At most so many runs, disturbed ones only where there are not enough others; and how many were disturbed and
    /// left out, and how many disturbed ones count.
    pub(super) fn finish(mut self, runs: usize) -> (Vec<Sample>, u32, u32) {
        self.counted.truncate(runs);
        let lacking = runs.saturating_sub(self.counted.len()).min(self.disturbed.len());
        let left_out = self.disturbed.len() - lacking;
        self.counted.extend(self.disturbed.drain(..lacking));
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (self.counted, count(left_out), count(lacking))
    }
}

/// Everybody once, in an order that follows from the round: who runs after whom matters, since a run leaves its caches to
/// the next.
pub(super) fn shuffled(count: usize, round: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(u64::from(round)));
    order
}

/// The value below which a share of sorted values lies; zero without values.
pub(super) fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(micros: u64, is_disturbed: bool) -> Watched<()> {
        let sample = Sample { wall: Duration::from_micros(micros), cpu: Duration::ZERO };
        Watched { value: (), sample, waited: Duration::ZERO, is_disturbed }
    }

    #[test]
    fn disturbed_runs_count_only_where_others_lack() {
        let mut samples = Samples::default();
        for (micros, disturbed) in [(1, false), (9, true), (2, false), (8, true)] {
            samples.push(&watched(micros, disturbed));
        }
        let walls = |runs| {
            let (samples, left_out, kept) = samples.clone().finish(runs);
            (samples.iter().map(|sample| sample.wall.as_micros()).collect::<Vec<_>>(), left_out, kept)
        };
        assert_eq!(walls(2), (vec![1, 2], 2, 0));
        assert_eq!(walls(3), (vec![1, 2, 9], 1, 1));
        assert_eq!(walls(9), (vec![1, 2, 9, 8], 0, 2));
    }

    #[test]
    fn quantiles_are_values_of_the_list() {
        let list: Vec<u64> = (0..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&list, share)), [0, 50, 99, 100]);
        assert_eq!(quantile::<u64>(&[], 0.5), 0);
    }
}

//! What was measured: times, figures, and what they were to be. Schema `motet-bench-state/1`.

use super::super::machine;
use super::sample::{Sample, Samples, quantile};
use serde::Serialize;
use std::time::Duration;

/// The results. docs/format.md describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct StateReport {
    schema: &'static str,
    pub(super) version: &'static str,
    pub(super) machine: String,
    pub(super) parts: Vec<Part>,
}

impl StateReport {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { schema: "motet-bench-state/1", version, machine: machine::name(), parts }
    }
}

/// One part of the benchmark.
#[derive(Debug, Default, Serialize)]
pub(super) struct Part {
    pub(super) part: &'static str,
    /// On what, in words.
    pub(super) setting: String,
    pub(super) timings: Vec<Timing>,
    pub(super) figures: Vec<Figure>,
    pub(super) bars: Vec<Bar>,
    /// What the figures do not say.
    pub(super) notes: Vec<String>,
    /// Runs that did not count because they had waited for a processor, and those that count all the same.
    pub(super) repeated: u32,
    pub(super) disturbed: u32,
    /// What came out differently from one contender to the other.
    pub(super) differences: Vec<String>,
}

/// The times of one contender at one task.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Timing {
    pub(super) task: String,
    pub(super) contender: String,
    pub(super) runs: usize,
    /// Wall times of a run in microseconds, and their sum.
    pub(super) p25_us: f64,
    pub(super) p50_us: f64,
    pub(super) p75_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
    pub(super) total_us: f64,
    /// CPU time of all threads over wall time, over all runs; null where nobody counted it.
    pub(super) cores: Option<f64>,
    /// Things done in a run, and the median run's time for each.
    pub(super) items: u64,
    pub(super) item_us: f64,
}

/// A number that is no time of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// A figure that was to be at least, or at most, so large.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) relation: Relation,
    pub(super) bar: f64,
    pub(super) reached: f64,
    pub(super) holds: bool,
}

/// On which side of its bar a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Relation {
    #[serde(rename = "at least")]
    AtLeast,
    #[serde(rename = "at most")]
    AtMost,
}

impl Relation {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        }
    }
}

impl Part {
    pub(super) fn new(part: &'static str, setting: String) -> Self {
        Self { part, setting, ..Self::default() }
    }

    /// Adds a contender's runs at a task; `items` is what one run does.
    pub(super) fn add_samples(&mut self, task: &str, contender: &str, items: u64, samples: Samples, runs: usize) {
        let (samples, repeated, disturbed) = samples.finish(runs);
        self.repeated += repeated;
        self.disturbed += disturbed;
        self.timings.push(Timing::of_samples(task, contender, items, &samples));
    }

    pub(super) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }

    pub(super) fn bar(&mut self, name: impl Into<String>, relation: Relation, bar: f64, reached: f64) {
        let holds = match relation {
            Relation::AtLeast => reached >= bar,
            Relation::AtMost => reached <= bar,
        };
        self.bars.push(Bar { name: name.into(), relation, bar, reached, holds });
    }

    pub(super) fn timing(&self, task: &str, contender: &str) -> Option<&Timing> {
        self.timings.iter().find(|timing| timing.task == task && timing.contender == contender)
    }

    /// The median of one contender over another's at a task.
    pub(super) fn ratio(&self, task: &str, over: &str, under: &str) -> Option<f64> {
        let (over, under) = (self.timing(task, over)?, self.timing(task, under)?);
        (under.p50_us > 0.0).then(|| over.p50_us / under.p50_us)
    }
}

impl Timing {
    fn of_samples(task: &str, contender: &str, items: u64, samples: &[Sample]) -> Self {
        let walls: Vec<Duration> = samples.iter().map(|sample| sample.wall).collect();
        let (cpu, wall): (Duration, Duration) = (samples.iter().map(|sample| sample.cpu).sum(), walls.iter().sum());
        let cores = (!wall.is_zero()).then(|| rounded(cpu.as_secs_f64() / wall.as_secs_f64()));
        Self { cores, ..Self::of_walls(task, contender, items, walls) }
    }

    /// From wall times alone, in any order.
    pub(super) fn of_walls(task: &str, contender: &str, items: u64, mut walls: Vec<Duration>) -> Self {
        walls.sort_unstable();
        let at = |share| micros(quantile(&walls, share));
        let p50 = quantile(&walls, 0.5);
        Self {
            task: task.to_owned(),
            contender: contender.to_owned(),
            runs: walls.len(),
            p25_us: at(0.25),
            p50_us: at(0.5),
            p75_us: at(0.75),
            p99_us: at(0.99),
            max_us: at(1.0),
            total_us: micros(walls.iter().sum()),
            cores: None,
            items,
            item_us: p50.as_secs_f64() * 1e6 / items.max(1) as f64,
        }
    }

    /// Half the distance of the quartiles over the median.
    pub(super) fn spread(&self) -> f64 {
        if self.p50_us > 0.0 { (self.p75_us - self.p25_us) / self.p50_us / 2.0 } else { 0.0 }
    }
}

/// Microseconds with two digits behind the point.
pub(super) fn micros(time: Duration) -> f64 {
    (time.as_nanos() as f64 / 10.0).round() / 100.0
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_on_which_side_it_was_reached() {
        let mut part = Part::new("trie", String::new());
        part.bar("a", Relation::AtLeast, 1.5, 1.4);
        part.bar("b", Relation::AtMost, 1.5, 1.4);
        assert_eq!(part.bars.iter().map(|bar| bar.holds).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn ratios_are_those_of_medians_of_one_task() {
        let mut part = Part::new("trie", String::new());
        let walls = |list: [u64; 3]| list.map(Duration::from_micros).to_vec();
        part.timings.push(Timing::of_walls("t", "slow", 10, walls([10, 60, 40])));
        part.timings.push(Timing::of_walls("t", "fast", 10, walls([20, 10, 90])));
        assert_eq!(part.ratio("t", "slow", "fast"), Some(2.0));
        assert_eq!(part.ratio("u", "slow", "fast"), None);
        assert_eq!(part.timings[0].item_us, 4.0);
        assert_eq!(part.timings[1].total_us, 120.0);
    }
}

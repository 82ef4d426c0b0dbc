//! Medians, ratios and their summaries. Schema `motet-bench/1`.

use super::machine;
use super::measure::{Measured, Measurement, Sample};
use motet_types::Fork;
use serde::Serialize;
use std::time::Duration;

/// Gas from which on a block counts as a large one.
pub(crate) const LARGE_GAS: u64 = 4_000_000;

/// The results. docs/format.md describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: &'static str,
    pub(super) version: &'static str,
    pub(super) machine: String,
    pub(super) runs: u32,
    /// Runs that were repeated because they had waited for a processor.
    pub(super) repeated: u32,
    /// Runs that waited each time, and count all the same.
    pub(super) disturbed: u32,
    pub(super) blocks: Vec<Block>,
    pub(super) summaries: Vec<Summary>,
}

/// One block.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    pub(super) block: u64,
    pub(super) name: String,
    file: String,
    pub(super) fork: &'static str,
    pub(super) txs: usize,
    pub(super) gas: u64,
    #[serde(skip)]
    post_merge: bool,
    pub(super) results: Vec<Outcome>,
}

/// One contender on one block.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) contender: String,
    pub(super) path: Option<&'static str>,
    /// Median wall time in microseconds, and the distance of the quartiles as a share of it.
    pub(super) wall_us: f64,
    pub(super) spread: f64,
    /// CPU time of all threads in the median run, in microseconds.
    pub(super) cpu_us: f64,
    /// How many times as fast as `lean` on this block.
    pub(super) ratio: f64,
    pub(super) executions: Option<u64>,
    pub(super) aborts: Option<u64>,
    pub(super) suspensions: Option<u64>,
    /// Growth of resident memory in the first run.
    peak_bytes: Option<u64>,
}

/// One contender over a group of blocks.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) group: &'static str,
    pub(super) blocks: usize,
    pub(super) contender: String,
    /// Sum of `lean`'s medians over the sum of this contender's.
    pub(super) total_ratio: f64,
    /// Geometric mean of the ratios.
    pub(super) geo_mean: f64,
    pub(super) least_ratio: f64,
    pub(super) least_block: String,
    /// Blocks that took longer than with `lean`.
    pub(super) slower: usize,
    /// CPU time over that of `lean`.
    pub(super) cpu_ratio: f64,
    /// The worst block against `sequential`: wall time less 20 microseconds, as a share; and CPU time.
    pub(super) worst_against_sequential: f64,
    pub(super) worst_block: String,
    pub(super) worst_cpu_against_sequential: f64,
}

impl Report {
    pub(super) fn new(measurement: &Measurement) -> Self {
        let names: Vec<&str> = measurement.contenders.iter().map(|contender| contender.name.as_str()).collect();
        // How much work each contender does: as many plain loops as run at once.
        let times: Vec<u32> = measurement.contenders.iter().map(|contender| contender.at_once as u32).collect();
        let blocks: Vec<Block> =
            measurement.blocks.iter().filter_map(|measured| Block::new(measured, &names, &times)).collect();
        let large = |block: &&Block| block.gas >= LARGE_GAS && block.txs > 1;
        let groups: [(&'static str, Vec<&Block>); 3] = [
            ("all", blocks.iter().collect()),
            (">= 4 Mgas, more than one transaction", blocks.iter().filter(large).collect()),
            ("of those, after the Merge", blocks.iter().filter(large).filter(|block| block.post_merge).collect()),
        ];
        let summaries = groups
            .iter()
            .filter(|(_, blocks)| !blocks.is_empty())
            .flat_map(|(group, blocks)| {
                (0..names.len()).map(|at| Summary::new(group, blocks, at, times[at])).collect::<Vec<_>>()
            })
            .collect();
        let runs = measurement.blocks.iter().flat_map(|block| &block.samples).map(Vec::len).max().unwrap_or_default();
        Self {
            schema: "motet-bench/1",
            version: env!("CARGO_PKG_VERSION"),
            machine: machine::name(),
            runs: u32::try_from(runs).unwrap_or(u32::MAX),
            repeated: measurement.repeated,
            disturbed: measurement.disturbed,
            blocks,
            summaries,
        }
    }
}

impl Block {
    /// `None` when a contender has no sample: a ratio without it would look better than it is.
    fn new(measured: &Measured, names: &[&str], times: &[u32]) -> Option<Self> {
        if measured.samples.iter().any(Vec::is_empty) {
            return None;
        }
        let lean = Quartiles::of(measured.samples.first()?).median.wall;
        let results = names
            .iter()
            .zip(times)
            .zip(&measured.samples)
            .zip(&measured.peaks)
            .map(|(((name, times), samples), peak)| Outcome::new(name, samples, *peak, lean * *times))
            .collect();
        Some(Self {
            block: measured.block,
            name: measured.name.clone(),
            file: measured.file.clone(),
            fork: measured.fork.name(),
            txs: measured.txs,
            gas: measured.gas,
            post_merge: measured.fork >= Fork::Paris,
            results,
        })
    }
}

impl Outcome {
    fn new(name: &str, samples: &[Sample], peak_bytes: Option<u64>, lean: Duration) -> Self {
        let Quartiles { median, spread } = Quartiles::of(samples);
        let report = median.report.as_ref();
        Self {
            contender: name.to_owned(),
            path: report.map(|report| report.path.name()),
            wall_us: micros(median.wall),
            spread,
            cpu_us: micros(median.cpu),
            ratio: lean.as_secs_f64() / median.wall.as_secs_f64().max(1e-9),
            executions: report.map(|report| report.executions),
            aborts: report.map(|report| report.aborts),
            suspensions: report.map(|report| report.suspensions),
            peak_bytes,
        }
    }
}

impl Summary {
    fn new(group: &'static str, blocks: &[&Block], contender: usize, times: u32) -> Self {
        // `lean` comes first, `sequential` second.
        let of = |block: &Block, at: usize| (block.results[at].wall_us, block.results[at].cpu_us);
        let sum =
            |at: usize| blocks.iter().fold((0.0, 0.0), |sum, block| (sum.0 + of(block, at).0, sum.1 + of(block, at).1));
        let (lean, mine) = (sum(0), sum(contender));
        let logs: f64 = blocks.iter().map(|block| block.results[contender].ratio.ln()).sum();
        let mut this = Self {
            group,
            blocks: blocks.len(),
            contender: blocks[0].results[contender].contender.clone(),
            total_ratio: f64::from(times) * lean.0 / mine.0,
            geo_mean: (logs / blocks.len() as f64).exp(),
            least_ratio: f64::INFINITY,
            least_block: String::new(),
            slower: blocks.iter().filter(|block| block.results[contender].ratio < 1.0).count(),
            cpu_ratio: mine.1 / lean.1 / f64::from(times),
            worst_against_sequential: 0.0,
            worst_block: String::new(),
            worst_cpu_against_sequential: 0.0,
        };
        for block in blocks {
            let ratio = block.results[contender].ratio;
            if ratio < this.least_ratio {
                (this.least_ratio, this.least_block) = (ratio, block.name.clone());
            }
            let ((wall, cpu), (sequential_wall, sequential_cpu)) = (of(block, contender), of(block, 1));
            // Several plain loops do as many times the work.
            let (wall, cpu) = (wall / f64::from(times), cpu / f64::from(times));
            let share = (wall - 20.0).max(0.0) / sequential_wall;
            if share > this.worst_against_sequential {
                (this.worst_against_sequential, this.worst_block) = (share, block.name.clone());
            }
            this.worst_cpu_against_sequential = this.worst_cpu_against_sequential.max(cpu / sequential_cpu);
        }
        this
    }
}

struct Quartiles<'a> {
    median: &'a Sample,
    /// Distance of the quartiles over the median.
    spread: f64,
}

impl<'a> Quartiles<'a> {
    /// # Panics
    /// Without samples.
    fn of(samples: &'a [Sample]) -> Self {
        let mut sorted: Vec<&Sample> = samples.iter().collect();
        sorted.sort_by_key(|sample| sample.wall);
        let last = sorted.len() - 1;
        let median = sorted[last / 2];
        let distance = sorted[last * 3 / 4].wall.saturating_sub(sorted[last / 4].wall);
        Self { median, spread: distance.as_secs_f64() / median.wall.as_secs_f64().max(1e-9) }
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_nanos() as f64 / 100.0).round() / 10.0
}

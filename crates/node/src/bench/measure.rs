//! Passes over all blocks, and what every contender needed.

use super::contender::{Contender, Given, Timed};
use super::machine;
use super::prepared::{Fault, Prepared};
use crate::verdict::Verdict;
use motet_exec::{Engine, Report};
use motet_types::Fork;
use motet_workload::block_file::ReplayBlock;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use std::path::Path;
use std::time::Duration;

/// What a block is called among others.
fn name(block: &ReplayBlock, blocks: &[Prepared]) -> String {
    let number = block.number();
    let alone = blocks.iter().filter(|other| other.block.number() == number).count() < 2;
    match block.source.parent().and_then(Path::file_name) {
        Some(folder) if !alone => format!("{}/{number}", folder.display()),
        _ => number.to_string(),
    }
}

/// Everybody once, in an order that follows from the pass and the block. Who runs after whom matters: a run on many
/// threads leaves other caches and another heap to the next than one on a single thread.
fn shuffled(count: usize, pass: u32, block: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(u64::from(pass) << 32 | block as u64));
    order
}

/// A run is repeated at most this often.
const REPEATS_MAX: u32 = 5;
/// Waiting for a processor that no run is free of: threads that wake up wait a little.
const WAIT_FORGIVEN: Duration = Duration::from_micros(40);

/// All samples.
#[derive(Debug)]
pub(super) struct Measurement {
    runs: u32,
    pub(super) contenders: Vec<Contender>,
    pub(super) blocks: Vec<Measured>,
    /// Runs that were repeated because they had waited for a processor, and those that were kept all the same.
    pub(super) repeated: u32,
    pub(super) disturbed: u32,
}

/// One block with the samples of every contender, in the order of [`Measurement::contenders`].
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) block: u64,
    /// The number; where several blocks have it, behind the name of the file's folder.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) fork: Fork,
    pub(super) txs: usize,
    pub(super) gas: u64,
    pub(super) samples: Vec<Vec<Sample>>,
    /// Growth of resident memory during the first run, in bytes.
    pub(super) peaks: Vec<Option<u64>>,
}

/// One run that counts.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) report: Option<Report>,
}

impl Measurement {
    pub(super) fn new(workers: &[usize], runs: u32) -> Self {
        let mut contenders = vec![Contender::lean()];
        for warm in [false, true] {
            contenders.push(Contender::engine(Engine::Sequential, 1, warm));
            for engine in [Engine::Optimistic, Engine::Listed, Engine::Auto] {
                contenders.extend(workers.iter().map(|workers| Contender::engine(engine, *workers, warm)));
            }
        }
        contenders.extend(workers.iter().filter(|workers| **workers > 1).map(|at| Contender::lean_at_once(*at)));
        Self { runs, contenders, blocks: Vec::new(), repeated: 0, disturbed: 0 }
    }

    /// Runs everything. What cannot be executed or differs is left out and reported.
    pub(super) fn take(&mut self, blocks: &[Prepared], mut progress: impl FnMut(u32, u64)) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.blocks = blocks
            .iter()
            .map(|Prepared { block, reference, .. }| Measured {
                block: block.number(),
                name: name(block, blocks),
                file: block.source.display().to_string(),
                fork: block.fork,
                txs: block.block.tx_count(),
                gas: reference.gas.header,
                samples: self.contenders.iter().map(|_| Vec::new()).collect(),
                peaks: vec![None; self.contenders.len()],
            })
            .collect();
        for pass in 1..=self.runs {
            self.contenders.iter_mut().for_each(Contender::forget);
            for (at, prepared) in blocks.iter().enumerate() {
                let block = &prepared.block;
                progress(pass, block.number());
                let given = prepared.given(&block.state);
                for contender in &shuffled(self.contenders.len(), pass, at) {
                    if pass == 1 {
                        machine::forget_peak();
                    }
                    let before = if pass == 1 { machine::resident_bytes() } else { None };
                    let timed = self.run(*contender, &given);
                    if pass == 1 {
                        let peak = machine::peak_bytes().zip(before);
                        self.blocks[at].peaks[*contender] = peak.map(|(peak, before)| peak.saturating_sub(before));
                    }
                    if let Some(difference) = timed.difference {
                        let name = &self.contenders[*contender].name;
                        let text = format!("{}: {name}: {difference}", block.source.display());
                        faults.push(Fault { verdict: Verdict::Different, text });
                        continue;
                    }
                    let mut report = timed.report;
                    if let Some(report) = &mut report {
                        report.trace = Vec::new();
                    }
                    let sample = Sample { wall: timed.wall, cpu: timed.cpu, report };
                    self.blocks[at].samples[*contender].push(sample);
                }
            }
        }
        faults
    }

    /// One run, again if it had to wait for a processor. A warm contender has then seen the block already, which is
    /// less of a flaw than a disturbed time.
    fn run<V: motet_types::StateView>(&mut self, contender: usize, given: &Given<'_, V>) -> Timed {
        for _ in 0..REPEATS_MAX {
            let before = machine::waited();
            let timed = self.contenders[contender].run(given);
            let waited = machine::waited().saturating_sub(before).max(timed.waited);
            if waited <= WAIT_FORGIVEN.max(timed.wall / 20) || timed.difference.is_some() {
                return timed;
            }
            self.repeated += 1;
        }
        self.disturbed += 1;
        self.contenders[contender].run(given)
    }
}

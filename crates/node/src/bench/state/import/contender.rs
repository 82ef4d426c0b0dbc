//! One way to import, with a chain of its own.

use super::super::page_cache::forget;
use super::super::report::{Part, Timing};
use super::super::sample::{Sample, watch};
use super::super::stores::Workshop;
use super::input::ChainInput;
use super::{PIPELINED, STAGED};
use crate::bench::machine;
use crate::clock;
use eyre::{WrapErr, bail, ensure};
use motet_chain::validate::decode_block;
use motet_chain::{Chain, ChainOptions, EngineExecutor, GenesisBlock, ImportPlan, ImportReport, StageTime};
use motet_exec::{Engine, ExecutorConfig};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// How the stages of an import follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench::state) enum Way {
    /// One after the other.
    Staged,
    /// Overlapped.
    Pipelined,
}

impl Way {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Staged => STAGED,
            Self::Pipelined => PIPELINED,
        }
    }
}

/// Somebody who imports.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    way: Way,
    dir: PathBuf,
    chain: Chain,
    executor: EngineExecutor,
    /// The sums of all turns.
    pub(super) report: ImportReport,
    /// Each turn, and of it the time after the last import until the tables had everything.
    turns: Vec<Sample>,
    drained: Duration,
    waited: Duration,
    peak_bytes: Option<u64>,
}

impl Contender {
    /// Makes a chain of nothing but its first block.
    pub(super) fn new(
        name: &str,
        way: Way,
        engine: Engine,
        genesis: &GenesisBlock,
        workshop: &Workshop,
        options: ChainOptions,
        threads: usize,
    ) -> eyre::Result<Self> {
        let folder: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let dir = workshop.path(&format!("import-{folder}"));
        let (chain, _) = Chain::init(&dir, genesis.clone(), options)?;
        chain.flush()?;
        let executor = EngineExecutor::new(engine, ExecutorConfig { workers: threads, ..ExecutorConfig::default() });
        let (report, turns, peak_bytes) = (ImportReport::default(), Vec::new(), None);
        let (drained, waited) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { name: name.to_owned(), way, dir, chain, executor, report, turns, drained, waited, peak_bytes })
    }

    /// Has the system forget what it knows of the chain's files.
    pub(super) fn forget_pages(&self) -> eyre::Result<()> {
        forget(&self.dir).wrap_err_with(|| format!("having the system forget the pages of {}", self.dir.display()))
    }

    /// A turn: these blocks, then the tables.
    pub(super) fn import(&mut self, input: &ChainInput, positions: Range<usize>) -> eyre::Result<()> {
        machine::forget_peak();
        let imported = watch(|| self.import_blocks(input, positions));
        self.add(&imported.value?);
        let drained = watch(|| self.chain.flush());
        drained.value?;
        self.drained += drained.sample.wall;
        self.waited += imported.waited + drained.waited;
        let Sample { wall, cpu } = imported.sample;
        self.turns.push(Sample { wall: wall + drained.sample.wall, cpu: cpu + drained.sample.cpu });
        self.peak_bytes = self.peak_bytes.max(machine::peak_bytes());
        Ok(())
    }

    /// Decodes and imports.
    fn import_blocks(&mut self, input: &ChainInput, positions: Range<usize>) -> eyre::Result<ImportReport> {
        let plan = ImportPlan {
            overlap: self.way == Way::Pipelined,
            clock: clock::now_ns,
            cpu_clock: || clock::cpu_time().as_nanos() as u64,
            ..ImportPlan::default()
        };
        let count = positions.len() as u64;
        let mut wrong = None;
        let blocks = positions.map_while(|position| match decode_block(input.block(position)) {
            Ok(block) => Some((block, None)),
            Err(error) => {
                wrong = Some((position, error));
                None
            }
        });
        let report = self.chain.import_all(blocks, &mut self.executor, &plan, &mut |_| ())?;
        if let Some((position, error)) = wrong {
            bail!("block at position {position} of the chain: {error}");
        }
        ensure!(report.blocks == count, "{} of {count} blocks were imported", report.blocks);
        Ok(report)
    }

    fn add(&mut self, turn: &ImportReport) {
        let sum = &mut self.report;
        sum.blocks += turn.blocks;
        sum.gas = sum.gas.saturating_add(turn.gas);
        sum.transactions += turn.transactions;
        sum.commits += turn.commits;
        let pairs = [
            (&mut sum.prepare, turn.prepare),
            (&mut sum.execute, turn.execute),
            (&mut sum.root, turn.root),
            (&mut sum.commit, turn.commit),
        ];
        for (sum, turn) in pairs {
            sum.busy_ns += turn.busy_ns;
            sum.cpu_ns += turn.cpu_ns;
        }
    }

    /// The stages in the order of a block's way.
    pub(super) fn stages(&self) -> [(&'static str, StageTime); 4] {
        let ImportReport { prepare, execute, root, commit, .. } = self.report;
        [("senders", prepare), ("execution", execute), ("root", root), ("commit", commit)]
    }

    /// Which share of the time each stage is at work, and of how many processors where stages do not overlap.
    pub(super) fn say_stages(&self, part: &mut Part) {
        let (whole, name) = (self.total().wall.as_secs_f64().max(1e-9), &self.name);
        for (stage, time) in self.stages() {
            part.figure(format!("{name}: share of {stage}"), time.busy_ns as f64 / 1e7 / whole, "%");
            if self.way == Way::Staged {
                let cores = time.cpu_ns as f64 / time.busy_ns.max(1) as f64;
                part.figure(format!("{name}: cores used during {stage}"), cores, "");
            }
        }
    }

    /// All turns together.
    pub(super) fn total(&self) -> Sample {
        Sample {
            wall: self.turns.iter().map(|turn| turn.wall).sum(),
            cpu: self.turns.iter().map(|turn| turn.cpu).sum(),
        }
    }

    /// Adds what was found to a part. Where the chain stands must be where its last block is.
    pub(super) fn say(&self, input: &ChainInput, part: &mut Part) -> eyre::Result<()> {
        let (head, blocks) = (self.chain.head(), self.report.blocks);
        ensure!(
            alloy_rlp::encode(head.block()) == input.block(blocks.saturating_sub(1) as usize),
            "{}: the head is block {} and not the last one that was imported",
            self.name,
            head.number()
        );
        let (total, name) = (self.total(), &self.name);
        let seconds = total.wall.as_secs_f64().max(1e-9);
        let walls = self.turns.iter().map(|turn| turn.wall).collect();
        let blocks_of_turn = blocks.div_ceil(self.turns.len().max(1) as u64);
        let mut timing = Timing::of_walls("turns of blocks, with the tables", name, blocks_of_turn, walls);
        timing.cores = Some(total.cpu.as_secs_f64() / seconds);
        part.timings.push(timing);
        part.figure(format!("{name}: blocks a second"), blocks as f64 / seconds, "");
        part.figure(format!("{name}: gas a second"), self.report.gas as f64 / 1e6 / seconds, "Mgas");
        part.figure(format!("{name}: blocks a commit"), blocks as f64 / self.report.commits.max(1) as f64, "");
        part.figure(format!("{name}: time after the last import of each turn"), self.drained.as_secs_f64(), "s");
        let waited = self.waited.as_secs_f64() / seconds * 100.0;
        part.figure(format!("{name}: threads that are left waited for a processor"), waited, "% of the time");
        if let Some(peak) = self.peak_bytes {
            part.figure(
                format!("{name}: peak of resident memory, with all contenders' chains open"),
                (peak >> 20) as f64,
                "MiB",
            );
        }
        Ok(())
    }
}

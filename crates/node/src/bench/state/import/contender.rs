//! One way to import, with a chain of its own.

use super::super::page_cache::forget;
use super::super::report::{Part, Timing};
use super::super::sample::{Sample, watch};
use super::super::stores::Workshop;
use super::input::ChainInput;
use super::stages::StageTimes;
use super::{PIPELINED, STAGED};
use crate::bench::machine;
use eyre::{WrapErr, ensure};
use motet_chain::{Chain, ChainOptions, EngineExecutor};
use motet_exec::{Engine, ExecutorConfig};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
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
    pub(super) stages: StageTimes,
    /// Each turn, and of it the time after the last import until the tables had everything.
    turns: Vec<Sample>,
    drained: Duration,
    blocks: usize,
    gas: u64,
    peak_bytes: Option<u64>,
}

impl Contender {
    /// Makes a chain of nothing but its first block.
    pub(super) fn new(
        name: &str,
        way: Way,
        engine: Engine,
        input: &ChainInput,
        workshop: &Workshop,
        options: ChainOptions,
        threads: usize,
    ) -> eyre::Result<Self> {
        let folder: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let dir = workshop.path(&format!("import-{folder}"));
        let (mut chain, _) = Chain::init(&dir, input.genesis.clone(), options)?;
        chain.flush()?;
        let stages = StageTimes::default();
        chain.watch_stages(Arc::new(stages.clone()));
        let executor = EngineExecutor::new(engine, ExecutorConfig { workers: threads, ..ExecutorConfig::default() });
        let (turns, drained, blocks, gas, peak_bytes) = (Vec::new(), Duration::ZERO, 0, 0, None);
        Ok(Self { name: name.to_owned(), way, dir, chain, executor, stages, turns, drained, blocks, gas, peak_bytes })
    }

    /// Has the system forget what it knows of the chain's files.
    pub(super) fn forget_pages(&self) -> eyre::Result<()> {
        forget(&self.dir).wrap_err_with(|| format!("having the system forget the pages of {}", self.dir.display()))
    }

    /// A turn: these blocks, then the tables.
    pub(super) fn import(&mut self, input: &ChainInput, positions: Range<usize>) -> eyre::Result<()> {
        machine::forget_peak();
        let count = positions.len();
        let imported = watch(|| match self.way {
            Way::Staged => self.import_staged(input, positions),
            Way::Pipelined => self.import_staged(input, positions),
        });
        self.gas += imported.value?;
        let drained = watch(|| self.chain.flush());
        drained.value?;
        self.drained += drained.sample.wall;
        let Sample { wall, cpu } = imported.sample;
        self.turns.push(Sample { wall: wall + drained.sample.wall, cpu: cpu + drained.sample.cpu });
        self.blocks += count;
        self.peak_bytes = self.peak_bytes.max(machine::peak_bytes());
        Ok(())
    }

    /// The gas of the blocks.
    fn import_staged(&mut self, input: &ChainInput, positions: Range<usize>) -> eyre::Result<u64> {
        let mut gas = 0;
        for position in positions {
            let accepted = self.chain.import_rlp(input.block(position), None, &mut self.executor)?;
            ensure!(accepted.is_head, "block {} is not the head after its import", accepted.block.number());
            gas += accepted.block.block().header.gas_used;
        }
        Ok(gas)
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
        let head = self.chain.head();
        ensure!(
            alloy_rlp::encode(head.block()) == input.block(self.blocks.saturating_sub(1)),
            "{}: the head is block {} and not the last one that was imported",
            self.name,
            head.number()
        );
        let (total, name) = (self.total(), &self.name);
        let seconds = total.wall.as_secs_f64().max(1e-9);
        let walls = self.turns.iter().map(|turn| turn.wall).collect();
        let blocks_of_turn = self.blocks.div_ceil(self.turns.len().max(1)) as u64;
        let mut timing = Timing::of_walls("turns of blocks, with the tables", name, blocks_of_turn, walls);
        timing.cores = Some(total.cpu.as_secs_f64() / seconds);
        part.timings.push(timing);
        part.figure(format!("{name}: blocks a second"), self.blocks as f64 / seconds, "");
        part.figure(format!("{name}: gas a second"), self.gas as f64 / 1e6 / seconds, "Mgas");
        part.figure(format!("{name}: time after the last import of each turn"), self.drained.as_secs_f64(), "s");
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

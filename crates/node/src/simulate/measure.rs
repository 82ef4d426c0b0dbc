//! What blocks take on this machine: with one worker, part by part; twice at once; with two workers.

use super::contender::Contender;
use crate::bench::machine;
use crate::bench::prepared::{Fault, Prepared};
use crate::clock;
use crate::replay::bench::input_of;
use crate::verdict::Verdict;
use alloy_eip7928::BlockAccessList;
use alloy_rlp::Decodable;
use motet_exec::simulate::{EngineSample, InOrderSample, Relay, Samples, SimulateError, time_steps};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecError, ExecutorConfig};
use motet_types::BlockRecord;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread::available_parallelism;

/// A run is repeated at most this often.
const REPEATS_MAX: u32 = 5;
/// Waiting for a processor that no run is free of, in nanoseconds.
const WAIT_FORGIVEN_NS: u64 = 40_000;

/// All samples.
#[derive(Debug)]
pub(super) struct Measurement {
    runs: u32,
    /// Engines whose parts are measured, and engines of which two real workers are.
    parts_of: Vec<Engine>,
    pub(super) real: Vec<Engine>,
    alone: BlockExecutor,
    twin: BlockExecutor,
    alternating: BlockExecutor,
    divided: BlockExecutor,
    two: BlockExecutor,
    pub(super) blocks: Vec<Measured>,
    /// Runs that were repeated because they had waited for a processor, and those that were kept all the same.
    pub(super) repeated: u32,
    pub(super) disturbed: u32,
}

/// One block's samples.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) in_order: Vec<InOrderSample>,
    /// In the order of `Measurement::parts_of`.
    pub(super) parts: Vec<Parts>,
    /// Wall times of two real workers, in the order of `Measurement::real`.
    pub(super) real_ns: Vec<Vec<u64>>,
}

/// One engine with one worker.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) engine: Engine,
    pub(super) samples: Samples,
    /// Wall times of the block where another execution of it runs beside.
    pub(super) beside_ns: Vec<u64>,
}

impl Measurement {
    pub(super) fn new(contenders: &[Contender], runs: u32) -> Self {
        let executor =
            |workers| BlockExecutor::new(ExecutorConfig { workers, clock: clock::now_ns, ..ExecutorConfig::default() });
        let mut parts_of = Vec::new();
        let mut real = Vec::new();
        let two_at_once = available_parallelism().is_ok_and(|count| count.get() > 1);
        for contender in contenders {
            if !parts_of.contains(&contender.path()) {
                parts_of.push(contender.path());
            }
            if two_at_once && !real.contains(&contender.engine) {
                real.push(contender.engine);
            }
        }
        let (alone, twin, two) = (executor(1), executor(1), executor(2));
        let alternating = BlockExecutor::in_relay(Relay::Alternating, clock::now_ns);
        let divided = BlockExecutor::in_relay(Relay::Divided, clock::now_ns);
        Self {
            runs,
            parts_of,
            real,
            alone,
            twin,
            alternating,
            divided,
            two,
            blocks: Vec::new(),
            repeated: 0,
            disturbed: 0,
        }
    }

    /// Engines whose parts are measured.
    pub(super) fn parts(&self) -> impl Iterator<Item = Engine> {
        self.parts_of.iter().copied()
    }

    /// Runs everything. Blocks that do not execute have no samples, and are reported.
    pub(super) fn take(&mut self, blocks: &[Prepared], mut progress: impl FnMut(u32, u64)) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.blocks = blocks.iter().map(|_| self.unmeasured()).collect();
        let mut measured = std::mem::take(&mut self.blocks);
        for pass in 1..=self.runs {
            for (prepared, measured) in blocks.iter().zip(&mut measured) {
                progress(pass, prepared.block.number());
                if let Err(error) = self.pass(pass, prepared, measured) {
                    let text = format!("{}: {error}", prepared.block.source.display());
                    faults.push(Fault { verdict: Verdict::Different, text });
                }
            }
        }
        self.blocks = measured;
        faults
    }

    fn unmeasured(&self) -> Measured {
        let parts = |engine: &Engine| Parts { engine: *engine, samples: Samples::default(), beside_ns: Vec::new() };
        Measured {
            in_order: Vec::new(),
            parts: self.parts_of.iter().map(parts).collect(),
            real_ns: self.real.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// One sample of everything on one block. Who runs after whom changes from pass to pass.
    fn pass(&mut self, pass: u32, prepared: &Prepared, measured: &mut Measured) -> Result<(), SimulateError> {
        let given = Given::new(prepared);
        let sample = self.undisturbed(
            |this| {
                this.alone.forget();
                this.alone.sample_in_order(&given.input, &prepared.block.state)
            },
            |sample| sample.total_ns,
        )?;
        measured.in_order.push(sample);
        let (parts, real) = (measured.parts.len(), self.real.len());
        for at in rotated(parts + real, pass) {
            if at < parts {
                self.sample_parts(&given, &mut measured.parts[at])?;
            } else {
                let engine = self.real[at - parts];
                let sample = self.undisturbed(|this| given.sample(&this.two, engine), |sample| sample.total_ns)?;
                measured.real_ns[at - parts].push(sample.total_ns);
            }
        }
        Ok(())
    }

    fn sample_parts(&mut self, given: &Given<'_>, parts: &mut Parts) -> Result<(), SimulateError> {
        let engine = parts.engine;
        let sample = self.undisturbed(|this| given.sample(&this.alone, engine), |sample| sample.total_ns)?;
        parts.samples.alone.push(sample);
        let relay = self.undisturbed(|this| given.sample(&this.alternating, engine), |sample| sample.total_ns)?;
        parts.samples.alternating.push(relay);
        let relay = self.undisturbed(|this| given.sample(&this.divided, engine), |sample| sample.total_ns)?;
        parts.samples.divided.push(relay);
        if !self.real.is_empty() {
            let beside = self.undisturbed(|this| given.twice_at_once([&this.alone, &this.twin], engine), |ns| *ns)?;
            parts.beside_ns.push(beside);
        }
        let input = given.input_for(engine, &given.record);
        parts.samples.steps.push(time_steps(engine, &input, &given.prepared.block.state, clock::now_ns)?);
        Ok(())
    }

    /// One run, again if it had to wait for a processor.
    fn undisturbed<T>(
        &mut self,
        run: impl Fn(&Self) -> Result<T, ExecError>,
        total_ns: impl Fn(&T) -> u64,
    ) -> Result<T, ExecError> {
        for _ in 0..REPEATS_MAX {
            let before = machine::waited();
            let sample = run(self)?;
            let waited = machine::waited().saturating_sub(before).as_nanos() as u64;
            if waited <= WAIT_FORGIVEN_NS.max(total_ns(&sample) / 20) {
                return Ok(sample);
            }
            self.repeated += 1;
        }
        self.disturbed += 1;
        run(self)
    }
}

impl Parts {
    /// The medians of one execution alone and beside another one.
    pub(super) fn alone_and_beside_ns(&self) -> Option<(u64, u64)> {
        let alone = median(self.samples.alone.iter().map(|sample| sample.total_ns))?;
        Some((alone, median(self.beside_ns.iter().copied())?))
    }
}

/// What an execution of a block is given.
struct Given<'a> {
    prepared: &'a Prepared,
    input: BlockInput<'a>,
    record: BlockRecord,
    /// The access list in RLP, as it would come with the block.
    list: Vec<u8>,
}

impl<'a> Given<'a> {
    fn new(prepared: &'a Prepared) -> Self {
        let record = prepared.reference.record.clone();
        let list = alloy_rlp::encode(&record.list);
        Self { prepared, input: input_of(&prepared.block), record, list }
    }

    fn input_for<'b>(&'b self, engine: Engine, record: &'b BlockRecord) -> BlockInput<'b> {
        if engine == Engine::Listed { self.input.with_record(record) } else { self.input }
    }

    /// Executes the block on a cold executor. For `listed`, decoding the list is inside the clock.
    fn sample(&self, executor: &BlockExecutor, engine: Engine) -> Result<EngineSample, ExecError> {
        executor.forget();
        // Before Amsterdam a list alone does not say what was wiped: those events come with it.
        let mut record = BlockRecord { list: Vec::new(), ..self.record.clone() };
        let began = clock::now_ns();
        if engine == Engine::Listed {
            record.list = BlockAccessList::decode(&mut self.list.as_slice()).unwrap_or_default();
        }
        let decoded_ns = clock::now_ns().saturating_sub(began);
        let input = self.input_for(engine, &record);
        let mut sample = executor.sample(engine, &input, &self.prepared.block.state)?;
        sample.opening_ns += decoded_ns;
        sample.total_ns += decoded_ns;
        Ok(sample)
    }

    /// Executes the block on two threads at once, each for itself, and gives the average of their wall times.
    fn twice_at_once(&self, executors: [&BlockExecutor; 2], engine: Engine) -> Result<u64, ExecError> {
        let ready = Barrier::new(2);
        let run = |executor: &BlockExecutor| {
            ready.wait();
            self.sample(executor, engine).map(|sample| sample.total_ns)
        };
        let (own, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| run(executors[1]));
            let own = run(executors[0]);
            (own, other.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        Ok((own? + other?) / 2)
    }
}

/// `0..count`, starting elsewhere in each pass, and backwards in every second one.
fn rotated(count: usize, pass: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left(pass as usize % count.max(1));
    if pass.is_multiple_of(2) {
        order.reverse();
    }
    order
}

/// The lower of the middle two for an even count.
pub(super) fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

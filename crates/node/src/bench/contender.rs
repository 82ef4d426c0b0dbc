//! Who runs: the plain loop, or an engine with a number of workers.

use super::machine;
use crate::clock;
use crate::difference::{Difference, first_difference};
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_eip7928::BlockAccessList;
use alloy_rlp::Decodable;
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Report, STACK_BYTES, lean};
use motet_types::{BlockOutcome, BlockRecord, StateView};
use std::hint::black_box;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread::Builder;
use std::time::Duration;

/// Somebody who executes blocks.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    /// `None`: the plain loop.
    engine: Option<Engine>,
    /// Plain loops that run at the same time, each over the whole block: how much the processors of this machine get
    /// done together is the most that any engine can gain.
    pub(super) at_once: usize,
    /// Whether it keeps what it learned from the blocks before.
    warm: bool,
    executor: BlockExecutor,
}

/// One execution between two looks at the clocks.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// `None` for the plain loop.
    pub(super) report: Option<Report>,
    /// How the outcome differs from the sequential one.
    pub(super) difference: Option<Difference>,
    /// The longest that a thread which is gone by now had waited for a processor.
    pub(super) waited: Duration,
}

/// What is given to everybody who executes a block.
#[derive(Debug)]
pub(super) struct Given<'a, V> {
    pub(super) input: BlockInput<'a>,
    pub(super) state: &'a V,
    /// The sequential outcome.
    pub(super) reference: &'a BlockOutcome,
    /// Its access list in RLP, as it would come with the block.
    pub(super) list: &'a [u8],
}

impl Contender {
    pub(super) fn lean() -> Self {
        Self::new("lean".to_owned(), None, 1, false)
    }

    /// An engine with stacks for so many suspended transactions.
    pub(super) fn with_stacks(engine: Engine, workers: usize, stacks: usize) -> Self {
        let config = ExecutorConfig {
            workers,
            clock: clock::now_ns,
            fiber_bytes_limit: stacks.saturating_mul(STACK_BYTES),
            ..ExecutorConfig::default()
        };
        Self { executor: BlockExecutor::new(config), ..Self::engine(engine, workers, false) }
    }

    /// Several plain loops at once.
    pub(super) fn lean_at_once(at_once: usize) -> Self {
        Self { at_once, ..Self::new(format!("{at_once} x lean"), None, 1, false) }
    }

    pub(super) fn engine(engine: Engine, workers: usize, warm: bool) -> Self {
        let warmth = if warm { ", warm" } else { "" };
        let name = match engine {
            Engine::Sequential => format!("{engine}{warmth}"),
            _ => format!("{engine} {workers}{warmth}"),
        };
        Self::new(name, Some(engine), workers, warm)
    }

    fn new(name: String, engine: Option<Engine>, workers: usize, warm: bool) -> Self {
        let executor =
            BlockExecutor::new(ExecutorConfig { workers, clock: clock::now_ns, ..ExecutorConfig::default() });
        Self { name, engine, at_once: 1, warm, executor }
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.executor.forget();
    }

    /// Executes a block once.
    pub(super) fn run<V: StateView>(&self, given: &Given<'_, V>) -> Timed {
        if !self.warm {
            self.executor.forget();
        }
        match self.engine {
            None if self.at_once > 1 => plain_loops(given, self.at_once),
            None => plain_loop(given),
            Some(engine) => self.run_engine(engine, given),
        }
    }

    fn run_engine<V: StateView>(&self, engine: Engine, given: &Given<'_, V>) -> Timed {
        // Before Amsterdam a list alone does not say what was wiped: those events come with it.
        let mut record = BlockRecord { list: Vec::new(), ..given.reference.record.clone() };
        let (cpu, started) = (clock::cpu_time(), clock::now_ns());
        let mut input = given.input;
        let decoded = (engine == Engine::Listed).then(|| BlockAccessList::decode(&mut &*given.list));
        if let Some(decoded) = decoded {
            record.list = decoded.unwrap_or_default();
            input = input.with_record(&record);
        }
        let result = self.executor.execute(engine, &input, given.state, None);
        black_box(&result);
        let wall = Duration::from_nanos(clock::now_ns().saturating_sub(started));
        let cpu = clock::cpu_time().saturating_sub(cpu);
        let (difference, report) = match result {
            Ok(execution) => (first_difference(given.reference, &execution.outcome), Some(execution.report)),
            Err(error) => (Some(error_difference(&error.to_string())), None),
        };
        Timed { wall, cpu, report, difference, waited: Duration::ZERO }
    }
}

/// `count` plain loops on threads of their own, from when all are ready to when all are done.
fn plain_loops<V: StateView>(given: &Given<'_, V>, count: usize) -> Timed {
    // Whoever is there waits for the gate to open; should a thread be refused, the others find it shut for good.
    let (gate, ready) = (RwLock::new(false), AtomicUsize::new(0));
    let run = || {
        ready.fetch_add(1, Ordering::SeqCst);
        let open = *gate.read().unwrap_or_else(PoisonError::into_inner);
        open.then(|| {
            let (waited, started) = (machine::thread_waited(), clock::now_ns());
            let timed = plain_loop(given);
            let ended = clock::now_ns();
            (started, ended, machine::thread_waited().saturating_sub(waited), timed)
        })
    };
    let mut cpu = clock::cpu_time();
    let all: Option<Vec<(u64, u64, Duration, Timed)>> = std::thread::scope(|scope| {
        let mut open = gate.write().unwrap_or_else(PoisonError::into_inner);
        let others: Vec<_> = (1..count).map_while(|_| Builder::new().spawn_scoped(scope, run).ok()).collect();
        *open = others.len() + 1 == count;
        while ready.load(Ordering::SeqCst) < others.len() {
            std::thread::yield_now();
        }
        cpu = clock::cpu_time();
        drop(open);
        let mut all = vec![run()];
        all.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        all.into_iter().collect()
    });
    let all = all.unwrap_or_default();
    let started = all.iter().map(|run| run.0).min().unwrap_or_default();
    let ended = all.iter().map(|run| run.1).max().unwrap_or_default();
    let waited = all.iter().map(|run| run.2).max().unwrap_or_default();
    let refused = all.is_empty().then(|| error_difference("the system gave too few threads"));
    Timed {
        wall: Duration::from_nanos(ended.saturating_sub(started)),
        cpu: clock::cpu_time().saturating_sub(cpu),
        report: None,
        difference: refused.or(all.into_iter().find_map(|run| run.3.difference)),
        waited,
    }
}

fn plain_loop<V: StateView>(given: &Given<'_, V>) -> Timed {
    let (cpu, started) = (clock::cpu_time(), clock::now_ns());
    let result = lean(&given.input, given.state);
    let root = result.as_ref().ok().map(|outcome| calculate_receipt_root(&outcome.receipts));
    black_box(root);
    let wall = Duration::from_nanos(clock::now_ns().saturating_sub(started));
    let cpu = clock::cpu_time().saturating_sub(cpu);
    let difference = match result {
        Ok(outcome) => {
            let same =
                (&outcome.receipts, outcome.logs_bloom) == (&given.reference.receipts, given.reference.logs_bloom);
            (!same).then(|| error_difference("other receipts than the sequential engine's"))
        }
        Err(error) => Some(error_difference(&error.to_string())),
    };
    Timed { wall, cpu, report: None, difference, waited: Duration::ZERO }
}

fn error_difference(found: &str) -> Difference {
    Difference {
        tx: None,
        field: "outcome".to_owned(),
        expected: "the sequential one".to_owned(),
        found: found.to_owned(),
    }
}

//! `motet_getBlockAccessList`, `motet_getSchedule`, `motet_contention`: what this client knows of a block's execution.

mod contention;
mod trace;

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::{MethodSet, Methods};
use crate::reexecution::Reexecution;
use alloy_eip7928::BlockAccessList;
use contention::Contention;
use motet_exec::{BlockExecutor, Engine, Execution, ExecutorConfig};
use serde::Deserialize;
use std::sync::OnceLock;
use std::time::Instant;
use trace::ScheduleTrace;

/// Most workers that a request may have a block executed by.
const WORKERS_MAX: usize = 16;
/// Places that an answer about contention has where the request does not say.
const PLACES: usize = 20;
/// Most places that it may ask for.
const PLACES_MAX: usize = 1000;

/// What `motet_*` tells from what is kept.
#[derive(Debug)]
pub struct MotetMethods;

impl MethodSet for MotetMethods {
    fn add_to(methods: &mut Methods) {
        methods.add("motet_getBlockAccessList", block_access_list);
    }
}

/// What `motet_*` executes whole blocks for.
#[derive(Debug)]
pub struct ScheduleMethods;

impl MethodSet for ScheduleMethods {
    fn add_to(methods: &mut Methods) {
        methods.add("motet_getSchedule", schedule);
        methods.add("motet_contention", contention);
    }
}

/// How a block is to be executed again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct ScheduleArgs {
    /// Workers; as many as there are cores where it is absent.
    workers: Option<usize>,
    /// `optimistic` or `listed`.
    engine: ScheduledEngine,
}

/// An engine that has a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScheduledEngine {
    #[default]
    Optimistic,
    Listed,
}

impl From<ScheduledEngine> for Engine {
    fn from(engine: ScheduledEngine) -> Self {
        match engine {
            ScheduledEngine::Optimistic => Self::Optimistic,
            ScheduledEngine::Listed => Self::Listed,
        }
    }
}

/// What is told of contention.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct ContentionArgs {
    /// Workers; as many as there are cores where it is absent.
    workers: Option<usize>,
    /// How many places at most.
    limit: Option<usize>,
}

/// The list as EIP-7928 has it, of every fork; null where there is no such block.
fn block_access_list(context: &RpcContext, args: &mut Args<'_>) -> Result<Option<BlockAccessList>, RpcError> {
    let at: BlockArg = args.required("block")?;
    let Some(block) = context.block(at)? else { return Ok(None) };
    let record = context.reader().record(block.block().number())?;
    // Between the two looks another block may have come to this height.
    let is_same = context.reader().canonical_hash(block.block().number())? == Some(block.block().hash());
    Ok(record.filter(|_| is_same).map(|record| record.list))
}

fn schedule(context: &RpcContext, args: &mut Args<'_>) -> Result<ScheduleTrace, RpcError> {
    let at: BlockArg = args.required("block")?;
    let how: ScheduleArgs = args.optional("options")?.unwrap_or_default();
    let again = Reexecution::find(context, at)?;
    let engine = how.engine.into();
    let (execution, started_ns, wall_ns) = run(&again, engine, workers(how.workers)?)?;
    Ok(ScheduleTrace::new(&again.block, engine, &execution, started_ns, wall_ns))
}

fn contention(context: &RpcContext, args: &mut Args<'_>) -> Result<Contention, RpcError> {
    let at: BlockArg = args.required("block")?;
    let how: ContentionArgs = args.optional("options")?.unwrap_or_default();
    let again = Reexecution::find(context, at)?;
    let (execution, ..) = run(&again, Engine::Optimistic, workers(how.workers)?)?;
    Ok(Contention::new(&again.block, &execution, how.limit.unwrap_or(PLACES).min(PLACES_MAX)))
}

/// Executes a block on many threads, which learn nothing for or from other blocks; gives when it began and how long it took,
/// in nanoseconds of the trace's clock.
fn run(again: &Reexecution, engine: Engine, workers: usize) -> Result<(Execution, u64, u64), RpcError> {
    let config = ExecutorConfig { workers, predicts: false, clock: now_ns, ..ExecutorConfig::default() };
    let executor = BlockExecutor::new(config);
    let started = now_ns();
    let execution = again.execute(&executor, engine, &again.before)?;
    Ok((execution, started, now_ns().saturating_sub(started)))
}

fn workers(wanted: Option<usize>) -> Result<usize, RpcError> {
    match wanted {
        None => Ok(std::thread::available_parallelism().map_or(1, |cores| cores.get()).clamp(2, WORKERS_MAX)),
        Some(workers) if (1..=WORKERS_MAX).contains(&workers) => Ok(workers),
        Some(workers) => Err(RpcError::params(format!("{workers} workers: between 1 and {WORKERS_MAX} are possible"))),
    }
}

/// Nanoseconds since the first call.
fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

//! One engine, and how many workers it has, on a command line.

use clap::{Args, ValueEnum};
use motet_exec::{BlockExecutor, Engine, ExecutorConfig};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Most workers of one executor.
const WORKERS_MAX: u16 = 1024;

/// How blocks are executed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct EngineArgs {
    /// The engine that executes blocks. All give the same outcome.
    #[arg(long, value_enum, default_value_t = EngineName::Auto, value_name = "ENGINE")]
    engine: EngineName,

    /// Threads that work on one block. Default: the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX)))]
    workers: Option<u16>,
}

/// The engines by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineName {
    /// One transaction after the other: the specification.
    Sequential,
    /// Many at once, on guesses that are checked.
    Optimistic,
    /// Many at once, from the block's access list; where it has none, from that of a run in order before.
    Listed,
    /// Whichever should be fastest for the block.
    #[default]
    Auto,
}

impl EngineName {
    /// The engine.
    pub(crate) fn engine(self) -> Engine {
        match self {
            Self::Sequential => Engine::Sequential,
            Self::Optimistic => Engine::Optimistic,
            Self::Listed => Engine::Listed,
            Self::Auto => Engine::Auto,
        }
    }
}

impl EngineArgs {
    /// The engine.
    pub(crate) fn engine(self) -> Engine {
        self.engine.engine()
    }

    /// Threads that work on one block.
    pub(crate) fn workers(self) -> usize {
        self.workers.map_or_else(cores, usize::from)
    }

    /// How an executor with so many workers works.
    pub(crate) fn config(self) -> ExecutorConfig {
        ExecutorConfig { workers: self.workers(), ..ExecutorConfig::default() }
    }

    /// An executor with so many workers.
    pub(crate) fn executor(self) -> BlockExecutor {
        BlockExecutor::new(self.config())
    }
}

/// Threads that this machine runs at once.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

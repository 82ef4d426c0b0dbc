//! `motet spec-test`: the public conformance suites of Ethereum through every engine.
//!
//! ```text
//! paths --walk--> files --parse, run--> cases --in order--> failures, sums   (file by file, on all cores)
//!                             each block: sequential = the fixture, every other engine = sequential
//!                                           \--pack--> blocks of many transactions, engines compared
//! ```
//!
//! A case fails when sequential execution does not give what the fixture says, or when any engine does not
//! give what sequential execution gives.

mod case;
mod chain_case;
mod edited_tx;
mod engines;
mod failure;
mod file;
mod filter;
mod offer;
mod pack;
mod pipeline;
mod post_state;
mod receipts;
mod state_block;
mod state_case;
mod subject;
mod totals;
mod transaction_case;

use crate::style::Style;
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use clap::{Args, ValueEnum};
use eyre::WrapErr;
use file::{FileResult, Runner};
use filter::Filter;
use filter::Sample;
use motet_exec::Engine;
use motet_workload::spec_test::{SpecTestError, walk};
use pack::{Pack, Packer};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;
use subject::StoreMode;
use totals::Totals;

/// Most transactions in a packed block.
const PACK_MAX: i64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  motet spec-test fixtures/state_tests               every state test of a folder on every engine
  motet spec-test fixtures.tar.zst --workers 2,8     an archive, not unpacked, at two numbers of workers
  motet spec-test fixtures.tar.zst --filter 'fork_Prague'
  motet spec-test state_tests.tar.zst --pack 100     also in blocks of 100 transactions, engines compared
  motet spec-test blockchain_tests.tar.zst --store   chains in a store on disk instead of in memory
  motet spec-test fixtures.tar.zst --json            one JSON object per case (schema motet-spec-test/1)

Exit codes: 0 every case that was run passed; 1 a case failed; 2 bad input or a wrong command line (2 outranks 1).
The format of the output is described in docs/format.md.";

/// Run the public Ethereum test suites on every engine.
///
/// Reads the fixtures of ethereum/execution-spec-tests and ethereum/tests: state tests, blockchain tests, engine
/// tests (Engine API payloads) and transaction tests; the format is told from the content. What is none of
/// these is skipped, with a reason. Each block is executed sequentially, which must give what the fixture says,
/// and by each chosen engine, which must give what sequential execution gives: receipts, gas, requests, state
/// change, access record, or the same error.
///
/// The last line of standard output reads `N passed, N failed, N skipped`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SpecTestArgs {
    /// Fixtures: .json or .json.gz files, .tar, .tar.gz or .tar.zst archives, which are streamed, or folders of
    /// all these.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The engines to compare with sequential execution, separated by commas; `all` is sequential, optimistic
    /// and listed. Sequential execution is always run.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all", value_name = "ENGINE")]
    engine: Vec<EngineChoice>,

    /// Numbers of workers for the engines other than sequential: a list of numbers and of ranges that include
    /// both ends, such as 1,2..4,8.
    #[arg(long, default_value = "4", value_name = "LIST")]
    workers: WorkerCounts,

    /// Run only cases whose file or name contains this text; between slashes, as in /fork_(Cancun|Prague)/, it is
    /// a regular expression.
    #[arg(long, value_name = "TEXT")]
    filter: Option<Filter>,

    /// Keep the chains of blockchain and engine tests in a store on disk, one of its own for each case, which is closed and
    /// opened again half way; `paged` keeps the nodes of the state's trie there as well, and begins roots early.
    #[arg(long, value_enum, value_name = "TRIE", num_args = 0..=1, default_missing_value = "resident")]
    store: Option<StoreMode>,

    /// Run one case of about N, chosen by --seed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,

    /// Which cases a sample has.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "sample")]
    seed: u64,

    /// Print one JSON object per case (schema motet-spec-test/1) before the last line, instead of failures and
    /// sums.
    #[arg(long)]
    json: bool,

    /// Also put the transactions of state tests that passed into blocks of N, and compare the engines on these.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=PACK_MAX))]
    pack: Option<u16>,
}

/// What `--engine` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineChoice {
    /// One transaction after the other: the specification.
    Sequential,
    /// Many at once, on guesses that are checked.
    Optimistic,
    /// Many at once, from the block's access list and from the record of the sequential run.
    Listed,
    /// Whichever should be fastest for the block.
    Auto,
    /// Sequential, optimistic and listed.
    All,
}

impl EngineChoice {
    fn engines(self) -> &'static [Engine] {
        match self {
            Self::Sequential => &[Engine::Sequential],
            Self::Optimistic => &[Engine::Optimistic],
            Self::Listed => &[Engine::Listed],
            Self::Auto => &[Engine::Auto],
            Self::All => &[Engine::Sequential, Engine::Optimistic, Engine::Listed],
        }
    }
}

impl SpecTestArgs {
    /// The chosen engines, each once, in their own order.
    fn engines(&self) -> Vec<Engine> {
        let mut engines: Vec<Engine> = self.engine.iter().flat_map(|choice| choice.engines()).copied().collect();
        engines.sort_unstable();
        engines.dedup();
        engines
    }
}

/// Runs the command.
///
/// # Errors
/// When a path is no fixture at all, or results cannot be written. Failures and bad fixtures are told as they
/// are found, and counted in the verdict.
pub(crate) fn run(args: &SpecTestArgs) -> eyre::Result<Verdict> {
    let stdout = io::stdout();
    let progress = stdout.is_terminal() && !args.json;
    let style = Style::of_stdout(&stdout);
    let totals = Totals::new(BufWriter::new(stdout.lock()), args.json, style, progress);
    let mut walked = Ok(());
    let written = run_files(args, totals, &mut walked);
    // The error's own text has what the system says.
    walked.map_err(|error| eyre::eyre!("{error}"))?;
    match written {
        // Whoever reads has read enough: `motet spec-test --json | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Verdict::Equal),
        other => other.wrap_err("standard output"),
    }
}

fn run_files(
    args: &SpecTestArgs,
    mut totals: Totals<impl Write>,
    walked: &mut Result<(), SpecTestError>,
) -> io::Result<Verdict> {
    let (engines, workers) = (args.engines(), args.workers.as_slice());
    let sample = args.sample.map(|of| Sample { of, seed: args.seed });
    let runner = || {
        let runner = Runner::new(&engines, workers, args.filter.as_ref(), args.pack.is_some());
        runner.with_store(args.store).with_sample(sample)
    };
    let mut packer = args.pack.map(|tx_count| (Packer::new(usize::from(tx_count)), runner()));
    pipeline::run(
        available_parallelism().map_or(1, usize::from),
        |send| *walked = walk(&args.paths, send),
        runner,
        |runner, file| runner.run_file(file),
        |FileResult { cases, candidates, fault }| {
            for case in &cases {
                totals.case(case)?;
            }
            if let Some(fault) = fault {
                totals.bad_input(fault);
            }
            if let Some((packer, runner)) = &mut packer {
                for pack in candidates.iter().filter_map(|candidate| packer.add(candidate)) {
                    run_pack(runner, pack, &mut totals)?;
                }
            }
            totals.file_done();
            Ok(())
        },
    )?;
    if walked.is_err() {
        return Ok(Verdict::BadInput);
    }
    if let Some((packer, mut runner)) = packer {
        for pack in packer.finish() {
            run_pack(&mut runner, pack, &mut totals)?;
        }
    }
    totals.finish()
}

/// Packed blocks run on the calling thread, in the order in which they are finished.
fn run_pack(runner: &mut Runner<'_>, pack: Pack, totals: &mut Totals<impl Write>) -> io::Result<()> {
    let tx_count = pack.tx_count();
    let case = runner.run_pack("packed state tests", pack);
    totals.pack(tx_count, &case.engines);
    totals.case(&case)
}

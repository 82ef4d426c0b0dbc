//! `motet stateless`: a block executed from its witness alone.
//!
//! ```text
//! file --load--> block + trie nodes + codes --execute--> outcome --+--> gas, bloom, receipts, requests, list
//!                          |                                       |        beside the header
//!                          +--> partial trie --change of the block-+--> state root beside the header
//! ```
//!
//! Nothing but the file is asked: what the witness lacks is an error that names it. Before Byzantium receipts hold state
//! roots, so a second partial trie follows the execution, transaction by transaction.

mod receipt_roots;

use crate::checks::{Check, check_outcome};
use crate::engine_arg::EngineArgs;
use crate::replay::bench::{fault, input_of};
use crate::verdict::Verdict;
use alloy_primitives::B256;
use clap::Args;
use eyre::WrapErr;
use motet_exec::{BlockExecutor, CommitSink, Execution};
use motet_types::Fork;
use motet_workload::block_file::{BlockSchema, Expected, ParentState, ReplayBlock, WitnessState, collect_paths, load};
use receipt_roots::ReceiptRoots;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  motet stateless 19807080.json.gz             one block from its witness
  motet stateless --json witnesses/            a folder, one JSON object per line (schema motet-stateless/1)

Exit codes: 0 every block's results are its header's; 1 one differs, or a part of it cannot be compared;
2 bad input, which a witness is that lacks what the block reads (2 outranks 1).
The format block-witness/1 is described in docs/format.md.";

/// Execute blocks from their witnesses alone, and compare with their headers.
///
/// A witness holds the trie nodes and codes that a block needs. The block is executed on them, and gas, receipts root, logs
/// bloom, requests, and the state root that the trie then has are compared with the header. Nothing else is asked: a
/// node, code or ancestor that is needed and missing is named.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatelessArgs {
    /// Files of schema block-witness/1, JSON or gzipped JSON, or folders of them.
    #[arg(required = true, value_name = "WITNESS-FILE")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    engine: EngineArgs,

    /// Print one JSON object per block (schema motet-stateless/1) instead of a line of text.
    #[arg(long)]
    json: bool,
}

/// What became of one block.
#[derive(Debug, Serialize)]
struct Proven {
    schema: &'static str,
    file: String,
    block: u64,
    fork: &'static str,
    txs: usize,
    gas: u64,
    engine: &'static str,
    /// Trie nodes of the witness.
    nodes: usize,
    pre_state_root: B256,
    state_root: B256,
    checks: Vec<Check>,
    ok: bool,
}

/// Runs the command.
///
/// # Errors
/// When results cannot be written. Bad input and differences are told as they are found, and counted in the verdict.
pub(crate) fn run(args: &StatelessArgs) -> eyre::Result<Verdict> {
    let executor = args.engine.executor();
    let mut verdict = Verdict::Equal;
    let mut out = io::stdout().lock();
    for path in &args.paths {
        let files = match collect_paths(std::slice::from_ref(path)) {
            Ok(files) if files.is_empty() => {
                say(&format!("{}: folder: it holds no block file (*.json or *.json.gz)", path.display()));
                verdict = verdict.max(Verdict::BadInput);
                continue;
            }
            Ok(files) => files,
            Err(error) => {
                say(&error.to_string());
                verdict = verdict.max(Verdict::BadInput);
                continue;
            }
        };
        for file in files {
            match prove(&file, &executor, args.engine) {
                Ok(proven) => {
                    if !proven.ok {
                        verdict = verdict.max(Verdict::Different);
                        proven.tell_failures();
                    }
                    match proven.write(&mut out, args.json) {
                        // Whoever reads has read enough.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(verdict),
                        other => other.wrap_err("standard output")?,
                    }
                }
                Err(what) => {
                    verdict = verdict.max(Verdict::BadInput);
                    say(&what);
                }
            }
        }
    }
    Ok(verdict)
}

fn say(what: &str) {
    // Nothing is left to do about a standard error that is closed.
    let _ = writeln!(io::stderr(), "{what}");
}

/// Executes one block. The error is what is wrong with the file.
fn prove(file: &Path, executor: &BlockExecutor, engine: EngineArgs) -> Result<Proven, String> {
    let mut block = load(file).map_err(|error| error.to_string())?;
    let witness = match (&block.schema, &block.state) {
        (BlockSchema::BlockWitness, ParentState::Witness(witness)) => witness.clone(),
        (schema, _) => {
            return Err(format!(
                "{}: schema: {} has no witness, block-witness/1 is needed",
                file.display(),
                schema.name()
            ));
        }
    };
    let mut roots = receipt_roots(&block, &witness);
    let sink = roots.as_mut().map(|roots| roots as &mut dyn CommitSink);
    let executed = executor.execute(engine.engine(), &input_of(&block), &block.state, sink);
    let Execution { outcome, .. } =
        executed.map_err(|error| format!("{}: {}", file.display(), fault(&block, &error)))?;
    if let Some(roots) = &roots {
        block.header_checks.receipts_root = match roots.failure() {
            None => Expected::Known(block.block.header().receipts_root),
            Some(_) => Expected::Unknown("the witness lacks nodes of the states between transactions"),
        };
    }
    let checks = check_outcome(&block, &outcome);
    // Before Prague there are no requests. A root between transactions that the witness cannot give is no fault of the block's.
    let can_stay_open = |check: &Check| match check.field {
        "requests_hash" => !block.rules.is_active(Fork::Prague),
        "receipts_root" => !block.rules.is_active(Fork::Byzantium),
        _ => false,
    };
    Ok(Proven {
        schema: "motet-stateless/1",
        file: file.display().to_string(),
        block: block.number(),
        fork: block.fork.name(),
        txs: block.block.tx_count(),
        gas: outcome.gas.header,
        engine: engine.engine().name(),
        nodes: witness.nodes().count(),
        pre_state_root: witness.pre_state_root(),
        state_root: block.block.header().state_root,
        ok: checks.iter().all(|check| check.ok == Some(true) || check.ok.is_none() && can_stay_open(check)),
        checks,
    })
}

/// Who follows the execution for the receipts' roots, where receipts have them.
fn receipt_roots(block: &ReplayBlock, witness: &WitnessState) -> Option<ReceiptRoots> {
    (!block.rules.is_active(Fork::Byzantium)).then(|| ReceiptRoots::new(witness))
}

impl Proven {
    fn tell_failures(&self) {
        for check in self.checks.iter().filter(|check| check.ok != Some(true)) {
            let Check { field, expected, actual, reason, .. } = check;
            match reason {
                Some(reason) => say(&format!("{}: block {}: {field}: {reason}", self.file, self.block)),
                None => {
                    say(&format!("{}: block {}: {field}: {actual}, the header has {expected}", self.file, self.block));
                }
            }
        }
    }

    fn write(&self, out: &mut impl Write, json: bool) -> io::Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            writeln!(out)?;
        } else {
            let Self { file, block, fork, txs, gas, nodes, .. } = self;
            let held: Vec<&str> =
                self.checks.iter().filter(|check| check.ok == Some(true)).map(|check| check.field).collect();
            let word = if self.ok { "proven" } else { "NOT proven" };
            let held = held.join(", ");
            write!(out, "{file}: block {block} ({fork}) {word}: {txs} txs, {gas} gas, {nodes} trie nodes; ")?;
            writeln!(out, "equal to the header: {held}; state root {}", self.state_root)?;
        }
        out.flush()
    }
}

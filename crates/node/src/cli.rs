//! The command line.

use crate::bench::BenchArgs;
use crate::db::DbArgs;
use crate::demo::DemoArgs;
use crate::dev::DevArgs;
use crate::export::ExportArgs;
use crate::fetch::FetchArgs;
use crate::generate::GenerateArgs;
use crate::import::ImportArgs;
use crate::import_snapshot::ImportSnapshotArgs;
use crate::init::InitArgs;
use crate::node::NodeArgs;
use crate::proof::ProofArgs;
use crate::replay::ReplayArgs;
use crate::simulate::SimulateArgs;
use crate::spec_test::SpecTestArgs;
use crate::stateless::StatelessArgs;
use crate::status::StatusArgs;
use crate::top::TopArgs;
use clap::{Parser, Subcommand};

/// Executes Ethereum blocks on many cores, bit for bit as one thread would.
#[derive(Debug, Parser)]
#[command(name = "motet", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do; without a command, what `dev` does.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What `motet` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // The help of a command is the doc of its arguments.
    Dev(DevArgs),
    Node(NodeArgs),
    Status(StatusArgs),
    Top(TopArgs),
    Demo(DemoArgs),
    Replay(ReplayArgs),
    Bench(BenchArgs),
    Generate(GenerateArgs),
    Fetch(FetchArgs),
    Simulate(SimulateArgs),
    SpecTest(SpecTestArgs),
    Stateless(StatelessArgs),
    Init(InitArgs),
    Import(ImportArgs),
    ImportSnapshot(ImportSnapshotArgs),
    Export(ExportArgs),
    Proof(ProofArgs),
    Db(DbArgs),
}

const EXIT_CODES: &str = "Without a command it does what `motet dev` does without options.\n\n\
    Exit codes: 0 all is equal and every check holds; 1 a difference or a failed check; \
    2 bad input or a wrong command line (2 outranks 1); 130 stopped by Ctrl-C.";

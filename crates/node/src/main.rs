//! The binary `motet`.
//!
//! In: a command line. Out: what the command prints, and an exit code ([`verdict::Verdict`]). One file per
//! command; this file only chooses.
//!
//! What always holds: the clock, the environment and the terminal are looked at here and handed down as
//! values; input never makes it panic.

mod bench;
mod checks;
mod cli;
mod clock;
mod data_dir;
mod db;
mod demo;
mod dev;
mod difference;
mod duration_arg;
mod engine_arg;
mod export;
mod fetch;
mod follow;
mod generate;
mod import;
mod import_snapshot;
mod init;
mod interrupt;
mod logging;
mod metrics;
mod node;
mod node_config;
mod out;
mod proof;
mod replay;
mod serve;
mod simulate;
mod spec_test;
mod stateless;
mod status;
mod stop;
mod store_args;
mod style;
mod top;
mod trace_file;
mod verdict;
mod witness_root;
mod worker_counts;

use clap::Parser;
use cli::{Cli, Command};
use dev::DevArgs;
use std::io::{self, Write};
use std::process::ExitCode;
use verdict::Verdict;

/// One allocator for every engine that is compared: the system's would favour whoever allocates less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What an error and its causes say, each once: many say what their cause says, or name the file that was named before.
fn told(report: &eyre::Report) -> String {
    let mut told = String::new();
    for cause in report.chain() {
        let text = cause.to_string();
        if told.is_empty() || text.starts_with(&format!("{told}: ")) {
            told = text;
        } else if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
    }
    told
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Some(Command::Dev(args)) => dev::run(&args),
        Some(Command::Node(args)) => node::run(&args),
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Top(args)) => top::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Simulate(args)) => simulate::run(&args),
        Some(Command::SpecTest(args)) => spec_test::run(&args),
        Some(Command::Stateless(args)) => stateless::run(&args),
        Some(Command::Init(args)) => init::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::ImportSnapshot(args)) => import_snapshot::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Proof(args)) => proof::run(&args),
        Some(Command::Db(args)) => db::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Fetch(args)) => fetch::run(&args),
        None => dev::run(&DevArgs::usual()),
    };
    match result {
        Ok(verdict) => verdict.into(),
        Err(report) => {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "error: {}", told(&report));
            Verdict::BadInput.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_causes_repeat_is_told_once() {
        let told = |error: &'static str, above: &[&'static str]| {
            let report = above.iter().fold(eyre::Report::msg(error), |report, text| report.wrap_err(*text));
            told(&report)
        };
        assert_eq!(
            told("no space", &["write f: no space", "chunk 3: write f: no space"]),
            "chunk 3: write f: no space"
        );
        assert_eq!(told("d: no chain", &["d"]), "d: no chain");
        assert_eq!(told("cut off", &["header", "f"]), "f: header: cut off");
    }
}

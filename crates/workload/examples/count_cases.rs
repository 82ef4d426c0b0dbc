//! Counts the conformance tests below the given paths, by format, by network and by reason for skipping.
//!
//! `cargo run --profile verify -p motet-workload --example count_cases -- <file, folder or archive>...`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the program's output")]

use motet_workload::spec_test::{CaseKind, SpecTestError, parse, walk};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Default)]
struct Counts {
    files: usize,
    bytes: usize,
    blocks: usize,
    errors: usize,
    kinds: BTreeMap<&'static str, usize>,
    networks: BTreeMap<String, usize>,
    skipped: BTreeMap<String, usize>,
}

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        eprintln!("usage: count_cases <file, folder or archive>...");
        return ExitCode::FAILURE;
    }
    let mut errors = 0;
    for path in paths {
        let started = Instant::now();
        let mut counts = Counts::default();
        let walked = walk(std::slice::from_ref(&path), |file| {
            if let Err(error) = file.and_then(|file| {
                counts.files += 1;
                counts.bytes += file.bytes.len();
                count_file(&file, &mut counts)
            }) {
                eprintln!("error: {error}");
                counts.errors += 1;
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = walked {
            eprintln!("error: {error}");
            counts.errors += 1;
        }
        println!(
            "{}: {} files, {} MB, {} blocks, {} errors, {:.1} s",
            path.display(),
            counts.files,
            counts.bytes / 1_000_000,
            counts.blocks,
            counts.errors,
            started.elapsed().as_secs_f64()
        );
        counts.kinds.iter().for_each(|(kind, count)| println!("  {count:>7} {kind}"));
        counts.networks.iter().for_each(|(network, count)| println!("  {count:>7} under {network}"));
        counts.skipped.iter().for_each(|(reason, count)| println!("  {count:>7} skipped: {reason}"));
        errors += counts.errors;
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn count_file(file: &motet_workload::spec_test::SpecFile, counts: &mut Counts) -> Result<(), SpecTestError> {
    for case in parse(file)? {
        let mut under = |network: &str| *counts.networks.entry(network.to_owned()).or_default() += 1;
        let kind = match &case.kind {
            CaseKind::State(test) => {
                test.subtests.iter().for_each(|subtest| under(&subtest.fork_name));
                "state tests"
            }
            CaseKind::Blockchain(test) => {
                under(&test.chain.network);
                counts.blocks += test.blocks.len();
                "blockchain tests"
            }
            CaseKind::Engine(test) => {
                under(&test.chain.network);
                counts.blocks += test.payloads.len();
                "engine tests"
            }
            CaseKind::Transaction(test) => {
                test.results.iter().for_each(|result| under(&result.fork_name));
                "transaction tests"
            }
            CaseKind::Skipped { reason } => {
                *counts.skipped.entry(reason.clone()).or_default() += 1;
                "skipped"
            }
        };
        *counts.kinds.entry(kind).or_default() += 1;
    }
    Ok(())
}

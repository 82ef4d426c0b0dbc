//! Real blocks: every engine at several worker counts gives the sequential outcome, which matches the
//! header wherever the file lets it be checked.

#![allow(clippy::print_stdout)] // A test reports on its own output.

use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Suspension, SystemCalls};
use motet_types::BlockOutcome;
use motet_workload::block_file::{ReplayBlock, collect_paths, load};
use std::path::PathBuf;

fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no fixtures at {}", root.display());
    None
}

fn check_header(block: &ReplayBlock, outcome: &BlockOutcome) {
    let name = block.source.display();
    let checks = &block.header_checks;
    if let Some(gas) = checks.gas_used.known() {
        assert_eq!(outcome.gas.header, *gas, "{name}: gas used");
    }
    if let Some(bloom) = checks.logs_bloom.known() {
        assert_eq!(outcome.logs_bloom, *bloom, "{name}: logs bloom");
    }
    if let Some(root) = checks.receipts_root.known() {
        assert_eq!(outcome.receipts_root, *root, "{name}: receipts root");
    }
    if let Some(hash) = checks.requests_hash.known() {
        assert_eq!(outcome.requests.requests_hash(), *hash, "{name}: requests hash");
    }
}

fn check_folder(folder: &str, expected_count: usize) {
    let Some(root) = fixtures() else { return };
    let files = collect_paths(&[root.join(folder)]).expect("the folder can be read");
    assert_eq!(files.len(), expected_count);
    let executors: Vec<BlockExecutor> =
        [(1, Suspension::Always), (2, Suspension::WhenUseful), (8, Suspension::Always), (3, Suspension::Never)]
            .map(|(workers, suspension)| {
                BlockExecutor::new(ExecutorConfig { workers, suspension, ..ExecutorConfig::default() })
            })
            .into();
    for file in files {
        let block = load(&file).expect("the file is sound");
        let mut input = BlockInput::new(&block.block, &block.rules);
        if block.lenient_system_calls {
            input.system_calls = SystemCalls::SkipAbsent;
        }
        let sequential = executors[0].execute(Engine::Sequential, &input, &block.state, None).expect("valid block");
        check_header(&block, &sequential.outcome);
        let with_record = input.with_record(&sequential.outcome.record);
        for executor in &executors {
            for (engine, input) in
                [(Engine::Optimistic, &input), (Engine::Listed, &with_record), (Engine::Auto, &input)]
            {
                let execution = executor.execute(engine, input, &block.state, None).unwrap_or_else(|error| {
                    panic!("{}: {engine} with {} workers: {error}", file.display(), executor.config().workers)
                });
                let report = &execution.report;
                println!(
                    "{} {engine} {}w: exec {} aborts {} susp {} gaveup {}",
                    block.number(),
                    executor.config().workers,
                    report.executions,
                    report.aborts,
                    report.suspensions,
                    report.gave_up
                );
                assert!(
                    execution.outcome == sequential.outcome,
                    "{}: {engine} with {} workers differs",
                    file.display(),
                    executor.config().workers
                );
            }
        }
    }
}

#[test]
fn mainnet_blocks_agree() {
    check_folder("mainnet", 45);
}

#[test]
fn witness_blocks_agree() {
    check_folder("mainnet-witness", 6);
}

#[test]
fn the_block_without_header_agrees() {
    check_folder("mainnet-txenv", 1);
}

//! The engine on imaginary threads: shuttle chooses who runs at every lock, atomic and condition variable.
//!
//! The desk, the memory, the commit and the worker loop are the production ones; transactions run on the
//! direct path, since a fiber inside shuttle's own fibers would be one stack switch too many (suspension is
//! driven by `seeded_interleavings` and `all_interleavings`). Run with
//! `cargo test --profile verify -p motet-exec --features shuttle --test shuttle`;
//! `MOTET_SCHEDULES` sets the schedules per block (default 100).

#![allow(clippy::print_stdout)] // A test reports on its own output.
#![cfg(feature = "shuttle")]

mod random_block;

use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Suspension};
use random_block::random_block;

#[test]
fn every_schedule_gives_the_sequential_outcome() {
    let schedules: usize = std::env::var("MOTET_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let blocks = 40;
    for seed in 0..blocks {
        shuttle::check_random(move || check(seed), schedules);
        shuttle::check_pct(move || check(seed), schedules / 2 + 1, 3);
    }
    println!("{blocks} blocks, {schedules} random schedules and {} with priority changes each", schedules / 2 + 1);
}

fn check(seed: u64) {
    let case = random_block(seed);
    let input = BlockInput::new(&case.block, &case.rules);
    let config = ExecutorConfig { workers: 3, suspension: Suspension::Never, ..ExecutorConfig::default() };
    let executor = BlockExecutor::new(config);
    let run = |engine, input: &BlockInput<'_>| {
        executor.execute(engine, input, &case.state, None).map(|execution| execution.outcome)
    };
    let expected = run(Engine::Sequential, &input);
    assert!(run(Engine::Optimistic, &input) == expected, "seed {seed}: optimistic differs");
    if let Ok(expected) = &expected {
        let listed = input.with_record(&expected.record);
        assert!(run(Engine::Listed, &listed).as_ref() == Ok(expected), "seed {seed}: listed differs");
    }
}

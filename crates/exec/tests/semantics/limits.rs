//! Executors at the ends of their configuration, and one that several callers share.

use crate::support::{Watchdog, everything, same};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, Suspension};
use motet_types::Fork;

const SUSPENSIONS: [Suspension; 3] = [Suspension::Never, Suspension::WhenUseful, Suspension::Always];

#[test]
fn one_stack_and_little_lookahead_suffice() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let case = everything(fork);
        let watchdog = Watchdog::new(&case.name);
        let block = case.block();
        let input = BlockInput::new(&block, &case.rules);
        let sequential = BlockExecutor::new(ExecutorConfig::default());
        let sequential = sequential.execute(Engine::Sequential, &input, &case.state, None);
        let sequential = sequential.map(|execution| execution.outcome);
        for workers in [0, 1, 2, 3, 8] {
            for suspension in SUSPENSIONS {
                for (fiber_bytes_limit, lookahead) in [(0, 1_000), (1 << 20, 1_000), (64 << 20, 0), (64 << 20, 2)] {
                    let config = ExecutorConfig {
                        workers,
                        suspension,
                        fiber_bytes_limit,
                        lookahead,
                        ..ExecutorConfig::default()
                    };
                    let executor = BlockExecutor::new(config);
                    for round in 0..3 {
                        let label = format!("{}: round {round}: {config:?}", case.name);
                        watchdog.doing(label.clone());
                        same(&label, &sequential, &executor.execute(Engine::Optimistic, &input, &case.state, None));
                    }
                }
            }
        }
    }
}

#[test]
fn one_executor_serves_several_callers_at_once() {
    let cases = [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam].map(everything);
    let watchdog = Watchdog::new("several callers");
    watchdog.doing("four threads, one executor");
    for suspension in SUSPENSIONS {
        let executor = BlockExecutor::new(ExecutorConfig { workers: 4, suspension, ..ExecutorConfig::default() });
        std::thread::scope(|scope| {
            let executor = &executor;
            let callers: Vec<_> = cases
                .iter()
                .map(|case| {
                    scope.spawn(move || {
                        let block = case.block();
                        let input = BlockInput::new(&block, &case.rules);
                        let sequential = executor.execute(Engine::Sequential, &input, &case.state, None);
                        let sequential = sequential.map(|execution| execution.outcome);
                        for _ in 0..20 {
                            let execution = executor.execute(Engine::Optimistic, &input, &case.state, None);
                            same(&case.name, &sequential, &execution);
                        }
                    })
                })
                .collect();
            // ThreadSanitizer sees the end of a thread where it is joined.
            for caller in callers {
                caller.join().expect("a caller does not panic");
            }
        });
    }
}

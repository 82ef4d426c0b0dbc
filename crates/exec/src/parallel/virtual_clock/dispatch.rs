//! What a turn at the desk takes.

use super::super::desk::Desk;
use crate::pool::Pool;
use crate::scheduler::{Event, Limits, Scheduler, Task};
use crate::simulate::{median, spin};
use crate::sync::Mutex;
use motet_types::TxIndex;

/// Transactions of the block that is dispatched.
const TXS: usize = 3_000;
/// How long a worker stays away from the desk: a short transaction.
const AWAY_NS: u64 = 2_000;

/// The median time of reporting to the desk and getting the next task, for each of so many workers that execute transactions
/// of no cost.
pub(crate) fn time_dispatch(pool: &Pool, workers: usize, clock: fn() -> u64) -> u64 {
    let order = (0..TXS).map(TxIndex::from).collect();
    let desk = Desk::new(Scheduler::new(TXS, order, Limits::default()));
    let times = Mutex::new(Vec::with_capacity(3 * TXS));
    pool.scope(workers, |_| {
        let mut own = Vec::with_capacity(3 * TXS);
        let mut reports = Vec::new();
        loop {
            let began = clock();
            let task = desk.next(&mut reports);
            own.push(clock().saturating_sub(began));
            let event = match task {
                Task::Execute { tx, .. } => Event::Executed { tx, gas: 21_000, in_chain: false, suspects: Vec::new() },
                Task::Commit { range, .. } => {
                    Event::Committed { range, gas: 21_000, wasted_gas: 0, redone: 0, suspects: Vec::new() }
                }
                Task::Done => break,
                Task::Resume { .. } | Task::Wait => Event::Idle,
            };
            reports.push(event);
            spin(clock, AWAY_NS);
        }
        times.lock().extend(own);
    });
    median(times.into_inner())
}

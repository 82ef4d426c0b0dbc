//! What goes on between the parts of a block takes, by micro-measurement.

use crate::executor::BlockInput;
use crate::fiber::{Fiber, Gate, In, Out, STACK_BYTES};
use crate::mv_memory::MvMemory;
use crate::parallel::{Attempt, time_dispatch};
use crate::parent::Parent;
use crate::pool::Pool;
use crate::predict::Notebook;
use crate::recycled::Recycled;
use crate::speculate::{Shared, Source, SpeculativeDb};
use crate::sync::{Condvar, Mutex};
use crate::vm::{CodeCache, Vm, block_env, cfg_env};
use corosensei::stack::DefaultStack;
use motet_types::{Block, ChainSpec, Fork, MemoryState, RecoveredBlock, TxIndex};
use std::sync::atomic::{AtomicU64, Ordering};

/// Costs of this machine, in nanoseconds. The default is a machine on which nothing but work takes time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineCosts {
    /// Reading the clock. Not charged: it is taken off what was measured with the clock.
    pub clock_ns: u64,
    /// Reporting to the scheduler and getting a task, for the only worker.
    pub dispatch_ns: u64,
    /// The same where two workers do so in turns: the lock and what it guards come from the other's cache.
    pub dispatch_shared_ns: u64,
    /// Notifying a worker that sleeps, under the scheduler's lock.
    pub notify_ns: u64,
    /// From then until that worker runs.
    pub wake_ns: u64,
    /// Handing a block to one more thread.
    pub spawn_ns: u64,
    /// From then until that thread begins.
    pub start_ns: u64,
    /// From the end of the last other thread to the return of the call.
    pub join_ns: u64,
    /// Switching to a fiber and back.
    pub switch_ns: u64,
    /// Making an EVM for a worker or a fiber.
    pub vm_ns: u64,
}

/// Rounds of each measurement; what is taken is the median.
const ROUNDS: usize = 400;
/// Rounds of those that let a thread fall asleep first.
const SLEEP_ROUNDS: usize = 200;
/// How long a thread is left alone before it is woken: as long as workers typically sleep within a block.
const ASLEEP_NS: u64 = 50_000;
/// The same between blocks.
const IDLE_NS: u64 = 500_000;

impl MachineCosts {
    /// Measures this machine, on two threads. It takes half a second.
    pub fn measure(clock: fn() -> u64) -> Self {
        let pool = Pool::new(2);
        let clock_ns = time_clock(clock);
        let (notify_ns, wake_ns) = time_waking(&pool, clock);
        let (spawn_ns, start_ns, join_ns) = time_threads(&pool, clock);
        let less = |ns: u64| ns.saturating_sub(clock_ns);
        Self {
            clock_ns,
            dispatch_ns: less(time_dispatch(&pool, 1, clock)),
            dispatch_shared_ns: less(time_dispatch(&pool, 2, clock)),
            notify_ns: less(notify_ns),
            wake_ns: less(wake_ns),
            spawn_ns: less(spawn_ns),
            start_ns: less(start_ns),
            join_ns: less(join_ns),
            switch_ns: time_switch(clock),
            vm_ns: less(time_vm(clock)),
        }
    }

    /// Dispatch among so many workers.
    pub(crate) fn dispatch_among(&self, workers: usize) -> u64 {
        if workers > 1 { self.dispatch_shared_ns.max(self.dispatch_ns) } else { self.dispatch_ns }
    }
}

fn time_clock(clock: fn() -> u64) -> u64 {
    let began = clock();
    let mut last = began;
    for _ in 0..ROUNDS * 10 {
        last = clock();
    }
    last.saturating_sub(began) / (ROUNDS as u64 * 10)
}

/// A baton that goes from worker 0 to worker 1.
#[derive(Debug, Default)]
struct Baton {
    /// Round in which it was sent, and when; the waiting side takes it.
    sent: Option<u64>,
    asleep: bool,
    over: bool,
}

/// Median times of notifying a worker that waits, and of its way back to running.
fn time_waking(pool: &Pool, clock: fn() -> u64) -> (u64, u64) {
    let (baton, condvar) = (Mutex::new(Baton::default()), Condvar::default());
    let (notifying, waking) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    pool.scope(2, |worker| {
        if worker == 0 {
            for _ in 0..SLEEP_ROUNDS {
                while !baton.lock().asleep {
                    std::hint::spin_loop();
                }
                spin(clock, ASLEEP_NS);
                let mut held = baton.lock();
                held.asleep = false;
                let began = clock();
                condvar.notify_one();
                let notified = clock();
                held.sent = Some(notified);
                drop(held);
                notifying.lock().push(notified.saturating_sub(began));
            }
            while !baton.lock().asleep {
                std::hint::spin_loop();
            }
            baton.lock().over = true;
            condvar.notify_all();
            return;
        }
        let mut held = baton.lock();
        loop {
            held.asleep = true;
            held = condvar.wait(held);
            let now = clock();
            if held.over {
                return;
            }
            if let Some(sent) = held.sent.take() {
                waking.lock().push(now.saturating_sub(sent));
            }
        }
    });
    (median(notifying.into_inner()), median(waking.into_inner()))
}

/// Median times of handing work to a thread that sleeps, of its way to running, and of the way back.
fn time_threads(pool: &Pool, clock: fn() -> u64) -> (u64, u64, u64) {
    let (mut spawns, mut starts, mut joins) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SLEEP_ROUNDS {
        spin(clock, IDLE_NS);
        let times: [AtomicU64; 3] = Default::default();
        let called = clock();
        let workers = pool.scope(2, |worker| {
            times[worker].store(clock(), Ordering::SeqCst);
            if worker == 1 {
                spin(clock, ASLEEP_NS);
                times[2].store(clock(), Ordering::SeqCst);
            }
        });
        let returned = clock();
        if workers == 2 {
            let [own, other, end] = times.map(AtomicU64::into_inner);
            spawns.push(own.saturating_sub(called));
            starts.push(other.saturating_sub(own));
            joins.push(returned.saturating_sub(end));
        }
    }
    (median(spawns), median(starts), median(joins))
}

/// Time of a switch to a fiber and back.
fn time_switch(clock: fn() -> u64) -> u64 {
    let Ok(stack) = DefaultStack::new(STACK_BYTES) else { return 0 };
    let mut fiber: Fiber<'_, ()> = Fiber::new(stack, |yielder, mut command| {
        while !matches!(command, In::Quit) {
            command = yielder.suspend(match command {
                In::Cancel => Out::Over(()),
                _ => Out::Paused,
            });
        }
    });
    fiber.step(In::Go);
    let began = clock();
    for _ in 0..ROUNDS * 10 {
        fiber.step(In::Go);
    }
    clock().saturating_sub(began) / (ROUNDS as u64 * 10)
}

/// Time of making an EVM.
fn time_vm(clock: fn() -> u64) -> u64 {
    let rules = ChainSpec::at_fork(1, Fork::Prague).rules_at(1, 12, None);
    let block = RecoveredBlock::new(Block::default(), Vec::new(), Vec::new());
    let input = BlockInput::new(&block, &rules);
    let (state, codes) = (MemoryState::new(), CodeCache::default());
    let parent = Parent { view: &state, codes: &codes };
    let shared = Shared::new(parent, &input, Source::Memory(MvMemory::new()), Notebook::default());
    let (cfg, env) = (cfg_env(&rules), block_env(&block, &rules));
    let recycled = Recycled::default();
    let times = (0..ROUNDS)
        .map(|_| {
            let began = clock();
            let db = SpeculativeDb::new(&shared, Gate::<'static, Attempt>::Direct);
            let mut vm = Vm::new(db, cfg.clone(), env.clone(), recycled.room());
            vm.db().begin(TxIndex(0), Default::default(), 0, std::iter::empty(), Default::default());
            let ended = clock();
            recycled.keep_room(std::hint::black_box(vm).into_parts().1);
            ended.saturating_sub(began)
        })
        .collect();
    median(times)
}

/// Keeps this processor busy for a while.
pub(crate) fn spin(clock: fn() -> u64, ns: u64) {
    let until = clock().saturating_add(ns);
    let mut last = 0;
    while last < until {
        let now = clock();
        // A clock that stands still is none to wait for.
        if now == last && now == 0 {
            return;
        }
        last = now;
        std::hint::spin_loop();
    }
}

/// The lower of the middle two for an even count; zero of none.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.len().checked_sub(1).and_then(|last| values.get(last / 2).copied()).unwrap_or_default()
}

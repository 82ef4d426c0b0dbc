//! Two workers of which only one works at a time.
//!
//! Whoever has executed a transaction hands the baton over, so that the other one commits it. Nothing
//! runs beside anything; what differs from one worker is that outcomes, the memory and the scheduler come from another
//! processor's caches, and that each processor meets the parent state anew. `simulate` measures by it what that costs.

use super::kit::Kit;
use super::{Db, Run, attempt};
use crate::fiber::Gate;
use crate::pool::Pool;
use crate::scheduler::{Event, Task};
use crate::speculate::SpeculativeDb;
use crate::sync::{AtomicU32, Ordering};
use crate::vm::Vm;
use motet_types::StateView;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Who does what in a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Who has committed a transaction executes the next one: the ledger changes hands each time too.
    Alternating,
    /// One executes everything, the other commits everything: the ledger stays where it is.
    Divided,
}

/// Workers of a relay.
const WORKERS: usize = 2;
/// Nobody waits for the baton any more.
const OVER: u32 = u32::MAX;

/// Looks for the other worker before the first begins without it: a tenth of a second or so.
const LOOKS_MAX: u32 = 200_000;
/// Looks after which other threads may go first: the one that is waited for may be among them.
const LOOKS_BUSY: u32 = 10_000;

/// Whose turn it is, and how many have come.
struct Baton {
    turn: AtomicU32,
    come: AtomicU32,
}

impl Baton {
    fn new() -> Self {
        Self { turn: AtomicU32::new(0), come: AtomicU32::new(0) }
    }

    /// Says that a worker is there, and waits a while for the other one.
    fn come(&self) {
        self.come.fetch_add(1, Ordering::SeqCst);
        for look in 0..LOOKS_MAX {
            if self.come.load(Ordering::SeqCst) as usize == WORKERS {
                return;
            }
            pause(look);
        }
    }

    /// Waits for a worker's turn; `false` when there will be none.
    fn take(&self, worker: usize) -> bool {
        let mut look = 0;
        loop {
            match self.turn.load(Ordering::SeqCst) {
                OVER => return false,
                turn if turn as usize == worker => return true,
                _ => pause(look),
            }
            look = look.saturating_add(1);
        }
    }

    /// Where the system gives no second thread, the first keeps it.
    fn pass(&self, from: usize) {
        let all = self.come.load(Ordering::SeqCst) as usize == WORKERS;
        self.turn.store(if all { 1 - from } else { from } as u32, Ordering::SeqCst);
    }

    fn end(&self) {
        self.turn.store(OVER, Ordering::SeqCst);
    }
}

impl<'a, V: StateView + ?Sized> Run<'a, V> {
    /// Runs the block in relay.
    pub(super) fn work_in_relay(&self, relay: Relay, pool: &Pool) -> usize {
        let baton = Baton::new();
        pool.scope(WORKERS, |worker| {
            let kit = Kit::new(worker, self.plan.clock);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve_in_relay(relay, &baton, kit))) {
                // The other worker leaves before the panic goes on.
                self.halt();
                baton.end();
                resume_unwind(panic);
            }
        })
    }

    fn serve_in_relay(&self, relay: Relay, baton: &Baton, mut kit: Kit) {
        let worker = kit.worker;
        let mut vm: Option<Vm<Db<'a, 'static, V>>> = None;
        let mut event = Event::Idle;
        baton.come();
        while baton.take(worker) {
            kit.reports.push(std::mem::replace(&mut event, Event::Idle));
            let task = self.desk.ask(&mut kit.reports);
            kit.trace.begin();
            match task {
                Task::Execute { tx, incarnation, .. } => {
                    kit.trace.after(self.prepare(tx, incarnation));
                    let blank = self.blank(&mut kit);
                    let vm = vm.get_or_insert_with(|| {
                        Vm::new(
                            SpeculativeDb::new(self.shared, Gate::Direct),
                            self.cfg.clone(),
                            self.block.clone(),
                            self.recycled.room(),
                        )
                    });
                    let attempt = attempt(self.input, vm, tx, blank);
                    // It is reported by whom made it; the other one finds it at the desk.
                    let done = self.settle(tx, incarnation, attempt, &mut kit);
                    self.desk.tell(done);
                    baton.pass(worker);
                }
                Task::Commit { range, in_order } => {
                    event = self.commit_or_halt(range, in_order, &mut kit);
                    if relay == Relay::Divided {
                        self.desk.tell(std::mem::replace(&mut event, Event::Idle));
                        baton.pass(worker);
                    }
                }
                // Nothing is suspended: there are no predictions, and everything below is committed.
                Task::Resume { .. } | Task::Wait => baton.pass(worker),
                Task::Done => baton.end(),
            }
        }
        if let Some(vm) = vm {
            self.recycled.keep_room(vm.into_parts().1);
        }
        self.close();
        kit.take_back(std::mem::take(&mut *self.spent[kit.worker].lock()));
        self.trace.lock().extend(kit.trace.into_events());
    }
}

/// Between two looks at the baton.
fn pause(look: u32) {
    if look < LOOKS_BUSY {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

//! What goes wrong in tests, and when: one plan for the files and the tables of a store.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens at the n-th operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect; what comes after works.
    Fails,
    /// There is no space: an append leaves part of its bytes, as `write(2)` may. So do all operations that need space
    /// until the plan is changed.
    NoSpace,
    /// The machine stops in the middle of it. An append leaves part of its bytes.
    Tears,
    /// The machine stops before it.
    Stops,
}

/// Faults of one run, shared by a faulty disk and faulty tables; counts their operations.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    operations: u64,
    plan: Option<(u64, Fault)>,
    full: bool,
    stopped: bool,
    dice: Dice,
}

/// What an operation is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// What it is asked for.
    Works,
    /// Nothing, and an error.
    Fails,
    /// Part of it (in 256ths), and an error of this kind.
    Part(u8, std::io::ErrorKind),
}

impl Faults {
    /// No fault yet. The seed decides how much of a torn write remains, and what a crash keeps.
    pub fn new(seed: u64) -> Self {
        let dice = Dice(seed);
        Self { state: Mutex::new(State { operations: 0, plan: None, full: false, stopped: false, dice }) }
    }

    /// Plans one fault at the operation with this number, counted from 0 since the beginning.
    pub fn plan(&self, at: u64, fault: Fault) {
        self.locked().plan = Some((at, fault));
    }

    /// The machine runs again and has space, and nothing is planned.
    pub fn clear(&self) {
        let mut state = self.locked();
        state.plan = None;
        state.full = false;
        state.stopped = false;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.locked().operations
    }

    /// Whether the machine has stopped: nothing works until [`Faults::clear`].
    pub fn has_stopped(&self) -> bool {
        self.locked().stopped
    }

    /// A number below `end` (0 when that is 0), from the run's seed.
    pub fn below(&self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.locked().dice.throw() % end as u64) as usize }
    }

    /// Counts an operation and says how it goes.
    pub fn course(&self, needs_space: bool) -> Course {
        let mut state = self.locked();
        let at = state.operations;
        state.operations += 1;
        if state.stopped {
            return Course::Fails;
        }
        let fault = state.plan.filter(|(planned, _)| *planned == at).map(|(_, fault)| fault);
        let part = state.dice.throw() as u8;
        match fault {
            Some(Fault::NoSpace) => state.full = true,
            Some(Fault::Fails) => return Course::Fails,
            Some(Fault::Stops) => {
                state.stopped = true;
                return Course::Fails;
            }
            Some(Fault::Tears) => {
                state.stopped = true;
                return Course::Part(part, std::io::ErrorKind::Other);
            }
            None => {}
        }
        if state.full && needs_space {
            return Course::Part(part, std::io::ErrorKind::StorageFull);
        }
        Course::Works
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough randomness for where a write tears.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

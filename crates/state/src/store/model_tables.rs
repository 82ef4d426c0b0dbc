//! An engine in memory that forgets in a crash what was not flushed: what the proofs of the store run on.

use super::engine::{Engine, EngineError, Rows, Table, Write};
use super::faults::{Course, Faults};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Tables in memory.
///
/// A crash keeps the batches up to the last flush and, by the run's seed, the first few of those after it.
#[derive(Clone, Debug)]
pub struct ModelTables {
    faults: Arc<Faults>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    maps: [Map; Table::ALL.len()],
    durable: [Map; Table::ALL.len()],
    /// Batches since the last flush.
    batches: Vec<Vec<Write>>,
}

impl ModelTables {
    /// Name of the engine.
    pub const NAME: &'static str = "model";

    /// Empty tables that fail as planned.
    pub fn new(faults: Arc<Faults>) -> Self {
        Self { faults, state: Arc::default() }
    }

    /// The machine stops and starts again.
    pub fn crash(&self) {
        let mut state = self.locked();
        let kept = self.faults.below(state.batches.len() + 1);
        let State { maps, durable, batches } = &mut *state;
        for batch in batches.drain(..).take(kept) {
            apply(durable, batch);
        }
        maps.clone_from(durable);
    }

    /// Changes one byte of a stored value, as a bad disk does; `false` when there is none there.
    pub fn flip(&self, table: Table, key: &[u8], offset: usize, mask: u8) -> bool {
        let mut state = self.locked();
        let State { maps, durable, .. } = &mut *state;
        let mut found = false;
        for map in [&mut maps[table.pos()], &mut durable[table.pos()]] {
            if let Some(byte) = map.get_mut(key).and_then(|value| value.get_mut(offset)) {
                *byte ^= mask;
                found = true;
            }
        }
        found
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, action: &'static str, needs_space: bool) -> Result<(), EngineError> {
        let reason = match self.faults.course(needs_space) {
            Course::Works => return Ok(()),
            Course::Fails => "planned fault".to_owned(),
            Course::Part(_, kind) => kind.to_string(),
        };
        Err(EngineError { engine: Self::NAME, action, reason })
    }
}

fn apply(maps: &mut [Map; Table::ALL.len()], batch: Vec<Write>) {
    for write in batch {
        let map = &mut maps[write.table.pos()];
        match write.value {
            Some(value) => drop(map.insert(write.key, value)),
            None => drop(map.remove(&write.key)),
        }
    }
}

impl Engine for ModelTables {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Reads are not counted among the operations and fail only when the machine has stopped.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if self.faults.has_stopped() {
            return Err(EngineError { engine: Self::NAME, action: "get", reason: "stopped".to_owned() });
        }
        Ok(self.locked().maps[table.pos()].get(key).cloned())
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError> {
        self.check("write", true)?;
        let mut state = self.locked();
        apply(&mut state.maps, batch.clone());
        state.batches.push(batch);
        Ok(())
    }

    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        let mut next = Bound::Included(from.to_vec());
        Box::new(std::iter::from_fn(move || {
            let state = self.locked();
            let (key, value) = state.maps[table.pos()].range((next.clone(), Bound::Unbounded)).next()?;
            next = Bound::Excluded(key.clone());
            Some(Ok((key.clone(), value.clone())))
        }))
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.check("flush", false)?;
        let mut state = self.locked();
        let State { durable, batches, .. } = &mut *state;
        for batch in batches.drain(..) {
            apply(durable, batch);
        }
        Ok(())
    }
}

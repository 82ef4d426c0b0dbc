//! An engine whose panics are errors: what it takes for a mistake of its own is, over checked inputs, damage of its files.

use super::engine::{Engine, EngineError, Rows, Table, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An engine behind a fence.
#[derive(Debug)]
pub(crate) struct Guarded<E>(pub(crate) E);

/// Runs a call of an engine; a panic in it is an error.
pub(crate) fn guarded<T>(
    engine: &'static str,
    action: &'static str,
    call: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(EngineError { engine, action, reason: "panicked; its files are damaged".to_owned() }))
}

impl<E: Engine> Engine for Guarded<E> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        guarded(self.name(), "get", || self.0.get(table, key))
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError> {
        guarded(self.name(), "write", || self.0.write(batch))
    }

    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        let name = self.name();
        let mut rows = match guarded(name, "iterate", || Ok(self.0.rows(table, from))) {
            Ok(rows) => Some(rows),
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        Box::new(std::iter::from_fn(move || {
            let row = guarded(name, "iterate", || Ok(rows.as_mut().and_then(Iterator::next)));
            // After a panic the iteration is over: its state is unknown.
            row.unwrap_or_else(|error| {
                rows = None;
                Some(Err(error))
            })
        }))
    }

    fn flush(&self) -> Result<(), EngineError> {
        guarded(self.name(), "flush", || self.0.flush())
    }
}

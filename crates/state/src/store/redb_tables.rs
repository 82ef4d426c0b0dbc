//! A second engine: redb, a copy-on-write B-tree in one file.

use super::engine::{Engine, EngineError, Row, Rows, Table, Write};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::fmt;
use std::ops::Bound;
use std::path::Path;

/// Rows that an iteration takes in one go.
const ROWS_AT_ONCE: usize = 256;

/// Tables in a redb file.
pub struct RedbTables(Database);

impl fmt::Debug for RedbTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbTables").finish_non_exhaustive()
    }
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

impl RedbTables {
    /// Name of the engine.
    pub const NAME: &'static str = "redb";

    /// Opens or creates the tables in a directory, with a cache of so many bytes.
    ///
    /// # Errors
    /// When redb refuses.
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        std::fs::create_dir_all(dir).map_err(|error| failed("create the directory", error))?;
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let database = builder.create(dir.join("tables.redb")).map_err(|error| failed("open", error))?;
        let write = database.begin_write().map_err(|error| failed("open", error))?;
        for table in Table::ALL {
            write.open_table(definition(table)).map_err(|error| failed("open a table", error))?;
        }
        write.commit().map_err(|error| failed("open", error))?;
        Ok(Self(database))
    }

    fn some_rows(&self, table: Table, from: Bound<&[u8]>) -> Result<Vec<Row>, EngineError> {
        let read = self.0.begin_read().map_err(|error| failed("iterate", error))?;
        let opened = read.open_table(definition(table)).map_err(|error| failed("iterate", error))?;
        let range = opened.range::<&[u8]>((from, Bound::Unbounded)).map_err(|error| failed("iterate", error))?;
        range
            .take(ROWS_AT_ONCE)
            .map(|row| {
                let (key, value) = row.map_err(|error| failed("iterate", error))?;
                Ok((key.value().to_vec(), value.value().to_vec()))
            })
            .collect()
    }
}

impl Engine for RedbTables {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let read = self.0.begin_read().map_err(|error| failed("get", error))?;
        let opened = read.open_table(definition(table)).map_err(|error| failed("get", error))?;
        let value = opened.get(key).map_err(|error| failed("get", error))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn write(&self, mut batch: Vec<Write>) -> Result<(), EngineError> {
        // One table after the other; the sort is stable, so the last write to a key stays the last.
        batch.sort_by_key(|write| write.table);
        let mut write = self.0.begin_write().map_err(|error| failed("write", error))?;
        write.set_durability(Durability::Immediate).map_err(|error| failed("write", error))?;
        for rows in batch.chunk_by(|a, b| a.table == b.table) {
            let mut table = write.open_table(definition(rows[0].table)).map_err(|error| failed("write", error))?;
            for row in rows {
                match &row.value {
                    Some(value) => table.insert(&row.key[..], &value[..]).map(drop),
                    None => table.remove(&row.key[..]).map(drop),
                }
                .map_err(|error| failed("write", error))?;
            }
        }
        write.commit().map_err(|error| failed("write", error))
    }

    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        let mut next = Some(Bound::Included(from.to_vec()));
        let mut rows = Vec::new().into_iter();
        Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(row) = rows.next() {
                    return Some(Ok(row));
                }
                let from = next.take()?;
                match self.some_rows(table, from.as_ref().map(|key| &key[..])) {
                    Ok(some) => {
                        next = match some.last() {
                            Some((key, _)) if some.len() == ROWS_AT_ONCE => Some(Bound::Excluded(key.clone())),
                            _ => None,
                        };
                        rows = some.into_iter();
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }

    /// Every batch is on disk when [`Engine::write`] returns.
    fn flush(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

fn failed(action: &'static str, error: impl fmt::Display) -> EngineError {
    EngineError { engine: RedbTables::NAME, action, reason: error.to_string() }
}

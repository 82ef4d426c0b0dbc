//! The default engine: fjall, a log-structured merge tree.

use super::engine::{Engine, EngineError, Rows, Table, Write};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::fmt;
use std::path::Path;

/// Length of fjall's journals: what an opening may have to read again.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

/// Tables in a fjall database, one keyspace each.
///
/// fjall moves a table's recent writes from memory to a file without having synced its journal. Were the journal then
/// lost, one table would be ahead of the others. So every batch is synced in the journal before it enters memory: fjall
/// does it in this order when a batch asks for durability.
pub struct FjallTables {
    database: Database,
    keyspaces: Vec<Keyspace>,
}

impl fmt::Debug for FjallTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallTables").field("tables", &self.keyspaces.len()).finish_non_exhaustive()
    }
}

impl FjallTables {
    /// Name of the engine.
    pub const NAME: &'static str = "fjall";

    /// Opens or creates the tables in a directory, with a cache of so many bytes for blocks of its files.
    ///
    /// # Errors
    /// When fjall refuses.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let database = Database::builder(dir)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
            .map_err(|error| failed("open", error))?;
        let keyspaces = Table::ALL
            .iter()
            .map(|table| database.keyspace(table.name(), KeyspaceCreateOptions::default))
            .collect::<Result<_, _>>()
            .map_err(|error| failed("open a table", error))?;
        Ok(Self { database, keyspaces })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table.pos()]
    }
}

impl Engine for FjallTables {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let value = self.keyspace(table).get(key).map_err(|error| failed("get", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError> {
        let mut rows = self.database.batch().durability(Some(PersistMode::SyncData));
        for write in batch {
            match write.value {
                Some(value) => rows.insert(self.keyspace(write.table), write.key, value),
                None => rows.remove(self.keyspace(write.table), write.key),
            }
        }
        rows.commit().map_err(|error| failed("write", error))
    }

    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        let rows = self.keyspace(table).range(from.to_vec()..);
        Box::new(rows.map(|row| {
            let (key, value) = row.into_inner().map_err(|error| failed("iterate", error))?;
            Ok((key.to_vec(), value.to_vec()))
        }))
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.database.persist(PersistMode::SyncAll).map_err(|error| failed("flush", error))
    }
}

fn failed(action: &'static str, error: fjall::Error) -> EngineError {
    EngineError { engine: FjallTables::NAME, action, reason: error.to_string() }
}

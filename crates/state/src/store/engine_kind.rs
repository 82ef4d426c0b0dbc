//! Which engine holds the tables of a store, and how it is opened.

use super::disk::{Disk, RealDisk};
use super::engine::{Engine, EngineError};
use super::error::StoreError;
use super::fjall_tables::FjallTables;
use super::guarded::{Guarded, guarded};
use super::redb_tables::RedbTables;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The engines. A store keeps the one that it was made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// A log-structured merge tree: fast at random updates.
    #[default]
    Fjall,
    /// A copy-on-write B-tree.
    Redb,
}

impl EngineKind {
    /// The name in the format file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fjall => FjallTables::NAME,
            Self::Redb => RedbTables::NAME,
        }
    }

    /// Opens the tables of a store, or makes them.
    ///
    /// They are made under another name: fjall neither opens nor makes a database whose making was interrupted.
    pub(crate) fn open(self, store_dir: &Path, cache_bytes: usize) -> Result<Arc<dyn Engine>, StoreError> {
        let tables = store_dir.join("tables");
        if !tables.try_exists().map_err(StoreError::disk("look for", &tables))? {
            let unfinished = store_dir.join("tables.new");
            match std::fs::remove_dir_all(&unfinished) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::disk("remove", &unfinished)(error));
                }
                _ => {}
            }
            let made = self.open_dir(&unfinished, cache_bytes)?;
            made.flush()?;
            drop(made);
            RealDisk.sync_dir(&unfinished).map_err(StoreError::disk("sync", &unfinished))?;
            std::fs::rename(&unfinished, &tables).map_err(StoreError::disk("rename", &unfinished))?;
            RealDisk.sync_dir(store_dir).map_err(StoreError::disk("sync", store_dir))?;
        }
        Ok(self.open_dir(&tables, cache_bytes)?)
    }

    fn open_dir(self, dir: &Path, cache_bytes: usize) -> Result<Arc<dyn Engine>, EngineError> {
        let opened = guarded(self.name(), "open", || -> Result<Arc<dyn Engine>, EngineError> {
            Ok(match self {
                Self::Fjall => Arc::new(Guarded(FjallTables::open(dir, cache_bytes as u64)?)),
                Self::Redb => Arc::new(Guarded(RedbTables::open(dir, cache_bytes)?)),
            })
        });
        opened.map_err(|error| EngineError { reason: format!("{}: {}", dir.display(), error.reason), ..error })
    }
}

//! The directory in which a chain is restored until it is whole.

use super::error::SnapshotFault;
use crate::chain_error::ChainError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The file that says whose the directory is.
const MARKER: &str = "restoring";
const MARKER_TEXT: &[u8] = b"motet import-snapshot works here. What it left may be deleted.\n";

/// A directory of ours, which nobody else uses as long as this lives.
#[derive(Debug)]
pub(super) struct Workplace {
    path: PathBuf,
    /// Locked.
    _marker: File,
}

impl Workplace {
    /// Makes the directory, empty but for its marker. What an attempt before left there is removed; anything else stays and is
    /// an error.
    pub(super) fn make(path: PathBuf) -> Result<Self, SnapshotFault> {
        let failed = |action| {
            let path = path.clone();
            move |source| SnapshotFault::Chain(ChainError::File { path, action, source })
        };
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(failed("create"))?;
        let is_new = match fs::create_dir(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed("create")(error)),
        };
        if !is_new && !is_left_by_us(&path).map_err(failed("look into"))? {
            return Err(SnapshotFault::Foreign(path));
        }
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(MARKER));
        let mut marker = open().map_err(failed("mark"))?;
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SnapshotFault::Busy(path)),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        remove_content(&path).map_err(failed("clear"))?;
        let written = marker.set_len(0).and_then(|()| marker.rewind()).and_then(|()| marker.write_all(MARKER_TEXT));
        written.and_then(|()| marker.sync_all()).map_err(failed("mark"))?;
        Ok(Self { path, _marker: marker })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its name, now that it is a chain.
    pub(super) fn finish(&self, dir: &Path) -> io::Result<()> {
        fs::rename(&self.path, dir)?;
        fs::remove_file(dir.join(MARKER))
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> io::Result<()> {
        // The marker goes last, so that what an interruption leaves is still known to be ours.
        remove_content(&self.path)?;
        fs::remove_file(self.path.join(MARKER))?;
        fs::remove_dir(&self.path)
    }
}

/// Whether a directory has our marker, or nothing at all; the marker may be empty if there is nothing else.
fn is_left_by_us(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(false);
    }
    let marker = path.join(MARKER);
    let mut has_others = false;
    for entry in fs::read_dir(path)? {
        has_others |= entry?.file_name() != MARKER;
    }
    match fs::symlink_metadata(&marker) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(!has_others),
        Err(error) => return Err(error),
        Ok(meta) if !meta.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let mut text = Vec::new();
    File::open(&marker)?.take(MARKER_TEXT.len() as u64 + 1).read_to_end(&mut text)?;
    Ok(text == MARKER_TEXT || text.is_empty() && !has_others)
}

/// Removes all but the marker.
fn remove_content(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_cleared() {
        let dir = std::env::temp_dir().join(format!("motet-workplace-{}", std::process::id()));
        let path = dir.join("zz.restoring");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("diary"), "dear").unwrap();
        assert!(matches!(Workplace::make(path.clone()), Err(SnapshotFault::Foreign(_))));
        fs::write(path.join(MARKER), "").unwrap();
        assert!(matches!(Workplace::make(path.clone()), Err(SnapshotFault::Foreign(_))));
        assert_eq!(fs::read(path.join("diary")).unwrap(), b"dear");
        fs::remove_dir_all(&path).unwrap();
        // What was left by an attempt that was killed.
        let left = Workplace::make(path.clone()).unwrap();
        fs::create_dir(path.join("log")).unwrap();
        fs::write(path.join("log/1"), "x").unwrap();
        assert!(matches!(Workplace::make(path.clone()), Err(SnapshotFault::Busy(_))));
        drop(left);
        let again = Workplace::make(path.clone()).unwrap();
        assert!(!path.join("log").exists());
        fs::write(path.join("chain.json"), "x").unwrap();
        again.finish(&dir.join("zz")).unwrap();
        assert_eq!(fs::read_dir(dir.join("zz")).unwrap().count(), 1);
        let third = Workplace::make(path.clone()).unwrap();
        third.remove().unwrap();
        assert!(!path.exists());
        fs::remove_dir_all(dir).unwrap();
    }
}

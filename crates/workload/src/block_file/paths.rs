//! Which files to load.

use super::error::{BlockFileError, BlockFileErrorKind};
use std::fs;
use std::path::{Path, PathBuf};

/// The block files that `paths` stand for: a file is itself, a folder is every `*.json` and `*.json.gz`
/// directly inside of it, except its manifest, by block number and then by name. Names that are no
/// number come last.
///
/// # Errors
/// When a path does not exist or a folder cannot be listed.
pub fn collect_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, BlockFileError> {
    let mut files = Vec::new();
    for path in paths {
        let io_error = |error| BlockFileError::new(path, BlockFileErrorKind::Io(error));
        if !fs::metadata(path).map_err(io_error)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(io_error)? {
            let file = entry.map_err(io_error)?.path();
            if is_block_file(&file) && !file.is_dir() {
                inside.push(file);
            }
        }
        inside.sort_by_cached_key(|file| (number_in_name(file).unwrap_or(u64::MAX), file.clone()));
        files.append(&mut inside);
    }
    Ok(files)
}

fn is_block_file(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json");
    stem.is_some_and(|stem| stem != "manifest")
}

fn number_in_name(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

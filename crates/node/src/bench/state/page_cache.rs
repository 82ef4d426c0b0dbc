//! Has the system forget pages of files, and counts what it reads from the disk.

use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Has the system forget all pages of the files below a directory, which are written to the disk first. A hint to the
/// system: [`bytes_read`] says whether it was taken.
pub(super) fn forget(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = File::open(&path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a directory.
pub(super) fn bytes_of(dir: &Path) -> io::Result<u64> {
    fs::read_dir(dir)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let data = entry.metadata()?;
        Ok(sum + if data.is_dir() { bytes_of(&entry.path())? } else { data.len() })
    })
}

/// Bytes that the disk was read for on behalf of this process. Linux `/proc/self/io`; `None` elsewhere.
pub(super) fn bytes_read() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("read_bytes:")).and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgetting_leaves_files_as_they_are() {
        let dir = std::env::temp_dir().join(format!("motet-page-cache-{}", std::process::id()));
        let below = dir.join("below");
        fs::create_dir_all(&below).expect("a folder");
        fs::write(below.join("a"), [7; 5000]).expect("a file");
        forget(&dir).expect("forgotten");
        assert_eq!(bytes_of(&dir).expect("counted"), 5000);
        assert_eq!(fs::read(below.join("a")).expect("read"), [7; 5000]);
        assert!(forget(&dir.join("absent")).is_err());
        fs::remove_dir_all(&dir).expect("removed");
    }
}

//! The file system as the log uses it: few operations, so that each can be made to fail.

use super::error::StoreError;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Files and directories.
///
/// A file's bytes survive a crash once [`DiskFile::sync`] returned, its name once [`Disk::sync_dir`] did.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory and those above it, if absent. The names of those that it made are on disk when it returns.
    ///
    /// # Errors
    /// When the file system refuses, here and below.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes an empty file, which must not exist yet, for appending.
    ///
    /// # Errors
    /// See above.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for appending.
    ///
    /// # Errors
    /// See above.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// See above.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Names in a directory, in no order.
    ///
    /// # Errors
    /// See above.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives a file another name, over what had it.
    ///
    /// # Errors
    /// See above.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// See above.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns once the names in a directory are on disk.
    ///
    /// # Errors
    /// See above.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait DiskFile: Send + Debug {
    /// Appends all of the bytes. On an error part of them may be in the file.
    ///
    /// # Errors
    /// When the file system refuses, here and below.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the file's bytes and length are on disk. After an error nothing is known of the bytes since the last
    /// success, and another call does not bring them back.
    ///
    /// # Errors
    /// See above.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// See above.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// Makes a file, without what an attempt before that failed may have left of it.
pub(crate) fn create_anew(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, StoreError> {
    match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path).map_err(StoreError::disk("remove", path))?;
            disk.create(path)
        }
        created => created,
    }
    .map_err(StoreError::disk("create", path))
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|level| !is_there(level)).collect();
        for level in missing.into_iter().rev() {
            match fs::create_dir(level) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            match level.parent().filter(|above| !above.as_os_str().is_empty()) {
                Some(above) => self.sync_dir(above)?,
                None => self.sync_dir(Path::new("."))?,
            }
        }
        // What is there and no directory is told by who makes a file in it.
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is none of ours, and is listed so that it can be said.
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// Whether a path has something, as far as one can tell. The empty path is the current directory.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.try_exists().unwrap_or(true)
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

//! The directory of a node's chain, kept or not.

use eyre::WrapErr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names that are tried for a temporary directory.
const NAMES_MAX: u32 = 100;

/// Where a node's chain is.
#[derive(Debug)]
pub(crate) enum Storage {
    /// In a directory that stays.
    Kept(PathBuf),
    /// In one that goes with this value.
    Ephemeral(Temporary),
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Storage {
    /// A new temporary directory.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) fn ephemeral() -> eyre::Result<Self> {
        let folder = std::env::temp_dir();
        let mut attempt = 0;
        loop {
            let path = folder.join(format!("motet-{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self::Ephemeral(Temporary(path))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < NAMES_MAX => attempt += 1,
                Err(error) => return Err(error).wrap_err_with(|| path.display().to_string()),
            }
        }
    }

    /// Removes what goes with this value, for a process that ends without dropping it.
    pub(crate) fn leaver(&self) -> impl FnOnce() + Send + use<> {
        let going = match self {
            Self::Kept(_) => None,
            Self::Ephemeral(Temporary(path)) => Some(path.clone()),
        };
        move || drop(going.map(Temporary))
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Ephemeral(Temporary(path)) => path,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed stays for whoever tidies up temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_with_all_that_is_in_it() {
        let (one, two) = (Storage::ephemeral().unwrap(), Storage::ephemeral().unwrap());
        let path = one.path().to_owned();
        assert_ne!(path, two.path());
        fs::write(path.join("file"), "x").unwrap();
        drop(one);
        assert!(!path.exists() && two.path().exists());
    }
}

//! The directory of a chain, as commands name and open it.

use crate::out;
use clap::Args;
use eyre::WrapErr;
use indicatif::ProgressBar;
use motet_chain::{Chain, ChainOptions};
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Where a chain is.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataArgs {
    /// The chain's directory, as `motet init` made it. One process at a time has it open.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl DataArgs {
    /// For a directory that was named otherwise.
    pub(crate) fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.data
    }

    /// Opens the chain; what its store had to mend is told on standard error.
    ///
    /// # Errors
    /// When there is none, when another process has it, and when it is damaged.
    pub(crate) fn open(&self) -> eyre::Result<Chain> {
        self.open_with(options())
    }

    /// As [`DataArgs::open`], with other bounds.
    ///
    /// # Errors
    /// As [`DataArgs::open`].
    pub(crate) fn open_with(&self, options: ChainOptions) -> eyre::Result<Chain> {
        let spinner = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let opened = Chain::open_with(&self.data, options, &mut |progress| {
            spinner.set_message(format!("trie: {} accounts, {:.0} %", progress.accounts, 100.0 * progress.share));
            spinner.tick();
        });
        spinner.finish_and_clear();
        let (chain, opened) = opened.wrap_err_with(|| self.data.display().to_string())?;
        let store = &opened.store;
        if store.rolled_forward > 0 || store.rolled_back > 0 || store.cut.is_some() {
            out::say(format_args!("{}: {opened}", self.data.display()));
        }
        Ok(chain)
    }
}

/// The usual bounds, with all cores.
pub(crate) fn options() -> ChainOptions {
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    ChainOptions { threads, ..ChainOptions::default() }
}

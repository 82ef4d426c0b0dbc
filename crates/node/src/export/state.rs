//! The state of a block as a snapshot.

use crate::out::OutFile;
use eyre::WrapErr;
use indicatif::ProgressBar;
use motet_chain::{Chain, SnapshotCounts};
use std::io::{self, IsTerminal};
use std::path::Path;

/// Writes the state after the block at a height, or at the head.
pub(super) fn export(chain: &Chain, number: Option<u64>, path: &Path) -> eyre::Result<()> {
    let number = number.unwrap_or(chain.head().number());
    let mut file = OutFile::create(path)?;
    let spinner = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let counts = chain.export_state(number, &mut file, &mut |accounts| {
        spinner.set_message(format!("{accounts} accounts"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let SnapshotCounts { accounts, slots, codes } = counts.wrap_err_with(|| path.display().to_string())?;
    let written = file.finish()?;
    let hash = chain.canonical_hash(number)?.unwrap_or_default();
    written.tell(format_args!(
        "{}: state of block {number} ({hash}), {accounts} accounts, {slots} slots, {codes} codes, {} bytes",
        path.display(),
        written.bytes,
    ))
}

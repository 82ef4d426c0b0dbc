//! Blocks of the canonical chain as RLP, one after the other.

use crate::out::OutFile;
use alloy_rlp::Encodable;
use eyre::{WrapErr, ensure, eyre};
use indicatif::ProgressBar;
use motet_chain::Chain;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Writes the blocks from `first` to `last`.
pub(super) fn export(chain: &Chain, first: Option<u64>, last: Option<u64>, path: &Path) -> eyre::Result<()> {
    let (lowest, head) = (chain.genesis().number(), chain.head().number());
    ensure!(
        lowest < head || first.is_some(),
        "the chain has nothing but its first block, {lowest}, which is exported only if asked for with --first {lowest}"
    );
    let first = first.unwrap_or(lowest.saturating_add(1));
    let last = last.unwrap_or(head);
    ensure!(first >= lowest && last <= head, "the chain has the blocks {lowest} to {head}, not {first} to {last}");
    let count = last.saturating_add(1).checked_sub(first).filter(|count| *count > 0);
    let count = count.ok_or_else(|| eyre!("there is no block from {first} to {last}"))?;
    let mut file = OutFile::create(path)?;
    let bar = if io::stderr().is_terminal() { ProgressBar::new(count) } else { ProgressBar::hidden() };
    let mut rlp = Vec::new();
    for number in first..=last {
        let block = chain.canonical_block(number)?.ok_or_else(|| eyre!("block {number} is not there"))?;
        rlp.clear();
        block.block().encode(&mut rlp);
        file.write_all(&rlp).wrap_err_with(|| path.display().to_string())?;
        bar.inc(1);
    }
    let written = file.finish()?;
    bar.finish_and_clear();
    written.tell(format_args!("{}: blocks {first} to {last}, {} bytes", path.display(), written.bytes))
}

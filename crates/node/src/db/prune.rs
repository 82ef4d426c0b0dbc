//! `motet db prune`.

use crate::data_dir::{self, DataArgs};
use crate::out;
use crate::verdict::Verdict;
use eyre::bail;
use motet_chain::Chain;

pub(super) fn run(data: &DataArgs, history: u64) -> eyre::Result<Verdict> {
    if Chain::is_archive(data.path())? {
        bail!("{}: this is an archive (`motet init --archive`), of which nothing is forgotten", data.path().display());
    }
    let mut options = data_dir::options();
    // What is older is removed when the store is opened with a shorter history.
    options.store.history_blocks = history;
    let chain = data.open_with(options)?;
    chain.flush()?;
    let head = chain.head().number();
    let oldest = chain.store().oldest_state()?.unwrap_or(head);
    out::print(format_args!("{}: states of the blocks {oldest} to {head} are kept", data.path().display()))?;
    Ok(Verdict::Equal)
}

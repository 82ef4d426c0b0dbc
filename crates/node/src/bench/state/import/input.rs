//! The chain that is imported.

use super::Plan;
use crate::bench::state::stores::engine_name;
use alloy_genesis::Genesis;
use alloy_rlp::Header;
use eyre::{WrapErr, bail, ensure};
use motet_chain::GenesisBlock;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// Blocks in RLP one behind the other.
#[derive(Debug)]
pub(super) struct ChainInput {
    folder: PathBuf,
    bytes: Vec<u8>,
    /// Where each block lies.
    blocks: Vec<Range<usize>>,
}

impl ChainInput {
    /// From a folder that `motet generate --chain` has written; the genesis apart, since its state need not be kept.
    pub(super) fn read(folder: &std::path::Path, blocks_max: usize) -> eyre::Result<(Self, GenesisBlock)> {
        let (genesis, chain) = (folder.join("genesis.json"), folder.join("chain.rlp"));
        let text = fs::read(&genesis).wrap_err_with(|| format!("reading {}", genesis.display()))?;
        let parsed: Genesis =
            serde_json::from_slice(&text).wrap_err_with(|| format!("{}: no genesis", genesis.display()))?;
        drop(text);
        let genesis = GenesisBlock::from_genesis(&parsed).wrap_err_with(|| genesis.display().to_string())?;
        let mut bytes = fs::read(&chain).wrap_err_with(|| format!("reading {}", chain.display()))?;
        let mut blocks = Vec::new();
        let mut start = 0;
        while start < bytes.len() && blocks.len() < blocks_max {
            let end = end_of_item(&bytes, start);
            let Some(end) = end else { bail!("{}: no block at byte {start}", chain.display()) };
            blocks.push(start..end);
            start = end;
        }
        ensure!(!blocks.is_empty(), "{}: it holds no block", chain.display());
        bytes.truncate(start);
        Ok((Self { folder: folder.to_owned(), bytes, blocks }, genesis))
    }

    pub(super) fn in_words(&self, plan: &Plan) -> String {
        format!(
            "{} blocks of {}, tables of {}, {} threads",
            self.blocks.len(),
            self.folder.display(),
            engine_name(plan.engine),
            plan.threads
        )
    }

    /// Positions of blocks, so many at a time.
    pub(super) fn turns(&self, blocks: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (count, step) = (self.blocks.len(), blocks.max(1));
        (0..count).step_by(step).map(move |first| first..count.min(first + step))
    }

    /// The RLP of a block.
    pub(super) fn block(&self, position: usize) -> &[u8] {
        let range = self.blocks.get(position).cloned().unwrap_or_default();
        self.bytes.get(range).unwrap_or_default()
    }
}

/// Where the RLP list that begins here ends.
fn end_of_item(bytes: &[u8], start: usize) -> Option<usize> {
    let mut rest = bytes.get(start..)?;
    let header = Header::decode(&mut rest).ok().filter(|header| header.list)?;
    let content = bytes.len().checked_sub(rest.len())?;
    content.checked_add(header.payload_length).filter(|end| *end <= bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_told_apart_and_torn_ones_named() {
        let bytes = [alloy_rlp::encode(vec![1u64, 2]), alloy_rlp::encode(vec![3u64])].concat();
        assert_eq!(end_of_item(&bytes, 0), Some(3));
        assert_eq!(end_of_item(&bytes, 3), Some(5));
        assert_eq!(end_of_item(&bytes, 5), None);
        assert_eq!(end_of_item(&bytes[..4], 3), None);
        assert_eq!(end_of_item(&[5], 0), None);
    }
}

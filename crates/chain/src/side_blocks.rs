//! Blocks that are valid and not canonical, in memory, ready to become so.

use crate::chain_block::ChainBlock;
use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use motet_state::store::CommittedBlock;
use std::collections::VecDeque;
use std::sync::Arc;

/// A block that has been executed, whose root was checked.
#[derive(Clone, Debug)]
pub(crate) struct SideBlock {
    pub(crate) block: Arc<ChainBlock>,
    /// As the store takes it once it is canonical, but for nodes of the trie.
    pub(crate) committed: CommittedBlock,
}

/// Side blocks, at most so many and so large.
///
/// Invariant: the parent of each is another one, or canonical.
#[derive(Debug)]
pub(crate) struct SideBlocks {
    blocks: B256Map<SideBlock>,
    /// Oldest first.
    by_age: VecDeque<B256>,
    bytes: usize,
    blocks_max: usize,
    bytes_max: usize,
}

impl SideBlocks {
    pub(crate) fn new(blocks_max: usize, bytes_max: usize) -> Self {
        Self { blocks: B256Map::default(), by_age: VecDeque::new(), bytes: 0, blocks_max, bytes_max }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&SideBlock> {
        self.blocks.get(hash)
    }

    /// The side blocks from the canonical chain up to this hash, oldest first, and the hash on which they stand. None, and
    /// the hash itself, where it is of no side block.
    pub(crate) fn branch(&self, hash: B256) -> (Vec<&SideBlock>, B256) {
        let mut base = hash;
        let mut branch = Vec::new();
        while let Some(side) = self.blocks.get(&base) {
            base = side.committed.parent;
            branch.push(side);
        }
        branch.reverse();
        (branch, base)
    }

    /// Adds a block. The oldest go where there are too many, and with each what stands on it; says whether the new one is
    /// still there.
    pub(crate) fn insert(&mut self, side: SideBlock) -> bool {
        let hash = side.committed.hash;
        self.bytes += size(&side.committed);
        if let Some(before) = self.blocks.insert(hash, side) {
            self.bytes -= size(&before.committed);
        } else {
            self.by_age.push_back(hash);
        }
        while self.blocks.len() > self.blocks_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.by_age.front().copied() else { break };
            self.remove_with_descendants(oldest);
        }
        self.blocks.contains_key(&hash)
    }

    /// Whether blocks take more than one of so many parts of the room that there is for all.
    pub(crate) fn is_filled_by(&self, blocks: &[&SideBlock], parts: usize) -> bool {
        let bytes: usize = blocks.iter().map(|side| size(&side.committed)).sum();
        blocks.len() > self.blocks_max / parts || bytes > self.bytes_max / parts
    }

    /// Takes a block out that becomes canonical.
    pub(crate) fn remove(&mut self, hash: &B256) -> Option<SideBlock> {
        let removed = self.blocks.remove(hash)?;
        self.bytes -= size(&removed.committed);
        self.by_age.retain(|other| other != hash);
        Some(removed)
    }

    fn remove_with_descendants(&mut self, hash: B256) {
        let mut going = vec![hash];
        while let Some(hash) = going.pop() {
            self.remove(&hash);
            going.extend(
                self.blocks.values().filter(|side| side.committed.parent == hash).map(|side| side.committed.hash),
            );
        }
    }
}

/// Bytes that a block takes, about.
fn size(block: &CommittedBlock) -> usize {
    let parts = [&block.header, &block.body, &block.receipts, &block.record];
    let encoded: usize = parts.iter().map(|part| part.len()).sum();
    let slots: usize = block.diff.accounts.values().map(|change| change.storage.len()).sum();
    let codes: usize = block.diff.codes.values().map(|code| code.len()).sum();
    // The decoded body is there as well.
    2 * encoded + 160 * block.diff.accounts.len() + 80 * slots + codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_types::{Block, Fork};

    fn side(hash: u8, parent: u8) -> SideBlock {
        let [hash, parent] = [hash, parent].map(B256::repeat_byte);
        let block = ChainBlock::new(hash, Block::default(), Default::default(), Fork::Paris);
        let committed = CommittedBlock { hash, parent, body: vec![0; 100].into(), ..CommittedBlock::default() };
        SideBlock { block: Arc::new(block), committed }
    }

    #[test]
    fn a_branch_leads_to_the_canonical_chain() {
        let mut blocks = SideBlocks::new(10, usize::MAX);
        assert!([side(2, 1), side(3, 2), side(4, 2)].into_iter().all(|side| blocks.insert(side)));
        let (branch, base) = blocks.branch(B256::repeat_byte(4));
        let hashes: Vec<B256> = branch.iter().map(|side| side.committed.hash).collect();
        assert_eq!((hashes, base), ([2, 4].map(B256::repeat_byte).to_vec(), B256::repeat_byte(1)));
        let (branch, base) = blocks.branch(B256::repeat_byte(9));
        assert_eq!((branch.len(), base), (0, B256::repeat_byte(9)));
    }

    #[test]
    fn beyond_the_bounds_the_oldest_branch_goes() {
        let mut blocks = SideBlocks::new(3, usize::MAX);
        assert!([side(2, 1), side(3, 2), side(4, 1), side(5, 4)].into_iter().all(|side| blocks.insert(side)));
        assert!(blocks.get(&B256::repeat_byte(2)).is_none() && blocks.get(&B256::repeat_byte(3)).is_none());
        assert_eq!((blocks.blocks.len(), blocks.by_age.len(), blocks.bytes), (2, 2, 400));
        // A branch that is too long for the bounds takes itself away.
        assert!(blocks.insert(side(6, 5)) && !blocks.insert(side(7, 6)));
        assert_eq!((blocks.blocks.len(), blocks.by_age.len(), blocks.bytes), (0, 0, 0));
        let mut small = SideBlocks::new(3, 150);
        assert!(!small.insert(side(2, 1)));
    }
}

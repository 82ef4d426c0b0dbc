//! Which of two valid blocks is the head.

use crate::chain_block::ChainBlock;
use motet_types::Fork;

/// Whether a block that was just imported takes the place of the head.
///
/// From Paris on consensus decides, and a block is only handed in when it extends what was chosen; before, the heaviest
/// chain wins, and of equals the first seen.
pub(crate) fn is_better_head(block: &ChainBlock, head: &ChainBlock) -> bool {
    if block.fork() >= Fork::Paris {
        return true;
    }
    head.fork() < Fork::Paris && block.total_difficulty() > head.total_difficulty()
}

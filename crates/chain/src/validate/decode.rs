//! Blocks from bytes.

use super::BlockError;
use alloy_rlp::Decodable;
use motet_types::Block;

/// Decodes the RLP of one block: exactly the bytes given, nothing after them.
///
/// # Errors
/// [`BlockError::Rlp`] when the bytes are no block, or more than one.
pub fn decode_block(rlp: &[u8]) -> Result<Block, BlockError> {
    let mut rest = rlp;
    let block = Block::decode(&mut rest)?;
    if rest.is_empty() { Ok(block) } else { Err(BlockError::Rlp(alloy_rlp::Error::UnexpectedLength)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_a_block_are_refused() {
        let mut rlp = alloy_rlp::encode(Block::default());
        assert_eq!(decode_block(&rlp), Ok(Block::default()));
        rlp.push(0);
        assert_eq!(decode_block(&rlp), Err(BlockError::Rlp(alloy_rlp::Error::UnexpectedLength)));
    }

    #[test]
    fn every_truncation_is_refused() {
        let rlp = alloy_rlp::encode(Block::default());
        for end in 0..rlp.len() {
            assert!(decode_block(&rlp[..end]).is_err(), "cut at {end}");
        }
    }
}

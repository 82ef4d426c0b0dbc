//! Blocks from bytes.

use super::BlockError;
use alloy_rlp::Decodable;
use motet_types::Block;

/// Decodes the RLP of one block: exactly the bytes given, nothing after them, and each value in its one encoding.
///
/// alloy takes some values in several (a signature's parity as any number, for one), and whoever else reads such a
/// block refuses it: what is decoded must encode to the same bytes.
///
/// # Errors
/// [`BlockError::Rlp`] when the bytes are no block, or more than one.
pub fn decode_block(rlp: &[u8]) -> Result<Block, BlockError> {
    let mut rest = rlp;
    let block = Block::decode(&mut rest)?;
    if !rest.is_empty() {
        return Err(BlockError::Rlp(alloy_rlp::Error::UnexpectedLength));
    }
    if alloy_rlp::encode(&block) != rlp {
        return Err(BlockError::Rlp(alloy_rlp::Error::Custom("a value is not in its canonical encoding")));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{BlockBody, SignableTransaction as _, TxEip1559};
    use alloy_primitives::Signature;
    use motet_types::Transaction;

    #[test]
    fn bytes_after_a_block_are_refused() {
        let mut rlp = alloy_rlp::encode(Block::default());
        assert_eq!(decode_block(&rlp), Ok(Block::default()));
        rlp.push(0);
        assert_eq!(decode_block(&rlp), Err(BlockError::Rlp(alloy_rlp::Error::UnexpectedLength)));
    }

    /// alloy passes over the length in front of a typed transaction.
    #[test]
    fn a_typed_transaction_with_a_wrong_length_in_front_is_refused() {
        let tx: Transaction = TxEip1559::default().into_signed(Signature::test_signature()).into();
        let body = BlockBody { transactions: vec![tx], ..BlockBody::default() };
        let rlp = alloy_rlp::encode(Block { body, ..Block::default() });
        let at = rlp.windows(3).position(|bytes| bytes[0] == 0xb8 && bytes[2] == 2).expect("a string of type 2");
        assert!(decode_block(&rlp).is_ok());
        for by in [1, 2, 255] {
            let mut wrong = rlp.clone();
            wrong[at + 1] = wrong[at + 1].wrapping_add(by);
            assert!(decode_block(&wrong).is_err(), "{by}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let rlp = alloy_rlp::encode(Block::default());
        for end in 0..rlp.len() {
            assert!(decode_block(&rlp[..end]).is_err(), "cut at {end}");
        }
    }
}

//! Blocks whose RLP stands one after the other.

use super::error::ChainFileErrorKind;
use super::{BLOCK_BYTES_MAX, decode_header};
use crate::input::Input;
use alloy_consensus::Header;
use alloy_primitives::B256;

/// First byte of the empty list. Yellow Paper, appendix B.
const LIST: u8 = 0xc0;
/// First byte of a list whose length takes one byte.
const LONG_LIST: u8 = 0xf8;
/// Longest content of a list whose length is in its first byte.
const SHORT_BYTES_MAX: u64 = 55;

/// Reads one block: its header, the header's hash, and the RLP of the whole.
pub(super) fn read_block(input: &mut Input) -> Result<(Header, B256, Vec<u8>), ChainFileErrorKind> {
    let [first] = input.read_array()?;
    let mut rlp = vec![first];
    let payload_bytes = match first {
        ..LIST => return Err(ChainFileErrorKind::NotAList { first }),
        LIST..LONG_LIST => u64::from(first - LIST),
        LONG_LIST.. => {
            let length_bytes = usize::from(first - LONG_LIST) + 1;
            input.read_bytes(length_bytes as u64, &mut rlp)?;
            let mut length = [0; 8];
            length[8 - length_bytes..].copy_from_slice(&rlp[1..]);
            let length = u64::from_be_bytes(length);
            if rlp.get(1) == Some(&0) || length <= SHORT_BYTES_MAX {
                return Err(ChainFileErrorKind::Length);
            }
            length
        }
    };
    if payload_bytes > BLOCK_BYTES_MAX {
        return Err(ChainFileErrorKind::TooLarge { what: "a block", bytes: payload_bytes, bytes_max: BLOCK_BYTES_MAX });
    }
    let head_bytes = rlp.len();
    input.read_bytes(payload_bytes, &mut rlp)?;
    let (header, hash) = decode_header(&mut rlp.get(head_bytes..).unwrap_or_default())?;
    Ok((header, hash, rlp))
}

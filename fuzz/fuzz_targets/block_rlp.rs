//! A block from RLP: any bytes give a block or an error, and a block encodes to what it was decoded from.
#![no_main]

use alloy_rlp::Encodable;
use libfuzzer_sys::fuzz_target;
use motet_chain::validate::decode_block;
use motet_types::RecoveredBlock;

fuzz_target!(|bytes: &[u8]| {
    let Ok(block) = decode_block(bytes) else { return };
    let mut encoded = Vec::new();
    block.encode(&mut encoded);
    assert_eq!(encoded, bytes, "a decoded block encodes to other bytes");
    let _ = RecoveredBlock::recover(block);
});

//! A block from RLP: any bytes give a block or an error, and a block encodes to what it was decoded from.
#![no_main]

mod edits;

use alloy_rlp::Encodable;
use edits::edited;
use libfuzzer_sys::fuzz_target;
use motet_chain::validate::decode_block;
use motet_types::RecoveredBlock;
use motet_workload::generate::{BlockSize, GenerateOptions, generate};
use std::sync::LazyLock;

static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let options =
        GenerateOptions { size: BlockSize::TxCount(6), account_count: 16, sign: true, ..GenerateOptions::default() };
    let mut generated = generate(&options).expect("the options are valid");
    alloy_rlp::encode(&generated.blocks.remove(0).block)
});

fuzz_target!(|bytes: &[u8]| {
    let bytes = &edited(&BLOCK, bytes)[..];
    let Ok(block) = decode_block(bytes) else { return };
    let mut encoded = Vec::new();
    block.encode(&mut encoded);
    assert_eq!(encoded, bytes, "a decoded block encodes to other bytes");
    let _ = RecoveredBlock::recover(block);
});

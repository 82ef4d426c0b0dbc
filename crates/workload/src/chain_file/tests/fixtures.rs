//! Files that others made.

use super::*;
use alloy_primitives::b256;
use std::path::PathBuf;

fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures").into(), PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: no fixture {} (set MOTET_FIXTURES)", path.display());
        return None;
    }
    Some(path)
}

/// Reads a whole file of blocks that follow each other: how many there are, and which is the last one.
fn check(name: &str, format: ChainFileFormat, blocks: u64, last: u64) -> Option<Vec<FileBlock>> {
    let path = fixture(name)?;
    let mut file = ChainFile::open(&path).unwrap();
    assert_eq!(file.format(), format);
    let mut read: Vec<FileBlock> = Vec::new();
    for block in file.by_ref() {
        let block = block.unwrap();
        if let Some(before) = read.last() {
            assert_eq!(block.header.parent_hash, before.hash);
        }
        let decoded = Block::decode(&mut block.rlp.as_slice()).unwrap();
        assert_eq!(alloy_rlp::encode(&decoded), block.rlp);
        assert_eq!(decoded.header, block.header);
        read.push(block);
    }
    assert_eq!((read.len() as u64, read.last().map(|block| block.header.number)), (blocks, Some(last)), "{name}");
    let (taken, whole) = file.taken_of();
    assert_eq!(taken, whole, "{name}");
    Some(read)
}

#[test]
fn small_chains() {
    let heads = [
        ("chains/geth-ethtest/chain.rlp.gz", 600, "chains/geth-ethtest/headfcu.json"),
        ("rpc/chain.rlp", 54, "rpc/headfcu.json"),
    ];
    for (name, blocks, head) in heads {
        let Some(read) = check(name, ChainFileFormat::Rlp, blocks, blocks) else { continue };
        let head = std::fs::read_to_string(fixture(head).unwrap()).unwrap();
        assert!(head.contains(&read[read.len() - 1].hash.to_string()), "{name}");
    }
    check("chains/hive-devp2p/chain.rlp.gz", ChainFileFormat::Rlp, 3000, 3000);
}

/// The name of an era1 file ends with the first bytes of its accumulator.
#[test]
fn the_first_era_of_mainnet() {
    let Some(read) = check("era1/mainnet-00000-5ec1ffb8.era1", ChainFileFormat::Era1, 8192, 8191) else { return };
    assert_eq!(read[0].hash, b256!("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"));
    let (mut accumulator, mut difficulty) = (Accumulator::default(), U256::ZERO);
    for block in &read {
        difficulty += block.header.difficulty;
        accumulator.push(block.hash, difficulty);
    }
    assert_eq!(accumulator.root()[..4], [0x5e, 0xc1, 0xff, 0xb8]);
}

#[test]
fn an_era_of_sepolia_with_transactions() {
    let Some(read) = check("era1/sepolia-00021-b8814b14.era1", ChainFileFormat::Era1, 8192, 180_223) else { return };
    let transactions = |block: &FileBlock| Block::decode(&mut block.rlp.as_slice()).unwrap().body.transactions.len();
    assert_eq!(read.iter().map(transactions).sum::<usize>(), 93);
}

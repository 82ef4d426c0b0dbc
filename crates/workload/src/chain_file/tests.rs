//! Files of blocks, whole, cut and changed.

use super::*;
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_consensus::{BlockBody, SignableTransaction as _, TxEip1559, TxLegacy};
use alloy_primitives::{Bytes, Signature, U256};
use alloy_trie::root::ordered_trie_root_encoded;
use flate2::Compression;
use flate2::write::GzEncoder;
use motet_types::{Block, Transaction};
use std::io::{Cursor, Write};

mod fixtures;

const FIRST_NUMBER: u64 = 5;

/// Blocks that follow each other, with two transactions and an ommer here and there.
fn blocks(count: u64) -> Vec<Block> {
    let mut parent_hash = B256::repeat_byte(1);
    let txs: [Transaction; 2] = [
        TxLegacy::default().into_signed(Signature::test_signature()).into(),
        TxEip1559 { input: vec![7; 300].into(), ..TxEip1559::default() }
            .into_signed(Signature::test_signature())
            .into(),
    ];
    let block = |at: u64| {
        let transactions = if at.is_multiple_of(2) { txs.to_vec() } else { Vec::new() };
        let ommers = if at == 1 { vec![Header::default()] } else { Vec::new() };
        let values: Vec<Vec<u8>> = transactions.iter().map(alloy_eips::Encodable2718::encoded_2718).collect();
        let header = Header {
            number: FIRST_NUMBER + at,
            difficulty: U256::from(1000 + at),
            parent_hash,
            transactions_root: ordered_trie_root_encoded(&values),
            ommers_hash: if ommers.is_empty() { EMPTY_OMMER_ROOT_HASH } else { keccak256(alloy_rlp::encode(&ommers)) },
            receipts_root: ordered_trie_root_encoded(&receipts(at)),
            ..Header::default()
        };
        parent_hash = header.hash_slow();
        Block { header, body: BlockBody { transactions, ommers, withdrawals: None } }
    };
    (0..count).map(block).collect()
}

/// Values of the receipts trie: a list as such, a typed receipt behind its type.
fn receipts(at: u64) -> Vec<Vec<u8>> {
    if at.is_multiple_of(2) { vec![vec![0xc2, 0x01, 0x80], vec![2, 0xc1, 0x80]] } else { Vec::new() }
}

fn rlp_file(blocks: &[Block]) -> Vec<u8> {
    blocks.iter().flat_map(alloy_rlp::encode).collect()
}

/// Writes an era1 file as its definition says.
fn era1_file(blocks: &[Block]) -> Vec<u8> {
    era1_file_with(blocks, &[])
}

/// With something between the blocks and the accumulator.
fn era1_file_with(blocks: &[Block], others: &[u8]) -> Vec<u8> {
    let mut file = entry(0x3265, &[]);
    let mut accumulator = Accumulator::default();
    let mut offsets = Vec::new();
    let mut difficulty = U256::from(77);
    for (at, block) in (0..).zip(blocks) {
        offsets.push(file.len() as i64);
        difficulty += block.header.difficulty;
        accumulator.push(block.header.hash_slow(), difficulty);
        let receipts = receipts(at).into_iter().map(|receipt| match receipt[0] {
            0xc0.. => receipt,
            _ => alloy_rlp::encode(Bytes::from(receipt)),
        });
        file.extend(entry(3, &frames(&alloy_rlp::encode(&block.header))));
        file.extend(entry(4, &frames(&alloy_rlp::encode(&block.body))));
        file.extend(entry(5, &frames(&list(&receipts.collect::<Vec<_>>().concat()))));
        file.extend(entry(6, &difficulty.to_le_bytes::<32>()));
    }
    file.extend(others);
    file.extend(entry(7, accumulator.root().as_slice()));
    let base = file.len() as i64;
    let mut index = FIRST_NUMBER.to_le_bytes().to_vec();
    offsets.iter().for_each(|offset| index.extend((offset - base).to_le_bytes()));
    index.extend((offsets.len() as u64).to_le_bytes());
    file.extend(entry(0x3266, &index));
    file
}

fn entry(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &[0, 0], data].concat()
}

fn frames(data: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(data).unwrap();
    encoder.into_inner().unwrap()
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut rlp = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut rlp);
    rlp.extend_from_slice(payload);
    rlp
}

fn open(bytes: &[u8]) -> Result<ChainFile, ChainFileError> {
    ChainFile::of_reader("the-file", Cursor::new(bytes.to_vec()))
}

/// The blocks before the first error, and the error.
fn read_all(bytes: &[u8]) -> (Vec<FileBlock>, Option<ChainFileError>) {
    let mut file = match open(bytes) {
        Ok(file) => file,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut blocks = Vec::new();
    let mut fault = None;
    for read in file.by_ref() {
        match read {
            Ok(block) => blocks.push(block),
            Err(error) => assert!(fault.replace(error).is_none(), "an error is the last thing that a file gives"),
        }
    }
    assert!(file.next().is_none());
    (blocks, fault)
}

fn error(bytes: &[u8]) -> String {
    read_all(bytes).1.expect("something is wrong with it").to_string()
}

#[test]
fn every_format_and_packing_gives_the_same_blocks() {
    let blocks = blocks(4);
    let rlp = rlp_file(&blocks);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&rlp).unwrap();
    let files = [
        (rlp.clone(), ChainFileFormat::Rlp),
        (gzip.finish().unwrap(), ChainFileFormat::Rlp),
        (zstd::encode_all(rlp.as_slice(), 3).unwrap(), ChainFileFormat::Rlp),
        (era1_file(&blocks), ChainFileFormat::Era1),
        (zstd::encode_all(era1_file(&blocks).as_slice(), 3).unwrap(), ChainFileFormat::Era1),
    ];
    for (bytes, format) in files {
        assert_eq!(open(&bytes).unwrap().format(), format);
        let (read, fault) = read_all(&bytes);
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!(read.len(), blocks.len());
        for ((position, read), block) in (0..).zip(&read).zip(&blocks) {
            assert_eq!(read.rlp, alloy_rlp::encode(block));
            assert_eq!((&read.header, read.hash), (&block.header, block.header.hash_slow()));
            assert_eq!((read.place.position, read.place.number), (Some(position), Some(block.header.number)));
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_what_comes_before_and_names_the_cut() {
    let blocks = blocks(3);
    let rlp = rlp_file(&blocks);
    let ends: Vec<usize> = blocks
        .iter()
        .scan(0, |end, block| {
            *end += alloy_rlp::encode(block).len();
            Some(*end)
        })
        .collect();
    for cut in 1..rlp.len() {
        let (read, fault) = read_all(&rlp[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(read.len(), whole, "cut at {cut}");
        // Between two blocks nothing tells that there were more.
        assert_eq!(fault.is_none(), ends.contains(&cut), "cut at {cut}");
        if let Some(fault) = fault {
            assert!(matches!(*fault.kind, ChainFileErrorKind::Input(InputError::Cut { .. })), "{fault}");
            let start = if whole == 0 { 0 } else { ends[whole - 1] as u64 };
            assert_eq!((fault.place.offset, fault.place.position), (start, Some(whole as u64)));
        }
    }
    let era1 = era1_file(&blocks);
    for cut in 1..era1.len() {
        let (read, fault) = read_all(&era1[..cut]);
        let fault = fault.unwrap_or_else(|| panic!("cut at {cut}"));
        assert!(matches!(*fault.kind, ChainFileErrorKind::Input(InputError::Cut { .. })), "{fault}");
        assert!(fault.place.offset <= cut as u64, "{fault}");
        assert!(read.iter().zip(&blocks).all(|(read, block)| read.rlp == alloy_rlp::encode(block)));
    }
}

#[test]
fn no_changed_byte_of_an_era1_file_changes_a_block_unnoticed() {
    let blocks = blocks(3);
    let era1 = era1_file(&blocks);
    for at in 0..era1.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = era1.clone();
            changed[at] ^= change;
            let (read, fault) = read_all(&changed);
            // Snappy may have another way to say the same, so a change that changes nothing is none.
            let good = read.iter().zip(&blocks).filter(|(read, block)| read.rlp == alloy_rlp::encode(block)).count();
            assert_eq!(good, read.len(), "byte {at}: {fault:?}");
            assert!(fault.is_some() || good == blocks.len(), "byte {at} changed by {change:#x}");
        }
    }
}

#[test]
fn changed_bytes_of_an_rlp_file_give_blocks_or_a_named_error() {
    let rlp = rlp_file(&blocks(3));
    for at in 0..rlp.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = rlp.clone();
            changed[at] ^= change;
            let (read, fault) = read_all(&changed);
            assert!(read.len() <= 3);
            if let Some(fault) = fault {
                assert!(fault.to_string().starts_with("the-file: byte "), "{fault}");
            }
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    use rand::{Rng, SeedableRng, rngs::SmallRng};
    for seed in 0..2000 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut bytes: Vec<u8> = (0..rng.random_range(0..200)).map(|_| rng.random()).collect();
        let start = [&[0xf9][..], &[0xc4], &entry(0x3265, &[]), &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd]];
        bytes.splice(0..0, start[seed as usize % start.len()].iter().copied());
        let (_, fault) = read_all(&bytes);
        assert!(fault.is_none_or(|fault| fault.file == Path::new("the-file")), "seed {seed}");
    }
}

#[test]
fn what_is_no_file_of_blocks_is_named() {
    assert_eq!(error(&[]), "the-file: byte 0: the file is empty");
    assert_eq!(error(b"{}"), "the-file: byte 0: neither RLP of blocks nor era1: the first byte is 0x7b");
    let missing = ChainFile::open(Path::new("no/such/file.rlp")).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file.rlp: byte 0: "), "{missing}");
    assert!(ChainFile::open(Path::new(".")).is_err());
}

#[test]
fn a_block_that_is_none_is_named_by_its_place() {
    let rlp = rlp_file(&blocks(1));
    let second = |bytes: &[u8]| error(&[&rlp[..], bytes].concat());
    let place = format!("the-file: byte {}, the block at position 1 of the file: ", rlp.len());
    let cases: [(&[u8], &str); 6] = [
        (&[0x80], "a block is an RLP list, and this begins with 0x80"),
        (&[0xf8, 0x37], "the RLP length of the block is not in its one encoding"),
        (&[0xf9, 0, 0x80], "the RLP length of the block is not in its one encoding"),
        (&[0xc0], "header: input too short"),
        (&[0xff, 1, 0, 0, 0, 0, 0, 0, 0], "a block of 72057594037927936 bytes, more than 67108864"),
        (&[0xf8, 0x38, 1], "56 bytes are to come, and the file ends after 1"),
    ];
    for (bytes, what) in cases {
        assert_eq!(second(bytes), format!("{place}{what}"));
    }
}

#[test]
fn era1_entries_out_of_order_are_named() {
    let blocks = blocks(2);
    let version = entry(0x3265, &[]);
    let header = entry(3, &frames(&alloy_rlp::encode(&blocks[0].header)));
    let text = error(&[&version[..], &header, &header].concat());
    assert!(text.ends_with("an entry of type 0x0003 where a body belongs"), "{text}");
    let text = error(&[&version[..], &version].concat());
    assert!(text.ends_with("an entry of type 0x3265 where a header or the accumulator belongs"), "{text}");
    let text = error(&entry(0x3265, &[1]));
    assert!(text.ends_with("the version of 1 bytes, not 0"), "{text}");
    let reversed: Vec<Block> = blocks.iter().rev().cloned().collect();
    let text = error(&era1_file(&reversed));
    assert!(text.contains("receipts root") || text.contains("does not follow"), "{text}");
    let text = error(&[era1_file(&blocks), vec![0]].concat());
    assert!(text.ends_with("there are bytes after the block index, the last entry"), "{text}");
    // Entries of other kinds are allowed between the blocks and the accumulator.
    let (read, fault) = read_all(&era1_file_with(&blocks, &entry(0x77, b"something")));
    assert_eq!((read.len(), fault.map(|fault| fault.to_string())), (2, None));
}

#[test]
fn an_entry_that_unpacks_to_too_much_is_refused() {
    let bomb = frames(&vec![0; BLOCK_BYTES_MAX as usize + 1]);
    let text = error(&[entry(0x3265, &[]), entry(3, &bomb)].concat());
    assert!(text.ends_with("the header of 67108865 bytes, more than 67108864"), "{text}");
}

//! Archives of blocks from before the Merge: era1, a kind of e2store file.
//!
//! ```text
//! Version | (Header Body Receipts TotalDifficulty)* | others* | Accumulator | BlockIndex
//! ```
//!
//! An entry is a type (2 bytes), a length (4), two reserved bytes, and so many bytes; integers are little-endian.
//! Headers, bodies and receipts are RLP in snappy frames. The index is the first block's number, for each block where its
//! header's entry begins, counted from the beginning of the index's own entry, and the number of blocks.
//!
//! Everything that the file says twice is compared: body and receipts with the header's roots, each header with the one before,
//! total difficulties, the accumulator, the index. The last two come at the end of the file, when the blocks were handed out
//! already: who imports them checks each on its own anyway.

use super::accumulator::Accumulator;
use super::error::ChainFileErrorKind;
use super::rlp_items::{Items, trie_value};
use super::{BLOCK_BYTES_MAX, ERA_BLOCKS_MAX, decode_header};
use crate::input::Input;
use alloy_consensus::Header;
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use std::io::Read;

/// The type of an e2store file's first entry, and its first bytes: "e2".
pub(super) const VERSION: u16 = 0x3265;
const COMPRESSED_HEADER: u16 = 0x03;
const COMPRESSED_BODY: u16 = 0x04;
const COMPRESSED_RECEIPTS: u16 = 0x05;
const TOTAL_DIFFICULTY: u16 = 0x06;
const ACCUMULATOR: u16 = 0x07;
const BLOCK_INDEX: u16 = 0x3266;

/// Most bytes of an entry, compressed: a receipt or transaction that does not shrink grows by less than one in 64.
const ENTRY_BYTES_MAX: u64 = BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 64;
/// Bytes of the index beside those of the blocks: the first number and the count.
const INDEX_FIXED_BYTES: u64 = 16;

/// How far the reading of an era1 file is.
#[derive(Debug, Default)]
pub(super) struct Era1 {
    has_version: bool,
    first_number: u64,
    /// Where each header's entry begins.
    offsets: Vec<u64>,
    accumulator: Accumulator,
    /// Number, hash and total difficulty of the block before.
    before: Option<(u64, B256, U256)>,
    /// Where the entry begins that is being read.
    entry_offset: u64,
    /// Whether all blocks were read.
    is_behind_blocks: bool,
}

/// The beginning of an entry.
struct Entry {
    kind: u16,
    bytes: u64,
}

impl Era1 {
    /// Where the reading is: the offset of its entry and, while it is in a block, the block's number if that is known.
    pub(super) fn is_at(&self) -> (u64, bool, Option<u64>) {
        let number = self.before.map(|(number, ..)| number.saturating_add(1));
        (self.entry_offset, !self.is_behind_blocks, number.filter(|_| !self.is_behind_blocks))
    }

    /// Reads the next block: its header, the header's hash, and the RLP of the whole block. `None` after the last one,
    /// when all that follows is as it must be.
    pub(super) fn read_block(
        &mut self,
        input: &mut Input,
    ) -> Result<Option<(Header, B256, Vec<u8>)>, ChainFileErrorKind> {
        if !self.has_version {
            let version = self.entry(input)?;
            expect_kind(&version, VERSION, "the version of an e2store file")?;
            expect_bytes(&version, "the version", 0)?;
            self.has_version = true;
        }
        let offset = input.offset();
        let first = self.entry(input)?;
        if first.kind != COMPRESSED_HEADER {
            self.finish(input, first)?;
            return Ok(None);
        }
        if self.offsets.len() as u64 >= ERA_BLOCKS_MAX {
            return Err(ChainFileErrorKind::TooManyBlocks { blocks_max: ERA_BLOCKS_MAX });
        }
        let header_rlp = unpack(input, &first, "the header")?;
        let mut rest = header_rlp.as_slice();
        let (header, hash) = decode_header(&mut rest)?;
        if !rest.is_empty() {
            return Err(ChainFileErrorKind::Rlp { part: "header", error: alloy_rlp::Error::UnexpectedLength });
        }
        let rlp = self.read_body(input, &header, &header_rlp)?;
        self.check_receipts(input, &header)?;
        let total_difficulty = self.read_total_difficulty(input)?;
        self.follow(&header, hash, total_difficulty)?;
        self.offsets.push(offset);
        Ok(Some((header, hash, rlp)))
    }

    /// Compares a block with the one before it, and keeps what the end of the file is compared with.
    fn follow(&mut self, header: &Header, hash: B256, total_difficulty: U256) -> Result<(), ChainFileErrorKind> {
        let not_next = |what, expected: String, found: String| ChainFileErrorKind::NotNext { what, expected, found };
        let expected = match self.before {
            None => {
                self.first_number = header.number;
                // What came before an era that is not the first is not in the file.
                if header.number == 0 { header.difficulty } else { total_difficulty }
            }
            Some((number, before, difficulty)) => {
                let next = number.saturating_add(1);
                if header.number != next {
                    return Err(not_next("number", next.to_string(), header.number.to_string()));
                }
                if header.parent_hash != before {
                    return Err(not_next("parent", before.to_string(), header.parent_hash.to_string()));
                }
                difficulty.saturating_add(header.difficulty)
            }
        };
        if expected != total_difficulty {
            return Err(ChainFileErrorKind::TotalDifficulty { expected, found: total_difficulty });
        }
        self.accumulator.push(hash, total_difficulty);
        self.before = Some((header.number, hash, total_difficulty));
        Ok(())
    }

    /// What comes after the blocks.
    fn finish(&mut self, input: &mut Input, mut next: Entry) -> Result<(), ChainFileErrorKind> {
        self.is_behind_blocks = true;
        while next.kind != ACCUMULATOR {
            if is_known(next.kind) {
                let expected = "a header or the accumulator";
                return Err(ChainFileErrorKind::EntryType { expected, found: next.kind });
            }
            input.skip(next.bytes)?;
            next = self.entry(input)?;
        }
        expect_bytes(&next, "the accumulator", 32)?;
        let expected = B256::from(input.read_array::<32>()?);
        let found = self.accumulator.root();
        if expected != found {
            return Err(ChainFileErrorKind::Root { what: "accumulator", expected, found });
        }
        let index_offset = input.offset();
        let index = self.entry(input)?;
        expect_kind(&index, BLOCK_INDEX, "the block index")?;
        let count = self.offsets.len() as u64;
        expect_bytes(&index, "the block index", INDEX_FIXED_BYTES + 8 * count)?;
        expect_value(input, "the first block's number", self.first_number.cast_signed())?;
        for offset in &self.offsets {
            expect_value(input, "the place of a header", offset.wrapping_sub(index_offset).cast_signed())?;
        }
        expect_value(input, "the number of blocks", count.cast_signed())?;
        match input.peek()? {
            None => Ok(()),
            Some(_) => Err(ChainFileErrorKind::Trailing),
        }
    }

    /// Reads the beginning of the next entry.
    fn entry(&mut self, input: &mut Input) -> Result<Entry, ChainFileErrorKind> {
        self.entry_offset = input.offset();
        let [kind_0, kind_1, length @ .., reserved_0, reserved_1] = input.read_array::<8>()?;
        match u16::from_le_bytes([reserved_0, reserved_1]) {
            0 => Ok(Entry { kind: u16::from_le_bytes([kind_0, kind_1]), bytes: u64::from(u32::from_le_bytes(length)) }),
            found => Err(ChainFileErrorKind::Reserved { found }),
        }
    }

    /// The body, held against the header; gives the RLP of the whole block. Transactions are not decoded here.
    fn read_body(
        &mut self,
        input: &mut Input,
        header: &Header,
        header_rlp: &[u8],
    ) -> Result<Vec<u8>, ChainFileErrorKind> {
        let body_entry = self.entry(input)?;
        expect_kind(&body_entry, COMPRESSED_BODY, "a body")?;
        let body_rlp = unpack(input, &body_entry, "the body")?;
        let fault = |error| ChainFileErrorKind::Rlp { part: "body", error };
        let mut parts = Items::of_list(&body_rlp).map_err(fault)?;
        let payload = parts.rest();
        let mut part = || parts.next().unwrap_or(Err(alloy_rlp::Error::UnexpectedLength)).map_err(fault);
        let (transactions, ommers) = (part()?, part()?);
        if parts.next().is_some() {
            return Err(fault(alloy_rlp::Error::UnexpectedLength));
        }
        expect_root("ommers' hash", header.ommers_hash, keccak256(ommers))?;
        expect_root("transactions root", header.transactions_root, list_root(transactions).map_err(fault)?)?;
        let payload_length = header_rlp.len() + payload.len();
        let mut rlp = Vec::with_capacity(payload_length + 9);
        alloy_rlp::Header { list: true, payload_length }.encode(&mut rlp);
        rlp.extend_from_slice(header_rlp);
        rlp.extend_from_slice(payload);
        Ok(rlp)
    }

    fn check_receipts(&mut self, input: &mut Input, header: &Header) -> Result<(), ChainFileErrorKind> {
        let receipts_entry = self.entry(input)?;
        expect_kind(&receipts_entry, COMPRESSED_RECEIPTS, "receipts")?;
        let receipts = unpack(input, &receipts_entry, "the receipts")?;
        let root = list_root(&receipts).map_err(|error| ChainFileErrorKind::Rlp { part: "receipts", error })?;
        expect_root("receipts root", header.receipts_root, root)
    }

    fn read_total_difficulty(&mut self, input: &mut Input) -> Result<U256, ChainFileErrorKind> {
        let difficulty_entry = self.entry(input)?;
        expect_kind(&difficulty_entry, TOTAL_DIFFICULTY, "a total difficulty")?;
        expect_bytes(&difficulty_entry, "the total difficulty", 32)?;
        Ok(U256::from_le_bytes(input.read_array::<32>()?))
    }
}

fn is_known(kind: u16) -> bool {
    let in_a_block = COMPRESSED_HEADER..=ACCUMULATOR;
    in_a_block.contains(&kind) || [VERSION, BLOCK_INDEX].contains(&kind)
}

fn expect_kind(entry: &Entry, kind: u16, expected: &'static str) -> Result<(), ChainFileErrorKind> {
    if entry.kind == kind { Ok(()) } else { Err(ChainFileErrorKind::EntryType { expected, found: entry.kind }) }
}

fn expect_bytes(entry: &Entry, name: &'static str, expected: u64) -> Result<(), ChainFileErrorKind> {
    if entry.bytes == expected {
        return Ok(());
    }
    Err(ChainFileErrorKind::EntryLength { entry: name, bytes: entry.bytes, expected })
}

fn expect_value(input: &mut Input, what: &'static str, expected: i64) -> Result<(), ChainFileErrorKind> {
    let found = i64::from_le_bytes(input.read_array()?);
    if found == expected { Ok(()) } else { Err(ChainFileErrorKind::Index { what, expected, found }) }
}

/// The content of an entry in snappy frames.
fn unpack(input: &mut Input, entry: &Entry, part: &'static str) -> Result<Vec<u8>, ChainFileErrorKind> {
    let too_large = |bytes, bytes_max| ChainFileErrorKind::TooLarge { what: part, bytes, bytes_max };
    if entry.bytes > ENTRY_BYTES_MAX {
        return Err(too_large(entry.bytes, ENTRY_BYTES_MAX));
    }
    let mut frames = Vec::new();
    input.read_bytes(entry.bytes, &mut frames)?;
    let mut content = Vec::new();
    // One byte more than allowed tells "exactly full" from "too large".
    let mut decoder = snap::read::FrameDecoder::new(frames.as_slice()).take(BLOCK_BYTES_MAX + 1);
    decoder.read_to_end(&mut content).map_err(|error| ChainFileErrorKind::Snappy { part, error })?;
    let bytes = content.len() as u64;
    if bytes > BLOCK_BYTES_MAX { Err(too_large(bytes, BLOCK_BYTES_MAX)) } else { Ok(content) }
}

fn expect_root(what: &'static str, expected: B256, found: B256) -> Result<(), ChainFileErrorKind> {
    if expected == found { Ok(()) } else { Err(ChainFileErrorKind::Root { what, expected, found }) }
}

/// The root of the trie of a list's items by their positions. Exactly one list is taken.
fn list_root(rlp: &[u8]) -> alloy_rlp::Result<B256> {
    let values = Items::of_list(rlp)?.map(|item| trie_value(item?)).collect::<alloy_rlp::Result<Vec<_>>>()?;
    Ok(ordered_trie_root_encoded(&values))
}

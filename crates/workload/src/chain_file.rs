//! Chains of blocks from files, one block at a time.
//!
//! ```text
//! path --open--> content --first byte--> RLP of blocks, one after the other
//!                (plain, gzip, zstd)     era1: headers, bodies, receipts, total difficulties --next--> FileBlock
//! ```
//!
//! What decides how a file is read is its content, never its name. Memory is bounded by one block
//! ([`BLOCK_BYTES_MAX`]) and, for era1, the 8192 entries of its index. An error names the file, the byte and the
//! block, and is the last thing that a file gives: what came before it is good.
//!
//! Blocks come as bytes with their header: whoever skips those that it has need not decode the others. Whether a block is valid is not
//! judged here.

mod accumulator;
mod era1;
mod error;
mod rlp_chain;
mod rlp_items;

#[cfg(test)]
mod tests;

pub use accumulator::Accumulator;
pub use error::{ChainFileError, ChainFileErrorKind, Place};

use crate::input::{Input, InputError, Packing};
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use era1::Era1;
use rlp_items::split_item;
use std::path::{Path, PathBuf};

/// Most bytes of one block, and of a block's receipts: 64 MiB. Blocks of mainnet stay below 8 MiB (EIP-7934).
pub const BLOCK_BYTES_MAX: u64 = 64 << 20;
/// Most blocks of an era1 file. EPOCH_SIZE of the header accumulator.
pub const ERA_BLOCKS_MAX: u64 = 8192;

/// A block as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBlock {
    /// Where it begins.
    pub place: Place,
    /// The header.
    pub header: Header,
    /// Hash of the header's bytes.
    pub hash: B256,
    /// The whole block, header included. Only the header has been decoded.
    pub rlp: Vec<u8>,
}

/// What a file of blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFileFormat {
    /// RLP of blocks, one after the other.
    Rlp,
    /// An era1 archive.
    Era1,
}

/// A file of blocks, open for reading. See the module's description.
#[derive(Debug)]
pub struct ChainFile {
    file: PathBuf,
    input: Input,
    reading: Reading,
    /// Blocks that were read.
    position: u64,
    is_over: bool,
}

#[derive(Debug)]
enum Reading {
    Rlp,
    Era1(Box<Era1>),
}

impl ChainFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or begins like no file of blocks.
    pub fn open(path: &Path) -> Result<Self, ChainFileError> {
        Self::of_input(path, Input::open(path))
    }

    /// Reads blocks from any stream; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`ChainFile::open`].
    pub fn of_reader(
        name: impl Into<PathBuf>,
        reader: impl std::io::Read + Send + 'static,
    ) -> Result<Self, ChainFileError> {
        Self::of_input(&name.into(), Input::of_reader(reader, 0))
    }

    fn of_input(file: &Path, input: Result<Input, InputError>) -> Result<Self, ChainFileError> {
        let at_start = |is_packed, kind| ChainFileError {
            file: file.to_owned(),
            place: Place { offset: 0, is_packed, position: None, number: None },
            kind: Box::new(kind),
        };
        let mut input = input.map_err(|error| at_start(false, error.into()))?;
        let is_packed = input.packing() != Packing::Plain;
        let [era1_first, _] = era1::VERSION.to_le_bytes();
        let reading = match input.peek().map_err(|error| at_start(is_packed, error.into()))? {
            None => return Err(at_start(is_packed, ChainFileErrorKind::Empty)),
            Some(first) if first == era1_first => Reading::Era1(Box::default()),
            Some(first) if first >= alloy_rlp::EMPTY_LIST_CODE => Reading::Rlp,
            Some(first) => return Err(at_start(is_packed, ChainFileErrorKind::UnknownFormat { first })),
        };
        Ok(Self { file: file.to_owned(), input, reading, position: 0, is_over: false })
    }

    /// What the file is.
    pub fn format(&self) -> ChainFileFormat {
        match self.reading {
            Reading::Rlp => ChainFileFormat::Rlp,
            Reading::Era1(_) => ChainFileFormat::Era1,
        }
    }

    /// The file, or the name that was given.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Bytes that were taken from the file, and how many it has (0: unknown). For showing progress.
    pub fn taken_of(&self) -> (u64, u64) {
        self.input.taken_of()
    }

    fn read_block(&mut self) -> Result<Option<FileBlock>, ChainFileError> {
        let mut place = Place {
            offset: self.input.offset(),
            is_packed: self.input.packing() != Packing::Plain,
            position: Some(self.position),
            number: None,
        };
        let read = match &mut self.reading {
            Reading::Rlp => match self.input.peek() {
                Ok(None) => Ok(None),
                Ok(Some(_)) => rlp_chain::read_block(&mut self.input).map(Some),
                Err(error) => Err(error.into()),
            },
            Reading::Era1(era1) => era1.read_block(&mut self.input),
        };
        match read {
            Ok(None) => Ok(None),
            Ok(Some((header, hash, rlp))) => {
                place.number = Some(header.number);
                self.position += 1;
                Ok(Some(FileBlock { place, header, hash, rlp }))
            }
            Err(kind) => {
                if let Reading::Era1(era1) = &self.reading {
                    let (offset, is_in_block, number) = era1.is_at();
                    place = Place { offset, number, position: place.position.filter(|_| is_in_block), ..place };
                }
                Err(ChainFileError { file: self.file.clone(), place, kind: Box::new(kind) })
            }
        }
    }
}

impl Iterator for ChainFile {
    type Item = Result<FileBlock, ChainFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read_block().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

/// Takes a header from the beginning of some RLP; gives its hash, too.
fn decode_header(rest: &mut &[u8]) -> Result<(Header, B256), ChainFileErrorKind> {
    let fault = |error| ChainFileErrorKind::Rlp { part: "header", error };
    let rlp = split_item(rest).map_err(fault)?;
    let mut left = rlp;
    let header = Header::decode(&mut left).map_err(fault)?;
    if !left.is_empty() {
        return Err(fault(alloy_rlp::Error::UnexpectedLength));
    }
    Ok((header, keccak256(rlp)))
}

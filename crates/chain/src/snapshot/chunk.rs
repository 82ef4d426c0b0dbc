//! Chunks: kind, length, content, checksum.
//!
//! Big-endian: kind (1), length of the content (4), content, CRC-32C (4) over number of the chunk (8), kind, length and content.

use super::error::{SnapshotError, SnapshotFault};
use alloy_rlp::{Decodable, Encodable};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"MOTETSNP";
/// The version that this program writes and reads.
const VERSION: u32 = 1;
/// Most bytes of a chunk's content: room for any block with its ancestors.
const CHUNK_BYTES_MAX: u64 = 128 << 20;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Block = 1,
    Accounts = 2,
    Codes = 3,
    End = 4,
}

fn checksum(number: u64, kind: u8, length: [u8; 4], content: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(&number.to_be_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(sum, &[kind]), &length);
    crc32c::crc32c_append(sum, content).to_be_bytes()
}

/// Writes chunks.
pub(super) struct ChunkWriter<W> {
    out: W,
    number: u64,
    offset: u64,
}

impl<W: Write> ChunkWriter<W> {
    pub(super) fn start(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_be_bytes())?;
        Ok(Self { out, number: 0, offset: 12 })
    }

    pub(super) fn put(&mut self, kind: Kind, value: &impl Encodable) -> Result<(), SnapshotFault> {
        let content = alloy_rlp::encode(value);
        let bytes = content.len() as u64;
        let too_large = SnapshotFault::TooLarge { bytes, bytes_max: CHUNK_BYTES_MAX };
        let length = match u32::try_from(bytes) {
            Ok(length) if bytes <= CHUNK_BYTES_MAX => length.to_be_bytes(),
            _ => return Err(too_large),
        };
        let sum = checksum(self.number, kind as u8, length, &content);
        for part in [&[kind as u8][..], &length, &content, &sum] {
            self.out.write_all(part)?;
        }
        self.number += 1;
        self.offset += 9 + bytes;
        Ok(())
    }

    pub(super) fn at(&self, fault: SnapshotFault) -> SnapshotError {
        SnapshotError { offset: self.offset, chunk: self.number, fault }
    }
}

/// Reads chunks.
pub(super) struct ChunkReader<R> {
    input: R,
    /// The chunk that was read last, and where it begins.
    number: u64,
    offset: u64,
    next_offset: u64,
    next_number: u64,
}

impl<R: Read> ChunkReader<R> {
    pub(super) fn start(input: R) -> Result<Self, SnapshotError> {
        let mut reader = Self { input, number: 0, offset: 0, next_offset: 0, next_number: 0 };
        let mut head = [0; 12];
        let started = reader.fill(&mut head).and_then(|()| {
            let (magic, version) = head.split_at(MAGIC.len());
            match <[u8; 4]>::try_from(version).map(u32::from_be_bytes) {
                _ if magic != MAGIC => Err(SnapshotFault::Magic),
                Ok(VERSION) => Ok(()),
                found => Err(SnapshotFault::Version { found: found.unwrap_or_default(), known: VERSION }),
            }
        });
        match started {
            Ok(()) => {
                reader.next_offset = 12;
                Ok(reader)
            }
            Err(SnapshotFault::Cut) => Err(reader.at(SnapshotFault::Magic)),
            Err(fault) => Err(reader.at(fault)),
        }
    }

    /// The next chunk's kind and content, its checksum checked.
    pub(super) fn next(&mut self) -> Result<(u8, Vec<u8>), SnapshotFault> {
        (self.offset, self.number) = (self.next_offset, self.next_number);
        let mut head = [0; 5];
        self.fill(&mut head)?;
        let [kind, length @ ..] = head;
        let bytes = u64::from(u32::from_be_bytes(length));
        if bytes > CHUNK_BYTES_MAX {
            return Err(SnapshotFault::TooLarge { bytes, bytes_max: CHUNK_BYTES_MAX });
        }
        let mut content = Vec::new();
        // Memory is taken as the bytes come, not as they are announced.
        if (self.input.by_ref().take(bytes).read_to_end(&mut content).map_err(cut)? as u64) < bytes {
            return Err(SnapshotFault::Cut);
        }
        let mut sum = [0; 4];
        self.fill(&mut sum)?;
        if sum != checksum(self.number, kind, length, &content) {
            return Err(SnapshotFault::Checksum);
        }
        self.next_offset = self.offset + 9 + bytes;
        self.next_number += 1;
        Ok((kind, content))
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), SnapshotFault> {
        let mut more = Vec::new();
        match self.input.by_ref().take(1).read_to_end(&mut more).map_err(cut)? {
            0 => Ok(()),
            _ => Err(SnapshotFault::Trailing),
        }
    }

    pub(super) fn at(&self, fault: SnapshotFault) -> SnapshotError {
        SnapshotError { offset: self.offset, chunk: self.number, fault }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), SnapshotFault> {
        self.input.read_exact(into).map_err(cut)
    }
}

fn cut(error: io::Error) -> SnapshotFault {
    if error.kind() == io::ErrorKind::UnexpectedEof { SnapshotFault::Cut } else { SnapshotFault::Io(error) }
}

/// Decodes the whole content of a chunk.
pub(super) fn decode<T: Decodable>(part: &'static str, content: &[u8]) -> Result<T, SnapshotFault> {
    alloy_rlp::decode_exact(content).map_err(|error| SnapshotFault::Rlp { part, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ChunkWriter::start(&mut bytes).unwrap();
        writer.put(Kind::Accounts, &vec![1u64, 2]).unwrap();
        writer.put(Kind::End, &7u64).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, SnapshotError> {
        let mut reader = ChunkReader::start(bytes)?;
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (kind, _) = reader.next().map_err(|fault| reader.at(fault))?;
            kinds.push(kind);
        }
        reader.end().map_err(|fault| reader.at(fault))?;
        Ok(kinds)
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_named() {
        let bytes = file();
        assert_eq!(read(&bytes).unwrap(), [2, 4]);
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                let error = read(&changed).unwrap_err();
                assert!(error.offset <= at as u64, "byte {at}: {error}");
            }
        }
        assert!(matches!(read(&[&bytes[..], &[0]].concat()).unwrap_err().fault, SnapshotFault::Trailing));
    }

    #[test]
    fn chunks_that_change_places_are_found() {
        let bytes = file();
        let (first, second) = bytes[12..].split_at(bytes.len() - 12 - 10);
        let error = read(&[&bytes[..12], second, first].concat()).unwrap_err();
        assert!(matches!(error.fault, SnapshotFault::Checksum), "{error}");
    }
}

//! The bytes of a file, uncompressed and bounded.

use super::error::{BlockFileError, BlockFileErrorKind};
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of one file, before and after decompression: 1 GiB. The biggest real blocks with their
/// witnesses stay below a tenth of it.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// The first bytes of every gzip member. RFC 1952, ID1 and ID2.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a file and decompresses it if it is gzip; what decides is its content, not its name.
///
/// # Errors
/// When it cannot be read, is above [`FILE_BYTES_MAX`], or is damaged gzip.
pub fn read(path: &Path) -> Result<Vec<u8>, BlockFileError> {
    read_kind(path).map_err(|kind| BlockFileError::new(path, kind))
}

fn read_kind(path: &Path) -> Result<Vec<u8>, BlockFileErrorKind> {
    let file = File::open(path).map_err(BlockFileErrorKind::Io)?;
    let bytes = read_bounded(file, FILE_BYTES_MAX, BlockFileErrorKind::Io)?;
    match inflate(&bytes)? {
        Cow::Owned(inflated) => Ok(inflated),
        Cow::Borrowed(_) => Ok(bytes),
    }
}

/// Decompresses gzip; other bytes are given back as they are.
pub(super) fn inflate(bytes: &[u8]) -> Result<Cow<'_, [u8]>, BlockFileErrorKind> {
    inflate_bounded(bytes, FILE_BYTES_MAX)
}

pub(super) fn inflate_bounded(bytes: &[u8], bytes_max: u64) -> Result<Cow<'_, [u8]>, BlockFileErrorKind> {
    if bytes.starts_with(&GZIP_MAGIC) {
        return read_bounded(MultiGzDecoder::new(bytes), bytes_max, gzip_error).map(Cow::Owned);
    }
    if bytes.len() as u64 > bytes_max {
        return Err(BlockFileErrorKind::TooLarge { bytes_max });
    }
    Ok(Cow::Borrowed(bytes))
}

fn read_bounded(
    input: impl Read,
    bytes_max: u64,
    fault: impl FnOnce(io::Error) -> BlockFileErrorKind,
) -> Result<Vec<u8>, BlockFileErrorKind> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "exactly full" from "too large".
    match input.take(bytes_max + 1).read_to_end(&mut bytes) {
        Err(error) => Err(fault(error)),
        Ok(count) if count as u64 > bytes_max => Err(BlockFileErrorKind::TooLarge { bytes_max }),
        Ok(_) => Ok(bytes),
    }
}

fn gzip_error(error: io::Error) -> BlockFileErrorKind {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        BlockFileErrorKind::GzipTruncated
    } else {
        BlockFileErrorKind::Gzip(error)
    }
}

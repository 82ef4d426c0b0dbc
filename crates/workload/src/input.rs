//! The bytes of a file, uncompressed as they are read, and counted.
//!
//! ```text
//! file --count--> gzip | zstd | plain, by the first bytes --count--> content
//! ```
//!
//! Memory is bounded by the decoders' windows, however long the content is.

use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first bytes of every gzip member. RFC 1952, ID1 and ID2.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The first bytes of every Zstandard frame. RFC 8878, Magic_Number.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest window of a Zstandard frame, as a power of two: what its own tool takes without being asked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Bytes that are read from the file, and from a decoder, at a time.
const BUFFER_BYTES: usize = 1 << 17;

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Packing {
    /// The packing that a file's name asks a writer for: `.gz`, `.zst`, anything else is plain.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The packing that the first bytes of a file show.
    pub fn of_content(first: &[u8]) -> Self {
        if first.starts_with(&GZIP_MAGIC) {
            Self::Gzip
        } else if first.starts_with(&ZSTD_MAGIC) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// Bytes that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system refuses.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The compressed data ends early.
    #[error("the compressed data is cut off")]
    PackingCut,
    /// The compressed data is damaged.
    #[error("the compressed data is damaged: {0}")]
    Packing(#[source] io::Error),
    /// The content ends early.
    #[error("{expected} bytes are to come, and the file ends after {found}")]
    Cut {
        /// How many bytes are to come.
        expected: u64,
        /// How many are there.
        found: u64,
    },
}

/// The content of a file as a stream.
pub struct Input {
    content: BufReader<Box<dyn Read + Send>>,
    packing: Packing,
    offset: u64,
    taken: Arc<AtomicU64>,
    file_bytes: u64,
}

impl Input {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let file = File::open(path).map_err(InputError::Io)?;
        let meta = file.metadata().map_err(InputError::Io)?;
        if meta.is_dir() {
            return Err(InputError::Io(io::ErrorKind::IsADirectory.into()));
        }
        Self::of_reader(file, meta.len())
    }

    /// The content of any stream; `file_bytes` is its length where that is known, else 0.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_reader(reader: impl Read + Send + 'static, file_bytes: u64) -> Result<Self, InputError> {
        let taken = Arc::new(AtomicU64::new(0));
        let mut counted = Counted { reader, taken: taken.clone() };
        let mut first = Vec::with_capacity(ZSTD_MAGIC.len());
        counted.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut first).map_err(InputError::Io)?;
        let packing = Packing::of_content(&first);
        let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(first).chain(counted));
        let content: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(whole).map_err(InputError::Io)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(InputError::Io)?;
                Box::new(decoder)
            }
        };
        let content = BufReader::with_capacity(BUFFER_BYTES, content);
        Ok(Self { content, packing, offset: 0, taken, file_bytes })
    }

    /// How the file is packed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Bytes of content that were read: the offset of the next one.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that were taken from the file, and how many it has (0: unknown). For showing progress.
    pub fn taken_of(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.file_bytes)
    }

    /// The next byte, which stays the next; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or unpacked.
    pub fn peek(&mut self) -> Result<Option<u8>, InputError> {
        loop {
            match self.content.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(named(error, self.packing)),
            }
        }
    }

    /// The next `count` bytes, appended to `into`. Memory is taken as they come, not as they are announced.
    ///
    /// # Errors
    /// When there are fewer, and when the file cannot be read or unpacked.
    pub fn read_bytes(&mut self, count: u64, into: &mut Vec<u8>) -> Result<(), InputError> {
        let read = self.content.by_ref().take(count).read_to_end(into).map_err(|error| named(error, self.packing))?;
        let found = read as u64;
        self.offset = self.offset.saturating_add(found);
        if found < count { Err(InputError::Cut { expected: count, found }) } else { Ok(()) }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// As [`Input::read_bytes`].
    pub fn read_array<const N: usize>(&mut self) -> Result<[u8; N], InputError> {
        let mut bytes = Vec::with_capacity(N);
        self.read_bytes(N as u64, &mut bytes)?;
        let found = bytes.len() as u64;
        bytes.try_into().map_err(|_| InputError::Cut { expected: N as u64, found })
    }

    /// Passes over bytes.
    ///
    /// # Errors
    /// As [`Input::read_bytes`].
    pub fn skip(&mut self, count: u64) -> Result<(), InputError> {
        let mut rest = self.content.by_ref().take(count);
        let found = io::copy(&mut rest, &mut io::sink()).map_err(|error| named(error, self.packing))?;
        self.offset = self.offset.saturating_add(found);
        if found < count { Err(InputError::Cut { expected: count, found }) } else { Ok(()) }
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buf)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packing, offset, .. } = self;
        f.debug_struct("Input").field("packing", packing).field("offset", offset).finish_non_exhaustive()
    }
}

/// What an error of reading means. What the system says has its number; all else is a decoder's.
fn named(error: io::Error, packing: Packing) -> InputError {
    if packing == Packing::Plain || error.raw_os_error().is_some() {
        InputError::Io(error)
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        InputError::PackingCut
    } else {
        InputError::Packing(error)
    }
}

/// Counts what is read from a file.
struct Counted<R> {
    reader: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buf)?;
        // Who shows progress may see it late: nothing else depends on it.
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const CONTENT: &[u8] = b"0123456789 and so on and so on and so on";

    fn gzip() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(CONTENT).unwrap();
        encoder.finish().unwrap()
    }

    fn input(bytes: &[u8]) -> Input {
        Input::of_reader(Cursor::new(bytes.to_vec()), bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_content_decides_how_it_is_unpacked() {
        let packed = [
            (CONTENT.to_vec(), Packing::Plain),
            (gzip(), Packing::Gzip),
            (zstd::encode_all(CONTENT, 3).unwrap(), Packing::Zstd),
            ([gzip(), gzip()].concat(), Packing::Gzip),
        ];
        for (bytes, packing) in packed {
            let mut input = input(&bytes);
            assert_eq!(input.packing(), packing);
            assert_eq!(input.read_array::<3>().unwrap(), *b"012");
            input.skip(4).unwrap();
            assert_eq!((input.offset(), input.peek().unwrap()), (7, Some(b'7')));
            let mut rest = Vec::new();
            input.read_bytes(CONTENT.len() as u64 - 7, &mut rest).unwrap();
            assert_eq!(rest, CONTENT[7..]);
            assert_eq!(input.taken_of(), (bytes.len() as u64, bytes.len() as u64));
        }
    }

    #[test]
    fn a_cut_is_told_by_its_kind() {
        let found = input(CONTENT).read_bytes(1 << 60, &mut Vec::new()).unwrap_err();
        assert!(matches!(found, InputError::Cut { found: 40, .. }), "{found}");
        for packed in [gzip(), zstd::encode_all(CONTENT, 3).unwrap()] {
            for cut in 4..packed.len() {
                let found = input(&packed[..cut]).read_bytes(100, &mut Vec::new()).unwrap_err();
                assert!(matches!(found, InputError::PackingCut), "{cut}: {found:?}");
            }
        }
    }

    #[test]
    fn flipped_bits_of_packed_content_are_found() {
        let packed = gzip();
        for at in 10..packed.len() {
            let mut flipped = packed.clone();
            flipped[at] ^= 1 << (at % 8);
            let found = input(&flipped).read_bytes(1 << 20, &mut Vec::new());
            assert!(matches!(found, Err(InputError::Packing(_) | InputError::PackingCut)), "{at}: {found:?}");
        }
    }

    #[test]
    fn names_choose_the_packing_of_what_is_written() {
        let of = |name: &str| Packing::of_name(Path::new(name));
        assert_eq!((of("a.rlp.gz"), of("a.zst"), of("gz")), (Packing::Gzip, Packing::Zstd, Packing::Plain));
    }
}

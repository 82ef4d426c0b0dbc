//! What can be wrong with a fixture.

use std::fmt;
use std::io;

/// A fixture that cannot be read or parsed.
#[derive(Debug, thiserror::Error)]
pub enum SpecTestError {
    /// A file, folder or archive member that cannot be read.
    #[error("{file}: {error}")]
    Io {
        /// The file; `archive!/member` inside an archive.
        file: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A file above the size that is read into memory.
    #[error("{file}: more than {bytes_max} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// The bound.
        bytes_max: u64,
    },
    /// A path whose name says neither folder, JSON nor archive.
    #[error("{file}: not .json, .json.gz, .tar, .tar.gz, .tar.zst or a folder")]
    UnknownKind {
        /// The path.
        file: String,
    },
    /// Bytes that are no JSON.
    #[error("{file}: {error}")]
    Json {
        /// The file.
        file: String,
        /// What the JSON parser says.
        #[source]
        error: serde_json::Error,
    },
    /// A field that is missing or malformed.
    #[error("{file}: {error}")]
    Field {
        /// The file.
        file: String,
        /// Which field and why.
        #[source]
        error: FieldError,
    },
}

/// One field of a JSON document with what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {fault}")]
pub struct FieldError {
    /// Keys and positions from the document's root: `case.blocks[2].rlp`.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A field that must be there is not.
    #[error("is missing")]
    Missing,
    /// Another JSON type.
    #[error("is {found}, expected {expected}")]
    Type {
        /// What the field should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Text that is no `0x` hexadecimal.
    #[error("is {0}, not hexadecimal after 0x")]
    NotHex(Excerpt),
    /// Half a byte too many.
    #[error("has an odd number of hexadecimal digits")]
    OddDigits,
    /// Bytes of a fixed length, with another length.
    #[error("has {have} bytes, expected {want}")]
    Length {
        /// The length found.
        have: usize,
        /// The length of the type.
        want: usize,
    },
    /// A number that its type cannot hold.
    #[error("is {text}, more than {bits} bits")]
    TooWide {
        /// The number.
        text: Excerpt,
        /// Width of the type.
        bits: usize,
    },
    /// A value that the generator marks as wider than, or differently padded from, what RLP allows.
    #[error("is {0}, a number that is invalid on purpose")]
    BigInt(Excerpt),
    /// A network or fork that no chain specification exists for.
    #[error("names the unknown network {0}")]
    UnknownNetwork(Excerpt),
    /// Blob parameters that no chain can run with.
    #[error("is impossible: {0}")]
    BlobSchedule(String),
    /// A position outside the list that it points into.
    #[error("is {index}, but the list has {length} items")]
    Index {
        /// The position.
        index: u64,
        /// Length of the list.
        length: usize,
    },
    /// Text outside a closed set of words.
    #[error("is {found}, expected {expected}")]
    Word {
        /// The text.
        found: Excerpt,
        /// The words that are allowed.
        expected: &'static str,
    },
    /// An EIP-7702 authority that differs from the one which the signature recovers to.
    #[error("differs from the signer that the signature recovers to")]
    Signer,
    /// A transaction that its fields do not make.
    #[error("makes no transaction: {0}")]
    Transaction(&'static str),
}

impl Fault {
    /// Whether the value is well-formed, but outside what any client can represent or run.
    pub fn is_unrepresentable(&self) -> bool {
        matches!(self, Self::TooWide { .. } | Self::BigInt(_) | Self::UnknownNetwork(_))
    }
}

/// The beginning of a text from a fixture, short enough for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

/// Characters of a fixture's text that a message repeats.
const EXCERPT_CHARS_MAX: usize = 80;

impl Excerpt {
    /// Cuts `text` to a length that a message can carry.
    pub fn new(text: &str) -> Self {
        match text.char_indices().nth(EXCERPT_CHARS_MAX) {
            Some((cut, _)) => Self(format!("{}...", &text[..cut])),
            None => Self(text.to_owned()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

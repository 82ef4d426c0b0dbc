//! A record of the log: one step of the chain, and where the chain then stands.

use super::rollback;
use alloy_primitives::B256;

/// Where the chain stands after a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the record: 1 for the first, one more for each after it. Unlike the height it never goes back.
    pub seq: u64,
    /// Height of the block.
    pub height: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of its parent.
    pub parent: B256,
    /// State root after the block.
    pub root: B256,
}

/// Bytes of an encoded [`Head`].
const HEAD_BYTES: usize = 16 + 3 * 32;

impl Head {
    /// The head as the tables hold it. Integers are big-endian there.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.height.to_be_bytes());
        for hash in [self.hash, self.parent, self.root] {
            out.extend_from_slice(hash.as_slice());
        }
        out
    }

    /// The reverse of [`Head::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let (parent, rest) = rest.split_first_chunk::<32>()?;
        let root: [u8; 32] = rest.try_into().ok()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            height: u64::from_be_bytes(*height),
            hash: hash.into(),
            parent: parent.into(),
            root: root.into(),
        })
    }
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The next block; the payload is the block.
    Block,
    /// Back to an earlier block; the payload is what the tables must be told.
    Rollback,
}

impl Kind {
    /// The kind's number in the log. 0 is the seal's.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Block => 1,
            Self::Rollback => 2,
        }
    }

    /// The reverse of [`Kind::number`].
    pub(crate) const fn by_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Block),
            2 => Some(Self::Rollback),
            _ => None,
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it does.
    pub kind: Kind,
    /// Where the chain then stands.
    pub head: Head,
    /// What the kind needs.
    pub payload: Vec<u8>,
}

impl Record {
    /// How many records behind this one count with it or not at all; `None` where the payload does not say.
    pub(crate) fn blocks_with(&self) -> Option<usize> {
        match self.kind {
            Kind::Block => Some(0),
            Kind::Rollback => rollback::blocks_with(&self.payload),
        }
    }
}

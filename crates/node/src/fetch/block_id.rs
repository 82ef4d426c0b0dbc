//! Which block to fetch, from the command line.

use alloy_primitives::B256;
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

/// A block by number, name or hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockId {
    Number(u64),
    /// `latest`, `safe` or `finalized`.
    Tag(&'static str),
    Hash(B256),
}

/// A text that names no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number (19000000 or 0x121eac0), a hash of 64 hexadecimal digits after 0x, latest, safe or finalized")]
pub(super) struct BlockIdError;

/// The names that a mined block can have.
const TAGS: [&str; 3] = ["latest", "safe", "finalized"];
/// Characters of a hash with its prefix.
const HASH_CHARS: usize = 66;

impl FromStr for BlockId {
    type Err = BlockIdError;

    fn from_str(text: &str) -> Result<Self, BlockIdError> {
        if let Some(tag) = TAGS.into_iter().find(|tag| *tag == text) {
            return Ok(Self::Tag(tag));
        }
        if text.len() == HASH_CHARS && text.starts_with("0x") {
            return text.parse().map(Self::Hash).map_err(|_| BlockIdError);
        }
        let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
        // `from_str_radix` takes a sign.
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(BlockIdError);
        }
        u64::from_str_radix(digits, radix).map(Self::Number).map_err(|_| BlockIdError)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

impl BlockId {
    /// The method that gives the block.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Hash(_) => "eth_getBlockByHash",
            Self::Number(_) | Self::Tag(_) => "eth_getBlockByNumber",
        }
    }

    /// The parameters of [`BlockId::method`]; `full` asks for whole transactions.
    pub(super) fn params(self, full: bool) -> Value {
        match self {
            Self::Number(number) => json!([quantity(number), full]),
            Self::Tag(tag) => json!([tag, full]),
            Self::Hash(hash) => json!([hash, full]),
        }
    }
}

/// A number as JSON-RPC writes it.
pub(super) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_hashes_and_names_are_told_apart() {
        let hash = B256::repeat_byte(0xab);
        assert_eq!("19000000".parse(), Ok(BlockId::Number(19_000_000)));
        assert_eq!("0x10".parse(), Ok(BlockId::Number(16)));
        assert_eq!("latest".parse(), Ok(BlockId::Tag("latest")));
        assert_eq!(hash.to_string().parse(), Ok(BlockId::Hash(hash)));
        let zz = format!("0x{}", "z".repeat(64));
        for text in
            ["", "0x", "-1", "+1", "1e6", "pending", "0xg", "18446744073709551616", &hash.to_string()[..65], &zz]
        {
            assert_eq!(text.parse::<BlockId>(), Err(BlockIdError), "{text:?}");
        }
        assert_eq!(BlockId::Number(16).params(true), json!(["0x10", true]));
    }
}

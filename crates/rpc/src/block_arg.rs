//! How a request names a block: by height, by tag, or by hash (EIP-1898).

use crate::hex_args::{HashArg, HexFault, quantity};
use alloy_primitives::B256;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Characters of a hash with its prefix.
const HASH_CHARS: usize = 66;

/// A block by what a request calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockArg {
    /// The canonical block at a height.
    Number(u64),
    /// The block that the word stands for now.
    Tag(BlockTag),
    /// The block with this hash.
    Hash {
        /// The hash.
        hash: B256,
        /// Whether a block that is not canonical will not do.
        must_be_canonical: bool,
    },
}

/// A word for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTag {
    /// The first block.
    Earliest,
    /// The head.
    Latest,
    /// The block after the head.
    Pending,
    /// The last block that will hardly leave the chain, as the consensus side says.
    Safe,
    /// The last block that will not leave the chain, as the consensus side says.
    Finalized,
}

impl Default for BlockArg {
    /// The head, where a request names no block.
    fn default() -> Self {
        Self::Tag(BlockTag::Latest)
    }
}

impl BlockArg {
    /// Whether the block after the head is meant.
    pub fn is_pending(&self) -> bool {
        *self == Self::Tag(BlockTag::Pending)
    }
}

impl From<B256> for BlockArg {
    fn from(hash: B256) -> Self {
        Self::Hash { hash, must_be_canonical: false }
    }
}

impl<'de> Deserialize<'de> for BlockArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BlockVisitor)
    }
}

/// A block by height or tag, where a hash will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeightArg(pub(crate) BlockArg);

impl<'de> Deserialize<'de> for HeightArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        height(&text).map(Self).map_err(D::Error::custom)
    }
}

/// What is wrong with a height.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum HeightFault {
    #[error(transparent)]
    Hex(#[from] HexFault),
    #[error("block number larger than int64")]
    AboveInt64,
}

fn height(text: &str) -> Result<BlockArg, HeightFault> {
    let tag = match text.trim() {
        "earliest" => BlockTag::Earliest,
        "latest" => BlockTag::Latest,
        "pending" => BlockTag::Pending,
        "safe" => BlockTag::Safe,
        "finalized" => BlockTag::Finalized,
        text => {
            let number = quantity(text)?;
            return if i64::try_from(number).is_ok() {
                Ok(BlockArg::Number(number))
            } else {
                Err(HeightFault::AboveInt64)
            };
        }
    };
    Ok(BlockArg::Tag(tag))
}

struct BlockVisitor;

/// EIP-1898.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockObject {
    block_number: Option<HeightArg>,
    block_hash: Option<HashArg>,
    require_canonical: Option<bool>,
}

impl<'de> Visitor<'de> for BlockVisitor {
    type Value = BlockArg;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block number, tag or hash")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BlockArg, E> {
        if text.len() == HASH_CHARS {
            let hash = crate::hex_args::fixed(text).map_err(E::custom)?;
            return Ok(BlockArg::Hash { hash, must_be_canonical: false });
        }
        height(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BlockArg, A::Error> {
        let object = BlockObject::deserialize(MapAccessDeserializer::new(map))?;
        match (object.block_number, object.block_hash) {
            (Some(_), Some(_)) => {
                Err(A::Error::custom("cannot specify both BlockHash and BlockNumber, choose one or the other"))
            }
            (Some(HeightArg(number)), None) => Ok(number),
            (None, Some(HashArg(hash))) => {
                Ok(BlockArg::Hash { hash, must_be_canonical: object.require_canonical.unwrap_or(false) })
            }
            (None, None) => Err(A::Error::custom("invalid arguments; neither block nor hash specified")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn read(value: Value) -> Result<BlockArg, String> {
        from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn all_names_of_blocks_are_read() {
        let hash = B256::repeat_byte(7);
        assert_eq!(read(json!("0x10")), Ok(BlockArg::Number(16)));
        assert_eq!(read(json!("finalized")), Ok(BlockArg::Tag(BlockTag::Finalized)));
        assert_eq!(read(json!(hash)), Ok(hash.into()));
        assert_eq!(read(json!({"blockNumber": "latest"})), Ok(BlockArg::default()));
        let object = json!({"blockHash": hash, "requireCanonical": true});
        assert_eq!(read(object), Ok(BlockArg::Hash { hash, must_be_canonical: true }));
    }

    #[test]
    fn other_things_are_refused_by_name() {
        assert_eq!(read(json!("2")).unwrap_err(), "hex string without 0x prefix");
        assert_eq!(read(json!("0x8000000000000000")).unwrap_err(), "block number larger than int64");
        assert!(read(json!({})).unwrap_err().contains("neither"));
        let both = json!({"blockHash": B256::ZERO, "blockNumber": "0x1"});
        assert!(read(both).unwrap_err().contains("both"));
        for value in [json!(2), json!(null), json!([]), json!(true)] {
            assert!(read(value).unwrap_err().contains("a block number, tag or hash"));
        }
    }
}

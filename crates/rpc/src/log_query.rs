//! Which logs a request asks for.

use crate::block_arg::{BlockArg, HeightArg};
use crate::hex_args::{AddressArg, HashArg};
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// Topics that a log has at most. Yellow Paper, section 9.4.
const TOPICS_MAX: usize = 4;
/// Most addresses of one query, and most choices for one topic.
const CHOICES_MAX: usize = 1000;

/// The blocks whose logs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogBlocks {
    /// One block, whatever its height.
    Of(B256),
    /// From one to another, both included; `None`: the head.
    Between(Option<BlockArg>, Option<BlockArg>),
}

/// A query for logs, as `eth_getLogs` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogQuery {
    /// Where.
    pub(crate) blocks: LogBlocks,
    /// Of whom; empty: of anybody.
    pub(crate) addresses: Vec<Address>,
    /// What stands at each place of a log's topics; empty: anything, but something.
    pub(crate) topics: Vec<Vec<B256>>,
}

impl LogQuery {
    /// All logs.
    pub(crate) fn all() -> Self {
        Self { blocks: LogBlocks::Between(None, None), addresses: Vec::new(), topics: Vec::new() }
    }

    /// Whether a log is meant, as far as its own content says.
    pub(crate) fn matches(&self, log: &Log) -> bool {
        let topics = log.data.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self.topics.iter().zip(topics).all(|(choices, topic)| choices.is_empty() || choices.contains(topic))
    }

    /// Whether a block with this bloom filter can have such a log.
    pub(crate) fn may_match(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        (self.addresses.is_empty() || self.addresses.iter().any(|address| has(address.as_slice())))
            && self.topics.iter().all(|choices| choices.is_empty() || choices.iter().any(|topic| has(topic.as_slice())))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    block_hash: Option<HashArg>,
    from_block: Option<HeightArg>,
    to_block: Option<HeightArg>,
    address: Option<OneOrMany<AddressArg>>,
    topics: Option<Vec<Option<OneOrMany<Option<HashArg>>>>>,
}

impl<'de> Deserialize<'de> for LogQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let blocks = match (fields.block_hash, fields.from_block, fields.to_block) {
            (Some(HashArg(hash)), None, None) => LogBlocks::Of(hash),
            (Some(_), _, _) => {
                return Err(D::Error::custom(
                    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
                ));
            }
            (None, from, to) => LogBlocks::Between(from.map(|HeightArg(at)| at), to.map(|HeightArg(at)| at)),
        };
        let addresses = fields.address.map(|OneOrMany(addresses)| addresses).unwrap_or_default();
        let topics = fields.topics.unwrap_or_default();
        if addresses.len() > CHOICES_MAX {
            return Err(D::Error::custom(format!("exceed max addresses: at most {CHOICES_MAX}")));
        }
        if topics.len() > TOPICS_MAX {
            return Err(D::Error::custom(format!("exceed max topics: at most {TOPICS_MAX}")));
        }
        let choices = |choices: Option<OneOrMany<Option<HashArg>>>| {
            let OneOrMany(choices) = choices.unwrap_or_default();
            // One that is null stands for anything.
            let choices: Option<Vec<B256>> =
                choices.into_iter().map(|choice| choice.map(|HashArg(topic)| topic)).collect();
            choices.unwrap_or_default()
        };
        let topics: Vec<Vec<B256>> = topics.into_iter().map(choices).collect();
        if topics.iter().any(|choices| choices.len() > CHOICES_MAX) {
            return Err(D::Error::custom(format!("exceed max topics: at most {CHOICES_MAX} for one place")));
        }
        Ok(Self { blocks, addresses: addresses.into_iter().map(|AddressArg(address)| address).collect(), topics })
    }
}

/// One value, or an array of them.
struct OneOrMany<T>(Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hexadecimal string, or an array of them")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
        // Through an option, as the elements of an array may be null.
        let deserializer: Text<'_, E> = Text(text, PhantomData);
        Ok(OneOrMany(vec![T::deserialize(deserializer)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
    }
}

/// A string that is there, where an option is looked for.
struct Text<'a, E>(&'a str, PhantomData<E>);

impl<'de, E: serde::de::Error> Deserializer<'de> for Text<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(StrDeserializer::new(self.0))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{LogData, logs_bloom};
    use serde_json::{Value, from_value, json};

    fn query(value: Value) -> LogQuery {
        from_value(value).unwrap()
    }

    fn fault(value: Value) -> String {
        from_value::<LogQuery>(value).unwrap_err().to_string()
    }

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
        Log { address: Address::repeat_byte(address), data: LogData::new_unchecked(topics, Default::default()) }
    }

    #[test]
    fn addresses_and_topics_are_one_or_many_or_any() {
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let address = Address::repeat_byte(9);
        let query = query(json!({"address": address, "topics": [one, null, [one, two], [one, null]]}));
        assert_eq!(query.addresses, [address]);
        assert_eq!(query.topics, [vec![one], vec![], vec![one, two], vec![]]);
        assert!(query.matches(&log(9, &[1, 7, 2, 5])));
        assert!(!query.matches(&log(9, &[1, 7, 3, 5])));
        assert!(!query.matches(&log(8, &[1, 7, 2, 5])));
        assert!(!query.matches(&log(9, &[1, 7, 2])), "a place that takes anything must be there");
    }

    #[test]
    fn a_bloom_filter_never_hides_a_log() {
        let logs = [log(1, &[1, 2]), log(3, &[])];
        let bloom = logs_bloom(&logs);
        for query in [
            LogQuery::all(),
            query(json!({"address": Address::repeat_byte(1)})),
            query(json!({"topics": [null, B256::repeat_byte(2)]})),
        ] {
            assert!(logs.iter().any(|log| query.matches(log)) && query.may_match(&bloom));
        }
        assert!(!query(json!({"address": Address::repeat_byte(2)})).may_match(&bloom));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let hash = B256::ZERO;
        assert!(fault(json!({"blockHash": hash, "fromBlock": "0x1"})).contains("cannot specify both"));
        assert!(fault(json!({"topics": [[], [], [], [], []]})).contains("exceed max topics"));
        assert!(fault(json!({"topics": ["0x12"]})).contains("hex string has length 2, want 64 for common.Hash"));
        assert!(fault(json!({"address": 5})).contains("a hexadecimal string, or an array of them"));
        assert!(fault(json!({"address": vec![Address::ZERO; 1001]})).contains("exceed max addresses"));
    }
}

//! Numbers as development tools write them: JSON numbers, hexadecimal or decimal strings.

use alloy_primitives::U256;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A number in any of the usual spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) U256);

impl Number {
    /// As far as 64 bits go; `None`: beyond.
    pub(crate) fn to_u64(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 2^256 - 1, or a string of one, hexadecimal with 0x or decimal")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(U256::from(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        let number = u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))?;
        self.visit_u64(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        // Libraries in JavaScript write large whole numbers as 1e21.
        let is_whole = number.fract() == 0.0 && (0.0..9.0e15).contains(&number);
        match is_whole {
            true => self.visit_u64(number as u64),
            false => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some("") => ("0", 16),
            Some(digits) => (digits, 16),
            None if text.is_empty() => return Err(E::invalid_value(Unexpected::Str(text), &self)),
            None => (text, 10),
        };
        U256::from_str_radix(digits, radix).map(Number).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_the_same_number() {
        for text in ["16", "\"0x10\"", "\"16\"", "16.0", "\"0x0010\""] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!((number.0, number.to_u64()), (U256::from(16), Some(16)), "{text}");
        }
        let most: Number = serde_json::from_str(&format!("\"{:#x}\"", U256::MAX)).unwrap();
        assert_eq!((most.0, most.to_u64()), (U256::MAX, None));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let beyond = format!("\"{:#x}0\"", U256::MAX);
        for text in ["-1", "1.5", "1e300", "\"\"", "\"x\"", "\"0xg\"", "\"-1\"", "true", "[]", "{}", &beyond] {
            assert!(serde_json::from_str::<Number>(text).is_err(), "{text}");
        }
    }
}

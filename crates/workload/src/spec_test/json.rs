//! A JSON value that knows its path, and the number formats of the fixtures.
//!
//! Quantities may have leading zeros, an odd number of digits, or none at all (`0x` is zero); byte strings
//! have whole bytes. `0x:bigint ...` marks a number that is invalid on purpose.

use super::error::{Excerpt, Fault, FieldError};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, FixedBytes, TxKind, U256, hex};
use serde_json::Value;
use std::fmt::Write as _;

/// A JSON value together with the way to it from the root.
///
/// The way is a chain of borrowed parents: nothing is allocated until a fault needs its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    step: Step<'a>,
    parent: Option<&'a Node<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, step: Step::Root, parent: None }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// A member that must be there.
    pub(super) fn field<'b>(&'b self, key: &'b str) -> Result<Node<'b>, FieldError> {
        match self.value {
            Value::Object(members) => {
                let member = Node { value: &Value::Null, step: Step::Key(key), parent: Some(self) };
                match members.get(key) {
                    Some(value) => Ok(Node { value, ..member }),
                    None => Err(member.fault(Fault::Missing)),
                }
            }
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// A member that may be absent; `null` counts as absent.
    pub(super) fn optional<'b>(&'b self, key: &'b str) -> Result<Option<Node<'b>>, FieldError> {
        match self.value {
            Value::Object(members) => Ok(members.get(key).filter(|value| !value.is_null()).map(|value| Node {
                value,
                step: Step::Key(key),
                parent: Some(self),
            })),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// A member that may be absent, read by `read`.
    pub(super) fn optional_as<'b, T>(
        &'b self,
        key: &'b str,
        read: impl FnOnce(&Node<'b>) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        self.optional(key)?.map(|node| read(&node)).transpose()
    }

    /// Whether the value is an object with the member.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// The members of an object.
    pub(super) fn entries<'b>(&'b self) -> Result<impl Iterator<Item = (&'b str, Node<'b>)>, FieldError> {
        match self.value {
            Value::Object(members) => Ok(members
                .iter()
                .map(move |(key, value)| (key.as_str(), Node { value, step: Step::Key(key), parent: Some(self) }))),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// The items of an array.
    pub(super) fn items<'b>(&'b self) -> Result<impl ExactSizeIterator<Item = Node<'b>>, FieldError> {
        match self.value {
            Value::Array(items) => Ok(items.iter().enumerate().map(move |(index, value)| Node {
                value,
                step: Step::Index(index),
                parent: Some(self),
            })),
            _ => Err(self.wrong_type("an array")),
        }
    }

    /// One item of an array.
    pub(super) fn item(&self, index: u64) -> Result<Node<'_>, FieldError> {
        let Value::Array(items) = self.value else { return Err(self.wrong_type("an array")) };
        let position = usize::try_from(index).ok().filter(|position| *position < items.len());
        match position {
            Some(position) => Ok(Node { value: &items[position], step: Step::Index(position), parent: Some(self) }),
            None => Err(self.fault(Fault::Index { index, length: items.len() })),
        }
    }

    /// All items of an array, read by `read`.
    pub(super) fn list<'b, T>(
        &'b self,
        mut read: impl FnMut(&Node<'b>) -> Result<T, FieldError>,
    ) -> Result<Vec<T>, FieldError> {
        self.items()?.map(|item| read(&item)).collect()
    }

    pub(super) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    pub(super) fn text(&self) -> Result<&'a str, FieldError> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, FieldError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A plain number of the test format itself (an index, a version, an error code): a JSON integer or decimal text.
    pub(super) fn integer(&self) -> Result<i64, FieldError> {
        let number = match self.value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong_type("a decimal integer"))
    }

    /// A quantity of up to 256 bits.
    pub(super) fn u256(&self) -> Result<U256, FieldError> {
        let text = self.text()?;
        parse_quantity(text).map_err(|fault| self.fault(fault))
    }

    pub(super) fn u64(&self) -> Result<u64, FieldError> {
        self.narrow(64)
    }

    pub(super) fn u128(&self) -> Result<u128, FieldError> {
        self.narrow(128)
    }

    pub(super) fn u8(&self) -> Result<u8, FieldError> {
        self.narrow(8)
    }

    fn narrow<T: TryFrom<U256>>(&self, bits: usize) -> Result<T, FieldError> {
        let wide = self.u256()?;
        T::try_from(wide)
            .map_err(|_| self.fault(Fault::TooWide { text: Excerpt::new(self.text().unwrap_or_default()), bits }))
    }

    /// A quantity as 32 big-endian bytes, for hashes that some generators write without their leading zeros.
    pub(super) fn padded_b256(&self) -> Result<B256, FieldError> {
        Ok(B256::from(self.u256()?))
    }

    pub(super) fn bytes(&self) -> Result<Bytes, FieldError> {
        let digits = self.digits()?;
        if !digits.len().is_multiple_of(2) {
            return Err(self.fault(Fault::OddDigits));
        }
        hex::decode(digits).map(Bytes::from).map_err(|_| self.not_hex())
    }

    pub(super) fn b256(&self) -> Result<B256, FieldError> {
        self.fixed()
    }

    pub(super) fn b64(&self) -> Result<B64, FieldError> {
        self.fixed()
    }

    pub(super) fn address(&self) -> Result<Address, FieldError> {
        self.fixed().map(Address)
    }

    pub(super) fn bloom(&self) -> Result<Bloom, FieldError> {
        self.fixed().map(Bloom)
    }

    /// The recipient of a transaction; empty text is a creation.
    pub(super) fn recipient(&self) -> Result<TxKind, FieldError> {
        match self.text()? {
            "" | "0x" => Ok(TxKind::Create),
            _ => self.address().map(TxKind::Call),
        }
    }

    /// A member's name as an address.
    pub(super) fn key_address(&self) -> Result<Address, FieldError> {
        let Step::Key(key) = self.step else { return Err(self.wrong_type("a member")) };
        self.fixed_of(key).map(Address)
    }

    /// A member's name as a quantity.
    pub(super) fn key_u256(&self) -> Result<U256, FieldError> {
        let Step::Key(key) = self.step else { return Err(self.wrong_type("a member")) };
        parse_quantity(key).map_err(|fault| self.fault(fault))
    }

    /// A member's name as a quantity of 64 bits.
    pub(super) fn key_u64(&self) -> Result<u64, FieldError> {
        let wide = self.key_u256()?;
        u64::try_from(wide).map_err(|_| self.fault(Fault::TooWide { text: Excerpt::new(&wide.to_string()), bits: 64 }))
    }

    fn fixed<const N: usize>(&self) -> Result<FixedBytes<N>, FieldError> {
        self.fixed_of(self.text()?)
    }

    fn fixed_of<const N: usize>(&self, text: &str) -> Result<FixedBytes<N>, FieldError> {
        let digits = strip_prefix(text).map_err(|fault| self.fault(fault))?;
        if !digits.len().is_multiple_of(2) {
            return Err(self.fault(Fault::OddDigits));
        }
        if digits.len() != 2 * N {
            return Err(self.fault(Fault::Length { have: digits.len() / 2, want: N }));
        }
        let mut bytes = [0; N];
        match hex::decode_to_slice(digits, &mut bytes) {
            Ok(()) => Ok(FixedBytes(bytes)),
            Err(_) => Err(self.fault(Fault::NotHex(Excerpt::new(text)))),
        }
    }

    fn digits(&self) -> Result<&'a str, FieldError> {
        strip_prefix(self.text()?).map_err(|fault| self.fault(fault))
    }

    fn not_hex(&self) -> FieldError {
        self.fault(Fault::NotHex(Excerpt::new(self.text().unwrap_or_default())))
    }

    fn wrong_type(&self, expected: &'static str) -> FieldError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.fault(Fault::Type { expected, found })
    }

    /// This field with what is wrong with it.
    pub(super) fn fault(&self, fault: Fault) -> FieldError {
        FieldError { path: self.path(), fault }
    }

    fn path(&self) -> String {
        let mut path = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => {
                // Writing to a string cannot fail.
                let _ = write!(path, "[{index}]");
            }
        }
        path
    }
}

fn strip_prefix(text: &str) -> Result<&str, Fault> {
    if text.starts_with("0x:bigint") {
        return Err(Fault::BigInt(Excerpt::new(text)));
    }
    text.strip_prefix("0x").ok_or_else(|| Fault::NotHex(Excerpt::new(text)))
}

fn parse_quantity(text: &str) -> Result<U256, Fault> {
    let digits = strip_prefix(text)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Fault::NotHex(Excerpt::new(text)));
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 64 {
        return Err(Fault::TooWide { text: Excerpt::new(text), bits: 256 });
    }
    let limb = |digits: &[u8]| {
        digits.iter().fold(0u64, |limb, digit| limb << 4 | u64::from((*digit as char).to_digit(16).unwrap_or_default()))
    };
    let mut limbs = [0; 4];
    for (place, digits) in limbs.iter_mut().zip(significant.as_bytes().rchunks(16)) {
        *place = limb(digits);
    }
    Ok(U256::from_limbs(limbs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quantity(text: &str) -> Result<U256, Fault> {
        parse_quantity(text)
    }

    #[test]
    fn quantities_take_any_padding_and_refuse_the_rest() {
        assert_eq!(quantity("0x"), Ok(U256::ZERO));
        assert_eq!(quantity("0x0"), Ok(U256::ZERO));
        assert_eq!(quantity("0x00f"), Ok(U256::from(15)));
        assert_eq!(quantity("0xAbC"), Ok(U256::from(0xabc)));
        assert_eq!(quantity("0x123456789abcdef0f"), Ok(U256::from(0x1_2345_6789_abcd_ef0f_u128)));
        assert_eq!(quantity(&format!("0x00{}", "f".repeat(64))), Ok(U256::MAX));
        assert!(matches!(quantity(&format!("0x1{}", "0".repeat(64))), Err(Fault::TooWide { bits: 256, .. })));
        assert!(matches!(quantity("0x:bigint 0x01"), Err(Fault::BigInt(_))));
        for bad in ["", "12", "0xg", "0x-1", "0x 1", "0x\u{e9}"] {
            assert!(matches!(quantity(bad), Err(Fault::NotHex(_))), "{bad}");
        }
    }

    #[test]
    fn fixed_bytes_have_their_exact_length() {
        let value = json!({"a": ["0x00", "0x0", "0xzz00000000000000000000000000000000000000", "0xé"]});
        let root = Node::root(&value);
        let list = root.field("a").expect("there");
        let faults: Vec<_> = list.items().expect("array").map(|item| item.address().expect_err("refused")).collect();
        assert_eq!(faults[0].to_string(), "a[0] has 1 bytes, expected 20");
        assert_eq!(faults[1].fault, Fault::OddDigits);
        assert!(matches!(faults[2].fault, Fault::NotHex(_)));
        assert_eq!(faults[3].path, "a[3]");
        assert!(list.item(4).is_err());
        assert!(root.field("b").is_err_and(|error| error.to_string() == "b is missing"));
    }
}

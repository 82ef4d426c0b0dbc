//! Parameters written in hexadecimal, read as strictly as geth does and refused in its words.

use crate::error::RpcError;
use alloy_primitives::{Address, B256, FixedBytes, hex};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Digits of a storage key.
const KEY_DIGITS: usize = 64;

/// What is wrong with a hexadecimal string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HexFault {
    /// Nothing at all.
    #[error("empty hex string")]
    Empty,
    /// No `0x`.
    #[error("hex string without 0x prefix")]
    NoPrefix,
    /// A number without digits.
    #[error("hex string \"0x\"")]
    NoDigits,
    /// A number that begins with zero.
    #[error("hex number with leading zero digits")]
    LeadingZero,
    /// A number that is too large.
    #[error("hex number > 64 bits")]
    Above64Bits,
    /// Something else than digits.
    #[error("invalid hex string")]
    Syntax,
    /// Half a byte at its end.
    #[error("hex string of odd length")]
    OddLength,
    /// Not as many digits as there should be.
    #[error("hex string has length {digits}, want {wanted}")]
    Length {
        /// How many there are.
        digits: usize,
        /// How many there should be.
        wanted: usize,
    },
}

/// A number of up to 64 bits.
pub(crate) fn quantity(text: &str) -> Result<u64, HexFault> {
    let digits = digits_of(text)?;
    match digits.as_bytes() {
        [] => Err(HexFault::NoDigits),
        [b'0', _, ..] => Err(HexFault::LeadingZero),
        // A sign is a digit for the parser of numbers.
        bytes if !bytes.iter().all(u8::is_ascii_hexdigit) => Err(HexFault::Syntax),
        bytes if bytes.len() > 16 => Err(HexFault::Above64Bits),
        _ => u64::from_str_radix(digits, 16).map_err(|_| HexFault::Syntax),
    }
}

/// Exactly so many bytes.
pub(crate) fn fixed<const N: usize>(text: &str) -> Result<FixedBytes<N>, HexFault> {
    let digits = digits_of(text)?;
    if !digits.len().is_multiple_of(2) {
        return Err(HexFault::OddLength);
    }
    let wanted = 2 * N;
    if digits.len() != wanted {
        return Err(HexFault::Length { digits: digits.len(), wanted });
    }
    let mut bytes = FixedBytes::<N>::ZERO;
    hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| HexFault::Syntax)?;
    Ok(bytes)
}

fn digits_of(text: &str) -> Result<&str, HexFault> {
    if text.is_empty() {
        return Err(HexFault::Empty);
    }
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or(HexFault::NoPrefix)
}

/// A slot, with the number of bytes that it was written with: up to 32, the prefix may be absent.
///
/// # Errors
/// In the words of geth.
pub(crate) fn storage_key(text: &str) -> Result<(B256, usize), RpcError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > KEY_DIGITS {
        return Err(RpcError::params(format!("storage key too long (want at most 32 bytes): {text:?}")));
    }
    let even = if digits.len().is_multiple_of(2) { Cow::Borrowed(digits) } else { Cow::Owned(format!("0{digits}")) };
    let bytes = hex::decode(even.as_bytes())
        .ok()
        .filter(|_| !even.starts_with("0x"))
        .ok_or_else(|| RpcError::params(format!("invalid hex in storage key: {text:?}")))?;
    Ok((B256::left_padding_from(&bytes), bytes.len()))
}

/// A hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashArg(pub(crate) B256);

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressArg(pub(crate) Address);

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberArg(pub(crate) u64);

impl<'de> Deserialize<'de> for HashArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        fixed(&text).map(Self).map_err(|fault| D::Error::custom(unmarshalled(&fault, "common.Hash")))
    }
}

impl<'de> Deserialize<'de> for AddressArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let address = fixed(&text).map(|bytes| Self(Address(bytes)));
        address.map_err(|fault| D::Error::custom(unmarshalled(&fault, "common.Address")))
    }
}

impl<'de> Deserialize<'de> for NumberArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        quantity(&text).map(Self).map_err(|fault| D::Error::custom(unmarshalled(&fault, "hexutil.Uint64")))
    }
}

/// A fault in a value that is one whole, as geth reports it: tools look for these words.
fn unmarshalled(fault: &HexFault, go_type: &str) -> String {
    match fault {
        HexFault::Length { .. } => format!("{fault} for {go_type}"),
        fault => format!("json: cannot unmarshal {fault} into Go value of type {go_type}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(quantity("0x0"), Ok(0));
        assert_eq!(quantity("0xffffffffffffffff"), Ok(u64::MAX));
        let faults = [
            ("", HexFault::Empty),
            ("2", HexFault::NoPrefix),
            ("0x", HexFault::NoDigits),
            ("0x01", HexFault::LeadingZero),
            ("0x+1", HexFault::Syntax),
            ("0xzz", HexFault::Syntax),
            ("0x1\u{e9}", HexFault::Syntax),
            ("0x10000000000000000", HexFault::Above64Bits),
        ];
        for (text, fault) in faults {
            assert_eq!(quantity(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn storage_keys_may_be_short() {
        let key = |last| B256::with_last_byte(last);
        assert_eq!(storage_key("0x0"), Ok((key(0), 1)));
        assert_eq!(storage_key("1f"), Ok((key(0x1f), 1)));
        assert_eq!(storage_key(&format!("0x{:064x}", 9)), Ok((key(9), 32)));
        for text in ["0xasdf", "0x0x12", "\u{e9}", "0x-1"] {
            let error = storage_key(text).unwrap_err();
            assert_eq!(error.message, format!("invalid hex in storage key: {text:?}"));
        }
        assert!(storage_key(&"0".repeat(65)).unwrap_err().message.starts_with("storage key too long"));
    }
}

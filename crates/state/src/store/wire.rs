//! Lengths, integers and accounts as bytes: what payloads and values are made of.
//!
//! Every value has one encoding, and a reader takes no other.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use motet_types::Account;

/// Bit of an account's first byte: a code hash follows.
const HAS_CODE: u8 = 0x80;

/// Appends a length: seven bits a byte, the low ones first, the high bit set on all but the last.
pub(crate) fn put_len(out: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

/// Appends a length and bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a length byte and an integer's big-endian bytes without leading zeros.
pub(crate) fn put_u256(out: &mut Vec<u8>, value: U256) {
    let bytes = value.to_be_bytes::<32>();
    let len = value.byte_len();
    out.push(len as u8);
    out.extend_from_slice(&bytes[32 - len..]);
}

/// Appends an account: length of the balance and whether there is a code hash, length of the nonce, nonce, balance, hash.
pub(crate) fn put_account(out: &mut Vec<u8>, account: &Account) {
    let balance_len = account.balance.byte_len();
    let nonce_len = 8 - account.nonce.leading_zeros() as usize / 8;
    let has_code = account.code_hash != KECCAK256_EMPTY;
    out.push(balance_len as u8 | if has_code { HAS_CODE } else { 0 });
    out.push(nonce_len as u8);
    out.extend_from_slice(&account.nonce.to_be_bytes()[8 - nonce_len..]);
    out.extend_from_slice(&account.balance.to_be_bytes::<32>()[32 - balance_len..]);
    if has_code {
        out.extend_from_slice(account.code_hash.as_slice());
    }
}

/// Takes values off the front of bytes. Every method is `None` when there is no such value in canonical form.
#[derive(Debug)]
pub(crate) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn len(&mut self) -> Option<usize> {
        let mut len = 0usize;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            len |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return (byte != 0 || shift == 0).then_some(len);
            }
        }
        None
    }

    /// How many items follow, when each takes at least `item_bytes`: a wrong count does not make anyone allocate.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Option<usize> {
        self.len().filter(|count| count.checked_mul(item_bytes).is_some_and(|bytes| bytes <= self.0.len()))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    pub(crate) fn owned_bytes(&mut self) -> Option<Bytes> {
        self.bytes().map(Bytes::copy_from_slice)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }

    pub(crate) fn b256(&mut self) -> Option<B256> {
        self.take(32).map(B256::from_slice)
    }

    pub(crate) fn address(&mut self) -> Option<Address> {
        self.take(20).map(Address::from_slice)
    }

    pub(crate) fn u256(&mut self) -> Option<U256> {
        let len = usize::from(self.byte()?);
        self.u256_of(len)
    }

    /// An integer of so many bytes without leading zeros.
    pub(crate) fn u256_of(&mut self, len: usize) -> Option<U256> {
        let bytes = self.take(len)?;
        if len > 32 || bytes.first() == Some(&0) {
            return None;
        }
        Some(U256::from_be_slice(bytes))
    }

    pub(crate) fn account(&mut self) -> Option<Account> {
        let first = self.byte()?;
        let nonce_len = usize::from(self.byte()?);
        if nonce_len > 8 {
            return None;
        }
        let nonce = self.u256_of(nonce_len)?.to::<u64>();
        let balance = self.u256_of(usize::from(first & !HAS_CODE))?;
        let code_hash = if first & HAS_CODE == 0 { KECCAK256_EMPTY } else { self.b256()? };
        if first & HAS_CODE != 0 && code_hash == KECCAK256_EMPTY {
            return None;
        }
        Some(Account { balance, nonce, code_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(len: usize, balance: [u8; 32], shift in 0usize..256, nonce: u64, code: Option<[u8; 32]>) {
            let len = len >> 1;
            let balance = U256::from_be_bytes(balance) >> shift;
            let nonce = nonce >> (shift % 64);
            let account = Account { balance, nonce, code_hash: code.map_or(KECCAK256_EMPTY, B256::from) };
            let mut out = Vec::new();
            put_len(&mut out, len);
            put_u256(&mut out, balance);
            put_account(&mut out, &account);
            let mut wire = Wire::new(&out);
            prop_assert_eq!(wire.len(), Some(len));
            prop_assert_eq!(wire.u256(), Some(balance));
            prop_assert_eq!(wire.account(), Some(account));
            prop_assert!(wire.is_empty());
        }

        #[test]
        fn any_bytes_are_taken_in_one_form_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut wire = Wire::new(&bytes);
            if let Some(account) = wire.account() {
                let mut out = Vec::new();
                put_account(&mut out, &account);
                prop_assert_eq!(&bytes[..out.len()], &out[..]);
            }
            let mut wire = Wire::new(&bytes);
            if let Some(len) = wire.len() {
                let mut out = Vec::new();
                put_len(&mut out, len);
                prop_assert_eq!(&bytes[..out.len()], &out[..]);
            }
        }
    }
}

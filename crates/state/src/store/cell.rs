//! Values as the tables hold them: with a checksum that knows where they belong.
//!
//! The checksum covers table and key too, so a value that an engine hands out under another key is found as well as a
//! flipped byte.

use super::engine::{Table, Write};
use super::error::Corruption;
use alloy_primitives::Bytes;

/// Bytes of the checksum behind each value.
pub(crate) const CHECKSUM_BYTES: usize = 4;

fn checksum(table: Table, key: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let crc = crc32c::crc32c(&[table as u8, key.len() as u8]);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, key), payload).to_le_bytes()
}

/// The write that puts a payload, or deletes the key.
pub(crate) fn write(table: Table, key: Vec<u8>, payload: Option<Vec<u8>>) -> Write {
    let value = payload.map(|mut payload| {
        let sum = checksum(table, &key, &payload);
        payload.extend_from_slice(&sum);
        payload
    });
    Write { table, key, value }
}

/// Takes the payload out of a stored value.
///
/// # Errors
/// When the checksum does not hold; names table and key.
pub(crate) fn open(table: Table, key: &[u8], mut stored: Vec<u8>) -> Result<Vec<u8>, Corruption> {
    let damaged = || Corruption::Value { table: table.name(), key: Bytes::copy_from_slice(key), what: "checksum" };
    let payload_bytes = stored.len().checked_sub(CHECKSUM_BYTES).ok_or_else(damaged)?;
    if checksum(table, key, &stored[..payload_bytes]) != stored[payload_bytes..] {
        return Err(damaged());
    }
    stored.truncate(payload_bytes);
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let put = write(Table::Slots, vec![7; 64], Some(vec![1, 2, 3, 0, 255]));
        let stored = put.value.unwrap();
        assert_eq!(open(Table::Slots, &put.key, stored.clone()).unwrap(), [1, 2, 3, 0, 255]);
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Table::Slots, &put.key, flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_value_under_another_key_or_in_another_table_is_found() {
        let put = write(Table::Accounts, vec![7; 32], Some(vec![1]));
        let stored = put.value.unwrap();
        assert!(open(Table::Codes, &put.key, stored.clone()).is_err());
        assert!(open(Table::Accounts, &[8; 32], stored.clone()).is_err());
        assert!(open(Table::Accounts, &put.key, stored[..3].to_vec()).is_err());
    }
}

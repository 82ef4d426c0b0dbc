//! Where Solidity keeps things: slots of mappings and structs, and words of packed fields.

use alloy_primitives::ruint::UintTryFrom;
use alloy_primitives::{Address, B256, U256, keccak256};

/// Slot of `mapping[key]`: keccak-256 of the key and the mapping's own slot.
pub(super) fn mapping_slot(mapping: U256, key: B256) -> U256 {
    let mut preimage = [0u8; 64];
    preimage[..32].copy_from_slice(key.as_slice());
    preimage[32..].copy_from_slice(&mapping.to_be_bytes::<32>());
    keccak256(preimage).into()
}

/// Slot of `mapping[outer][inner]`.
pub(super) fn nested_slot(mapping: U256, outer: B256, inner: B256) -> U256 {
    mapping_slot(mapping_slot(mapping, outer), inner)
}

/// A number as a word.
pub(super) fn word<T>(number: T) -> B256
where
    U256: UintTryFrom<T>,
{
    U256::from(number).into()
}

/// An address as a word.
pub(super) fn address_word(address: Address) -> B256 {
    address.into_word()
}

/// Fields of one slot, each with the bit at which it starts.
pub(super) fn packed(fields: &[(U256, usize)]) -> U256 {
    fields.iter().fold(U256::ZERO, |sum, (value, bit)| sum | (*value << *bit))
}

/// An address as a number, for packing.
pub(super) fn address_bits(address: Address) -> U256 {
    address.into_word().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};

    #[test]
    fn mapping_slots_are_hashes_of_key_and_slot() {
        // keccak256(abi.encode(0xd8da6bf26964af9d7eed9e03e53415d37aa96045, 9)).
        let key = address!("0xd8da6bf26964af9d7eed9e03e53415d37aa96045");
        let preimage = [address_word(key).as_slice(), word(9u64).as_slice()].concat();
        assert_eq!(B256::from(mapping_slot(U256::from(9), address_word(key))), keccak256(preimage));
        // mapping[0] of the mapping at slot 0: keccak-256 of 64 zero bytes.
        let zeros = b256!("0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5");
        assert_eq!(B256::from(mapping_slot(U256::ZERO, B256::ZERO)), zeros);
    }

    #[test]
    fn fields_pack_from_the_low_bits_up() {
        let slot = packed(&[(U256::from(0xab), 0), (U256::from(0xcd), 160)]);
        assert_eq!(slot, (U256::from(0xcd) << 160) | U256::from(0xab));
    }
}

//! Contracts of a few instructions each, written out by hand.

use alloy_primitives::{Address, hex};

/// Where contract `pos` of [`RUNTIME`] lives.
pub(crate) fn address(pos: usize) -> Address {
    let mut address = Address::ZERO;
    address[18] = 0x10;
    address[19] = u8::try_from(pos).expect("few contracts");
    address
}

/// Runtime code. `word0` and `word1` are the first two words of the call's data.
///
/// Instructions that a fork does not know make the call fail there, which is a case of its own.
pub(crate) const RUNTIME: &[&[u8]] = &[
    // sstore(word0, word1)
    &hex!("6020356000355500"),
    // slot 0 += 1, and a log of it
    &hex!("60005460010180600055600052602a60206000a100"),
    // sstore(0, 1), revert
    &hex!("600160005560006000fd"),
    // sstore(0, 1), an invalid instruction
    &hex!("6001600055fe"),
    // selfdestruct(word0)
    &hex!("600035ff"),
    // sstore(0, create(value, data))
    &hex!("36600060003736600034f060005500"),
    // sstore(1, create2(value, data, salt 7))
    &hex!("366000600037600736600034f560015500"),
    // sstore(0, call(word0, value))
    &hex!("60006000600060003460003561fffff160005500"),
    // sstore(5, delegatecall(word0, the data after it))
    &hex!("6020360360206000376000600060203603600060003561fffff460055500"),
    // balances of word0 and of the beneficiary, hash of the parent block
    &hex!("600035316000554131600155600143034060025500"),
    // timestamp, number, difficulty or randomness, gas limit, origin, caller, gas price
    &hex!("4260005543600155446002554560035532600455336005553a60065500"),
    // chain id, own balance, own code hash
    &hex!("4660005547600155303f60025500"),
    // base fee
    &hex!("4860005500"),
    // blob base fee, first blob hash, transient storage, memory copy
    &hex!("4a600055600049600155600560005d60005c6002556020600060205e00"),
    // push0
    &hex!("5f5f5500"),
    // count leading zeros
    &hex!("60ff1e60005500"),
    // size and hash of the code of word0
    &hex!("6000353b6000556000353f60015500"),
    // reads of slots, cold and warm
    &hex!("600054600154016000540160025500"),
    // static call of word0, output size
    &hex!("602060006000600060003561fffffa6000553d60015500"),
];

/// Code that runs when a contract is created.
pub(crate) const INIT: &[&[u8]] = &[
    // deploys nothing
    &hex!(""),
    // deploys selfdestruct(word0)
    &hex!("63600035ff6000526004601cf3"),
    // writes a slot, deploys sstore(word0, word1)
    &hex!("600760075567602035600035550060005260086018f3"),
    // selfdestructs to the origin
    &hex!("32ff"),
    // reverts
    &hex!("60006000fd"),
    // fails
    &hex!("fe"),
    // deploys a byte that EIP-3541 refuses
    &hex!("60ef60005360016000f3"),
    // calls the counter, deploys nothing
    &hex!("6000600060006000600061100161fffff15000"),
];

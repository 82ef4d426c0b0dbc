//! The ERC-20 token of the generated traffic, for whoever deploys it by a transaction of his own.

use super::artifact::{Artifacts, Selector, call_input};
use super::error::GenerateError;
use super::slot::address_word;
use alloy_primitives::{Address, B256, Bytes, U256};

/// The compiled token: what to send to create it, to move it and to ask it.
#[derive(Clone, Debug)]
pub struct Erc20 {
    creation: Bytes,
    transfer: Selector,
    balance_of: Selector,
}

impl Erc20 {
    /// The token from the embedded compiler output.
    ///
    /// # Errors
    /// When that output has no such contract.
    pub fn compiled() -> Result<Self, GenerateError> {
        let artifacts = Artifacts::embedded()?;
        let contract = artifacts.contract("Token")?;
        Ok(Self {
            creation: contract.creation(),
            transfer: contract.selector("transfer(address,uint256)")?,
            balance_of: contract.selector("balanceOf(address)")?,
        })
    }

    /// Input of a creation transaction whose sender then holds the whole supply.
    pub fn deployment(&self, supply: U256) -> Bytes {
        [&self.creation, B256::from(supply).as_slice()].concat().into()
    }

    /// Input of `transfer`.
    pub fn transfer(&self, to: Address, amount: U256) -> Bytes {
        call_input(self.transfer, &[address_word(to), amount.into()])
    }

    /// Input of `balanceOf`.
    pub fn balance_of(&self, holder: Address) -> Bytes {
        call_input(self.balance_of, &[address_word(holder)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_selectors_and_words() {
        let token = Erc20::compiled().expect("the token is there");
        let transfer = token.transfer(Address::repeat_byte(0x11), U256::from(5));
        assert_eq!((&transfer[..4], transfer.len()), (&[0xa9, 0x05, 0x9c, 0xbb][..], 68));
        assert_eq!((&transfer[16..36], transfer[67]), (&[0x11; 20][..], 5));
        assert_eq!(token.balance_of(Address::ZERO)[..4], [0x70, 0xa0, 0x82, 0x31]);
        assert_eq!(token.deployment(U256::MAX)[token.creation.len()..], [0xff; 32]);
    }
}

//! ERC-20 tokens.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_word, mapping_slot, nested_slot, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};

/// How many tokens there are.
pub(super) const TOKEN_COUNT: usize = 8;
/// 10^9 tokens of 18 decimals: what every account holds of every token.
const HOLDING: u128 = 1_000_000_000_000_000_000_000_000_000;
/// An allowance that no run uses up: 2^128.
const AMPLE: U256 = U256::from_limbs([0, 0, 1, 0]);
const GAS_LIMIT: u64 = 90_000;

/// The tokens, and what every other scene needs to move them.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) addresses: Vec<Address>,
    popularity: Zipf,
    balance_of: U256,
    allowance: U256,
    total_supply: U256,
    transfer: Selector,
    approve: Selector,
    transfer_from: Selector,
}

impl Tokens {
    /// Places the tokens and gives everybody some of each.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("Token")?;
        let addresses: Vec<Address> =
            (0..TOKEN_COUNT).map(|position| world.genesis.place("Token", position, contract)).collect();
        let tokens = Self {
            addresses,
            popularity: world.zipf(TOKEN_COUNT),
            balance_of: contract.slot("balanceOf")?,
            allowance: contract.slot("allowance")?,
            total_supply: contract.slot("totalSupply")?,
            transfer: contract.selector("transfer(address,uint256)")?,
            approve: contract.selector("approve(address,uint256)")?,
            transfer_from: contract.selector("transferFrom(address,address,uint256)")?,
        };
        // The supply is added once per token: for many accounts this is most of the generator's time.
        let supply = U256::from(HOLDING) * U256::from(world.accounts.count());
        for token in &tokens.addresses {
            for account in 0..world.accounts.count() {
                let slot = tokens.balance_slot(world.accounts.address(account));
                world.genesis.set(*token, slot, U256::from(HOLDING));
            }
            world.genesis.add(*token, tokens.total_supply, supply);
        }
        Ok(tokens)
    }

    /// Gives tokens in the pre-state; the total supply follows.
    pub(super) fn endow(&self, token: Address, holder: Address, amount: U256, world: &mut World) {
        world.genesis.add(token, self.balance_slot(holder), amount);
        world.genesis.add(token, self.total_supply, amount);
    }

    /// Lets a spender move the owner's tokens, in the pre-state.
    pub(super) fn allow(&self, token: Address, owner: Address, spender: Address, world: &mut World) {
        let slot = nested_slot(self.allowance, address_word(owner), address_word(spender));
        world.genesis.set(token, slot, AMPLE);
    }

    /// Transfers mostly, some approvals and spent allowances.
    pub(super) fn next(&self, world: &mut World) -> Call {
        let sender = world.anyone();
        match world.dice.below(100) {
            0..80 => self.transfer(sender, world),
            80..90 => self.approve(sender, world),
            _ => self.transfer_from(sender, world),
        }
    }

    /// A transfer by a given sender; ten in a hundred go to somebody who holds nothing yet.
    pub(super) fn transfer(&self, sender: usize, world: &mut World) -> Call {
        let token = self.addresses[self.popularity.draw(&mut world.dice)];
        let to = world.recipient_address(10);
        let amount = world.dice.amount(1, 1_000);
        let input = call_input(self.transfer, &[address_word(to), word(amount)]);
        let slots = [self.balance_slot(world.accounts.address(sender)), self.balance_slot(to)];
        Call::new(sender, token, input, GAS_LIMIT).touching(slots)
    }

    fn approve(&self, sender: usize, world: &mut World) -> Call {
        let token = self.addresses[self.popularity.draw(&mut world.dice)];
        let spender = world.recipient_address(0);
        // Ample again, so that later spending succeeds whether it follows this approval or not.
        let amount = AMPLE + world.dice.amount(1, 1_000);
        let input = call_input(self.approve, &[address_word(spender), word(amount)]);
        Call::new(sender, token, input, GAS_LIMIT)
    }

    fn transfer_from(&self, sender: usize, world: &mut World) -> Call {
        let token = self.addresses[self.popularity.draw(&mut world.dice)];
        let owner = world.anyone();
        let (owner, spender) = (world.accounts.address(owner), world.accounts.address(sender));
        self.allow(token, owner, spender, world);
        let to = world.recipient_address(0);
        let amount = world.dice.amount(1, 1_000);
        let input = call_input(self.transfer_from, &[address_word(owner), address_word(to), word(amount)]);
        Call::new(sender, token, input, GAS_LIMIT).touching([self.balance_slot(owner), self.balance_slot(to)])
    }

    fn balance_slot(&self, holder: Address) -> U256 {
        mapping_slot(self.balance_of, address_word(holder))
    }
}

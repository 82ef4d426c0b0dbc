//! Lending markets.

use super::token::Tokens;
use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_bits, address_word, mapping_slot, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};
use std::collections::BTreeSet;

/// How many markets there are, one per token.
const MARKET_COUNT: usize = 6;
/// An index that has not grown yet: 10^18.
const INDEX_ONE: u64 = 1_000_000_000_000_000_000;
/// Whole tokens that everyone who appears in a market has deposited before the first block.
const DEPOSIT_TOKENS: u64 = 1_000_000;
/// Whole tokens that they owe.
const DEBT_TOKENS: u64 = 100_000;
const GAS_LIMIT: u64 = 140_000;

/// The markets.
#[derive(Debug)]
pub(super) struct Lending {
    markets: Vec<Market>,
    popularity: Zipf,
    slots: Slots,
    deposit: Selector,
    borrow: Selector,
    repay: Selector,
}

#[derive(Debug)]
struct Market {
    address: Address,
    token: Address,
    /// Who has a position in the pre-state.
    users: BTreeSet<usize>,
}

#[derive(Debug)]
struct Slots {
    total_deposits: U256,
    total_debts: U256,
    deposit_of: U256,
    debt_of: U256,
}

impl Lending {
    /// Places the markets, empty; positions follow as users appear.
    pub(super) fn place(artifacts: &Artifacts, tokens: &Tokens, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("Lending")?;
        let slots = Slots {
            total_deposits: contract.slot("totalDeposits")?,
            total_debts: contract.slot("totalDebts")?,
            deposit_of: contract.slot("depositOf")?,
            debt_of: contract.slot("debtOf")?,
        };
        let fixed = [
            (contract.slot("supplyIndex")?, U256::from(INDEX_ONE)),
            (contract.slot("borrowIndex")?, U256::from(INDEX_ONE)),
            (contract.slot("lastAccrual")?, U256::from(world.start - 12)),
        ];
        let token_slot = contract.slot("token")?;
        let mut markets = Vec::with_capacity(MARKET_COUNT);
        for (position, token) in tokens.addresses.iter().take(MARKET_COUNT).enumerate() {
            let address = world.genesis.place("Lending", position, contract);
            world.genesis.set(address, token_slot, address_bits(*token));
            fixed.iter().for_each(|(slot, value)| world.genesis.set(address, *slot, *value));
            markets.push(Market { address, token: *token, users: BTreeSet::new() });
        }
        Ok(Self {
            markets,
            popularity: world.zipf(MARKET_COUNT),
            slots,
            deposit: contract.selector("deposit(uint256)")?,
            borrow: contract.selector("borrow(uint256)")?,
            repay: contract.selector("repay(uint256)")?,
        })
    }

    /// A deposit, a loan or a repayment.
    pub(super) fn next(&mut self, tokens: &Tokens, world: &mut World) -> Call {
        let position = self.popularity.draw(&mut world.dice);
        let sender = world.anyone();
        self.open_position(position, sender, tokens, world);
        let market = &self.markets[position];
        let selector = match world.dice.below(10) {
            0..4 => self.deposit,
            4..7 => self.borrow,
            _ => self.repay,
        };
        let input = call_input(selector, &[word(world.dice.amount(1, 500))]);
        Call::new(sender, market.address, input, GAS_LIMIT)
    }

    /// Gives the user deposit, debt and allowance in the pre-state; totals and the market's own tokens
    /// follow.
    fn open_position(&mut self, position: usize, user: usize, tokens: &Tokens, world: &mut World) {
        let market = &mut self.markets[position];
        if !market.users.insert(user) {
            return;
        }
        let owner = world.accounts.address(user);
        let (deposit, debt) = (whole(DEPOSIT_TOKENS), whole(DEBT_TOKENS));
        let of = |mapping| mapping_slot(mapping, address_word(owner));
        world.genesis.set(market.address, of(self.slots.deposit_of), deposit);
        world.genesis.set(market.address, of(self.slots.debt_of), debt);
        world.genesis.add(market.address, self.slots.total_deposits, deposit);
        world.genesis.add(market.address, self.slots.total_debts, debt);
        tokens.endow(market.token, market.address, deposit - debt, world);
        tokens.allow(market.token, owner, market.address, world);
    }
}

fn whole(tokens: u64) -> U256 {
    U256::from(tokens) * U256::from(1_000_000_000_000_000_000u64)
}

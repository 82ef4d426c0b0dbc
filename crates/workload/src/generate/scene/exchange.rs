//! Swaps in constant-product pools.

use super::token::{TOKEN_COUNT, Tokens};
use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_bits, address_word, packed, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};

/// How many pools there are: more than one for a pair of tokens.
const POOL_COUNT: usize = 64;
/// Whole tokens of each kind in a pool.
const RESERVE_TOKENS: (u64, u64) = (1_000_000, 100_000_000);
/// Swaps that ask for more than the pool gives and revert, in per cent: prices move on real chains.
const SLIPPAGE_PERCENT: u64 = 3;
const GAS_LIMIT: u64 = 220_000;

/// The pools.
#[derive(Debug)]
pub(super) struct Exchange {
    pools: Vec<Pool>,
    popularity: Zipf,
    reserves: U256,
    swap: Selector,
}

#[derive(Debug)]
struct Pool {
    address: Address,
    tokens: [Address; 2],
}

impl Exchange {
    /// Places the pools with reserves that the tokens' balances agree with.
    pub(super) fn place(artifacts: &Artifacts, tokens: &Tokens, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("Pool")?;
        let (token0, token1) = (contract.slot("token0")?, contract.slot("token1")?);
        let (reserves, locked) = (contract.slot("reserve0")?, contract.slot("locked")?);
        let mut pools = Vec::with_capacity(POOL_COUNT);
        for position in 0..POOL_COUNT {
            let address = world.genesis.place("Pool", position, contract);
            let first = position % TOKEN_COUNT;
            let second = (first + 1 + (position / TOKEN_COUNT) % (TOKEN_COUNT - 1)) % TOKEN_COUNT;
            let pair = [tokens.addresses[first], tokens.addresses[second]];
            let amounts = [(); 2].map(|()| world.dice.amount(RESERVE_TOKENS.0, RESERVE_TOKENS.1));
            world.genesis.set(address, token0, address_bits(pair[0]));
            world.genesis.set(address, token1, address_bits(pair[1]));
            let last_swap = U256::from(world.start - 60);
            world.genesis.set(address, reserves, packed(&[(amounts[0], 0), (amounts[1], 112), (last_swap, 224)]));
            world.genesis.set(address, locked, U256::ONE);
            pair.iter().zip(amounts).for_each(|(token, amount)| tokens.endow(*token, address, amount, world));
            pools.push(Pool { address, tokens: pair });
        }
        let popularity = world.zipf(POOL_COUNT);
        let swap = contract.selector("swap(bool,uint256,uint256,address)")?;
        Ok(Self { pools, popularity, reserves, swap })
    }

    /// A swap of a small amount in either direction.
    pub(super) fn next(&self, tokens: &Tokens, world: &mut World) -> Call {
        let pool = &self.pools[self.popularity.draw(&mut world.dice)];
        let sender = world.anyone();
        let trader = world.accounts.address(sender);
        let zero_for_one = world.dice.chance(50);
        let sold = pool.tokens[usize::from(!zero_for_one)];
        tokens.allow(sold, trader, pool.address, world);
        let amount = world.dice.amount(1, 100);
        let least = if world.dice.chance(SLIPPAGE_PERCENT) { U256::MAX } else { U256::ONE };
        let arguments = [word(u64::from(zero_for_one)), word(amount), word(least), address_word(trader)];
        Call::new(sender, pool.address, call_input(self.swap, &arguments), GAS_LIMIT).touching([self.reserves])
    }
}

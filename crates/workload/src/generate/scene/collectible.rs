//! Mints of collectibles.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::address_word;
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};

/// How many collections there are.
const COLLECTION_COUNT: usize = 4;
const GAS_LIMIT: u64 = 160_000;

/// The collections.
#[derive(Debug)]
pub(super) struct Collectibles {
    addresses: Vec<Address>,
    popularity: Zipf,
    next_id: U256,
    mint: Selector,
}

impl Collectibles {
    /// Places the collections, partly minted.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("Collectible")?;
        let next_id = contract.slot("nextId")?;
        let mut addresses = Vec::with_capacity(COLLECTION_COUNT);
        for position in 0..COLLECTION_COUNT {
            let address = world.genesis.place("Collectible", position, contract);
            world.genesis.set(address, next_id, U256::from(world.dice.between(1, 5_000)));
            addresses.push(address);
        }
        let mint = contract.selector("mint(address)")?;
        Ok(Self { addresses, popularity: world.zipf(COLLECTION_COUNT), next_id, mint })
    }

    /// A mint to the sender.
    pub(super) fn next(&self, world: &mut World) -> Call {
        let collection = self.addresses[self.popularity.draw(&mut world.dice)];
        let sender = world.anyone();
        let input = call_input(self.mint, &[address_word(world.accounts.address(sender))]);
        Call::new(sender, collection, input, GAS_LIMIT).touching([self.next_id])
    }
}

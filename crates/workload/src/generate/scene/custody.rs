//! Custody of goods along a supply chain.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_bits, address_word, mapping_slot, packed, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};

/// One account in this many is a warehouse.
const ACCOUNTS_PER_WAREHOUSE: usize = 20;
const GAS_LIMIT: u64 = 130_000;

/// The goods and who holds them.
///
/// Invariant: `custodians` equals what the contract holds after the transactions generated so far.
#[derive(Debug)]
pub(super) struct Custody {
    contract: Address,
    items_slot: U256,
    hand_over: Selector,
    inspect: Selector,
    custodians: Vec<usize>,
    items: Zipf,
    warehouses: Zipf,
}

impl Custody {
    /// Places the contract and one item per account, held by anyone.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("SupplyChain")?;
        let address = world.genesis.place("SupplyChain", 0, contract);
        let (items_slot, stock_of) = (contract.slot("items")?, contract.slot("stockOf")?);
        let item_count = world.accounts.count();
        let mut custodians = Vec::with_capacity(item_count);
        for item in 0..item_count {
            let custodian = world.anyone();
            let holder = world.accounts.address(custodian);
            let slot = mapping_slot(items_slot, word(item));
            let hand_over_count = U256::from(world.dice.between(1, 20));
            let moved_at = U256::from(world.start - world.dice.between(100, 1_000_000));
            let fields = packed(&[(address_bits(holder), 0), (hand_over_count, 160), (moved_at, 192)]);
            world.genesis.set(address, slot, fields);
            world.genesis.set(address, slot + U256::ONE, world.dice.word().into());
            world.genesis.add(address, mapping_slot(stock_of, address_word(holder)), U256::ONE);
            custodians.push(custodian);
        }
        Ok(Self {
            contract: address,
            items_slot,
            hand_over: contract.selector("handOver(uint256,address,bytes32)")?,
            inspect: contract.selector("inspect(uint256,bytes32)")?,
            custodians,
            items: world.zipf(item_count),
            warehouses: world.zipf(item_count.div_ceil(ACCOUNTS_PER_WAREHOUSE)),
        })
    }

    /// The custodian of some item hands it over or inspects it.
    pub(super) fn next(&mut self, world: &mut World) -> Call {
        let item = self.items.draw(&mut world.dice);
        let sender = self.custodians[item];
        let slot = mapping_slot(self.items_slot, word(item));
        let input = if world.dice.chance(70) {
            let to = if world.dice.chance(60) { self.warehouses.draw(&mut world.dice) } else { world.anyone() };
            self.custodians[item] = to;
            let place = world.dice.word();
            call_input(self.hand_over, &[word(item), address_word(world.accounts.address(to)), place])
        } else {
            call_input(self.inspect, &[word(item), world.dice.word()])
        };
        Call::new(sender, self.contract, input, GAS_LIMIT).touching([slot, slot + U256::ONE])
    }
}

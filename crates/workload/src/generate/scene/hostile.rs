//! The worst cases of a parallel executor.
//!
//! Senders take turns, so that the only conflict is the one that the kind is named for.

use crate::generate::artifact::{Artifacts, Contract, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::word;
use crate::generate::world::{Call, World};
use alloy_primitives::{Address, U256};

/// Gas of one round of work: an upper bound, which a test compares with the EVM.
const GAS_PER_ROUND: u64 = 125;
/// Gas of a hostile call besides its rounds: an upper bound.
const GAS_BASE: u64 = 60_000;
/// Rounds of a call in a serial chain.
const SERIAL_ROUNDS: (u64, u64) = (200, 600);
/// Rounds of a small independent call.
const SMALL_ROUNDS: (u64, u64) = (50, 300);
/// Most rounds of a call: what EIP-7825 allows a transaction.
pub const ROUNDS_MAX: u64 = ((1 << 24) - GAS_BASE) / GAS_PER_ROUND;

/// The hostile contracts.
#[derive(Debug)]
pub(super) struct Hostile {
    serial: (Address, Selector),
    late: (Address, Selector),
    one_slot: (Address, Selector),
    beneficiary: (Address, Selector),
    huge: (Address, Selector),
}

impl Hostile {
    /// Places the contracts.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        // Shared slots are not zero at first, so that the first writer pays what all others pay.
        let mut place = |name, signature, shared| -> Result<_, GenerateError> {
            let contract: Contract<'_> = artifacts.contract(name)?;
            let address = world.genesis.place(name, 0, contract);
            if let Some(variable) = shared {
                world.genesis.set(address, contract.slot(variable)?, U256::ONE);
            }
            Ok((address, contract.selector(signature)?))
        };
        Ok(Self {
            serial: place("Serial", "step(uint256)", Some("last"))?,
            late: place("LateConflict", "run(uint256,uint256)", Some("shared"))?,
            one_slot: place("OneSlot", "increment()", Some("count"))?,
            beneficiary: place("BeneficiaryReader", "look()", None)?,
            huge: place("HugeWork", "work(uint256,uint256)", None)?,
        })
    }

    /// A step of the serial chain.
    pub(super) fn serial_step(&self, world: &mut World) -> Call {
        let rounds = world.dice.between(SERIAL_ROUNDS.0, SERIAL_ROUNDS.1);
        let input = call_input(self.serial.1, &[word(rounds)]);
        Call::new(world.accounts.next_in_turn(), self.serial.0, input, gas_limit(rounds))
    }

    /// Work, then the conflict.
    pub(super) fn late_conflict(&self, world: &mut World) -> Call {
        let (least, most) = world.late_conflict_rounds;
        let rounds = world.dice.between(least, most);
        let input = call_input(self.late.1, &[word(rounds), world.dice.word()]);
        Call::new(world.accounts.next_in_turn(), self.late.0, input, gas_limit(rounds))
    }

    /// An increment of the one slot.
    pub(super) fn one_slot(&self, world: &mut World) -> Call {
        Call::new(world.accounts.next_in_turn(), self.one_slot.0, call_input(self.one_slot.1, &[]), gas_limit(0))
    }

    /// A look at the beneficiary's balance.
    pub(super) fn look_at_beneficiary(&self, world: &mut World) -> Call {
        let input = call_input(self.beneficiary.1, &[]);
        Call::new(world.accounts.next_in_turn(), self.beneficiary.0, input, gas_limit(0))
    }

    /// Small independent work.
    pub(super) fn small_work(&self, world: &mut World) -> Call {
        let rounds = world.dice.between(SMALL_ROUNDS.0, SMALL_ROUNDS.1);
        self.work(rounds, world)
    }

    /// The longest work.
    pub(super) fn huge_work(&self, world: &mut World) -> Call {
        self.work(ROUNDS_MAX, world)
    }

    fn work(&self, rounds: u64, world: &mut World) -> Call {
        let input = call_input(self.huge.1, &[word(rounds), world.dice.word()]);
        Call::new(world.accounts.next_in_turn(), self.huge.0, input, gas_limit(rounds))
    }
}

fn gas_limit(rounds: u64) -> u64 {
    GAS_BASE + rounds * GAS_PER_ROUND
}

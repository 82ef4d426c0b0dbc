//! Consent to read health records.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_word, mapping_slot, nested_slot, packed, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

/// One account in this many is a provider: a practice, a hospital, a laboratory.
const ACCOUNTS_PER_PROVIDER: usize = 20;
/// Seconds for which consent is given.
const CONSENT_SECONDS: u64 = 30 * 24 * 3600;
/// Every kind of record.
const ALL_SCOPES: u32 = 0xff;
const GAS_LIMIT: u64 = 170_000;

/// The registry.
///
/// Invariant: `held` equals what the contract holds after the transactions generated so far, for the
/// pairs that appeared in them.
#[derive(Debug)]
pub(super) struct Consent {
    contract: Address,
    grants: U256,
    access_count: U256,
    grant: Selector,
    revoke: Selector,
    read: Selector,
    providers: Zipf,
    /// Whether a patient's consent to a provider holds.
    held: BTreeMap<(usize, usize), bool>,
}

impl Consent {
    /// Places the registry; consent given before the first block is added as it is used.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("HealthConsent")?;
        Ok(Self {
            contract: world.genesis.place("HealthConsent", 0, contract),
            grants: contract.slot("grants")?,
            access_count: contract.slot("accessCount")?,
            grant: contract.selector("grant(address,uint32,uint64)")?,
            revoke: contract.selector("revoke(address)")?,
            read: contract.selector("read(address,bytes32,uint32)")?,
            providers: world.zipf(world.accounts.count().div_ceil(ACCOUNTS_PER_PROVIDER)),
            held: BTreeMap::new(),
        })
    }

    /// A provider reads a record, or a patient grants or revokes consent.
    pub(super) fn next(&mut self, world: &mut World) -> Call {
        let provider = self.providers.draw(&mut world.dice);
        let patient = world.anyone();
        match world.dice.below(100) {
            0..45 if self.holds(patient, provider, world) => self.read(patient, provider, world),
            45..60 if self.holds(patient, provider, world) => self.revoke(patient, provider, world),
            _ => self.grant(patient, provider, world),
        }
    }

    fn read(&self, patient: usize, provider: usize, world: &mut World) -> Call {
        let scope = 1u64 << world.dice.below(8);
        let owner = address_word(world.accounts.address(patient));
        let input = call_input(self.read, &[owner, world.dice.word(), word(scope)]);
        let slots = [self.grant_slot(patient, provider, world), mapping_slot(self.access_count, owner)];
        Call::new(provider, self.contract, input, GAS_LIMIT).touching(slots)
    }

    fn grant(&mut self, patient: usize, provider: usize, world: &mut World) -> Call {
        self.held.insert((patient, provider), true);
        let until = world.start + CONSENT_SECONDS + world.dice.below(CONSENT_SECONDS);
        let arguments = [address_word(world.accounts.address(provider)), word(ALL_SCOPES), word(until)];
        Call::new(patient, self.contract, call_input(self.grant, &arguments), GAS_LIMIT)
    }

    fn revoke(&mut self, patient: usize, provider: usize, world: &mut World) -> Call {
        self.held.insert((patient, provider), false);
        let input = call_input(self.revoke, &[address_word(world.accounts.address(provider))]);
        Call::new(patient, self.contract, input, GAS_LIMIT)
    }

    /// Whether consent holds; a pair that never appeared gets it in the pre-state.
    fn holds(&mut self, patient: usize, provider: usize, world: &mut World) -> bool {
        let slot = self.grant_slot(patient, provider, world);
        *self.held.entry((patient, provider)).or_insert_with(|| {
            let until = U256::from(world.start + CONSENT_SECONDS);
            let read_count = U256::from(world.dice.below(10));
            let fields = packed(&[(until, 0), (U256::from(ALL_SCOPES), 64), (read_count, 96)]);
            world.genesis.set(self.contract, slot, fields);
            true
        })
    }

    fn grant_slot(&self, patient: usize, provider: usize, world: &World) -> U256 {
        let [patient, provider] = [patient, provider].map(|account| address_word(world.accounts.address(account)));
        nested_slot(self.grants, patient, provider)
    }
}

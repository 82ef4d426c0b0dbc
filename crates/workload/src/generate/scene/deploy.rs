//! New contracts.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_word, word};
use crate::generate::world::{ACCOUNT_STATE_BYTES, Call, SLOT_STATE_BYTES, World};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};

const VAULT_GAS_LIMIT: u64 = 450_000;
const TOKEN_GAS_LIMIT: u64 = 750_000;

/// The factory, and what is deployed.
#[derive(Debug)]
pub(super) struct Deploys {
    factory: Address,
    deploy: Selector,
    /// Creation code without arguments.
    vault: Bytes,
    token: Bytes,
}

impl Deploys {
    /// Places the factory.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let factory = artifacts.contract("Factory")?;
        Ok(Self {
            factory: world.genesis.place("Factory", 0, factory),
            deploy: factory.selector("deploy(bytes32)")?,
            vault: artifacts.contract("Vault")?.creation(),
            token: artifacts.contract("Token")?.creation(),
        })
    }

    /// A vault by creation transaction or factory, or a token.
    pub(super) fn next(&self, world: &mut World) -> Call {
        let sender = world.anyone();
        match world.dice.below(10) {
            0..4 => create(sender, &self.vault, address_word(world.accounts.address(sender)), VAULT_GAS_LIMIT),
            4..6 => create(sender, &self.token, word(world.dice.amount(1_000, 1_000_000)), TOKEN_GAS_LIMIT),
            _ => {
                let input = call_input(self.deploy, &[world.dice.word()]);
                let call = Call::new(sender, self.factory, input, VAULT_GAS_LIMIT);
                Call { state_bytes: state_bytes(&self.vault), ..call }
            }
        }
    }
}

/// A creation transaction: code and the constructor's argument.
fn create(sender: usize, code: &Bytes, argument: B256, gas_limit: u64) -> Call {
    let input = [code, argument.as_slice()].concat().into();
    let state_bytes = state_bytes(code);
    Call { sender, to: TxKind::Create, value: U256::ZERO, input, gas_limit, state_bytes, slots: Vec::new() }
}

/// State bytes of a deployment: the account, its code (shorter than the creation code), and the few
/// slots that constructor and factory fill.
fn state_bytes(creation: &Bytes) -> u64 {
    ACCOUNT_STATE_BYTES + creation.len() as u64 + 4 * SLOT_STATE_BYTES
}

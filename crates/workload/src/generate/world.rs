//! What all scenes share, and what a scene hands out: a call.

use super::accounts::Accounts;
use super::dice::Dice;
use super::genesis::Genesis;
use super::zipf::Zipf;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};

/// The people, the state before the first block, and the draws.
#[derive(Debug)]
pub(super) struct World {
    pub(super) accounts: Accounts,
    pub(super) genesis: Genesis,
    pub(super) dice: Dice,
    /// Exponent of all skewed choices.
    pub(super) skew: f64,
    /// Rounds of a call that conflicts late, least and most.
    pub(super) late_conflict_rounds: (u64, u64),
    /// Who receives: position 0 is the most popular account.
    pub(super) recipients: Zipf,
    /// Time of the first block, in seconds.
    pub(super) start: u64,
}

/// State bytes of an account that did not exist. EIP-8037, STATE_BYTES_PER_NEW_ACCOUNT.
pub(super) const ACCOUNT_STATE_BYTES: u64 = 120;
/// State bytes of a slot that was zero. EIP-8037, STATE_BYTES_PER_STORAGE_SET.
pub(super) const SLOT_STATE_BYTES: u64 = 64;

/// A transaction before it has nonce, fees, envelope and signature.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Position of the sender.
    pub(super) sender: usize,
    /// The contract or account called; or a creation.
    pub(super) to: TxKind,
    /// Wei sent along.
    pub(super) value: U256,
    /// Input or creation code.
    pub(super) input: Bytes,
    /// Gas limit under Osaka's prices.
    pub(super) gas_limit: u64,
    /// Bytes by which the call grows the state, at most, as EIP-8037 counts them.
    pub(super) state_bytes: u64,
    /// Slots of `to` that the call is known to touch: what an access list can name.
    pub(super) slots: Vec<B256>,
}

impl Call {
    /// A call of a contract without ether, which fills four slots at most.
    pub(super) fn new(sender: usize, to: Address, input: Bytes, gas_limit: u64) -> Self {
        Self {
            sender,
            to: to.into(),
            value: U256::ZERO,
            input,
            gas_limit,
            state_bytes: 4 * SLOT_STATE_BYTES,
            slots: Vec::new(),
        }
    }

    /// With slots that the call is known to touch.
    pub(super) fn touching(mut self, slots: impl IntoIterator<Item = U256>) -> Self {
        self.slots = slots.into_iter().map(B256::from).collect();
        self
    }
}

impl World {
    /// Somebody, everyone equally likely.
    pub(super) fn anyone(&mut self) -> usize {
        self.dice.position(self.accounts.count())
    }

    /// Somebody popular, by the skew.
    pub(super) fn recipient(&mut self) -> usize {
        self.recipients.draw(&mut self.dice)
    }

    /// The address of somebody popular, or in `fresh_percent` of 100 cases one that nobody has yet.
    pub(super) fn recipient_address(&mut self, fresh_percent: u64) -> Address {
        if self.dice.chance(fresh_percent) {
            return Address::from_word(self.dice.word());
        }
        let recipient = self.recipient();
        self.accounts.address(recipient)
    }

    /// A skewed choice among `count`.
    pub(super) fn zipf(&self, count: usize) -> Zipf {
        Zipf::new(count, self.skew)
    }
}

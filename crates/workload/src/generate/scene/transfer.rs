//! Plain transfers of ether, and bursts of one sender.

use super::token::Tokens;
use crate::generate::world::{ACCOUNT_STATE_BYTES, Call, World};
use alloy_primitives::{Bytes, U256};

/// Intrinsic gas of a transaction. Yellow Paper, G_transaction.
const TRANSFER_GAS: u64 = 21_000;
/// Transactions of one sender in a burst.
const BURST_TX_COUNT: u32 = 16;

/// A plain transfer by a given sender; five in a hundred go to an account that does not exist yet.
pub(super) fn transfer(sender: usize, world: &mut World) -> Call {
    let to = world.recipient_address(5);
    let value = U256::from(world.dice.between(1, 1_000_000_000_000_000_000));
    Call {
        sender,
        to: to.into(),
        value,
        input: Bytes::new(),
        gas_limit: TRANSFER_GAS,
        state_bytes: ACCOUNT_STATE_BYTES,
        slots: Vec::new(),
    }
}

/// Bursts: the same sender again and again, as exchanges and airdrops send.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    sender: usize,
    left: u32,
}

impl Bursts {
    /// The next transaction of the burst under way, or the first of a new one.
    pub(super) fn next(&mut self, tokens: &Tokens, world: &mut World) -> Call {
        if self.left == 0 {
            self.sender = world.anyone();
            self.left = BURST_TX_COUNT;
        }
        self.left -= 1;
        if world.dice.chance(50) { transfer(self.sender, world) } else { tokens.transfer(self.sender, world) }
    }
}

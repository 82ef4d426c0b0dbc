//! What only a development node does: it signs for accounts of which everybody knows the keys, lets anybody send as anybody,
//! and changes state, clock and head when told to.
//!
//! ```text
//! eth_sendTransaction --> fill (nonce, gas, fees) --> sign, or impersonate --> pool --> block
//! anvil_set*          --> interventions over the head ------------------------------------^
//! evm_snapshot, evm_revert --> head, interventions, clock and pool, as they were
//! ```

mod accounts;
mod control;
mod fill;
mod impersonate;
mod info;
mod mine;
mod number;
mod send;
mod sign;
mod snapshots;
mod state;
mod time;

pub use accounts::DevAccounts;
pub use control::{DevControl, ForkSource};

use crate::methods::{MethodSet, Methods};

/// `anvil_*`, `evm_*`, `hardhat_*`, and what signs with the keys of development accounts.
#[derive(Clone, Copy, Debug)]
pub struct DevMethods;

impl MethodSet for DevMethods {
    fn add_to(methods: &mut Methods) {
        send::add_to(methods);
        impersonate::add_to(methods);
        state::add_to(methods);
        mine::add_to(methods);
        time::add_to(methods);
        snapshots::add_to(methods);
        info::add_to(methods);
    }
}

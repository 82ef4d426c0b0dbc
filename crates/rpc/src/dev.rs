//! What only a development node does: it signs for accounts of which everybody knows the keys, lets anybody send as anybody,
//! and changes state, clock and head when told to.
//!
//! ```text
//! eth_sendTransaction --> fill (nonce, gas, fees) --> sign, or impersonate --> pool --> block
//! anvil_set*          --> interventions over the head ------------------------------------^
//! evm_snapshot, evm_revert --> head, interventions, clock and pool, as they were
//! ```

mod accounts;
mod fill;
mod number;
mod sign;

pub use accounts::DevAccounts;

//! What makes a block valid, as pure functions.
//!
//! ```text
//! bytes -> decode_block -> validate_header -> validate_body -> validate_ommers -> validate_access_list
//!                          header, parent     header, body     last 7 blocks      the list that came along
//!       -> (execution)  -> validate_transactions_root -> validate_outcome
//!                          header, transactions          header, outcome, state root
//! ```
//!
//! [`crate::MemoryChain`] and [`crate::Chain`] call them in this order ([`validate_before_execution`] is all before execution); each can be called alone, as long as those
//! before it passed. All of them report through one [`BlockError`].
//!
//! Proof-of-work seals (`mix_hash` and `nonce` before Paris) are not verified: Motet follows chains whose
//! proof-of-work past is settled, and the public tests carry no seals. The clock is not read either, so a
//! block from the future is for the caller to hold back.

mod base_fee;
mod before;
mod blob_gas;
mod body;
mod decode;
mod difficulty;
mod error;
mod header;
mod names;
mod ommers;
mod outcome;
mod transaction;

pub use base_fee::next_base_fee;
pub use before::validate_before_execution;
pub use blob_gas::next_excess_blob_gas;
pub use body::{BLOCK_RLP_BYTES_MAX, validate_access_list, validate_body, validate_transactions_root};
pub use decode::decode_block;
pub use difficulty::next_difficulty;
pub use error::BlockError;
pub use header::{ParentHeader, validate_header};
pub use names::{exception_names, tx_exception_names};
pub use ommers::{Ancestor, OMMER_ANCESTORS, OMMERS_MAX, validate_ommers};
pub use outcome::{validate_outcome, validate_results, validate_state_root};
pub use transaction::{initcode_bytes_max, is_known_type, validate_transactions};

//! The words that every Motet crate shares.
//!
//! In: nothing; this crate reads no files and starts no threads. Out: the chain specification
//! ([`ChainSpec`], [`Fork`]), blocks with their senders ([`RecoveredBlock`]), the view of the parent
//! state ([`StateView`]), and what an execution gives back ([`BlockOutcome`]: receipts, gas, requests,
//! [`StateDiff`], [`BlockRecord`]).
//!
//! Every type at a crate boundary is alloy's where alloy has one: there is no second integer, RLP,
//! transaction, header, receipt or access-list type here.
//!
//! What always holds: values in a [`StateDiff`] and a [`BlockRecord`] are sorted, so that two equal
//! executions compare equal with `==`, whatever threads or hash maps made them.
//!
//! This crate refuses to know the EVM, threads, the disk and the network.

pub mod access_list;
pub mod block;
pub mod diff;
pub mod impersonation;
pub mod index;
pub mod memory;
pub mod outcome;
pub mod record;
pub mod spec;
pub mod tx_error;
pub mod view;

pub use access_list::{ListFormError, validate_list_form};
pub use block::{Block, BlockHashes, RecoveredBlock, RecoveryError, Transaction};
pub use diff::{AccountDiff, StateDiff};
pub use impersonation::{chain_sender, impersonated_sender, impersonated_signature};
pub use index::{Incarnation, TxIndex};
pub use memory::{MemoryAccount, MemoryState};
pub use outcome::{BlockOutcome, GasUsed};
pub use record::{BlockRecord, Lifecycle, LifecycleEvent, StorageWipe};
pub use spec::{BlockRules, ChainSpec, Fork, SpecError};
pub use tx_error::TxError;
pub use view::{Account, Location, Read, StateView, Ticket, Value, ViewError};

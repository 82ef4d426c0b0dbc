//! What the integration tests of this crate share: hand-written contracts, small blocks, and one [`check`]
//! that runs a block through every engine and compares.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this library")]

mod assembler;
mod case;
mod check;
mod hint_variants;
mod views;
mod watchdog;

pub(crate) use assembler::{Code, Word, deployer, op};
pub(crate) use case::{Authorized, BENEFICIARY, Case, ETHER, NUMBER, Tx, contract, eoa, everything};
pub(crate) use check::{Checked, WORKER_COUNTS, check, check_view, invalid, same};
pub(crate) use hint_variants::hint_variants;
pub(crate) use views::{FailingView, PANIC, PanickingView, PendingView};
pub(crate) use watchdog::Watchdog;

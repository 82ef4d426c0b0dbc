//! Blocks that others made: real chains and the public conformance suites, against the rules here.
//!
//! Most of it executes nothing: what is tested is everything that can be said about a block without running its
//! transactions, and, on the first blocks of mainnet, which have none, the states as well. `durable` and `pipelined` import
//! whole chains into a store on disk, with every engine.

mod archives;
mod chains;
mod durable;
mod era1;
mod fixtures;
mod genesis;
mod ledger;
mod pipelined;
mod suites;

//! The rules of Ethereum that parallel execution could get wrong, one block each.
//!
//! Every test is a block in which what one transaction does depends on one below it, in one of the ways that
//! the protocol knows. [`support::check`] runs it through every engine, at every worker count, with hints of
//! every quality, and demands the sequential result; the test then says what that result has to be.

mod admission;
mod ancestors;
mod balance;
mod blobs;
mod delegation;
mod destruct;
mod existence;
mod hashing;
mod hot;
mod invalid;
mod limits;
mod listing;
mod nonce;
#[path = "../support/mod.rs"]
mod support;
mod transient;
mod views;

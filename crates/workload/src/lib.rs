//! Inputs: blocks from files, and blocks from a seed.

pub mod block_file;
pub mod chain_file;
pub mod generate;
pub mod input;
pub mod spec_test;

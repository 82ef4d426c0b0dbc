//! workload

pub mod block_file;
pub mod generate;
pub mod spec_test;

//! Blocks of this chain's own making.

mod choose;
mod header;
mod request;
mod seal;

pub(crate) use choose::may_take;
pub(crate) use header::open_block;
pub use request::{BuildRequest, BuildSource, GasLimit, SealError, SealTimes, Sealed};

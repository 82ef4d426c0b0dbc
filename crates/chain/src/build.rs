//! Blocks of this chain's own making.

mod choose;
mod header;
mod request;
mod seal;

pub(crate) use choose::may_take;
pub use request::{BuildRequest, BuildSource, GasLimit, SealError, SealTimes, Sealed};

//! What clients ask of a chain, through the methods that nodes serve.

mod bad_input;
mod deadlines;
mod estimates;
mod filters;
mod follow;
mod logs;
mod send;
#[path = "../support/mod.rs"]
mod support;

//! A chain in service: its pool, and the blocks that it builds.

mod blobs;
mod building;
mod delegation;
mod fork;
mod journal;
mod limits;
mod pool;
mod world;

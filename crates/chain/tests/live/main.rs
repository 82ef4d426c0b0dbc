//! A chain in service: its pool, and the blocks that it builds.

mod blobs;
mod building;
mod delegation;
mod filling;
mod fork;
mod journal;
mod limits;
mod past;
mod pool;
mod producing;
mod world;

//! A chain in service: its pool, and the blocks that it builds.

mod blobs;
mod building;
mod filling;
mod journal;
mod past;
mod pool;
mod producing;
mod world;

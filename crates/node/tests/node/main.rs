//! Nodes as processes: `motet dev` and `motet node`, started, asked, stopped and killed.

mod config;
mod dev;
mod follow;
mod fork;
mod kills;
mod support;

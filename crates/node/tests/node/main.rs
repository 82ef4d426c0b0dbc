//! Nodes as processes: `motet dev` and `motet node`, started, asked, stopped and killed.

mod config;
mod dev;
#[path = "../fetch/fake_node.rs"]
#[allow(dead_code, reason = "it is made for another test, which takes the rest")]
mod fake_node;
mod follow;
mod fork;
mod kills;
mod ports;
mod support;

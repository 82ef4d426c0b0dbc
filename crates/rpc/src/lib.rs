//! The chain as wallets, libraries and tools talk to it: JSON-RPC over HTTP and WebSocket, and the Engine API.
//!
//! In: requests, untrusted. Out: answers equal to what execution clients give, or an error with the code that they use.
//!
//! What always holds: a request never panics, never blocks the threads that serve others, and is bounded in bytes, time and
//! answers. This crate refuses to know the store's layout and the EVM.

mod args;
mod auth;
mod block_arg;
mod block_cache;
mod block_json;
mod block_lookup;
mod build_block;
mod call_args;
mod call_bounds;
mod call_error;
mod call_overrides;
mod call_state;
mod calls;
mod chain_events;
mod context;
mod debug_trace;
mod dev;
mod engine;
mod error;
mod estimate;
mod eth_blocks;
mod eth_chain;
mod eth_config;
mod eth_fees;
mod eth_proofs;
mod eth_send;
mod eth_state;
mod eth_transactions;
mod filters;
mod follower;
mod fork_choice;
mod hex_args;
mod limits;
mod log_query;
mod logs;
mod method_groups;
mod methods;
mod metrics;
mod parity_trace;
mod raw_data;
mod receipt_json;
mod reexecution;
mod schedule;
mod served_block;
mod server;
mod simulate;
mod subscriptions;
mod timed_view;
mod tls;
mod trace_base;
mod trace_calls;
mod txpool;
mod witness;

pub use args::Args;
pub use auth::{JwtError, JwtSecret, JwtSecretError};
pub use block_arg::{BlockArg, BlockTag};
pub use build_block::TestingMethods;
pub use calls::EthCalls;
pub use context::{RpcContext, RpcLimits};
pub use dev::{DevAccounts, DevControl, DevMethods, ForkSource};
pub use engine::EngineApi;
pub use error::RpcError;
pub use filters::FilterLimits;
pub use fork_choice::ForkChoice;
pub use limits::ServerLimits;
pub use method_groups::{OpenGroups, all_methods, open_methods};
pub use methods::{MethodSet, Methods};
pub use metrics::RpcMetrics;
pub use schedule::{MotetMethods, ScheduleMethods};
pub use served_block::{Receipts, ServedBlock};
pub use server::{AllowedNames, LocalRpc, RpcServer, RunningServer, ServerConfig, ServerError};
pub use subscriptions::SubscriptionIds;
pub use tls::{TlsError, TlsFiles};
pub use trace_base::TraceBounds;
pub use witness::Witnesses;

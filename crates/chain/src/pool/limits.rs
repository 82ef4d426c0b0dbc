//! How far the pool may grow, and what it asks of transactions.

use std::path::PathBuf;

/// How much more a replacement must offer, in percent, as geth's pools have it.
const PRICE_BUMP_PERCENT: u64 = 10;
/// The same for transactions with blobs, whose spreading is dear.
const BLOB_PRICE_BUMP_PERCENT: u64 = 100;
/// Longest transaction without its sidecar, in bytes: geth's txMaxSize.
const TX_BYTES_MAX: usize = 128 * 1024;

/// Where a transaction comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The owner of the node: neither the minimum fee nor the bound per sender applies.
    Local,
    /// Anybody.
    #[default]
    External,
}

/// How far a [`Pool`](super::Pool) may grow, and the least that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions. Beyond, the worst go.
    pub count_max: usize,
    /// Most bytes of transactions with their sidecars.
    pub bytes_max: usize,
    /// Most transactions of one sender.
    pub per_sender_max: usize,
    /// Most transactions that wait for one with a lower nonce.
    pub queued_max: usize,
    /// Most transactions of one sender that wait so.
    pub queued_per_sender_max: usize,
    /// Most blobs of all transactions together.
    pub blobs_max: usize,
    /// Longest transaction in bytes, its sidecar not counted.
    pub tx_bytes_max: usize,
    /// Wei per gas that the block's builder must be offered at least.
    pub priority_fee_min: u128,
    /// Whether a transaction that cannot pay the next block's base fee is refused rather than kept for a cheaper time.
    pub base_fee_required: bool,
    /// How much more a replacement must offer, in percent.
    pub price_bump_percent: u64,
    /// The same, where blobs are replaced.
    pub blob_price_bump_percent: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            count_max: 1 << 18,
            bytes_max: 256 << 20,
            per_sender_max: 1 << 16,
            queued_max: 1 << 14,
            queued_per_sender_max: 1 << 10,
            blobs_max: 1 << 10,
            tx_bytes_max: TX_BYTES_MAX,
            priority_fee_min: 0,
            base_fee_required: false,
            price_bump_percent: PRICE_BUMP_PERCENT,
            blob_price_bump_percent: BLOB_PRICE_BUMP_PERCENT,
        }
    }
}

/// How a [`Pool`](super::Pool) is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolOptions {
    /// Bounds.
    pub limits: PoolLimits,
    /// The file in which transactions survive a restart. `None`: they do not.
    pub journal: Option<PathBuf>,
    /// Threads that validate; none, or one, is the caller's alone.
    pub threads: usize,
    /// Whether signatures that no key can make name the sender of the owner's transactions: development chains only.
    pub takes_impersonated: bool,
}

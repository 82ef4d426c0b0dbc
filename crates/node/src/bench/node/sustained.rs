//! One run at full load: how fast a node takes, executes and keeps transfers.

use super::mode::Mode;
use super::peer::{Peer, Programs, Running};
use super::rpc::Rpc;
use super::stages::{self, Stages};
use super::transfers::{Transfers, body};
use crate::clock;
use alloy_primitives::B256;
use eyre::{WrapErr, ensure, eyre};
use serde::Serialize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Between two looks for a receipt.
const POLL: Duration = Duration::from_millis(5);
/// A node that shows no further receipt for so long has lost a transaction.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one run found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sustained {
    pub(super) txs: u64,
    /// From the first byte sent until the last batch was answered.
    pub(super) submit_s: f64,
    /// From then until the last receipt was there.
    pub(super) after_s: f64,
    pub(super) total_s: f64,
    pub(super) txs_per_second: f64,
    pub(super) gas: u64,
    pub(super) blocks: u64,
    pub(super) block_txs_max: u64,
    /// CPU time of this process while the clock ran.
    pub(super) client_cpu_s: f64,
    /// CPU time of the node in the same time.
    pub(super) node_cpu_s: Option<f64>,
    /// Peak of its resident memory since its start.
    pub(super) node_peak_bytes: Option<u64>,
    /// What it has on disk at the end.
    pub(super) disk_bytes: u64,
    /// Seconds that it spent in each stage of making blocks meanwhile; nothing where it does not say.
    pub(super) stages_s: Stages,
}

/// Starts a node, loads it, and checks what it did.
pub(super) fn measure(
    programs: &Programs,
    peer: Peer,
    mode: Mode,
    transfers: &Transfers,
    txs: u64,
    connections: u32,
) -> eyre::Result<Sustained> {
    let list = transfers.first(txs)?;
    let bodies = transfers.bodies(list);
    let last = transfers.last_hashes(list);
    let node = programs.start(peer, mode)?;
    let rpc = Rpc::new(&node.url);
    prepare(&rpc, transfers, mode)?;
    let first_block = rpc.head()? + 1;

    let read_stages = || node.metrics_url.as_deref().map_or(Ok(Stages::new()), stages::read);
    let stages_before = read_stages()?;
    let (client_cpu, node_cpu) = (clock::cpu_time(), node.cpu_time());
    let started = Instant::now();
    let taken = submit(&node, &bodies, connections)?;
    let submitted = started.elapsed();
    ensure!(taken as u64 == txs, "the node answered for {taken} of {txs} transactions");
    if mode == Mode::Queued {
        mine_until_receipts(&rpc, &last)?;
    } else {
        wait_for_receipts(&rpc, &last)?;
    }
    let total = started.elapsed();
    let client_cpu = clock::cpu_time().saturating_sub(client_cpu);
    let node_cpu = node.cpu_time().zip(node_cpu).map(|(end, start)| end.saturating_sub(start));

    let mut sample = Sustained {
        txs,
        submit_s: submitted.as_secs_f64(),
        after_s: total.saturating_sub(submitted).as_secs_f64(),
        total_s: total.as_secs_f64(),
        txs_per_second: txs as f64 / total.as_secs_f64().max(1e-9),
        gas: 0,
        blocks: 0,
        block_txs_max: 0,
        client_cpu_s: client_cpu.as_secs_f64(),
        node_cpu_s: node_cpu.map(|time| time.as_secs_f64()),
        node_peak_bytes: node.peak_bytes(),
        disk_bytes: node.disk_bytes(),
        stages_s: stages::between(&stages_before, &read_stages()?),
    };
    let mut included = 0;
    for number in first_block..=rpc.head()? {
        let block = rpc.block(number)?.ok_or_else(|| eyre!("block {number} is missing below the head"))?;
        let count = block.transactions.len() as u64;
        if count > 0 {
            included += count;
            sample.blocks += 1;
            sample.block_txs_max = sample.block_txs_max.max(count);
            sample.gas = sample.gas.saturating_add(block.gas_used.to());
        }
    }
    ensure!(included == txs, "the blocks hold {included} of {txs} transactions");
    for sender in &transfers.senders {
        let (have, want) =
            (rpc.number_of(transfers.token, &transfers.erc20.balance_of(*sender))?, transfers.balance_after(txs));
        ensure!(have == want, "{sender} holds {have} tokens at the end, and should hold {want}");
    }
    Ok(sample)
}

/// Creates the token and endows the senders.
pub(super) fn prepare(rpc: &Rpc, transfers: &Transfers, mode: Mode) -> eyre::Result<()> {
    // One by one where each makes a block: a batch may be answered before its last block is there.
    let taken = rpc.send_batch(&body(&transfers.setup)).wrap_err("creating the token")?;
    ensure!(taken == transfers.setup.len(), "the node answered for {taken} of {} transactions", transfers.setup.len());
    let last: Vec<B256> = transfers.setup.iter().map(|signed| signed.hash).collect();
    if mode == Mode::Queued { mine_until_receipts(rpc, &last) } else { wait_for_receipts(rpc, &last) }
}

/// Sends all bodies over several connections; says how many transactions were taken.
fn submit(node: &Running, bodies: &[String], connections: u32) -> eyre::Result<usize> {
    let (next, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let rpc = Rpc::new(&node.url);
                // Relaxed: a counter that hands out positions; nothing else follows from it.
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match rpc.send_batch(body) {
                        Ok(count) => taken.fetch_add(count, Ordering::Relaxed),
                        Err(error) => {
                            // The others stop as well.
                            next.store(bodies.len(), Ordering::Relaxed);
                            failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
                            return;
                        }
                    };
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None => Ok(taken.into_inner()),
    }
}

/// Waits until every receipt is there: for one after the other, so that little is asked.
fn wait_for_receipts(rpc: &Rpc, hashes: &[B256]) -> eyre::Result<()> {
    for hash in hashes {
        let patience = Instant::now() + PATIENCE;
        while rpc.receipt(*hash)?.is_none() {
            ensure!(Instant::now() < patience, "transaction {hash} has no receipt after {PATIENCE:?}");
            sleep(POLL);
        }
    }
    Ok(())
}

/// Has blocks made until every receipt is there. A block without transactions before that is a fault.
fn mine_until_receipts(rpc: &Rpc, hashes: &[B256]) -> eyre::Result<()> {
    for hash in hashes {
        while rpc.receipt(*hash)?.is_none() {
            rpc.mine()?;
            let head = rpc.head()?;
            let count = rpc.block(head)?.map_or(0, |block| block.transactions.len());
            ensure!(count > 0, "transaction {hash} has no receipt, and block {head} is empty");
        }
    }
    Ok(())
}

//! One run below full load: how long from submission to receipt.

use super::mode::Mode;
use super::peer::{Peer, Programs, Running};
use super::rpc::Rpc;
use super::sustained::prepare;
use super::transfers::{Transfers, body};
use crate::clock;
use alloy_primitives::B256;
use eyre::{ensure, eyre};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// A block after each such time.
const BLOCK_TIME: Duration = Duration::from_millis(100);
/// What falls due in such a time is sent together.
const TICK: Duration = Duration::from_millis(5);
/// Connections that send in turn: one slow answer does not hold up the next tick.
const CONNECTIONS: usize = 4;
/// Between two looks for the next block: the resolution of the times.
const POLL: Duration = Duration::from_millis(2);
/// A node that shows no further block for so long has lost a transaction.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) node: Peer,
    pub(super) txs: u64,
    /// What was asked for, and what came about.
    pub(super) rate_planned: f64,
    pub(super) rate: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    /// The most by which a transaction was sent too late: where this is not small, the client was the one who was slow.
    pub(super) late_ms_max: f64,
    pub(super) client_cpu_s: f64,
    pub(super) node_cpu_s: Option<f64>,
}

/// When each transaction was sent, and when its receipt was seen, since the start.
#[derive(Debug)]
struct Times {
    sent: Vec<Duration>,
    late_max: Duration,
}

/// Starts a node and sends to it at a steady rate.
pub(super) fn measure(
    programs: &Programs,
    peer: Peer,
    transfers: &Transfers,
    rate: f64,
    time: Duration,
) -> eyre::Result<Latency> {
    ensure!(rate >= 1.0, "a rate of {rate:.1} a second measures nothing");
    let planned = (rate * time.as_secs_f64()) as u64;
    let txs = planned.min(transfers.count()).max(1);
    let list = transfers.first(txs)?;
    let positions: HashMap<B256, usize> = list.iter().enumerate().map(|(at, signed)| (signed.hash, at)).collect();
    let node = programs.start(peer, Mode::Interval(BLOCK_TIME))?;
    let rpc = Rpc::new(&node.url);
    prepare(&rpc, transfers, Mode::Interval(BLOCK_TIME))?;
    let first_block = rpc.head()? + 1;
    // What falls due at each tick, encoded before the clock runs.
    let due = |tick: usize| ((tick as f64 * TICK.as_secs_f64() * rate) as usize).min(list.len());
    let mut ticks = Vec::new();
    let mut tick = 0;
    while due(tick) < list.len() {
        let range = due(tick)..due(tick + 1);
        ticks.push((range.clone(), body(list.get(range).unwrap_or_default())));
        tick += 1;
    }

    let (client_cpu, node_cpu) = (clock::cpu_time(), node.cpu_time());
    let started = Instant::now();
    let (times, seen) = thread::scope(|scope| {
        let sending = scope.spawn(|| send(&node, &ticks, list.len(), started));
        let seen = watch(&rpc, &positions, first_block, started);
        let times = sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (times, seen)
    });
    let (times, seen) = (times?, seen?);
    let client_cpu = clock::cpu_time().saturating_sub(client_cpu);
    let node_cpu = node.cpu_time().zip(node_cpu).map(|(end, start)| end.saturating_sub(start));
    let mut latencies: Vec<Duration> =
        seen.iter().zip(&times.sent).map(|(seen, sent)| seen.saturating_sub(*sent)).collect();
    latencies.sort_unstable();
    let sending_time = times.sent.iter().max().copied().unwrap_or_default().max(TICK);
    let quantile = |share: f64| {
        let place = (latencies.len().saturating_sub(1) as f64 * share).round() as usize;
        latencies.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Ok(Latency {
        node: peer,
        txs,
        rate_planned: rate,
        rate: txs as f64 / sending_time.as_secs_f64(),
        p50_ms: quantile(0.5),
        p90_ms: quantile(0.9),
        p99_ms: quantile(0.99),
        max_ms: quantile(1.0),
        late_ms_max: times.late_max.as_secs_f64() * 1e3,
        client_cpu_s: client_cpu.as_secs_f64(),
        node_cpu_s: node_cpu.map(|time| time.as_secs_f64()),
    })
}

/// Sends each tick when it falls due.
fn send(
    node: &Running,
    ticks: &[(std::ops::Range<usize>, String)],
    count: usize,
    started: Instant,
) -> eyre::Result<Times> {
    let times = Mutex::new(Times { sent: vec![Duration::ZERO; count], late_max: Duration::ZERO });
    let send_every_nth = |first: usize| {
        let rpc = Rpc::new(&node.url);
        for (tick, (range, body)) in ticks.iter().enumerate().skip(first).step_by(CONNECTIONS) {
            if range.is_empty() {
                continue;
            }
            let due = TICK * u32::try_from(tick).unwrap_or(u32::MAX);
            sleep(due.saturating_sub(started.elapsed()));
            let sent = started.elapsed();
            let taken = rpc.send_batch(body)?;
            ensure!(taken == range.len(), "the node answered for {taken} of {} transactions", range.len());
            let mut times = times.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            times.late_max = times.late_max.max(sent.saturating_sub(due));
            times.sent.get_mut(range.clone()).unwrap_or_default().fill(sent);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let sending: Vec<_> = (0..CONNECTIONS).map(|first| scope.spawn(move || send_every_nth(first))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        sending.into_iter().try_for_each(join)
    })?;
    Ok(times.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Looks at each new block until all transactions are found; when the receipts of each were there.
fn watch(
    rpc: &Rpc,
    positions: &HashMap<B256, usize>,
    first_block: u64,
    started: Instant,
) -> eyre::Result<Vec<Duration>> {
    let mut seen = vec![Duration::ZERO; positions.len()];
    let (mut missing, mut number) = (positions.len(), first_block);
    let mut patience = Instant::now() + PATIENCE;
    while missing > 0 {
        let Some(block) = rpc.block(number)? else {
            ensure!(
                Instant::now() < patience,
                "{missing} transactions have no receipt after {PATIENCE:?} without a block"
            );
            sleep(POLL);
            continue;
        };
        if let Some(last) = block.transactions.last() {
            // The receipts are what is waited for: a block alone could be shown before them.
            while rpc.receipt(*last)?.is_none() {
                ensure!(Instant::now() < patience, "block {number} is there, and the receipt of {last} is not");
                sleep(POLL);
            }
            patience = Instant::now() + PATIENCE;
        }
        let now = started.elapsed();
        for hash in &block.transactions {
            let position =
                positions.get(hash).ok_or_else(|| eyre!("block {number} holds {hash}, which nobody sent"))?;
            if let Some(seen) = seen.get_mut(*position) {
                *seen = now;
                missing = missing.saturating_sub(1);
            }
        }
        number += 1;
    }
    Ok(seen)
}

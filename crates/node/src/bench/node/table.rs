//! The results for people at a terminal.

use super::peer::Peer;
use super::report::{Contender, NodeReport};
use crate::replay::table::{Cell, plain, write_columns};
use crate::style::Style;
use std::io::{self, Write};

/// Writes the runs at full load, what follows from them, and the times to a receipt.
pub(super) fn write(report: &NodeReport, out: &mut impl Write, style: Style) -> io::Result<()> {
    const HEADS: [&str; 12] = [
        "total",
        "txs",
        "txs/s",
        "least",
        "most",
        "submit s",
        "after s",
        "blocks",
        "client cpu s",
        "node cpu s",
        "node MiB",
        "disk MiB",
    ];
    let measured = report.sustained.iter().filter(|contender| !contender.runs.is_empty());
    let rows: Vec<Vec<Cell>> = measured.map(row).collect();
    write_columns(out, style, &HEADS, &rows)?;
    let stages = report.stages();
    if !stages.is_empty() {
        writeln!(out, "\nSeconds of a run in each stage of making blocks, of those that tell:")?;
        let mut heads = vec!["total", "txs", "submit"];
        heads.extend(stages.iter().map(String::as_str));
        let telling =
            report.sustained.iter().filter(|contender| contender.runs.iter().any(|run| !run.stages_s.is_empty()));
        let row = |contender: &Contender| {
            let mut row = vec![plain(contender.name()), plain(contender.txs)];
            row.push(plain(format_args!("{:.2}", contender.median(|run| run.submit_s))));
            row.extend(stages.iter().map(|stage| {
                let seconds = contender.median(|run| run.stages_s.get(stage).copied().unwrap_or_default());
                plain(format_args!("{seconds:.3}"))
            }));
            row
        };
        write_columns(out, style, &heads, &telling.map(row).collect::<Vec<_>>())?;
    }
    for txs in report.sizes() {
        if let (Some(motet), Some(anvil)) = (report.best(Peer::Motet, txs), report.best(Peer::Anvil, txs)) {
            let ratio = motet.rate() / anvil.rate().max(1e-9);
            writeln!(
                out,
                "\n{txs} transfers, each at its best: {} is {ratio:.2} times as fast as {}",
                motet.name(),
                anvil.name()
            )?;
        }
    }
    if let (Some(first), Some(last)) = (report.sizes().first(), report.sizes().last())
        && first != last
    {
        for peer in [Peer::Motet, Peer::Anvil] {
            if let (Some(few), Some(many)) = (report.best(peer, *first), report.best(peer, *last)) {
                let share = many.rate() / few.rate().max(1e-9);
                writeln!(out, "{}: the rate at {last} is {share:.2} of the rate at {first}", peer.name())?;
            }
        }
    }
    if !report.latency.is_empty() {
        const HEADS: [&str; 10] = [
            "total",
            "txs",
            "txs/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "sent late ms",
            "client cpu s",
            "node cpu s",
        ];
        let row = |latency: &super::latency::Latency| {
            vec![
                plain(latency.node.name()),
                plain(latency.txs),
                plain(format_args!("{:.0}", latency.rate)),
                plain(format_args!("{:.1}", latency.p50_ms)),
                plain(format_args!("{:.1}", latency.p90_ms)),
                plain(format_args!("{:.1}", latency.p99_ms)),
                plain(format_args!("{:.1}", latency.max_ms)),
                plain(format_args!("{:.1}", latency.late_ms_max)),
                plain(format_args!("{:.2}", latency.client_cpu_s)),
                seconds(latency.node_cpu_s),
            ]
        };
        writeln!(out, "\nFrom submission to receipt, a block every 100 ms:")?;
        write_columns(out, style, &HEADS, &report.latency.iter().map(row).collect::<Vec<_>>())?;
    }
    writeln!(
        out,
        "\nERC-20 transfers of {} senders to {} recipients in batches of {} over {} connections, signed beforehand; medians of the runs. submit: \
         until the last batch was answered; after: until the last receipt was there; for `queued` that is making the blocks. \
         Client and node share the machine. {}",
        report.senders, report.recipients, report.batch, report.connections, report.machine
    )
}

fn row(contender: &Contender) -> Vec<Cell> {
    let (least, most) = contender.extremes(|run| run.txs_per_second);
    let known = |figure: fn(&super::sustained::Sustained) -> Option<f64>| {
        let is_known = contender.runs.iter().all(|run| figure(run).is_some());
        is_known.then(|| contender.median(|run| figure(run).unwrap_or_default()))
    };
    let mebibytes = |bytes: f64| format!("{:.0}", bytes / f64::from(1 << 20));
    vec![
        plain(contender.name()),
        plain(contender.txs),
        plain(format_args!("{:.0}", contender.rate())),
        plain(format_args!("{least:.0}")),
        plain(format_args!("{most:.0}")),
        plain(format_args!("{:.2}", contender.median(|run| run.submit_s))),
        plain(format_args!("{:.2}", contender.median(|run| run.after_s))),
        plain(format_args!("{:.0}", contender.median(|run| run.blocks as f64))),
        plain(format_args!("{:.2}", contender.median(|run| run.client_cpu_s))),
        seconds(known(|run| run.node_cpu_s)),
        plain(known(|run| run.node_peak_bytes.map(|bytes| bytes as f64)).map_or_else(|| "-".to_owned(), mebibytes)),
        plain(mebibytes(contender.median(|run| run.disk_bytes as f64))),
    ]
}

fn seconds(time: Option<f64>) -> Cell {
    plain(time.map_or_else(|| "-".to_owned(), |time| format!("{time:.2}")))
}

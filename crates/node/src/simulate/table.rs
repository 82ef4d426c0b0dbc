//! The results for people at a terminal.

use super::report::{Block, Report, Summary};
use crate::replay::table::{Cell, mgas, plain, write_columns};
use crate::style::Style;
use std::io::{self, Write};

/// The number of workers whose limits are named, where it was simulated; else the highest.
const LIMITS_AT: usize = 16;

/// Writes what was measured, one table per engine, then the summaries and the validation.
pub(super) fn write(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    if report.blocks.is_empty() {
        return Ok(());
    }
    let costs: Vec<String> = report.machine_ns.iter().map(|(name, ns)| format!("{name} {ns}")).collect();
    writeln!(out, "measured on {}, ns: {}", report.machine, costs.join(", "))?;
    for (engine, factor) in &report.at_once {
        writeln!(out, "{engine}: a block takes {factor:.2} times as long while the other processor executes it too")?;
    }
    let limits_at = report.workers.iter().position(|workers| *workers == LIMITS_AT).unwrap_or(report.workers.len() - 1);
    for (at, contender) in report.contenders.iter().enumerate().filter(|(_, contender)| contender.is_plain()) {
        writeln!(
            out,
            "\n{} on cores of their own, speed-up against sequential by number of workers",
            contender.name()
        )?;
        let limits = format!("what the end waits for at {}", report.workers[limits_at]);
        let mut heads: Vec<String> = ["block", "txs", "Mgas", "sequential us"].map(str::to_owned).to_vec();
        heads.extend(report.workers.iter().map(usize::to_string));
        heads.push(limits);
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let rows: Vec<Vec<Cell>> = report
            .blocks
            .iter()
            .map(|block| row(block, at * report.workers.len(), report.workers.len(), limits_at))
            .collect();
        write_columns(out, style, &heads, &rows)?;
    }
    summaries(report, out, style)?;
    validation(report, out, style)?;
    writeln!(
        out,
        "\nMedians of {} runs and of {} schedules; {} runs were repeated because they had waited for a processor, {} waited each time. Not modelled: caches, memory bandwidth, NUMA.",
        report.runs, report.schedules, report.repeated, report.disturbed
    )
}

fn row(block: &Block, from: usize, count: usize, limits_at: usize) -> Vec<Cell> {
    let mut row = vec![
        plain(block.block),
        plain(block.txs),
        plain(format_args!("{:.2}", mgas(block.gas))),
        plain(format_args!("{:.0}", block.sequential_us)),
    ];
    let results = block.results.iter().skip(from).take(count);
    row.extend(results.clone().map(|result| plain(format_args!("{:.2}", result.speed_up))));
    row.extend(results.skip(limits_at).take(1).map(|result| plain(result.limit())));
    row
}

fn summaries(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut heads: Vec<String> = vec!["total".to_owned(), String::new()];
    heads.extend(report.workers.iter().map(usize::to_string));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut rest: &[Summary] = &report.summaries;
    while let Some(first) = rest.first() {
        let of_group = rest.iter().take_while(|summary| summary.group == first.group).count();
        let (group, others) = rest.split_at(of_group);
        rest = others;
        writeln!(out, "\n{} blocks: {}", first.blocks, first.group)?;
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for of_contender in group.chunks(report.workers.len().max(1)) {
            let Some(name) = of_contender.first().map(|summary| summary.contender.as_str()) else { continue };
            for (what, value) in [
                ("total time", (|summary: &Summary| summary.total) as fn(&Summary) -> f64),
                ("geo-mean", |summary: &Summary| summary.geo_mean),
            ] {
                let mut row = vec![plain(name), plain(what)];
                row.extend(of_contender.iter().map(|summary| plain(format_args!("{:.2}", value(summary)))));
                rows.push(row);
            }
        }
        write_columns(out, style, &heads, &rows)?;
    }
    Ok(())
}

fn validation(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    if report.validation.iter().all(|validation| validation.blocks.is_empty()) {
        return Ok(());
    }
    writeln!(out, "\nthis machine, all blocks: simulated and measured")?;
    let rows: Vec<Vec<Cell>> = report
        .validation
        .iter()
        .map(|validation| {
            vec![
                plain(validation.engine),
                plain(validation.workers),
                plain(format_args!("{:.0}", validation.simulated_us)),
                plain(format_args!("{:.0}", validation.measured_us)),
                plain(format_args!("{:.3}", validation.ratio)),
                crate::replay::table::verdict(validation.is_near()),
            ]
        })
        .collect();
    write_columns(out, style, &["engine", "workers", "simulated us", "measured us", "ratio", "within 10 %"], &rows)
}

//! The results for people at a terminal.

use super::report::Report;
use crate::replay::table::{Cell, Mood, mgas, plain, write_columns};
use crate::style::Style;
use std::io::{self, Write};

/// Writes one row per block, ratios to `lean`, then the summaries.
pub(super) fn write(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    let Some(first) = report.blocks.first() else { return Ok(()) };
    let mut heads: Vec<&str> = vec!["block", "txs", "Mgas", "lean us"];
    heads.extend(first.results.iter().skip(1).map(|result| result.contender.as_str()));
    let rows: Vec<Vec<Cell>> = report
        .blocks
        .iter()
        .map(|block| {
            let mut row = vec![
                plain(&block.name),
                plain(block.txs),
                plain(format_args!("{:.2}", mgas(block.gas))),
                plain(format_args!("{:.0}", block.results[0].wall_us)),
            ];
            row.extend(block.results.iter().skip(1).map(|result| {
                let mood = if result.ratio < 0.9 { Mood::Bad } else { Mood::Plain };
                (format!("{:.2} ±{:.0}%", result.ratio, result.spread * 50.0), mood)
            }));
            // A coloured cell is not padded, so it may only come last: plain here.
            row.into_iter().map(|(text, _)| (text, Mood::Plain)).collect()
        })
        .collect();
    write_columns(out, style, &heads, &rows)?;
    const HEADS: [&str; 10] =
        ["total", "total time", "geo-mean", "least", "in block", "slower", "cpu", "worst/seq", "in block", "cpu/seq"];
    let mut group = "";
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for summary in &report.summaries {
        if summary.group != group {
            if !rows.is_empty() {
                write_columns(out, style, &HEADS, &rows)?;
                rows.clear();
            }
            group = summary.group;
            writeln!(out, "\n{} blocks: {group}", summary.blocks)?;
        }
        rows.push(vec![
            plain(&summary.contender),
            plain(format_args!("{:.2}", summary.total_ratio)),
            plain(format_args!("{:.2}", summary.geo_mean)),
            plain(format_args!("{:.2}", summary.least_ratio)),
            plain(&summary.least_block),
            plain(summary.slower),
            plain(format_args!("{:.2}", summary.cpu_ratio)),
            plain(format_args!("{:.2}", summary.worst_against_sequential)),
            plain(&summary.worst_block),
            plain(format_args!("{:.2}", summary.worst_cpu_against_sequential)),
        ]);
    }
    write_columns(out, style, &HEADS, &rows)?;
    writeln!(
        out,
        "\nRatios are times as fast as lean, medians of {} runs; ± is half the distance of the quartiles. worst/seq and cpu/seq: the \
         worst block's wall time (less 20 us) and CPU time over the sequential engine's. {} runs were repeated because they had \
         waited for a processor, {} waited each time. {}",
        report.runs, report.repeated, report.disturbed, report.machine
    )
}

//! The results as one HTML page with plots, which needs nothing else.

use super::report::{Block, Report};
use std::fmt::Write as _;

/// Colours of the contenders, in order; they are told apart by hatching of position as well (each has its own row).
const COLOURS: [&str; 8] = ["#888888", "#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d"];
/// Pixels per unit of ratio.
const UNIT: f64 = 220.0;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::from(HEAD);
    let _ = writeln!(
        out,
        "<h1>motet bench exec</h1><p>{}; version {}; medians of {} runs; {} runs repeated, {} disturbed all the same.</p>",
        escape(&report.machine),
        report.version,
        report.runs,
        report.repeated,
        report.disturbed
    );
    summaries(report, &mut out);
    let Some(first) = report.blocks.first() else { return out + "</html>" };
    for (at, result) in first.results.iter().enumerate().skip(1) {
        let _ = writeln!(out, "<h2>{}</h2>", escape(&result.contender));
        plot(&report.blocks, at, COLOURS[at % COLOURS.len()], &mut out);
    }
    out + "</html>\n"
}

fn summaries(report: &Report, out: &mut String) {
    let mut group = "";
    for summary in &report.summaries {
        if summary.group != group {
            if !group.is_empty() {
                out.push_str("</table>");
            }
            group = summary.group;
            let _ = write!(
                out,
                "<h2>{} blocks: {}</h2><table><tr><th>contender<th>total time<th>geo-mean<th>least<th>in block<th>slower than \
                 lean<th>CPU<th>worst against sequential<th>CPU</tr>",
                summary.blocks,
                escape(group)
            );
        }
        let _ = write!(
            out,
            "<tr><td>{}<td>{:.2}<td>{:.2}<td>{:.2}<td>{}<td>{}<td>{:.2}<td>{:.2}<td>{:.2}</tr>",
            escape(&summary.contender),
            summary.total_ratio,
            summary.geo_mean,
            summary.least_ratio,
            summary.least_block,
            summary.slower,
            summary.cpu_ratio,
            summary.worst_against_sequential,
            summary.worst_cpu_against_sequential
        );
    }
    out.push_str("</table>");
}

/// One bar per block; the line at 1 is `lean`.
fn plot(blocks: &[Block], contender: usize, colour: &str, out: &mut String) {
    let height = blocks.len() * 14 + 24;
    let most = blocks.iter().map(|block| block.results[contender].ratio).fold(2.0, f64::max).min(8.0);
    let width = 110.0 + most * UNIT + 120.0;
    let _ = write!(out, "<svg width=\"{width:.0}\" height=\"{height}\" role=\"img\">");
    for (row, block) in blocks.iter().enumerate() {
        let result = &block.results[contender];
        let (y, long) = (row * 14 + 4, result.ratio.min(most) * UNIT);
        let _ = write!(
            out,
            "<text x=\"100\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"106\" y=\"{y}\" width=\"{long:.1}\" height=\"10\" \
             fill=\"{colour}\"><title>block {}, {}, {} transactions, {:.2} Mgas: {:.1} us, {:.2} times as fast as lean, spread \
             {:.0} %, path {}, executions {}, aborts {}, suspensions {}</title></rect><text x=\"{:.1}\" y=\"{}\">{:.2}</text>",
            y + 9,
            block.name,
            block.name,
            block.fork,
            block.txs,
            block.gas as f64 / 1e6,
            result.wall_us,
            result.ratio,
            result.spread * 100.0,
            result.path.unwrap_or("-"),
            known(result.executions),
            known(result.aborts),
            known(result.suspensions),
            112.0 + long,
            y + 9,
            result.ratio
        );
    }
    let _ = write!(
        out,
        "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{1}\" stroke=\"#000\" stroke-dasharray=\"3\"/><text x=\"{0:.1}\" \
         y=\"{1}\">lean</text></svg>",
        106.0 + UNIT,
        height - 6
    );
}

fn known(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>motet bench exec</title><style>\
body{font:14px system-ui,sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse}\
td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}\
svg text{font:10px system-ui,sans-serif}</style>";

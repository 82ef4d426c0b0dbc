//! The results as one HTML page with plots, which needs nothing else.

use super::report::{Report, Summary};
use std::fmt::Write as _;

/// Colours of the contenders, in order; each line ends with its contender's name as well.
const COLOURS: [&str; 8] = ["#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2", "#72b7b2", "#9d755d", "#888888"];
/// Size of a plot in pixels, and of the room left of it, below it and for names to its right.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 40.0;
const BELOW: f64 = 36.0;
const NAMES: f64 = 240.0;
/// Least distance of two names.
const NAME_HEIGHT: f64 = 13.0;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::from(HEAD);
    let _ = writeln!(
        out,
        "<h1>motet simulate</h1><p>{}; medians of {} runs. Speed-up against the simulated sequential engine, on cores of their \
         own.</p>",
        escape(&report.machine),
        report.runs
    );
    let mut rest: &[Summary] = &report.summaries;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|summary| summary.group == first.group).count();
        let (group, others) = rest.split_at(count);
        rest = others;
        let _ = writeln!(out, "<h2>{} blocks: {}</h2>", first.blocks, escape(first.group));
        let per_line = report.workers.len().max(1);
        plot("total time", group, per_line, |summary| summary.total, &mut out);
        plot("geo-mean", group, per_line, |summary| summary.geo_mean, &mut out);
    }
    validation(report, &mut out);
    blocks(report, &mut out);
    out + "</html>\n"
}

/// One line per contender over the number of workers, on a logarithmic scale.
fn plot(what: &str, group: &[Summary], per_line: usize, value: impl Fn(&Summary) -> f64, out: &mut String) {
    let most_workers = group.iter().map(|summary| summary.workers).max().unwrap_or(1) as f64;
    let most = group.iter().map(&value).fold(1.0, f64::max).ceil();
    let x = |workers: usize| LEFT + WIDTH * (workers as f64).log2() / most_workers.log2().max(1.0);
    let y = |speed_up: f64| 10.0 + HEIGHT * (1.0 - speed_up / most);
    let _ = write!(
        out,
        "<svg width=\"{}\" height=\"{}\" role=\"img\"><title>{what}: speed-up by number of workers</title>",
        LEFT + WIDTH + NAMES,
        HEIGHT + BELOW + 10.0
    );
    for tick in (0..=most as u32).step_by(if most > 10.0 { 2 } else { 1 }) {
        let at = y(f64::from(tick));
        let _ = write!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{tick}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            at + 3.0
        );
    }
    for summary in group.iter().take(per_line) {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(summary.workers),
            HEIGHT + 24.0,
            summary.workers
        );
    }
    let mut names: Vec<(f64, &str, &str)> = Vec::new();
    for (at, line) in group.chunks(per_line).enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let points: Vec<String> =
            line.iter().map(|summary| format!("{:.1},{:.1}", x(summary.workers), y(value(summary)))).collect();
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for summary in line {
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"><title>{}, {} workers: {:.2}; least {:.2} in block \
                 {}</title></circle>",
                x(summary.workers),
                y(value(summary)),
                escape(&summary.contender),
                summary.workers,
                value(summary),
                summary.least,
                summary.least_block
            );
        }
        names.extend(line.last().map(|summary| (y(value(summary)), colour, summary.contender.as_str())));
    }
    // Names of lines that end close together go below one another.
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = f64::NEG_INFINITY;
    for (at, colour, name) in names {
        lowest = f64::max(at, lowest + NAME_HEIGHT);
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            LEFT + WIDTH + 8.0,
            lowest + 3.0,
            escape(name)
        );
    }
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">workers ({what})</text></svg>", HEIGHT + 40.0);
}

fn validation(report: &Report, out: &mut String) {
    let _ = write!(
        out,
        "<h2>This machine, all blocks</h2><table><tr><th>engine<th>workers<th>simulated us<th>measured us<th>ratio</tr>"
    );
    for validation in report.validation.iter().filter(|validation| !validation.blocks.is_empty()) {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td>{:.0}<td>{:.0}<td>{:.3}</tr>",
            validation.engine, validation.workers, validation.simulated_us, validation.measured_us, validation.ratio
        );
    }
    out.push_str("</table>");
}

fn blocks(report: &Report, out: &mut String) {
    let per_contender = report.workers.len();
    for (at, contender) in report.contenders.iter().enumerate() {
        let _ = write!(out, "<h2>{}</h2><table><tr><th>block<th>txs<th>Mgas", escape(&contender.name()));
        for workers in &report.workers {
            let _ = write!(out, "<th>{workers}");
        }
        out.push_str("</tr>");
        for block in &report.blocks {
            let _ = write!(out, "<tr><td>{}<td>{}<td>{:.2}", block.block, block.txs, block.gas as f64 / 1e6);
            for result in block.results.iter().skip(at * per_contender).take(per_contender) {
                let _ = write!(out, "<td title=\"{}\">{:.2}", escape(&result.limit()), result.speed_up);
            }
            out.push_str("</tr>");
        }
        out.push_str("</table>");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>motet simulate</title><style>\
body{font:14px system-ui,sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse}\
td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}\
svg text{font:10px system-ui,sans-serif}</style>";

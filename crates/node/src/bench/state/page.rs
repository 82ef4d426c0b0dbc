//! The results as one HTML page with plots, which needs nothing else.

use super::report::{Bar, Part, StateReport, Timing};
use super::table::{number, time};
use std::fmt::Write as _;

/// Pixels of the longest bar of a plot.
const LONGEST: f64 = 640.0;
/// Pixels to the left of the bars.
const LABELS: f64 = 260.0;
/// Pixels of a row.
const ROW: usize = 18;

/// The page.
pub(super) fn page(report: &StateReport) -> String {
    let mut out = String::from(HEAD);
    let _ = write!(
        out,
        "<h1>motet bench state</h1><p>{}; version {}. A bar is the median run, the thin line reaches from the first to the \
         third quartile.</p>",
        escape(&report.machine),
        report.version
    );
    for part in &report.parts {
        write_part(part, &mut out);
    }
    out + "</html>\n"
}

fn write_part(part: &Part, out: &mut String) {
    let _ = write!(out, "<h2>{}: {}</h2>", escape(part.part), escape(&part.setting));
    if !part.bars.is_empty() {
        out.push_str("<table><tr><th>bar<th>wanted<th>reached<th></tr>");
        part.bars.iter().for_each(|bar| write_bar(bar, out));
        out.push_str("</table>");
    }
    for tasks in part.timings.chunk_by(|a, b| a.task == b.task) {
        plot(tasks, out);
    }
    if !part.figures.is_empty() {
        out.push_str("<table>");
        for figure in &part.figures {
            let (name, value) = (escape(&figure.name), number(figure.value));
            let _ = write!(out, "<tr><td>{name}<td>{value} {}</tr>", escape(figure.unit));
        }
        out.push_str("</table>");
    }
    for note in &part.notes {
        let _ = write!(out, "<p>{}</p>", escape(note));
    }
    let _ = write!(
        out,
        "<p>{} runs did not count because they had waited for a processor, {} count all the same.</p>",
        part.repeated, part.disturbed
    );
}

fn write_bar(bar: &Bar, out: &mut String) {
    let (class, word) = if bar.holds { ("good", "yes") } else { ("bad", "no") };
    let _ = write!(
        out,
        "<tr><td>{}<td>{} {:.2}<td>{:.2}<td class=\"{class}\">{word}</tr>",
        escape(&bar.name),
        bar.relation.words(),
        bar.bar,
        bar.reached
    );
}

/// One bar per contender of a task.
fn plot(timings: &[Timing], out: &mut String) {
    let Some(first) = timings.first() else { return };
    let most = timings.iter().map(|timing| timing.p75_us).fold(0.0, f64::max);
    let long = |us: f64| if most > 0.0 { us / most * LONGEST } else { 0.0 };
    let height = timings.len() * ROW + 4;
    let width = LABELS + LONGEST + 180.0;
    let _ = write!(out, "<h3>{}</h3><svg width=\"{width:.0}\" height=\"{height}\" role=\"img\">", escape(&first.task));
    for (row, timing) in timings.iter().enumerate() {
        let (y, text_y, line_y) = (row * ROW + 3, row * ROW + 14, row * ROW + 9);
        let _ = write!(
            out,
            "<text x=\"{:.0}\" y=\"{text_y}\" text-anchor=\"end\">{}</text><rect x=\"{LABELS}\" y=\"{y}\" width=\"{:.1}\" \
             height=\"12\" fill=\"#4c78a8\"><title>{} runs, p99 {}, max {}, {:.3} us each</title></rect><line x1=\"{:.1}\" \
             x2=\"{:.1}\" y1=\"{line_y}\" y2=\"{line_y}\" stroke=\"#000\"/><text x=\"{:.1}\" y=\"{text_y}\">{}, {:.3} us \
             each</text>",
            LABELS - 6.0,
            escape(&timing.contender),
            long(timing.p50_us),
            timing.runs,
            time(timing.p99_us),
            time(timing.max_us),
            timing.item_us,
            LABELS + long(timing.p25_us),
            LABELS + long(timing.p75_us),
            LABELS + long(timing.p75_us) + 6.0,
            time(timing.p50_us),
            timing.item_us
        );
    }
    out.push_str("</svg>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>motet bench state</title><style>\
body{font:14px system-ui,sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse}\
td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}\
svg text{font:11px system-ui,sans-serif}.good{color:#187a2f}.bad{color:#b3261e;font-weight:bold}</style>";

#[cfg(test)]
mod tests {
    use super::super::report::Relation;
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_task_has_a_plot_and_every_bar_a_row() {
        let mut part = Part::new("trie", "a < b".to_owned());
        for (task, contender) in [("one", "x"), ("one", "y"), ("two", "x")] {
            part.timings.push(Timing::of_walls(task, contender, 1, vec![Duration::from_micros(5)]));
        }
        part.bar("faster", Relation::AtLeast, 2.0, 1.0);
        let page = page(&StateReport::new(vec![part]));
        assert_eq!(page.matches("<svg").count(), 2);
        assert_eq!(page.matches("<rect").count(), 3);
        assert!(page.contains("a &lt; b") && page.contains("class=\"bad\""));
    }
}

//! The results for people at a terminal.

use super::report::{Part, StateReport, Timing};
use crate::replay::table::{Cell, Mood, known, plain, verdict, write_columns};
use crate::style::Style;
use std::io::{self, Write};

/// Writes every part: times, figures, bars, notes.
pub(super) fn write(report: &StateReport, out: &mut impl Write, style: Style) -> io::Result<()> {
    for part in &report.parts {
        write_part(part, out, style)?;
    }
    writeln!(out, "{}", report.machine)
}

fn write_part(part: &Part, out: &mut impl Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.head(&format!("{}: {}", part.part, part.setting)))?;
    let mut task = "";
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for timing in &part.timings {
        if timing.task != task && !rows.is_empty() {
            write_task(task, &rows, out, style)?;
            rows.clear();
        }
        task = &timing.task;
        rows.push(row(timing));
    }
    if !rows.is_empty() {
        write_task(task, &rows, out, style)?;
    }
    if !part.figures.is_empty() {
        writeln!(out)?;
    }
    for figure in &part.figures {
        let line = format!("{}: {} {}", figure.name, number(figure.value), figure.unit);
        writeln!(out, "{}", line.trim_end())?;
    }
    if !part.bars.is_empty() {
        writeln!(out)?;
        let row = |bar: &super::report::Bar| {
            let wanted = format!("{} {:.2}", bar.relation.words(), bar.bar);
            vec![plain(&bar.name), plain(wanted), plain(format_args!("{:.2}", bar.reached)), verdict(bar.holds)]
        };
        let rows: Vec<Vec<Cell>> = part.bars.iter().map(row).collect();
        write_columns(out, style, &["total", "bar", "reached", "ok"], &rows)?;
    }
    for note in &part.notes {
        writeln!(out, "{note}")?;
    }
    if !part.timings.is_empty() {
        writeln!(
            out,
            "Medians; ± is half the distance of the quartiles. {} runs did not count because they had waited for a processor, {} \
             count all the same.",
            part.repeated, part.disturbed
        )?;
    }
    writeln!(out)
}

fn write_task(task: &str, rows: &[Vec<Cell>], out: &mut impl Write, style: Style) -> io::Result<()> {
    writeln!(out, "\n{task}")?;
    const HEADS: [&str; 8] = ["engine", "runs", "p50", "±", "p99", "max", "cores", "us each"];
    write_columns(out, style, &HEADS, rows)
}

fn row(timing: &Timing) -> Vec<Cell> {
    vec![
        (timing.contender.clone(), Mood::Plain),
        plain(timing.runs),
        plain(time(timing.p50_us)),
        plain(format_args!("{:.0}%", timing.spread() * 100.0)),
        plain(time(timing.p99_us)),
        plain(time(timing.max_us)),
        known(timing.cores.map(|cores| format!("{cores:.2}"))),
        plain(format_args!("{:.3}", timing.item_us)),
    ]
}

/// A time with a unit that suits it.
pub(super) fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.1} us"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// A number with as many digits as say something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

//! Results for people: one row per block, engine and number of workers, then totals.

use super::line::Line;
use crate::style::Style;
use std::io::{self, Write};
use std::time::Duration;

/// The results so far, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
}

/// The sum over all blocks of one engine at one number of workers.
#[derive(Debug, Default)]
struct Total {
    engine: &'static str,
    workers: usize,
    blocks: usize,
    gas: u64,
    /// `None` once a block has no time: a sum without it would look better than it is.
    wall: Option<Duration>,
    cpu: Duration,
    sequential_wall: Option<Duration>,
    aborts: u64,
    suspensions: u64,
    failed: usize,
}

/// A cell: its text, and whether it says that something is wrong.
pub(crate) type Cell = (String, Mood);

/// What a cell's colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Plain,
    Good,
    Bad,
}

impl Table {
    /// Adds a result.
    pub(super) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Writes rows and totals; nothing without results.
    pub(super) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        const ROWS: [&str; 13] = [
            "block",
            "fork",
            "txs",
            "Mgas",
            "engine",
            "workers",
            "path",
            "wall us",
            "cpu us",
            "speed-up",
            "aborts",
            "suspensions",
            "ok",
        ];
        let mut previous = None;
        let rows: Vec<Vec<Cell>> = self
            .lines
            .iter()
            .map(|line| {
                let repeats_block = previous.replace(&line.file) == Some(&line.file);
                row(line, repeats_block)
            })
            .collect();
        write_columns(out, style, &ROWS, &rows)?;
        const TOTALS: [&str; 12] = [
            "total",
            "workers",
            "blocks",
            "Mgas",
            "wall ms",
            "cpu ms",
            "Mgas/s",
            "speed-up",
            "aborts",
            "suspensions",
            "failed",
            "ok",
        ];
        writeln!(out)?;
        let totals: Vec<Vec<Cell>> = self.totals().iter().map(Total::row).collect();
        write_columns(out, style, &TOTALS, &totals)?;
        for (engine, path, reason) in self.fallbacks() {
            writeln!(out, "{engine} took the path {path} in some blocks: {reason}")?;
        }
        Ok(())
    }

    fn totals(&self) -> Vec<Total> {
        let mut totals: Vec<Total> = Vec::new();
        for line in &self.lines {
            let same = |total: &Total| (total.engine, total.workers) == (line.engine, line.workers);
            let at = totals.iter().position(same).unwrap_or_else(|| {
                let zero = Some(Duration::ZERO);
                let (engine, workers) = (line.engine, line.workers);
                totals.push(Total { engine, workers, wall: zero, sequential_wall: zero, ..Total::default() });
                totals.len() - 1
            });
            totals[at].add(line);
        }
        totals
    }

    /// Why runs did not take the path that their engine is named for: each reason once.
    fn fallbacks(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut fallbacks = Vec::new();
        for line in &self.lines {
            if let (Some(path), Some(reason)) = (line.path, line.fallback_reason)
                && !fallbacks.contains(&(line.engine, path, reason))
            {
                fallbacks.push((line.engine, path, reason));
            }
        }
        fallbacks
    }
}

impl Total {
    fn add(&mut self, line: &Line) {
        let sum = |a: Option<Duration>, b: Option<Duration>| a.zip(b).map(|(a, b)| a.saturating_add(b));
        self.blocks += 1;
        self.gas = self.gas.saturating_add(line.gas);
        self.wall = sum(self.wall, line.wall);
        self.cpu = self.cpu.saturating_add(line.cpu.unwrap_or_default());
        self.sequential_wall = sum(self.sequential_wall, line.sequential_wall);
        self.aborts += line.aborts.unwrap_or_default();
        self.suspensions += line.suspensions.unwrap_or_default();
        self.failed += usize::from(!line.ok);
    }

    fn row(&self) -> Vec<Cell> {
        let rate = self.wall.filter(|wall| !wall.is_zero()).map(|wall| mgas(self.gas) / wall.as_secs_f64());
        vec![
            plain(self.engine),
            plain(self.workers),
            plain(self.blocks),
            plain(format_args!("{:.2}", mgas(self.gas))),
            known(self.wall.map(|wall| format!("{:.2}", wall.as_secs_f64() * 1e3))),
            plain(format_args!("{:.2}", self.cpu.as_secs_f64() * 1e3)),
            known(rate.map(|rate| format!("{rate:.1}"))),
            known(speed_up(self.sequential_wall, self.wall)),
            plain(self.aborts),
            plain(self.suspensions),
            plain(self.failed),
            verdict(self.failed == 0),
        ]
    }
}

fn row(line: &Line, repeats_block: bool) -> Vec<Cell> {
    let of_block = |text: String| if repeats_block { plain("") } else { plain(text) };
    let micros = |time: Option<Duration>| known(time.map(|time| format!("{:.1}", time.as_secs_f64() * 1e6)));
    let path = match line.gave_up {
        Some(true) => line.path.map(|path| format!("{path}, gave up")),
        _ => line.path.map(str::to_owned),
    };
    vec![
        of_block(line.block.to_string()),
        of_block(line.fork.to_owned()),
        of_block(line.txs.to_string()),
        of_block(format!("{:.2}", mgas(line.gas))),
        plain(line.engine),
        plain(line.workers),
        known(path),
        micros(line.wall),
        micros(line.cpu),
        known(speed_up(line.sequential_wall, line.wall)),
        known(line.aborts),
        known(line.suspensions),
        verdict(line.ok),
    ]
}

/// Gas in millions.
pub(crate) fn mgas(gas: u64) -> f64 {
    gas as f64 / 1e6
}

/// How many times as fast as sequential execution.
pub(crate) fn speed_up(sequential: Option<Duration>, wall: Option<Duration>) -> Option<String> {
    let (sequential, wall) = sequential.zip(wall).filter(|(_, wall)| !wall.is_zero())?;
    Some(format!("{:.2}x", sequential.as_secs_f64() / wall.as_secs_f64()))
}

/// A cell that is neither good nor bad.
pub(crate) fn plain(text: impl ToString) -> Cell {
    (text.to_string(), Mood::Plain)
}

/// A cell for a value that may be missing.
pub(crate) fn known(text: Option<impl ToString>) -> Cell {
    text.map_or_else(|| plain("-"), plain)
}

/// A cell for whether all is well.
pub(crate) fn verdict(ok: bool) -> Cell {
    if ok { ("yes".to_owned(), Mood::Good) } else { ("NO".to_owned(), Mood::Bad) }
}

/// Words to the left, numbers to the right, two spaces between columns.
pub(crate) fn write_columns(out: &mut impl Write, style: Style, heads: &[&str], rows: &[Vec<Cell>]) -> io::Result<()> {
    let is_words = |head: &str| matches!(head, "fork" | "engine" | "path" | "total" | "ok" | "file" | "traffic");
    let width = |column: usize, head: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count());
        cells.max().unwrap_or(0).max(head.chars().count())
    };
    let widths: Vec<usize> = heads.iter().enumerate().map(|(column, head)| width(column, head)).collect();
    let padded = |text: &str, column: usize| match widths[column] {
        width if is_words(heads[column]) => format!("{text:<width$}"),
        width => format!("{text:>width$}"),
    };
    let head: Vec<String> = heads.iter().enumerate().map(|(column, head)| padded(head, column)).collect();
    writeln!(out, "{}", style.head(head.join("  ").trim_end()))?;
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .take(heads.len())
            .enumerate()
            .map(|(column, (text, mood))| match mood {
                Mood::Plain => padded(text, column),
                // The last column needs no padding, and a colour over spaces may show.
                Mood::Good => style.good(text),
                Mood::Bad => style.bad(text),
            })
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

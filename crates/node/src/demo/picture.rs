//! A schedule as text: one lane per worker, time from left to right.
//!
//! ```text
//! worker 0 |██████▓██▒████·|
//! worker 1 |█████████░█████|
//! ```

use crate::style::Style;
use crate::trace_file::{Piece, Schedule};
use std::io::{self, Write};

/// Columns of a lane.
const COLUMNS: usize = 72;
/// Lanes that are drawn; the others are counted.
const LANES_MAX: usize = 16;

/// What a worker mostly does during one column's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Executed,
    InOrder,
    Committed,
    Wasted,
    Idle,
}

impl Mark {
    const ALL: [Self; 5] = [Self::Executed, Self::InOrder, Self::Committed, Self::Wasted, Self::Idle];

    /// By the kind of a piece of work in a trace.
    fn of(what: &str) -> Self {
        match what {
            "in_order" => Self::InOrder,
            "committed" => Self::Committed,
            "executed" => Self::Executed,
            _ => Self::Wasted,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Executed => "█",
            Self::InOrder => "▓",
            Self::Committed => "▒",
            Self::Wasted => "░",
            Self::Idle => "·",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Executed => "executed ahead",
            Self::InOrder => "executed in its turn",
            Self::Committed => "committed",
            Self::Wasted => "suspended or thrown away",
            Self::Idle => "idle",
        }
    }

    fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Executed => style.good(text),
            Self::Wasted => style.bad(text),
            Self::InOrder | Self::Committed | Self::Idle => text.to_owned(),
        }
    }
}

/// One worker's time.
#[derive(Clone, Debug)]
struct Lane {
    marks: Vec<Mark>,
    /// Share of the time in which it works.
    busy_percent: u64,
}

/// Writes the picture of a schedule, with what its marks mean.
pub(super) fn write(out: &mut impl Write, style: Style, schedule: &Schedule) -> io::Result<()> {
    let pieces: Vec<Piece> = schedule.pieces().collect();
    let wall_ns = pieces.iter().map(|piece| piece.end_ns).chain([schedule.wall_ns()]).max().unwrap_or(0);
    let lanes = lanes(&pieces, schedule.workers(), wall_ns);
    writeln!(
        out,
        "\nthe last run of {} ({}), {:.2} ms from left to right:",
        schedule.engine(),
        schedule.path(),
        wall_ns as f64 / 1e6
    )?;
    for (worker, lane) in lanes.iter().enumerate().take(LANES_MAX) {
        let marks: String = lane.marks.iter().map(|mark| mark.paint(style, mark.symbol())).collect();
        writeln!(out, "worker {worker:<2} |{marks}| {:>3}% busy", lane.busy_percent)?;
    }
    if lanes.len() > LANES_MAX {
        writeln!(out, "and {} more workers", lanes.len() - LANES_MAX)?;
    }
    let legend: Vec<String> =
        Mark::ALL.iter().map(|mark| format!("{} {}", mark.paint(style, mark.symbol()), mark.meaning())).collect();
    writeln!(out, "{}", legend.join("   "))
}

/// `pieces` of one worker do not overlap.
fn lanes(pieces: &[Piece], workers: usize, wall_ns: u64) -> Vec<Lane> {
    let wall_ns = wall_ns.max(1);
    // Bounds of column `c`; u128 since the product of a time and a column may pass 64 bits.
    let bound = |column: usize| (u128::from(wall_ns) * column as u128 / COLUMNS as u128) as u64;
    let mut spent = vec![[[0u64; Mark::ALL.len()]; COLUMNS]; workers];
    for piece in pieces.iter().filter(|piece| piece.worker < workers) {
        let kind = Mark::ALL.iter().position(|mark| *mark == Mark::of(piece.what)).unwrap_or_default();
        for (column, times) in spent[piece.worker].iter_mut().enumerate() {
            let (start, end) = (piece.start_ns.max(bound(column)), piece.end_ns.min(bound(column + 1)));
            times[kind] += end.saturating_sub(start);
        }
    }
    let lane = |columns: &[[u64; Mark::ALL.len()]; COLUMNS]| {
        let busy: u64 = columns.iter().flatten().sum();
        let marks = columns.iter().enumerate().map(|(column, times)| {
            let width = bound(column + 1) - bound(column);
            let mut times = *times;
            let worked: u64 = times.iter().sum();
            times[Mark::ALL.len() - 1] = width.saturating_sub(worked);
            let longest = (0..times.len()).rev().max_by_key(|kind| times[*kind]).unwrap_or_default();
            Mark::ALL[longest]
        });
        Lane { marks: marks.collect(), busy_percent: busy.saturating_mul(100) / wall_ns }
    };
    spent.iter().map(lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(worker: usize, start_ns: u64, end_ns: u64, what: &'static str) -> Piece {
        Piece { worker, start_ns, end_ns, what }
    }

    #[test]
    fn a_column_shows_what_takes_most_of_its_time() {
        let pieces = [
            piece(0, 0, 360, "executed"),
            piece(0, 360, 720, "in_order"),
            piece(1, 0, 6, "executed"),
            piece(1, 6, 10, "committed"),
            piece(1, 20, 30, "cancelled"),
        ];
        let lanes = lanes(&pieces, 3, 720);
        assert_eq!(lanes[0].busy_percent, 100);
        assert!(lanes[0].marks[..36].iter().all(|mark| *mark == Mark::Executed));
        assert!(lanes[0].marks[36..].iter().all(|mark| *mark == Mark::InOrder));
        assert_eq!(lanes[1].marks[..4], [Mark::Executed, Mark::Idle, Mark::Wasted, Mark::Idle]);
        assert!(lanes[2].marks.iter().all(|mark| *mark == Mark::Idle));
        assert_eq!((lanes[1].busy_percent, lanes[2].busy_percent), (2, 0));
    }

    #[test]
    fn no_time_and_strange_workers_draw_nothing_wrong() {
        for wall_ns in [0, 1, u64::MAX] {
            let lanes = lanes(&[piece(7, 0, 1, "executed"), piece(0, 5, 3, "executed")], 1, wall_ns);
            assert_eq!((lanes.len(), lanes[0].busy_percent), (1, 0));
        }
    }
}

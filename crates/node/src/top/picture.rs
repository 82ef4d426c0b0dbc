//! A node, drawn.

use super::rates::Rates;
use crate::metrics::STAGES;
use crate::status::{duration_in_words, percent, role_name};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Sparkline};

const BUSY: Style = Style::new().fg(Color::Green);
const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
const PROBLEM: Style = Style::new().fg(Color::Red);

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, rates: &Rates, node: &str, problem: Option<&str>) {
    let rows = Layout::vertical([
        Constraint::Length(5),
        Constraint::Length(3),
        Constraint::Min(4),
        Constraint::Min(4),
        Constraint::Length(7),
        Constraint::Length(1),
    ]);
    let [top, gauges, transactions, gas, stages, foot] = rows.areas(frame.area());
    draw_head(frame, top, rates, node);
    draw_gauges(frame, gauges, rates);
    let look = rates.last();
    // In thousandths: one transaction in two seconds is not nothing.
    let shown = |value: f64| (value * 1e3) as u64;
    let curve = |of: fn(&super::rates::Look) -> f64| rates.looks.iter().map(|look| shown(of(look))).collect::<Vec<_>>();
    let title = format!(" {:.0} transactions/s ", look.transactions_per_second);
    draw_curve(frame, transactions, title, &curve(|look| look.transactions_per_second));
    let title = format!(" {:.1} Mgas/s ", look.gas_per_second / 1e6);
    draw_curve(frame, gas, title, &curve(|look| look.gas_per_second / 1e6));
    draw_stages(frame, stages, rates);
    let foot_line = match problem {
        Some(problem) => Line::styled(problem.to_owned(), PROBLEM),
        None => Line::from("q ends"),
    };
    frame.render_widget(foot_line, foot);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, rates: &Rates, node: &str) {
    let now = &rates.now;
    let head = &now.head;
    let lines = vec![
        Line::from(format!(
            "{}, chain {}, up {}",
            role_name(now.role),
            now.chain_id,
            duration_in_words(now.uptime_seconds)
        )),
        Line::from(format!(
            // The hash with its middle left out: terminals have 80 columns.
            "head {}  {:#}  {} transactions  {:.2} Mgas{}",
            head.number,
            head.hash,
            head.transactions,
            head.gas_used as f64 / 1e6,
            head.base_fee.map_or(String::new(), |fee| format!("  base fee {fee} wei"))
        )),
        Line::from(format!(
            "pool {} pending, {} queued   total {} blocks, {} transactions, {} removed by reorganisations",
            now.pool_pending, now.pool_queued, now.blocks, now.transactions, now.blocks_removed
        )),
    ];
    let title = format!(" motet {} at {node} ", now.version);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title).title_style(TITLE)), area);
}

fn draw_gauges(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let look = rates.last();
    let head = &rates.now.head;
    let fullness = percent(head.gas_used as f64, head.gas_limit as f64);
    let columns = Layout::horizontal([Constraint::Ratio(1, 3); 3]);
    let [full, busy, aborted] = columns.areas(area);
    draw_gauge(frame, full, " last block's gas ".to_owned(), fullness);
    draw_gauge(
        frame,
        busy,
        format!(" {} workers, {:.1} cores used ", rates.now.workers, look.cores),
        look.busy_percent,
    );
    draw_gauge(frame, aborted, " executions thrown away ".to_owned(), look.aborted_percent);
}

fn draw_gauge(frame: &mut Frame<'_>, area: Rect, title: String, percent: f64) {
    let gauge = Gauge::default()
        .block(Block::bordered().title(title))
        .gauge_style(BUSY)
        .ratio((percent / 100.0).clamp(0.0, 1.0))
        .label(format!("{percent:.0} %"));
    frame.render_widget(gauge, area);
}

/// The newest values that fit, the latest at the right edge.
fn draw_curve(frame: &mut Frame<'_>, area: Rect, title: String, values: &[u64]) {
    let width = usize::from(area.width.saturating_sub(2));
    let shown = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let curve = Sparkline::default().block(Block::bordered().title(title).title_style(TITLE)).data(shown).style(BUSY);
    frame.render_widget(curve, area);
}

fn draw_stages(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let stages = &rates.now.stages;
    let total: f64 = stages.values().sum();
    let lines: Vec<Line<'_>> = STAGES
        .into_iter()
        .map(|stage| {
            let seconds = stages.get(stage).copied().unwrap_or(0.0);
            let share = percent(seconds, total);
            let bar = "█".repeat((share / 2.5) as usize);
            Line::from(format!("{stage:<8} {seconds:>9.3} s {share:>5.1} % {bar}"))
        })
        .collect();
    let title = " time of the stages of blocks made here ";
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title).title_style(TITLE)), area);
}

#[cfg(test)]
mod tests {
    use super::super::rates::tests::after;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(width: u16, height: u16, rates: &Rates, problem: Option<&str>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, rates, "localhost:8545", problem)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn figures_stand_on_the_screen_and_no_size_is_too_small() {
        let mut rates = Rates::new(after(1));
        for second in 2..300 {
            rates.add(after(second));
        }
        let screen = drawn(120, 40, &rates, None);
        for text in ["1000 transactions/s", "21.0 Mgas/s", "head 299", "5 pending, 2 queued", "35 %", "75 %", "execute"]
        {
            assert!(screen.contains(text), "{text}: {screen}");
        }
        assert!(drawn(80, 24, &rates, Some("gone")).contains("gone"));
        for (width, height) in [(1, 1), (20, 3), (3, 50), (500, 10)] {
            drawn(width, height, &rates, None);
        }
        drawn(80, 24, &Rates::new(after(0)), None);
    }
}

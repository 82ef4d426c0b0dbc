//! `motet top`: a running node on the terminal, drawn again and again.
//!
//! ```text
//! every interval: motet_status --difference to the one before--> rates --draw--> terminal
//! ```

mod picture;
mod rates;

use crate::duration_arg::parse_positive_duration;
use crate::fetch::client::Client;
use crate::status::{self, RPC, TIMEOUT};
use crate::verdict::Verdict;
use clap::Args;
use eyre::{WrapErr, bail, eyre};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use rates::Rates;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Watch a running node on the terminal. q ends it.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The node's JSON-RPC address.
    #[arg(long, default_value = RPC, value_name = "URL")]
    rpc: String,

    /// How often it is asked.
    #[arg(long, default_value = "1s", value_parser = parse_positive_duration, value_name = "TIME")]
    interval: Duration,
}

/// Runs the command.
///
/// # Errors
/// When the node does not answer at the start, or there is no terminal.
pub(crate) fn run(args: &TopArgs) -> eyre::Result<Verdict> {
    let client = Client::new(&args.rpc, TIMEOUT).map_err(|error| eyre!("{error}"))?;
    let mut rates = Rates::new(status::ask(&client)?);
    if !io::stdout().is_terminal() {
        bail!("standard output is no terminal; `motet status` prints the figures once");
    }
    let mut terminal = ratatui::try_init().wrap_err("the terminal")?;
    let watched = watch(&mut terminal, &client, &mut rates, args);
    ratatui::try_restore().wrap_err("the terminal")?;
    watched?;
    Ok(Verdict::Equal)
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    client: &Client,
    rates: &mut Rates,
    args: &TopArgs,
) -> eyre::Result<()> {
    let mut problem = None;
    loop {
        terminal.draw(|frame| picture::draw(frame, rates, client.node(), problem.as_deref())).wrap_err("drawing")?;
        if is_ended_within(args.interval)? {
            return Ok(());
        }
        match status::ask(client) {
            Ok(status) => {
                rates.add(status);
                problem = None;
            }
            Err(error) => problem = Some(error.to_string()),
        }
    }
}

/// Waits so long, or until a key says that it is the end.
fn is_ended_within(time: Duration) -> eyre::Result<bool> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !event::poll(left).wrap_err("the keyboard")? {
            return Ok(false);
        }
        let Event::Key(key) = event::read().wrap_err("the keyboard")? else { continue };
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if key.kind == KeyEventKind::Press && (is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)) {
            return Ok(true);
        }
    }
}

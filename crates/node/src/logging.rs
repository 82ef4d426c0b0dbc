//! Logs on standard error: lines for people, or one JSON object per event.
//!
//! Results go to standard output and never through here. Filters are those of `tracing`: `info`, or
//! `warn,motet_rpc=debug`.

use clap::{Args, ValueEnum};
use eyre::WrapErr;
use serde::Deserialize;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// The engine of the store's tables tells of every file that it opens. Who wants to hear it names it.
const QUIET: &str = "fjall=warn,lsm_tree=warn";

/// What logs look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines of words.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// How much is logged, and in which form.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// Form of the logs on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORM")]
    pub(crate) log: LogFormat,

    /// What is logged: error, warn, info, debug or trace, also by module, as in warn,motet_rpc=debug.
    #[arg(long, default_value = "info", value_name = "FILTER")]
    pub(crate) log_level: String,
}

/// Starts logging. Once in a process.
///
/// # Errors
/// When the filter is none.
pub(crate) fn start(format: LogFormat, filter: &str) -> eyre::Result<()> {
    let filter = parse_filter(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => {
            let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(is_coloured).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    started.map_err(|error| eyre::eyre!("logging: {error}"))
}

/// Reads a filter. What is no level and no module's is an error, rather than being passed over.
///
/// # Errors
/// When it is none.
pub(crate) fn parse_filter(filter: &str) -> eyre::Result<EnvFilter> {
    // A lone word is taken for a module's name by the library, so that a misspelt level would silence everything.
    let is_word = !filter.contains(['=', ',', ':', '[']);
    // Nothing at all it takes for a level, too.
    let is_level = !filter.trim().is_empty() && filter.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    if is_word && !is_level {
        eyre::bail!("{filter:?} is no log level; these are: off, error, warn, info, debug, trace");
    }
    EnvFilter::try_new(format!("{QUIET},{filter}")).wrap_err_with(|| format!("{filter:?} is no filter of logs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        for filter in ["info", "off", "warn,motet_rpc=debug", "motet=trace"] {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
        for filter in ["", "inof", "motet=loud"] {
            assert!(parse_filter(filter).is_err(), "{filter}");
        }
    }
}

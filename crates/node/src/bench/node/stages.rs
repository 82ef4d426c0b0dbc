//! Where the time of a block goes, from the counters that Motet serves for Prometheus.

use super::rpc::Rpc;
use eyre::ensure;
use std::collections::BTreeMap;

/// Seconds that a node has spent in each stage of making blocks since its start, by the stage's name.
pub(super) type Stages = BTreeMap<String, f64>;

/// The counter of the stages: its name begins with the program's.
const COUNTER: &str = "stage_seconds_total{";

/// Reads the counters.
pub(super) fn read(metrics_url: &str) -> eyre::Result<Stages> {
    let text = Rpc::new(metrics_url).get()?;
    let stages = parse(&text);
    ensure!(!stages.is_empty(), "{metrics_url} counts no stages");
    Ok(stages)
}

/// What was added between two looks.
pub(super) fn between(before: &Stages, after: &Stages) -> Stages {
    let since = |(stage, seconds): (&String, &f64)| {
        (stage.clone(), (seconds - before.get(stage).copied().unwrap_or_default()).max(0.0))
    };
    after.iter().map(since).collect()
}

/// The Prometheus text format: `name{label="value"} number`.
fn parse(text: &str) -> Stages {
    let stage = |line: &str| {
        let (_, rest) = line.split_once(COUNTER)?;
        let (labels, value) = rest.split_once('}')?;
        let stage = labels.split(',').find_map(|label| label.trim().strip_prefix("stage=\""))?.strip_suffix('"')?;
        Some((stage.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(stage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_from_counters_and_subtracted() {
        let before = parse("motet_stage_seconds_total{stage=\"root\"} 1.5\n");
        let after = parse(
            "# HELP motet_stage_seconds Time of\n\
             motet_stage_seconds_total{stage=\"root\"} 2.0\n\
             motet_stage_seconds_total{stage=\"commit\"} 0.25\n\
             motet_block_seconds_sum 7\n",
        );
        let wanted = Stages::from([("root".to_owned(), 0.5), ("commit".to_owned(), 0.25)]);
        assert_eq!(between(&before, &after), wanted);
    }
}

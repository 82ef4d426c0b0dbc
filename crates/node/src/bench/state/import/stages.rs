//! How long each stage of an import takes.

use super::super::sample::Sample;
use crate::clock;
use motet_chain::{Stage, StageWatch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sums by stage.
#[derive(Clone, Debug, Default)]
pub(super) struct StageTimes(Arc<Mutex<[Spent; Stage::ALL.len()]>>);

/// One stage.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    sum: Sample,
    /// Since when it is at work, and the CPU time of the process then.
    since: Option<(u64, Duration)>,
}

impl StageTimes {
    /// What a stage took so far. The CPU time is that of the whole process meanwhile: that of the stage alone only where
    /// stages do not overlap.
    pub(super) fn of(&self, stage: Stage) -> Sample {
        self.lock().get(stage as usize).map_or_else(Sample::default, |spent| spent.sum)
    }

    fn lock(&self) -> MutexGuard<'_, [Spent; Stage::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageWatch for StageTimes {
    fn began(&self, stage: Stage) {
        let now = (clock::now_ns(), clock::cpu_time());
        if let Some(spent) = self.lock().get_mut(stage as usize) {
            spent.since = Some(now);
        }
    }

    fn ended(&self, stage: Stage) {
        let (now, cpu_now) = (clock::now_ns(), clock::cpu_time());
        let mut all = self.lock();
        let Some(spent) = all.get_mut(stage as usize) else { return };
        if let Some((from, cpu_from)) = spent.since.take() {
            spent.sum.wall += Duration::from_nanos(now.saturating_sub(from));
            spent.sum.cpu += cpu_now.saturating_sub(cpu_from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_sum_of_its_own() {
        let times = StageTimes::default();
        times.began(Stage::Root);
        times.began(Stage::Commit);
        times.ended(Stage::Root);
        times.ended(Stage::Root);
        assert!(times.of(Stage::Root).wall > Duration::ZERO);
        assert_eq!(times.of(Stage::Commit).wall, Duration::ZERO);
        times.ended(Stage::Commit);
        assert!(times.of(Stage::Commit).wall >= times.of(Stage::Root).wall);
    }
}

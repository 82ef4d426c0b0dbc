//! The trie over a store of nodes, which is in memory here: what a disk costs comes on top.

use super::super::report::Part;
use super::super::sample::{Samples, watch};
use super::changes::{account, random_accounts};
use super::{BUILD_CHUNK, Plan, ROUNDS_PER_RUN_MAX};
use alloy_primitives::{B256, Bytes};
use motet_state::trie::{
    Crew, EMPTY_ROOT, HashedDiff, MemoryNodeStore, NodePath, NodeStore, NodeStoreError, StateTrie, TrieId,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of nodes that stay in memory, in MiB.
pub(super) const CACHES: [usize; 3] = [4, 32, 256];

const TASK: &str = "random account updates over a store in memory, with the batch for it and the cache swept; 1 thread";

/// Measures updates with each of the caches.
pub(super) fn measure(plan: &Plan, part: &mut Part, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let mut roots = Vec::new();
    for cache_mib in CACHES {
        progress(&format!("building a trie over a store, cache of {cache_mib} MiB"));
        roots.push(run(plan, cache_mib, part, progress)?);
    }
    // Disturbed rounds are repeated, so only the first root of each is of the same history.
    if roots.windows(2).any(|pair| pair[0] != pair[1]) {
        part.differences.push("the tries over stores have other roots with other caches".to_owned());
    }
    Ok(())
}

/// The root after the first round.
fn run(plan: &Plan, cache_mib: usize, part: &mut Part, progress: &dyn Fn(&str)) -> eyre::Result<B256> {
    let store = Arc::new(CountingStore::default());
    let mut trie =
        StateTrie::open(EMPTY_ROOT, Arc::clone(&store) as Arc<dyn NodeStore>, cache_mib << 20, Crew::alone());
    for first in (0..plan.accounts).step_by(BUILD_CHUNK as usize) {
        let all = first..plan.accounts.min(first + BUILD_CHUNK);
        trie.apply_hashed(&HashedDiff::new(all.map(|number| account(number, number))))?;
        store.nodes.write(&trie.take_batch()?);
        trie.trim()?;
    }
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let (mut samples, mut memory_bytes_max, mut rounds) = (Samples::default(), 0, 0);
    let fetched_before = store.fetched.load(Ordering::Relaxed);
    let mut first_root = None;
    let name = format!("cache of {cache_mib} MiB");
    while samples.len() < plan.runs as usize && rounds < plan.runs.saturating_mul(ROUNDS_PER_RUN_MAX) {
        progress(&format!("updates over a store, {name}, round {rounds}"));
        rounds += 1;
        let diff = HashedDiff::new(random_accounts(plan.updates, plan.accounts, &mut rng));
        let watched = watch(|| {
            trie.update_hashed(&diff)?;
            trie.take_batch()
        });
        store.nodes.write(watched.value.as_ref().map_err(|error| eyre::eyre!("{error}"))?);
        let swept = watch(|| trie.trim());
        let mut sample = watched;
        sample.sample.wall += swept.sample.wall;
        sample.sample.cpu += swept.sample.cpu;
        sample.is_disturbed |= swept.is_disturbed;
        swept.value?;
        samples.push(&sample);
        memory_bytes_max = memory_bytes_max.max(trie.memory_bytes());
        if first_root.is_none() {
            first_root = Some(trie.root()?);
        }
    }
    let fetched = store.fetched.load(Ordering::Relaxed).saturating_sub(fetched_before);
    part.add_samples(TASK, &name, plan.updates as u64, samples, plan.runs as usize);
    let all_updates = (u64::from(rounds) * plan.updates as u64).max(1);
    part.figure(format!("{name}: nodes fetched for an update"), fetched as f64 / all_updates as f64, "");
    let per_account = memory_bytes_max as f64 / plan.accounts.max(1) as f64;
    part.figure(format!("{name}: most memory of the trie"), (memory_bytes_max >> 20) as f64, "MiB");
    part.figure(format!("{name}: the same for each account"), per_account, "bytes");
    Ok(first_root.unwrap_or_default())
}

/// Counts what is fetched.
#[derive(Debug, Default)]
struct CountingStore {
    nodes: MemoryNodeStore,
    fetched: AtomicU64,
}

impl NodeStore for CountingStore {
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.nodes.node(trie, path, hash)
    }
}

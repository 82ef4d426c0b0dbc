//! Everything that can go wrong at every operation on the disk and on the tables of a history: what is acknowledged stays,
//! and the store always stands at a block that was to be committed.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

mod store_chain;

use motet_state::store::faults::{Fault, Faults};
use motet_state::store::faulty_disk::FaultyDisk;
use motet_state::store::{Head, ModelTables, Opened, Options, Store, StoreError};
use motet_state::trie::StateTrie;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use store_chain::{
    Link, assert_state, assert_store, change_head, commit, genesis, next, open_trie, options, paged_options, seeds,
};

/// What a history does.
#[derive(Clone, Debug)]
enum Action {
    Commit(Vec<Link>),
    /// Back to a height, and from there on to these blocks, if any.
    ChangeHead(u64, Vec<Link>),
    Step,
    Flush,
    Reopen,
}

/// A history that works when nothing fails.
fn history(seed: u64, actions: usize) -> Vec<Action> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut chain = vec![genesis()];
    let mut history = vec![Action::Commit(chain.clone())];
    let mut peak = 0;
    for _ in 0..actions {
        peak = peak.max(chain.len() - 1);
        let oldest = peak.saturating_sub(options().history_blocks as usize);
        history.push(match rng.random_range(0..24) {
            0 if chain.len() - 1 > oldest => {
                chain.truncate(rng.random_range(oldest + 1..chain.len()));
                let height = chain[chain.len() - 1].block.height;
                let from = chain.len();
                for _ in 0..rng.random_range(0..4) {
                    chain.push(next(&chain[chain.len() - 1], &mut rng));
                }
                Action::ChangeHead(height, chain[from..].to_vec())
            }
            1 => Action::Flush,
            2 => Action::Reopen,
            3..6 => Action::Step,
            _ => {
                let count = if rng.random_range(0..3) == 0 { rng.random_range(2..5) } else { 1 };
                let from = chain.len();
                for _ in 0..count {
                    chain.push(next(&chain[chain.len() - 1], &mut rng));
                }
                Action::Commit(chain[from..].to_vec())
            }
        });
    }
    history
}

/// A machine with a store, and what the store must have.
struct Machine {
    faults: Arc<Faults>,
    disk: FaultyDisk,
    engine: ModelTables,
    options: Options,
    store: Option<Store>,
    /// Of a store that keeps nodes.
    trie: Option<StateTrie>,
    /// The chain that was acknowledged.
    chain: Vec<Link>,
    /// The highest that it ever was.
    peak: usize,
    /// Crashes while opening after a crash.
    second_crashes: u64,
}

/// How an action ended.
enum End {
    Done,
    /// Not done; whether it may have been is for the store to say when it opens.
    Failed,
}

impl Machine {
    fn new(seed: u64, options: Options) -> Self {
        let faults = Arc::new(Faults::new(seed));
        let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults.clone()));
        Self { faults, disk, engine, options, store: None, trie: None, chain: Vec::new(), peak: 0, second_crashes: 0 }
    }

    fn open(&mut self) -> Result<Opened, StoreError> {
        (self.store, self.trie) = (None, None);
        let (disk, engine) = (Arc::new(self.disk.clone()), Arc::new(self.engine.clone()));
        let (store, opened) = Store::open_on(Path::new("/db"), self.options.clone(), disk, engine)?;
        // Compared with the flat state in any case.
        let trie = open_trie(&store)?;
        self.trie = Some(trie).filter(|_| self.options.trie != options().trie);
        self.store = Some(store);
        Ok(opened)
    }

    fn attempt(&mut self, action: &Action) -> Result<(), StoreError> {
        if self.store.is_none() || matches!(action, Action::Reopen) {
            self.open()?;
        }
        let store = self.store.as_ref().expect("it was opened");
        match action {
            Action::Commit(links) => {
                commit(store, &mut self.trie, links)?;
                self.chain.extend(links.iter().cloned());
                self.peak = self.peak.max(self.chain.len() - 1);
            }
            Action::ChangeHead(height, links) => {
                change_head(store, &mut self.trie, *height, links)?;
                self.have_changed_head(*height, links);
            }
            Action::Step => drop(store.step()?),
            Action::Flush => store.flush()?,
            Action::Reopen => {}
        }
        Ok(())
    }

    /// Does an action, as a node does it on a machine where one thing fails: tries again, and opens anew when told to.
    fn perform(&mut self, action: &Action) -> End {
        for _ in 0..3 {
            match self.attempt(action) {
                Ok(()) => return End::Done,
                Err(_) if self.faults.has_stopped() => return End::Failed,
                Err(StoreError::MustReopen { .. }) => {
                    (self.store, self.trie) = (None, None);
                    self.faults.clear();
                    self.open().unwrap_or_else(|error| panic!("{error}"));
                    if self.settle(action) {
                        return End::Done;
                    }
                }
                Err(StoreError::Corrupt(damage)) => panic!("a fault was taken for damage: {damage}"),
                Err(_) => {
                    if let Some(store) = &self.store
                        && let Some(last) = self.chain.last()
                    {
                        // Nothing moved, and reads go on.
                        assert_eq!(store.head().map(|head| head.hash), Some(last.block.hash));
                        assert_state(&store.state(), last);
                    }
                    // Space returns.
                    self.faults.clear();
                }
            }
        }
        panic!("{action:?} does not work though nothing fails any more");
    }

    /// The machine starts again: finds out where an action that failed got to, and checks everything. Says whether all of it
    /// is done.
    fn restart(&mut self, action: Option<&Action>) -> bool {
        self.crash();
        // It may stop once more while it opens.
        self.faults.plan(self.faults.operations() + self.faults.below(24) as u64, Fault::Tears);
        if self.open().is_err() {
            assert!(self.faults.has_stopped());
            self.second_crashes += 1;
        }
        self.crash();
        self.open().unwrap_or_else(|error| panic!("after a crash in {action:?}: {error}"));
        match action {
            Some(action) => self.settle(action),
            None => {
                let store = self.store.as_ref().expect("it was opened");
                assert_eq!(hash_of(store.head()), self.chain.last().map(|last| last.block.hash));
                true
            }
        }
    }

    fn crash(&mut self) {
        (self.store, self.trie) = (None, None);
        self.faults.clear();
        self.disk.crash();
        self.engine.crash();
    }

    /// The store stands where it stood, or at a block of the action.
    fn settle(&mut self, action: &Action) -> bool {
        let head = hash_of(self.store.as_ref().expect("it was opened").head());
        let stood = head == self.chain.last().map(|last| last.block.hash);
        let is_done = match action {
            _ if stood => false,
            Action::Commit(links) => {
                let at = links.iter().position(|link| Some(link.block.hash) == head);
                let at = at.unwrap_or_else(|| panic!("the store stands at {head:?}, not at a block of {action:?}"));
                self.chain.extend(links[..=at].iter().cloned());
                self.peak = self.peak.max(self.chain.len() - 1);
                at + 1 == links.len()
            }
            Action::ChangeHead(height, links) => {
                // All of it or nothing.
                self.have_changed_head(*height, links);
                assert_eq!(head, self.chain.last().map(|last| last.block.hash));
                true
            }
            _ => panic!("{action:?} does not move the head, which is now {head:?}"),
        };
        if !self.chain.is_empty() {
            let store = self.store.as_ref().expect("it was opened");
            assert_store(store, &self.chain, self.states().min(3));
        }
        is_done
    }

    fn have_changed_head(&mut self, height: u64, links: &[Link]) {
        self.chain.truncate(height as usize + 1);
        self.chain.extend(links.iter().cloned());
        self.peak = self.peak.max(self.chain.len() - 1);
    }

    /// How many states the history must have.
    fn states(&self) -> usize {
        self.chain.len() - self.peak.saturating_sub(options().history_blocks as usize)
    }

    /// The rest of an action of which the store has the beginning.
    fn rest_of(&self, action: &Action) -> Action {
        match action {
            Action::Commit(links) => {
                let last = self.chain.last().map(|last| last.block.hash);
                let done = links.iter().position(|link| Some(link.block.hash) == last).map_or(0, |at| at + 1);
                Action::Commit(links[done..].to_vec())
            }
            other => other.clone(),
        }
    }
}

fn hash_of(head: Option<Head>) -> Option<alloy_primitives::B256> {
    head.map(|head| head.hash)
}

/// Runs a history with one fault, a few actions more, and then a crash.
fn run(history: &[Action], seed: u64, at: u64, fault: Fault, options: &Options) -> Machine {
    let mut machine = Machine::new(seed ^ at << 8, options.clone());
    machine.faults.plan(at, fault);
    let mut to_go_on = 12;
    for action in history {
        if let End::Failed = machine.perform(action)
            && !machine.restart(Some(action))
        {
            let rest = machine.rest_of(action);
            assert!(matches!(machine.perform(&rest), End::Done));
        }
        if machine.faults.operations() > at {
            to_go_on -= 1;
            if to_go_on == 0 {
                break;
            }
        }
    }
    machine.restart(None);
    let store = machine.store.as_ref().expect("it was opened");
    // Old states are many: each eighth run looks at all of them.
    let states = if at.is_multiple_of(8) { machine.states() } else { machine.states().min(3) };
    assert_store(store, &machine.chain, states);
    store.flush().unwrap_or_else(|error| panic!("{error}"));
    store.verify().unwrap_or_else(|error| panic!("{error}"));
    machine
}

fn at_every_operation(fault: Fault, options: &Options) {
    let (mut points, mut second_crashes, mut blocks, mut histories) = (0, 0, 0, 0);
    for seed in seeds(1) {
        println!("seed {seed}");
        let history = history(seed, 200);
        let whole = run(&history, seed, u64::MAX, Fault::Stops, options);
        for at in 0..whole.faults.operations() {
            second_crashes += run(&history, seed, at, fault, options).second_crashes;
            points += 1;
        }
        let commits = history.iter().map(|action| if let Action::Commit(links) = action { links.len() } else { 0 });
        blocks += commits.sum::<usize>();
        histories += 1;
    }
    let kept = if options.trie == store_chain::options().trie { "" } else { ", nodes in the store" };
    println!(
        "{fault:?}{kept}: {points} points in {histories} histories of {blocks} commits, {second_crashes} second crashes"
    );
    assert!(points > 500);
}

#[test]
fn a_crash_before_any_operation_leaves_a_committed_block() {
    at_every_operation(Fault::Stops, &options());
}

#[test]
fn a_crash_in_the_middle_of_any_operation_leaves_a_committed_block() {
    at_every_operation(Fault::Tears, &options());
}

#[test]
fn any_operation_that_fails_costs_nothing_but_itself() {
    at_every_operation(Fault::Fails, &options());
}

#[test]
fn a_disk_that_is_full_at_any_operation_costs_nothing() {
    at_every_operation(Fault::NoSpace, &options());
}

#[test]
fn a_crash_before_any_operation_leaves_the_trie_of_the_flat_state() {
    at_every_operation(Fault::Stops, &paged_options());
}

#[test]
fn a_crash_in_the_middle_of_any_operation_leaves_the_trie_of_the_flat_state() {
    at_every_operation(Fault::Tears, &paged_options());
}

#[test]
fn any_operation_that_fails_leaves_the_trie_of_the_flat_state() {
    at_every_operation(Fault::Fails, &paged_options());
}

#[test]
fn a_disk_that_is_full_leaves_the_trie_of_the_flat_state() {
    at_every_operation(Fault::NoSpace, &paged_options());
}

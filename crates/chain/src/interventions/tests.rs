use super::*;
use crate::fork::Fork as RemoteFork;
use crate::recall::diff_of;
use crate::{Chain, ChainOptions, GenesisBlock, RemoteBlock, RemoteCall, RemoteError, RemoteNode};
use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex, SlotChanges, StorageChange};
use motet_types::{BlockRecord, ChainSpec, Fork, MemoryState, Read, StateView};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const ACCOUNTS: u64 = 6;
const SLOTS: u64 = 4;

fn address(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("motet-interventions-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A chain of one block over some accounts, the first ones with code and storage.
fn chain(dir: &Path) -> (Chain, MemoryState) {
    let mut state = MemoryState::new();
    for n in 0..ACCOUNTS / 2 {
        let storage = (0..n).map(|slot| (U256::from(slot), U256::from(slot + 1)));
        let code = if n == 2 { Bytes::from_static(&[0x60, 0]) } else { Bytes::new() };
        state.insert_account(address(n), U256::from(n + 1), n, code, storage);
    }
    let spec = ChainSpec::at_fork(1337, Fork::Cancun);
    let header = GenesisBlock::with_spec(&Default::default(), spec.clone()).unwrap().header;
    let mut genesis = GenesisBlock::from_parts(spec, header, state.clone());
    genesis.header.state_root = genesis.state.root();
    genesis.hash = genesis.header.hash_slow();
    let (chain, _) = Chain::init(dir, genesis, ChainOptions::small()).unwrap();
    (chain, state)
}

fn value(view: &dyn StateView, location: Location) -> Value {
    match view.read(location).unwrap() {
        Read::Ready(value) => value,
        Read::Pending(_) => panic!("{location} pends"),
    }
}

fn locations() -> Vec<Location> {
    let slots = |n| (0..SLOTS).map(move |slot| Location::Slot(address(n), U256::from(slot)));
    (0..ACCOUNTS).flat_map(|n| slots(n).chain([Location::Account(address(n))])).collect()
}

fn random_change(rng: &mut SmallRng) -> Intervention {
    match rng.random_range(0..4) {
        0 => Intervention::Balance(U256::from(rng.random_range(0..3))),
        1 => Intervention::Nonce(rng.random_range(0..3)),
        2 => Intervention::Code(Bytes::from(vec![0x5b; rng.random_range(0..3)])),
        _ => Intervention::Slot(U256::from(rng.random_range(0..SLOTS)), U256::from(rng.random_range(0..3))),
    }
}

/// What the change means, with no regard to what it leaves unsaid.
fn apply(model: &mut MemoryState, address: Address, change: &Intervention) {
    let held = model.account(&address).cloned().unwrap_or_default();
    let (mut account, mut storage) = (held.account, held.storage);
    let mut code = model.code(&account.code_hash).cloned().unwrap_or_default();
    match change {
        Intervention::Balance(balance) => account.balance = *balance,
        Intervention::Nonce(nonce) => account.nonce = *nonce,
        Intervention::Code(bytes) => code = bytes.clone(),
        Intervention::Slot(slot, value) => drop(storage.insert(*slot, *value)),
    }
    storage.retain(|_, value| !value.is_zero());
    if account.balance.is_zero() && account.nonce == 0 && code.is_empty() && storage.is_empty() {
        let gone = AccountDiff { wiped: true, ..AccountDiff::default() };
        model.apply(&StateDiff { accounts: [(address, gone)].into(), ..StateDiff::default() });
        return;
    }
    model.insert_account(address, account.balance, account.nonce, code, storage);
}

#[test]
fn readers_see_what_direct_application_gives() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let place = Place::new(&format!("seen-{seed}"));
        let (chain, mut model) = chain(&place.0);
        let reader = chain.reader();
        for step in 0..25 {
            let (who, change) = (address(rng.random_range(0..ACCOUNTS)), random_change(&mut rng));
            apply(&mut model, who, &change);
            reader.intervene(who, change).unwrap();
            let (head, view) = reader.head_with_state().unwrap();
            let by_hash = reader.state_of(&head).unwrap().unwrap();
            for location in locations() {
                let expected = value(&model, location);
                assert_eq!(value(&view, location), expected, "seed {seed}, step {step}: {location}");
                assert_eq!(value(&by_hash, location), expected, "seed {seed}, step {step}: {location}");
                if let Value::Account(Some(account)) = expected {
                    let code = Location::Code(account.code_hash);
                    assert_eq!(value(&view, code), value(&model, code), "seed {seed}, step {step}: {location}");
                }
            }
        }
    }
}

#[test]
fn a_journal_gives_back_all_that_stood_over_the_head() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let place = Place::new(&format!("journal-{seed}"));
        let (first, _) = chain(&place.0);
        let (path, head) = (place.0.join("changes"), first.head().hash());
        let mut chain = first;
        for round in 0..6 {
            let reader = chain.reader().clone();
            let before = reader.interventions().over(&head);
            let kept = reader.keep_interventions(&path).unwrap();
            assert_eq!(kept.damaged_bytes, 0, "seed {seed}, round {round}");
            assert_eq!(before, None, "a chain that was just opened has none");
            let found = reader.interventions().over(&head);
            for _ in 0..rng.random_range(0..12) {
                reader.intervene(address(rng.random_range(0..ACCOUNTS)), random_change(&mut rng)).unwrap();
            }
            // As when somebody goes back to a snapshot, and as when the file is written anew by itself.
            match rng.random_range(0..4) {
                0 => reader.interventions().hold().put(head, found).unwrap(),
                1 => {
                    let now = reader.interventions().over(&head);
                    reader.interventions().hold().put(head, now).unwrap();
                }
                _ => {}
            }
            let left = reader.interventions().over(&head);
            drop(reader);
            drop(chain);
            (chain, _) = Chain::open(&place.0, ChainOptions::small()).unwrap();
            chain.reader().keep_interventions(&path).unwrap();
            let again = chain.reader().interventions().over(&head);
            // Code that nobody has any more need not come back.
            let accounts = |changes: &Option<Arc<StateDiff>>| changes.as_ref().map(|diff| diff.accounts.clone());
            assert_eq!(accounts(&again), accounts(&left), "seed {seed}, round {round}");
            drop(chain);
            (chain, _) = Chain::open(&place.0, ChainOptions::small()).unwrap();
        }
    }
}

#[test]
fn a_journal_has_nothing_over_blocks_that_are_not_the_head() {
    let place = Place::new("journal-left");
    let (chain, _) = chain(&place.0);
    let (reader, head, path) = (chain.reader().clone(), chain.head().hash(), place.0.join("changes"));
    reader.keep_interventions(&path).unwrap();
    reader.intervene(address(1), Intervention::Balance(U256::from(9))).unwrap();
    let whole = std::fs::read(&path).unwrap();
    reader.interventions().leave(&B256::repeat_byte(1));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    // A crash came first.
    std::fs::write(
        &path,
        String::from_utf8(whole.clone()).unwrap().replace(&head.to_string(), &B256::ZERO.to_string()),
    )
    .unwrap();
    assert_eq!(reader.keep_interventions(&path).unwrap(), KeptInterventions::default());
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    // In the middle of a line.
    std::fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();
    let kept = reader.keep_interventions(&path).unwrap();
    assert_eq!(kept, KeptInterventions { restored: 1, damaged_bytes: 20 });
    assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), whole[..20]);
    reader.intervene(address(1), Intervention::Balance(U256::from(10))).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
}

#[test]
fn taking_every_change_back_leaves_none() {
    let place = Place::new("back");
    let (chain, _) = chain(&place.0);
    let (reader, head) = (chain.reader(), chain.head().hash());
    let slot = |value: u64| Intervention::Slot(U256::from(1), U256::from(value));
    reader.intervene(address(2), Intervention::Balance(U256::from(9))).unwrap();
    reader.intervene(address(2), slot(9)).unwrap();
    reader.intervene(address(5), Intervention::Nonce(1)).unwrap();
    assert_eq!(reader.interventions().over(&head).unwrap().accounts.len(), 2);
    assert_eq!(reader.interventions().over(&B256::ZERO), None, "they stand over one block alone");
    reader.intervene(address(2), Intervention::Balance(U256::from(3))).unwrap();
    reader.intervene(address(2), slot(2)).unwrap();
    reader.intervene(address(5), Intervention::Nonce(0)).unwrap();
    assert_eq!(reader.interventions().over(&head), None);
}

#[test]
fn a_block_with_changes_is_both_one_after_the_other_and_its_record_says_so() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let place = Place::new(&format!("merged-{seed}"));
        let (chain, mut model) = chain(&place.0);
        let reader = chain.reader();
        let base = chain.state();
        for _ in 0..12 {
            let (who, change) = (address(rng.random_range(0..ACCOUNTS)), random_change(&mut rng));
            apply(&mut model, who, &change);
            reader.intervene(who, change).unwrap();
        }
        let head = chain.head().hash();
        let changes = reader.interventions().over(&head).unwrap_or_default();
        // What a block makes of it: other balances, and slots of accounts with a balance.
        let (mut block, mut record) = (StateDiff::default(), BlockRecord::default());
        for n in 0..ACCOUNTS {
            let Some(held) = model.account(&address(n)).filter(|_| rng.random()) else { continue };
            let mut change = AccountDiff { account: Some(held.account), ..AccountDiff::default() };
            let mut listed = AccountChanges::new(address(n));
            let index = BlockAccessIndex(1);
            if let Some(account) = &mut change.account {
                account.balance += U256::from(7);
                listed.balance_changes.push(BalanceChange::new(index, account.balance));
            }
            for slot in (0..SLOTS).map(U256::from) {
                let before = held.storage.get(&slot).copied().unwrap_or_default();
                let after = U256::from(rng.random_range(0..3));
                if after == before {
                    listed.storage_reads.push(slot);
                } else {
                    change.storage.insert(slot, after);
                    let changed = vec![StorageChange::new(index, after)];
                    listed.storage_changes.push(SlotChanges::new(slot, changed));
                }
            }
            block.accounts.insert(address(n), change);
            record.list.push(listed);
        }
        model.apply(&block);
        let whole = merged(&base, &changes, block).unwrap();
        enter(&base, &changes, &mut record).unwrap();
        let after = base.clone().with_changes(Arc::new(whole.clone()));
        for location in locations() {
            assert_eq!(value(&after, location), value(&model, location), "seed {seed}: {location}");
        }
        let mut recalled = diff_of(&record, &base, &after).unwrap();
        let codes = std::mem::take(&mut recalled.codes);
        assert_eq!(recalled.accounts, whole.accounts, "seed {seed}");
        assert!(codes.iter().all(|(hash, code)| whole.codes.get(hash) == Some(code)), "seed {seed}");
        for listed in &record.list {
            let is_read = |slot: &SlotChanges| listed.storage_reads.contains(&slot.slot);
            assert!(!listed.storage_changes.iter().any(is_read), "seed {seed}: a slot is read and changed");
            assert!(listed.storage_changes.is_sorted_by_key(|slot| slot.slot), "seed {seed}");
        }
        assert!(record.list.is_sorted_by_key(|listed| listed.address), "seed {seed}");
    }
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let place = Place::new("large");
    let (chain, _) = chain(&place.0);
    let (reader, head) = (chain.reader(), chain.head().hash());
    let code = Bytes::from(vec![1; ACCOUNT_CODE_BYTES_MAX + 1]);
    let error = reader.intervene(address(1), Intervention::Code(code)).unwrap_err();
    assert!(matches!(error, InterventionError::CodeSize { bytes } if bytes == ACCOUNT_CODE_BYTES_MAX + 1), "{error}");
    for n in 0..CODE_BYTES_MAX / ACCOUNT_CODE_BYTES_MAX {
        let code = Bytes::from(vec![n as u8; ACCOUNT_CODE_BYTES_MAX]);
        reader.intervene(address(n as u64), Intervention::Code(code)).unwrap();
    }
    let before = reader.interventions().over(&head);
    let error = reader.intervene(address(1000), Intervention::Code(Bytes::from_static(&[1]))).unwrap_err();
    assert!(matches!(error, InterventionError::Full), "{error}");
    assert_eq!(reader.interventions().over(&head), before);
}

/// Each as a change of a copy of all before it, these would take minutes.
#[test]
fn very_many_slots_of_one_account_cost_one_look_at_each() {
    let place = Place::new("slots");
    let (chain, _) = chain(&place.0);
    let (reader, head, count) = (chain.reader(), chain.head().hash(), 1 << 17);
    for slot in 0..count {
        reader.intervene(address(1), Intervention::Slot(U256::from(slot + 10), U256::from(1))).unwrap();
    }
    assert_eq!(reader.interventions().over(&head).unwrap().accounts[&address(1)].storage.len(), count);
}

/// A node without any state, which notes how it was asked.
#[derive(Debug, Default)]
struct Watcher {
    reader: OnceLock<ChainReader>,
    /// Whether readers of changes would have had to wait, for each time that it was asked for state.
    waits: Mutex<Vec<bool>>,
}

impl RemoteNode for Watcher {
    fn name(&self) -> &str {
        "watcher"
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<serde_json::Value, String>>, RemoteError> {
        if let Some(reader) = self.reader.get() {
            self.waits.lock().unwrap().push(reader.interventions().pending.try_lock().is_err());
        }
        let zero = B256::ZERO;
        let header = json!({"number": "0x0", "hash": zero, "parentHash": zero, "timestamp": "0x0", "gasLimit": "0x0",
            "gasUsed": "0x0", "miner": Address::ZERO});
        let answer = |call: &RemoteCall| match call.method {
            "eth_getBlockByNumber" => header.clone(),
            "eth_getCode" => json!("0x"),
            _ => json!("0x0"),
        };
        Ok(calls.iter().map(|call| Ok(answer(call))).collect())
    }
}

#[test]
fn readers_do_not_wait_while_another_node_is_asked_for_what_is_changed() {
    let place = Place::new("remote");
    let (chain, _) = chain(&place.0);
    let (reader, watcher) = (chain.reader().clone(), Arc::new(Watcher::default()));
    let block = RemoteBlock::fetch(&*watcher, None).unwrap();
    chain.attach(RemoteFork::new(Arc::clone(&watcher) as Arc<dyn RemoteNode>, &block, None).unwrap()).unwrap();
    watcher.reader.set(reader.clone()).unwrap();
    reader.intervene(address(90), Intervention::Slot(U256::from(1), U256::from(2))).unwrap();
    reader.intervene(address(91), Intervention::Balance(U256::from(3))).unwrap();
    assert!(reader.interventions().over(&chain.head().hash()).is_some_and(|changes| changes.accounts.len() == 2));
    let waits = watcher.waits.lock().unwrap();
    assert!(waits.len() >= 3 && !waits.contains(&true), "{waits:?}");
}

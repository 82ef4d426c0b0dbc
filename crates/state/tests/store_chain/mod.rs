//! Random chains over few keys, and the states that a store of them must have: plain maps.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::root::{state_root, storage_root};
use motet_state::store::faults::Faults;
use motet_state::store::faulty_disk::FaultyDisk;
use motet_state::store::{
    CommittedBlock, Head, Identity, ModelTables, Opened, Options, Store, StoreError, StoredState, TrieMode, Verify,
};
use motet_state::trie::{AccountChange, Crew, HashedDiff, NodeBatch, SlotChange, StateTrie};
use motet_types::{Account, AccountDiff, Location, Read, StateDiff, StateView, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

/// Addresses and slots that random blocks touch.
pub const ADDRESSES: u8 = 12;
pub const SLOTS: u64 = 7;

pub fn address(number: u8) -> Address {
    Address::repeat_byte(number)
}

pub fn slot(number: u64) -> U256 {
    // Some short, some long.
    U256::from(number) << (32 * (number as usize % 7))
}

/// A state as maps. Invariant: no slot is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub accounts: BTreeMap<Address, (Account, BTreeMap<U256, U256>)>,
    pub codes: BTreeMap<B256, Bytes>,
    pub hashes: BTreeMap<u64, B256>,
}

impl Model {
    pub fn apply(&mut self, block: &CommittedBlock) {
        self.codes.extend(block.diff.codes.clone());
        for (address, change) in &block.diff.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(address);
                continue;
            };
            let entry = self.accounts.entry(*address).or_default();
            entry.0 = account;
            if change.wiped {
                entry.1.clear();
            }
            entry.1.extend(change.storage.clone());
            entry.1.retain(|_, value| !value.is_zero());
        }
        self.hashes.insert(block.height, block.hash);
    }

    /// The state root by another implementation, from scratch.
    pub fn root(&self) -> B256 {
        let accounts = self.accounts.iter().map(|(address, (account, slots))| {
            let slots = slots.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value));
            let storage_root = storage_root(slots.collect::<BTreeMap<_, _>>());
            let Account { nonce, balance, code_hash } = *account;
            (keccak256(address), alloy_trie::TrieAccount { nonce, balance, storage_root, code_hash })
        });
        state_root(accounts.collect::<BTreeMap<_, _>>())
    }
}

/// A block of a random chain and the state after it.
#[derive(Clone, Debug)]
pub struct Link {
    pub block: CommittedBlock,
    pub model: Arc<Model>,
}

pub fn genesis() -> Link {
    let mut block = CommittedBlock { hash: keccak256("genesis"), ..CommittedBlock::default() };
    let account = Account { balance: U256::from(1), ..Account::default() };
    let diff = AccountDiff { account: Some(account), ..AccountDiff::default() };
    block.diff = Arc::new(StateDiff { accounts: [(address(1), diff)].into(), ..StateDiff::default() });
    fill(&mut block);
    let mut model = Model::default();
    model.apply(&block);
    block.root = model.root();
    Link { block, model: Arc::new(model) }
}

/// A random block on top of another one.
pub fn next(before: &Link, rng: &mut StdRng) -> Link {
    let mut diff = StateDiff::default();
    for _ in 0..rng.random_range(0..5) {
        let address = address(rng.random_range(0..ADDRESSES));
        let (account, slots) = before.model.accounts.get(&address).cloned().unwrap_or_default();
        let mut change = AccountDiff::default();
        match rng.random_range(0..10) {
            0 => {}
            1 => {
                change.wiped = true;
                change.account = Some(Account { nonce: 1, ..account });
            }
            _ => {
                change.account = Some(Account {
                    nonce: account.nonce + 1,
                    balance: rng.random::<u128>().try_into().unwrap(),
                    ..account
                })
            }
        }
        if let Some(account) = &mut change.account {
            if rng.random_range(0..8) == 0 {
                let code = Bytes::from(vec![rng.random::<u8>(); rng.random_range(1..40)]);
                account.code_hash = keccak256(&code);
                diff.codes.insert(account.code_hash, code);
            }
            for _ in 0..rng.random_range(0..5) {
                let slot = slot(rng.random_range(0..SLOTS));
                let value = match rng.random_range(0..3) {
                    0 => U256::ZERO,
                    1 => U256::from(rng.random::<u8>()),
                    _ => U256::from_be_bytes(rng.random::<[u8; 32]>()),
                };
                // Only what differs is listed.
                if slots.get(&slot).copied().unwrap_or_default() != value || change.wiped {
                    change.storage.insert(slot, value);
                }
            }
            if change.wiped {
                change.storage.retain(|_, value| !value.is_zero());
            }
        }
        diff.accounts.insert(address, change);
    }
    let mut block = CommittedBlock {
        height: before.block.height + 1,
        hash: rng.random::<[u8; 32]>().into(),
        parent: before.block.hash,
        diff: Arc::new(diff),
        ..CommittedBlock::default()
    };
    fill(&mut block);
    let mut model = Model::clone(&before.model);
    model.hashes.retain(|height, _| *height < block.height);
    model.apply(&block);
    block.root = model.root();
    Link { block, model: Arc::new(model) }
}

/// Parts that follow from the hash, so that they can be checked.
fn fill(block: &mut CommittedBlock) {
    let tag = |name: &str| Bytes::from([name.as_bytes(), block.hash.as_slice()].concat());
    (block.header, block.body) = (tag("header"), tag("body"));
    (block.receipts, block.record) = (tag("receipts"), tag("record"));
    block.transactions = (0..3u8).map(|index| keccak256([block.hash.as_slice(), &[index]].concat())).collect();
    block.log_addresses = vec![address(block.hash[0] % 4), address(4 + block.hash[1] % 4)];
    block.log_topics = vec![B256::repeat_byte(block.hash[2] % 4)];
}

/// A chain from its genesis block.
pub fn chain(seed: u64, blocks: usize) -> Vec<Link> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut links = vec![genesis()];
    for at in 0..blocks {
        links.push(next(&links[at], &mut rng));
    }
    links
}

pub fn identity() -> Identity {
    Identity { chain_id: 1, genesis: genesis().block.hash, archive: false }
}

/// Small bounds, no threads: everything happens on the thread of the test, in the same order each time.
pub fn options() -> Options {
    let mut options = Options::new(identity());
    options.history_blocks = 16;
    options.segment_bytes = 4096;
    options.cache_bytes = 1 << 20;
    options.waiting_bytes = 4096;
    options.batch_bytes = 1500;
    options.reader_threads = 0;
    options.read_at_once = Duration::ZERO;
    options.table_workers = 1;
    options.has_table_thread = false;
    options
}

/// The same, with the nodes of the tries in the store.
pub fn paged_options() -> Options {
    // Nodes of a block weigh ten times its record; the cache holds some of them.
    let (waiting_bytes, batch_bytes) = (40_000, 15_000);
    Options { trie: TrieMode::Paged { cache_bytes: 4000 }, waiting_bytes, batch_bytes, ..options() }
}

/// Where a store lies that is opened several times: a disk and tables in memory.
pub struct Parts {
    pub disk: FaultyDisk,
    pub engine: ModelTables,
}

impl Parts {
    pub fn new() -> Self {
        let faults = Arc::new(Faults::new(1));
        Self { disk: FaultyDisk::new(faults.clone()), engine: ModelTables::new(faults) }
    }

    pub fn open(&self, options: Options) -> Result<(Store, Opened), StoreError> {
        Store::open_on(Path::new("/db"), options, Arc::new(self.disk.clone()), Arc::new(self.engine.clone()))
    }
}

/// The trie of the store's head, compared with all of the flat state, and with a trie that is built from that.
pub fn open_trie(store: &Store) -> Result<StateTrie, StoreError> {
    let mut trie = store.open_trie(Crew::alone(), Verify::All, &mut |_| {})?.with_large_storage_changes(4);
    let mut changes = Vec::new();
    for row in store.accounts_from(B256::ZERO) {
        let (key, account) = row?;
        let slots = store.slots_of(key).map(|row| row.map(|(key, value)| SlotChange { key, value }));
        changes.push(AccountChange {
            key,
            account: Some(account),
            wiped: false,
            slots: slots.collect::<Result<_, _>>()?,
        });
    }
    let mut built = StateTrie::new(Crew::alone());
    let root = built.update_hashed(&HashedDiff::new(changes))?;
    assert_eq!(trie.root()?, root, "trie and flat state differ");
    if let Some(head) = store.head() {
        assert_eq!(root, head.root, "the state is not that of the head");
    }
    Ok(trie)
}

/// What a trie is ahead of the store, while the store has not taken it.
#[derive(Default)]
struct Ahead {
    undos: Vec<HashedDiff>,
    batches: Vec<Arc<NodeBatch>>,
}

impl Ahead {
    /// Takes the blocks of links into a trie; gives them with the nodes that they change.
    fn take(&mut self, trie: &mut StateTrie, links: &[Link]) -> Result<Vec<CommittedBlock>, StoreError> {
        let mut blocks = blocks_of(links);
        for block in &mut blocks {
            let (root, undo) = trie.update_undoable(&HashedDiff::of_diff(&block.diff, &Crew::alone()))?;
            assert_eq!(root, block.root, "block {}", block.height);
            self.undos.push(undo);
            block.nodes = Some(self.take_nodes(trie)?);
        }
        Ok(blocks)
    }

    fn take_nodes(&mut self, trie: &mut StateTrie) -> Result<Arc<NodeBatch>, StoreError> {
        let nodes = Arc::new(trie.take_batch()?);
        self.batches.push(Arc::clone(&nodes));
        Ok(nodes)
    }

    /// The store has it, or the trie goes back.
    fn end(self, trie: &mut StateTrie, done: Result<Head, StoreError>) -> Result<Head, StoreError> {
        match &done {
            Ok(head) => {
                assert_eq!(trie.root()?, head.root, "what leads there leads elsewhere");
                trie.trim()?;
            }
            Err(_) => {
                self.batches.into_iter().for_each(|batch| trie.return_batch(Arc::unwrap_or_clone(batch)));
                self.undos.iter().rev().try_for_each(|undo| trie.apply_hashed(undo))?;
            }
        }
        done
    }
}

fn blocks_of(links: &[Link]) -> Vec<CommittedBlock> {
    links.iter().map(|link| link.block.clone()).collect()
}

/// Commits blocks with the nodes that a trie gives; without one, as they are. If that fails the trie goes back.
pub fn commit(store: &Store, trie: &mut Option<StateTrie>, links: &[Link]) -> Result<Head, StoreError> {
    let Some(trie) = trie else { return store.commit_many(blocks_of(links)) };
    let mut ahead = Ahead::default();
    let blocks = ahead.take(trie, links)?;
    ahead.end(trie, store.commit_many(blocks))
}

/// Goes back, the trie first.
pub fn rollback(store: &Store, trie: &mut Option<StateTrie>, to: u64) -> Result<Head, StoreError> {
    change_head(store, trie, to, &[])
}

/// Goes back and on to other blocks, the trie first. If that fails the trie returns.
pub fn change_head(store: &Store, trie: &mut Option<StateTrie>, to: u64, links: &[Link]) -> Result<Head, StoreError> {
    let Some(trie) = trie else { return store.change_head(to, None, blocks_of(links)) };
    let mut ahead = Ahead::default();
    for height in (to + 1..=store.head().map_or(0, |head| head.height)).rev() {
        ahead.undos.push(trie.apply_undoable(&store.reverse(height)?)?);
    }
    let nodes = ahead.take_nodes(trie)?;
    let blocks = ahead.take(trie, links)?;
    ahead.end(trie, store.change_head(to, Some(&*nodes), blocks))
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Reads as the executor does, waiting for tickets.
pub fn read(view: &StoredState, location: Location) -> Value {
    loop {
        match view.read(location).unwrap_or_else(|error| panic!("{error}")) {
            Read::Ready(value) => return value,
            Read::Pending(ticket) => {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                while view.poll_ticket(ticket, &waker).is_pending() {
                    std::thread::park();
                }
                assert!(view.is_ready(ticket));
                assert!(matches!(view.read(location), Ok(Read::Ready(_))), "complete and yet pending: {location}");
            }
        }
    }
}

/// Every location that a random chain may touch gives what the maps say.
pub fn assert_state(view: &StoredState, link: &Link) {
    let model = &link.model;
    assert_eq!((view.height(), view.hash()), (link.block.height, link.block.hash));
    for number in 0..ADDRESSES {
        let address = address(number);
        let entry = model.accounts.get(&address);
        let account = read(view, Location::Account(address));
        assert_eq!(account, Value::Account(entry.map(|entry| entry.0)), "account {number} at {}", view.height());
        for number in 0..SLOTS {
            let expected = entry.and_then(|entry| entry.1.get(&slot(number))).copied().unwrap_or_default();
            let found = read(view, Location::Slot(address, slot(number)));
            assert_eq!(found, Value::Slot(expected), "{address} slot {number} at {}", view.height());
        }
        let hashed = entry.into_iter().flat_map(|entry| &entry.1);
        let hashed = hashed.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)).collect();
        assert_eq!(view.storage(address).unwrap(), hashed, "storage of {address} at {}", view.height());
        assert_eq!(view.has_storage(address).unwrap(), entry.is_some_and(|entry| !entry.1.is_empty()));
        if let Some((account, _)) = entry.filter(|entry| entry.0.code_hash != KECCAK256_EMPTY) {
            let code = model.codes[&account.code_hash].clone();
            assert_eq!(read(view, Location::Code(account.code_hash)), Value::Code(code));
        }
    }
    for (height, hash) in model.hashes.iter().rev().take(20) {
        assert_eq!(read(view, Location::BlockHash(*height)), Value::BlockHash(*hash));
    }
    assert!(view.read(Location::BlockHash(view.height() + 1)).is_err());
}

/// The blocks of a chain are found by all of their names, and no others are.
pub fn assert_blocks(store: &Store, links: &[Link]) {
    let last = links.last().expect("a chain has a genesis block").block.height;
    for link in links {
        let block = &link.block;
        let height = block.height;
        assert_eq!(store.header(height).unwrap(), Some((block.hash, block.header.clone())));
        assert_eq!(store.body(height).unwrap().as_ref(), Some(&block.body));
        assert_eq!(store.receipts(height).unwrap().as_ref(), Some(&block.receipts));
        assert_eq!(store.record(height).unwrap().as_ref(), Some(&block.record));
        assert_eq!(store.height_of(block.hash).unwrap(), Some(height));
        for (index, hash) in (0..).zip(&block.transactions) {
            assert_eq!(store.transaction(*hash).unwrap(), Some((height, index)));
        }
    }
    for number in 0..8 {
        let has = |link: &&Link| link.block.log_addresses.contains(&address(number));
        let heights: Vec<u64> = links.iter().filter(has).map(|link| link.block.height).collect();
        assert_eq!(store.blocks_with_address(address(number), 0..=u64::MAX, usize::MAX).unwrap(), heights);
    }
    for number in 0..4 {
        let topic = B256::repeat_byte(number);
        let has = |link: &&Link| link.block.log_topics.contains(&topic) && link.block.height >= 3;
        let heights: Vec<u64> = links.iter().filter(has).map(|link| link.block.height).take(4).collect();
        assert_eq!(store.blocks_with_topic(topic, 3..=last, 4).unwrap(), heights);
    }
    assert_eq!(store.header(last + 1).unwrap(), None);
}

/// Head, all states that the history must have, and all blocks.
pub fn assert_store(store: &Store, links: &[Link], history: usize) {
    let last = links.last().expect("a chain has a genesis block");
    let head = store.head().expect("the store is not empty");
    assert_eq!((head.height, head.hash, head.root), (last.block.height, last.block.hash, last.block.root));
    assert_state(&store.state(), last);
    for link in links.iter().rev().take(history) {
        assert_state(&store.state_at(link.block.height).unwrap_or_else(|error| panic!("{error}")), link);
    }
    assert_blocks(store, links);
}

/// Seeds for a randomised test: as many as MOTET_SEEDS says, or so many.
pub fn seeds(default: u64) -> std::ops::Range<u64> {
    let count = std::env::var("MOTET_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(default);
    1..1 + count
}

use super::desk::Desk;
use super::*;
use alloy_primitives::{Address, Bytes, U256};
use motet_types::{MemoryState, StateView};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A node over a state in memory, which can be told to fail.
#[derive(Debug, Default)]
struct Node {
    state: MemoryState,
    batches: AtomicU32,
    /// Batches that fail before any is answered again.
    failing: AtomicU32,
    /// Knows blocks by their heights alone.
    refuses_hashes: AtomicBool,
    /// Another block stands at the height of the one that is asked for.
    has_moved: AtomicBool,
}

fn of_state(state: &MemoryState, location: Location) -> Value {
    match state.read(location).unwrap() {
        Read::Ready(value) => value,
        Read::Pending(_) => panic!("states in memory are ready"),
    }
}

impl RemoteNode for Node {
    fn name(&self) -> &str {
        "memory"
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<serde_json::Value, String>>, RemoteError> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        let fails = self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(RemoteError { url: "memory".to_owned(), reason: "no answer".to_owned() });
        }
        let answer = |call: &RemoteCall| {
            let at = call.params.as_array().and_then(|params| params.last()).cloned();
            let by_hash = at == Some(json!({"blockHash": B256::repeat_byte(7)}));
            if by_hash && self.refuses_hashes.load(Ordering::SeqCst) {
                return Err("invalid argument 1: expected a string".to_owned());
            }
            assert!(by_hash || at == Some(json!("0x7")) || call.method == "eth_getBlockByNumber", "{call:?}");
            assert!(by_hash || at != Some(json!("0x7")) || self.refuses_hashes.load(Ordering::SeqCst), "{call:?}");
            let address = call.params[0].as_str().and_then(|text| text.parse::<Address>().ok());
            let account = address.and_then(|address| self.state.account(&address).cloned()).unwrap_or_default();
            Ok(match call.method {
                "eth_getBalance" => json!(account.account.balance),
                "eth_getTransactionCount" => json!(format!("{:#x}", account.account.nonce)),
                "eth_getCode" => json!(self.state.code(&account.account.code_hash).cloned().unwrap_or_default()),
                "eth_getStorageAt" => {
                    let slot: U256 = serde_json::from_value(call.params[1].clone()).unwrap();
                    json!(B256::from(account.storage.get(&slot).copied().unwrap_or_default()))
                }
                "eth_getBlockByNumber" if call.params[0] != "0x7" => json!({"hash": B256::repeat_byte(9)}),
                "eth_getBlockByNumber" => {
                    json!({"hash": B256::repeat_byte(7 + u8::from(self.has_moved.load(Ordering::SeqCst)))})
                }
                other => return Err(format!("the method {other} does not exist")),
            })
        };
        Ok(calls.iter().map(answer).collect())
    }
}

fn address(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

fn node() -> Node {
    let mut state = MemoryState::new();
    for n in 0..40 {
        let storage = (0..n % 5).map(|slot| (U256::from(slot), U256::from(slot + n)));
        let code = if n % 3 == 0 { Bytes::from(vec![0x5b; n as usize + 1]) } else { Bytes::new() };
        state.insert_account(address(n), U256::from(n + 1), n, code, storage);
    }
    Node { state, ..Node::default() }
}

fn desk(node: &Arc<Node>, cache: Option<&Path>) -> Desk {
    Desk::start(Arc::clone(node) as Arc<dyn RemoteNode>, 7, B256::repeat_byte(7), cache).unwrap()
}

#[test]
fn answers_are_the_remote_state_asked_for_once_by_many() {
    let node = Arc::new(node());
    let path = std::env::temp_dir().join(format!("motet-fork-desk-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let desk_of_many = desk(&node, Some(&path));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (desk, node) = (&desk_of_many, &node);
            scope.spawn(move || {
                let mut rng = SmallRng::seed_from_u64(seed);
                for _ in 0..300 {
                    let (who, slot) = (address(rng.random_range(0..50)), U256::from(rng.random_range(0..6)));
                    let location = if rng.random() { Location::Account(who) } else { Location::Slot(who, slot) };
                    let value = desk.value(location).unwrap();
                    assert_eq!(value, of_state(&node.state, location), "seed {seed}: {location}");
                    if let Value::Account(Some(account)) = value {
                        let code = Location::Code(account.code_hash);
                        assert_eq!(desk.value(code).unwrap(), of_state(&node.state, code), "seed {seed}");
                    }
                }
            });
        }
    });
    // 50 accounts and their 6 slots are all there is to ask for.
    assert!(desk_of_many.question_count() <= 350, "{}", desk_of_many.question_count());
    let asked: Vec<Location> = (0..50).map(|n| Location::Account(address(n))).collect();
    for location in &asked {
        desk_of_many.value(*location).unwrap();
    }
    drop(desk_of_many);

    let before = node.batches.load(Ordering::SeqCst);
    let again = desk(&node, Some(&path));
    for location in asked {
        assert_eq!(again.value(location).unwrap(), of_state(&node.state, location));
    }
    assert_eq!((again.question_count(), node.batches.load(Ordering::SeqCst)), (0, before), "the file has it all");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn hints_are_asked_for_in_few_batches() {
    let node = Arc::new(node());
    let desk = desk(&node, None);
    let locations: Vec<Location> = (0..40).map(|n| Location::Account(address(n))).collect();
    desk.prefetch(&locations);
    for location in &locations {
        desk.value(*location).unwrap();
    }
    // Two threads take what is there at once: two batches if nothing is left to chance, and far fewer than questions.
    assert!(node.batches.load(Ordering::SeqCst) <= 6, "{:?}", node.batches);
    assert_eq!(desk.question_count(), 40);
}

#[test]
fn a_node_that_fails_for_a_moment_is_asked_again_and_one_that_stays_away_is_named() {
    let node = Arc::new(node());
    let desk = desk(&node, None);
    node.failing.store(1, Ordering::SeqCst);
    assert!(desk.value(Location::Account(address(1))).is_ok());
    node.failing.store(4, Ordering::SeqCst);
    let error = desk.value(Location::Account(address(2))).unwrap_err().to_string();
    assert!(error.contains("memory: no answer") && error.contains(&address(2).to_string()), "{error}");
    assert!(desk.value(Location::Account(address(2))).is_ok(), "a failure is not for ever");
    assert_eq!(desk.value(Location::BlockHash(3)).unwrap(), Value::BlockHash(B256::repeat_byte(9)));
    assert!(desk.value(Location::Code(B256::repeat_byte(1))).is_err());
}

#[test]
fn pending_reads_wake_all_who_wait() {
    use std::task::Wake;
    #[derive(Default)]
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let node = Arc::new(node());
    node.failing.store(1, Ordering::SeqCst);
    let desk = desk(&node, None);
    let location = Location::Account(address(4));
    let Read::Pending(ticket) = desk.read(location).unwrap() else { panic!("nothing is known yet") };
    assert!(ForkAt::is_own(ticket));
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    let polls = counts.each_ref().map(|count| desk.poll(ticket, &Waker::from(Arc::clone(count))));
    desk.value(location).unwrap();
    for (count, poll) in counts.iter().zip(polls) {
        // Who came too late was told so.
        assert!(poll == Poll::Ready(()) || count.0.load(Ordering::SeqCst) == 1);
    }
    assert!(desk.is_ready(ticket));
    assert!(matches!(desk.read(location), Ok(Read::Ready(_))));
}

#[test]
fn a_block_is_asked_for_by_its_hash_and_by_its_height_only_while_it_is_there() {
    let node = Arc::new(node());
    let account = |n| Location::Account(address(n));
    let by_hash = desk(&node, None);
    node.has_moved.store(true, Ordering::SeqCst);
    // What the chain there has become does not matter as long as the node knows the block.
    assert_eq!(by_hash.value(account(1)).unwrap(), of_state(&node.state, account(1)));
    let error = by_hash.value(Location::BlockHash(3)).unwrap_err().to_string();
    assert!(error.contains("its block 7 is 0x0808") && error.contains("no longer 0x0707"), "{error}");
    assert_eq!(by_hash.value(account(2)).unwrap(), of_state(&node.state, account(2)));

    node.refuses_hashes.store(true, Ordering::SeqCst);
    let by_number = desk(&node, None);
    let error = by_number.value(account(1)).unwrap_err().to_string();
    assert!(error.contains("its block 7 is 0x0808"), "{error}");
    node.has_moved.store(false, Ordering::SeqCst);
    assert_eq!(by_number.value(account(1)).unwrap(), of_state(&node.state, account(1)));
    assert_eq!(by_number.value(Location::BlockHash(3)).unwrap(), Value::BlockHash(B256::repeat_byte(9)));
    node.has_moved.store(true, Ordering::SeqCst);
    assert!(by_number.value(account(2)).is_err(), "it is looked at with every batch");
    assert_eq!(by_number.value(account(1)).unwrap(), of_state(&node.state, account(1)), "what is known stays");
}

#[test]
fn what_a_hint_could_not_bring_is_asked_for_again_by_who_needs_it() {
    let node = Arc::new(node());
    let desk = desk(&node, None);
    let location = Location::BlockHash(3);
    node.has_moved.store(true, Ordering::SeqCst);
    desk.prefetch(&[location]);
    while !desk.is_idle() {
        std::thread::yield_now();
    }
    node.has_moved.store(false, Ordering::SeqCst);
    assert_eq!(desk.value(location).unwrap(), Value::BlockHash(B256::repeat_byte(9)));
    // Who waited is told why not, once.
    node.has_moved.store(true, Ordering::SeqCst);
    desk.prefetch(&[Location::BlockHash(4)]);
    assert!(desk.value(Location::BlockHash(4)).is_err());
    node.has_moved.store(false, Ordering::SeqCst);
    assert!(desk.value(Location::BlockHash(4)).is_ok());
}

/// Refuses one account until all others have been asked for.
#[derive(Debug)]
struct Stubborn {
    others: Mutex<u64>,
    asked: Condvar,
    refused: AtomicU32,
    had_to_wait: AtomicBool,
}

const REFUSED: u64 = 100;
const OTHERS: u64 = 20;

impl RemoteNode for Stubborn {
    fn name(&self) -> &str {
        "stubborn"
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<serde_json::Value, String>>, RemoteError> {
        let of = |call: &RemoteCall| call.params[0].as_str().and_then(|text| text.parse::<Address>().ok()).unwrap();
        if calls.iter().any(|call| of(call) == address(REFUSED)) {
            let others = self.others.lock().unwrap();
            if self.refused.fetch_add(1, Ordering::SeqCst) > 0 {
                // By the pause before this, the other thread had all the time that it needs.
                let waited = self.asked.wait_timeout_while(others, Duration::from_secs(60), |others| *others < OTHERS);
                self.had_to_wait.fetch_or(waited.unwrap().1.timed_out(), Ordering::SeqCst);
            }
            return Err(RemoteError { url: "stubborn".to_owned(), reason: "not this one".to_owned() });
        }
        *self.others.lock().unwrap() += calls.len() as u64 / 3;
        self.asked.notify_all();
        Ok(calls.iter().map(|call| Ok(json!(if call.method == "eth_getCode" { "0x" } else { "0x1" }))).collect())
    }
}

#[test]
fn a_question_that_is_refused_keeps_no_other_waiting() {
    let node = Stubborn {
        others: Mutex::new(0),
        asked: Condvar::new(),
        refused: AtomicU32::new(0),
        had_to_wait: AtomicBool::new(false),
    };
    let node = Arc::new(node);
    let desk = Desk::start(Arc::clone(&node) as Arc<dyn RemoteNode>, 7, B256::repeat_byte(7), None).unwrap();
    desk.prefetch(&[Location::Account(address(REFUSED))]);
    while node.refused.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    for n in 0..OTHERS {
        desk.value(Location::Account(address(n))).unwrap();
    }
    assert!(desk.value(Location::Account(address(REFUSED))).is_err());
    assert!(!node.had_to_wait.load(Ordering::SeqCst));
}

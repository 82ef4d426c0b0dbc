//! A chain over the state of another node.

use crate::world::{CHAIN_ID, ETHER, GWEI, Place, address, boxed, call, engine, next};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, bytes, keccak256};
use motet_chain::pool::Origin;
use motet_chain::{
    BuildSource, Chain, ChainOptions, Fork as RemoteState, LiveChain, PoolOptions, RemoteBlock, RemoteCall,
    RemoteError, RemoteNode,
};
use motet_exec::Engine;
use motet_types::{ChainSpec, Fork, Location, MemoryState, Transaction, Value};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const VAULT: Address = Address::repeat_byte(0x61);
/// Takes ether with a call, and gives one back to who calls without.
static VAULT_CODE: Bytes = bytes!("0x346015575f5f5f5f670de0b6b3a7640000335af1005b00");
const SETTER: Address = Address::repeat_byte(0x62);
/// Stores the argument at slot 1.
static SETTER_CODE: Bytes = bytes!("0x5f3560015500");
/// Of the other node's block.
const HASH: B256 = B256::repeat_byte(7);

/// Another node over a state in memory; it can go away.
#[derive(Debug)]
struct Remote {
    state: MemoryState,
    is_gone: AtomicBool,
}

impl Remote {
    fn new() -> Arc<Self> {
        let mut state = MemoryState::new();
        for person in 0..3 {
            state.insert_account(address(person), U256::from(10 * ETHER), 0, Bytes::new(), []);
        }
        state.insert_account(VAULT, U256::from(3 * ETHER), 1, VAULT_CODE.clone(), []);
        state.insert_account(SETTER, U256::ZERO, 1, SETTER_CODE.clone(), [(U256::from(1), U256::from(9))]);
        Arc::new(Self { state, is_gone: AtomicBool::new(false) })
    }

    fn answer(&self, call: &RemoteCall) -> serde_json::Value {
        let address = || call.params[0].as_str().unwrap().parse::<Address>().unwrap();
        let account = || self.state.account(&address()).cloned().unwrap_or_default();
        if !matches!(call.method, "eth_chainId" | "eth_getBlockByNumber") {
            assert_eq!(call.params.as_array().unwrap().last(), Some(&json!({ "blockHash": HASH })));
        }
        match call.method {
            "eth_chainId" => json!(U256::from(CHAIN_ID)),
            "eth_getBlockByNumber" => json!({"number": "0x7", "hash": HASH, "parentHash": B256::ZERO,
                "timestamp": "0x3e8", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "miner": Address::ZERO,
                "baseFeePerGas": "0x7"}),
            "eth_getBalance" => json!(account().account.balance),
            "eth_getTransactionCount" => json!(U256::from(account().account.nonce)),
            "eth_getCode" => json!(self.state.code(&account().account.code_hash).cloned().unwrap_or_default()),
            "eth_getStorageAt" => {
                let slot: U256 = serde_json::from_value(call.params[1].clone()).unwrap();
                json!(B256::from(account().storage.get(&slot).copied().unwrap_or_default()))
            }
            other => panic!("{other}"),
        }
    }
}

impl RemoteNode for Remote {
    fn name(&self) -> &str {
        "memory"
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<serde_json::Value, String>>, RemoteError> {
        match self.is_gone.load(Ordering::SeqCst) {
            true => Err(RemoteError { url: "memory".to_owned(), reason: "it is gone".to_owned() }),
            false => Ok(calls.iter().map(|call| Ok(self.answer(call))).collect()),
        }
    }
}

fn block(remote: &Arc<Remote>) -> RemoteBlock {
    RemoteBlock::fetch(&**remote, None).unwrap()
}

/// A chain in service over the other node's, with what that answered in no file.
fn open(dir: &Path, remote: &Arc<Remote>, block: &RemoteBlock) -> Result<(LiveChain, Arc<RemoteState>), String> {
    let first = block.to_first_block(ChainSpec::at_fork(CHAIN_ID, Fork::Shanghai)).unwrap();
    let (chain, _) = Chain::init(dir, first, ChainOptions::small()).unwrap();
    let fork = RemoteState::new(Arc::clone(remote) as Arc<dyn RemoteNode>, block, None).unwrap();
    chain.attach(Arc::clone(&fork)).unwrap();
    let pool = PoolOptions { journal: Some(dir.join("pool.journal")), ..PoolOptions::default() };
    let opened = LiveChain::open(chain, boxed(engine(Engine::Optimistic, 2, None)), pool);
    opened.map(|(live, _)| (live, fork)).map_err(|error| error.to_string())
}

fn send(person: usize, nonce: u64, to: Address, value: u128, input: u8) -> Transaction {
    let input = Bytes::from(B256::with_last_byte(input).to_vec());
    call(person, nonce, 10 * GWEI, 100_000, to, input, U256::from(value))
}

fn submit(live: &LiveChain, tx: &Transaction) -> B256 {
    live.pool().submit(&tx.encoded_2718(), Origin::External).unwrap()
}

#[test]
fn what_a_block_changed_and_changed_back_stays_and_needs_the_other_node_no_more() {
    for is_undone in [false, true] {
        let (place, remote) = (Place::new("changed-back"), Remote::new());
        let (live, fork) = open(place.path(), &remote, &block(&remote)).unwrap();
        let start = live.reader().head().hash();
        submit(&live, &send(0, 0, SETTER, 0, 42));
        submit(&live, &send(0, 1, VAULT, ETHER, 0));
        submit(&live, &send(0, 2, SETTER, 0, 9));
        submit(&live, &send(0, 3, VAULT, 0, 0));
        let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
        assert!(sealed.receipts.len() == 4 && sealed.receipts.iter().all(|receipt| receipt.is_success()));
        let check = |live: &LiveChain| {
            let (_, state) = live.reader().head_with_state().unwrap();
            let value = |location| state.value(location).unwrap();
            assert_eq!(value(Location::Slot(SETTER, U256::from(1))), Value::Slot(U256::from(9)));
            for (address, code, ether) in [(VAULT, &VAULT_CODE, 3), (SETTER, &SETTER_CODE, 0)] {
                let Value::Account(Some(account)) = value(Location::Account(address)) else {
                    panic!("{address} is gone")
                };
                assert_eq!((account.balance, account.nonce), (U256::from(ether * ETHER), 1));
                assert_eq!(account.code_hash, keccak256(code));
                assert_eq!(value(Location::Code(account.code_hash)), Value::Code(code.clone()));
            }
        };
        check(&live);
        if is_undone {
            live.set_head(start).unwrap();
            check(&live);
            live.set_head(sealed.block.hash()).unwrap();
            check(&live);
        }
        let block = block(&remote);
        drop((live, fork));
        // It is in the store: nobody is asked.
        let (again, fork) = open(place.path(), &remote, &block).unwrap();
        remote.is_gone.store(true, Ordering::SeqCst);
        check(&again);
        assert_eq!(fork.question_count(), 0);
    }
}

#[test]
fn what_waits_is_not_lost_where_the_other_node_cannot_be_asked() {
    let (place, remote) = (Place::new("gone"), Remote::new());
    let block = block(&remote);
    let (live, _) = open(place.path(), &remote, &block).unwrap();
    let start = live.reader().head().hash();
    let one = [submit(&live, &send(0, 0, VAULT, 1, 0)), submit(&live, &send(0, 1, VAULT, 1, 0))];
    let other = submit(&live, &send(1, 0, VAULT, 1, 0));
    drop(live);

    // Nobody can say whether these can still be paid, so they stay where they are.
    let journal = std::fs::read(place.path().join("pool.journal")).unwrap();
    remote.is_gone.store(true, Ordering::SeqCst);
    let error = open(place.path(), &remote, &block).unwrap_err();
    assert!(error.contains("it is gone"), "{error}");
    assert_eq!(std::fs::read(place.path().join("pool.journal")).unwrap(), journal);
    remote.is_gone.store(false, Ordering::SeqCst);
    let (live, _) = open(place.path(), &remote, &block).unwrap();
    assert_eq!(live.pool().status().pending, 3);
    live.seal(next(&live, BuildSource::Pool)).unwrap();
    let next = submit(&live, &send(0, 2, VAULT, 1, 0));
    drop(live);

    // Of the senders of an undone block one cannot be looked at again; the other's transaction is back.
    let (live, _) = open(place.path(), &remote, &block).unwrap();
    live.reader().state_at(7).unwrap().value(Location::Account(address(1))).unwrap();
    remote.is_gone.store(true, Ordering::SeqCst);
    live.set_head(start).unwrap();
    let has = |hash: &B256| live.pool().get(hash).is_some();
    assert!(has(&next) && has(&other) && !has(&one[0]));
}

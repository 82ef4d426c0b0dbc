//! A development chain over the state of another node, which runs in this process.

mod dev_node;
mod support;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use dev_node::{CODE, CONTRACT, DevNode, ETHER, WHALE, signer, spec};
use motet_chain::{ChainReader, Fork, RemoteBlock, RemoteCall, RemoteError, RemoteNode};
use motet_exec::Engine;
use motet_types::{Location, StateView, Value as StateValue};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::Dir;

/// Another node, as its methods answer; it can go away.
#[derive(Debug)]
struct InProcess {
    reader: ChainReader,
    is_gone: AtomicBool,
}

impl InProcess {
    fn new(node: &DevNode) -> Arc<Self> {
        Arc::new(Self { reader: node.context.reader().clone(), is_gone: AtomicBool::new(false) })
    }

    fn answer(&self, call: &RemoteCall) -> Result<Value, String> {
        let param = |at: usize| call.params.get(at).cloned().unwrap_or(Value::Null);
        let hash = |value: &Value| serde_json::from_value::<B256>(value.get("blockHash")?.clone()).ok();
        let number = |value: &Value| match value.as_str() {
            None if hash(value).is_some() => {
                let block = self.reader.block(&hash(value).unwrap_or_default()).map_err(|error| error.to_string())?;
                block.map(|block| block.number()).ok_or_else(|| "header not found".to_owned())
            }
            Some("latest") => Ok(self.reader.head().number()),
            text => text
                .and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok())
                .ok_or_else(|| format!("{call:?}")),
        };
        let value = |location| -> Result<StateValue, String> {
            let at = number(call.params.as_array().and_then(|params| params.last()).unwrap_or(&Value::Null))?;
            let view = self.reader.state_at(at).map_err(|error| error.to_string())?;
            view.value(location).map_err(|error| error.to_string())
        };
        let address: Address = serde_json::from_value(param(0)).unwrap_or_default();
        let account = || match value(Location::Account(address))? {
            StateValue::Account(account) => Ok::<_, String>(account.unwrap_or_default()),
            other => Err(format!("{other:?}")),
        };
        match call.method {
            "eth_chainId" => Ok(json!("0x7a69")),
            "eth_getBalance" => Ok(json!(account()?.balance)),
            "eth_getTransactionCount" => Ok(json!(format!("{:#x}", account()?.nonce))),
            "eth_getCode" => match value(Location::Code(account()?.code_hash))? {
                StateValue::Code(code) => Ok(json!(code)),
                other => Err(format!("{other:?}")),
            },
            "eth_getStorageAt" => {
                let slot: U256 = serde_json::from_value(param(1)).map_err(|error| error.to_string())?;
                match value(Location::Slot(address, slot))? {
                    StateValue::Slot(value) => Ok(json!(B256::from(value))),
                    other => Err(format!("{other:?}")),
                }
            }
            "eth_getBlockByNumber" => {
                let block = self.reader.canonical_block(number(&param(0))?).map_err(|error| error.to_string())?;
                let Some(block) = block else { return Ok(Value::Null) };
                let mut header = serde_json::to_value(&block.block().header).map_err(|error| error.to_string())?;
                header["hash"] = json!(block.hash());
                Ok(header)
            }
            other => Err(format!("the method {other} does not exist")),
        }
    }
}

impl RemoteNode for InProcess {
    fn name(&self) -> &str {
        "in-process"
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<Value, String>>, RemoteError> {
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(RemoteError { url: "in-process".to_owned(), reason: "it is gone".to_owned() });
        }
        Ok(calls.iter().map(|call| self.answer(call)).collect())
    }
}

/// Another node with some history: its third block is the one to start from.
fn remote(dir: &Path) -> DevNode {
    let node = DevNode::open(dir);
    node.transfer(WHALE, 3);
    node.call("evm_mine", json!([]));
    node.call("anvil_setStorageAt", json!([CONTRACT, "0x1", B256::with_last_byte(9)]));
    node.call("anvil_mine", json!([2]));
    assert_eq!(node.number(), 3);
    node
}

fn fork(dir: &Path, remote: &Arc<InProcess>, engine: Engine) -> (DevNode, Arc<Fork>) {
    let block = RemoteBlock::fetch(&**remote, Some(3)).unwrap();
    std::fs::create_dir_all(dir).unwrap();
    let fork = Fork::new(Arc::clone(remote) as Arc<dyn RemoteNode>, &block, Some(&dir.join("fork.cache"))).unwrap();
    let first = block.to_first_block(spec()).unwrap();
    (DevNode::open_on(dir, first, Some(Arc::clone(&fork)), engine), fork)
}

#[test]
fn a_fork_sees_the_remote_state_at_its_block_and_changes_only_its_own() {
    for engine in [Engine::Sequential, Engine::Optimistic] {
        let (there, here) = (Dir::new(), Dir::new());
        let source = remote(&there.0);
        let remote = InProcess::new(&source);
        let (node, fork) = fork(&here.0, &remote, engine);
        assert_eq!(node.number(), 3);
        let from = signer().address();
        let before = source.balance(from);
        assert_eq!((node.balance(from), node.balance(WHALE)), (before, U256::from(3 * ETHER)));
        assert_eq!((node.slot(CONTRACT, 1), node.nonce(from)), (U256::from(9), 1));
        // Code comes with its account.
        assert_eq!(node.balance(CONTRACT), U256::ZERO);
        assert_eq!(node.value(Location::Code(keccak256(&CODE))), StateValue::Code(CODE.clone()));
        // The other node goes on; what is seen of it here does not.
        source.call("anvil_setStorageAt", json!([CONTRACT, "0x2", B256::with_last_byte(7)]));
        source.transfer(Address::repeat_byte(0x44), 5);
        source.call("evm_mine", json!([]));
        assert_eq!((node.slot(CONTRACT, 2), node.balance(Address::repeat_byte(0x44))), (U256::ZERO, U256::ZERO));

        node.call("eth_sendTransaction", json!([{"from": from, "to": CONTRACT, "gas": "0x186a0"}]));
        for n in 0..8 {
            node.transfer(Address::repeat_byte(0x50 + n), 1);
        }
        node.call("evm_mine", json!([]));
        let receipts = node.context.reader().receipts(4).unwrap().unwrap();
        assert_eq!(receipts.len(), 9, "{engine:?}");
        assert!(receipts.iter().all(|receipt| receipt.is_success()), "{engine:?}");
        assert_eq!(node.slot(CONTRACT, 0), U256::from_be_slice(from.as_slice()));
        assert_eq!((node.slot(CONTRACT, 1), node.nonce(from)), (U256::from(9), 10));
        assert_eq!(node.balance(Address::repeat_byte(0x52)), U256::from(ETHER));
        assert_eq!(source.slot(CONTRACT, 0), U256::ZERO, "the other node knows nothing of it");
        // Below the change, everything is as it was.
        let first = node.context.reader().state_at(3).unwrap();
        assert_eq!(first.value(Location::Slot(CONTRACT, U256::ZERO)).unwrap(), StateValue::Slot(U256::ZERO));
        let StateValue::Account(Some(account)) = first.value(Location::Account(from)).unwrap() else {
            panic!("it is there")
        };
        assert_eq!((account.balance, account.nonce), (before, 1));
        // Hashes of blocks from both sides.
        let head = node.context.reader().head_with_state().unwrap().1;
        let hash = |number| head.value(Location::BlockHash(number)).unwrap();
        assert_eq!(hash(1), StateValue::BlockHash(source.context.reader().canonical_hash(1).unwrap().unwrap()));
        assert_eq!(hash(3), StateValue::BlockHash(node.context.reader().genesis().hash()));
        assert!(head.may_pend());
        assert!(fork.question_count() > 0);
    }
}

#[test]
fn zeros_of_the_fork_hide_what_is_remote_also_after_a_restart_without_the_other_node() {
    let (there, here) = (Dir::new(), Dir::new());
    let source = remote(&there.0);
    let remote = InProcess::new(&source);
    let (node, first) = fork(&here.0, &remote, Engine::Sequential);
    node.call("anvil_setStorageAt", json!([CONTRACT, "0x1", B256::ZERO]));
    node.call("anvil_setBalance", json!([WHALE, "0x0"]));
    let check = |node: &DevNode| {
        assert_eq!((node.slot(CONTRACT, 1), node.balance(WHALE)), (U256::ZERO, U256::ZERO));
        assert_eq!(node.value(Location::Code(keccak256(&CODE))), StateValue::Code(CODE.clone()));
    };
    check(&node);
    node.transfer(Address::repeat_byte(0x11), 1);
    node.call("anvil_mine", json!([2]));
    check(&node);
    let from = signer().address();
    let balance = node.balance(from);
    drop((node, first));
    // What was asked for is known here.
    let (again, second) = fork(&here.0, &remote, Engine::Sequential);
    remote.is_gone.store(true, Ordering::SeqCst);
    assert_eq!(again.number(), 5);
    check(&again);
    assert_eq!(again.balance(from), balance);
    again.transfer(WHALE, 1);
    again.call("evm_mine", json!([]));
    assert_eq!(again.balance(WHALE), U256::from(ETHER));
    assert_eq!(second.question_count(), 0);
    // What was not is an error that names the node, and not an empty account.
    let (_, view) = again.context.reader().head_with_state().unwrap();
    let error = view.value(Location::Account(Address::repeat_byte(0x99))).unwrap_err().to_string();
    assert!(error.contains("in-process: it is gone"), "{error}");
    assert_eq!(again.fail("anvil_addBalance", json!([Address::repeat_byte(0x98), "0x1"])).0, -32603);
    remote.is_gone.store(false, Ordering::SeqCst);
    assert!(view.value(Location::Account(Address::repeat_byte(0x99))).is_ok());
}

#[test]
fn what_a_fork_does_not_have_is_not_said_to_be_nothing() {
    let (there, here) = (Dir::new(), Dir::new());
    let source = remote(&there.0);
    let remote = InProcess::new(&source);
    let (node, _fork) = fork(&here.0, &remote, Engine::Sequential);
    let account = node.call("eth_getAccount", json!([WHALE, "latest"]));
    assert_eq!(account, json!({"balance": U256::from(3 * ETHER), "nonce": "0x0", "codeHash": KECCAK256_EMPTY}));
    node.call("anvil_setBalance", json!([WHALE, "0x5"]));
    assert_eq!(node.call("eth_getAccount", json!([WHALE, "latest"]))["balance"], "0x5");
    assert_eq!(node.call("eth_getAccount", json!([CONTRACT, "latest"]))["codeHash"], json!(keccak256(&CODE)));
    assert_eq!(node.call("eth_getAccount", json!([Address::repeat_byte(0x77), "latest"])), Value::Null);
    let (_, error) = node.fail("eth_getProof", json!([WHALE, [], "latest"]));
    assert!(error.contains("no proofs on a fork"), "{error}");
    assert!(source.call("eth_getAccount", json!([WHALE, "latest"]))["storageRoot"].is_string());
}

#[test]
fn a_revert_gives_the_remote_state_back() {
    let (there, here) = (Dir::new(), Dir::new());
    let source = remote(&there.0);
    let remote = InProcess::new(&source);
    let (node, _fork) = fork(&here.0, &remote, Engine::Sequential);
    let (root, balance) = (node.context.reader().head().block().header.state_root, node.balance(signer().address()));
    let snapshot = node.call("evm_snapshot", json!([]));
    let branch = |node: &DevNode, ether| {
        node.call("anvil_setStorageAt", json!([CONTRACT, "0x1", B256::ZERO]));
        node.transfer(WHALE, ether);
        node.call("eth_sendTransaction", json!([{"to": CONTRACT, "gas": "0x186a0"}]));
        node.call("anvil_mine", json!([3]));
        assert_eq!(
            (node.slot(CONTRACT, 1), node.balance(WHALE)),
            (U256::ZERO, U256::from((3 + ether) as u128 * ETHER))
        );
    };
    branch(&node, 1);
    let there_head = node.context.reader().head().hash();
    assert_eq!(node.call("evm_revert", json!([snapshot])), json!(true));
    assert_eq!(node.context.reader().head().block().header.state_root, root);
    assert_eq!((node.slot(CONTRACT, 1), node.slot(CONTRACT, 0)), (U256::from(9), U256::ZERO));
    assert_eq!((node.balance(WHALE), node.balance(signer().address())), (U256::from(3 * ETHER), balance));
    branch(&node, 2);
    // And forth to the branch that was left.
    node.context.live.set_head(there_head).unwrap();
    assert_eq!((node.slot(CONTRACT, 1), node.balance(WHALE)), (U256::ZERO, U256::from(4 * ETHER)));
    assert_eq!(node.slot(CONTRACT, 0), U256::from_be_slice(signer().address().as_slice()));
}

#[test]
fn another_block_or_none_is_refused_by_name() {
    let (there, here) = (Dir::new(), Dir::new());
    let source = remote(&there.0);
    let remote = InProcess::new(&source);
    let error = RemoteBlock::fetch(&*remote, Some(77)).unwrap_err().to_string();
    assert!(error.contains("there is no block 0x4d"), "{error}");
    drop(fork(&here.0, &remote, Engine::Sequential));
    let other = RemoteBlock::fetch(&*remote, Some(2)).unwrap();
    let cache = here.0.join("fork.cache");
    let error = Fork::new(Arc::clone(&remote) as Arc<dyn RemoteNode>, &other, Some(&cache)).unwrap_err().to_string();
    assert!(error.contains("another block: block 3, not block 2"), "{error}");
    remote.is_gone.store(true, Ordering::SeqCst);
    assert!(RemoteBlock::fetch(&*remote, None).unwrap_err().to_string().contains("it is gone"));
}

//! Blocks of a real node: anvil, found by `MOTET_ANVIL` or on the PATH. To have it:
//! `npm install --ignore-scripts @foundry-rs/anvil@1.7.1`, which puts the binary at
//! `node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil`.

use super::{expect_exit, fetch, folder, motet, read_json};
use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip4844, TxEip7702};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, U256, address, b256, hex};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The first two of anvil's own accounts, and their published keys.
const ALICE: Address = address!("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
const ALICE_KEY: B256 = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const BOB: Address = address!("0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
const BOB_KEY: B256 = b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");
/// Chain id of anvil.
const CHAIN_ID: u64 = 31_337;

/// A running node. It is killed when this is dropped.
struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    /// `None`, after saying so, where there is no anvil.
    fn start(more: &[&str]) -> Option<Self> {
        let program = std::env::var_os("MOTET_ANVIL").map_or_else(|| PathBuf::from("anvil"), PathBuf::from);
        let fixed = ["--host", "127.0.0.1", "--port", "0", "--no-mining", "--order", "fifo", "--color", "never"];
        let mut command = Command::new(&program);
        let spawned = command.args(fixed).args(more).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: no anvil at {} ({error}); MOTET_ANVIL names one", program.display());
                return None;
            }
        };
        let stdout = child.stdout.take().expect("it is piped");
        let mut anvil = Self { child, url: String::new() };
        // Reads to the end, so that the node never waits for somebody to read its log.
        let (tell, listening) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("Listening on ") {
                    let _ = tell.send(address.trim().to_owned());
                }
            }
        });
        let address = listening.recv_timeout(Duration::from_secs(60)).expect("anvil listens within a minute");
        anvil.url = format!("http://{address}");
        Some(anvil)
    }

    fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let answer: Value =
            agent.post(&self.url).send_json(request).expect("an answer").body_mut().read_json().expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Sends a transaction whose gas limit spares anvil the estimate, which fails for those that revert.
    fn send(&self, mut tx: Value) {
        tx["from"] = tx.get("from").cloned().unwrap_or_else(|| json!(ALICE));
        tx["gas"] = json!("0x7a120");
        self.rpc("eth_sendTransaction", json!([tx]));
    }

    fn mine(&self) -> Value {
        self.rpc("evm_mine", json!([]));
        self.rpc("eth_getBlockByNumber", json!(["latest", false]))
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds the word that comes with the call to slot 0, and stores the hash of the block three before in slot 1.
/// Without input it reverts.
const COUNTER: [u8; 28] = hex!("36600857600080fd5b60003560005401600055600343034060015500");
/// Deploys the code that follows it, whose length is its second byte: CODECOPY, RETURN.
const DEPLOY: [u8; 11] = hex!("601c80600b6000396000f3");

fn deployment() -> Bytes {
    [DEPLOY.as_slice(), &COUNTER].concat().into()
}

/// What COUNTER takes.
fn word(value: u64) -> String {
    B256::from(U256::from(value)).to_string()
}

/// A set-code transaction of Alice in which Bob delegates to `code`.
fn delegation(nonce: u64, bobs_nonce: u64, code: Address) -> String {
    let sign = |key, hash| sign_message(key, hash).expect("a good key");
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: code, nonce: bobs_nonce };
    let signature = sign(BOB_KEY, authorization.signature_hash());
    let tx = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: BOB,
        input: word(5).parse().expect("bytes"),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let signature = sign(ALICE_KEY, tx.signature_hash());
    let envelope: EthereumTxEnvelope<TxEip4844> = tx.into_signed(signature).into();
    hex::encode_prefixed(envelope.encoded_2718())
}

/// Fetches the node's last block, replays it on every engine, and gives the file.
fn fetch_latest(anvil: &Anvil, name: &str, more: &[&str]) -> Value {
    let path = folder(&format!("anvil-{name}")).join("block.json.gz");
    expect_exit(0, &fetch(&anvil.url, "latest", &path, more));
    let options = ["replay", "--engine", "all", "--workers", "1,2", "--json"];
    let replayed = motet(options.iter().map(OsStr::new).chain([path.as_os_str()]));
    expect_exit(0, &replayed);
    let lines = String::from_utf8(replayed.stdout).expect("UTF-8");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 7, "sequential once, the others with one and two workers");
    for line in lines {
        let held = line["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == true).count();
        assert!(line["ok"] == true && held == 3, "gas, bloom and receipts root hold: {line}");
    }
    read_json(&path)
}

#[test]
fn blocks_of_a_real_node_replay_on_every_engine() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    (0..4).for_each(|_| drop(anvil.mine()));
    anvil.send(json!({"data": deployment()}));
    anvil.send(json!({"to": BOB, "value": "0x1"}));
    anvil.mine();
    let counter = ALICE.create(0);
    let deployed = fetch_latest(&anvil, "deployed", &[]);
    assert_eq!(deployed["block"]["transactions"].as_array().map(Vec::len), Some(2));
    let address = |address: Address| address.to_string().to_lowercase();
    assert_eq!(deployed["pre_state"][address(counter)], Value::Null, "it does not exist before the block");

    let fresh = Address::repeat_byte(0x5f);
    anvil.send(json!({"to": counter, "data": word(3)}));
    anvil.send(json!({"to": counter, "from": BOB}));
    anvil.send(json!({"to": fresh, "value": "0x10"}));
    let slots = json!([{"address": counter, "storageKeys": [word(0), word(1)]}]);
    anvil.send(json!({"to": counter, "data": word(4), "accessList": slots, "gasPrice": "0x4a817c800"}));
    // A contract that is created and called in the same block, and an account that is paid twice.
    anvil.send(json!({"data": deployment()}));
    anvil.send(json!({"to": ALICE.create(5), "data": word(9)}));
    anvil.send(json!({"to": fresh, "value": "0x10"}));
    anvil.rpc("eth_sendRawTransaction", json!([delegation(8, 1, counter)]));
    let block = anvil.mine();
    let receipts = anvil.rpc("eth_getBlockReceipts", json!(["latest"]));
    let statuses: Vec<&Value> = receipts.as_array().expect("receipts").iter().map(|found| &found["status"]).collect();
    assert_eq!(statuses, ["0x1", "0x0", "0x1", "0x1", "0x1", "0x1", "0x1", "0x1"]);

    let number = u64::from_str_radix(block["number"].as_str().expect("a number").trim_start_matches("0x"), 16);
    let number = number.expect("a number");
    for (name, more) in [("traced", &[][..]), ("untraced", &["--no-trace"])] {
        let file = fetch_latest(&anvil, name, more);
        let pre_state = &file["pre_state"];
        let types: Vec<&Value> =
            file["block"]["transactions"].as_array().expect("transactions").iter().map(|tx| &tx["type"]).collect();
        assert!(types.contains(&&json!("0x1")) && types.contains(&&json!("0x2")) && types.contains(&&json!("0x4")));
        for absent in [ALICE.create(5), fresh] {
            assert_eq!(pre_state[address(absent)], Value::Null, "{absent} does not exist before the block");
        }
        let counted = &pre_state[address(counter)];
        assert_eq!(counted["code"], json!(Bytes::from(COUNTER)));
        assert_eq!(counted["storage"][word(0)], json!(word(0)));
        assert_eq!(pre_state[address(BOB)].get("code"), None, "Bob delegates in the block");
        let hashes: Vec<u64> =
            file["block_hashes"].as_object().expect("hashes").keys().filter_map(|key| key.parse().ok()).collect();
        assert_eq!(hashes, [number - 3, number - 1], "the ancestors that the block asks for, and the parent");
    }
}

#[test]
fn older_forks_of_a_real_node_are_inferred() {
    for (fork, inferred) in [("london", "Paris"), ("shanghai", "Shanghai"), ("cancun", "Cancun")] {
        let Some(anvil) = Anvil::start(&["--hardfork", fork]) else { return };
        anvil.mine();
        anvil.send(json!({"data": deployment()}));
        anvil.send(json!({"to": ALICE.create(0), "data": word(3)}));
        anvil.mine();
        let file = fetch_latest(&anvil, fork, &[]);
        assert_eq!(file["fork"], inferred);
    }
}

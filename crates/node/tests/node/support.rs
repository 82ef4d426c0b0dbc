//! A node as a process, and what it is asked.

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, TxKind, U256, address, b256, hex};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The first of the accounts that everybody knows.
pub(crate) const ALICE: Address = address!("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
const ALICE_KEY: B256 = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// Chain id of development chains.
const CHAIN_ID: u64 = 31_337;
/// Most time that anything here takes, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Who asks a node.
pub(crate) struct Caller {
    agent: ureq::Agent,
    url: String,
}

impl Caller {
    pub(crate) fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
        Self { agent, url: url.to_owned() }
    }

    /// The whole answer.
    pub(crate) fn ask(&self, request: &Value) -> Result<Value, ureq::Error> {
        self.agent.post(&self.url).send_json(request)?.body_mut().read_json()
    }
}

/// A running node. It is killed when this is dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) url: String,
    /// What it printed until it listened.
    pub(crate) printed: Vec<String>,
    /// The rest, line by line.
    lines: Receiver<String>,
    log: PathBuf,
    caller: Caller,
}

impl Node {
    /// Starts `motet` with these arguments and waits until it listens. Its log goes to a file beside `folder`.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        let log = folder.with_extension("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
        command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log).expect("a file")).spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("it is piped");
        let (tell, lines) = channel();
        // Reads to the end, so that the node never waits for somebody to read.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let caller = Caller::new("");
        let mut node = Self { child, url: String::new(), printed: Vec::new(), lines, log, caller };
        let deadline = Instant::now() + PATIENCE;
        while node.url.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = node.lines.recv_timeout(left) else {
                let status = node.child.try_wait();
                panic!("{args:?}: it does not listen ({status:?}): {:?}\n{}", node.printed, node.log());
            };
            if let Some((_, address)) = line.to_lowercase().split_once("listening") {
                let host = address.find("127.0.0.1").expect("an address of this machine");
                let end = address[host..].find([' ', ',']).map_or(address.len(), |end| host + end);
                node.url = format!("http://{}", &address[host..end]);
            }
            node.printed.push(line);
        }
        node.caller = Caller::new(&node.url);
        node
    }

    /// A development node on any port with its chain in `folder/chain`.
    pub(crate) fn dev(folder: &Path, more: &[&str]) -> Self {
        let args = [&["dev", "--port", "0", "--data", "chain"], more].concat();
        Self::start(folder, &args)
    }

    /// The whole answer.
    pub(crate) fn ask(&self, request: &Value) -> Result<Value, ureq::Error> {
        self.caller.ask(request)
    }

    /// What a method answers.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        let answer = answer.unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log()));
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub(crate) fn block_number(&self) -> u64 {
        number(&self.call("eth_blockNumber", json!([])))
    }

    /// Hash of the block at a height.
    pub(crate) fn hash_at(&self, number: u64) -> Value {
        self.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false]))["hash"].clone()
    }

    /// Sends ether from the first account, and gives the transaction's hash.
    pub(crate) fn transfer(&self, nonce: u64, to: Address, wei: u64) -> Value {
        self.call("eth_sendRawTransaction", json!([transfer(nonce, to, wei)]))
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(self) -> Option<i32> {
        self.end_by("-TERM")
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(self) -> Option<i32> {
        self.end_by("-INT")
    }

    fn end_by(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(sent.success(), "{signal}: the node is gone: {}", self.log());
        self.wait()
    }

    /// Ends it as a loss of power does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it ends");
    }

    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signed transfer of the first account.
pub(crate) fn transfer(nonce: u64, to: Address, wei: u64) -> String {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::from(wei),
        ..TxEip1559::default()
    };
    let signature = sign_message(ALICE_KEY, tx.signature_hash()).expect("a key");
    let signed: EthereumTxEnvelope<TxEip4844> = tx.into_signed(signature).into();
    hex::encode_prefixed(signed.encoded_2718())
}

/// A number as JSON-RPC writes it.
pub(crate) fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let digits = digits.unwrap_or_else(|| panic!("{value} is no number"));
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

/// Asks again until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `motet` with arguments, run to its end.
pub(crate) fn motet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(args).current_dir(folder).output().expect("the binary starts")
}

/// An empty directory of one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("the folder can be made"),
    }
    folder
}

//! A node that knows one block file, for everything that a real one will not do on demand.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The answer to a method: a result, or an error's code and message.
pub(crate) type Answer = Result<Value, (i64, &'static str)>;

/// How requests with several calls are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each test uses its part")]
pub(crate) enum Batches {
    InOrder,
    Reversed,
    Refused,
    /// The first one gets a page of a web server.
    RefusedOnce,
    /// Calls beyond so many are not answered, as the answer would be too large.
    AtMost(usize),
}

/// As what [`FakeNode::calls_of`] counts requests with several calls that are answered.
pub(crate) const BATCH: &str = "(batch)";

/// A node on a port of its own. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct FakeNode {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    methods: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeNode {
    pub(crate) fn start(batches: Batches, answer: impl Fn(&str, &Value) -> Answer + Send + 'static) -> Self {
        let methods = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&methods);
        let refused = AtomicBool::new(false);
        Self::start_raw(methods, move |body| {
            let one = |call: &Value| {
                let method = call["method"].as_str().expect("a method");
                log.lock().expect("no panic").push(method.to_owned());
                match answer(method, &call["params"]) {
                    Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
                    Err((code, message)) => {
                        json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}})
                    }
                }
            };
            let too_large = |call: &Value| json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32003, "message": "too large"}});
            let request: Value = serde_json::from_slice(body).expect("JSON");
            if request.is_array() {
                if batches == Batches::RefusedOnce && !refused.swap(true, Ordering::SeqCst) {
                    return (200, "<html>busy</html>".to_owned());
                }
                log.lock().expect("no panic").push(BATCH.to_owned());
            }
            let answer = match (request.as_array(), batches) {
                (Some(_), Batches::Refused) => {
                    json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "no batches"}})
                }
                (Some(calls), Batches::Reversed) => calls.iter().rev().map(one).collect(),
                (Some(calls), Batches::AtMost(count)) => {
                    let (answered, left) = calls.split_at(count.min(calls.len()));
                    answered.iter().map(one).chain(left.iter().map(too_large)).collect()
                }
                (Some(calls), Batches::InOrder | Batches::RefusedOnce) => calls.iter().map(one).collect(),
                (None, _) => one(&request),
            };
            (200, answer.to_string())
        })
    }

    /// A web server that gives status and body.
    pub(crate) fn web_server(status: u16, body: &'static str) -> Self {
        Self::start_raw(Arc::default(), move |_| (status, body.to_owned()))
    }

    fn start_raw(methods: Arc<Mutex<Vec<String>>>, answer: impl Fn(&[u8]) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // A client that goes away is the client's business.
                    let _ = serve(stream, &answer);
                }
            }
        });
        Self { address, stop, methods, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a method was called.
    pub(crate) fn calls_of(&self, method: &str) -> usize {
        self.methods.lock().expect("no panic").iter().filter(|called| *called == method).count()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request per connection.
fn serve(stream: TcpStream, answer: &impl Fn(&[u8]) -> (u16, String)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, text) = answer(&body);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())?;
    stream.flush()
}

/// What a node answers whose parent block has exactly the pre-state of a file.
pub(crate) fn node_of(file: &Value) -> impl Fn(&str, &Value) -> Answer + Send + use<> {
    let file = file.clone();
    let number = file["number"].as_u64().expect("a number");
    let quantity = |number: u64| json!(format!("{number:#x}"));
    move |method, params| {
        let block = &file["block"];
        let account = |pos: usize| &file["pre_state"][params[pos].as_str().expect("an address")];
        let ancestor = |params: &Value| -> Option<Value> {
            let digits = params[0].as_str()?.strip_prefix("0x")?;
            let number = u64::from_str_radix(digits, 16).ok()?;
            file["block_hashes"].get(number.to_string()).cloned()
        };
        let at_parent = |pos: usize| assert_eq!(params[pos], quantity(number - 1), "{method}");
        Ok(match method {
            "eth_chainId" => quantity(file["chain_id"].as_u64().expect("an id")),
            "eth_getBlockByNumber" if params[0] == "latest" || params[0] == quantity(number) => block.clone(),
            "eth_getBlockByNumber" if ancestor(params).is_some() => json!({"hash": ancestor(params)}),
            "eth_getBlockByHash" if params[0] == block["hash"] => block.clone(),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => Value::Null,
            "eth_getBalance" => {
                at_parent(1);
                account(0).get("balance").cloned().unwrap_or_else(|| json!("0x0"))
            }
            "eth_getTransactionCount" => account(0).get("nonce").cloned().unwrap_or_else(|| json!("0x0")),
            "eth_getCode" => account(0).get("code").cloned().unwrap_or_else(|| json!("0x")),
            "eth_getStorageAt" => {
                at_parent(2);
                let slot = params[1].as_str().expect("a slot");
                account(0)["storage"].get(slot).cloned().unwrap_or_else(|| json!("0x"))
            }
            // Every other account, with values that are not those before the block: only names count.
            "debug_traceBlockByHash" => {
                let accounts = file["pre_state"].as_object().expect("accounts").iter().step_by(2);
                let traced = accounts.map(|(address, account)| {
                    let slots = account["storage"].as_object().into_iter().flatten();
                    let storage: serde_json::Map<_, _> =
                        slots.map(|(slot, _)| (slot.clone(), json!(format!("0x{}", "77".repeat(32))))).collect();
                    (address.clone(), json!({"balance": "0x7", "nonce": 7, "storage": storage}))
                });
                let traced: serde_json::Map<_, _> = traced.collect();
                json!([{"txHash": null, "result": traced}, {"error": "this one was not traced"}])
            }
            _ => return Err((-32601, "the method does not exist")),
        })
    }
}

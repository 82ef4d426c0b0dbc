//! Ports as a process opens them: for pages of a browser, with TLS, and for a consensus client.

use super::support::{Caller, Node, folder, motet, wait_until};
use alloy_primitives::{Address, B256};
use motet_rpc::JwtSecret;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

const BOB: Address = Address::repeat_byte(0xb0);

/// An answer to a request with these headers; what it says in a header.
fn answered(url: &str, headers: &[(&str, &str)], request: &Value) -> (u16, Response<Body>) {
    let agent: Agent = Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let headers = headers.iter().fold(agent.post(url), |request, (name, value)| request.header(*name, *value));
    let answer = headers.header("content-type", "application/json").send(request.to_string());
    let answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
    (answer.status().as_u16(), answer)
}

fn call(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// The status of a request for a WebSocket by a page.
fn websocket_status(url: &str, origin: &str) -> String {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("the port is open");
    let head = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\norigin: {origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("it answers");
    String::from_utf8_lossy(&status).into_owned()
}

#[test]
fn pages_that_are_allowed_use_a_development_node_and_others_do_not() {
    let folder = folder("origins");
    let allowed = |node: &Node, origin: &str| {
        let (status, answer) = answered(&node.url, &[("origin", origin)], &call("eth_chainId", json!([])));
        assert_eq!(status, 200, "{origin}");
        let says =
            answer.headers().get("access-control-allow-origin").map(|says| says.to_str().expect("text").to_owned());
        let websocket = websocket_status(&node.url, origin);
        assert_eq!(websocket, if says.is_some() { "HTTP/1.1 101" } else { "HTTP/1.1 403" }, "{origin}");
        says
    };
    let args = ["dev", "--ephemeral", "--port", "0"];
    let node = Node::start(&folder, &args);
    assert_eq!(allowed(&node, "http://localhost:3000").as_deref(), Some("http://localhost:3000"));
    assert_eq!(allowed(&node, "https://app.example"), None);
    let more = ["--allow-origin", "https://app.example", "--allow-origin", "https://two.example"];
    let node = Node::start(&folder, &[&args[..], &more].concat());
    for origin in ["https://app.example", "https://two.example", "http://127.0.0.1:5173"] {
        assert_eq!(allowed(&node, origin).as_deref(), Some(origin));
    }
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        assert_eq!(allowed(&node, origin), None, "{origin}");
    }
    let node = Node::start(&folder, &[&args[..], &["--allow-origin", "*"]].concat());
    assert_eq!(allowed(&node, "https://evil.example").as_deref(), Some("*"));
    // A name that a stranger makes resolve to this machine is none of the node's, whatever pages are allowed.
    let (status, _) = answered(&node.url, &[("host", "evil.example")], &call("eth_chainId", json!([])));
    assert_eq!(status, 403);
}

/// Writes the first block of development chains, and a configuration.
fn write_config(folder: &Path, config: &str) {
    let genesis = motet(folder, &["dev", "--print-genesis"]);
    assert!(genesis.status.success());
    fs::write(folder.join("genesis.json"), genesis.stdout).expect("a file");
    fs::write(folder.join("motet.toml"), format!("genesis = 'genesis.json'\ndata = 'copy'\n{config}")).expect("a file");
}

#[test]
fn a_port_with_a_certificate_speaks_tls_alone() {
    let folder = folder("tls");
    write_config(&folder, "role = 'producer'\n[rpc]\nport = 0\ntls_certificate = 'cert.pem'\ntls_key = 'key.pem'\n");
    let missing = motet(&folder, &["node", "--config", "motet.toml"]);
    let told = String::from_utf8_lossy(&missing.stderr);
    assert!(missing.status.code() == Some(2) && told.contains("cert.pem"), "{told}");
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("it is made");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    let node = Node::start(&folder, &["node", "--config", "motet.toml"]);
    let root = Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate");
    let trusts = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    let agent: Agent = Agent::config_builder().proxy(None).tls_config(trusts).build().into();
    let url = node.url.replacen("http://", "https://", 1);
    let ask = |method: &str| -> Value {
        let answer = agent.post(&url).send_json(call(method, json!([]))).unwrap_or_else(|error| panic!("{error}"));
        answer.into_body().read_json().expect("JSON")
    };
    assert_eq!(ask("eth_chainId")["result"], "0x7a69");
    assert_eq!(ask("eth_blockNumber")["result"], "0x0");
    // Without it nobody is answered.
    assert!(node.ask(&call("eth_chainId", json!([]))).is_err());
    assert_eq!(node.stop(), Some(0));
}

/// A block of a node as a payload of the Engine API, with the hash of its parent's beacon block.
fn payload(node: &Node, number: u64) -> (Value, Value) {
    let at = json!([format!("{number:#x}"), false]);
    let block = node.call("eth_getBlockByNumber", at);
    let raw = |hash: &Value| node.call("eth_getRawTransactionByHash", json!([hash]));
    let transactions: Vec<Value> = block["transactions"].as_array().expect("a list").iter().map(raw).collect();
    let mut payload = json!({"transactions": transactions});
    for (name, of_block) in [
        ("parentHash", "parentHash"),
        ("feeRecipient", "miner"),
        ("stateRoot", "stateRoot"),
        ("receiptsRoot", "receiptsRoot"),
        ("logsBloom", "logsBloom"),
        ("prevRandao", "mixHash"),
        ("blockNumber", "number"),
        ("gasLimit", "gasLimit"),
        ("gasUsed", "gasUsed"),
        ("timestamp", "timestamp"),
        ("extraData", "extraData"),
        ("baseFeePerGas", "baseFeePerGas"),
        ("blockHash", "hash"),
        ("withdrawals", "withdrawals"),
        ("blobGasUsed", "blobGasUsed"),
        ("excessBlobGas", "excessBlobGas"),
    ] {
        payload[name] = block[of_block].clone();
    }
    (payload, block["parentBeaconBlockRoot"].clone())
}

#[test]
fn a_consensus_client_leads_a_node_by_a_port_of_its_own() {
    let folder = folder("engine");
    let secret = "7".repeat(64);
    fs::write(folder.join("jwt.hex"), &secret).expect("a file");
    write_config(&folder, "role = 'engine'\n[rpc]\nport = 0\n[engine_api]\nport = 0\njwt_secret = 'jwt.hex'\n");
    let producer = Node::dev(&folder, &[]);
    for nonce in 0..3 {
        producer.transfer(nonce, BOB, 1);
    }
    let node = Node::start(&folder, &["node", "--config", "motet.toml"]);
    let printed = node.printed.join("\n");
    let (_, engine) = printed.split_once("Engine API on ").expect("it says where");
    let engine = format!("http://{}", engine.split([' ', ',', '\n']).next().expect("an address"));
    let secret = JwtSecret::from_hex(&secret).expect("a secret");
    let lead = |method: &str, params: Value| -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let token = format!("Bearer {}", secret.token(now));
        // Consensus clients call it by a name of their own.
        let headers = [("authorization", token.as_str()), ("host", "execution:8551")];
        let (status, answer) = answered(&engine, &headers, &call(method, params));
        assert_eq!(status, 200, "{method}");
        let mut answer: Value = answer.into_body().read_json().expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    };
    let stale = format!("Bearer {}", secret.token(0));
    for headers in [&[][..], &[("authorization", "Bearer a.b.c")], &[("authorization", stale.as_str())]] {
        assert_eq!(answered(&engine, headers, &call("engine_exchangeCapabilities", json!([[]]))).0, 401, "{headers:?}");
    }
    // Nobody leads it by the other port.
    let answer = node.ask(&call("engine_exchangeCapabilities", json!([[]]))).expect("an answer");
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    assert!(lead("engine_exchangeCapabilities", json!([[]])).as_array().is_some_and(|names| !names.is_empty()));
    assert_eq!(lead("eth_chainId", json!([])), "0x7a69");
    for number in 1..=3 {
        let (payload, root) = payload(&producer, number);
        let hash = payload["blockHash"].clone();
        let status = lead("engine_newPayloadV4", json!([payload, [], root, []]));
        assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("VALID"), &hash), "{status}");
        let choice = json!({"headBlockHash": hash, "safeBlockHash": hash, "finalizedBlockHash": B256::ZERO});
        let chosen = lead("engine_forkchoiceUpdatedV3", json!([choice, null]));
        assert_eq!(chosen["payloadStatus"]["status"], "VALID", "{chosen}");
    }
    wait_until("its readers have the head", || node.block_number() == 3);
    assert_eq!(node.hash_at(3), producer.hash_at(3));
    assert_eq!(
        Caller::new(&node.url).ask(&call("eth_getBlockByNumber", json!(["safe", false]))).expect("an answer")["result"]
            ["number"],
        "0x3"
    );
    assert_eq!(node.stop(), Some(0));
}

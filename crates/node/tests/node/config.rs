//! `motet node` and its configuration.

use super::support::{ALICE, Node, folder, motet};
use alloy_primitives::Address;
use serde_json::json;
use std::fs;

#[test]
fn errors_name_the_key_and_the_line() {
    let folder = folder("config-errors");
    for (text, told) in [
        ("role = 'producer'\n\n[rpc]\nprot = 1\n", "motet.toml:4: rpc.prot: unknown field `prot`"),
        ("role = 'producer'\n[rpc]\nport = 70000\n", "motet.toml:3: rpc.port: "),
        ("role = 'king'\n", "motet.toml:1: role: unknown variant `king`"),
        ("role = 'follower'\n", "motet.toml:1: role: a follower needs follower.url"),
        ("role = \n", "motet.toml:1: "),
        ("role = 'producer'\ngenesis = 'none.json'\n", "none.json"),
        ("role = 'producer'\n[rpc]\njwt_secret = 'none.hex'\n", "none.hex"),
    ] {
        fs::write(folder.join("motet.toml"), text).expect("a file");
        let output = motet(&folder, &["node", "--config", "motet.toml"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}: {stderr}");
        assert!(stderr.contains(told) && !stderr.contains("panicked"), "{text}: {stderr}");
    }
    let absent = motet(&folder, &["node", "--config", "absent.toml"]);
    assert!(String::from_utf8_lossy(&absent.stderr).contains("absent.toml"));
    fs::write(folder.join("motet.toml"), "role = 'producer'\n").expect("a file");
    for args in [&["node", "--config", "motet.toml"][..], &["node", "--config", "motet.toml", "--check"][..]] {
        let no_chain = motet(&folder, args);
        let told = String::from_utf8_lossy(&no_chain.stderr);
        assert!(no_chain.status.code() == Some(2) && told.contains("no chain here"), "{args:?}: {told}");
        assert!(told.contains("`genesis`"), "{told}");
    }
}

#[test]
fn what_is_printed_is_a_configuration_that_runs() {
    let folder = folder("config-printed");
    let print = |args: &[&str]| {
        let output = motet(&folder, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let config = print(&["node", "--print-config"]);
    let genesis = print(&["dev", "--print-genesis"]);
    fs::write(folder.join("genesis.json"), genesis).expect("a file");
    let config = config
        .replace("# genesis = \"genesis.json\"", "genesis = \"genesis.json\"")
        .replace("port = 8545", "port = 0")
        .replace("extra_data = \"0x\"", "extra_data = \"0x6d6f746574\"");
    fs::write(folder.join("motet.toml"), config).expect("a file");
    assert!(print(&["node", "--config", "motet.toml", "--check"]).contains("it can be used"));
    let node = Node::start(&folder, &["node", "--config", "motet.toml"]);
    node.transfer(0, Address::repeat_byte(1), 5);
    let block = node.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!((&block["number"], &block["extraData"]), (&json!("0x1"), &json!("0x6d6f746574")), "{block}");
    // It holds no keys, and what development tools ask for is not there.
    assert_eq!(node.call("eth_accounts", json!([])), json!([]));
    for method in ["evm_mine", "anvil_setBalance", "hardhat_impersonateAccount", "debug_getRawBlock", "txpool_status"] {
        let answer = node.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": [ALICE]}));
        assert_eq!(answer.expect("an answer")["error"]["code"], -32601, "{method}");
    }
    assert_eq!(node.stop(), Some(0));
}

//! The genesis blocks of public chains.

use super::fixtures;
use alloy_primitives::{B256, b256};
use motet_chain::{GenesisBlock, state_root};
use motet_types::ChainSpec;

fn check(name: &str, chain_id: u64, hash: B256) {
    let Some(genesis) = fixtures::genesis(&format!("genesis/{name}.json.gz")) else {
        return;
    };
    let block = GenesisBlock::with_spec(&genesis, ChainSpec::by_chain_id(chain_id).unwrap()).unwrap();
    assert_eq!(block.hash, hash, "{name}");
    assert_eq!(state_root(block.state.state()), block.header.state_root);
}

#[test]
fn mainnet() {
    check("mainnet", 1, b256!("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"));
}

#[test]
fn sepolia() {
    check("sepolia", 11_155_111, b256!("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"));
}

#[test]
fn holesky() {
    check("holesky", 17_000, b256!("0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"));
}

#[test]
fn hoodi_by_chain_id_and_by_its_own_config() {
    let hash = b256!("0xbbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b");
    check("hoodi", 560_048, hash);
    if let Some(genesis) = fixtures::genesis("genesis/hoodi.json.gz") {
        assert_eq!(GenesisBlock::from_genesis(&genesis).unwrap().hash, hash);
    }
}

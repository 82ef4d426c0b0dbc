//! Genesis files, and the public chains whose rules are built in.

use crate::out;
use alloy_genesis::Genesis;
use alloy_primitives::{B256, b256};
use clap::ValueEnum;
use eyre::{WrapErr, bail, ensure};
use motet_chain::GenesisBlock;
use motet_types::ChainSpec;
use motet_workload::block_file;
use serde_json::{Map, Value};
use std::path::Path;

/// Names of forks in geth's `config`.
const KNOWN_FORKS: [&str; 25] = [
    "homesteadBlock",
    "daoForkBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
    "arrowGlacierBlock",
    "grayGlacierBlock",
    "mergeNetsplitBlock",
    "shanghaiTime",
    "cancunTime",
    "pragueTime",
    "osakaTime",
    "bpo1Time",
    "bpo2Time",
    "bpo3Time",
    "bpo4Time",
    "bpo5Time",
    "amsterdamTime",
];

/// A public chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PublicChain {
    /// Ethereum mainnet.
    Mainnet,
    /// Sepolia.
    Sepolia,
    /// Holesky.
    Holesky,
    /// Hoodi.
    Hoodi,
}

impl PublicChain {
    fn chain_id(self) -> u64 {
        match self {
            Self::Mainnet => 1,
            Self::Sepolia => 11_155_111,
            Self::Holesky => 17_000,
            Self::Hoodi => 560_048,
        }
    }

    /// Hash of the first block.
    fn genesis(self) -> B256 {
        match self {
            Self::Mainnet => b256!("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
            Self::Sepolia => b256!("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"),
            Self::Holesky => b256!("0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"),
            Self::Hoodi => b256!("0xbbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"),
        }
    }
}

/// Reads the first block of a chain.
///
/// # Errors
/// When the file cannot be read, describes no chain, or another one than it is said to be of.
pub(crate) fn read(path: &Path, chain: Option<PublicChain>) -> eyre::Result<GenesisBlock> {
    parse(&block_file::read(path)?, chain).wrap_err_with(|| path.display().to_string())
}

fn parse(bytes: &[u8], chain: Option<PublicChain>) -> eyre::Result<GenesisBlock> {
    let document: Value = serde_json::from_slice(bytes).wrap_err("not JSON")?;
    ensure!(document.is_object(), "not a genesis file: it is no JSON object");
    let config = document.get("config").and_then(Value::as_object);
    let has_config = config.is_some();
    let has_chain_id = config.is_some_and(|config| config.get("chainId").is_some_and(|id| !id.is_null()));
    for name in unknown_forks(config) {
        out::say(format_args!("warning: config.{name}: this program knows no such fork; it is passed over"));
    }
    let genesis: Genesis = serde_json::from_value(document).wrap_err("not a genesis file")?;
    let Some(chain) = chain else {
        ensure!(has_config, "the file has no `config`; if it is of a public chain, name that with --chain");
        ensure!(has_chain_id, "the file has no `config.chainId`");
        return Ok(GenesisBlock::from_genesis(&genesis)?);
    };
    if has_chain_id && genesis.config.chain_id != chain.chain_id() {
        bail!("config.chainId is {}, and {chain:?} has {}", genesis.config.chain_id, chain.chain_id());
    }
    let block = GenesisBlock::with_spec(&genesis, ChainSpec::by_chain_id(chain.chain_id())?)?;
    ensure!(
        block.hash == chain.genesis(),
        "the genesis block has the hash {}, that of {chain:?} has {}",
        block.hash,
        chain.genesis()
    );
    Ok(block)
}

/// Names in a `config` that switch on a fork as those that are known do, and are not known.
fn unknown_forks(config: Option<&Map<String, Value>>) -> Vec<&str> {
    let names = config.into_iter().flat_map(Map::keys).map(String::as_str);
    names.filter(|name| (name.ends_with("Block") || name.ends_with("Time")) && !KNOWN_FORKS.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, chain: Option<PublicChain>) -> String {
        format!("{:#}", parse(text.as_bytes(), chain).unwrap_err())
    }

    #[test]
    fn forks_that_are_not_known_are_named() {
        let config: Value =
            serde_json::from_str(r#"{"chainId": 1, "osakaTime": 5, "usakaTime": 6, "fooBlock": 1}"#).unwrap();
        assert_eq!(unknown_forks(config.as_object()), ["fooBlock", "usakaTime"]);
    }

    #[test]
    fn files_that_are_of_no_chain_or_of_another_are_refused() {
        assert!(error("{", None).starts_with("not JSON"));
        assert!(error("[]", None).starts_with("not a genesis file"));
        let bare = r#"{"gasLimit": "0x1", "difficulty": "0x1", "alloc": {}}"#;
        assert!(error(bare, None).contains("--chain"));
        let no_id = r#"{"config": {"londonBlock": 0}, "gasLimit": "0x1", "difficulty": "0x1", "alloc": {}}"#;
        assert_eq!(error(no_id, None), "the file has no `config.chainId`");
        assert!(error(bare, Some(PublicChain::Mainnet)).contains("Mainnet has 0xd4e5"));
        let other = r#"{"config": {"chainId": 5}, "gasLimit": "0x1", "difficulty": "0x1", "alloc": {}}"#;
        assert_eq!(error(other, Some(PublicChain::Hoodi)), "config.chainId is 5, and Hoodi has 560048");
    }
}

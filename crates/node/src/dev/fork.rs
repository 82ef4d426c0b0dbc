//! `motet dev --fork-url`: a development chain that starts where another node's chain stands.

use crate::fetch::client::{BLOCK_ANSWER_BYTES_MAX, Call, Client};
use crate::fetch::error::FetchError;
use alloy_primitives::{Address, B256, Bytes, U256};
use clap::Args;
use eyre::{WrapErr, bail, ensure};
use motet_chain::{Fork, GenesisBlock, Intervention, LiveChain, RemoteBlock, RemoteCall, RemoteError, RemoteNode};
use motet_rpc::ForkSource;
use motet_types::{ChainSpec, Fork as HardFork};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// File in the chain's directory that says of which block the chain is a fork.
const FORK_FILE: &str = "fork.json";
/// File in the chain's directory with what the other node answered.
const CACHE_FILE: &str = "fork.cache";
/// Most time that the other node may take for a batch.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Most bytes of answers to a batch that are no texts: blocks without their transactions.
const STRUCTURES_BYTES_MAX: usize = 16 << 20;

/// Where another node's chain is to go on from here.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ForkArgs {
    /// Start where the chain of this node stands (http:// or https://); its state is read as it is needed. Blocks, receipts
    /// and logs from before are not.
    #[arg(long, value_name = "URL", conflicts_with = "genesis")]
    pub(crate) fork_url: Option<String>,

    /// The block of that node to start from; by default its last one, or the one that the chain here started from.
    #[arg(long, value_name = "NUMBER", requires = "fork_url")]
    pub(crate) fork_block: Option<u64>,
}

/// What [`FORK_FILE`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ForkFile {
    number: u64,
    hash: B256,
}

/// A fork that is ready to be put below a chain.
#[derive(Debug)]
pub(crate) struct DevFork {
    fork: Arc<Fork>,
    block: RemoteBlock,
    url: String,
}

impl ForkArgs {
    /// Asks the other node for its block; `None`: the chain is no fork.
    ///
    /// # Errors
    /// When the directory has another chain, and when the node does not answer.
    pub(crate) fn open(&self, dir: &Path) -> eyre::Result<Option<DevFork>> {
        let path = dir.join(FORK_FILE);
        let found = read(&path)?;
        let Some(url) = &self.fork_url else {
            if let Some(found) = found {
                bail!("{}: the chain here is a fork of block {}; say --fork-url", dir.display(), found.number);
            }
            return Ok(None);
        };
        if let (Some(found), Some(wanted)) = (found, self.fork_block) {
            let number = found.number;
            ensure!(number == wanted, "{}: the chain here starts from block {number}, not {wanted}", dir.display());
        }
        let client = match Client::new(url, TIME_MAX) {
            Err(FetchError::Address { reason }) => bail!("--fork-url: {reason}"),
            client => client.wrap_err("--fork-url")?,
        };
        let node = Arc::new(HttpNode { client: client.with_answer_bytes_max(BLOCK_ANSWER_BYTES_MAX) });
        let number = found.map(|found| found.number).or(self.fork_block);
        let block = RemoteBlock::fetch(&*node, number).wrap_err("--fork-url")?;
        let is_same = found.is_none_or(|found| found.hash == block.hash);
        ensure!(
            is_same,
            "--fork-url: block {} of that node is not the one that the chain here starts from",
            block.number
        );
        fs::create_dir_all(dir).wrap_err_with(|| dir.display().to_string())?;
        let url = node.name().to_owned();
        let fork = Fork::new(node, &block, Some(&dir.join(CACHE_FILE)))?;
        if found.is_none() {
            let file = ForkFile { number: block.number, hash: block.hash };
            fs::write(&path, serde_json::to_vec(&file)?).wrap_err_with(|| path.display().to_string())?;
        }
        Ok(Some(DevFork { fork, block, url }))
    }
}

impl DevFork {
    /// Chain id of the other node.
    pub(crate) fn chain_id(&self) -> u64 {
        self.block.chain_id
    }

    /// The first block of the chain here.
    ///
    /// # Errors
    /// When a field cannot stand in a header.
    pub(crate) fn first_block(&self, chain_id: u64, fork: HardFork) -> eyre::Result<GenesisBlock> {
        Ok(self.block.to_first_block(ChainSpec::at_fork(chain_id, fork))?)
    }

    /// What is put below the chain.
    pub(crate) fn state(&self) -> &Arc<Fork> {
        &self.fork
    }

    /// What methods say of it.
    pub(crate) fn source(&self) -> ForkSource {
        let RemoteBlock { number, hash, chain_id, .. } = self.block;
        ForkSource { url: self.url.clone(), number, hash, chain_id }
    }

    /// Gives accounts their balance, where no block here is made yet: afterwards they have what blocks left them.
    ///
    /// # Errors
    /// When the other node does not answer.
    pub(crate) fn fund(
        &self,
        live: &LiveChain,
        accounts: impl IntoIterator<Item = Address>,
        balance: U256,
    ) -> eyre::Result<()> {
        let reader = live.reader();
        let first = reader.genesis().hash();
        if reader.head().hash() != first || reader.interventions().over(&first).is_some() {
            return Ok(());
        }
        for address in accounts {
            reader.intervene(address, Intervention::Balance(balance)).wrap_err("--fork-url")?;
            // On public chains the accounts of keys that everybody knows are delegated (EIP-7702) to whoever takes what comes in.
            reader.intervene(address, Intervention::Code(Bytes::new())).wrap_err("--fork-url")?;
        }
        live.pool().revise([]).wrap_err("--fork-url")
    }
}

fn read(path: &Path) -> eyre::Result<Option<ForkFile>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).wrap_err_with(|| path.display().to_string())?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).wrap_err_with(|| path.display().to_string()),
    }
}

/// Another node over HTTP.
#[derive(Debug)]
struct HttpNode {
    client: Client,
}

impl RemoteNode for HttpNode {
    fn name(&self) -> &str {
        self.client.node()
    }

    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<Value, String>>, RemoteError> {
        let calls: Vec<Call> =
            calls.iter().map(|call| Call { method: call.method, params: call.params.clone() }).collect();
        let fault = |reason: String| RemoteError { url: self.name().to_owned(), reason };
        match self.client.call_all::<Box<RawValue>>(&calls, |_| ()) {
            Ok(answers) => values(&answers).map(|values| values.into_iter().map(Ok).collect()).map_err(fault),
            // One that is refused stands for all: they are of one kind, and of one block.
            Err(error @ FetchError::Refused { .. }) => Ok(calls.iter().map(|_| Err(error.to_string())).collect()),
            Err(error) => {
                // Both name the node.
                let (reason, node) = (error.to_string(), format!("{}: ", self.name()));
                Err(fault(reason.strip_prefix(&node).unwrap_or(&reason).to_owned()))
            }
        }
    }
}

/// Answers as values. A text takes as much as before, a structure many times that.
fn values(answers: &[Option<Box<RawValue>>]) -> Result<Vec<Value>, String> {
    let structures = answers.iter().flatten().filter(|answer| !answer.get().starts_with('"'));
    let bytes: usize = structures.map(|answer| answer.get().len()).sum();
    if bytes > STRUCTURES_BYTES_MAX {
        return Err(format!("{bytes} bytes that are no texts; at most {STRUCTURES_BYTES_MAX} are taken"));
    }
    let value = |answer: &Option<Box<RawValue>>| match answer {
        Some(answer) => serde_json::from_str(answer.get()).map_err(|error| error.to_string()),
        None => Ok(Value::Null),
    };
    answers.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: String) -> Option<Box<RawValue>> {
        Some(RawValue::from_string(text).expect("JSON"))
    }

    #[test]
    fn only_texts_may_be_large() {
        let text = format!("\"{}\"", "0".repeat(STRUCTURES_BYTES_MAX));
        let structure = |bytes: usize| raw(format!("[{}0]", "0,".repeat(bytes / 2)));
        let taken = values(&[raw(text), None, structure(1000)]).expect("they are taken");
        assert_eq!((taken[0].as_str().map(str::len), &taken[1]), (Some(STRUCTURES_BYTES_MAX), &Value::Null));
        let half = STRUCTURES_BYTES_MAX / 2;
        assert!(values(&[structure(half), structure(half)]).is_err());
    }
}

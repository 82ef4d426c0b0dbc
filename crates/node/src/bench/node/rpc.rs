//! JSON-RPC over one kept HTTP connection, with as little work as can be: the client shares the machine with the node.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use eyre::{WrapErr, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::Agent;

/// Most bytes of one answer: the hashes of a block of a million transactions.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// A block of hundreds of thousands of transactions may be in the making.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// A connection. One for each thread: answers come in the order of the requests.
#[derive(Debug)]
pub(super) struct Rpc {
    agent: Agent,
    url: String,
}

/// JSON-RPC 2.0, response object.
#[derive(Debug, Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

/// Of a response object, whether it is a refusal.
#[derive(Debug, Deserialize)]
struct Outcome {
    error: Option<Refusal>,
}

/// JSON-RPC 2.0, error object.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

/// Of a receipt, what is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Receipt {
    pub(super) status: U64,
}

/// Of a block with hashes of transactions, what is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    pub(super) transactions: Vec<B256>,
    pub(super) gas_used: U64,
}

impl Rpc {
    pub(super) fn new(url: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(ANSWER_TIME_MAX)).http_status_as_error(false);
        Self { agent: config.build().into(), url: url.to_owned() }
    }

    /// Calls a method. `None`: the answer is null.
    pub(super) fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> eyre::Result<Option<T>> {
        let request = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params});
        let bytes = self.post(&request.to_string())?;
        let answer: Answer<T> = serde_json::from_slice(&bytes).wrap_err_with(|| format!("the answer to {method}"))?;
        match answer.error {
            Some(Refusal { code, message }) => bail!("{method} is refused: {message} ({code})"),
            None => Ok(answer.result),
        }
    }

    /// Sends a batch, all of which must be taken; says how many that were.
    pub(super) fn send_batch(&self, body: &str) -> eyre::Result<usize> {
        let bytes = self.post(body)?;
        let outcomes: Vec<Outcome> = serde_json::from_slice(&bytes).wrap_err("the answer to a batch")?;
        let count = outcomes.len();
        for outcome in outcomes {
            if let Some(Refusal { code, message }) = outcome.error {
                bail!("a transaction of a batch is refused: {message} ({code})");
            }
        }
        Ok(count)
    }

    /// The head's number.
    pub(super) fn head(&self) -> eyre::Result<u64> {
        let head: Option<U64> = self.call("eth_blockNumber", json!([]))?;
        Ok(head.unwrap_or_default().to())
    }

    /// A block by its number.
    pub(super) fn block(&self, number: u64) -> eyre::Result<Option<Block>> {
        self.call("eth_getBlockByNumber", json!([U64::from(number), false]))
    }

    /// A receipt, which must be one of success.
    pub(super) fn receipt(&self, hash: B256) -> eyre::Result<Option<Receipt>> {
        let receipt: Option<Receipt> = self.call("eth_getTransactionReceipt", json!([hash]))?;
        if let Some(receipt) = &receipt {
            ensure!(receipt.status == U64::from(1), "transaction {hash} has failed");
        }
        Ok(receipt)
    }

    /// The number that a contract answers at the head.
    pub(super) fn number_of(&self, contract: Address, input: &Bytes) -> eyre::Result<U256> {
        let answer: Option<Bytes> = self.call("eth_call", json!([{"to": contract, "data": input}, "latest"]))?;
        let answer = answer.unwrap_or_default();
        ensure!(answer.len() == 32, "the token answers {} bytes", answer.len());
        Ok(U256::from_be_slice(&answer))
    }

    /// Has a block made.
    pub(super) fn mine(&self) -> eyre::Result<()> {
        self.call::<Value>("evm_mine", json!([])).map(drop)
    }

    /// What is at the address itself.
    pub(super) fn get(&self) -> eyre::Result<String> {
        let mut response = self.agent.get(&self.url).call().wrap_err("sending a request")?;
        let status = response.status().as_u16();
        ensure!(status == 200, "{} answers with HTTP status {status}", self.url);
        response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().wrap_err("reading an answer")
    }

    fn post(&self, body: &str) -> eyre::Result<Vec<u8>> {
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        let mut response = request.send(body).wrap_err("sending a request")?;
        let status = response.status().as_u16();
        let bytes =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().wrap_err("reading an answer")?;
        ensure!(status == 200, "the node answers with HTTP status {status}");
        Ok(bytes)
    }
}

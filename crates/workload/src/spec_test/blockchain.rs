//! Blockchain tests: blocks as RLP, offered in order to a chain.

use super::access_list::parse_access_list;
use super::chain::TestChain;
use super::error::{Excerpt, Fault, FieldError};
use super::header::ExpectedHeader;
use super::json::Node;
use super::tx_fields::{TxFields, parse_signature};
use alloy_consensus::Eip658Value;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, LogData};
use motet_types::Transaction;
use motet_types::spec::fork_by_name;

/// Blocks on a genesis, each valid or refused, and the head that they must leave.
#[derive(Clone, Debug)]
pub struct BlockchainTest {
    /// Genesis, rules, and the expected end.
    pub chain: TestChain,
    /// Whether proof-of-work seals are real.
    pub seal_engine: SealEngine,
    /// The blocks in the order in which they are offered; not always the order of their numbers.
    pub blocks: Vec<TestBlock>,
}

/// How blocks before Paris are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealEngine {
    /// Seals are not checked.
    NoProof,
    /// Seals are Ethash proofs of work.
    Ethash,
}

/// One block that is offered to the chain.
#[derive(Clone, Debug)]
pub struct TestBlock {
    /// The block's RLP; of a refused block possibly no block at all.
    pub rlp: Bytes,
    /// The exceptions that refuse the block; any one of them is right. Empty: the block is valid.
    pub exceptions: Vec<String>,
    /// The header that a valid block must have.
    pub header: Option<ExpectedHeader>,
    /// The transactions that a valid block must have.
    pub transactions: Option<Vec<ExpectedTransaction>>,
    /// The EIP-7928 list that comes with the block. A refused block's may be invalid itself.
    pub access_list: Option<BlockAccessList>,
    /// The receipts, in formats that list them.
    pub receipts: Option<Vec<ExpectedReceipt>>,
    /// The EIP-8025 execution witness, in formats that have it.
    pub witness: Option<TestWitness>,
}

/// A transaction as a block's JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedTransaction {
    /// The transaction with its signature.
    pub transaction: Transaction,
    /// Its sender, where stated.
    pub sender: Option<Address>,
}

/// A receipt as a block's JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedReceipt {
    /// Consensus encoding, type byte included, where stated.
    pub encoded: Option<Bytes>,
    /// The transaction.
    pub transaction_hash: Option<B256>,
    /// EIP-2718 type.
    pub tx_type: u8,
    /// Status, or the intermediate state root before Byzantium.
    pub status: Eip658Value,
    /// Gas used in the block up to and including the transaction.
    pub cumulative_gas_used: u64,
    /// Bloom of the logs.
    pub bloom: Bloom,
    /// The logs.
    pub logs: Vec<Log>,
}

/// What a stateless client needs to execute a block. EIP-8025.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestWitness {
    /// RLP of trie nodes.
    pub state: Vec<Bytes>,
    /// Contract codes.
    pub codes: Vec<Bytes>,
    /// RLP of ancestors' headers.
    pub headers: Vec<Bytes>,
}

impl BlockchainTest {
    pub(super) fn parse(case: &Node<'_>) -> Result<Self, FieldError> {
        let chain = TestChain::parse(case)?;
        let blocks = case.field("blocks")?.list(|block| TestBlock::parse(block, &chain.network))?;
        let seal_engine = case.optional_as("sealEngine", SealEngine::parse)?.unwrap_or(SealEngine::NoProof);
        Ok(Self { chain, seal_engine, blocks })
    }
}

impl SealEngine {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        match node.text()? {
            "NoProof" | "NoReward" => Ok(Self::NoProof),
            "Ethash" => Ok(Self::Ethash),
            other => Err(node.fault(Fault::Word { found: Excerpt::new(other), expected: "NoProof or Ethash" })),
        }
    }
}

impl TestBlock {
    fn parse(node: &Node<'_>, network: &str) -> Result<Self, FieldError> {
        // What the generator meant a refused block to say; only its access list is no part of the RLP.
        let meant = node.optional("rlp_decoded")?;
        let access_list = match node.optional_as("blockAccessList", parse_access_list)? {
            Some(list) => Some(list),
            None => match &meant {
                Some(meant) => meant.optional_as("blockAccessList", parse_access_list)?,
                None => None,
            },
        };
        Ok(Self {
            rlp: node.field("rlp")?.bytes()?,
            exceptions: parse_exceptions(node, network)?,
            header: node.optional_as("blockHeader", ExpectedHeader::parse)?,
            transactions: node.optional_as("transactions", |list| list.list(ExpectedTransaction::parse))?,
            access_list,
            receipts: node.optional_as("receipts", |list| list.list(ExpectedReceipt::parse))?,
            witness: node.optional_as("executionWitness", TestWitness::parse)?,
        })
    }

    /// Whether the block must be accepted.
    pub fn is_valid(&self) -> bool {
        self.exceptions.is_empty()
    }
}

/// `expectException`, and `expectException<Network>` for this network or for `ALL`.
fn parse_exceptions(block: &Node<'_>, network: &str) -> Result<Vec<String>, FieldError> {
    let mut names: Vec<String> = Vec::new();
    for (key, text) in block.entries()? {
        let Some(scope) = key.strip_prefix("expectException") else { continue };
        if text.is_null() || !is_in_scope(scope, network).ok_or_else(|| unknown_scope(&text, scope))? {
            continue;
        }
        for name in text.text()?.split('|').map(str::trim) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}

/// `None`: the scope names no network.
fn is_in_scope(scope: &str, network: &str) -> Option<bool> {
    if scope.is_empty() || scope == "ALL" || scope == network {
        return Some(true);
    }
    match (super::network::network_spec(scope, 1), fork_by_name(scope), fork_by_name(network)) {
        (Err(_), _, _) => None,
        (Ok(_), Ok(scope), Ok(network)) => Some(scope == network),
        _ => Some(false),
    }
}

fn unknown_scope(node: &Node<'_>, scope: &str) -> FieldError {
    node.fault(Fault::UnknownNetwork(Excerpt::new(scope)))
}

impl ExpectedTransaction {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let (signature, chain_id) = parse_signature(node)?;
        let unsigned = TxFields::parse_single(node)?
            .build(chain_id)
            .map_err(|_| node.fault(Fault::Transaction("a recipient or a price is missing for its type")))?;
        Ok(Self { transaction: unsigned.into_envelope(signature), sender: node.optional_as("sender", Node::address)? })
    }
}

impl ExpectedReceipt {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let status = match node.optional_as("postState", Node::b256)? {
            Some(root) => Eip658Value::PostState(root),
            None => Eip658Value::Eip658(node.field("status")?.boolean()?),
        };
        Ok(Self {
            encoded: node.optional_as("rlp", Node::bytes)?,
            transaction_hash: node.optional_as("transactionHash", Node::b256)?,
            tx_type: node.optional_as("type", Node::u8)?.unwrap_or_default(),
            status,
            cumulative_gas_used: node.field("cumulativeGasUsed")?.u64()?,
            bloom: node.field("bloom")?.bloom()?,
            logs: node.field("logs")?.list(parse_log)?,
        })
    }
}

fn parse_log(node: &Node<'_>) -> Result<Log, FieldError> {
    let topics = node.field("topics")?.list(Node::b256)?;
    let data = LogData::new_unchecked(topics, node.field("data")?.bytes()?);
    Ok(Log { address: node.field("address")?.address()?, data })
}

impl TestWitness {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let list = |key: &str| -> Result<Vec<Bytes>, FieldError> { node.field(key)?.list(Node::bytes) };
        Ok(Self { state: list("state")?, codes: list("codes")?, headers: list("headers")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exceptions(block: serde_json::Value, network: &str) -> Result<Vec<String>, FieldError> {
        parse_exceptions(&Node::root(&block), network)
    }

    #[test]
    fn exceptions_are_split_and_kept_to_their_network() {
        let block = json!({"expectException": "A|B", "expectExceptionALL": "B", "expectExceptionPetersburg": "C",
            "expectExceptionLondon": "D"});
        assert_eq!(exceptions(block.clone(), "ConstantinopleFix"), Ok(vec!["A".into(), "B".into(), "C".into()]));
        assert_eq!(exceptions(block, "FrontierToHomesteadAt5"), Ok(vec!["A".into(), "B".into()]));
        assert_eq!(exceptions(json!({"rlp": "0x"}), "Cancun"), Ok(vec![]));
        assert!(exceptions(json!({"expectExceptionAtlantis": "A"}), "Cancun").is_err());
    }
}

//! `motet db get`: one thing of the store, as JSON.

use crate::data_dir::DataArgs;
use crate::out;
use crate::verdict::Verdict;
use alloy_primitives::{Address, B256, U256};
use clap::Subcommand;
use eyre::{WrapErr, eyre};
use motet_chain::{Chain, ChainBlock};
use motet_types::{Location, Value};
use serde_json::{Value as Json, json};
use std::str::FromStr;

/// What to get.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// An account.
    Account {
        /// Whose.
        #[arg(value_name = "ADDR")]
        address: Address,

        /// After which block, up to 128 before the head, or any of an archive. Default: the head.
        #[arg(long, value_name = "N")]
        block: Option<u64>,
    },
    /// A slot of an account.
    Slot {
        /// Whose.
        #[arg(value_name = "ADDR")]
        address: Address,

        /// Which, decimal or hexadecimal.
        #[arg(value_name = "SLOT", value_parser = U256::from_str)]
        slot: U256,

        /// After which block, up to 128 before the head, or any of an archive. Default: the head.
        #[arg(long, value_name = "N")]
        block: Option<u64>,
    },
    /// A block of the canonical chain.
    Block {
        /// Its number, decimal or hexadecimal, the hash of its header, or `latest` for the head.
        #[arg(value_name = "N|HASH|latest")]
        block: BlockId,
    },
    /// The receipt of a transaction.
    Receipt {
        /// Hash of the transaction.
        #[arg(value_name = "TXHASH")]
        transaction: B256,
    },
}

/// A block by number or hash, or the head.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockId {
    Number(u64),
    Hash(B256),
    Latest,
}

impl FromStr for BlockId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        // A hash has its one length, so it is not taken for a number with many zeros in front.
        if let Ok(hash) = text.parse() {
            return Ok(Self::Hash(hash));
        }
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Self::Number).map_err(|_| "neither a number, nor a hash of 32 bytes, nor `latest`".to_owned())
    }
}

pub(super) fn run(data: &DataArgs, what: &What) -> eyre::Result<Verdict> {
    let chain = data.open()?;
    let found = match what {
        What::Account { address, block } => account(&chain, *address, *block)?,
        What::Slot { address, slot, block } => slot_of(&chain, *address, *slot, *block)?,
        What::Block { block } => block_of(&chain, *block)?,
        What::Receipt { transaction } => receipt(&chain, *transaction)?,
    };
    match found {
        Some(found) => {
            out::print_json(&found)?;
            Ok(Verdict::Equal)
        }
        None => {
            out::say("nothing found");
            Ok(Verdict::Different)
        }
    }
}

fn value(chain: &Chain, block: Option<u64>, location: Location) -> eyre::Result<(u64, Value)> {
    let number = block.unwrap_or(chain.head().number());
    Ok((number, chain.state_at(number)?.value(location)?))
}

fn account(chain: &Chain, address: Address, block: Option<u64>) -> eyre::Result<Option<Json>> {
    let (number, Value::Account(account)) = value(chain, block, Location::Account(address))? else { return Ok(None) };
    let Some(account) = account else { return Ok(None) };
    let (_, Value::Code(code)) = value(chain, block, Location::Code(account.code_hash))? else { return Ok(None) };
    Ok(Some(json!({
        "block": number, "address": address, "balance": account.balance, "nonce": account.nonce,
        "code_hash": account.code_hash, "code": code,
    })))
}

fn slot_of(chain: &Chain, address: Address, slot: U256, block: Option<u64>) -> eyre::Result<Option<Json>> {
    let (number, Value::Slot(value)) = value(chain, block, Location::Slot(address, slot))? else { return Ok(None) };
    Ok(Some(json!({ "block": number, "address": address, "slot": slot, "value": value })))
}

fn block_of(chain: &Chain, id: BlockId) -> eyre::Result<Option<Json>> {
    let block = match id {
        BlockId::Number(number) => chain.canonical_block(number)?,
        BlockId::Hash(hash) => chain.block(&hash)?,
        BlockId::Latest => Some(chain.head().clone()),
    };
    block.map(|block| block_json(&block)).transpose()
}

fn block_json(block: &ChainBlock) -> eyre::Result<Json> {
    let body = &block.block().body;
    let transactions: Vec<&B256> = body.transactions.iter().map(|tx| tx.tx_hash()).collect();
    Ok(json!({
        "number": block.number(), "hash": block.hash(), "fork": block.fork().name(),
        "total_difficulty": block.total_difficulty(),
        "header": serde_json::to_value(&block.block().header).wrap_err("the header as JSON")?,
        "transactions": transactions,
        "ommers": serde_json::to_value(&body.ommers).wrap_err("the ommers as JSON")?,
        "withdrawals": serde_json::to_value(&body.withdrawals).wrap_err("the withdrawals as JSON")?,
    }))
}

fn receipt(chain: &Chain, transaction: B256) -> eyre::Result<Option<Json>> {
    let Some((number, index)) = chain.transaction(transaction)? else { return Ok(None) };
    let receipts = chain.receipts(number)?.unwrap_or_default();
    let receipt = receipts.get(index as usize).ok_or_else(|| eyre!("block {number} has no receipt {index}"))?;
    Ok(Some(json!({
        "transaction": transaction, "block": number, "index": index,
        "receipt": serde_json::to_value(receipt).wrap_err("the receipt as JSON")?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_named_in_all_the_usual_ways() {
        let id = |text: &str| text.parse::<BlockId>();
        assert!(matches!(id("16"), Ok(BlockId::Number(16))));
        assert!(matches!(id("0x10"), Ok(BlockId::Number(16))));
        assert!(matches!(id("latest"), Ok(BlockId::Latest)));
        let hash = B256::with_last_byte(1);
        assert!(matches!(id(&hash.to_string()), Ok(BlockId::Hash(found)) if found == hash));
        assert!(id("0x").is_err() && id("").is_err() && id("newest").is_err() && id("-1").is_err());
    }
}

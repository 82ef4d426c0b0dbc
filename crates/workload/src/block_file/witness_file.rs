//! Schema `block-witness/1`: an RPC block with an execution witness.

use super::error::{BlockFileErrorKind, expect_hash, expect_number};
use super::parsed::{ParsedBlock, Senders};
use super::rpc_block;
use super::witness_state::WitnessState;
use super::{BlockSchema, Expected, HeaderChecks, ParentState, block_rules, fork_named, json};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_trie::root::ordered_trie_root_encoded;
use motet_types::{BlockHashes, BlockRules, Fork};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Document<'a> {
    chain_id: u64,
    number: u64,
    fork: String,
    #[serde(borrow)]
    block: &'a RawValue,
    pre_state_root: B256,
    witness: Witness,
    block_hashes: BlockHashes,
    receipts: Option<Vec<Bytes>>,
}

#[derive(Deserialize)]
struct Witness {
    state: Vec<Bytes>,
    codes: Vec<Bytes>,
}

pub(super) fn parse(source: PathBuf, bytes: &[u8]) -> Result<ParsedBlock, BlockFileErrorKind> {
    let document: Document<'_> = json::document(bytes)?;
    let fork = fork_named(&document.fork, "fork")?;
    let rpc_block = rpc_block::parse(document.block)?.block;
    rpc_block::check_number(document.number, &rpc_block.header.inner)?;
    let has_ommers = !rpc_block.uncles.is_empty();
    let checked = rpc_block::check(rpc_block, &document.block_hashes)?;
    let header = &checked.block.header;
    if let Some(receipts) = &document.receipts {
        check_receipts(receipts, header, checked.senders.len())?;
    }
    let rules = block_rules(document.chain_id, fork, header.number);
    let Witness { state, codes } = document.witness;
    Ok(ParsedBlock {
        source,
        schema: BlockSchema::BlockWitness,
        header_checks: header_checks(header, &rules, has_ommers),
        rules,
        block: checked.block,
        senders: Senders::Claimed(checked.senders),
        access_list: None,
        state: ParentState::Witness(WitnessState::new(document.pre_state_root, state, codes, document.block_hashes)),
        lenient_system_calls: false,
    })
}

fn check_receipts(receipts: &[Bytes], header: &Header, tx_count: usize) -> Result<(), BlockFileErrorKind> {
    expect_number("receipts.length", receipts.len() as u64, tx_count as u64)?;
    expect_hash(|| "block.receiptsRoot".to_owned(), header.receipts_root, ordered_trie_root_encoded(receipts))
}

/// A witness proves the whole pre-state that a block needs, so that the post-state can be checked too.
fn header_checks(header: &Header, rules: &BlockRules, has_ommers: bool) -> HeaderChecks {
    HeaderChecks {
        requests_hash: match header.requests_hash {
            Some(hash) => Expected::Known(hash),
            None => Expected::Unknown("blocks before Prague have no requests"),
        },
        post_state_root: if has_ommers && !rules.is_active(Fork::Paris) {
            Expected::Unknown("the ommers' rewards need their headers, and the file has only their hashes")
        } else {
            Expected::Known(header.state_root)
        },
        ..rpc_block::partial_checks(header, rules)
    }
}

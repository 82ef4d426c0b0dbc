//! The first 8192 blocks of mainnet: no transactions, 1410 ommers, every state from rewards alone.

use super::fixtures;
use super::ledger::Ledger;
use alloy_consensus::{BlockBody, Header};
use alloy_primitives::{B256, Bloom, U256};
use alloy_rlp::Decodable;
use motet_chain::execution::ExecuteResult;
use motet_chain::memory_chain::ImportError;
use motet_chain::validate::OMMER_ANCESTORS;
use motet_chain::{BlockError, ChainLimits, ExecuteRequest, GenesisBlock, MemoryChain, exception_names};
use motet_types::{AccountDiff, Block, BlockOutcome, ChainSpec, Location, Read, StateDiff, Transaction, Value};
use std::io::Read as _;

const MAINNET: &str = "era1/mainnet-00000-5ec1ffb8.era1";
const SEPOLIA: &str = "era1/sepolia-00021-b8814b14.era1";

/// A block of an era1 file and its total difficulty.
struct Record {
    block: Block,
    total_difficulty: U256,
}

/// Reads an era1 file: e2store records of type (2 bytes), length (4), reserved (2) and data.
fn records(name: &str) -> Option<Vec<Record>> {
    const HEADER: u16 = 0x03;
    const BODY: u16 = 0x04;
    const TOTAL_DIFFICULTY: u16 = 0x06;
    let bytes = fixtures::bytes(name)?;
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    let (mut header, mut body) = (None, None);
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let (data, next) = after.split_at(length);
        rest = next;
        match u16::from_le_bytes([head[0], head[1]]) {
            HEADER => header = Some(Header::decode(&mut unframe(data).as_slice()).unwrap()),
            BODY => body = Some(BlockBody::<Transaction>::decode(&mut unframe(data).as_slice()).unwrap()),
            TOTAL_DIFFICULTY => blocks.push(Record {
                block: Block { header: header.take().unwrap(), body: body.take().unwrap() },
                total_difficulty: U256::from_le_slice(data),
            }),
            _ => {}
        }
    }
    Some(blocks)
}

fn unframe(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    snap::read::FrameDecoder::new(data).read_to_end(&mut out).unwrap();
    out
}

/// Executes a block without transactions: its rewards.
fn pay_rewards(request: ExecuteRequest<'_>) -> ExecuteResult {
    assert_eq!(request.block.tx_count(), 0);
    let mut diff = StateDiff::default();
    for (address, amount) in request.rewards {
        let entry = diff.accounts.entry(*address).or_insert_with(|| {
            let before = match request.view.read(Location::Account(*address)) {
                Ok(Read::Ready(Value::Account(account))) => account.unwrap_or_default(),
                other => panic!("a state in memory answers with the account: {other:?}"),
            };
            AccountDiff { account: Some(before), ..AccountDiff::default() }
        });
        if let Some(account) = &mut entry.account {
            account.balance += amount;
        }
    }
    Ok(BlockOutcome { diff, ..BlockOutcome::default() })
}

#[test]
fn mainnet_8192_headers_and_1410_ommers_are_valid() {
    let Some(mut records) = records(MAINNET) else {
        return;
    };
    assert_eq!(records.len(), 8192);
    let rest = records.split_off(1);
    let mut ledger = Ledger::new(ChainSpec::mainnet(), records.remove(0).block);
    let mut ommers = 0;
    for Record { block, total_difficulty } in rest {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        ommers += block.body.ommers.len();
        ledger.validate_fully(&block).unwrap_or_else(|error| panic!("block {number}: {error}"));
        ledger.keep(block);
        assert_eq!(ledger.total_difficulty(&hash), total_difficulty, "block {number}");
    }
    assert_eq!(ommers, 1410);
}

#[test]
fn sepolia_8191_blocks_with_transactions_are_valid() {
    let Some(mut records) = records(SEPOLIA) else {
        return;
    };
    let rest = records.split_off(1);
    let first = records[0].block.header.number;
    let mut ledger = Ledger::new(ChainSpec::by_chain_id(11_155_111).unwrap(), records.remove(0).block);
    let mut txs = 0;
    for Record { block, .. } in rest {
        let number = block.header.number;
        txs += block.body.transactions.len();
        match ledger.validate_fully(&block) {
            Ok(()) => {}
            // The parents of the first blocks' ommers stand before the file.
            Err(BlockError::OmmerParent { .. }) if number < first + OMMER_ANCESTORS as u64 => {}
            Err(error) => panic!("block {number}: {error}"),
        }
        ledger.keep(block);
    }
    assert!(txs > 80, "{txs} transactions");
}

#[test]
fn mainnet_states_of_all_8192_blocks_come_from_rewards() {
    let (Some(records), Some(genesis)) = (records(MAINNET), fixtures::genesis("genesis/mainnet.json.gz")) else {
        return;
    };
    let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::mainnet()).unwrap();
    let limits = ChainLimits { states_max: 8, ..ChainLimits::default() };
    let mut chain = MemoryChain::new(genesis, limits);
    assert_eq!(chain.genesis().hash(), records[0].block.header.hash_slow());
    for Record { block, total_difficulty } in records.into_iter().skip(1) {
        let number = block.header.number;
        if number % 500 == 0 {
            refuse_changed_outcomes(&mut chain, &block);
        }
        let rlp = alloy_rlp::encode(&block);
        let imported = chain.import_rlp(&rlp, None, pay_rewards).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert!(imported.is_head);
        assert_eq!(imported.block.total_difficulty(), total_difficulty);
    }
    assert_eq!(chain.head().number(), 8191);
    assert_eq!(chain.canonical_block(1234).unwrap().number(), 1234);
    assert!(chain.state(&chain.canonical_block(1234).unwrap().hash()).is_none(), "old states are dropped");
}

/// A valid block with another result in its header is refused for that result.
fn refuse_changed_outcomes(chain: &mut MemoryChain, block: &Block) {
    type Edit = fn(&mut Header);
    let edits: [(Edit, &str); 6] = [
        (|h| h.state_root = B256::ZERO, "BlockException.INVALID_STATE_ROOT"),
        (|h| h.receipts_root = B256::ZERO, "BlockException.INVALID_RECEIPTS_ROOT"),
        (|h| h.logs_bloom = Bloom::repeat_byte(1), "BlockException.INVALID_LOG_BLOOM"),
        (|h| h.gas_used = 5, "BlockException.INVALID_GAS_USED"),
        (|h| h.beneficiary[0] ^= 1, "BlockException.INVALID_STATE_ROOT"),
        (|h| h.parent_hash = B256::ZERO, "BlockException.UNKNOWN_PARENT_ZERO"),
    ];
    for (edit, name) in edits {
        let mut changed = block.clone();
        edit(&mut changed.header);
        match chain.import(changed, None, pay_rewards) {
            Err(ImportError::Invalid(error)) => assert!(exception_names(&error).contains(&name), "{name}: {error}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

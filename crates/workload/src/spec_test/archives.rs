//! Every public fixture, read from its archive and checked against itself and against the table of the fixtures'
//! README: a header hashes to the hash stated beside it, RLP decodes to the JSON beside it, a state has the root that
//! its header names.

use super::json::Node;
use super::{
    BlockchainTest, CaseKind, EngineTest, Payload, PostState, SpecCase, SpecFile, StateTest, TestBlock, TestChain,
    TransactionTest, decode_block, parse, walk,
};
use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, hex, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use motet_types::{RecoveredBlock, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// A line of the README's table, as far as it counts what this parser reads.
struct Expected {
    archive: &'static str,
    files: usize,
    cases: usize,
    blocks: usize,
    txs: usize,
    /// Cases with a block of several transactions.
    multi_tx: usize,
    /// Valid blocks whose receipts in the JSON are wrong. In the benchmarks the generator wrote every status as
    /// success; with the status of failure the receipts have the root that the header names.
    misstated_receipts: usize,
    /// Cases by fork.
    forks: &'static [(&'static str, usize)],
}

const AMSTERDAM: Expected = Expected {
    archive: "eest/bal-v5.7.0-amsterdam",
    files: 663,
    cases: 4034,
    blocks: 4467,
    txs: 4557,
    multi_tx: 179,
    misstated_receipts: 0,
    forks: &[("Amsterdam", 4034)],
};
const WITNESS: Expected = Expected {
    archive: "eest/zkevm-v0.3.3-witness",
    files: 65,
    cases: 111,
    blocks: 165,
    txs: 115,
    multi_tx: 7,
    misstated_receipts: 0,
    forks: &[("Amsterdam", 111)],
};
const BLOCKCHAIN_V5: Expected = Expected {
    archive: "eest/v5.4.0-blockchain_tests",
    files: 256,
    cases: 4530,
    blocks: 5251,
    txs: 5383,
    multi_tx: 181,
    misstated_receipts: 0,
    forks: &[
        ("Osaka", 1426),
        ("Prague", 1112),
        ("Cancun", 600),
        ("Shanghai", 329),
        ("Paris", 223),
        ("London", 163),
        ("Berlin", 161),
        ("Istanbul", 127),
        ("ConstantinopleFix", 114),
        ("Byzantium", 106),
        ("Frontier", 62),
        ("Homestead", 62),
        ("CancunToPragueAtTime15k", 23),
        ("ShanghaiToCancunAtTime15k", 14),
        ("PragueToOsakaAtTime15k", 7),
        ("OsakaToBPO1AtTime15k", 1),
    ],
};
const STATE_V5: Expected = Expected {
    archive: "eest/v5.4.0-state_tests",
    files: 1876,
    cases: 21907,
    blocks: 0,
    txs: 0,
    multi_tx: 0,
    misstated_receipts: 0,
    forks: &[
        ("Osaka", 7149),
        ("Prague", 6744),
        ("Cancun", 5807),
        ("Shanghai", 471),
        ("Paris", 375),
        ("London", 315),
        ("Berlin", 314),
        ("Istanbul", 226),
        ("ConstantinopleFix", 173),
        ("Byzantium", 167),
        ("Frontier", 83),
        ("Homestead", 83),
    ],
};
const TRANSITIONS: Expected = Expected {
    archive: "eest/bal-v5.7.0-transitions",
    files: 27,
    cases: 55,
    blocks: 271,
    txs: 240,
    multi_tx: 0,
    misstated_receipts: 0,
    forks: &[
        ("CancunToPragueAtTime15k", 23),
        ("ShanghaiToCancunAtTime15k", 14),
        ("BPO2ToAmsterdamAtTime15k", 10),
        ("PragueToOsakaAtTime15k", 7),
        ("OsakaToBPO1AtTime15k", 1),
    ],
};
const FORKS: Expected = Expected {
    archive: "eest/bal-v5.7.0-forks",
    files: 1463,
    cases: 18106,
    blocks: 22154,
    txs: 19908,
    multi_tx: 455,
    misstated_receipts: 0,
    forks: &[
        ("Osaka", 3571),
        ("Prague", 3144),
        ("Cancun", 2288),
        ("Berlin", 1600),
        ("Shanghai", 1569),
        ("Paris", 1414),
        ("London", 1351),
        ("Istanbul", 1041),
        ("ConstantinopleFix", 945),
        ("Byzantium", 853),
        ("Frontier", 165),
        ("Homestead", 165),
    ],
};
const AMSTERDAM_STATIC: Expected = Expected {
    archive: "eest/bal-v5.7.0-amsterdam-ported_static",
    files: 1247,
    cases: 2404,
    blocks: 2404,
    txs: 2404,
    multi_tx: 0,
    misstated_receipts: 0,
    forks: &[("Amsterdam", 2404)],
};
const BENCHMARK: Expected = Expected {
    archive: "eest/benchmark-v0.0.7-blockchain_tests",
    files: 26,
    cases: 231,
    blocks: 252,
    txs: 789,
    multi_tx: 128,
    misstated_receipts: 224,
    forks: &[("Osaka", 231)],
};
const BENCHMARK_ENGINE: Expected = Expected {
    archive: "eest/benchmark-v0.0.7-engine_tests",
    files: 28,
    cases: 287,
    blocks: 308,
    txs: 981,
    multi_tx: 160,
    misstated_receipts: 0,
    forks: &[("Osaka", 287)],
};
const OLD_STATE: Expected = Expected {
    archive: "ethereum-tests/state_tests",
    files: 1869,
    cases: 17388,
    blocks: 0,
    txs: 0,
    multi_tx: 0,
    misstated_receipts: 0,
    forks: &[("Cancun", 17388)],
};
const OLD_BLOCKCHAIN: Expected = Expected {
    archive: "ethereum-tests/blockchain_tests",
    files: 310,
    cases: 535,
    blocks: 1054,
    txs: 1444,
    multi_tx: 39,
    misstated_receipts: 0,
    forks: &[
        ("Cancun", 522),
        ("FrontierToHomesteadAt5", 7),
        ("ArrowGlacierToParisAtDiffC0000", 3),
        ("ByzantiumToConstantinopleFixAt5", 1),
        ("EIP158ToByzantiumAt5", 1),
        ("HomesteadToEIP150At5", 1),
    ],
};

/// What one archive holds.
#[derive(Debug, Default)]
struct Tally {
    files: usize,
    cases: usize,
    blocks: usize,
    txs: usize,
    multi_tx: usize,
    forks: BTreeMap<String, usize>,
    transaction_cases: usize,
    /// Skipped cases by reason.
    skipped: BTreeMap<String, usize>,
    /// Subtests whose transaction cannot be represented.
    impossible_txs: usize,
    /// Transaction tests that expect a valid transaction of bytes that do not decode.
    undecodable_txs: BTreeSet<String>,
    /// Valid blocks whose receipts in the JSON have another root than the header names.
    misstated_receipts: usize,
    /// Refused blocks whose RLP does not decode.
    undecodable_blocks: usize,
}

impl Tally {
    fn count_fork(&mut self, fork: &str) {
        self.cases += 1;
        *self.forks.entry(fork.to_owned()).or_default() += 1;
    }

    fn count_txs(&mut self, json: &serde_json::Value) {
        let tx_counts = json_tx_counts(json);
        self.txs += tx_counts.iter().sum::<usize>();
        self.multi_tx += usize::from(tx_counts.iter().any(|count| *count > 1));
    }
}

/// The path of an archive, or `None` with a line that says so where the fixtures are not installed.
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
pub(super) fn archive_path(archive: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures");
    let root = std::env::var_os("MOTET_FIXTURES").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(format!("{archive}.tar.zst"));
    if path.is_file() {
        return Some(path);
    }
    eprintln!("not checked: {} is absent (set MOTET_FIXTURES)", path.display());
    None
}

/// Reads the archive, checks every case against itself, and counts.
fn check_archive(archive: &str, mut also: impl FnMut(&SpecFile, &[SpecCase])) -> Option<Tally> {
    let path = archive_path(archive)?;
    let mut tally = Tally::default();
    walk(&[path], |file| {
        let file = file.unwrap_or_else(|error| panic!("{error}"));
        let cases = parse(&file).unwrap_or_else(|error| panic!("{error}"));
        tally.files += 1;
        let json: serde_json::Value = serde_json::from_slice(&file.bytes).expect("parsed before");
        json.as_object().into_iter().flat_map(|cases| cases.values()).for_each(|case| tally.count_txs(case));
        for case in &cases {
            let context = format!("{} {}", case.source, case.name);
            match &case.kind {
                CaseKind::State(test) => check_state(&context, test, &mut tally),
                CaseKind::Blockchain(test) => check_blockchain(&context, test, &mut tally),
                CaseKind::Engine(test) => check_engine(&context, test, &mut tally),
                CaseKind::Transaction(test) => check_transaction(&context, test, &mut tally),
                CaseKind::Skipped { reason } => *tally.skipped.entry(reason.clone()).or_default() += 1,
            }
        }
        also(&file, &cases);
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|error| panic!("{error}"));
    Some(tally)
}

fn check_state(context: &str, test: &StateTest, tally: &mut Tally) {
    for subtest in &test.subtests {
        tally.count_fork(&subtest.fork_name);
        if let Err(fault) = &subtest.transaction {
            tally.impossible_txs += 1;
            assert!(subtest.expected.exception.is_some(), "{context}: {fault}, but no exception is expected");
        }
        if let Some(post) = &subtest.expected.post {
            assert_eq!(post.state_root(), subtest.expected.state_root, "{context}");
        }
    }
    let memory = test.pre.to_memory_state();
    assert_eq!(memory.accounts().count(), test.pre.accounts.len(), "{context}");
}

fn check_chain(context: &str, chain: &TestChain, heads: &BTreeMap<B256, B256>) {
    let genesis = &chain.genesis.header;
    assert_eq!(genesis.header.hash_slow(), genesis.hash, "{context}: genesis");
    assert_eq!(chain.pre.state_root(), genesis.header.state_root, "{context}: genesis state");
    if let Some(rlp) = &chain.genesis.rlp {
        let block = decode_block(rlp).unwrap_or_else(|error| panic!("{context}: genesis: {error}"));
        assert_eq!(block.header, genesis.header, "{context}: genesis");
    }
    let head_state_root = heads.get(&chain.last_block_hash).copied();
    let head_state_root =
        head_state_root.or((chain.last_block_hash == genesis.hash).then_some(genesis.header.state_root));
    let head_state_root = head_state_root.unwrap_or_else(|| panic!("{context}: the last block is none of the blocks"));
    match &chain.post {
        PostState::Alloc(alloc) => assert_eq!(alloc.state_root(), head_state_root, "{context}: post state"),
        PostState::Root(root) => assert_eq!(*root, head_state_root, "{context}: post state"),
        PostState::Unstated => {}
    }
}

fn check_blockchain(context: &str, test: &BlockchainTest, tally: &mut Tally) {
    tally.count_fork(&test.chain.network);
    tally.blocks += test.blocks.len();
    let mut heads = BTreeMap::new();
    for (position, block) in test.blocks.iter().enumerate() {
        let context = format!("{context} block {position}");
        let decoded = decode_block(&block.rlp);
        if !block.is_valid() {
            tally.undecodable_blocks += usize::from(decoded.is_err());
            continue;
        }
        let decoded = decoded.unwrap_or_else(|error| panic!("{context}: {error}"));
        let header = block.header.as_ref().unwrap_or_else(|| panic!("{context}: a valid block without header"));
        assert_eq!(decoded.header, header.header, "{context}");
        assert_eq!(header.header.hash_slow(), header.hash, "{context}");
        heads.insert(header.hash, header.header.state_root);

        let transactions = block.transactions.as_ref().unwrap_or_else(|| panic!("{context}: no transactions"));
        let recovered = RecoveredBlock::recover(decoded).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(recovered.tx_count(), transactions.len(), "{context}");
        for (index, expected) in transactions.iter().enumerate() {
            assert_eq!(recovered.transactions()[index], expected.transaction, "{context} transaction {index}");
            if let Some(sender) = expected.sender {
                assert_eq!(recovered.senders[index], sender, "{context} transaction {index}");
            }
        }
        if let Some(list) = &block.access_list {
            let hash = keccak256(alloy_rlp::encode(list));
            assert_eq!(Some(hash), header.header.block_access_list_hash, "{context}: access list");
        }
        if let Some(receipts) = &block.receipts {
            let encoded: Vec<_> = receipts.iter().filter_map(|receipt| receipt.encoded.as_ref()).collect();
            let root = ordered_trie_root_encoded(&encoded);
            tally.misstated_receipts += usize::from(root != header.header.receipts_root);
            for (receipt, transaction) in receipts.iter().zip(transactions) {
                assert_eq!(receipt.transaction_hash, Some(*transaction.transaction.tx_hash()), "{context}");
                check_receipt(&context, receipt);
            }
        }
    }
    check_chain(context, &test.chain, &heads);
}

fn check_receipt(context: &str, receipt: &super::ExpectedReceipt) {
    let Some(encoded) = &receipt.encoded else { return };
    let decoded: alloy_consensus::ReceiptEnvelope = alloy_consensus::ReceiptEnvelope::decode_2718_exact(encoded)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let inner = decoded.as_receipt().unwrap_or_else(|| panic!("{context}: no receipt"));
    assert_eq!(decoded.tx_type() as u8, receipt.tx_type, "{context}");
    assert_eq!(inner.status, receipt.status, "{context}");
    assert_eq!(inner.cumulative_gas_used, receipt.cumulative_gas_used, "{context}");
    assert_eq!(inner.logs, receipt.logs, "{context}");
    assert_eq!(*decoded.logs_bloom(), receipt.bloom, "{context}");
}

fn check_engine(context: &str, test: &EngineTest, tally: &mut Tally) {
    tally.count_fork(&test.chain.network);
    tally.blocks += test.payloads.len();
    let mut heads = BTreeMap::new();
    for call in &test.payloads {
        if !call.is_valid() {
            continue;
        }
        let payload = call.payload.as_ref().unwrap_or_else(|error| panic!("{context}: {error}"));
        let block = payload.to_block().unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(block.header.hash_slow(), payload.block_hash, "{context}");
        heads.insert(payload.block_hash, payload.state_root);
    }
    check_chain(context, &test.chain, &heads);
}

/// No engine test of Amsterdam is among the fixtures, so a block is written as the payload that would carry it. Only
/// blocks without execution requests say what their requests are.
fn check_as_payload(context: &str, block: &TestBlock) {
    let (Some(expected), Some(list)) = (&block.header, &block.access_list) else { return };
    let header = &expected.header;
    if header.requests_hash != Some(EMPTY_REQUESTS_HASH) {
        return;
    }
    let body = decode_block(&block.rlp).unwrap_or_else(|error| panic!("{context}: {error}")).body;
    let quantity = |number: Option<u64>| format!("{:#x}", number.unwrap_or_default());
    let transactions: Vec<String> =
        body.transactions.iter().map(|tx| hex::encode_prefixed(tx.encoded_2718())).collect();
    let params = serde_json::json!([
        {
            "parentHash": header.parent_hash,
            "feeRecipient": header.beneficiary,
            "stateRoot": header.state_root,
            "receiptsRoot": header.receipts_root,
            "logsBloom": header.logs_bloom,
            "prevRandao": header.mix_hash,
            "blockNumber": quantity(Some(header.number)),
            "gasLimit": quantity(Some(header.gas_limit)),
            "gasUsed": quantity(Some(header.gas_used)),
            "timestamp": quantity(Some(header.timestamp)),
            "extraData": header.extra_data,
            "baseFeePerGas": quantity(header.base_fee_per_gas),
            "blockHash": expected.hash,
            "transactions": transactions,
            "withdrawals": body.withdrawals,
            "blobGasUsed": quantity(header.blob_gas_used),
            "excessBlobGas": quantity(header.excess_blob_gas),
            "blockAccessList": hex::encode_prefixed(alloy_rlp::encode(list)),
            "slotNumber": quantity(header.slot_number),
        },
        [],
        header.parent_beacon_block_root,
        [],
    ]);
    let payload = Payload::parse(&Node::root(&params)).unwrap_or_else(|error| panic!("{context}: {error}"));
    let built = payload.to_block().unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(built.header.hash_slow(), expected.hash, "{context}");
    assert_eq!(built.body, body, "{context}");
}

fn check_transaction(context: &str, test: &TransactionTest, tally: &mut Tally) {
    tally.transaction_cases += 1;
    for result in &test.results {
        let Ok(facts) = &result.expected else { continue };
        let Ok(transaction) = Transaction::decode_2718_exact(&test.txbytes) else {
            tally.undecodable_txs.insert(context.rsplit(' ').next().unwrap_or_default().to_owned());
            continue;
        };
        assert_eq!(*transaction.tx_hash(), facts.hash, "{context}");
        assert_eq!(transaction.recover_signer_unchecked().ok(), Some(facts.sender), "{context}");
        assert_eq!(transaction.encoded_2718(), test.txbytes, "{context}");
    }
}

/// Transactions by block, as the README counts them: those that a case's JSON lists, of a refused block those that
/// the generator meant. Blocks that are no RLP on purpose list none.
fn json_tx_counts(case: &serde_json::Value) -> Vec<usize> {
    let count = |list: &serde_json::Value| list.as_array().map(Vec::len);
    let blocks = case["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let payloads = case["engineNewPayloads"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_block = |block: &serde_json::Value| {
        count(&block["transactions"]).or_else(|| count(&block["rlp_decoded"]["transactions"])).unwrap_or(0)
    };
    let of_payload = |call: &serde_json::Value| count(&call["params"][0]["transactions"]).unwrap_or(0);
    blocks.iter().map(of_block).chain(payloads.iter().map(of_payload)).collect()
}

fn check_table(expected: &Expected) -> Option<Tally> {
    check_table_and(expected, |_, _| {})
}

fn check_table_and(expected: &Expected, also: impl FnMut(&SpecFile, &[SpecCase])) -> Option<Tally> {
    let tally = check_archive(expected.archive, also)?;
    let archive = expected.archive;
    assert_eq!((tally.files, tally.cases), (expected.files, expected.cases), "{archive}: files, cases; {tally:?}");
    assert_eq!(
        (tally.blocks, tally.txs, tally.multi_tx),
        (expected.blocks, expected.txs, expected.multi_tx),
        "{archive}: blocks, transactions, cases with several transactions in a block; {tally:?}"
    );
    assert_eq!(tally.misstated_receipts, expected.misstated_receipts, "{archive}: misstated receipts");
    let forks: BTreeMap<String, usize> =
        expected.forks.iter().map(|(fork, count)| ((*fork).to_owned(), *count)).collect();
    assert_eq!(tally.forks, forks, "{archive}: cases by fork");
    assert_eq!(tally.skipped, BTreeMap::new(), "{archive}: skipped");
    Some(tally)
}

#[test]
fn amsterdam_matches_the_table() {
    check_table_and(&AMSTERDAM, |_, cases| {
        for case in cases {
            let CaseKind::Blockchain(test) = &case.kind else { continue };
            test.blocks.iter().for_each(|block| check_as_payload(&case.name, block));
        }
    });
    check_table(&AMSTERDAM_STATIC);
    check_table(&WITNESS);
}

#[test]
fn earlier_forks_match_the_table() {
    check_table(&FORKS);
}

#[test]
fn transitions_and_the_develop_set_match_the_table() {
    check_table(&TRANSITIONS);
    check_table(&BLOCKCHAIN_V5);
}

#[test]
fn benchmarks_match_the_table() {
    check_table(&BENCHMARK);
    check_table(&BENCHMARK_ENGINE);
}

#[test]
fn ethereum_tests_blockchain_matches_the_table() {
    check_table(&OLD_BLOCKCHAIN);
}

/// The state tests give each transaction twice: as fields, and as bytes. Without the bytes, the fields and
/// the secret key make the same transaction, down to its signature where the protection by chain id is the same.
#[test]
fn state_tests_match_the_table_and_their_fields_make_their_bytes() {
    for expected in [&STATE_V5, &OLD_STATE] {
        check_table_and(expected, |file, cases| {
            let mut json: serde_json::Value = serde_json::from_slice(&file.bytes).expect("parsed before");
            for case in json.as_object_mut().into_iter().flat_map(|cases| cases.values_mut()) {
                let posts = case["post"].as_object_mut().into_iter().flat_map(|posts| posts.values_mut());
                for post in posts.filter_map(|posts| posts.as_array_mut()).flatten() {
                    post.as_object_mut().expect("an object").remove("txbytes");
                }
            }
            let bytes = serde_json::to_vec(&json).expect("it came from JSON");
            let without = parse(&SpecFile { source: file.source.clone(), bytes }).expect("parsed before");
            for (with, without) in cases.iter().zip(&without) {
                let (CaseKind::State(with_bytes), CaseKind::State(without)) = (&with.kind, &without.kind) else {
                    panic!("{}: no state test", with.name);
                };
                assert_eq!(with_bytes.subtests.len(), without.subtests.len());
                for (a, b) in with_bytes.subtests.iter().zip(&without.subtests) {
                    let context = format!("{} {} {} {:?}", with.source, with.name, a.fork_name, a.indexes);
                    match (&a.transaction, &b.transaction) {
                        (Ok(a), Ok(b)) => compare(&context, a, b),
                        (Err(_), Err(_)) => {}
                        (a, b) => panic!("{context}: bytes give {a:?}, fields {b:?}"),
                    }
                }
            }
        });
    }
}

fn compare(context: &str, bytes: &super::StateTransaction, fields: &super::StateTransaction) {
    assert!(fields.signed, "{context}: the key is not the sender's");
    assert_eq!((bytes.sender, &bytes.authorities), (fields.sender, &fields.authorities), "{context}");
    let (a, b) = (&bytes.transaction, &fields.transaction);
    if a.chain_id() == b.chain_id() {
        assert_eq!(a, b, "{context}");
        return;
    }
    assert!(a.is_legacy() && b.is_legacy(), "{context}");
    assert_eq!((a.nonce(), a.gas_limit(), a.gas_price()), (b.nonce(), b.gas_limit(), b.gas_price()), "{context}");
    assert_eq!((a.kind(), a.value(), a.input()), (b.kind(), b.value(), b.input()), "{context}");
}

/// The README counts 124 cases here without saying of which formats. Of those parsed here there are 121 transaction
/// tests, one a file; each of the 21 other files is skipped with a reason.
///
/// Two of the transaction tests expect a valid transaction with a fee of more than 128 bits, which alloy's
/// transaction types do not hold.
#[test]
fn the_basic_archive_is_transaction_tests_and_skipped_files() {
    let Some(tally) = check_archive("ethereum-tests/basic", |_, _| {}) else { return };
    assert_eq!((tally.files, tally.transaction_cases, tally.cases), (142, 121, 0));
    assert_eq!(tally.skipped.values().sum::<usize>(), 21, "{:?}", tally.skipped);
    let undecodable: Vec<&str> = tally.undecodable_txs.iter().map(String::as_str).collect();
    assert_eq!(undecodable, ["GasLimitPriceProductOverflowtMinusOne", "TransactionWithHighGasPrice"]);
}

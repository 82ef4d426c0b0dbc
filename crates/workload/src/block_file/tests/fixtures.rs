//! Every shared fixture of the three schemas loads, and its checks hold.

use super::super::mainnet_block::BlockFile;
use super::super::{BlockSchema, Expected, ParentState, ReplayBlock, collect_paths, load, parse, read};
use alloy_consensus::Transaction as _;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use motet_types::{Account, Fork, Location, Read, StateView, Value};
use std::path::PathBuf;

/// The files of one fixture folder; `None`, with a line that says so, when it is not there.
fn fixtures(folder: &str) -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    let path = root.join(folder);
    if !path.is_dir() {
        #[allow(clippy::print_stderr, reason = "a test that checks nothing has to say so")]
        {
            eprintln!("skipped: no fixtures at {} (set MOTET_FIXTURES)", path.display());
        }
        return None;
    }
    Some(collect_paths(&[path]).unwrap())
}

fn value(block: &ReplayBlock, location: Location) -> Value {
    match block.state.read(location).unwrap() {
        Read::Ready(value) => value,
        Read::Pending(ticket) => panic!("{ticket:?}"),
    }
}

fn account(block: &ReplayBlock, address: Address) -> Option<Account> {
    match value(block, Location::Account(address)) {
        Value::Account(account) => account,
        other => panic!("{other:?}"),
    }
}

/// The pre-state belongs to the block: each sender's first transaction carries the nonce it has there.
fn check_nonces(block: &ReplayBlock) {
    let mut next = AddressMap::default();
    for (transaction, sender) in block.block.transactions().iter().zip(&block.block.senders) {
        let nonce = next.entry(*sender).or_insert_with(|| account(block, *sender).map_or(0, |account| account.nonce));
        assert_eq!(transaction.nonce(), *nonce, "block {} sender {sender}", block.number());
        *nonce += 1;
    }
}

fn check_parent_hash(block: &ReplayBlock) {
    let parent = value(block, Location::BlockHash(block.number() - 1));
    assert_eq!(parent, Value::BlockHash(block.block.header().parent_hash), "block {}", block.number());
}

#[test]
fn every_mainnet_block_loads_and_its_pre_state_fits() {
    let Some(files) = fixtures("mainnet") else { return };
    assert_eq!(files.len(), 45);
    let (mut tx_count, mut gas, mut receipts_checked) = (0, 0, 0);
    for path in files {
        let block = load(&path).unwrap();
        assert_eq!(block.schema, BlockSchema::MainnetBlock);
        assert!(path.ends_with(format!("{}.json.gz", block.number())));
        assert!(block.lenient_system_calls);
        assert_eq!(block.rules.fork, block.fork);
        assert_eq!(block.header_checks.gas_used, Expected::Known(block.block.header().gas_used));
        assert_eq!(block.rules.blob.is_some(), block.fork >= Fork::Cancun);
        assert!(!block.rules.dao_transition);
        tx_count += block.block.tx_count();
        gas += block.block.header().gas_used;
        receipts_checked += usize::from(block.header_checks.receipts_root.known().is_some());
        check_parent_hash(&block);
        check_nonces(&block);
    }
    assert_eq!((tx_count, gas, receipts_checked), (10_628, 513_127_519, 36));
}

#[test]
fn every_mainnet_block_survives_being_written_and_read_again() {
    let Some(files) = fixtures("mainnet") else { return };
    for path in files {
        let file = BlockFile::from_json(&read(&path).unwrap()).unwrap();
        let mut written = Vec::new();
        file.write_json(&mut written).unwrap();
        assert_eq!(BlockFile::from_json(&written).unwrap(), file, "{}", path.display());
        assert!(parse(&path, &written).is_ok());
    }
}

#[test]
fn every_witness_loads_and_its_state_fits() {
    let Some(files) = fixtures("mainnet-witness") else { return };
    assert_eq!(files.len(), 6);
    for path in files {
        let block = load(&path).unwrap();
        assert_eq!(block.schema, BlockSchema::BlockWitness);
        assert!(!block.lenient_system_calls);
        assert_eq!(block.header_checks.post_state_root, Expected::Known(block.block.header().state_root));
        assert_eq!(block.header_checks.requests_hash.known().is_some(), block.fork >= Fork::Prague);
        check_parent_hash(&block);
        check_nonces(&block);
        for transaction in block.block.transactions() {
            let Some(account) = transaction.to().and_then(|to| account(&block, to)) else { continue };
            if account.code_hash != KECCAK256_EMPTY {
                assert!(matches!(value(&block, Location::Code(account.code_hash)), Value::Code(_)));
            }
        }
    }
}

/// Block 1,150,000 is there both ways, from different sources.
#[test]
fn the_witness_and_the_listed_accounts_of_one_block_agree() {
    let (Some(listed), Some(witnesses)) = (fixtures("mainnet"), fixtures("mainnet-witness")) else { return };
    let of_block = |files: Vec<PathBuf>| files.into_iter().find(|path| path.ends_with("1150000.json.gz")).unwrap();
    let (listed, witness) = (load(&of_block(listed)).unwrap(), load(&of_block(witnesses)).unwrap());
    assert_eq!(listed.block, witness.block);
    let ParentState::Memory(state) = &listed.state else { panic!("the accounts are listed") };
    let mut slot_count = 0;
    for (address, entry) in state.accounts() {
        assert_eq!(account(&witness, *address), Some(entry.account), "{address}");
        for (slot, expected) in &entry.storage {
            assert_eq!(value(&witness, Location::Slot(*address, *slot)), Value::Slot(*expected), "{address} {slot}");
            slot_count += 1;
        }
        if entry.account.code_hash != KECCAK256_EMPTY {
            let code = Location::Code(entry.account.code_hash);
            assert_eq!(value(&witness, code), value(&listed, code));
        }
    }
    assert!(slot_count > 10, "{slot_count} slots");
}

#[test]
fn the_block_without_signatures_loads_with_given_senders_and_recovered_authorities() {
    let Some(files) = fixtures("mainnet-txenv") else { return };
    assert_eq!(files.len(), 1);
    let block = load(&files[0]).unwrap();
    assert_eq!(block.schema, BlockSchema::MainnetTxEnv);
    assert_eq!((block.number(), block.fork, block.block.tx_count()), (22_546_209, Fork::Prague, 180));
    assert!(block.lenient_system_calls);
    assert!(block.header_checks.gas_used.reason().is_some());
    assert_eq!(block.block.header().excess_blob_gas, Some(655_360));
    assert_eq!(block.block.header().base_fee_per_gas, Some(2_918_101_059));
    let count_of = |tx_type: u8| {
        block.block.transactions().iter().filter(|transaction| transaction.tx_type() as u8 == tx_type).count()
    };
    assert_eq!([0, 1, 2, 3, 4].map(count_of), [42, 2, 133, 0, 3]);
    let authorities: Vec<_> = block.block.authorities.iter().flatten().collect();
    assert_eq!(authorities.len(), 3);
    // The recovered signers are accounts of the pre-state, so the recovery is right.
    for authority in authorities {
        assert!(account(&block, authority.unwrap()).is_some(), "{authority:?}");
    }
    let mut total = U256::ZERO;
    for sender in &block.block.senders {
        total = total.saturating_add(account(&block, *sender).unwrap().balance);
    }
    assert!(!total.is_zero());
    check_parent_hash(&block);
    check_nonces(&block);
}

//! People with keys, contracts, and a chain for them.

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use k256::ecdsa::SigningKey;
use motet_chain::{
    BuildRequest, BuildSource, Chain, ChainOptions, EngineExecutor, Execute, GenesisBlock, LiveChain, PoolOptions,
};
use motet_exec::{Engine, ExecutorConfig, Schedule};
use motet_types::{ChainSpec, Fork, Transaction};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const CHAIN_ID: u64 = 1337;
pub(crate) const GWEI: u128 = 1_000_000_000;
/// Stores 1 more in slot 0, the caller in slot 1, and logs.
pub(crate) const COUNTER: Address = Address::repeat_byte(0xc1);
/// Gives all that it has to the caller: what a delegation turns an account into.
pub(crate) const GIVER: Address = Address::repeat_byte(0xc2);
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// A directory that goes with the test.
#[derive(Debug)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("motet-live-{name}-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn secret(person: usize) -> B256 {
    keccak256(format!("a person of a test, number {person}"))
}

pub(crate) fn address(person: usize) -> Address {
    Address::from_private_key(&SigningKey::from_slice(secret(person).as_slice()).unwrap())
}

pub(crate) fn sign(person: usize, hash: B256) -> Signature {
    sign_message(secret(person), hash).unwrap()
}

/// A payment of 1 wei that offers so much.
pub(crate) fn payment(person: usize, nonce: u64, fee: u128) -> Transaction {
    call(person, nonce, fee, 21_000, Address::repeat_byte(0xee), Bytes::new(), U256::from(1))
}

pub(crate) fn call(
    person: usize,
    nonce: u64,
    fee: u128,
    gas_limit: u64,
    to: Address,
    input: Bytes,
    value: U256,
) -> Transaction {
    signed(
        person,
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee,
            to: TxKind::Call(to),
            value,
            input,
            ..TxEip1559::default()
        },
    )
}

pub(crate) fn legacy(
    person: usize,
    nonce: u64,
    fee: u128,
    gas_limit: u64,
    to: Address,
    chain_id: Option<u64>,
) -> Transaction {
    let to = TxKind::Call(to);
    signed(person, TxLegacy { chain_id, nonce, gas_price: fee, gas_limit, to, ..TxLegacy::default() })
}

pub(crate) fn listed(person: usize, nonce: u64, fee: u128, gas_limit: u64, to: Address) -> Transaction {
    let to = TxKind::Call(to);
    signed(person, TxEip2930 { chain_id: CHAIN_ID, nonce, gas_price: fee, gas_limit, to, ..TxEip2930::default() })
}

pub(crate) fn signed<T: SignableTransaction<Signature>>(person: usize, tx: T) -> Transaction
where
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signature = sign(person, tx.signature_hash());
    tx.into_signed(signature).into()
}

/// A chain on which everybody below `people` has so many ether.
pub(crate) fn genesis(fork: Fork, people: usize, ether: u128, gas_limit: u64) -> GenesisBlock {
    let mut genesis = Genesis { gas_limit, timestamp: 1000, ..Genesis::default() };
    if fork < Fork::Paris {
        genesis.difficulty = U256::from(131_072);
    }
    for person in 0..people {
        let balance = U256::from(ether) * U256::from(ETHER);
        genesis.alloc.insert(address(person), GenesisAccount { balance, ..GenesisAccount::default() });
    }
    // SLOAD 0, +1, SSTORE 0; CALLER, SSTORE 1; LOG1 of the counter.
    let counter = "6000546001018060005533600155600052600160206000a100";
    // CALL(gas, caller, selfbalance).
    let giver = "600060006000600047335af100";
    let codes = [
        (COUNTER, counter.parse::<Bytes>().unwrap()),
        (GIVER, giver.parse::<Bytes>().unwrap()),
        (eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone()),
        (eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.clone()),
        (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone()),
        (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone()),
    ];
    for (address, code) in codes {
        let account = GenesisAccount { code: Some(code), nonce: Some(1), ..GenesisAccount::default() };
        genesis.alloc.insert(address, account);
    }
    GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(CHAIN_ID, fork)).unwrap()
}

pub(crate) fn engine(engine: Engine, workers: usize, seed: Option<u64>) -> EngineExecutor {
    let schedule = seed.map_or(Schedule::Threads, Schedule::Seeded);
    EngineExecutor::new(engine, ExecutorConfig { workers, schedule, ..ExecutorConfig::default() })
}

pub(crate) fn boxed(executor: EngineExecutor) -> Box<dyn Execute + Send> {
    Box::new(executor)
}

pub(crate) fn chain(place: &Place, genesis: &GenesisBlock) -> Chain {
    Chain::init(place.path(), genesis.clone(), ChainOptions::small()).unwrap().0
}

/// A chain in service whose pool has these options.
pub(crate) fn live(place: &Place, genesis: &GenesisBlock, pool: PoolOptions) -> LiveChain {
    let executor = boxed(engine(Engine::Optimistic, 2, None));
    LiveChain::open(chain(place, genesis), executor, pool).unwrap().0
}

/// The next block, `seconds` after its parent, of the pool's transactions.
pub(crate) fn next(live: &LiveChain, source: BuildSource) -> BuildRequest {
    BuildRequest {
        timestamp: live.reader().head().block().header.timestamp + 12,
        beneficiary: Address::repeat_byte(0xbe),
        prev_randao: B256::repeat_byte(0x5a),
        transactions: source,
        is_kept: true,
        ..BuildRequest::default()
    }
}

//! Transaction tests: one encoded transaction by itself.
//!
//! What a fork says of it without any state: whether it decodes, who sent it, what it costs before it starts.
//! It is judged as the one transaction of a block on a state in which its sender lacks nothing, so that
//! every engine has its say.

use super::edited_tx::with_nonce_and_gas;
use super::engines::{EngineRuns, Engines};
use super::failure::{Detail, Failure, Item, check_refusal};
use super::state_block;
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error};
use alloy_primitives::{Address, Bytes, U256};
use motet_chain::validate::{tx_exception_names, validate_transactions};
use motet_chain::{BlockError, exception_names};
use motet_exec::{ExecError, InvalidBlock};
use motet_types::block::recover_transaction;
use motet_types::{BlockOutcome, BlockRules, ChainSpec, Fork, MemoryState, Transaction, TxError, TxIndex};
use motet_workload::spec_test::{TransactionFacts, TransactionResult};

/// Chain id of transaction tests.
const CHAIN_ID: u64 = 1;

/// Judges the transaction under one fork.
pub(super) fn run(
    engines: &Engines,
    txbytes: &Bytes,
    result: &TransactionResult,
    runs: &mut EngineRuns,
) -> Result<(), Failure> {
    let rules = ChainSpec::at_fork(CHAIN_ID, result.fork).rules_at(1, 1, None);
    let judged = judge(engines, txbytes, &rules, runs);
    if let Some(run) = runs.disagreement() {
        return Err(Failure::of_engine(run));
    }
    match (judged, &result.expected) {
        (Ok((transaction, sender, signers)), Ok(facts)) => {
            let intrinsic_gas = intrinsic_gas(engines, &transaction, sender, &signers, &rules, runs);
            check_facts(facts, &transaction, sender, intrinsic_gas)
        }
        (Ok(_), Err(names)) => Err(Failure::Accepted { what: Item::Transaction, expected: names.clone() }),
        (Err((error, _)), Ok(_)) => Err(Failure::Refused { what: Item::Transaction, error, detail: Detail::default() }),
        (Err((error, names)), Err(expected)) => {
            let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
            check_refusal(Item::Transaction, &expected, error, &names)
        }
    }
}

/// Why a transaction is refused, and the names of that.
type Refusal = (String, Vec<&'static str>);

/// The transaction with its sender and the signers of its authorizations.
type Judged = (Transaction, Address, Vec<Option<Address>>);

fn judge(engines: &Engines, txbytes: &Bytes, rules: &BlockRules, runs: &mut EngineRuns) -> Result<Judged, Refusal> {
    let of_block = |error: BlockError| (error.to_string(), exception_names(&error).to_vec());
    let of_tx = |error: TxError| (error.to_string(), tx_exception_names(&error).to_vec());
    let transaction = Transaction::decode_2718_exact(txbytes).map_err(|error| {
        of_block(BlockError::Rlp(match error {
            Eip2718Error::RlpError(error) => error,
            _ => alloy_rlp::Error::Custom("a transaction of an unknown type"),
        }))
    })?;
    validate_transactions(std::slice::from_ref(&transaction), rules).map_err(of_block)?;
    let (sender, signers) =
        recover_transaction(TxIndex(0), &transaction).map_err(|_| of_tx(TxError::InvalidSignature(None)))?;
    match execute(engines, &transaction, sender, &signers, rules, runs) {
        Ok(_) => Ok((transaction, sender, signers)),
        Err(ExecError::Invalid(InvalidBlock::Transaction { error, .. })) => Err(of_tx(error)),
        Err(error) => Err((error.to_string(), Vec::new())),
    }
}

fn execute(
    engines: &Engines,
    transaction: &Transaction,
    sender: Address,
    signers: &[Option<Address>],
    rules: &BlockRules,
    runs: &mut EngineRuns,
) -> Result<BlockOutcome, ExecError> {
    let header = Header {
        number: 1,
        timestamp: 1,
        gas_limit: u64::MAX,
        base_fee_per_gas: rules.is_active(Fork::London).then_some(0),
        excess_blob_gas: rules.is_active(Fork::Cancun).then_some(0),
        ..Header::default()
    };
    let mut state = MemoryState::new();
    state.insert_account(sender, U256::MAX, transaction.nonce(), Bytes::new(), []);
    let block = state_block::block(header, [(transaction.clone(), sender, signers.to_vec())]);
    engines.execute(&state_block::input(&block, rules), &state, None, runs)
}

/// What the transaction costs before it starts, as the refusal of the same transaction without gas says.
fn intrinsic_gas(
    engines: &Engines,
    transaction: &Transaction,
    sender: Address,
    signers: &[Option<Address>],
    rules: &BlockRules,
    runs: &mut EngineRuns,
) -> Result<u64, String> {
    let without_gas = with_nonce_and_gas(transaction, transaction.nonce(), 0);
    match execute(engines, &without_gas, sender, signers, rules, runs) {
        Err(ExecError::Invalid(InvalidBlock::Transaction {
            error: TxError::IntrinsicGasTooLow { initial_gas, .. },
            ..
        })) => Ok(initial_gas),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("accepted without gas".to_owned()),
    }
}

fn check_facts(
    facts: &TransactionFacts,
    transaction: &Transaction,
    sender: Address,
    intrinsic_gas: Result<u64, String>,
) -> Result<(), Failure> {
    let compare = |field, expected: String, found: String| {
        let detail = Detail::default();
        if expected == found { Ok(()) } else { Err(Failure::Value { field, expected, found, detail }) }
    };
    compare("hash", facts.hash.to_string(), transaction.tx_hash().to_string())?;
    compare("sender", facts.sender.to_string(), sender.to_string())?;
    let found = intrinsic_gas.map_or_else(|error| error, |gas| gas.to_string());
    compare("intrinsic gas", facts.intrinsic_gas.to_string(), found)
}

//! Transaction tests: one encoded transaction by itself.
//!
//! What a fork says of it without any state: whether it decodes, who sent it, what it costs before it starts.
//! It is judged as the one transaction of a block on a state in which its sender lacks nothing, so that
//! every engine has its say.

use super::case::Verdict;
use super::edited_tx::{Fields, with_fields};
use super::engines::{EngineRuns, Engines};
use super::failure::{Detail, Failure, Item, check_refusal};
use super::state_block;
use alloy_consensus::transaction::RlpEcdsaDecodableTx;
use alloy_consensus::{Header, Transaction as _, TxLegacy};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error};
use alloy_primitives::{Address, Bytes, U256};
use motet_chain::validate::{is_known_type, tx_exception_names, validate_transactions};
use motet_chain::{BlockError, exception_names};
use motet_exec::{ExecError, InvalidBlock};
use motet_types::block::recover_transaction;
use motet_types::{BlockOutcome, BlockRules, ChainSpec, Fork, MemoryState, Transaction, TxError, TxIndex};
use motet_workload::spec_test::{TransactionFacts, TransactionResult};

/// Highest first byte that is a type and not the start of an RLP list. EIP-2718.
const TX_TYPE_MAX: u8 = 0x7f;
/// Chain id of transaction tests.
const CHAIN_ID: u64 = 1;

/// Judges the transaction under one fork.
pub(super) fn run(engines: &Engines, txbytes: &Bytes, result: &TransactionResult, runs: &mut EngineRuns) -> Verdict {
    let rules = ChainSpec::at_fork(CHAIN_ID, result.fork).rules_at(1, 1, None);
    let judged = judge(engines, txbytes, &rules, runs);
    let intrinsic_gas = judged.as_ref().ok().map(|judged| intrinsic_gas(engines, judged, &rules, runs));
    if let Some(run) = runs.disagreement() {
        return Verdict::Failed(Failure::of_engine(run));
    }
    let checked = match (&judged, &result.expected) {
        (Ok(judged), Ok(facts)) => check_facts(facts, judged, intrinsic_gas),
        (Ok(_), Err(names)) => Err(Failure::Accepted { what: Item::Transaction, expected: names.clone() }),
        (Err((error, _)), Ok(_)) => {
            Err(Failure::Refused { what: Item::Transaction, error: error.clone(), detail: Detail::default() })
        }
        (Err((error, names)), Err(expected)) => {
            let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
            check_refusal(Item::Transaction, &expected, error.clone(), names)
        }
    };
    match checked {
        Err(_) if judged.is_err() && has_wide_fee(txbytes) => Verdict::Skipped(WIDE_FEE.to_owned()),
        other => other.into(),
    }
}

/// Why a transaction with such a fee cannot be judged.
const WIDE_FEE: &str = "a transaction with a fee of more than 128 bits, which alloy's types cannot hold";
/// Bytes of a fee that alloy's types can hold.
const FEE_BYTES_MAX: usize = size_of::<u128>();

/// Whether a field that holds a fee is longer than alloy's types for it.
fn has_wide_fee(txbytes: &[u8]) -> bool {
    let (fees, mut list) = match txbytes.first() {
        Some(1) => (2..3, &txbytes[1..]),
        Some(2..=4) => (2..4, &txbytes[1..]),
        Some(0xc0..) => (1..2, txbytes),
        _ => return false,
    };
    let Ok(mut fields) = alloy_rlp::Header::decode_bytes(&mut list, true) else { return false };
    let mut lengths = std::iter::from_fn(|| {
        let header = alloy_rlp::Header::decode(&mut fields).ok()?;
        fields = fields.get(header.payload_length..)?;
        Some(header.payload_length)
    });
    lengths.by_ref().take(fees.end).skip(fees.start).any(|bytes| bytes > FEE_BYTES_MAX)
}

/// Why a transaction is refused, and the names of that.
type Refusal = (String, Vec<&'static str>);

/// The transaction with its sender and the signers of its authorizations.
type Judged = (Transaction, Address, Vec<Option<Address>>);

fn judge(engines: &Engines, txbytes: &Bytes, rules: &BlockRules, runs: &mut EngineRuns) -> Result<Judged, Refusal> {
    let of_block = |error: BlockError| (error.to_string(), exception_names(&error).to_vec());
    let of_tx = |error: TxError| (error.to_string(), tx_exception_names(&error).to_vec());
    let decoded = decode(txbytes).map_err(|error| of_block(BlockError::Rlp(error)));
    if let Some(tx_type @ ..=TX_TYPE_MAX) = txbytes.first().copied()
        && !is_known_type(tx_type, rules.fork)
    {
        // Where it does not decode either, some fixtures name the one fault and some the other.
        let (error, mut names) = of_tx(TxError::TypeNotSupported(tx_type));
        names.extend(decoded.err().into_iter().flat_map(|(_, names)| names));
        return Err((error, names));
    }
    let transaction = decoded?;
    validate_transactions(std::slice::from_ref(&transaction), rules).map_err(of_block)?;
    let (sender, signers) =
        recover_transaction(TxIndex(0), &transaction).map_err(|_| of_tx(TxError::InvalidSignature(None)))?;
    let gas_limit = transaction.gas_limit();
    let judged = (transaction, sender, signers);
    match execute(engines, &judged, gas_limit, rules, runs) {
        Ok(_) => Ok(judged),
        Err(ExecError::Invalid(InvalidBlock::Transaction { error, .. })) => Err(of_tx(error)),
        Err(error) => Err((error.to_string(), Vec::new())),
    }
}

/// Decodes exactly these bytes. `decode_2718_exact` does not say what is wrong with a legacy transaction.
fn decode(txbytes: &[u8]) -> Result<Transaction, alloy_rlp::Error> {
    if txbytes.first().is_none_or(|first| *first <= TX_TYPE_MAX) {
        return Transaction::decode_2718_exact(txbytes).map_err(|error| match error {
            Eip2718Error::RlpError(error) => error,
            _ => alloy_rlp::Error::Custom("a transaction of an unknown type"),
        });
    }
    let mut rest = txbytes;
    let transaction = TxLegacy::rlp_decode_signed(&mut rest)?;
    if rest.is_empty() { Ok(transaction.into()) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}

/// Executes it with this gas limit, and without the value: what it moves is no matter of the transaction alone.
fn execute(
    engines: &Engines,
    (transaction, sender, signers): &Judged,
    gas_limit: u64,
    rules: &BlockRules,
    runs: &mut EngineRuns,
) -> Result<BlockOutcome, ExecError> {
    let nonce = transaction.nonce();
    let transaction = with_fields(transaction, Fields { nonce, gas_limit, value: U256::ZERO });
    let header = Header {
        number: 1,
        timestamp: 1,
        gas_limit: u64::MAX,
        base_fee_per_gas: rules.is_active(Fork::London).then_some(0),
        excess_blob_gas: rules.is_active(Fork::Cancun).then_some(0),
        ..Header::default()
    };
    let mut state = MemoryState::new();
    state.insert_account(*sender, U256::MAX, nonce, Bytes::new(), []);
    let block = state_block::block(header, [(transaction, *sender, signers.clone())]);
    engines.execute(&state_block::input(&block, rules), &state, None, None, runs)
}

/// What the transaction costs before it starts, as the refusal of the same transaction without gas says.
fn intrinsic_gas(engines: &Engines, judged: &Judged, rules: &BlockRules, runs: &mut EngineRuns) -> String {
    match execute(engines, judged, 0, rules, runs) {
        Err(ExecError::Invalid(InvalidBlock::Transaction {
            error: TxError::IntrinsicGasTooLow { initial_gas, .. },
            ..
        })) => initial_gas.to_string(),
        Err(error) => error.to_string(),
        Ok(_) => "accepted without gas".to_owned(),
    }
}

fn check_facts(
    facts: &TransactionFacts,
    (transaction, sender, _): &Judged,
    intrinsic_gas: Option<String>,
) -> Result<(), Failure> {
    let compare = |field, expected: String, found: String| {
        let detail = Detail::default();
        if expected == found { Ok(()) } else { Err(Failure::Value { field, expected, found, detail }) }
    };
    compare("hash", facts.hash.to_string(), transaction.tx_hash().to_string())?;
    compare("sender", facts.sender.to_string(), sender.to_string())?;
    compare("intrinsic gas", facts.intrinsic_gas.to_string(), intrinsic_gas.unwrap_or_default())
}

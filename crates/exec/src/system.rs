//! What a block does besides its transactions: system calls, withdrawals, rewards, the DAO fork.

use crate::error::{ExecError, InvalidBlock};
use crate::executor::{BlockInput, SystemCalls};
use crate::in_order::LedgerDb;
use crate::stop::Stop;
use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE};
use alloy_eips::eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE};
use alloy_eips::eip7685::Requests;
use alloy_evm::block::{
    BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_DEPOSIT_REQUEST_TYPE, BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS,
    BUILDER_EXIT_REQUEST_TYPE, calc,
};
use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_primitives::{Address, B256, Bytes, U256, b256};
use motet_types::{Fork, StateView, TxIndex};

/// Topic of the deposit contract's event. EIP-6110, DEPOSIT_EVENT_SIGNATURE_HASH.
const DEPOSIT_TOPIC: B256 = b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// Request type of deposits. EIP-6110.
const DEPOSIT_REQUEST_TYPE: u8 = 0;
/// Wei in one ether.
const ETHER: u128 = 1_000_000_000_000_000_000;

/// One call of a system contract.
#[derive(Clone, Debug)]
pub(crate) struct SystemCall {
    pub(crate) contract: Address,
    pub(crate) data: Bytes,
    /// The EIP-7685 type of its output; such a call must succeed.
    pub(crate) request_type: Option<u8>,
    /// Whether a block is invalid where the contract has no code.
    pub(crate) must_exist: bool,
}

/// Wei added to a balance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    pub(crate) address: Address,
    /// Added modulo 2^256, so that a debit is the two's complement.
    pub(crate) amount: U256,
}

/// The calls before the first transaction: EIP-2935, EIP-4788. None in the genesis block.
pub(crate) fn calls_before(input: &BlockInput<'_>) -> Result<Vec<SystemCall>, ExecError> {
    let header = input.block.header();
    let mut calls = Vec::new();
    if header.number == 0 || input.system_calls == SystemCalls::None {
        return Ok(calls);
    }
    let mut call = |contract, word: B256| {
        calls.push(SystemCall { contract, data: word.into(), request_type: None, must_exist: false });
    };
    if input.rules.is_active(Fork::Prague) {
        call(HISTORY_STORAGE_ADDRESS, header.parent_hash);
    }
    if input.rules.is_active(Fork::Cancun) {
        call(BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root.ok_or(InvalidBlock::MissingBeaconRoot)?);
    }
    Ok(calls)
}

/// The calls after the last transaction: EIP-7002, EIP-7251, EIP-8282.
pub(crate) fn calls_after(input: &BlockInput<'_>) -> Vec<SystemCall> {
    let mut calls = Vec::new();
    if input.system_calls == SystemCalls::None {
        return calls;
    }
    let mut call = |contract, request_type, must_exist| {
        calls.push(SystemCall { contract, data: Bytes::new(), request_type: Some(request_type), must_exist });
    };
    if input.rules.is_active(Fork::Prague) {
        call(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE, true);
        call(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE, true);
    }
    if input.rules.is_active(Fork::Amsterdam) {
        call(BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_DEPOSIT_REQUEST_TYPE, false);
        call(BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_EXIT_REQUEST_TYPE, false);
    }
    calls
}

/// Withdrawals from the consensus layer. EIP-4895: amounts are in gwei.
pub(crate) fn withdrawals(input: &BlockInput<'_>) -> Vec<Credit> {
    if !input.rules.is_active(Fork::Shanghai) {
        return Vec::new();
    }
    let withdrawals = input.block.block.body.withdrawals.as_ref();
    withdrawals
        .into_iter()
        .flat_map(|withdrawals| withdrawals.iter())
        .map(|withdrawal| Credit { address: withdrawal.address, amount: withdrawal.amount_wei() })
        .collect()
}

/// Rewards of the block and its ommers before Paris. Yellow Paper, section 11.3.
pub(crate) fn rewards(input: &BlockInput<'_>) -> Vec<Credit> {
    if input.rules.is_active(Fork::Paris) || !input.rewards {
        return Vec::new();
    }
    let header = input.block.header();
    let base = if input.rules.is_active(Fork::Constantinople) {
        2 * ETHER
    } else if input.rules.is_active(Fork::Byzantium) {
        3 * ETHER
    } else {
        5 * ETHER
    };
    let ommers = &input.block.block.body.ommers;
    let mut credits: Vec<Credit> = ommers
        .iter()
        .map(|ommer| Credit {
            address: ommer.beneficiary,
            amount: U256::from(calc::ommer_reward(base, header.number, ommer.number)),
        })
        .collect();
    credits.push(Credit { address: header.beneficiary, amount: U256::from(calc::block_reward(base, ommers.len())) });
    credits
}

/// The DAO fork: all of the listed accounts' ether goes to one contract. EIP-779.
pub(crate) fn dao_credits<V: StateView + ?Sized>(db: &mut LedgerDb<'_, V>) -> Result<Vec<Credit>, ExecError> {
    let mut credits = Vec::with_capacity(DAO_HARDFORK_ACCOUNTS.len() + 1);
    let mut total = U256::ZERO;
    for address in DAO_HARDFORK_ACCOUNTS {
        let account = db.account(address).map_err(|stop| match stop {
            Stop::View(error) => ExecError::View(*error),
            other => unreachable!("reads of the parent state only fail in the parent state: {other}"),
        })?;
        let balance = account.unwrap_or_default().balance;
        total += balance;
        credits.push(Credit { address, amount: U256::ZERO.wrapping_sub(balance) });
    }
    credits.push(Credit { address: DAO_HARDFORK_BENEFICIARY, amount: total });
    Ok(credits)
}

/// The deposits that the block's logs request, in order. EIP-6110.
pub(crate) fn deposit_requests(input: &BlockInput<'_>, receipts: &[ReceiptEnvelope]) -> Result<Requests, ExecError> {
    let mut requests = Requests::default();
    if !input.rules.is_active(Fork::Prague) || input.system_calls == SystemCalls::None {
        return Ok(requests);
    }
    let mut deposits = Vec::new();
    for (pos, receipt) in receipts.iter().enumerate() {
        for (log_pos, log) in receipt.logs().iter().enumerate() {
            if log.address == input.rules.deposit_contract && log.topics().first() == Some(&DEPOSIT_TOPIC) {
                append_deposit(&log.data.data, &mut deposits)
                    .ok_or(InvalidBlock::DepositLayout { tx: TxIndex::from(pos), log: log_pos })?;
            }
        }
    }
    if !deposits.is_empty() {
        requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
    }
    Ok(requests)
}

/// Appends the five fields of one deposit event; `None` when the data is not laid out as
/// EIP-6110's `is_valid_deposit_event_data` demands.
fn append_deposit(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // Offset of each field's length word, and the length itself: pubkey, withdrawal credentials,
    // amount, signature, index.
    const FIELDS: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
    const DATA_BYTES: usize = 576;
    if data.len() != DATA_BYTES {
        return None;
    }
    let word = |at: usize| U256::from_be_slice(&data[at..at + 32]);
    for (field, (offset, length)) in FIELDS.iter().enumerate() {
        if word(field * 32) != U256::from(*offset) || word(*offset) != U256::from(*length) {
            return None;
        }
        out.extend_from_slice(&data[offset + 32..offset + 32 + length]);
    }
    Some(())
}

//! A call as the EVM is to run it: the transaction that nobody signed, and the block around it.

use crate::vm::{BlockEnv, TxEnv, block_of};
use alloy_consensus::Header;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use motet_types::BlockRules;
use revm::context_interface::either::Either;

/// What a call must fulfil of all that a transaction must. That the sender has the funds and the gas suffices is always asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallChecks {
    /// The nonce is the sender's.
    pub nonce: bool,
    /// The sender has no code. EIP-3607.
    pub sender: bool,
    /// Fees cover those of the block. Where this is not asked, a call that names a price is held to it all the same.
    pub fees: bool,
    /// The gas fits the block and the cap. EIP-7825.
    pub gas_limit: bool,
}

impl CallChecks {
    /// A call.
    pub const NONE: Self = Self { nonce: false, sender: false, fees: false, gas_limit: false };
    /// A transaction.
    pub const ALL: Self = Self { nonce: true, sender: true, fees: true, gas_limit: true };
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallTx {
    /// Who calls.
    pub from: Address,
    /// What is called, or that a contract is created.
    pub to: TxKind,
    /// Gas.
    pub gas_limit: u64,
    /// Its nonce, where that is checked.
    pub nonce: u64,
    /// Wei that go along.
    pub value: U256,
    /// Data that go along, or the code that makes a contract.
    pub input: Bytes,
    /// Wei for each gas, at most.
    pub max_fee_per_gas: u128,
    /// Of which for the beneficiary, at most; `None`: there is one price alone.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei for each blob gas, at most.
    pub max_fee_per_blob_gas: u128,
    /// Hashes of blobs; empty: the call has none.
    pub blob_hashes: Vec<B256>,
    /// What is warm from the start. EIP-2930.
    pub access_list: Option<AccessList>,
    /// Who delegates to what. EIP-7702.
    pub authorizations: Vec<SignedAuthorization>,
}

impl CallTx {
    /// The least type of transaction that can hold all of it.
    fn kind(&self) -> u8 {
        if !self.authorizations.is_empty() {
            4
        } else if !self.blob_hashes.is_empty() {
            3
        } else if self.max_priority_fee_per_gas.is_some() {
            2
        } else {
            u8::from(self.access_list.is_some())
        }
    }

    pub(super) fn env(&self, block: &CallBlock) -> TxEnv {
        let kind = self.kind();
        TxEnv {
            tx_type: kind,
            caller: self.from,
            gas_limit: self.gas_limit,
            gas_price: self.max_fee_per_gas,
            kind: self.to,
            value: self.value,
            data: self.input.clone(),
            nonce: self.nonce,
            chain_id: Some(block.rules.chain_id),
            access_list: self.access_list.clone().unwrap_or_default(),
            gas_priority_fee: (kind > 1).then(|| self.max_priority_fee_per_gas.unwrap_or_default()),
            blob_hashes: self.blob_hashes.clone(),
            max_fee_per_blob_gas: self.max_fee_per_blob_gas,
            authorization_list: self.authorizations.iter().cloned().map(Either::Left).collect(),
        }
    }
}

/// The block around a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBlock {
    /// The rules in force.
    pub rules: BlockRules,
    /// Its height.
    pub number: u64,
    /// Its time, in seconds.
    pub timestamp: u64,
    /// Who gets the fees.
    pub beneficiary: Address,
    /// Gas of the whole block.
    pub gas_limit: u64,
    /// Wei that each gas costs at least.
    pub base_fee: u64,
    /// What PREVRANDAO gives, after Paris.
    pub prev_randao: B256,
    /// What DIFFICULTY gives, before.
    pub difficulty: U256,
    /// EIP-4844; `None` before Cancun.
    pub excess_blob_gas: Option<u64>,
    /// Wei that each blob gas costs, where it is not what follows from the excess.
    pub blob_base_fee: Option<u128>,
    /// EIP-7843.
    pub slot_number: u64,
}

impl CallBlock {
    /// The block of a header.
    pub fn of(header: &Header, rules: &BlockRules) -> Self {
        Self {
            rules: rules.clone(),
            number: header.number,
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            prev_randao: header.mix_hash,
            difficulty: header.difficulty,
            excess_blob_gas: header.excess_blob_gas,
            blob_base_fee: None,
            slot_number: header.slot_number.unwrap_or_default(),
        }
    }

    pub(super) fn env(&self) -> BlockEnv {
        let header = Header {
            number: self.number,
            timestamp: self.timestamp,
            beneficiary: self.beneficiary,
            gas_limit: self.gas_limit,
            base_fee_per_gas: Some(self.base_fee),
            mix_hash: self.prev_randao,
            difficulty: self.difficulty,
            // From Cancun on the EVM insists on it; who simulates on an older block may not have it.
            excess_blob_gas: self.excess_blob_gas.or_else(|| self.rules.blob.map(|_| 0)),
            slot_number: Some(self.slot_number),
            ..Header::default()
        };
        let mut env = block_of(&header, &self.rules);
        if let (Some(price), Some(blob)) = (self.blob_base_fee, &mut env.blob_excess_gas_and_price) {
            blob.blob_gasprice = price;
        }
        env
    }
}

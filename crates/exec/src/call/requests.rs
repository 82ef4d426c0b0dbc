//! What a block does before and after its transactions, for a block that is simulated.

use super::{CallError, CallSession};
use crate::error::ExecError;
use crate::executor::BlockInput;
use crate::system;
use alloy_consensus::{BlockBody, Header, ReceiptEnvelope};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY};
use motet_types::{Block, RecoveredBlock};

/// Why a simulated block cannot begin or end.
#[derive(Debug, thiserror::Error)]
pub enum RequestsError {
    /// A system contract could not be called.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A system contract that must be there is not, or a deposit is malformed.
    #[error(transparent)]
    Block(#[from] Box<ExecError>),
    /// A system contract failed.
    #[error("system call failed to execute: {0}")]
    Failed(Address),
    /// A system contract is absent.
    #[error("system contract {0} is empty")]
    Absent(Address),
}

impl CallSession<'_> {
    /// Calls what is called before the first transaction: EIP-2935, EIP-4788.
    ///
    /// # Errors
    /// When the state gives no answer.
    pub fn open_block(&mut self, parent_hash: B256, beacon_root: Option<B256>) -> Result<(), RequestsError> {
        let block = self.bare_block(parent_hash, beacon_root);
        let rules = self.block.rules.clone();
        for call in system::calls_before(&BlockInput::new(&block, &rules)).map_err(Box::new)? {
            self.system_call(call.contract, call.data)?;
        }
        Ok(())
    }

    /// Collects what the block requests after its last transaction: EIP-6110, EIP-7002, EIP-7251.
    ///
    /// # Errors
    /// When a contract for requests is absent or fails, a deposit is malformed, or the state gives no answer.
    pub fn close_block(&mut self, receipts: &[ReceiptEnvelope]) -> Result<Requests, RequestsError> {
        let block = self.bare_block(B256::ZERO, None);
        let rules = self.block.rules.clone();
        let input = BlockInput::new(&block, &rules);
        let mut requests = system::deposit_requests(&input, receipts).map_err(Box::new)?;
        for call in system::calls_after(&input) {
            let account = self.account(call.contract).map_err(CallError::from)?;
            if account.is_none_or(|account| account.code_hash == KECCAK256_EMPTY) {
                if call.must_exist {
                    return Err(RequestsError::Absent(call.contract));
                }
                continue;
            }
            let (is_success, output) = self.system_call(call.contract, call.data)?;
            if !is_success {
                return Err(RequestsError::Failed(call.contract));
            }
            if let (Some(kind), false) = (call.request_type, output.is_empty()) {
                requests.push_request_with_type(kind, output);
            }
        }
        Ok(requests)
    }

    fn bare_block(&self, parent_hash: B256, beacon_root: Option<B256>) -> RecoveredBlock {
        let header = Header {
            number: self.block.number,
            timestamp: self.block.timestamp,
            parent_hash,
            parent_beacon_block_root: beacon_root,
            ..Header::default()
        };
        RecoveredBlock::new(Block { header, body: BlockBody::default() }, Vec::new(), Vec::new())
    }
}

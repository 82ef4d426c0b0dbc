//! Everything that is stored, held against everything else.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::validate::validate_transactions_root;
use alloy_consensus::ReceiptEnvelope;
use alloy_consensus::proofs::{calculate_ommers_root, calculate_withdrawals_root};
use alloy_eip7928::compute_block_access_list_hash;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bloom, KECCAK256_EMPTY, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use motet_state::trie::{AccountChange, HashedDiff, SlotChange, StateTrie};
use motet_types::{Location, Value};
use std::collections::BTreeSet;

/// Accounts and slots that go into the trie at a time.
const BUILD_CHUNK: usize = 1 << 16;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows of all tables, each with its checksum.
    pub rows: u64,
    /// Blocks, each with its parts against its header.
    pub blocks: u64,
    /// Transactions of these blocks.
    pub transactions: u64,
    /// Accounts that the root was computed from.
    pub accounts: u64,
    /// Slots that the root was computed from.
    pub slots: u64,
    /// Codes that accounts have.
    pub codes: u64,
}

/// A part of the verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyStep {
    /// Rows of the tables.
    Rows,
    /// Accounts, slots and codes, and their root.
    State,
    /// Blocks.
    Blocks,
}

impl Chain {
    /// Verifies everything that is stored: every row of every table, the state's root from scratch, every code, and every
    /// block with its parts and indices against its header and the block before. `on_step` is told where it is, and how many
    /// it looked at there.
    ///
    /// # Errors
    /// Names the first damage.
    pub fn verify(&self, on_step: &mut dyn FnMut(VerifyStep, u64)) -> Result<Verified, ChainError> {
        self.store.flush()?;
        on_step(VerifyStep::Rows, 0);
        let mut verified = Verified { rows: self.store.verify()?, ..Verified::default() };
        self.verify_state(&mut verified, on_step)?;
        self.verify_blocks(&mut verified, on_step)?;
        Ok(verified)
    }

    fn verify_state(
        &self,
        verified: &mut Verified,
        on_step: &mut dyn FnMut(VerifyStep, u64),
    ) -> Result<(), ChainError> {
        let mut trie = StateTrie::new(self.threads.crew());
        let (mut chunk, mut leaves) = (Vec::new(), 0);
        let mut codes = BTreeSet::new();
        for row in self.store.accounts_from(B256::ZERO) {
            let (key, account) = row?;
            if account.code_hash != KECCAK256_EMPTY {
                codes.insert(account.code_hash);
            }
            let mut change = AccountChange { key, account: Some(account), ..AccountChange::default() };
            for row in self.store.slots_of(key) {
                let (key, value) = row?;
                change.slots.push(SlotChange { key, value });
                verified.slots += 1;
            }
            leaves += 1 + change.slots.len();
            chunk.push(change);
            verified.accounts += 1;
            if leaves >= BUILD_CHUNK {
                trie.update_hashed(&HashedDiff::new(std::mem::take(&mut chunk)))?;
                leaves = 0;
                on_step(VerifyStep::State, verified.accounts);
            }
        }
        let found = trie.update_hashed(&HashedDiff::new(chunk))?;
        let head = &self.head().block().header;
        let (height, expected) = (head.number, head.state_root);
        if found != expected {
            return Err(ChainError::StateRoot { height, expected, found });
        }
        let state = self.state();
        for hash in codes {
            let code = match state.value(Location::Code(hash))? {
                Value::Code(code) => keccak256(&code),
                _ => B256::ZERO,
            };
            if code != hash {
                return Err(ChainError::Part { height, part: "code", what: "that of another hash" });
            }
            verified.codes += 1;
        }
        Ok(())
    }

    fn verify_blocks(
        &self,
        verified: &mut Verified,
        on_step: &mut dyn FnMut(VerifyStep, u64),
    ) -> Result<(), ChainError> {
        let first = self.genesis().number();
        let mut before: Option<std::sync::Arc<ChainBlock>> = None;
        for height in first..=self.head().number() {
            let wrong = |part, what| ChainError::Part { height, part, what };
            let block = self.canonical_block(height)?.ok_or(wrong("header", "absent"))?;
            let header = &block.block().header;
            if self.store.height_of(block.hash())? != Some(height) {
                return Err(wrong("header", "its hash does not lead to it"));
            }
            if let Some(before) = &before {
                if header.parent_hash != before.hash() {
                    return Err(wrong("header", "its parent is another block than the one before"));
                }
                let difficulty = before.total_difficulty().saturating_add(header.difficulty);
                if difficulty != block.total_difficulty() {
                    return Err(wrong("header", "its total difficulty does not follow"));
                }
                // The first block was not executed.
                self.verify_results(&block)?;
            }
            self.verify_body(&block)?;
            verified.blocks += 1;
            verified.transactions += block.block().body.transactions.len() as u64;
            if verified.blocks.is_multiple_of(256) {
                on_step(VerifyStep::Blocks, verified.blocks);
            }
            before = Some(block);
        }
        Ok(())
    }

    fn verify_body(&self, block: &ChainBlock) -> Result<(), ChainError> {
        let height = block.number();
        let wrong = |part, what| ChainError::Part { height, part, what };
        let (header, body) = (&block.block().header, &block.block().body);
        validate_transactions_root(block.block()).map_err(|_| wrong("body", "not the header's transactions"))?;
        if calculate_ommers_root(&body.ommers) != header.ommers_hash {
            return Err(wrong("body", "not the header's ommers"));
        }
        let withdrawals = body.withdrawals.as_ref().map(|withdrawals| calculate_withdrawals_root(withdrawals));
        if withdrawals != header.withdrawals_root {
            return Err(wrong("body", "not the header's withdrawals"));
        }
        for (index, tx) in (0..).zip(&body.transactions) {
            if self.store.transaction(*tx.tx_hash())? != Some((height, index)) {
                return Err(wrong("transaction index", "does not lead to a transaction of the block"));
            }
        }
        Ok(())
    }

    fn verify_results(&self, block: &ChainBlock) -> Result<(), ChainError> {
        let height = block.number();
        let wrong = |part, what| ChainError::Part { height, part, what };
        let header = &block.block().header;
        let receipts = self.receipts(height)?.ok_or(wrong("receipts", "absent"))?;
        let encoded: Vec<Vec<u8>> = receipts.iter().map(Encodable2718::encoded_2718).collect();
        if ordered_trie_root_encoded(&encoded) != header.receipts_root {
            return Err(wrong("receipts", "not those of the header's root"));
        }
        let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        if bloom != header.logs_bloom {
            return Err(wrong("receipts", "not those of the header's bloom"));
        }
        self.verify_log_index(height, &receipts)?;
        let record = self.record(height)?.ok_or(wrong("record", "absent"))?;
        match header.block_access_list_hash {
            Some(hash) if compute_block_access_list_hash(&record.list) != hash => {
                Err(wrong("record", "not the header's access list"))
            }
            _ => Ok(()),
        }
    }

    fn verify_log_index(&self, height: u64, receipts: &[ReceiptEnvelope]) -> Result<(), ChainError> {
        let logs = || receipts.iter().filter_map(|receipt| receipt.as_receipt()).flat_map(|receipt| &receipt.logs);
        let addresses: BTreeSet<_> = logs().map(|log| log.address).collect();
        let topics: BTreeSet<_> = logs().flat_map(|log| log.data.topics()).copied().collect();
        let wrong = |what| ChainError::Part { height, part: "log index", what };
        for address in addresses {
            if self.store.blocks_with_address(address, height..=height, 1)? != [height] {
                return Err(wrong("an address does not lead to the block"));
            }
        }
        for topic in topics {
            if self.store.blocks_with_topic(topic, height..=height, 1)? != [height] {
                return Err(wrong("a topic does not lead to the block"));
            }
        }
        Ok(())
    }
}

//! Writing a snapshot.

use super::chunk::{ChunkWriter, Kind};
use super::error::{SnapshotError, SnapshotFault};
use super::old_state::OldState;
use super::{ANCESTORS_MAX, AccountPart, BlockPart, EndPart, SlotPart};
use crate::chain::Chain;
use crate::chain_error::ChainError;
use crate::chain_file::rules_json;
use crate::encoding::{StoredHeader, decode_header};
use crate::validate::OMMER_ANCESTORS;
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use motet_types::{Account, Location, Value};
use std::collections::BTreeSet;
use std::io::Write;

/// Bytes of content at which a chunk is written.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes that an account takes in a chunk, about; and a slot.
const ACCOUNT_BYTES: usize = 96;
const SLOT_BYTES: usize = 68;

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotCounts {
    /// Accounts.
    pub accounts: u64,
    /// Slots that are not zero.
    pub slots: u64,
    /// Codes, each once.
    pub codes: u64,
}

impl Chain {
    /// Writes a snapshot: the canonical block at a height and the state after it. `on_progress` is told how many
    /// accounts are written, now and then.
    ///
    /// # Errors
    /// When the history does not hold that state, and when the store or `out` fails.
    pub fn export_state(
        &self,
        number: u64,
        out: impl Write,
        on_progress: &mut dyn FnMut(u64),
    ) -> Result<SnapshotCounts, SnapshotError> {
        let at_start = |fault| SnapshotError { offset: 0, chunk: 0, fault };
        let mut writer = ChunkWriter::start(out).map_err(|error| at_start(error.into()))?;
        let written = self.write_parts(number, &mut writer, on_progress);
        written.map_err(|fault| writer.at(fault))
    }

    fn write_parts(
        &self,
        number: u64,
        writer: &mut ChunkWriter<impl Write>,
        on_progress: &mut dyn FnMut(u64),
    ) -> Result<SnapshotCounts, SnapshotFault> {
        self.flush()?;
        // Which says that the state is not there, where it is not.
        self.state_at(number)?;
        let old = OldState::of(&self.store, number, self.head().number())?;
        writer.put(Kind::Block, &self.block_part(number)?)?;
        let mut accounts = Accounts::default();
        let mut codes = BTreeSet::new();
        for row in old.accounts(&self.store) {
            let (key, account) = row?;
            if account.code_hash != KECCAK256_EMPTY {
                codes.insert(account.code_hash);
            }
            accounts.begin(key, account);
            for row in old.slots(&self.store, key) {
                let (slot, value) = row?;
                accounts.push(slot, value);
                if accounts.bytes >= CHUNK_BYTES {
                    writer.put(Kind::Accounts, &accounts.take())?;
                    accounts.resume(key, account);
                }
            }
            if accounts.bytes >= CHUNK_BYTES {
                writer.put(Kind::Accounts, &accounts.take())?;
                on_progress(accounts.counts.accounts);
            }
        }
        writer.put(Kind::Accounts, &accounts.take())?;
        self.write_codes(&codes, writer)?;
        let SnapshotCounts { accounts, slots, .. } = accounts.counts;
        let end = EndPart { accounts, slots, codes: codes.len() as u64 };
        writer.put(Kind::End, &end)?;
        Ok(SnapshotCounts { accounts, slots, codes: end.codes })
    }

    fn write_codes(&self, codes: &BTreeSet<B256>, writer: &mut ChunkWriter<impl Write>) -> Result<(), SnapshotFault> {
        let state = self.state();
        let (mut chunk, mut bytes) = (Vec::<Bytes>::new(), 0);
        for hash in codes {
            let Value::Code(code) = state.value(Location::Code(*hash))? else { continue };
            bytes += code.len();
            chunk.push(code);
            if bytes >= CHUNK_BYTES {
                writer.put(Kind::Codes, &std::mem::take(&mut chunk))?;
                bytes = 0;
            }
        }
        if chunk.is_empty() { Ok(()) } else { writer.put(Kind::Codes, &chunk) }
    }

    fn block_part(&self, number: u64) -> Result<BlockPart, ChainError> {
        let wrong = |height, what| ChainError::Part { height, part: "header", what };
        let block = self.canonical_block(number)?.ok_or(wrong(number, "absent"))?;
        let (mut ancestors, mut bodies) = (Vec::new(), Vec::new());
        let is_before_paris = !block.block().header.difficulty.is_zero();
        for height in (0..number).rev().take(ANCESTORS_MAX) {
            let Some((_, header)) = self.store.header(height)? else { break };
            let StoredHeader { header, .. } = decode_header(&header).ok_or(wrong(height, "encoding"))?;
            ancestors.push(header);
            if is_before_paris
                && ancestors.len() <= OMMER_ANCESTORS
                && bodies.len() + 1 == ancestors.len()
                && let Some(body) = self.store.body(height)?
            {
                bodies.push(body);
            }
        }
        Ok(BlockPart {
            rules: rules_json(&self.spec).into(),
            genesis: self.genesis().hash(),
            total_difficulty: block.total_difficulty(),
            block: alloy_rlp::encode(block.block()).into(),
            ancestors,
            bodies,
        })
    }
}

/// A chunk of accounts in the making.
#[derive(Default)]
struct Accounts {
    parts: Vec<AccountPart>,
    bytes: usize,
    counts: SnapshotCounts,
}

impl Accounts {
    fn begin(&mut self, key: B256, account: Account) {
        self.counts.accounts += 1;
        self.resume(key, account);
    }

    /// Goes on with an account of which slots are in the chunk before.
    fn resume(&mut self, key: B256, account: Account) {
        let Account { nonce, balance, code_hash } = account;
        self.parts.push(AccountPart { key, nonce, balance, code_hash, slots: Vec::new() });
        self.bytes += ACCOUNT_BYTES;
    }

    fn push(&mut self, key: B256, value: U256) {
        if let Some(last) = self.parts.last_mut() {
            last.slots.push(SlotPart { key, value });
            self.counts.slots += 1;
            self.bytes += SLOT_BYTES;
        }
    }

    fn take(&mut self) -> Vec<AccountPart> {
        self.bytes = 0;
        std::mem::take(&mut self.parts)
    }
}

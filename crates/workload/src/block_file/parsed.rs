//! A block that awaits its senders.

use super::error::{BlockFileError, BlockFileErrorKind};
use super::{BlockSchema, HeaderChecks, ParentState, ReplayBlock};
use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::Address;
use motet_types::{Block, BlockRules, RecoveredBlock, RecoveryError, Transaction};
use std::path::{Path, PathBuf};

/// A block file that passed every check except those of its signatures.
///
/// Parsing is cheap and [`ParsedBlock::recover`] is not: a caller with many files parses and recovers
/// them on as many threads as it likes, or brings its own recovery ([`ParsedBlock::recover_with`]).
#[derive(Clone, Debug)]
pub struct ParsedBlock {
    pub(super) source: PathBuf,
    pub(super) schema: BlockSchema,
    pub(super) rules: BlockRules,
    pub(super) block: Block,
    pub(super) senders: Senders,
    pub(super) access_list: Option<BlockAccessList>,
    pub(super) state: ParentState,
    pub(super) header_checks: HeaderChecks,
    pub(super) lenient_system_calls: bool,
}

/// What the file says about senders. Invariant: one per transaction of the block.
#[derive(Clone, Debug)]
pub(super) enum Senders {
    /// To be compared with the signatures.
    Claimed(Vec<Address>),
    /// Taken at its word: the transactions carry no signatures of their own.
    Given(Vec<Address>),
}

impl ParsedBlock {
    /// Where it was read from, or the name that the caller gave.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The format of the file.
    pub fn schema(&self) -> BlockSchema {
        self.schema
    }

    /// The block's number.
    pub fn number(&self) -> u64 {
        self.block.header.number
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.block.body.transactions
    }

    /// Recovers senders and authorities on the calling thread.
    ///
    /// # Errors
    /// When a signature gives no sender, or another one than the file claims.
    pub fn recover(self) -> Result<ReplayBlock, BlockFileError> {
        self.recover_with(RecoveredBlock::recover)
    }

    /// Recovers senders and authorities with the caller's stage. It is not called for a file without
    /// signatures, whose senders are given.
    ///
    /// # Errors
    /// When a signature gives no sender, or another one than the file claims.
    pub fn recover_with(
        self,
        recover: impl FnOnce(Block) -> Result<RecoveredBlock, RecoveryError>,
    ) -> Result<ReplayBlock, BlockFileError> {
        let Self { source, schema, rules, block, senders, access_list, state, header_checks, lenient_system_calls } =
            self;
        let recovered = match senders {
            Senders::Claimed(claimed) => recover(block)
                .map_err(|error| BlockFileErrorKind::Unrecoverable { path: transaction_path(error.tx.pos()) })
                .and_then(|recovered| compare_senders(claimed, recovered)),
            Senders::Given(given) => {
                let authorities = block.body.transactions.iter().map(authorities).collect();
                Ok(RecoveredBlock::new(block, given, authorities))
            }
        };
        let block = match recovered {
            Ok(recovered) => recovered.with_access_list(access_list),
            Err(kind) => return Err(BlockFileError { file: source, kind: Box::new(kind) }),
        };
        let fork = rules.fork;
        Ok(ReplayBlock { source, schema, fork, rules, block, state, header_checks, lenient_system_calls })
    }
}

fn compare_senders(claimed: Vec<Address>, recovered: RecoveredBlock) -> Result<RecoveredBlock, BlockFileErrorKind> {
    for (pos, (expected, found)) in claimed.into_iter().zip(&recovered.senders).enumerate() {
        if expected != *found {
            let path = format!("{}.from", transaction_path(pos));
            return Err(BlockFileErrorKind::SenderMismatch { path, expected, found: *found });
        }
    }
    Ok(recovered)
}

fn transaction_path(pos: usize) -> String {
    format!("block.transactions[{pos}]")
}

/// Who signed each authorization of a transaction.
fn authorities(transaction: &Transaction) -> Vec<Option<Address>> {
    transaction
        .authorization_list()
        .map(|list| list.iter().map(|signed| signed.recover_authority().ok()).collect())
        .unwrap_or_default()
}

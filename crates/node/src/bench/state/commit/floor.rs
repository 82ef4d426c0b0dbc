//! The least that durability costs: what has to be written, written once and synced.

use crate::clock;
use eyre::WrapErr;
use motet_state::store::CommittedBlock;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// A file that changes are appended to.
#[derive(Debug)]
pub(super) struct Floor {
    file: File,
}

impl Floor {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().create_new(true).append(true).open(path)? })
    }

    /// Appends blocks one after the other; adds how long each took.
    pub(super) fn append_all(&mut self, blocks: &[CommittedBlock], walls: &mut Vec<Duration>) -> eyre::Result<()> {
        for block in blocks {
            let started = clock::now_ns();
            self.append(block).wrap_err("appending to the log to compare with")?;
            walls.push(Duration::from_nanos(clock::now_ns().saturating_sub(started)));
        }
        Ok(())
    }

    /// Appends a block's changed accounts, encoded as briefly as the store's log has them, and returns when they are on
    /// disk.
    fn append(&mut self, block: &CommittedBlock) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(40 * block.diff.accounts.len());
        for (address, change) in &block.diff.accounts {
            bytes.extend_from_slice(address.as_slice());
            if let Some(account) = change.account {
                let (nonce, balance) = (account.nonce.to_be_bytes(), account.balance.to_be_bytes::<32>());
                let (nonce, balance) = (trimmed(&nonce), trimmed(&balance));
                bytes.extend_from_slice(&[nonce.len() as u8, balance.len() as u8]);
                bytes.extend_from_slice(nonce);
                bytes.extend_from_slice(balance);
            }
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

/// A number without the zeros in front.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

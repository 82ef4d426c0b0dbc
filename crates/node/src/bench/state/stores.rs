//! Stores of made-up accounts, in a folder that goes when the measurement is over.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use eyre::{WrapErr, bail};
use motet_state::store::{CommittedBlock, EngineKind, Identity, Options, Store};
use motet_types::{Account, AccountDiff, StateDiff};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Accounts in each of the blocks that a store is filled with.
pub(super) const LOAD_ACCOUNTS: u64 = 50_000;
/// Bytes of a header, about.
const HEADER_BYTES: usize = 600;

/// The folder for stores.
#[derive(Debug)]
pub(super) struct Workshop {
    dir: PathBuf,
    is_kept: bool,
}

impl Workshop {
    /// A folder below `dir`. One that is not kept has a name of its own and is removed at the end.
    pub(super) fn new(dir: &Path, is_kept: bool) -> eyre::Result<Self> {
        let name = match is_kept {
            true => "motet-bench-state".to_owned(),
            false => format!("motet-bench-state-{}", std::process::id()),
        };
        let dir = dir.join(name);
        match fs::create_dir_all(dir.parent().unwrap_or(&dir)).and_then(|()| fs::create_dir(&dir)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(error).wrap_err_with(|| format!("making the folder {}", dir.display()))
            }
            Err(_) if !is_kept => bail!("{} is there already", dir.display()),
            _ => Ok(Self { dir, is_kept }),
        }
    }

    /// Where the store of a name is, or is to be.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Removes what has a name, where it is not to be kept.
    pub(super) fn clear(&self, name: &str) -> eyre::Result<()> {
        let path = self.path(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).wrap_err_with(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed stays; there is nobody left to tell.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The name of an engine in tables and folders.
pub(super) fn engine_name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Fjall => "fjall",
        EngineKind::Redb => "redb",
    }
}

/// The usual options for a store of made-up blocks.
pub(super) fn options(engine: EngineKind) -> Options {
    let identity = Identity { chain_id: 1, genesis: hash_of(0), archive: false };
    Options { engine, ..Options::new(identity) }
}

/// The address of an account.
pub(super) fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

/// A block that gives these accounts random fields.
pub(super) fn block(height: u64, numbers: impl Iterator<Item = u64>, rng: &mut SmallRng) -> CommittedBlock {
    let mut diff = StateDiff::default();
    for number in numbers {
        let change = AccountDiff { account: Some(random_account(rng)), ..AccountDiff::default() };
        diff.accounts.insert(address(number), change);
    }
    let hash = hash_of(height);
    let parent = if height == 0 { B256::ZERO } else { hash_of(height - 1) };
    let header = Bytes::from(vec![1; HEADER_BYTES]);
    CommittedBlock { height, hash, parent, root: hash, diff: Arc::new(diff), header, ..CommittedBlock::default() }
}

/// Fills a new store with accounts; the answer is the height of the next block.
pub(super) fn fill(store: &Store, accounts: u64, seed: u64, progress: &dyn Fn(&str)) -> eyre::Result<u64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut height = 0;
    for first in (0..accounts).step_by(LOAD_ACCOUNTS as usize) {
        progress(&format!("filling a store: {first} of {accounts} accounts"));
        store.commit(block(height, first..accounts.min(first + LOAD_ACCOUNTS), &mut rng))?;
        height += 1;
    }
    progress("filling a store: waiting for its tables");
    store.flush()?;
    Ok(height)
}

/// The height of the next block of a store that [`fill`] has filled with so many accounts.
pub(super) fn filled_height(accounts: u64) -> u64 {
    accounts.div_ceil(LOAD_ACCOUNTS)
}

fn random_account(rng: &mut SmallRng) -> Account {
    let balance = U256::from(rng.random::<u64>()) << 8;
    // Never absent, nor empty as EIP-161 has it.
    Account { nonce: rng.random_range(1..1000), balance, ..Account::default() }
}

fn hash_of(height: u64) -> B256 {
    keccak256(height.to_be_bytes())
}
